"""Asks an endpoint for the descriptors of its services.

Source: gRPC doc/server-reflection.md. `grpc.reflection.v1` is asked first and `v1alpha` when that is UNIMPLEMENTED;
their messages are the same on the wire. All requests of one look go through one stream, so to one server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection_pb2

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


class ReflectionError(Exception):
    """The descriptors could not be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The endpoint does not offer reflection."""


async def read_schema(channel: grpc.aio.Channel, *, seconds: float) -> SchemaSet | Unsupported:
    """Read the descriptors of every service of an endpoint.

    Args:
        channel: A channel to the endpoint.
        seconds: When to give up.

    Raises:
        ReflectionError: the endpoint could not be asked, or answered nonsense.
    """
    for method in METHODS:
        stream = channel.stream_stream(
            method,
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        call = stream(timeout=seconds)
        try:
            return await _Conversation(call).read()
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                continue
            raise ReflectionError(f"{error.code().name}: {error.details()}") from error
        except DecodeError as error:
            raise ReflectionError(f"a descriptor does not parse: {error}") from error
        finally:
            call.cancel()
    return Unsupported()


class _Conversation:
    """One reflection stream: a question, its answer, the next question."""

    def __init__(self, call: grpc.aio.StreamStreamCall) -> None:  # type: ignore[type-arg] # generic in the stubs only
        self._call = call
        self._files: dict[str, bytes] = {}
        self._bytes = 0

    async def read(self) -> SchemaSet:
        answer = await self._ask(reflection_pb2.ServerReflectionRequest(list_services=""))
        names = [service.name for service in answer.list_services_response.service]
        offered = [name for name in names if name not in INFRASTRUCTURE]
        for name in offered:
            request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=name)
            answer = await self._ask(request)
            if answer.HasField("error_response"):
                problem = answer.error_response
                raise ReflectionError(f"{name}: {problem.error_message or problem.error_code}")
            self._keep(answer.file_descriptor_response.file_descriptor_proto)
        async for _ in self._missing():
            pass
        return SchemaSet.of(self._files.values(), offered=offered)

    async def _missing(self) -> AsyncIterator[str]:
        """Ask for imported files that did not come by themselves, and yield their names."""
        waiting = deque(self._files)
        seen = set(waiting)
        while waiting:
            name = waiting.popleft()
            if name not in self._files:
                answer = await self._ask(reflection_pb2.ServerReflectionRequest(file_by_filename=name))
                self._keep(answer.file_descriptor_response.file_descriptor_proto)
                if name not in self._files and (known := _well_known(name)) is not None:
                    self._keep([known])
                yield name
            if name in self._files:
                file = descriptor_pb2.FileDescriptorProto.FromString(self._files[name])
                waiting.extend(imported for imported in file.dependency if imported not in seen)
                seen.update(file.dependency)

    async def _ask(self, request: reflection_pb2.ServerReflectionRequest) -> reflection_pb2.ServerReflectionResponse:
        await self._call.write(request)
        answer = await self._call.read()
        if not isinstance(answer, reflection_pb2.ServerReflectionResponse):
            raise ReflectionError("the reflection stream ended early")
        return answer

    def _keep(self, files: Iterable[bytes]) -> None:
        for data in files:
            name = descriptor_pb2.FileDescriptorProto.FromString(data).name
            if name not in self._files:
                self._files[name] = data
                self._bytes += len(data)
        if len(self._files) > MAX_FILES or self._bytes > MAX_BYTES:
            raise ReflectionError(f"more than {MAX_FILES} files or {MAX_BYTES} bytes of descriptors")


def _well_known(name: str) -> bytes | None:
    """Return a file that servers tend not to send, such as google/protobuf/empty.proto, when this process has it."""
    try:
        serialized = descriptor_pool.Default().FindFileByName(name).serialized_pb
    except KeyError:
        return None
    return bytes(serialized)
