"""The calls of the demo that need no gRPC, against a small server in place of the gateway."""

from __future__ import annotations

import asyncio
import shlex
from base64 import b64encode
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge.demo_processes import DemoError
from edge.demo_web import Conversation, Curl, bookstore_script, gateway_script, until_learnt

FRAMES = b"\0\0\0\0\x02ab" + b"\x80\0\0\0\x10grpc-status: 0\r\n"


async def hello(request: web.Request) -> web.Response:
    """Say what was asked."""
    body = await request.text()
    text = f"{request.method} {request.headers.get('x-a', '')} {request.headers.get('content-type', '')} {body}"
    return web.Response(text=text, headers={"x-served-by": "me"})


async def frames(_: web.Request) -> web.Response:
    return web.Response(body=b64encode(FRAMES), content_type="application/grpc-web-text")


async def talk(request: web.Request) -> web.WebSocketResponse:
    """Repeat each message; refuse one that is `no`."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.data in ("", "no"):
            await socket.close(code=4003 if message.data else 1000, message=b"why not")
        else:
            await socket.send_str(message.data)
    return socket


@pytest.fixture
async def address() -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes([web.route("*", "/hello", hello), web.get("/frames", frames), web.get("/talk", talk)])
    async with TestServer(app) as server:
        yield f"{server.host}:{server.port}"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_what_is_sent_is_what_the_line_says(session: aiohttp.ClientSession, address: str) -> None:
    call = Curl(
        url=f"http://{address}/hello?a=b&c",
        verb="PUT",
        headers={"x-a": "it's", "content-type": "a/b"},
        body='{"a": 1}',
        options=("-i",),
        words="PUT it's a/b",
    )
    words = ["curl", "-i", "-X", "PUT", "-H", "x-a: it's", "-H", "content-type: a/b", "-d", '{"a": 1}', call.url]
    assert shlex.split(call.line) == words
    outcome = await call.make(session)
    assert (outcome.answer, outcome.served_by, outcome.ok) == ('200 text/plain: PUT it\'s a/b {"a": 1}', "me", True)
    assert outcome.call == call.line


@pytest.mark.parametrize(("path", "words"), [("/hello", "POST"), ("/gone", "GET")])
async def test_an_answer_that_is_not_right_is_told(
    session: aiohttp.ClientSession, address: str, path: str, words: str
) -> None:
    assert not (await Curl(url=f"http://{address}{path}", words=words).make(session)).ok


async def test_the_frames_of_grpc_web_are_put_in_words(session: aiohttp.ClientSession, address: str) -> None:
    outcome = await Curl(url=f"http://{address}/frames", words="trailers grpc-status: 0").make(session)
    assert outcome.answer.endswith("a message of 2 bytes, trailers grpc-status: 0")
    assert outcome.ok


@pytest.mark.parametrize(
    ("messages", "ok", "answer"),
    [
        (("one", "two"), True, "2 of 2 answers, closed with 1000: why not; the last was two"),
        (("one", "no", "two"), False, "1 of 3 answers, closed with 4003: why not; the last was one"),
        (("no",), False, "0 of 1 answers, closed with 4003: why not; the last was "),
    ],
)
async def test_a_conversation_and_how_it_ended(
    session: aiohttp.ClientSession, address: str, messages: tuple[str, ...], ok: bool, answer: str
) -> None:
    call = Conversation(command=("python", "client.py"), url=f"ws://{address}/talk", messages=messages, words="two")
    outcome = await call.make(session)
    assert (outcome.ok, outcome.answer) == (ok, answer)
    assert shlex.split(call.line) == ["python", "client.py", call.url, *messages]


async def test_what_is_never_learnt_is_told(session: aiohttp.ClientSession, address: str) -> None:
    with pytest.raises(DemoError, match="has not learnt by reflection"):
        await until_learnt(session, address, 0.05)
    with pytest.raises(DemoError, match="does not answer"):
        await until_learnt(session, "127.0.0.1:1", 5)


async def test_what_is_learnt_later_is_waited_for(session: aiohttp.ClientSession) -> None:
    asked = asyncio.Event()

    async def shelves(_: web.Request) -> web.Response:
        if asked.is_set():
            return web.Response()
        asked.set()
        return web.Response(status=404)

    app = web.Application()
    app.router.add_get("/v1/shelves", shelves)
    async with TestServer(app) as server:
        await until_learnt(session, f"{server.host}:{server.port}", 10)
    assert asked.is_set()


def test_every_protocol_is_in_the_script() -> None:
    script = [*bookstore_script("h:1", ("client",)), *gateway_script("h:2")]
    lines = "\n".join(step if isinstance(step, str) else step.line for step in script)
    for words in ("event-stream", "ws://h:1", "grpc-web-text", "BookstoreService/GetShelf", "PATCH", "openapi.json"):
        assert words in lines
