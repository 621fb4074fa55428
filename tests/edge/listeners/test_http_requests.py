from __future__ import annotations

import asyncio
import json
import random

import pytest

from edge.listeners import http_connection
from edge.model.http import HttpExchange
from tests.edge.listeners.http_place import Serve

HOST = b"Host: here\r\n"


async def describe(exchange: HttpExchange) -> None:
    request = exchange.request
    facts = [request.verb, request.target, request.path, request.query, request.host, request.version, request.scheme]
    body = json.dumps([*facts, request.peer, [list(pair) for pair in request.headers]]).encode()
    await exchange.respond(200, [("content-type", "application/json")], body)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "//a",
        "///a//b/",
        "/a/../b/./c",
        "/a%2Fb%2f",
        "/%zz%",
        "/a?b=%zz&c=a%2Bb+c",
        "/a?b?c",
        "/a#b",
        "/a?b#c?d",
        '/[x]{y}|"<>^`\\',
        "/v1/books:archive",
        "/a;b=1,2@:!$&'()*~",
    ],
)
async def test_a_target_arrives_as_it_was_sent(serve: Serve, target: str) -> None:
    caller = await (await serve(describe)).call(f"GET {target} HTTP/1.1\r\nHost: a:1\r\n\r\n".encode())
    status, _, body = await caller.answer()
    path, _, query = target.partition("?")
    assert (status, json.loads(body)[1:5]) == (200, [target, path, query, "a:1"])


@pytest.mark.parametrize(
    ("sent", "target", "host"),
    [
        ("http://other:8/a%2F?q", "/a%2F?q", "other:8"),
        ("http://other", "/", "other"),
        ("http://other?q", "/?q", "other"),
        ("http://me:secret@other/x", "/x", "other"),
        ("/a?u=http://elsewhere/", "/a?u=http://elsewhere/", "here"),
    ],
)
async def test_the_host_of_an_absolute_target_wins(serve: Serve, sent: str, target: str, host: str) -> None:
    caller = await (await serve(describe)).call(f"GET {sent} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
    facts = json.loads((await caller.answer())[2])
    assert (facts[1], facts[4]) == (target, host)


async def test_options_of_the_server_itself(serve: Serve) -> None:
    caller = await (await serve(describe)).call(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n")
    assert json.loads((await caller.answer())[2])[:2] == ["OPTIONS", "*"]


async def test_headers_keep_order_duplicates_and_bytes(serve: Serve) -> None:
    lines = b"X-One: \xe9 \xc3\xa9\r\nAccept: a\r\nx-one:  two\t \r\nACCEPT: b\r\nEmpty:\r\n"
    caller = await (await serve(describe)).call(b"GET / HTTP/1.1\r\n" + HOST + lines + b"\r\n")
    facts = json.loads((await caller.answer())[2])
    assert facts[8] == [
        ["host", "here"],
        ["x-one", "é \xc3\xa9"],
        ["accept", "a"],
        ["x-one", "two"],
        ["accept", "b"],
        ["empty", ""],
    ]


async def test_the_peer_is_told_as_grpc_tells_it(serve: Serve) -> None:
    caller = await (await serve(describe)).call(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    host, port = caller.writer.get_extra_info("sockname")
    assert json.loads((await caller.answer())[2])[7] == f"ipv4:{host}:{port}"


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Missing 'Host' header"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "Duplicate 'Host' header"),
        (b"GET / HTTP/1.1\r\nHost: a b/../c\r\n\r\n", 400, "the host is not a name or an address"),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "the host is not a name or an address"),
        (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400, "the host is not a name or an address"),
        (b"GET / HTTP/1.1\r\nHost: caf\xe9\r\n\r\n", 400, "the host is not a name or an address"),
        (b"GET http://[a]x/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "neither a path nor an http URL"),
        (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505, "only HTTP/1.1 and HTTP/1.0 are spoken here"),
        (b"GET /\r\n\r\n", 505, "only HTTP/1.1 and HTTP/1.0 are spoken here"),
        (b"garbage\r\n\r\n", 400, "does not begin with a method that HTTP/1.1 knows"),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, "TLS and HTTP/2 are not spoken here"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "TLS and HTTP/2 are not spoken here"),
        (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", 400, "not HTTP/1.1"),
        (b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400, "Bad status line"),
        (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400, "is percent-encoded"),
        (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400, "neither a path nor an http URL"),
        (b"GET ftp://a/b HTTP/1.1\r\n" + HOST + b"\r\n", 400, "neither a path nor an http URL"),
        (b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400, "not part of HTTP/1.0"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "`chunked`"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"bad header: 1\r\n\r\n", 400, "not HTTP/1.1"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"a: \x00\r\n\r\n", 400, "not HTTP/1.1"),
        (b"GET / HTTP/1.1\r\n" + HOST + b" folded: 1\r\n\r\n", 400, "not HTTP/1.1"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab", 400, "not HTTP/1.1"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: -1\r\n\r\n", 400, "not HTTP/1.1"),
        (
            b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "Content-Length",
        ),
        (b"CONNECT other:1 HTTP/1.1\r\n" + HOST + b"\r\n", 501, "CONNECT is not available"),
        (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431, "server.limits.max_metadata_bytes"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"a: " + b"a" * 20000 + b"\r\n\r\n", 431, "server.limits.max_metadata_bytes"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"a: b\r\n" * 200 + b"\r\n", 431, "allows 128"),
        (b"GET / HTTP/1.1\r\n" + HOST + (b"a: " + b"b" * 1000 + b"\r\n") * 20 + b"\r\n", 431, "allows 16384"),
    ],
)
async def test_what_is_not_http_is_refused_in_json(serve: Serve, sent: bytes, status: int, words: str) -> None:
    place = await serve(describe)
    caller = await place.call(sent)
    got, headers, body = await caller.answer()
    error = json.loads(body)
    assert (got, error["details"]) == (status, [])
    assert error["code"] == {400: 3, 431: 8, 501: 12, 505: 12}[status]
    assert words in error["message"]
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert "server" not in headers
    assert await caller.rest() == b""
    assert place.handler.count == 0


async def test_a_head_that_comes_in_drops_is_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT", 0.3)
    place = await serve(describe)
    caller = await place.call(b"GET / HTTP/1.1\r\nHost: h")
    for _ in range(4):
        await asyncio.sleep(0.05)
        caller.send(b"e")
    status, _, body = await caller.answer()
    assert (status, json.loads(body)["code"]) == (408, 4)
    assert await caller.rest() == b""


async def test_a_head_in_time_is_not_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT", 0.2)

    async def slow(exchange: HttpExchange) -> None:
        await asyncio.sleep(0.4)
        await exchange.respond(200, [], b"ok")

    caller = await (await serve(slow)).call(b"GET / HTT")
    await asyncio.sleep(0.05)
    caller.send(b"P/1.1\r\nHost: a\r\n\r\n")
    assert (await caller.answer())[2] == b"ok"


async def test_many_lines_without_an_end_are_refused(serve: Serve) -> None:
    caller = await (await serve(describe)).call(b"GET / HTTP/1.1\r\n" + HOST)
    line = b"a: " + b"b" * 4000 + b"\r\n"
    for _ in range(20):
        caller.send(line)
        await asyncio.sleep(0.01)
    assert (await caller.answer())[0] == 431


async def test_a_caller_that_is_still_sending_sees_why_it_is_refused(serve: Serve) -> None:
    """Closing with bytes unread would reset the connection and take the answer with it."""
    caller = await (await serve(describe)).call(b"GET / HTTP/1.1\r\n" + HOST + b"a: " + b"b" * 3_000_000)
    await asyncio.sleep(0.1)
    assert (await caller.answer())[0] == 431
    assert await caller.rest() == b""


async def test_a_connection_without_a_request_is_closed(serve: Serve) -> None:
    place = await serve(describe, max_connection_idle=0.2)
    silent = await place.call()
    assert await silent.rest() == b""
    used = await place.call(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (await used.answer())[0] == 200
    assert await used.rest() == b""


async def test_an_old_connection_is_asked_to_end(serve: Serve) -> None:
    place = await serve(describe, max_connection_age=0.1)
    caller = await place.call(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert "connection" not in (await caller.answer())[1]
    await asyncio.sleep(0.15)
    caller.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (await caller.answer())[1]["connection"] == "close"
    assert await caller.rest() == b""


PIECES = [
    b"GET / HTTP/1.1\r\n",
    b"POST /a%zz HTTP/1.1\r\n",
    b"HTTP/1.0",
    HOST,
    b"content-length: 5\r\n",
    b"transfer-encoding: chunked\r\n",
    b"expect: 100-continue\r\n",
    b"upgrade: websocket\r\nconnection: upgrade\r\n",
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"\x81\x85\x00\x00\x00\x00hello",
    b"\x88\x80\x00\x00\x00\x00",
    b"\xff\x00\x80",
    b"fffffffffffffffffff\r\n",
]


async def converse(exchange: HttpExchange) -> None:
    if exchange.request.upgrades:
        socket = await exchange.accept(max_message_bytes=1000)
        while (message := await socket.receive()) is not None:
            await socket.send(message)
    else:
        body = await exchange.read_all(1000)
        await exchange.respond(200, [], body)


async def test_no_bytes_bring_a_hang_or_a_traceback(serve: Serve) -> None:
    """The fixture `quiet_log` sees to it that nothing is logged."""
    place = await serve(converse)
    for seed in range(150):
        luck = random.Random(seed)
        parts = [
            luck.choice(PIECES) if luck.random() < 0.8 else luck.randbytes(luck.randrange(40))
            for _ in range(luck.randrange(1, 12))
        ]
        caller = await place.call()
        for part in parts:
            caller.send(part)
            if luck.random() < 0.3:
                await asyncio.sleep(0)
        caller.writer.write_eof()
        assert b" 500 " not in await caller.rest(), parts
    caller = await place.call(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (await caller.answer())[0] == 200
