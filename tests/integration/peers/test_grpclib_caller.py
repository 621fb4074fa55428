"""grpclib as a caller: HTTP/2 by the package h2, in asyncio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import any_pb2
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpclib import GRPCError
from grpclib.client import Channel, StreamStreamMethod, StreamUnaryMethod, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.config import Configuration
from grpclib.const import Status
from grpclib.encoding.proto import ProtoStatusDetailsCodec

from tests.integration.conftest import Target
from tests.support.rpc import PROBE_SERVICE, blob, call_id, echo, finish, hang, headers, read, script, send

BITS = bytes(range(256))
KINDS: dict[tuple[bool, bool], Any] = {
    (False, False): UnaryUnaryMethod,
    (False, True): UnaryStreamMethod,
    (True, False): StreamUnaryMethod,
    (True, True): StreamStreamMethod,
}


class Caller:
    """The methods of the probe service as attributes."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        method = PROBE_SERVICE.methods_by_name[name]
        make = KINDS[method.client_streaming, method.server_streaming]
        types = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        return make(self._channel, f"/{PROBE_SERVICE.full_name}/{name}", *types)


@pytest_asyncio.fixture(loop_scope="session")
async def caller(proxied: Target) -> AsyncIterator[Caller]:
    """A caller of the gateway."""
    assert proxied.gateway
    host, _, port = proxied.gateway.traffic.rpartition(":")
    # windows that a large answer fills again and again
    config = Configuration(http2_stream_window_size=65_535, http2_connection_window_size=100_000)
    codec = ProtoStatusDetailsCodec()
    async with Channel(host, int(port), config=config, status_details_codec=codec) as channel:
        yield Caller(channel)


async def test_metadata_and_trailers_both_ways(caller: Caller) -> None:
    record = await caller.Inspect(blob(), metadata={"x-mine": "one", "x-bits-bin": BITS}, timeout=10)
    found = {entry.key: entry.value for entry in record.metadata}
    assert (found["x-mine"], found["x-bits-bin"]) == (b"one", BITS)
    metadata = script(headers((("x-first", "1"), ("x-first-bin", BITS))), trailing=(("x-last-bin", BITS),))
    async with caller.RunUnary.open(metadata=metadata, timeout=10) as stream:
        await stream.send_message(blob(7), end=True)
        answer = await stream.recv_message()
        await stream.recv_trailing_metadata()
    assert answer.number == 7
    assert (stream.initial_metadata["x-first"], stream.initial_metadata["x-first-bin"]) == ("1", BITS)
    assert stream.trailing_metadata["x-last-bin"] == BITS


async def test_streams_of_every_kind(caller: Caller) -> None:
    messages = await caller.RunServerStream(blob(), metadata=script(send(300, 1000)), timeout=20)
    assert [message.number for message in messages] == list(range(300))
    requests = [blob(number, 1000) for number in range(300)]
    assert (await caller.RunClientStream(requests, metadata=script(read()), timeout=20)).number == 299
    async with caller.RunBidi.open(metadata=script(echo()), timeout=20) as stream:
        for number in range(50):
            await stream.send_message(blob(number))
            assert (await stream.recv_message()).number == number
        await stream.end()
        assert await stream.recv_message() is None


async def test_errors_with_words_and_details(caller: Caller) -> None:
    info = error_details_pb2.ErrorInfo(reason="OUT_OF_STOCK", domain="peers.test")
    detail = any_pb2.Any()
    detail.Pack(info)
    status = status_pb2.Status(code=9, message="„Bücher“ 本", details=[detail])
    trailing = (("grpc-status-details-bin", status.SerializeToString()),)
    with pytest.raises(GRPCError) as error:
        await caller.RunUnary(blob(), metadata=script(finish(9, "„Bücher“ 本"), trailing=trailing), timeout=10)
    assert error.value.status is Status.FAILED_PRECONDITION
    assert error.value.message == "„Bücher“ 本"
    assert error.value.details == [info]


async def test_a_refusal_of_the_gateway_has_its_details(caller: Caller) -> None:
    with pytest.raises(GRPCError) as error:
        await caller.RunUnary(blob(0, 5 * 1024 * 1024), timeout=10)
    assert error.value.status is Status.RESOURCE_EXHAUSTED
    (info,) = (detail for detail in error.value.details if isinstance(detail, error_details_pb2.ErrorInfo))
    assert info.domain == "gateway.internal"


async def test_cancellation_reaches_the_server(caller: Caller, proxied: Target) -> None:
    this = call_id("grpclib")
    async with caller.RunBidi.open(metadata=script(send(1), hang(), call=this), timeout=30) as stream:
        await stream.send_message(blob())
        assert (await stream.recv_message()).number == 0
        await stream.cancel()
    assert (await proxied.seen(this, cancelled=True)).cancelled


async def test_a_deadline_ends_the_call_on_both_sides(caller: Caller, proxied: Target) -> None:
    this = call_id("grpclib")
    # by ourselves or by the gateway's status, whichever is there first
    with pytest.raises((asyncio.TimeoutError, GRPCError)) as error:
        await caller.RunUnary(blob(), metadata=script(hang(), call=this), timeout=0.4)
    if isinstance(error.value, GRPCError):
        assert error.value.status is Status.DEADLINE_EXCEEDED
    record = await proxied.seen(this, ended=True)
    assert 0 < record.time_remaining < 0.45


async def test_large_messages(caller: Caller) -> None:
    request = blob(1)
    request.data = os.urandom(3 * 1024 * 1024)
    async with caller.RunBidi.open(metadata=script(echo()), timeout=30) as stream:
        for _ in range(2):
            await stream.send_message(request)
            assert await stream.recv_message() == request
        await stream.end()


async def test_many_calls_at_once(caller: Caller) -> None:
    answers = await asyncio.gather(*(caller.RunUnary(blob(number), timeout=30) for number in range(200)))
    assert [answer.number for answer in answers] == list(range(200))
