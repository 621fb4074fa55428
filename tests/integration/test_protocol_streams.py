"""Statements P63 to P72 of the gRPC protocol: half-close, cancellation, flow control."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
import grpc.aio
import pytest
from probe import probe_pb2

from tests.integration.conftest import Target
from tests.support.gateway import Admin, Gateway, raw_backend
from tests.support.probe_server import Probe
from tests.support.raw_peer import RawClient, RawStream, frame
from tests.support.rpc import (
    PROBE_SERVICE,
    Stub,
    blob,
    call_id,
    connect,
    drain,
    each,
    echo,
    eventually,
    failure,
    finish,
    hang,
    headers,
    raw_script,
    read,
    script,
    send,
    sleep,
    values,
    wait,
)

MIB = 1024 * 1024
BIDI = "/probe.v1.ProbeService/RunBidi"


async def test_p63_half_close_reaches_the_server_and_only_then(target: Target) -> None:
    this = call_id("half")
    call = target.probe.RunBidi(metadata=script(headers(), read(), send(1), call=this), timeout=20)
    await call.write(blob())
    record = await target.seen(this, received=1)
    assert not record.half_closed
    # the server has answered with its headers, so whatever else was on its way would be there
    await call.initial_metadata()
    assert not (await target.seen(this)).half_closed
    await call.done_writing()
    assert (await target.seen(this, half_closed=True)).received == 1
    assert len((await drain(call))[0]) == 1


async def test_p63_half_close_without_any_message(target: Target) -> None:
    this = call_id("half")
    call = target.probe.RunBidi(metadata=script(read(), call=this), timeout=20)
    await call.done_writing()
    assert (await target.seen(this, half_closed=True)).received == 0
    assert await call.code() is grpc.StatusCode.OK


async def test_p63_an_empty_data_with_end_stream(proxied: Target) -> None:
    async with RawClient(proxied.address) as client:
        stream = await client.open(BIDI, raw_script(echo()))
        await stream.send(frame(b""))
        await stream.messages(1)
        assert not stream.ended
        await stream.send(b"", end=True)
        await stream.finished()
    assert stream.grpc_status == 0


async def test_p64_responses_flow_after_half_close(target: Target) -> None:
    this = call_id("after")
    call = target.probe.RunBidi(metadata=script(read(), wait(), send(3), call=this), timeout=20)
    await call.done_writing()
    await target.seen(this, half_closed=True)
    await target.release(this)
    assert len((await drain(call))[0]) == 3


async def test_p65_request_headers_come_before_the_first_message(target: Target) -> None:
    this = call_id("first")
    call = target.probe.RunBidi(metadata=script(read(), call=this), timeout=20)
    assert (await target.seen(this)).received == 0
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("method", ["RunServerStream", "RunBidi"])
async def test_p65_response_headers_come_before_the_first_message(target: Target, method: str) -> None:
    this = call_id("headers")
    metadata = script(headers((("x-a", "1"),)), wait(), send(1), call=this)
    requests = blob() if method == "RunServerStream" else each([blob()])
    call = getattr(target.probe, method)(requests, metadata=metadata, timeout=20)
    assert values(await asyncio.wait_for(call.initial_metadata(), 10), "x-a") == ["1"]
    assert (await target.seen(this)).sent == 0
    await target.release(this)
    assert len((await drain(call))[0]) == 1


async def test_response_headers_are_not_sent_before_the_server_sends_them(proxied: Target) -> None:
    """Initial metadata when the upstream sends it and not earlier: an error may still be Trailers-Only."""
    this = call_id("late")
    async with RawClient(proxied.address) as client:
        stream = await client.open(BIDI, raw_script(wait(), finish(5), call=this))
        await stream.send(frame(b""), end=True)
        await proxied.seen(this)
        # another call goes there and back meanwhile
        assert (await client.call("/grpc.testing.TestService/EmptyCall", b"")).grpc_status == 0
        assert stream.headers is None
        await proxied.release(this)
        await stream.finished()
    assert stream.grpc_status == 5


@pytest.mark.parametrize("code", [0, 8])
async def test_p66_a_reset_of_the_client_cancels_the_call(proxied: Target, code: int) -> None:
    this = call_id("reset")
    async with RawClient(proxied.address) as client:
        stream = await client.open(BIDI, raw_script(hang(), call=this))
        await proxied.seen(this)
        await stream.send_reset(code)
        await proxied.seen(this, within=1, cancelled=True, ended=True)
        assert (await client.call("/grpc.testing.TestService/EmptyCall", b"")).grpc_status == 0


async def test_p66_p79_the_loss_of_a_connection_cancels_its_calls_only(proxied: Target) -> None:
    mine, other = call_id("mine"), call_id("other")
    async with RawClient(proxied.address) as survivor:
        kept = await survivor.open(BIDI, raw_script(wait(), send(1), call=other))
        async with RawClient(proxied.address) as client:
            await client.open(BIDI, raw_script(hang(), call=mine))
            await proxied.seen(mine)
            await proxied.seen(other)
        await proxied.seen(mine, within=1, cancelled=True, ended=True)
        assert not (await proxied.seen(other)).ended
        await proxied.release(other)
        await kept.finished()
    assert kept.grpc_status == 0


async def test_p66_no_messages_are_read_after_a_cancel(proxied: Target) -> None:
    this = call_id("flood")
    call = proxied.probe.RunServerStream(blob(), metadata=script(send(100_000, 1024), call=this), timeout=60)
    await call.read()
    call.cancel()
    record = await proxied.seen(this, within=5, ended=True)
    assert record.sent < 100_000


@pytest.mark.parametrize(
    ("reset", "expected"),
    [
        (0, {grpc.StatusCode.INTERNAL}),
        (1, {grpc.StatusCode.INTERNAL}),
        (2, {grpc.StatusCode.INTERNAL}),
        (3, {grpc.StatusCode.INTERNAL}),
        (4, {grpc.StatusCode.INTERNAL}),
        (6, {grpc.StatusCode.INTERNAL}),
        (7, {grpc.StatusCode.UNAVAILABLE}),
        (8, {grpc.StatusCode.CANCELLED}),
        (9, {grpc.StatusCode.INTERNAL}),
        (10, {grpc.StatusCode.INTERNAL}),
        (11, {grpc.StatusCode.RESOURCE_EXHAUSTED}),
        (12, {grpc.StatusCode.PERMISSION_DENIED}),
    ],
)
@pytest.mark.parametrize("method", ["Unary", "Bidi"])
async def test_p67_resets_of_the_upstream(
    admin: Admin, caller: Any, known: bool, method: str, reset: int, expected: set[grpc.StatusCode]
) -> None:
    async def resetting(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_reset(reset)

    async with raw_backend(admin, resetting, schema=known) as made:
        if method == "Unary":
            error = await failure(caller.unary_unary(made.path(method))(b"", timeout=10))
            assert error.code() in expected
        else:
            messages, code = await drain(caller.stream_stream(made.path(method))(each([b""]), timeout=10))
            assert messages == []
            assert code in expected


async def test_p68_the_server_may_finish_first(target: Target) -> None:
    """The status comes at once though the client has more to say."""
    this = call_id("early")
    metadata = script(read(1), finish(grpc.StatusCode.OUT_OF_RANGE, "enough"), call=this)
    call = target.probe.RunBidi(metadata=metadata, timeout=20)
    await call.write(blob())
    assert await asyncio.wait_for(call.code(), 10) is grpc.StatusCode.OUT_OF_RANGE
    assert await call.details() == "enough"


async def test_p68_the_rest_of_the_request_is_dropped(proxied: Target) -> None:
    """A client that sends without end hears of the end."""
    async with RawClient(proxied.address) as client:
        stream = await client.open(BIDI, raw_script(read(1), finish(0)))
        await stream.send(frame(b""))
        await stream.until(lambda: stream.ended)
        assert stream.grpc_status == 0
        assert stream.reset in {None, 0, 8}
        assert (await client.call("/grpc.testing.TestService/EmptyCall", b"")).grpc_status == 0


async def test_p68_a_client_stream_that_is_refused(target: Target) -> None:
    metadata = script(finish(grpc.StatusCode.PERMISSION_DENIED, "not you"))
    call = target.probe.RunClientStream(metadata=metadata, timeout=20)
    assert await asyncio.wait_for(call.code(), 10) is grpc.StatusCode.PERMISSION_DENIED


async def stalled(progress: Any, quiet: float = 1.0, within: float = 60) -> int:
    """Wait until a number does not grow any more for a while; return it."""
    async with asyncio.timeout(within):
        last = -1
        while (now := int(await progress())) != last:
            last = now
            await asyncio.sleep(quiet)
    return last


async def test_p69_a_client_that_does_not_read_stops_the_server(proxied: Target) -> None:
    """256 MiB are offered and the reader sleeps."""
    assert proxied.gateway
    # what the gateway keeps anyway after large messages
    await drain(proxied.probe.RunServerStream(blob(), metadata=script(send(16, MIB)), timeout=60), within=60)
    before = proxied.gateway.rss
    this = call_id("pressure")
    async with connect(proxied.address, own=True) as channel:
        call = Stub(channel, PROBE_SERVICE).RunServerStream(blob(), metadata=script(send(256, MIB), call=this))
        await call.read()

        async def sent() -> int:
            return (await proxied.seen(this)).sent

        at = await stalled(sent)
        assert at < 64, f"{at} of 256 MiB went into the gateway and its sockets"
        assert proxied.gateway.rss - before < 32 * MIB
        # P70: nobody else is stopped
        await proxied.probe.RunUnary(blob(), timeout=10)
        # and it goes on where it stood
        rest = 0
        while await call.read() is not grpc.aio.EOF:
            rest += 1
        assert rest == 255
        assert await call.code() is grpc.StatusCode.OK
    assert proxied.gateway.rss - before < 64 * MIB


async def test_p69_a_server_that_does_not_read_stops_the_client(proxied: Target) -> None:
    assert proxied.gateway
    before = proxied.gateway.rss
    this = call_id("pressure")
    written = 0
    async with connect(proxied.address, own=True) as channel:
        call = Stub(channel, PROBE_SERVICE).RunBidi(metadata=script(wait(), read(), call=this))

        async def write() -> None:
            nonlocal written
            for number in range(256):
                await call.write(blob(number, MIB))
                written += 1
            await call.done_writing()

        async def progress() -> int:
            return written

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            await proxied.seen(this)
            at = await stalled(progress)
            assert at < 64, f"{at} of 256 MiB went into the gateway and its sockets"
            assert proxied.gateway.rss - before < 32 * MIB
            await proxied.probe.RunUnary(blob(), timeout=10)
            await proxied.release(this)
        assert await call.code() is grpc.StatusCode.OK
    assert (await proxied.seen(this, ended=True)).received == 256


async def test_p70_a_blocked_stream_does_not_block_its_connection(gateway: Gateway) -> None:
    """A raw client that gives one stream no window gets the answers of the others."""
    this = call_id("blocked")
    async with RawClient(gateway.traffic) as client:
        # the stream's window stays at the default 64 KiB; the connection's is far larger
        stream = await client.open("/probe.v1.ProbeService/RunServerStream", raw_script(send(8, MIB), call=this))
        client.connection.h2.acknowledge_received_data = lambda *_: None  # type: ignore[method-assign]
        await stream.send(frame(b""), end=True)
        await stream.until(lambda: len(stream.data) >= 65535)
        for _ in range(20):
            assert (await client.call("/grpc.testing.TestService/EmptyCall", b"")).grpc_status == 0
        assert len(stream.data) == 65535
        await stream.send_reset()


@pytest.fixture(scope="module")
def narrow(folder: Any) -> Any:
    """A server that takes ten calls at once on a connection."""
    with Probe("narrow-probe", folder, "--max-streams", "10") as server:
        yield server


@pytest.mark.parametrize("method", ["RunUnary", "RunBidi"])
async def test_p71_calls_above_the_limit_of_the_upstream_wait(
    narrow: Probe, admin: Admin, gateway: Gateway, method: str
) -> None:
    """A hundred calls to an upstream that takes ten at once: all succeed."""
    async with connect(gateway.traffic, own=True) as channel:
        await admin.create_upstream("narrow", narrow.address)
        fields = {
            "matches": [{"grpc": {"service": PROBE_SERVICE.full_name}, "headers": [{"name": "x-narrow", "exact": "1"}]}]
        }
        await admin.create_route("narrow", "", "narrow", **fields)
        try:
            stub = Stub(channel, PROBE_SERVICE)
            metadata = script(sleep(0.05), also=(("x-narrow", "1"),))

            async def one() -> grpc.StatusCode:
                # no message: grpc.aio's own client may call a status INTERNAL that comes while it sends one
                requests: Any = blob() if method == "RunUnary" else each([])
                call = getattr(stub, method)(requests, metadata=metadata, timeout=30)
                return await call.code()  # type: ignore[no-any-return]

            codes = await asyncio.gather(*(one() for _ in range(100)))
            assert codes == [grpc.StatusCode.OK] * 100
        finally:
            await admin.delete("routes/narrow", "upstreams/narrow")


@pytest.mark.parametrize("method", ["RunServerStream", "RunBidi"])
async def test_p72_messages_are_passed_on_one_by_one(target: Target, method: str) -> None:
    """The second message is sent when the first one has arrived; a proxy that collects would wait for ever."""
    this = call_id("one-by-one")
    steps = [step for _ in range(5) for step in (send(1), wait())]
    requests = blob() if method == "RunServerStream" else each([blob()])
    call = getattr(target.probe, method)(requests, metadata=script(*steps, call=this), timeout=30)
    for number in range(5):
        message = await asyncio.wait_for(call.read(), 10)
        assert isinstance(message, probe_pb2.Blob)
        assert (await target.seen(this)).sent == number + 1
        await target.release(this)
    assert await call.code() is grpc.StatusCode.OK


async def test_cancellation_frees_the_call_in_the_gateway(proxied: Target) -> None:
    """Nothing of a cancelled call is left: not at the server, not in the gateway."""
    assert proxied.gateway
    names = [call_id("freed") for _ in range(50)]
    calls = [proxied.probe.RunBidi(metadata=script(send(1), hang(), call=name), timeout=30) for name in names]
    for call in calls:
        await call.read()
    for call in calls:
        call.cancel()
    for name in names:
        await proxied.seen(name, ended=True, cancelled=True)
    api = Admin(proxied.gateway.admin)
    with contextlib.suppress(AssertionError):
        await eventually(lambda: _active(api, 0), within=5)
    assert (await api.info()).active_calls == 0
    await api.channel.close()


async def _active(api: Admin, count: int) -> bool:
    return (await api.info()).active_calls == count
