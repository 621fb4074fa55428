"""Clients made from descriptors, statuses as values, and what tests send along."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf import message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from probe import probe_pb2, testing_pb2

T = TypeVar("T")
Metadata = Sequence[tuple[str, str | bytes]]

TEST_SERVICE: ServiceDescriptor = testing_pb2.DESCRIPTOR.services_by_name["TestService"]
PROBE_SERVICE: ServiceDescriptor = probe_pb2.DESCRIPTOR.services_by_name["ProbeService"]

ROOMY: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", 256 * 1024),
    ("grpc.absolute_max_metadata_size", 512 * 1024),
    # a connection refused a moment ago is tried again soon
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]
"""Channel options of a client that is nowhere narrower than what is tested."""

OWN_CONNECTION: list[tuple[str, Any]] = [*ROOMY, ("grpc.use_local_subchannel_pool", 1)]
"""The same for a channel that shares its connection with no other channel of the process."""

_numbers = itertools.count(1)


def call_id(about: str = "call") -> str:
    """Return an id that no other call of any test run has."""
    return f"{about}-{os.getpid()}-{next(_numbers)}"


def connect(address: str, *, own: bool = False, options: Iterable[tuple[str, Any]] = ()) -> Any:
    """Return a channel in clear text."""
    return grpc.aio.insecure_channel(address, options=[*(OWN_CONNECTION if own else ROOMY), *options])


class Stub:
    """The methods of a service as attributes, made from its descriptor."""

    def __init__(self, channel: grpc.aio.Channel, service: ServiceDescriptor) -> None:
        for method in service.methods:
            sides = ("stream" if method.client_streaming else "unary", "stream" if method.server_streaming else "unary")
            make = getattr(channel, "_".join(sides))
            multicallable = make(
                f"/{service.full_name}/{method.name}",
                request_serializer=_serialize,
                response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
            )
            setattr(self, method.name, multicallable)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no method {name}")


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def entries(metadata: Metadata) -> list[probe_pb2.Entry]:
    """Return metadata as protobuf entries."""
    return [
        probe_pb2.Entry(key=key, value=value.encode() if isinstance(value, str) else value) for key, value in metadata
    ]


def script(*steps: probe_pb2.Step, trailing: Metadata = (), call: str = "", also: Metadata = ()) -> Metadata:
    """Return the request metadata that makes the probe server follow these steps."""
    program = probe_pb2.Script(steps=steps, trailing=entries(trailing))
    found: list[tuple[str, str | bytes]] = [("x-script-bin", program.SerializeToString()), *also]
    if call:
        found.append(("x-call-id", call))
    return tuple(found)


def raw_script(*steps: probe_pb2.Step, call: str = "") -> list[tuple[str, str]]:
    """Return the same as headers of a raw call."""
    program = probe_pb2.Script(steps=steps).SerializeToString()
    found = [("x-script-bin", base64.b64encode(program).decode().rstrip("="))]
    return [*found, ("x-call-id", call)] if call else found


def headers(metadata: Metadata = ()) -> probe_pb2.Step:
    """Send initial metadata now."""
    return probe_pb2.Step(headers=probe_pb2.Headers(entries=entries(metadata)))


def send(count: int = 1, size: int = 0) -> probe_pb2.Step:
    """Send messages."""
    return probe_pb2.Step(send=probe_pb2.Send(count=count, size=size))


def read(count: int = 0) -> probe_pb2.Step:
    """Read messages; 0 reads to the end."""
    return probe_pb2.Step(read=count)


def sleep(seconds: float) -> probe_pb2.Step:
    """Sleep."""
    return probe_pb2.Step(sleep_ms=round(seconds * 1000))


def wait() -> probe_pb2.Step:
    """Wait for a Release."""
    return probe_pb2.Step(wait=True)


def finish(code: grpc.StatusCode | int, message: str = "") -> probe_pb2.Step:
    """End with a status."""
    number = code if isinstance(code, int) else code.value[0]
    return probe_pb2.Step(finish=probe_pb2.Finish(code=number, message=message))


def hang() -> probe_pb2.Step:
    """Wait for the cancellation."""
    return probe_pb2.Step(hang=True)


def echo() -> probe_pb2.Step:
    """Answer each message with its copy."""
    return probe_pb2.Step(echo=True)


def blob(number: int = 0, size: int = 0) -> probe_pb2.Blob:
    """Return a message."""
    return probe_pb2.Blob(number=number, data=bytes(size))


def pairs(metadata: Any) -> list[tuple[str, str | bytes]]:
    """Return metadata of any form as a list in order."""
    return [(key, value) for key, value in metadata or ()]


def values(metadata: Any, key: str) -> list[str | bytes]:
    """Return the values of one key in order."""
    return [value for name, value in metadata or () if name == key]


def recorded(record: probe_pb2.CallRecord, key: str) -> list[bytes]:
    """Return the values of one key that the server saw, in order."""
    return [entry.value for entry in record.metadata if entry.key == key]


async def failure(call: Awaitable[Any], within: float = 20) -> grpc.aio.AioRpcError:
    """Return the error a call ends with."""
    try:
        response = await asyncio.wait_for(call, within)
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError(f"the call succeeded with {response!r}")


async def drain(call: Any, within: float = 20) -> tuple[list[Any], grpc.StatusCode]:
    """Read a stream to its end, whatever that is; return the messages and the code."""
    found = []

    async def run() -> None:
        try:
            while (message := await call.read()) is not grpc.aio.EOF:
                found.append(message)
        except grpc.aio.AioRpcError:
            pass
        except asyncio.CancelledError:
            if not call.cancelled():
                raise

    await asyncio.wait_for(run(), within)
    return found, await call.code()


def error_info(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    """Return the gateway's ErrorInfo of an error."""
    return error_info_of(values(error.trailing_metadata(), "grpc-status-details-bin"), str(error))


def error_info_of(details: Sequence[str | bytes], shown: str = "") -> error_details_pb2.ErrorInfo:
    """Return the ErrorInfo within the values of `grpc-status-details-bin`."""
    assert len(details) == 1, f"{len(details)} status details: {shown}"
    assert isinstance(details[0], bytes)
    info = error_details_pb2.ErrorInfo()
    for detail in status_pb2.Status.FromString(details[0]).details:
        if detail.Unpack(info):
            assert info.domain == "gateway.internal"
            return info
    raise AssertionError(f"no ErrorInfo: {shown}")


async def eventually(
    condition: Callable[[], Awaitable[T | None]], *, within: float = 10.0, every: float = 0.02, what: str = ""
) -> T:
    """Ask until the answer is true; return it.

    Raises:
        AssertionError: it was not within the time.
    """
    end = time.monotonic() + within
    while True:
        if found := await condition():
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {what or condition}")
        await asyncio.sleep(every)


async def each(items: Iterable[T]) -> AsyncIterator[T]:
    """Return an async iterator over items."""
    for item in items:
        yield item
