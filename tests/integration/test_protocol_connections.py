"""Statements P73 to P88 of the gRPC protocol: connections, retries, wait-for-ready."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import h2.events
import pytest
from grpc_health.v1 import health_pb2
from probe import probe_pb2

from tests.integration.conftest import Target, configuration
from tests.support.gateway import Admin, Gateway, backend, raw_backend
from tests.support.probe_server import Probe
from tests.support.processes import free_port
from tests.support.raw_peer import RawClient, RawServer, RawStream
from tests.support.rpc import (
    PROBE_SERVICE,
    Stub,
    blob,
    call_id,
    connect,
    drain,
    each,
    error_info,
    failure,
    finish,
    headers,
    raw_script,
    script,
    send,
    sleep,
    wait,
)

EMPTY = "/grpc.testing.TestService/EmptyCall"
BIDI = "/probe.v1.ProbeService/RunBidi"


@pytest.mark.parametrize("method", ["RunUnary", "RunBidi"])
async def test_p73_the_upstream_ends_its_connections_under_load(folder: Path, admin: Admin, method: str) -> None:
    """max_connection_age 300 ms, four callers for 2.5 s: zero failed calls."""
    name = f"aging-{method.lower()}"
    with Probe(name, folder, "--max-age-ms", "300") as server:
        gateway = Gateway(f"{name}-gateway", folder, configuration(server.address))
        with gateway:
            async with connect(gateway.traffic) as channel:
                stub = Stub(channel, PROBE_SERVICE)
                end = time.monotonic() + 2.5
                codes: dict[grpc.StatusCode, int] = {}

                async def load() -> None:
                    while time.monotonic() < end:
                        requests = blob() if method == "RunUnary" else each([blob()])
                        call = getattr(stub, method)(requests, metadata=script(sleep(0.005)), timeout=10)
                        code = await call.code()
                        codes[code] = codes.get(code, 0) + 1

                await asyncio.gather(*(load() for _ in range(4)))
    assert set(codes) == {grpc.StatusCode.OK}, codes
    assert codes[grpc.StatusCode.OK] > 100


async def test_p73_streams_under_way_finish_after_goaway(gateway: Gateway, admin: Admin, known: bool) -> None:
    async def leaving(stream: RawStream) -> None:
        await stream.connection.send_goaway(stream.number)
        await stream.finished()
        await stream.respond([b"x"])

    async with (
        raw_backend(admin, leaving, schema=known) as made,
        RawClient(gateway.traffic) as client,
    ):
        for _ in range(3):
            stream = await client.call(made.path("Unary"), b"")
            assert stream.grpc_status == 0
        assert len(made.server.connections) >= 3


@pytest.fixture(scope="module")
def aging(folder: Path, probes: tuple[Probe, Probe]) -> Iterator[Gateway]:
    """A gateway that asks callers to come again after a second."""
    found = configuration(probes[0].address)
    found["server"] = {"limits": {"max_connection_age": "1s", "connection_grace": "10s"}}
    with Gateway("aging-gateway", folder, found) as gateway:
        yield gateway


async def test_p74_age_ends_a_connection_with_goaway_and_grace(aging: Gateway, probes: tuple[Probe, Probe]) -> None:
    this = call_id("aging")
    async with RawClient(aging.traffic) as client, connect(probes[0].address) as direct:
        control = Stub(direct, PROBE_SERVICE)
        stream = await client.open(BIDI, raw_script(wait(), send(1), call=this))
        await stream.send(b"", end=True)
        await client.connection.until(lambda: client.connection.goaway is not None, within=10)
        assert client.connection.goaway
        assert client.connection.goaway[0] == 0
        await release(control, this)
        await stream.finished()
    assert stream.grpc_status == 0


async def test_p74_a_caller_under_age_notices_nothing(aging: Gateway) -> None:
    async with connect(aging.traffic) as channel:
        stub = Stub(channel, PROBE_SERVICE)
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            await stub.RunUnary(blob(), metadata=script(sleep(0.01)), timeout=10)


async def test_p75_shutdown(folder: Path, probes: tuple[Probe, Probe]) -> None:
    """Health turns NOT_SERVING, open calls finish, new ones are not taken, the process ends well."""
    this = call_id("draining")
    with Gateway("leaving-gateway", folder, configuration(probes[0].address)) as gateway:
        async with connect(gateway.traffic, own=True) as channel, connect(probes[0].address) as direct:
            control = Stub(direct, PROBE_SERVICE)
            watch: Any = channel.unary_stream(
                "/grpc.health.v1.Health/Watch",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )(health_pb2.HealthCheckRequest(), timeout=30)
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            call = Stub(channel, PROBE_SERVICE).RunBidi(metadata=script(wait(), send(2), call=this), timeout=30)
            await seen(control, this)
            gateway.send_signal(signal.SIGTERM)
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            await release(control, this)
            messages, code = await drain(call)
            assert (len(messages), code) == (2, grpc.StatusCode.OK)
            assert await asyncio.to_thread(gateway.wait) == 0
        async with connect(gateway.traffic, own=True) as channel:
            error = await failure(Stub(channel, PROBE_SERVICE).RunUnary(blob(), timeout=5))
            assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_p75_calls_that_do_not_finish_in_time_are_unavailable(folder: Path, probes: tuple[Probe, Probe]) -> None:
    this = call_id("stubborn")
    found = configuration(probes[0].address)
    found["server"] = {"drain_timeout": "0.5s"}
    with Gateway("hasty-gateway", folder, found) as gateway:
        async with connect(gateway.traffic, own=True) as channel, connect(probes[0].address) as direct:
            control = Stub(direct, PROBE_SERVICE)
            call = Stub(channel, PROBE_SERVICE).RunBidi(metadata=script(wait(), call=this), timeout=30)
            await seen(control, this)
            gateway.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(call.code(), 15) in {
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.CANCELLED,
            }
            assert await asyncio.to_thread(gateway.wait) == 0
            assert (await seen(control, this, ended=True)).cancelled


async def test_p76_pings_are_answered(gateway: Gateway) -> None:
    async with RawClient(gateway.traffic) as client:
        client.connection.h2.ping(b"12345678")
        await client.connection.flush()

        def answered() -> bool:
            return any(
                isinstance(event, h2.events.PingAckReceived) and event.ping_data == b"12345678"
                for event in client.connection.events
            )

        await client.connection.until(answered)


async def test_p77_too_many_pings(gateway: Gateway) -> None:
    async with RawClient(gateway.traffic) as client:
        for number in range(20):
            client.connection.h2.ping(number.to_bytes(8, "big"))
        await client.connection.flush()
        await client.connection.until(lambda: client.connection.goaway is not None)
        assert client.connection.goaway == (11, b"too_many_pings")
    async with RawClient(gateway.traffic) as client:
        assert (await client.call(EMPTY, b"")).grpc_status == 0


async def test_p78_an_upstream_that_is_frozen(folder: Path, admin: Admin, gateway: Gateway) -> None:
    """Keepalive notices it and the call ends UNAVAILABLE without a deadline."""
    with Probe("frozen-probe", folder) as server:
        fields = {"connection": {"keepalive_time": "1s", "keepalive_timeout": "1s"}}
        async with connect(gateway.traffic) as channel, connect(server.address) as direct:
            control = Stub(direct, PROBE_SERVICE)
            await admin.create_upstream("frozen", server.address, **fields)
            await admin.create_route("frozen", "", "frozen", matches=[only("x-frozen")])
            try:
                this = call_id("frozen")
                metadata = script(wait(), call=this, also=(("x-frozen", "1"),))
                call = Stub(channel, PROBE_SERVICE).RunBidi(metadata=metadata)
                await seen(control, this)
                server.send_signal(signal.SIGSTOP)
                assert await asyncio.wait_for(call.code(), 10) is grpc.StatusCode.UNAVAILABLE
            finally:
                server.send_signal(signal.SIGCONT)
                await admin.delete("routes/frozen", "upstreams/frozen")


async def test_p80_no_retry_after_the_upstream_has_seen_the_call(proxied: Target) -> None:
    for start in (proxied.probe.RunUnary, proxied.probe.RunServerStream):
        this = call_id("once")
        metadata = script(finish(grpc.StatusCode.UNAVAILABLE, "busy"), call=this)
        call = start(blob(), metadata=metadata, timeout=10)
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert (await proxied.seen(this, ended=True)).attempts == 1


async def test_p80_no_retry_after_a_broken_connection(admin: Admin, caller: Any, known: bool) -> None:
    async def breaking(stream: RawStream) -> None:
        await stream.finished()
        stream.connection.writer.close()

    async with raw_backend(admin, breaking, schema=known) as made:
        error = await failure(caller.unary_unary(made.path("Unary"))(b"", timeout=10))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert error_info(error).reason in {"UPSTREAM_UNREACHABLE", "UPSTREAM_PROTOCOL_ERROR"}
        assert len(made.server.streams) == 1


async def test_p81_a_refused_stream_may_be_tried_again(admin: Admin, caller: Any, known: bool) -> None:
    """REFUSED_STREAM says that nothing was processed: the call succeeds on another attempt or is UNAVAILABLE."""
    seen_streams = 0

    async def refusing(stream: RawStream) -> None:
        nonlocal seen_streams
        seen_streams += 1
        refused = seen_streams == 1
        # a reset before the request has gone out makes a stream of grpc.aio end with its own INTERNAL
        await stream.finished()
        if refused:
            await stream.send_reset(7)
        else:
            await stream.respond([b"x"])

    async with raw_backend(admin, refusing, schema=known) as made:
        call = caller.unary_unary(made.path("Unary"))(b"", timeout=10)
        assert await call.code() in {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
        await caller.unary_unary(made.path("Unary"))(b"", timeout=10)


async def test_p82_no_retry_after_headers(proxied: Target) -> None:
    this = call_id("headers")
    metadata = script(headers(), send(1), finish(grpc.StatusCode.UNAVAILABLE), call=this)
    messages, code = await drain(proxied.probe.RunServerStream(blob(), metadata=metadata, timeout=10))
    assert (len(messages), code) == (1, grpc.StatusCode.UNAVAILABLE)
    assert (await proxied.seen(this, ended=True)).attempts == 1


async def test_p87_a_stopped_upstream_fails_at_once(admin: Admin, caller: Any) -> None:
    async with backend(admin, [f"127.0.0.1:{free_port()}"]) as made:
        unary = caller.unary_unary(made.path("Unary"))
        await failure(unary(b"", timeout=15))
        started = time.monotonic()
        error = await failure(unary(b"", timeout=30))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        # a second and not the thirty of the deadline
        assert time.monotonic() - started < 10


async def test_p87_a_call_waits_for_a_connection_in_the_making(admin: Admin, caller: Any) -> None:
    """An upstream that accepts and speaks only later: the call that came meanwhile succeeds."""

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b"x"])

    class Slow(RawServer):
        async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.5)
            await super()._connected(reader, writer)

    async with Slow(answer) as server, backend(admin, [server.address]) as made:
        assert await caller.unary_unary(made.path("Unary"))(b"", timeout=10) == b"x"


async def test_p88_the_deadline_ends_a_call_that_waits(admin: Admin, caller: Any) -> None:
    """An upstream that accepts and never speaks."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(1024):
                pass
        finally:
            writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with backend(admin, [address]) as made:
        error = await failure(caller.unary_unary(made.path("Unary"))(b"", timeout=0.5))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    server.close()


def only(header: str) -> dict[str, object]:
    """Return the match of probe calls that carry a header."""
    return {"grpc": {"service": PROBE_SERVICE.full_name}, "headers": [{"name": header, "exact": "1"}]}


async def seen(control: Stub, call: str, **conditions: bool) -> Any:
    """Wait until the server has seen that of a call."""
    return await control.Await(probe_pb2.AwaitRequest(call_id=call, **conditions), timeout=15)


async def release(control: Stub, call: str) -> None:
    """Let a call go on that waits."""
    await control.Release(probe_pb2.ReleaseRequest(call_id=call), timeout=10)
