"""The wire engine's connections to a gRPC endpoint: lost ones, GOAWAY, streams that have run out, keepalive."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from edge.model.endpoint import EndpointState
from edge.upstream import grpc_endpoint, grpc_line
from edge.upstream.grpc_endpoint import MAX_EXTRA, MAX_WAITING
from tests.edge.upstream.grpc_place import echo, place
from tests.support.probe_server import Probe
from tests.support.raw_peer import RawConnection, RawServer, RawStream
from tests.support.wire_caller import WireCall

ACTIVE, UNHEALTHY = EndpointState.ACTIVE, EndpointState.UNHEALTHY
MAX_STREAMS = 3
"""SETTINGS_MAX_CONCURRENT_STREAMS."""


async def ok(*calls: WireCall) -> None:
    for call in calls:
        await call.end()
    assert {(call.code, call.failure) for call in calls} == {(0, "")}


# === connections that end ===


async def test_a_server_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    empty = "/grpc.testing.TestService/EmptyCall"
    with Probe("killed", tmp_path) as server:
        async with place(server.address) as found:
            await ok(found.call(path=empty))
            hanging = found.call(path="/grpc.testing.TestService/FullDuplexCall", more=True)
            server.kill()
            assert "connection" in (await hanging.end()).failure
            await found.becomes(UNHEALTHY)
            assert found.endpoint.reason == "cannot be reached: Connection refused"
            await asyncio.to_thread(server.restart)
            await found.becomes(ACTIVE)
            await ok(found.call(path=empty))
            assert found.carrier.made == 2


async def test_a_connection_that_was_lost_is_made_again_without_a_call() -> None:
    async with RawServer(echo) as server, place(server.address) as found:
        await found.becomes(ACTIVE)
        await asyncio.sleep(grpc_line.FIRST_BACKOFF)
        began = time.monotonic()
        server.connections[0].writer.close()
        await found.made(2)
        assert time.monotonic() - began < grpc_line.FIRST_BACKOFF
        assert found.states == [(ACTIVE, "")] * 2


async def test_goaway_under_load_fails_no_call() -> None:
    async def slow(stream: RawStream) -> None:
        await stream.finished()
        await asyncio.sleep(0.02)
        await stream.respond([bytes(stream.data[5:])])

    async with RawServer(slow) as server, place(server.address) as found:
        failures: list[str] = []
        ended = 0

        async def calls() -> None:
            nonlocal ended
            while ended < 600:
                call = await found.call(b"x").end()
                ended += 1
                if call.code != 0:
                    failures.append(call.failure)

        async def go_away(connection: RawConnection) -> None:
            await connection.until(lambda: len(connection.streams) >= 30)
            # as a server does that is going to end: what it has seen it finishes, what it has not is tried again
            await connection.send_goaway(max(connection.streams))

        async def goaways() -> None:
            for number in range(5):
                await found.made(number + 1)
                await go_away(server.connections[-1])

        await asyncio.gather(goaways(), *(calls() for _ in range(30)))
        assert failures == []
        assert len(server.connections) == 6
        assert {state for state, _ in found.states} == {ACTIVE}
        for connection in server.connections[:5]:
            async with asyncio.timeout(5):
                while not connection.closed:
                    await asyncio.sleep(0.005)


async def test_a_connection_that_is_too_old_is_replaced_and_its_calls_finish() -> None:
    async def slow(stream: RawStream) -> None:
        await stream.finished()
        await asyncio.sleep(0.02)
        await stream.respond([bytes(stream.data[5:])])

    async with RawServer(slow) as server, place(server.address, max_age=0.15) as found:
        failures: list[str] = []

        async def calls() -> None:
            while found.carrier.made < 4:
                call = await found.call(b"x").end()
                if call.code != 0:
                    failures.append(call.failure)

        async with asyncio.timeout(15):
            await asyncio.gather(*(calls() for _ in range(10)))
        assert failures == []
        assert {state for state, _ in found.states} == {ACTIVE}
        async with asyncio.timeout(5):
            for connection in server.connections[:3]:
                while not connection.closed:
                    await asyncio.sleep(0.005)


async def test_calls_above_the_last_stream_of_a_goaway_go_to_the_next_connection() -> None:
    async def handler(stream: RawStream) -> None:
        if stream.connection is server.connections[0]:
            await stream.finished()
            if stream.number == 5:
                await stream.connection.send_goaway(1)
                await server.streams[0].respond([b"first"])
            return
        await echo(stream)

    async with RawServer(handler) as server, place(server.address) as found:
        await found.becomes(ACTIVE)
        calls = [found.call(b"%d" % number) for number in range(3)]
        await ok(*calls)
        assert [call.messages for call in calls] == [[b"first"], [b"1"], [b"2"]]
        assert [call.attempts for call in calls] == [1, 2, 2]


async def test_after_a_loss_calls_are_sent_before_the_settings_come_but_not_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grpc_endpoint, "MAX_EXTRA", 0)
    go_on = asyncio.Event()

    class Slow(RawServer):
        async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.connections:
                await go_on.wait()
            await super()._connected(reader, writer)

    async with Slow(echo) as server, place(server.address) as found:
        await found.becomes(ACTIVE)
        (first,) = found.carrier._dialler.open
        server.connections[0].writer.close()
        async with asyncio.timeout(5):
            while found.carrier._dialler.open in ({first}, set()):
                await asyncio.sleep(0.005)
        calls = [found.call() for _ in range(150)]
        (protocol,) = found.carrier._dialler.open
        assert (protocol.client.peer_settled, len(protocol.client.streams)) == (False, 100)
        assert not any(call.ended for call in calls)
        go_on.set()
        await ok(*calls)
        assert {call.attempts for call in calls} == {1}
        assert len(server.connections) == 2


# === streams that have run out ===


async def test_fifty_calls_where_one_stream_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_line, "EXTRA_IDLE", 0.2)
    # the server breaks a connection with more streams than it has allowed
    async with RawServer(echo, settings={MAX_STREAMS: 1}) as server, place(server.address) as found:
        calls = [found.call(b"%d" % number) for number in range(50)]
        await ok(*calls)
        assert [call.attempts for call in calls] == [1] * 50
        assert 1 < len(server.connections) <= 1 + MAX_EXTRA
        assert not found.carrier._waiting
        # those beyond the configured one are closed when nobody needs them
        async with asyncio.timeout(10):
            while len(found.carrier._dialler.open) > 1:
                await asyncio.sleep(0.01)
        assert not server.connections[0].closed
        assert found.carrier.connection() is not None


async def test_calls_that_wait_are_served_in_order_as_streams_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_endpoint, "MAX_EXTRA", 0)
    async with RawServer(echo, settings={MAX_STREAMS: 2}) as server, place(server.address) as found:
        calls = [found.call(b"%d" % number) for number in range(40)]
        gone = calls[20]
        found.carrier.abandon(gone)
        await ok(*(call for call in calls if call is not gone))
        assert [int(stream.data[5:]) for stream in server.streams] == [n for n in range(40) if n != 20]
        assert not gone.ended
        assert len(server.connections) == 1
        assert server.connections[0].goaway is None


async def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_endpoint, "MAX_EXTRA", 0)
    async with RawServer(echo, settings={MAX_STREAMS: 1}) as server, place(server.address) as found:
        await found.becomes(ACTIVE)
        holds = found.call(more=True)
        calls = [found.call() for _ in range(MAX_WAITING + 1)]
        assert [call.ended for call in calls] == [False] * MAX_WAITING + [True]
        assert calls[-1].failure == f"{MAX_WAITING} calls wait for a connection already"
        holds.cancel()
        await ok(*calls[:-1])


async def test_an_endpoint_that_allows_more_streams_later() -> None:
    async with RawServer(echo, settings={MAX_STREAMS: 0}) as server, place(server.address) as found:
        await found.becomes(ACTIVE)
        call = found.call()
        await found.made(1 + MAX_EXTRA)
        assert not call.ended
        connection = server.connections[0]
        connection.h2.update_settings({MAX_STREAMS: 10})
        await connection.flush()
        await ok(call)


async def test_connections_take_turns_and_those_that_leave_are_left_out() -> None:
    async with RawServer(echo) as server, place(server.address, connections_per_endpoint=3) as found:
        await found.made(3)
        conns = [found.carrier.connection() for _ in range(6)]
        assert len(set(conns)) == 3
        assert conns[:3] == conns[3:]
        conn = conns[0]
        assert conn is not None
        conn.retire()
        assert conn not in {found.carrier.connection() for _ in range(6)}
        await found.made(4)
        assert len({found.carrier.connection() for _ in range(6)}) == 3


async def test_one_connection_of_several_that_fails_does_not_end_what_waits() -> None:
    accepted: list[asyncio.StreamWriter] = []

    class Half(RawServer):
        async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.append(writer)
            if len(accepted) == 1:
                writer.write(b"garbage, garbage")
                writer.close()
                return
            await asyncio.sleep(0.05)
            await super()._connected(reader, writer)

    async with Half(echo) as server, place(server.address, connections_per_endpoint=2) as found:
        await ok(found.call())
        await found.made(2)
        assert found.endpoint.state is ACTIVE


# === keepalive ===


async def test_keepalive_ends_the_calls_of_a_frozen_process(tmp_path: Path) -> None:
    with Probe("frozen", tmp_path) as server:
        async with place(server.address, keepalive_time=0.2, keepalive_timeout=0.2, connect_timeout=0.3) as found:
            call = found.call(path="/grpc.testing.TestService/FullDuplexCall", more=True)
            await found.becomes(ACTIVE)
            await asyncio.sleep(1.0)
            assert not call.ended, "pings are answered"
            server.send_signal(signal.SIGSTOP)
            try:
                began = time.monotonic()
                await call.end()
                assert time.monotonic() - began < 2.0
                assert call.failure == "it did not answer a PING within 0.2 s (keepalive)"
                await found.becomes(UNHEALTHY)
                assert found.endpoint.reason == "cannot be reached: no SETTINGS of HTTP/2 within 0.3 s"
            finally:
                server.send_signal(signal.SIGCONT)
            await found.becomes(ACTIVE)


async def test_without_calls_nobody_is_pinged() -> None:
    async with RawServer(echo) as server, place(server.address, keepalive_time=0.02, keepalive_timeout=5.0) as found:
        await found.becomes(ACTIVE)
        await asyncio.sleep(0.2)
        events = [type(event).__name__ for event in server.connections[0].events]
        assert "PingReceived" not in events
        hold = found.call(more=True)
        async with asyncio.timeout(5):
            while "PingReceived" not in [type(event).__name__ for event in server.connections[0].events]:
                await asyncio.sleep(0.005)
        hold.cancel()
