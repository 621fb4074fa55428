"""Requests to plain HTTP backends behind a running gateway, and their answers, on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.engine import AIO
from tests.support.http_backend import WAIT, Request
from tests.support.plain_http import Place, keep, plain_http, says
from tests.support.raw_peer import RawClient

MB = 1024 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(folder: Path) -> AsyncIterator[Place]:
    async with plain_http(folder / "plain") as found:
        yield found


@pytest.fixture
def place(running: Place) -> Place:
    running.backend.lost.clear()
    return running


@pytest.mark.parametrize(
    "target", ["/b/a%2Fb/%7ec//d?q=%7e&q=a+b&=&%zz", "/b/?", "/b/%E4%BD%A0?x=/../y", "/b/a;v=1/b.c..d/..e"]
)
async def test_the_target_arrives_as_it_was_sent(place: Place, target: str) -> None:
    seen: list[Request] = []
    place.backend.answer = keep(seen)
    async with place.caller() as caller:
        assert (await caller.ask("GET", target)).status == 200
    assert seen[0].line == f"GET {target} HTTP/1.1".encode()


@pytest.mark.parametrize(
    "path",
    [
        "/b/../c",
        "/b/./c",
        "/b/%2e%2e/c",
        "/b/%2E./c",
        "/b/..%2fc",
        "/b/..%5Cc",
        "/b/..;x/c",
        "/b/%00",
        "/b/a%0a",
        "/b/x#y",
    ],
)
async def test_a_path_that_the_backend_may_read_otherwise_is_refused(place: Place, path: str) -> None:
    seen: list[Request] = []
    place.backend.answer = keep(seen)
    async with place.caller() as caller:
        answer = await caller.ask("GET", path)
        assert answer.status == 400
        assert "violation" in (await answer.body()).decode().lower() or not seen
    assert not seen


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("//guarded/x", 400),
        ("/guarded%2Fx", 400),
        ("/guarded%5cx", 400),
        ("/\\guarded\\x", 400),
        ("/guarded;a=1/x", 400),
        ("/guarded;a=%2fb/x", 400),
        ("/;a/guarded/x", 400),
        ("/guarded//x%2fy;z", 200),
        ("/other//guarded%2fx;z", 200),
        ("/proxy/http://x/y", 200),
    ],
)
async def test_a_path_that_is_another_routes_as_backends_read_it_is_refused(
    place: Place, path: str, status: int
) -> None:
    seen: list[Request] = []
    place.backend.answer = keep(seen)
    async with place.caller() as caller:
        answer = await caller.ask("GET", path, host="all.example")
        assert answer.status == status
        assert [request.target for request in seen] == ([path.encode()] if status == 200 else [])
        assert status == 200 or b"another route" in await answer.body()


async def test_headers_pass_in_order_but_for_those_of_the_connection(place: Place) -> None:
    seen: list[Request] = []
    place.backend.answer = keep(seen)
    async with place.caller() as caller:
        answer = await caller.ask(
            "GET",
            "/b/x",
            "x-two: 2",
            "x-one: 1",
            "connection: keep-alive, x-hop",
            "x-hop: mine",
            "keep-alive: timeout=5",
            "te: trailers",
            "proxy-authorization: secret",
            "x-one: again",
            "x-latin: caf\xe9",
            "cookie: a=b; c=d",
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "via: 1.0 cdn",
            "x-request-id: mine",
            "x-forwarded-for: 6.6.6.6",
            "x-forwarded-proto: https",
            "forwarded: for=6.6.6.6",
            host="shop.example.com:8080",
        )
        assert answer.status == 200
    assert seen[0].headers == [
        (b"host", b"shop.example.com:8080"),
        (b"x-two", b"2"),
        (b"x-one", b"1"),
        (b"x-one", b"again"),
        (b"x-latin", b"caf\xe9"),
        (b"cookie", b"a=b; c=d"),
        (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        (b"x-forwarded-for", b"127.0.0.1"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", b"shop.example.com:8080"),
        (b"via", b"1.0 cdn, 1.1 edge"),
        (b"x-request-id", b"mine"),
    ]


async def test_the_answers_headers_pass_but_for_those_of_the_connection(place: Place) -> None:
    place.backend.answer = says(
        b"\x1f\x8bnot really",
        b"Server: tomcat",
        b"Date: Mon, 01 Jan 2024 00:00:00 GMT",
        b"Content-Encoding: gzip",
        b"Set-Cookie: a=1",
        b"Set-Cookie: b=2",
        b"Connection: x-hop",
        b"X-Hop: mine",
        b"Keep-Alive: timeout=5",
        b"X-Latin: caf\xe9",
    )
    async with place.caller() as caller:
        answer = await caller.ask("GET", "/b/x", "accept-encoding: gzip")
        assert (answer.one("server"), answer.one("content-encoding")) == (b"tomcat", b"gzip")
        assert answer.all("set-cookie") == [b"a=1", b"b=2"]
        assert answer.one("date") == b"Mon, 01 Jan 2024 00:00:00 GMT"
        assert answer.one("x-latin") == b"caf\xe9"
        assert answer.all("x-hop") + answer.all("keep-alive") == []
        assert await answer.body() == b"\x1f\x8bnot really"


async def test_policies_change_the_headers_and_a_caller_cannot_have_theirs_dropped(place: Place) -> None:
    seen: list[Request] = []

    async def answer(request: Request) -> None:
        seen.append(request)
        await request.reply(b"", 200, b"x-internal: 1", b"x-frame-options: ALLOW")

    place.backend.answer = answer
    async with place.caller() as caller:
        got = await caller.ask("GET", "/changed/x", "x-secret: s", "x-user: mallory", "connection: x-user, keep-alive")
        assert (got.all("x-internal"), got.all("x-frame-options")) == ([], [b"DENY"])
    assert (seen[0].all("x-secret"), seen[0].all("x-user")) == ([], [b"alice"])


async def test_the_authority_of_the_upstream_replaces_the_callers_host(place: Place) -> None:
    seen: list[Request] = []
    place.backend.answer = keep(seen)
    async with place.caller() as caller:
        await caller.ask("GET", "/named/x", host="shop.example.com")
    assert (seen[0].one("host"), seen[0].one("x-forwarded-host")) == (b"backend.internal", b"shop.example.com")


@pytest.mark.parametrize(
    ("verb", "status", "headers", "length"),
    [
        ("HEAD", 200, [b"content-length: 1234"], [b"1234"]),
        ("HEAD", 200, [b"transfer-encoding: chunked"], []),
        ("GET", 204, [], []),
        ("GET", 304, [b"content-length: 1234", b'etag: "x"'], [b"1234"]),
        ("GET", 302, [b"content-length: 0", b"location: http://elsewhere.example/"], [b"0"]),
    ],
)
async def test_answers_without_a_body(
    place: Place, verb: str, status: int, headers: list[bytes], length: list[bytes]
) -> None:
    async def answer(request: Request) -> None:
        await request.send(b"HTTP/1.1 %d X\r\n%b\r\n" % (status, b"".join(b"%b\r\n" % line for line in headers)))

    place.backend.answer = answer
    async with place.caller() as caller:
        for _ in range(2):  # the connection stays usable, on both sides
            got = await caller.ask(verb, "/b/x")
            assert (got.status, got.all("content-length")) == (status, length)


async def test_any_verb_and_any_status_pass(place: Place) -> None:
    seen: list[Request] = []

    async def answer(request: Request) -> None:
        seen.append(request)
        await request.send(b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 418 Teapot\r\ncontent-length: 3\r\n\r\ntea")

    place.backend.answer = answer
    async with place.caller() as caller:
        for verb in ("PATCH", "DELETE", "OPTIONS", "PROPFIND"):
            got = await caller.ask(verb, "/b/x")
            assert (got.status, await got.body()) == (418, b"tea")
    assert [request.line.split(b" ")[0] for request in seen] == [b"PATCH", b"DELETE", b"OPTIONS", b"PROPFIND"]


async def test_both_bodies_stream_while_the_other_is_under_way(place: Place) -> None:
    async def answer(request: Request) -> None:
        assert request.all("transfer-encoding") == [b"chunked"]
        await request.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while piece := await request.chunk():
            await request.send(b"%x\r\n%b\r\n" % (len(piece), piece.upper()))
        await request.send(b"0\r\nx-trailer: 1\r\n\r\n")

    place.backend.answer = answer
    async with place.caller() as caller:
        await caller.send(b"POST /b/x HTTP/1.1\r\nhost: gw\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        async with asyncio.timeout(WAIT):
            got = await caller.answer()
            assert await got.chunk() == b"ONE"
            for word in (b"two", b"three"):
                await caller.send(b"%x\r\n%b\r\n" % (len(word), word))
                assert await got.chunk() == word.upper()
            await caller.send(b"0\r\n\r\n")
            assert await got.chunk() == b""
    place.backend.answer = says(b"next")
    connections = place.backend.connections
    async with place.caller() as caller:
        assert await (await caller.ask("GET", "/b/x")).body() == b"next"
    assert place.backend.connections == connections


async def send_lots(request: Request, size: int, sent: list[int]) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
    piece = b"x" * 65536
    while sent[0] < size:
        await request.send(piece)
        sent[0] += len(piece)


def peak(place: Place) -> int:
    """Return the most memory the gateway ever had, in bytes."""
    status = Path(f"/proc/{place.gateway.ready['pid']}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


async def test_a_download_of_100_mb_that_is_read_late_needs_little_memory(place: Place) -> None:
    sent = [0]
    place.backend.answer = lambda request: send_lots(request, 100 * MB, sent)
    before = peak(place)
    async with place.caller() as caller:
        got = await caller.ask("GET", "/b/x")
        stalled = -1
        async with asyncio.timeout(WAIT):
            while stalled != sent[0]:
                stalled = sent[0]
                await asyncio.sleep(0.3)
        assert stalled < 40 * MB, "what nobody reads has to stay with the backend"
        left = int(got.one("content-length"))
        async with asyncio.timeout(60):
            while left:
                left -= len(await caller.reader.read(MB))
    assert sent[0] == 100 * MB
    assert peak(place) - before < 30 * MB


async def test_an_upload_of_100_mb_that_is_taken_late_needs_little_memory(place: Place) -> None:
    go = asyncio.Event()

    async def answer(request: Request) -> None:
        await go.wait()
        digest, left = hashlib.sha256(), int(request.one("content-length"))
        while left:
            piece = await request.reader.read(MB)
            left -= len(piece)
            digest.update(piece)
        await request.reply(digest.hexdigest().encode())

    place.backend.answer = answer
    before = peak(place)
    sent = 0
    piece = os.urandom(65536)
    digest = hashlib.sha256()
    async with place.caller() as caller:
        await caller.send(b"PUT /b/x HTTP/1.1\r\nhost: gw\r\ncontent-length: %d\r\n\r\n" % (100 * MB))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while sent < 100 * MB:
                    digest.update(piece)
                    sent += len(piece)
                    await caller.send(piece)
        assert sent < 40 * MB, "what the backend does not take has to stay with the caller"
        go.set()
        while sent < 100 * MB:
            digest.update(piece)
            sent += len(piece)
            await caller.send(piece)
        got = await caller.answer()
        assert await got.body() == digest.hexdigest().encode()
    assert peak(place) - before < 30 * MB


async def test_an_answer_before_the_end_of_the_body_reaches_the_caller(place: Place) -> None:
    async def answer(request: Request) -> None:
        await request.reader.readexactly(10)
        await request.reply(b"too much", 413, b"connection: close")

    place.backend.answer = answer
    async with place.caller() as caller:
        await caller.send(b"POST /b/x HTTP/1.1\r\nhost: gw\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 10)
        got = await caller.answer()
        assert (got.status, await got.body()) == (413, b"too much")


@pytest.mark.parametrize("asked", [True, False])
async def test_expect_100_continue(place: Place, asked: bool) -> None:
    """With a backend that sends 100, and with one that does not know the header."""

    async def answer(request: Request) -> None:
        assert request.one("expect") == b"100-continue"
        if asked:
            await request.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await request.reply(await request.body())

    place.backend.answer = answer
    async with place.caller() as caller:
        interim = await caller.ask("POST", "/b/x", "expect: 100-continue", "content-length: 4")
        assert interim.status == 100
        await caller.send(b"body")
        got = await caller.answer()
        assert (got.status, await got.body()) == (200, b"body")


async def test_a_refusal_in_place_of_100_spares_the_body(place: Place) -> None:
    place.backend.answer = lambda request: request.reply(b"no", 403)
    async with place.caller() as caller:
        got = await caller.ask("POST", "/b/x", "expect: 100-continue", "content-length: 4")
        assert (got.status, await got.body()) == (403, b"no")


@pytest.mark.skipif(AIO, reason="the engine grpc.aio has no HTTP/2 for HTTP callers")
async def test_a_request_over_http2_without_a_body_has_none_at_the_endpoint(place: Place) -> None:
    seen: list[Request] = []
    place.backend.answer = keep(seen)
    headers = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/b/x")]
    async with RawClient(place.gateway.http) as client:
        stream = await (await client.open("", headers=headers, end=True)).finished()
    assert stream.header(":status") == "200"
    names = {name for name, _ in seen[0].headers}
    assert not names & {b"transfer-encoding", b"content-length"}
    assert (b"via", b"2 edge") in seen[0].headers
