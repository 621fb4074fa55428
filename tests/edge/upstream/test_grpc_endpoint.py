"""The wire engine's carrier of a gRPC endpoint against real servers and raw ones."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from edge.model.endpoint import EndpointState, Judge
from edge.upstream import grpc_line
from edge.upstream.channels import Channels
from edge.upstream.grpc_endpoint import channels_of
from edge.upstream.http_endpoint import HttpEndpoint
from tests.edge.upstream.grpc_place import bytes_server, echo, grpc_server, place
from tests.support.processes import free_port
from tests.support.raw_peer import RawServer, RawStream
from tests.support.wire_caller import WireCall

ACTIVE, UNHEALTHY = EndpointState.ACTIVE, EndpointState.UNHEALTHY
MAX_STREAMS = 3
"""SETTINGS_MAX_CONCURRENT_STREAMS."""


async def ok(*calls: WireCall) -> None:
    for call in calls:
        await call.end()
    assert {(call.code, call.failure) for call in calls} == {(0, "")}


# === connecting ===


async def test_with_warm_up_the_first_call_finds_a_connection() -> None:
    async with grpc_server() as address, place(address) as found:
        await found.becomes(ACTIVE)
        assert found.carrier.connection() is not None
        call = found.call(b"hello")
        await ok(call)
        assert call.messages == [b"hello"]
        assert (found.carrier.made, found.states) == (1, [(ACTIVE, "")])


async def test_without_warm_up_the_first_call_connects() -> None:
    async with RawServer(echo) as server, place(server.address, warm_up=False) as found:
        assert found.endpoint.state is EndpointState.CONNECTING
        assert not server.connections
        await ok(found.call())
        assert found.states == [(ACTIVE, "")]


async def test_calls_wait_while_the_first_connection_is_made_and_are_sent_in_order() -> None:
    async with RawServer(echo) as server, place(server.address) as found:
        calls = [found.call(b"%d" % number) for number in range(50)]
        await ok(*calls)
        assert [int(stream.data[5:]) for stream in server.streams] == list(range(50))
        assert len(server.connections) == 1


async def test_small_frames_are_not_held_back() -> None:
    async with RawServer(echo) as server, place(server.address) as found:
        await found.becomes(ACTIVE)
        (protocol,) = found.carrier._dialler.open
        assert protocol.transport is not None
        sock = protocol.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("authority", ["", "shop.example.com"])
async def test_the_authority_is_the_address_or_what_the_upstream_says(authority: str) -> None:
    async with RawServer(echo) as server, place(server.address, authority=authority) as found:
        await ok(found.call())
        (stream,) = server.streams
        assert stream.header(":authority") == (authority or server.address)
        assert (stream.header(":scheme"), stream.header(":method")) == ("http", "POST")


async def test_a_unix_socket(tmp_path: Path) -> None:
    class Local(RawServer):
        async def __aenter__(self) -> Local:
            self._server = await asyncio.start_unix_server(self._connected, tmp_path / "s")
            self.address = f"unix:{tmp_path}/s"
            return self

    async with Local(echo) as server, place(server.address) as found:
        await ok(found.call())
        assert server.streams[0].header(":authority") == "localhost"


async def test_a_unix_socket_that_is_not_there(tmp_path: Path) -> None:
    async with place(f"unix:{tmp_path}/none") as found:
        await found.becomes(UNHEALTHY)
        assert found.endpoint.reason == "cannot be reached: No such file or directory"


async def test_a_name_that_does_not_exist() -> None:
    async with place("no-such-host.invalid:80") as found:
        await found.becomes(UNHEALTHY)
        assert found.endpoint.reason.startswith("cannot be reached: ")
        assert "Errno" not in found.endpoint.reason


# === endpoints that cannot be used ===


async def test_an_endpoint_that_cannot_be_reached_is_tried_until_it_can(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    async with place(f"127.0.0.1:{port}") as found:
        waiting = found.call()
        assert (await waiting.end()).failure == "Connection refused"
        assert found.states == [(UNHEALTHY, "cannot be reached: Connection refused")]
        at_once = found.call()
        assert at_once.ended, "in the pause between attempts calls do not wait"
        assert at_once.failure == "Connection refused"
        async with RawServer(echo, port=port):
            await found.becomes(ACTIVE)
            await ok(found.call())
    words = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert words == [f"endpoint 127.0.0.1:{port}: cannot be reached: Connection refused"]


async def test_a_connection_that_is_not_made_in_time() -> None:
    # a listener whose queue is full takes no more connections
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with place(f"127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.1) as found:
            assert (await found.call().end()).failure == "no connection within 0.1 s"
            assert found.endpoint.reason == "cannot be reached: no connection within 0.1 s"


async def test_an_endpoint_that_says_nothing() -> None:
    async with bytes_server(b"") as (address, _), place(address, connect_timeout=0.2) as found:
        assert (await found.call().end()).failure == "no SETTINGS of HTTP/2 within 0.2 s"
        assert found.endpoint.state is UNHEALTHY


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n", "it answers in HTTP/1.1"),
        (b"this is not HTTP at all\r\n" * 10, "its first frame is not SETTINGS"),
        (b"\0" * 4096, "its first frame is not SETTINGS"),
        (b"\xff" * 64, "its first frame is not SETTINGS"),
        (b"\0\0\0\x04\x01\0\0\0\0", "its first frame is not SETTINGS"),
        (b"\0\0\5\x04\0\0\0\0\0" + b"\0" * 5, "its first frame breaks the rules"),
    ],
    ids=["http-1", "text", "zeros", "ones", "acknowledgement", "settings"],
)
async def test_an_endpoint_that_speaks_something_else(answer: bytes, words: str) -> None:
    async with bytes_server(answer) as (address, _), place(address) as found:
        waiting = await found.call().end()
        assert waiting.failure == f"does not speak gRPC over HTTP/2: {words}"
        assert (found.endpoint.state, found.endpoint.reason) == (UNHEALTHY, waiting.failure)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"\x15\x03\x01\x00\x02\x02\x46",
            "does not speak gRPC over HTTP/2: it speaks TLS, and the upstream has no `tls`",
        ),
        (b"", "cannot be reached: it closed the connection before its first frame of HTTP/2"),
    ],
    ids=["tls-alert", "nothing"],
)
async def test_an_endpoint_that_closes_the_connection_at_once(answer: bytes, words: str) -> None:
    async with bytes_server(answer, close=True) as (address, _), place(address) as found:
        await found.becomes(UNHEALTHY)
        assert found.endpoint.reason == words


async def test_an_endpoint_that_ends_every_connection_is_not_hammered() -> None:
    settings = b"\0\0\0\x04\0\0\0\0\0"
    async with bytes_server(settings, close=True) as (address, times), place(address) as found:
        await found.made(4)
        assert found.states == [(ACTIVE, "")] * 4
    pauses = [second - first for first, second in itertools.pairwise(times)]
    assert min(pauses) >= 0.09


async def test_an_endpoint_that_drains_stays_so() -> None:
    async with place(f"127.0.0.1:{free_port()}", warm_up=False) as found:
        found.endpoint.judge(Judge.OPERATOR, EndpointState.DRAINING)
        await found.call().end()
        assert (found.endpoint.state, found.states) == (EndpointState.DRAINING, [])


# === the end ===


async def test_closing_says_goodbye_and_ends_what_is_under_way() -> None:
    async with RawServer(echo) as server, place(server.address) as found:
        await found.becomes(ACTIVE)
        call = found.call(more=True)
        await server.connections[0].until(lambda: bool(server.streams))
        await found.carrier.close()
        assert (call.code, call.failure) == (None, "the endpoint is no longer used")
        connection = server.connections[0]
        async with asyncio.timeout(5):
            while not connection.closed:
                await asyncio.sleep(0.005)
        assert connection.goaway == (0, b"")
        after = found.call()
        assert after.failure == "the endpoint is no longer used"


async def test_closing_ends_calls_that_wait() -> None:
    async with bytes_server(b"") as (address, _), place(address) as found:
        call = found.call()
        await asyncio.sleep(0.05)
        await found.close()
        assert call.failure == "the endpoint is no longer used"


async def test_closing_does_not_wait_for_an_endpoint_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_line, "GOODBYE_SECONDS", 0.1)

    async def deaf(stream: RawStream) -> None:
        stream.connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await stream.until(lambda: False)

    async with RawServer(deaf) as server, place(server.address) as found:
        call = found.call(b"x" * 30_000, more=True)
        await found.becomes(ACTIVE)
        await server.connections[0].until(lambda: bool(server.streams))
        assert call.stream is not None
        call.stream.conn.send_window = call.stream.send_window = 50_000_000
        call.stream.send_data(b"x" * 40_000_000, False)
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await found.close()
        assert time.monotonic() - began < 2.0
        assert call.ended


# === grpc.aio beside it ===


async def test_grpc_aio_reaches_the_same_endpoint_and_says_nothing_of_its_state() -> None:
    async with grpc_server() as address, place(address) as found:
        await found.becomes(ACTIVE)
        assert found.carrier._channels is None
        channels = channels_of(found.carrier)
        assert isinstance(channels, Channels)
        assert channels_of(found.carrier) is channels
        answer: Any = channels.connection().channel.unary_unary("/t/Echo")
        assert await answer(b"hello", timeout=10) == b"hello"
        assert (found.carrier.made, len(found.states)) == (1, 1)


def test_which_carriers_grpc_aio_can_use() -> None:
    assert channels_of(HttpEndpoint.__new__(HttpEndpoint)) is None
    channels = Channels.__new__(Channels)
    assert channels_of(channels) is channels
