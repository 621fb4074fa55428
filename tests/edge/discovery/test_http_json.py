"""Asking a server that answers in JSON, and one that does not."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import trustme
from aiohttp import web

from edge.discovery import http_json
from edge.discovery.http_json import HttpJson, UnreachableError

LINES = b'{"a":1}\n\n  \n{"b":2}\r\n{"c"'


class Server:
    """A server with one path for each way to answer."""

    def __init__(self) -> None:
        self.seen: list[web.Request] = []
        self.sent: list[bytes] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_route("*", "/{what:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "localhost", 0, ssl_context=context).start()
        self.url = f"http{'s' if context else ''}://localhost:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        self.sent.append(await request.read())
        match request.match_info["what"]:
            case "ok":
                return web.json_response({"query": dict(request.query)}, headers={"X-Index": "7"})
            case "empty":
                return web.Response()
            case "refused":
                return web.json_response({"message": "no"}, status=403)
            case "words":
                return web.Response(text="404 page not found", status=404)
            case "html":
                return web.Response(text="<html>", content_type="text/html")
            case "moved":
                return web.Response(status=307, headers={"location": "/ok", "set-cookie": "a=b"})
            case "never":
                await asyncio.Event().wait()
        response = web.StreamResponse()
        await response.prepare(request)
        for at in range(0, len(LINES), 3):
            await response.write(LINES[at : at + 3])
        if request.match_info["what"] == "cut":
            assert isinstance(request.transport, asyncio.Transport)
            request.transport.abort()
        elif request.match_info["what"] == "open":
            await asyncio.Event().wait()
        return response


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def client(server: Server) -> AsyncIterator[HttpJson]:
    client = HttpJson(server.url + "/")
    yield client
    await client.close()


async def test_a_question_and_its_answer(client: HttpJson, server: Server) -> None:
    answer = await client.request("/ok", {"a": "b c/=&"}, headers={"authorization": "Bearer t"})
    assert (answer.status, answer.body, answer.headers["x-index"]) == (200, {"query": {"a": "b c/=&"}}, "7")
    (request,) = server.seen
    assert request.method == "GET"
    assert request.headers["authorization"] == "Bearer t"


async def test_a_body_is_sent_as_json(client: HttpJson, server: Server) -> None:
    await client.request("/ok", method="PUT", body={"name": "ü"})
    assert server.seen[0].method == "PUT"
    assert server.seen[0].content_type == "application/json"
    assert json.loads(server.sent[0]) == {"name": "ü"}


async def test_answers_without_json(client: HttpJson) -> None:
    assert (await client.request("/empty")).body is None
    refused = await client.request("/refused")
    assert (refused.status, refused.body) == (403, {"message": "no"})
    words = await client.request("/words")
    assert (words.status, words.body) == (404, None)
    with pytest.raises(UnreachableError, match=r"localhost:\d+ answered with something else than JSON \(text/html"):
        await client.request("/html")


async def test_no_redirect_is_followed_and_no_cookie_kept(client: HttpJson, server: Server) -> None:
    assert (await client.request("/moved", headers={"authorization": "Bearer t"})).status == 307
    await client.request("/ok")
    assert len(server.seen) == 2
    assert "cookie" not in server.seen[1].headers


async def test_a_body_that_is_too_long(client: HttpJson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_json, "MAX_BODY", 5)
    with pytest.raises(UnreachableError, match="answered with more than 5 bytes"):
        await client.request("/ok")


@pytest.mark.parametrize("path", ["/whole", "/cut", "/open"])
async def test_lines_come_whole_and_the_last_that_is_not_is_left_out(client: HttpJson, path: str) -> None:
    lines: list[bytes] = []
    words = ""
    try:
        async with client.stream(path, deadline=0.5 if path == "/open" else 20.0) as answer:
            async for line in answer.lines():
                lines += [line]
    except UnreachableError as error:
        words = str(error)
    expected = {"/whole": "", "/cut": "in the middle of an answer", "/open": "did not answer within 0.5 s"}
    assert words.endswith(expected[path])
    assert bool(words) is (path != "/whole")
    if path == "/whole":  # a reset may overtake what was sent, and so may the end of the time
        assert lines == [b'{"a":1}', b'{"b":2}']


async def test_a_line_that_is_too_long(client: HttpJson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_json, "MAX_LINE", 6)
    async with client.stream("/whole", deadline=20) as answer:
        with pytest.raises(UnreachableError, match="sent a line of more than 6 bytes"):
            _ = [line async for line in answer.lines()]


async def test_what_the_caller_raises_is_his(client: HttpJson) -> None:
    for error in (ValueError("mine"), OSError("mine"), TimeoutError("mine")):
        with pytest.raises(type(error), match="mine"):
            async with client.stream("/whole", deadline=20):
                raise error


async def test_a_server_that_does_not_answer(client: HttpJson) -> None:
    with pytest.raises(UnreachableError, match=r"localhost:\d+ did not answer within 0.05 s"):
        await client.request("/never", deadline=0.05)


async def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = HttpJson(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(UnreachableError, match=r"^127.0.0.1:\d+ cannot be reached: "):
            await client.request("/")
        await client.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://user:secret@nowhere.invalid", "the name of nowhere.invalid cannot be resolved"),
        ("nonsense", "`nonsense` is no address of a server"),
        ("http://:70000", "is no address of a server"),
    ],
)
async def test_urls_that_lead_nowhere(url: str, words: str) -> None:
    client = HttpJson(url)
    with pytest.raises(UnreachableError, match=words) as caught:
        await client.request("/")
    assert "secret" not in str(caught.value)
    await client.close()


async def test_what_is_no_http() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"+PONG\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    async with listening:
        client = HttpJson(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        with pytest.raises(UnreachableError, match="does not speak HTTP as it should"):
            await client.request("/")
        await client.close()


async def test_tls() -> None:
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    server = Server()
    await server.start(context)

    def client(ca: trustme.CA, name: str = "") -> HttpJson:
        trusting = ssl.create_default_context()
        ca.configure_trust(trusting)
        return HttpJson(server.url, tls=trusting, server_name=name)

    right, wrong, misnamed = client(authority), client(other), client(authority, "api.internal")
    assert (await right.request("/ok")).status == 200
    with pytest.raises(
        UnreachableError, match=r"the certificate of localhost:\d+ cannot be trusted: unable to get local"
    ):
        await wrong.request("/ok")
    with pytest.raises(UnreachableError, match=r"cannot be trusted: .*'api.internal'"):
        await misnamed.request("/ok")
    clear = HttpJson(server.url.replace("https", "http"))
    with pytest.raises(UnreachableError, match="localhost"):
        await clear.request("/ok")
    for each in (right, wrong, misnamed, clear):
        await each.close()
    await server.stop()
