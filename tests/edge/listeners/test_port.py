from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import ssl
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edge.listeners import EdgeServer, ListenError
from edge.listeners.h2_front import Http2Front
from edge.listeners.port_http2 import age_limit
from edge.model.counters import Protections
from edge.model.http import HttpExchange
from edge.model.settings import Limits, ListenerProtocol, ListenerSettings
from edge.wire.frames import LARGEST_WINDOW, PREFACE
from edge.wire.transport import LoopTurn
from tests.edge.listeners.http_place import WAIT, Caller, Handler
from tests.edge.listeners.port_place import GET, Http2Caller, PortPlace, answer_http1, port
from tests.edge.listeners.tls_place import Certificates, listener, required

HAS_IPV6 = Path("/proc/net/if_inet6").exists()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def who1(caller: Caller) -> dict[str, Any]:
    status, _, body = await caller.answer()
    assert status == 200, body
    facts: dict[str, Any] = json.loads(body)
    return facts


def peer_of(caller: Caller) -> str:
    host, number = caller.writer.get_extra_info("sockname")[:2]
    return f"ipv4:{host}:{number}"


# === what is spoken ===


async def test_one_port_takes_both_versions_of_http() -> None:
    async with port() as place:
        one = await place.call(GET)
        two = await place.call2()
        assert await who1(one) == {"version": "1.1", "peer": peer_of(one), "scheme": "http", "subject": None}
        assert await two.ask() == {"version": "2", "peer": peer_of(two.caller), "scheme": "http", "subject": None}
        assert await two.ask() == await two.ask()
        one.send(GET)
        assert (await who1(one))["version"] == "1.1"
        assert len(place.server) == 2
    assert len(place.server) == 0


async def test_a_preface_in_single_bytes_is_http_2() -> None:
    async with port() as place:
        caller = Http2Caller(await place.call())
        caller.h2.initiate_connection()
        for byte in caller.h2.data_to_send():
            caller.caller.send(bytes((byte,)))
            await asyncio.sleep(0.001)
        assert (await caller.ask())["version"] == "2"


async def test_a_request_in_single_bytes_is_http_1() -> None:
    async with port() as place:
        caller = await place.call()
        for byte in b"P" + GET.replace(b"GET", b"ROPFIND"):
            caller.send(bytes((byte,)))
            await asyncio.sleep(0.001)
        assert (await who1(caller))["version"] == "1.1"


async def test_what_follows_the_preface_at_once_is_not_lost() -> None:
    async with port() as place:
        caller = Http2Caller(await place.call())
        caller.h2.initiate_connection()
        number = caller.open()
        assert json.loads(await caller.ended(number))["version"] == "2"


async def test_a_body_that_comes_with_the_head_is_whole() -> None:
    body = bytes(range(256)) * 4096

    async with port() as place:

        async def echo(exchange: Any) -> None:
            await exchange.respond(200, [], await exchange.read_all(len(body)))

        place.handler.answer = echo
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
        status, _, answer = await (await place.call(head + body)).answer()
        assert status == 200
        assert answer == body


async def test_a_broken_preface_is_told_by_the_engine() -> None:
    async with port() as place:
        caller = await place.call(PREFACE[:18] + b"XX\r\n\r\n")
        rest = await caller.rest()
        assert b"does not begin with the preface" in rest
        await place.until(0)


async def test_what_is_no_protocol_gets_an_answer_of_http_1() -> None:
    async with port() as place:
        status, _, body = await (await place.call(b"\x00\x01\x02\r\n\r\n")).answer()
        assert status == 400
        assert json.loads(body)["code"] == 3


@pytest.mark.usefixtures("loud")
async def test_tls_on_a_clear_text_port_is_closed_and_said_in_the_log(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with port() as place:
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await place.call(tls=certificates.caller())
        assert place.counts == {"tls_on_clear_text": 1}
        await place.until(0)
    assert "the listener test on 127.0.0.1:" in caplog.text
    assert "is for clear text (server.listeners.tls is not set)" in caplog.text


async def test_a_listener_for_grpc_tells_callers_of_http_1() -> None:
    async with port(ListenerProtocol.GRPC) as place:
        caller = await place.call(GET)
        status, headers, body = await caller.answer()
        assert (status, headers["connection"]) == (505, "close")
        assert json.loads(body) == {
            "code": 12,
            "message": "the listener test takes gRPC over HTTP/2 only (server.listeners.protocol is GRPC)",
            "details": [],
        }
        assert await caller.rest() == b""
        assert (await (await place.call2()).ask())["version"] == "2"
        # one that does not close is closed
        caller.vanish()
        await place.until(1)
    assert not place.handler.count


async def test_a_listener_for_http_takes_both_versions() -> None:
    async with port(ListenerProtocol.HTTP) as place:
        assert (await who1(await place.call(GET)))["version"] == "1.1"
        assert (await (await place.call2()).ask())["version"] == "2"


# === TLS ===


async def test_tls_agrees_on_http_2_and_http_1(certificates: Certificates) -> None:
    tls = listener(certificates.issue("localhost", "localhost"))
    async with port(tls=tls) as place:
        two = await place.call2(certificates.caller(alpn=("h2", "http/1.1")))
        assert await two.ask() == {"version": "2", "peer": peer_of(two.caller), "scheme": "https", "subject": None}
        one = await place.call(GET, certificates.caller(alpn=("http/1.1",)))
        assert await who1(one) == {"version": "1.1", "peer": peer_of(one), "scheme": "https", "subject": None}


async def test_without_alpn_the_first_bytes_inside_tls_decide(certificates: Certificates) -> None:
    tls = listener(certificates.issue("localhost", "localhost"))
    async with port(tls=tls) as place:
        assert (await (await place.call2(certificates.caller())).ask())["version"] == "2"
        assert (await who1(await place.call(GET, certificates.caller())))["version"] == "1.1"


async def test_a_listener_for_grpc_refuses_http_1_inside_tls(certificates: Certificates) -> None:
    tls = listener(certificates.issue("localhost", "localhost"))
    async with port(ListenerProtocol.GRPC, tls=tls) as place:
        caller = await place.call(GET, certificates.caller(alpn=("http/1.1",)))
        assert (await caller.answer())[0] == 505
        await place.until(0)


async def test_a_client_certificate_says_who_calls(certificates: Certificates) -> None:
    tls = required(certificates.issue("localhost", "localhost"), ca=certificates)
    own = certificates.issue("alice", "alice")
    async with port(tls=tls) as place:
        assert (await (await place.call2(certificates.caller(own, ("h2",)))).ask())["subject"] == "CN=alice"
        assert (await who1(await place.call(GET, certificates.caller(own))))["subject"] == "CN=alice"


async def test_a_handshake_that_fails_is_counted_and_no_warning(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "edge.listeners")
    tls = listener(certificates.issue("localhost", "localhost"))
    async with port(tls=tls) as place:
        caller = await place.call(GET)
        peer = peer_of(caller)
        await caller.rest()
        caller.vanish()
        await place.until(0)
        assert place.counts == {"tls_handshake": 1}
    assert f"a TLS handshake with {peer} did not come about" in caplog.text


# === PROXY protocol ===

LINE = b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 443\r\n"
BINARY = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0f" + bytes((203, 0, 113, 7, 192, 0, 2, 1, 0xC7, 0x38, 1, 0xBB)) + b"\4\0\0"
)
PROXIES = ("127.0.0.0/8",)


@pytest.mark.parametrize("header", [LINE, BINARY])
async def test_the_caller_is_who_the_proxy_says(header: bytes) -> None:
    async with port(proxies=PROXIES) as place:
        assert (await who1(await place.call(header + GET)))["peer"] == "ipv4:203.0.113.7:51000"
        assert (await (await place.call2(first=header)).ask())["peer"] == "ipv4:203.0.113.7:51000"


@pytest.mark.parametrize("header", [LINE, BINARY])
async def test_a_proxy_header_in_single_bytes(header: bytes) -> None:
    async with port(proxies=PROXIES) as place:
        caller = await place.call()
        for byte in header + GET:
            caller.send(bytes((byte,)))
            await asyncio.sleep(0.001)
        assert (await who1(caller))["peer"] == "ipv4:203.0.113.7:51000"


@pytest.mark.parametrize("header", [LINE, BINARY])
async def test_a_proxy_header_and_the_hello_of_tls_in_one_piece(certificates: Certificates, header: bytes) -> None:
    tls = listener(certificates.issue("localhost", "localhost"))
    async with port(tls=tls, proxies=PROXIES) as place:
        facts = await asyncio.to_thread(_through_proxy, place.server.address, header, certificates)
        assert facts == {"version": "1.1", "peer": "ipv4:203.0.113.7:51000", "scheme": "https", "subject": None}


def _through_proxy(address: str, header: bytes, certificates: Certificates) -> Any:
    """Ask over TLS whose first record is in the same segment as the header of the proxy."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certificates.caller().wrap_bio(incoming, outgoing, server_hostname="localhost")
    host, _, number = address.rpartition(":")
    with socket.create_connection((host, int(number)), timeout=WAIT) as raw:
        sent = header

        def turn(step: Any) -> Any:
            nonlocal sent
            while True:
                try:
                    result = step()
                except ssl.SSLWantReadError:
                    result = None
                    done = False
                else:
                    done = True
                if data := sent + outgoing.read():
                    raw.sendall(data)
                    sent = b""
                if done:
                    return result
                incoming.write(raw.recv(65536))

        turn(tls.do_handshake)
        turn(lambda: tls.write(GET))
        answer: bytes = turn(lambda: tls.read(65536))
        return json.loads(answer.partition(b"\r\n\r\n")[2])


async def test_local_and_unknown_keep_the_address_of_the_socket() -> None:
    async with port(proxies=PROXIES) as place:
        for header in (b"PROXY UNKNOWN\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0"):
            caller = await place.call(header + GET)
            assert (await who1(caller))["peer"] == peer_of(caller)


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("sent", [GET, PREFACE, LINE[:20], LINE.replace(b"TCP4", b"TCP6"), b"\x16\x03\x01"])
async def test_what_is_no_proxy_header_is_closed(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with port(proxies=PROXIES) as place:
        caller = await place.call(sent)
        if sent == LINE[:20]:
            caller.writer.write_eof()
        assert await caller.rest() in (b"", b"<reset>")
        assert place.counts == {"proxy_protocol": 1}
        await place.until(0)
    assert "server.listeners.proxy_protocol_from asks for one from there" in caplog.text
    assert not place.handler.count


async def test_a_proxy_that_looks_whether_somebody_listens_is_nobodys_fault() -> None:
    async with port(proxies=PROXIES) as place:
        caller = await place.call()
        await place.until(1)
        caller.writer.write_eof()
        assert await caller.rest() == b""
        await place.until(0)
        assert place.counts == {}


async def test_a_header_from_elsewhere_is_not_believed() -> None:
    async with port(proxies=("10.0.0.0/8",)) as place:
        assert (await (await place.call(LINE + GET)).answer())[0] == 400


@pytest.mark.usefixtures("loud")
async def test_a_proxy_header_has_to_come_in_time() -> None:
    async with port(proxies=PROXIES, handshake_timeout=0.3) as place:
        caller = await place.call(LINE[:10])
        assert await caller.rest() in (b"", b"<reset>")
        assert place.counts == {"handshake_timeout": 1}


# === how many ===


@pytest.mark.usefixtures("loud")
async def test_a_connection_too_many_is_closed_at_once() -> None:
    async with port(max_connections=2) as place:
        first, second = await place.call(GET), await place.call2()
        await who1(first)
        await second.ask()
        assert await (await place.call()).rest() in (b"", b"<reset>")
        assert place.counts == {"connection_limit": 1}
        first.vanish()
        await place.until(1)
        assert (await who1(await place.call(GET)))["version"] == "1.1"


@pytest.mark.usefixtures("loud")
async def test_the_limit_of_a_peer_is_one_of_its_address() -> None:
    async with port(max_connections_per_peer=1, proxies=PROXIES) as place:
        other = LINE.replace(b"113.7", b"113.8")
        first = await place.call(LINE + GET)
        await who1(first)
        assert (await who1(await place.call(other + GET)))["peer"] == "ipv4:203.0.113.8:51000"
        assert await (await place.call(LINE.replace(b"51000", b"51001") + GET)).rest() in (b"", b"<reset>")
        assert place.counts == {"peer_limit": 1}
        await place.until(2)
        first.vanish()
        await place.until(1)
        assert (await who1(await place.call(LINE + GET)))["peer"] == "ipv4:203.0.113.7:51000"


async def test_callers_of_a_unix_socket_have_no_limit_of_a_peer(tmp_path: Path) -> None:
    async with port(address=f"unix:{tmp_path / 'port.sock'}", max_connections_per_peer=1) as place:
        callers = [await place.call(GET), await place.call(GET)]
        assert [(await who1(caller))["peer"] for caller in callers] == ["unix:", "unix:"]
        assert (await (await place.call2()).ask())["peer"] == "unix:"


# === how long ===


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("sent", [b"", b"P", b"\x16", PREFACE[:10], PREFACE])
async def test_who_does_not_begin_in_time_is_closed(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with port(handshake_timeout=0.3) as place:
        caller = await place.call(sent)
        rest = await caller.rest()
        assert place.counts == {"handshake_timeout": 1}
        assert sent == PREFACE or rest in (b"", b"<reset>")
        await place.until(0)
    assert "(server.limits.handshake_timeout)" in caplog.text


@pytest.mark.usefixtures("loud")
async def test_a_handshake_of_tls_has_to_end_in_time(certificates: Certificates) -> None:
    tls = listener(certificates.issue("localhost", "localhost"))
    async with port(tls=tls, handshake_timeout=0.3) as place:
        silent = await place.call()
        begun = await place.call(b"\x16\x03\x01\x02\x00\x01")
        assert await silent.rest() in (b"", b"<reset>")
        assert await begun.rest() in (b"", b"<reset>")
        assert place.counts == {"handshake_timeout": 2}
        await place.until(0)


async def test_a_connection_that_began_outlives_the_handshake_timeout() -> None:
    async with port(handshake_timeout=0.3) as place:
        one, two = await place.call(GET), await place.call2()
        await who1(one)
        await two.ask()
        await asyncio.sleep(0.8)
        one.send(GET)
        assert (await who1(one))["version"] == "1.1"
        assert (await two.ask())["version"] == "2"


@pytest.mark.usefixtures("loud")
async def test_the_head_of_a_first_request_is_timed() -> None:
    async with port(handshake_timeout=0.2) as place:
        caller = await place.call(GET[:8])
        assert (await caller.answer())[0] == 408
        assert place.counts == {"handshake_timeout": 1}


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("header", [b"x: y\r\n" * 200, b"x: " + b"y" * 20_000 + b"\r\n"])
async def test_headers_beyond_a_limit_are_counted(header: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with port() as place:
        caller = await place.call(GET[:-2] + header + b"\r\n")
        assert (await caller.answer())[0] == 431
        assert place.counts == {"header_count" if len(header) < 10_000 else "header_list": 1}
    assert "server.limits.max_" in caplog.text


@pytest.mark.usefixtures("loud")
async def test_an_idle_connection_of_http_1_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    async with port(max_connection_idle=0.2) as place:
        caller = await place.call(GET)
        await who1(caller)
        assert await caller.rest() == b""
        assert place.counts == {"idle_timeout": 1}
    assert "it had no call (server.limits.max_connection_idle)" in caplog.text


@pytest.mark.usefixtures("loud")
async def test_an_idle_connection_is_asked_to_end(caplog: pytest.LogCaptureFixture) -> None:
    async with port(max_connection_idle=0.5) as place:
        caller = await place.call2()
        await caller.ask()
        assert await caller.goaways(2) == [(0, LARGEST_WINDOW), (0, 1)]
        assert await caller.rest() == b""
        assert place.counts == {"idle_timeout": 1}
    assert "it had no call (server.limits.max_connection_idle)" in caplog.text


async def test_a_connection_with_a_call_is_not_idle() -> None:
    async with port(max_connection_idle=0.5) as place:
        caller = await place.call2()
        number = caller.open("/wait")
        await asyncio.wait_for(place.begun.wait(), WAIT)
        await asyncio.sleep(1.2)
        assert place.counts == {}
        place.waiting[0].release()
        assert json.loads(await caller.ended(number))["version"] == "2"


@pytest.mark.usefixtures("loud")
async def test_an_old_connection_ends_when_its_calls_have() -> None:
    async with port(max_connection_age=0.4) as place:
        caller = await place.call2()
        number = caller.open("/wait")
        await caller.goaways(2)
        place.waiting[0].release()
        assert json.loads(await caller.ended(number))["version"] == "2"
        assert await caller.rest() == b""
        assert place.counts == {"connection_age": 1}


@pytest.mark.usefixtures("loud")
async def test_the_calls_of_an_old_connection_are_cut_when_the_grace_is_over() -> None:
    async with port(max_connection_age=0.3, connection_grace=0.3) as place:
        two = await place.call2()
        two.open("/wait")
        one = await place.call(GET.replace(b"/who", b"/wait"))
        # at once: a PING between the first two has to be answered before the time is over
        rest, goaways = await asyncio.gather(one.rest(), two.goaways(3))
        assert rest in (b"", b"<reset>")
        assert goaways == [(0, LARGEST_WINDOW), (0, 1), (0, 1)]
        assert await two.rest() == b""
        assert [words for _, words in place.resets] == [
            "the connection ended: NO_ERROR, the time for the calls under way is over"
        ]
        assert isinstance(place.handler.outcome, asyncio.CancelledError)
        assert place.counts == {"connection_age": 2}


@pytest.mark.usefixtures("loud")
async def test_an_old_web_socket_is_closed_as_one_that_goes_away() -> None:
    async def talk(exchange: HttpExchange) -> None:
        web_socket = await exchange.accept(max_message_bytes=100)
        while await web_socket.receive() is not None:
            pass

    async with port(max_connection_age=0.3) as place:
        place.handler.answer = talk
        caller = await place.call(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert (await caller.head())[0] == 101
        reason = b"the connection is old"
        frame = b"\x88" + bytes((2 + len(reason),)) + (1001).to_bytes(2, "big") + reason
        assert await asyncio.wait_for(caller.reader.readexactly(len(frame)), WAIT) == frame


@pytest.mark.usefixtures("loud")
async def test_an_old_connection_of_http_1_ends_between_requests() -> None:
    async with port(max_connection_age=0.3) as place:
        caller = await place.call(GET)
        await who1(caller)
        assert await caller.rest() == b""
        assert place.counts == {"connection_age": 1}


async def test_ages_differ() -> None:
    ages = {age_limit(Limits(max_connection_age=100.0), 0.0) for _ in range(50)}
    assert len(ages) > 40
    assert 90 <= min(ages) <= max(ages) <= 110
    assert age_limit(Limits(), 0.0) == float("inf")


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_caller_that_does_not_read_is_dropped(
    encrypted: bool, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    tls = listener(certificates.issue("localhost", "localhost")) if encrypted else None
    async with port(stall_timeout=0.6, tls=tls) as place:
        caller = await place.call2(certificates.caller() if encrypted else None)
        caller.h2.increment_flow_control_window(LARGEST_WINDOW - 65535)
        caller.h2.update_settings({4: LARGEST_WINDOW})
        await caller.ask()
        caller.caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(4):
            caller.open("/flood")
        await place.until(0)
        assert place.counts == {"slow_reader": 1}
        assert len(place.resets) == 4
    assert "it did not read what was sent to it (server.limits.stall_timeout)" in caplog.text


async def test_a_caller_that_reads_slowly_is_not_dropped() -> None:
    async with port(stall_timeout=0.6) as place:
        caller = await place.call2()
        caller.h2.increment_flow_control_window(LARGEST_WINDOW - 65535)
        caller.h2.update_settings({4: LARGEST_WINDOW})
        await caller.ask()
        for _ in range(4):
            caller.open("/flood")
        loop = asyncio.get_running_loop()
        end, size = loop.time() + 2, 0
        while loop.time() < end:
            size += len(await caller.caller.reader.read(65536))
            await asyncio.sleep(0.05)
        assert size > 100_000
        assert len(place.server) == 1
        assert place.counts == {}


# === ends ===


async def test_stopping_lets_calls_finish_and_takes_no_more() -> None:
    async with port() as place:
        two, idle2, idle1 = await place.call2(), await place.call2(), await place.call(GET)
        number = two.open("/wait")
        await idle2.ask()
        await who1(idle1)
        silent = await place.call()
        await place.until(4)
        stopping = asyncio.get_running_loop().create_task(place.server.stop(5))
        assert await two.goaways(2) == [(0, LARGEST_WINDOW), (0, 1)]
        await idle2.goaways(2)
        assert await idle2.rest() == b""
        assert await idle1.rest() == b""
        assert await silent.rest() in (b"", b"<reset>")
        with pytest.raises(ConnectionRefusedError):
            await place.call()
        assert not stopping.done()
        place.waiting[0].release()
        assert json.loads(await two.ended(number))["version"] == "2"
        assert await two.rest() == b""
        await asyncio.wait_for(stopping, WAIT)
        assert place.counts == {}


async def test_stopping_over_tls(certificates: Certificates) -> None:
    async with port(tls=listener(certificates.issue("localhost", "localhost"))) as place:
        two, idle1 = await place.call2(certificates.caller(alpn=("h2",))), await place.call(GET, certificates.caller())
        number = two.open("/wait")
        await who1(idle1)
        stopping = asyncio.get_running_loop().create_task(place.server.stop(5))
        assert await two.goaways(2) == [(0, LARGEST_WINDOW), (0, 1)]
        assert await idle1.rest() == b""
        place.waiting[0].release()
        assert json.loads(await two.ended(number))["version"] == "2"
        assert await two.rest() == b""
        await asyncio.wait_for(stopping, 2)


async def test_stopping_over_tls_cuts_what_does_not_end(certificates: Certificates) -> None:
    async with port(tls=listener(certificates.issue("localhost", "localhost"))) as place:
        two = await place.call2(certificates.caller(alpn=("h2",)))
        one = await place.call(GET.replace(b"/who", b"/wait"), certificates.caller())
        deaf = await place.call2(certificates.caller(alpn=("h2",)))
        two.open("/wait")
        await asyncio.wait_for(place.begun.wait(), WAIT)
        await asyncio.wait_for(place.handler.begun.wait(), WAIT)
        deaf.caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        deaf.open("/flood")
        await asyncio.wait_for(place.server.stop(0.2), WAIT)
        assert len(place.resets) == 2
        assert isinstance(place.handler.outcome, asyncio.CancelledError)
        assert await two.goaways(2) == [(0, LARGEST_WINDOW), (0, 1)]
        assert await one.rest() in (b"", b"<reset>")


async def test_stopping_cuts_what_does_not_end() -> None:
    async with port() as place:
        two, one = await place.call2(), await place.call(GET.replace(b"/who", b"/wait"))
        two.open("/wait")
        await asyncio.wait_for(place.begun.wait(), WAIT)
        await asyncio.wait_for(place.handler.begun.wait(), WAIT)
        await asyncio.wait_for(place.server.stop(0.2), WAIT)
        assert len(place.resets) == 1
        assert isinstance(place.handler.outcome, asyncio.CancelledError)
        assert await one.rest() in (b"", b"<reset>")
        assert await two.goaways(2) == [(0, LARGEST_WINDOW), (0, 1)]


async def test_a_caller_that_answers_no_ping_is_drained_all_the_same() -> None:
    async with port() as place:
        caller = await place.call2()
        await caller.ask()
        await asyncio.wait_for(place.server.stop(3), 2.5)
        assert b"\7\0\0\0\0\0\0\0\0\1\0\0\0\0" in await caller.rest()


async def test_stopping_cuts_what_answers_http_over_http_2() -> None:
    handler = Handler(answer_http1)
    front = Http2Front(handler, Limits())
    one = server("127.0.0.1:0", front2=front)
    await one.bind()
    await one.start()
    host, _, number = one.address.rpartition(":")
    caller = Http2Caller(Caller(*await asyncio.open_connection(host, int(number))))
    caller.begin()
    assert (await caller.ask())["version"] == "2"
    caller.open("/wait")
    await asyncio.wait_for(handler.begun.wait(), WAIT)
    await asyncio.wait_for(one.stop(0.2), WAIT)
    assert isinstance(handler.outcome, asyncio.CancelledError)
    assert not front.running
    caller.caller.vanish()


@pytest.mark.usefixtures("loud")
async def test_callers_who_leave_at_any_time_leave_nothing_behind(certificates: Certificates) -> None:
    tls = listener(certificates.issue("localhost", "localhost"))
    random = Random(4)
    hello = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        certificates.caller().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost").do_handshake()
    begun = [LINE + hello.read(), LINE + b"\x16\x03\x01", BINARY + GET]
    async with port(tls=tls, proxies=PROXIES, max_connections_per_peer=1000) as place:
        before = _open_sockets()
        for _ in range(100):
            sent = random.choice(begun)
            caller = await place.call(sent[: random.randrange(len(sent) + 1)])
            if random.random() < 0.5:
                await asyncio.sleep(random.random() / 200)
            caller.vanish(reset=random.random() < 0.5)
        await place.until(0)
        async with asyncio.timeout(WAIT):
            while _open_sockets() != before:
                await asyncio.sleep(0.01)


def _open_sockets() -> int:
    found = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
    return found


async def test_stopping_ends_handshakes(certificates: Certificates) -> None:
    tls = listener(certificates.issue("localhost", "localhost"))
    async with port(tls=tls, proxies=PROXIES) as place:
        callers = [await place.call(LINE), await place.call(LINE[:5]), await place.call(LINE + b"\x16\x03\x01")]
        await place.until(3)
        await asyncio.wait_for(place.server.stop(5), 1)
        for caller in callers:
            assert await caller.rest() in (b"", b"<reset>")


# === addresses ===


def server(address: str, *, reuse_port: bool = False, front2: Http2Front | None = None) -> EdgeServer:
    place = PortPlace()
    return EdgeServer(
        ListenerSettings(name="test", address=address),
        Limits(),
        acceptor=front2 or place,
        handler=place.handler,
        front2=front2,
        turn=LoopTurn(asyncio.get_running_loop()),
        protections=Protections(),
        reuse_port=reuse_port,
    )


async def test_a_port_is_ones_own_unless_both_share_it() -> None:
    first = server("127.0.0.1:0", reuse_port=True)
    await first.bind()
    second = server(first.address, reuse_port=True)
    await second.bind()
    assert second.address == first.address
    with pytest.raises(ListenError, match=f"cannot listen on {first.address}: it is in use"):
        await server(first.address).bind()
    await first.stop(0)
    await second.stop(0)


async def test_a_server_can_be_stopped_twice_and_without_being_started() -> None:
    one = server("127.0.0.1:0")
    with pytest.raises(RuntimeError, match="bind comes before start"):
        await one.start()
    await one.stop(0)
    await one.bind()
    await one.start()
    await one.stop(0)
    await one.stop(0)


async def test_a_unix_socket_goes_when_the_server_does(tmp_path: Path) -> None:
    path = tmp_path / "port.sock"
    one = server(f"unix:{path}")
    await one.bind()
    await one.start()
    assert path.exists()
    await one.stop(0)
    assert not path.exists()


async def test_ipv6_and_who_calls_over_it() -> None:
    if not HAS_IPV6:
        pytest.skip("this machine has no IPv6")
    async with port(address="[::1]:0") as place:
        caller = await place.call(GET)
        number = caller.writer.get_extra_info("sockname")[1]
        assert (await who1(caller))["peer"] == f"ipv6:[::1]:{number}"


@pytest.mark.usefixtures("loud")
async def test_without_file_descriptors_it_pauses_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edge.listeners.port.ACCEPT_PAUSE", 0.2)
    async with port() as place:
        accept = socket.socket.accept
        refusals = 0

        def full(self: socket.socket) -> Any:
            nonlocal refusals
            refusals += 1
            if refusals == 1:
                raise OSError(24, "Too many open files")
            return accept(self)

        monkeypatch.setattr(socket.socket, "accept", full)
        assert (await who1(await place.call(GET)))["version"] == "1.1"
        assert place.counts == {"accept": 1}
    assert "no connection is taken for 0.2 s: Too many open files" in caplog.text
