"""Asks an endpoint for the descriptors of its services.

Source: gRPC doc/server-reflection.md. `grpc.reflection.v1` is asked first and `v1alpha` when that is UNIMPLEMENTED;
their messages are the same on the wire. All requests of one look go through one stream, so to one server.

A service that the endpoint lists and cannot describe does not spoil the others: the answer names it with the reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection_pb2

from edge.model.linking import well_known
from edge.model.schema import SchemaSet

METHODS = (
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)
INFRASTRUCTURE = frozenset(
    {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", "grpc.health.v1.Health"}
)
"""Services that belong to an endpoint and not to what the upstream offers: the gateway answers them itself."""

MAX_FILES = 10_000
MAX_BYTES = 64 * 1024 * 1024

_CORE_ERROR = "Internal error from Core"
_LATE_STATUS = 0.1
"""Seconds the real status may come after that."""


class ReflectionError(Exception):
    """The descriptors could not be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The endpoint does not offer reflection."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint says of itself."""

    files: Mapping[str, bytes]
    """The serialized `FileDescriptorProto`s by file name."""

    offered: tuple[str, ...]
    """The full names of the services, sorted, without `INFRASTRUCTURE`."""

    lacking: Mapping[str, str]
    """Why the descriptors of a service that is offered are not among the files, by full service name."""

    fingerprint: bytes
    """Equal for equal answers."""

    @classmethod
    def of(cls, files: Mapping[str, bytes], offered: Iterable[str], lacking: Mapping[str, str]) -> Answer:
        """Make an answer with its fingerprint."""
        names = tuple(sorted(offered))
        digest = hashlib.sha256()
        for name in sorted(files):
            digest.update(len(files[name]).to_bytes(8, "big") + files[name])
        for text in (*names, *(f"{name}: {why}" for name, why in sorted(lacking.items()))):
            digest.update(len(text).to_bytes(8, "big") + text.encode())
        return cls(files, names, lacking, digest.digest())

    def schema(self) -> SchemaSet:
        """Return the answer indexed and linked. Slow: belongs in a worker thread."""
        made = SchemaSet.of(self.files.values(), offered=self.offered, lacking=self.lacking)
        _ = made.broken  # links it
        return made


@dataclass(frozen=True, slots=True)
class Head:
    """What a look has to know of a file."""

    name: str
    imports: tuple[str, ...]
    services: tuple[str, ...]

    @classmethod
    def of(cls, data: bytes) -> Head:
        """Read a serialized `FileDescriptorProto`.

        Raises:
            google.protobuf.message.DecodeError: it is none.
        """
        file = descriptor_pb2.FileDescriptorProto.FromString(data)
        prefix = f"{file.package}." if file.package else ""
        return cls(file.name, tuple(file.dependency), tuple(prefix + service.name for service in file.service))


async def read_answer(
    channel: grpc.aio.Channel, *, seconds: float, heads: dict[bytes, Head] | None = None
) -> Answer | Unsupported:
    """Read the descriptors of every service of an endpoint.

    Args:
        channel: A channel to the endpoint.
        seconds: When to give up.
        heads: The files that were read before, which are not parsed again, by content. New ones are added.

    Raises:
        ReflectionError: the endpoint could not be asked, or answered nonsense.
    """
    for method in METHODS:
        # bytes, because grpc.aio logs what does not parse and goes on without it
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(method)(timeout=seconds)
        try:
            return await _Conversation(call, {} if heads is None else heads).read()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            # InvalidStateError is how a write says that the call has ended
            code, details = await _status(call)
            if code is grpc.StatusCode.UNIMPLEMENTED:
                continue
            if code is grpc.StatusCode.OK:
                raise ReflectionError("the reflection stream ended early") from error
            raise ReflectionError(f"{code.name}: {details}") from error
        except DecodeError as error:
            raise ReflectionError("what came is no ServerReflectionResponse") from error
        finally:
            call.cancel()
    return Unsupported()


async def _status(call: grpc.aio.StreamStreamCall[bytes, bytes]) -> tuple[grpc.StatusCode, str]:
    """Return how a call has ended. grpc.aio may find an error of its own for a moment before the real status comes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _LATE_STATUS
    while (details := await call.details() or "") == _CORE_ERROR and loop.time() < end:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.001)
    return await call.code(), details


class _Conversation:
    """One reflection stream: a question, its answer, the next question."""

    def __init__(self, call: grpc.aio.StreamStreamCall[bytes, bytes], heads: dict[bytes, Head]) -> None:
        self._call = call
        # `write` declares a call INTERNAL that the endpoint has just ended with another status; what lies under it,
        # where this grpcio has it, does not
        inner = getattr(call, "_cython_call", None)
        self._send: Callable[[bytes], Awaitable[None]] = getattr(inner, "send_serialized_message", call.write)
        self._heads = heads
        self._files: dict[str, bytes] = {}
        self._services: set[str] = set()
        self._bytes = 0

    async def read(self) -> Answer:
        answer = await self._ask(reflection_pb2.ServerReflectionRequest(list_services=""))
        if not answer.HasField("list_services_response"):
            raise ReflectionError(f"the services are not listed: {_problem(answer)}")
        names = {service.name for service in answer.list_services_response.service}
        offered = sorted(names - INFRASTRUCTURE)
        lacking: dict[str, str] = {}
        for name in offered:
            if name in self._services:
                continue  # came with another one, from the same server
            answer = await self._ask(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name))
            if not answer.HasField("file_descriptor_response"):
                lacking[name] = f"the endpoint cannot describe it: {_problem(answer)}"
            elif not self._keep(answer.file_descriptor_response.file_descriptor_proto):
                lacking[name] = "its descriptor does not parse"
            elif name not in self._services:
                lacking[name] = "the endpoint describes something else"
        await self._complete()
        return Answer.of(self._files, offered, {name: lacking[name] for name in lacking if name not in self._services})

    async def _complete(self) -> None:
        """Ask for imported files that did not come by themselves. What is not to be had is found out by linking."""
        waiting = deque(self._files)
        seen = set(waiting)
        while waiting:
            name = waiting.popleft()
            if name not in self._files:
                answer = await self._ask(reflection_pb2.ServerReflectionRequest(file_by_filename=name))
                self._keep(answer.file_descriptor_response.file_descriptor_proto)
                if name not in self._files and (known := well_known(name)) is not None:
                    self._keep([known])
            if name in self._files:
                imports = self._heads[self._files[name]].imports
                waiting.extend(imported for imported in imports if imported not in seen)
                seen.update(imports)

    async def _ask(self, request: reflection_pb2.ServerReflectionRequest) -> reflection_pb2.ServerReflectionResponse:
        await self._call.wait_for_connection()
        with contextlib.suppress(grpc.aio.InternalError):  # the endpoint has ended the stream, and reading says how
            await self._send(request.SerializeToString())
        answer = await self._call.read()
        if not isinstance(answer, bytes):
            raise ReflectionError("the reflection stream ended early")
        return reflection_pb2.ServerReflectionResponse.FromString(answer)

    def _keep(self, files: Iterable[bytes]) -> bool:
        """Keep files that are new. Return whether all of them parse."""
        whole = True
        for data in files:
            head = self._heads.get(data)
            if head is None:
                try:
                    head = self._heads[data] = Head.of(data)
                except DecodeError:
                    whole = False
                    continue
            if head.name not in self._files:
                self._files[head.name] = data
                self._services.update(head.services)
                self._bytes += len(data)
        if len(self._files) > MAX_FILES or self._bytes > MAX_BYTES:
            raise ReflectionError(f"more than {MAX_FILES} files or {MAX_BYTES} bytes of descriptors")
        return whole


def _problem(answer: reflection_pb2.ServerReflectionResponse) -> str:
    problem = answer.error_response
    return problem.error_message or (
        f"error {problem.error_code}" if problem.error_code else "an answer of another kind"
    )
