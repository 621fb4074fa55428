"""Statements P29 to P44 of the gRPC protocol: messages, framing, compression, sizes."""

from __future__ import annotations

import gzip
from typing import Any

import grpc
import grpc.aio
import pytest
from probe import probe_pb2

from tests.integration.conftest import Target
from tests.support.engine import AIO
from tests.support.gateway import Admin, Gateway, raw_backend
from tests.support.raw_peer import RawClient, RawStream, frame, unframe
from tests.support.rpc import (
    blob,
    call_id,
    drain,
    each,
    echo,
    error_info,
    failure,
    hang,
    raw_script,
    read,
    script,
    send,
    wait,
)

UNARY = "/probe.v1.ProbeService/RunUnary"
BIDI = "/probe.v1.ProbeService/RunBidi"
LIMIT = 64 * 1024


async def test_p29_a_frame_split_at_every_byte(proxied: Target) -> None:
    message = blob(7, 20).SerializeToString()
    data = frame(message)
    async with RawClient(proxied.address) as client:
        for cut in range(1, len(data)):
            stream = await client.open(UNARY)
            await stream.send(data[:cut])
            await stream.send(data[cut:], end=True)
            await stream.finished()
            assert stream.grpc_status == 0
            assert unframe(bytes(stream.data)) == [(0, message)]


async def test_p29_one_byte_at_a_time(proxied: Target) -> None:
    messages = [blob(number, number * 3).SerializeToString() for number in range(4)]
    async with RawClient(proxied.address) as client:
        stream = await client.open(BIDI, raw_script(echo()))
        for byte in b"".join(map(frame, messages)):
            await stream.send(bytes([byte]))
        await stream.send(b"", end=True)
        await stream.finished()
    assert [found for _, found in unframe(bytes(stream.data))] == messages


async def test_p29_p31_many_frames_in_one_data(proxied: Target) -> None:
    messages = [blob(number).SerializeToString() for number in range(200)]
    async with RawClient(proxied.address) as client:
        stream = await client.open(BIDI, raw_script(echo()))
        await stream.send(b"".join(map(frame, messages)), end=True)
        await stream.finished()
    assert stream.grpc_status == 0
    assert [found for _, found in unframe(bytes(stream.data))] == messages


async def test_p29_frames_of_the_upstream_split_at_every_byte(gateway: Gateway, admin: Admin, known: bool) -> None:
    data = frame(b"0123456789")

    async def split(stream: RawStream) -> None:
        await stream.finished()
        cut = len(stream.values("x-cut")[0])
        await stream.send_headers([(":status", "200"), ("content-type", "application/grpc")])
        await stream.send(data[:cut])
        await stream.send(data[cut:])
        await stream.send_headers([("grpc-status", "0")], end=True)

    async with (
        raw_backend(admin, split, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        for cut in range(1, len(data)):
            stream = await client.call(backend.path("Unary"), b"", metadata=[("x-cut", "x" * cut)])
            assert unframe(bytes(stream.data)) == [(0, b"0123456789")]


async def test_p30_empty_messages_are_messages(proxied: Target) -> None:
    call = proxied.channel.stream_stream(BIDI)(metadata=script(echo()), timeout=10)
    for _ in range(3):
        await call.write(b"")
        assert await call.read() == b""
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_p31_number_and_order(proxied: Target) -> None:
    call = proxied.probe.RunBidi(each(blob(number, 10) for number in range(500)), metadata=script(echo()), timeout=20)
    messages, code = await drain(call)
    assert [message.number for message in messages] == list(range(500))
    assert code is grpc.StatusCode.OK


@pytest.mark.xfail(
    AIO, strict=True, raises=TimeoutError, reason="grpc.aio: waits for ever for the rest of half a message"
)
async def test_p32_half_a_message_is_an_error(proxied: Target) -> None:
    async with RawClient(proxied.address) as client:
        stream = await client.open(UNARY)
        await stream.send(frame(b"0123456789")[:-3], end=True)
        await stream.finished(within=2)
    assert stream.grpc_status not in {0, None} or stream.reset is not None


async def test_p32_half_a_message_of_the_upstream_is_an_error(
    gateway: Gateway, admin: Admin, known: bool, request: pytest.FixtureRequest
) -> None:
    if not known and AIO:
        reason = "grpc.aio: drops half a message at the end without a word; only the unary exchange can tell"
        request.applymarker(pytest.mark.xfail(AIO, strict=True, raises=AssertionError, reason=reason))

    async def half(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers([(":status", "200"), ("content-type", "application/grpc")])
        await stream.send(frame(b"0123456789")[:-3])
        await stream.send_headers([("grpc-status", "0")], end=True)

    async with (
        raw_backend(admin, half, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(backend.path("Unary"), b"")
    assert stream.grpc_status not in {0, None}
    assert not stream.data or not AIO


async def test_p33_compressed_without_encoding(proxied: Target) -> None:
    async with RawClient(proxied.address) as client:
        stream = await client.open(UNARY)
        await stream.send(frame(gzip.compress(b""), flag=1), end=True)
        await stream.finished()
    assert stream.grpc_status == 13


@pytest.mark.xfail(
    AIO,
    strict=True,
    raises=(AssertionError, TimeoutError),
    reason="grpc.aio: ignores the other bits of the flag; one call in fifteen is never answered, directly too",
)
async def test_p34_an_unknown_flag(proxied: Target) -> None:
    async with RawClient(proxied.address) as client:
        stream = await client.open(UNARY)
        await stream.send(frame(b"", flag=2), end=True)
        await stream.finished(within=2)
    assert stream.grpc_status == 13


async def test_p35_p36_compressed_requests_go_on(gateway: Gateway, admin: Admin, known: bool) -> None:
    """The upstream gets each message as it was, compressed or not, in an encoding that its header names."""

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b""])

    text = b"compressible " * 1000
    async with (
        raw_backend(admin, answer, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        for _ in range(3):
            stream = await client.open(backend.path("Bidi"), [("grpc-encoding", "gzip")])
            await stream.send(frame(gzip.compress(text), flag=1) + frame(gzip.compress(text + b"2"), flag=1), end=True)
            await stream.finished()
            assert stream.grpc_status == 0
        for sent in backend.server.streams:
            found = [
                gzip.decompress(message) if flag and sent.header("grpc-encoding") == "gzip" else message
                for flag, message in unframe(bytes(sent.data))
            ]
            assert found == [text, text + b"2"]


@pytest.mark.xfail(
    AIO, strict=True, raises=AssertionError, reason="grpc.aio: hides from a server whether a call came compressed"
)
async def test_a_call_that_comes_compressed_is_sent_compressed(gateway: Gateway, admin: Admin, known: bool) -> None:
    """Upstream.compression: as the caller does, once the endpoint has said that it accepts that."""

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b""], headers=[("grpc-accept-encoding", "identity,gzip")])

    text = b"compressible " * 1000
    async with (
        raw_backend(admin, answer, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        for _ in range(2):
            stream = await client.open(backend.path("Unary"), [("grpc-encoding", "gzip")])
            await stream.send(frame(gzip.compress(text), flag=1), end=True)
            await stream.finished()
        last = backend.server.streams[-1]
        assert last.header("grpc-encoding") == "gzip"
        assert [flag for flag, _ in unframe(bytes(last.data))] == [1]


async def test_p36_nothing_is_sent_in_an_encoding_the_client_did_not_list(
    gateway: Gateway, admin: Admin, known: bool
) -> None:
    text = b"compressible " * 1000

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers([(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")])
        await stream.send(frame(gzip.compress(text), flag=1))
        await stream.send_headers([("grpc-status", "0")], end=True)

    async with (
        raw_backend(admin, answer, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        for metadata in ([], [("grpc-accept-encoding", "identity")]):
            stream = await client.call(backend.path("Unary"), b"", metadata=metadata)
            if AIO:
                assert stream.header("grpc-encoding") in {None, "identity"}
                assert unframe(bytes(stream.data)) == [(0, text)]
            else:  # frames are passed on as they are, so that what the caller cannot read is refused
                assert stream.grpc_status == 13
                assert not stream.data
        stream = await client.call(backend.path("Unary"), b"", metadata=[("grpc-accept-encoding", "gzip")])
        ((flag, message),) = unframe(bytes(stream.data))
        assert (gzip.decompress(message) if flag else message) == text


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="grpc.aio, here that of the upstream: resets the stream before any handler sees it",
)
async def test_p37_an_encoding_the_gateway_does_not_know(proxied: Target) -> None:
    async with RawClient(proxied.address) as client:
        stream = await client.open(UNARY, [("grpc-encoding", "foo")])
        await stream.send(frame(b"x", flag=1), end=True)
        await stream.finished()
    assert stream.grpc_status == 12
    accepted = stream.header("grpc-accept-encoding") or stream.trailer("grpc-accept-encoding") or ""
    assert "identity" in accepted
    assert "foo" not in accepted


async def test_p38_an_encoding_of_the_upstream_the_gateway_does_not_know(
    gateway: Gateway, admin: Admin, known: bool
) -> None:
    async def foo(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers([(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "foo")])
        await stream.send(frame(b"x", flag=1))
        await stream.send_headers([("grpc-status", "0")], end=True)

    async with (
        raw_backend(admin, foo, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(backend.path("Unary"), b"")
    assert stream.grpc_status == 13
    assert not stream.data


async def test_p39_a_call_that_is_not_compressed_is_not_sent_compressed(
    gateway: Gateway, admin: Admin, known: bool
) -> None:
    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b"secret " * 1000], headers=[("grpc-accept-encoding", "identity,gzip")])

    async with (
        raw_backend(admin, answer, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        for _ in range(2):
            stream = await client.call(
                backend.path("Unary"), b"secret " * 1000, metadata=[("grpc-accept-encoding", "gzip")]
            )
            assert [flag for flag, _ in unframe(bytes(stream.data))] == [0]
            assert [flag for flag, _ in unframe(bytes(backend.server.streams[-1].data))] == [0]


@pytest.mark.xfail(
    AIO,
    strict=True,
    raises=AssertionError,
    reason="grpc.aio: hides the flag of each message, so a mixed call is compressed as one",
)
async def test_p39_flags_of_a_mixed_call(gateway: Gateway, admin: Admin, known: bool) -> None:
    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b""], headers=[("grpc-accept-encoding", "identity,gzip")])

    text = b"compressible " * 1000
    async with (
        raw_backend(admin, answer, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        for _ in range(2):
            stream = await client.open(backend.path("Bidi"), [("grpc-encoding", "gzip")])
            await stream.send(frame(gzip.compress(text), flag=1) + frame(text), end=True)
            await stream.finished()
        assert [flag for flag, _ in unframe(bytes(backend.server.streams[-1].data))] == [1, 0]


async def test_p40_what_does_not_decompress(proxied: Target) -> None:
    async with RawClient(proxied.address) as client:
        stream = await client.open(UNARY, [("grpc-encoding", "gzip")])
        await stream.send(frame(b"this is not gzip", flag=1), end=True)
        await stream.finished()
    assert stream.grpc_status == 13


async def test_p40_what_does_not_decompress_of_the_upstream(gateway: Gateway, admin: Admin, known: bool) -> None:
    async def broken(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers([(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")])
        await stream.send(frame(b"this is not gzip", flag=1))
        await stream.send_headers([("grpc-status", "0")], end=True)

    async with (
        raw_backend(admin, broken, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(backend.path("Unary"), b"")
    if AIO:
        assert stream.grpc_status == 13
    assert not stream.data or not AIO


def limited(side: str) -> dict[str, Any]:
    """Return the fields of a route with a limit."""
    return {"route_fields": {f"max{side}MessageBytes": LIMIT}}


@pytest.mark.parametrize("place", [1, 2])
async def test_p41_request_size(gateway: Gateway, admin: Admin, caller: Any, known: bool, place: int) -> None:
    """Equal to the limit passes, one byte more does not, also as the second message of a stream."""

    async def answer(stream: RawStream) -> None:
        await stream.until(lambda: stream.ended or stream.reset is not None)
        if stream.ended:
            await stream.respond([b""])

    async with raw_backend(admin, answer, schema=known, **limited("Request")) as backend:
        call = caller.stream_unary(backend.path("ClientStream"))
        before = [b"small"] * (place - 1)
        await call(each([*before, bytes(LIMIT)]), timeout=10)
        assert len(backend.server.streams[-1].data) == LIMIT + 5 + 10 * (place - 1)
        error = await failure(call(each([*before, bytes(LIMIT + 1)]), timeout=10))
        too_large(error)
        if place == 1:
            unary = caller.unary_unary(backend.path("Unary"))
            await unary(bytes(LIMIT), timeout=10)
            too_large(await failure(unary(bytes(LIMIT + 1), timeout=10)))


@pytest.mark.parametrize("place", [1, 2])
async def test_p41_response_size(gateway: Gateway, admin: Admin, caller: Any, known: bool, place: int) -> None:
    async def answer(stream: RawStream) -> None:
        await stream.finished()
        size = int(stream.values("x-size")[0])
        await stream.respond([*[b"small"] * (place - 1), bytes(size)])

    async with raw_backend(admin, answer, schema=known, **limited("Response")) as backend:
        start = caller.unary_stream(backend.path("ServerStream"))
        messages, code = await drain(start(b"", metadata=(("x-size", str(LIMIT)),), timeout=10))
        assert (len(messages), code) == (place, grpc.StatusCode.OK)
        call = start(b"", metadata=(("x-size", str(LIMIT + 1)),), timeout=10)
        messages, code = await drain(call)
        assert (len(messages), code) == (place - 1, grpc.StatusCode.RESOURCE_EXHAUSTED)
        if place == 1:
            unary = caller.unary_unary(backend.path("Unary"))
            await unary(b"", metadata=(("x-size", str(LIMIT)),), timeout=10)
            too_large(await failure(unary(b"", metadata=(("x-size", str(LIMIT + 1)),), timeout=10)))


def too_large(error: grpc.aio.AioRpcError, limit: int = LIMIT) -> None:
    """The error says that a message is too large and names the limit."""
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    info = error_info(error)
    assert info.reason == "MESSAGE_TOO_LARGE"
    assert info.metadata["limitBytes"] == str(limit)
    assert str(limit) in (error.details() or "")


async def test_p41_the_limit_of_the_listener(proxied: Target) -> None:
    """4 MiB in either direction, unless told otherwise."""
    limit = 4 * 1024 * 1024
    call = proxied.channel.unary_unary(UNARY, request_serializer=None)
    room = limit - len(probe_pb2.Blob(data=bytes(limit)).SerializeToString()) + limit
    fits = probe_pb2.Blob(data=bytes(room)).SerializeToString()
    assert len(fits) == limit
    assert len(await call(fits, timeout=20)) == limit
    error = await failure(call(probe_pb2.Blob(data=bytes(room + 1)).SerializeToString(), timeout=20))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(limit) in (error.details() or "")


async def test_p41_the_decompressed_size_counts(gateway: Gateway, admin: Admin, known: bool) -> None:
    async def answer(stream: RawStream) -> None:
        await stream.until(lambda: stream.ended or stream.reset is not None)
        if stream.ended:
            await stream.respond([b""])

    async with (
        raw_backend(admin, answer, schema=known, **limited("Request")) as backend,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.open(backend.path("Unary"), [("grpc-encoding", "gzip")])
        await stream.send(frame(gzip.compress(bytes(LIMIT + 1)), flag=1), end=True)
        await stream.finished()
    # frames are passed on as they are: what is small on the wire is no burden to the gateway
    assert stream.grpc_status == (8 if AIO else 0)


async def test_p42_a_limit_does_not_close_the_others(proxied: Target) -> None:
    this = call_id("beside")
    beside = proxied.probe.RunBidi(metadata=script(wait(), send(1), call=this), timeout=20)
    await proxied.seen(this)
    error = await failure(proxied.probe.RunUnary(blob(0, 5 * 1024 * 1024), timeout=20))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await proxied.release(this)
    messages, code = await drain(beside)
    assert (len(messages), code) == (1, grpc.StatusCode.OK)


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(
            0,
            marks=pytest.mark.xfail(
                AIO, strict=True, raises=TimeoutError, reason="grpc.aio: a unary handler waits for ever for its message"
            ),
        ),
        pytest.param(
            2,
            marks=pytest.mark.xfail(
                AIO, strict=True, raises=AssertionError, reason="grpc.aio: a unary handler ignores a second message"
            ),
        ),
    ],
)
async def test_p43_request_cardinality(gateway: Gateway, count: int) -> None:
    """A unary method of a known schema with no or two request messages."""
    async with RawClient(gateway.traffic) as client:
        stream = await client.open(UNARY)
        await stream.send(frame() * count, end=True)
        await stream.finished(within=2)
    assert stream.grpc_status == 12


@pytest.mark.parametrize(
    "count",
    [
        0,
        pytest.param(
            2,
            marks=pytest.mark.xfail(
                AIO,
                strict=True,
                raises=AssertionError,
                reason="grpc.aio: a unary call waits for ever after two messages",
            ),
        ),
    ],
)
async def test_p43_response_cardinality(gateway: Gateway, admin: Admin, count: int) -> None:
    """A unary method of a known schema that answers OK with no or two messages is not OK at the client."""

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b"x"] * count)

    async with (
        raw_backend(admin, answer, schema=True) as backend,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(backend.path("Unary"), b"", metadata=[("grpc-timeout", "1S")])
    assert stream.grpc_status in {12, 13}


async def test_p43_cardinality_without_a_schema_is_the_business_of_the_ends(gateway: Gateway, admin: Admin) -> None:
    """What the upstream sends reaches the client as it is."""

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b"x"] * int(stream.values("x-count")[0]))

    async with (
        raw_backend(admin, answer) as backend,
        RawClient(gateway.traffic) as client,
    ):
        for count in (0, 1, 2):
            stream = await client.call(backend.path("Unary"), b"", metadata=[("x-count", str(count))])
            assert stream.grpc_status == 0
            assert [message for _, message in unframe(bytes(stream.data))] == [b"x"] * count


async def test_p44_what_does_not_parse_passes(gateway: Gateway, admin: Admin, caller: Any) -> None:
    """The gateway need not parse, so it does not, also when it knows the schema."""

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([bytes(stream.data[5:])])

    garbage = b"\xff\xff\xff\xff"
    async with raw_backend(admin, answer, schema=True) as backend:
        assert await caller.unary_unary(backend.path("Unary"))(garbage, timeout=10) == garbage


async def test_a_hanging_stream_is_no_obstacle(proxied: Target) -> None:
    """Messages of other calls pass while one call says nothing."""
    this = call_id("hanging")
    hanging = proxied.probe.RunBidi(metadata=script(read(1), hang(), call=this), timeout=20)
    await hanging.write(blob())
    await proxied.seen(this, received=1)
    for _ in range(10):
        await proxied.probe.RunUnary(blob(), timeout=10)
    hanging.cancel()
