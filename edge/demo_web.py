"""The calls of the demo that need no gRPC: by curl and by WebSocket. What is printed and what is sent are one thing."""

from __future__ import annotations

import asyncio
import json
import shlex
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol, TypeAlias

import aiohttp

from edge.demo_calls import SERVICE, Outcome
from edge.demo_processes import DemoError

_TIMEOUT = aiohttp.ClientTimeout(total=10)
_JSON = {"content-type": "application/json"}
_GRPC_WEB_TEXT = {"content-type": "application/grpc-web-text"}
_SHELF = "AAAAABEKD3NoZWx2ZXMvZmljdGlvbg=="
"""A gRPC-Web frame with a GetShelfRequest for shelves/fiction, in base64."""

_FRAME_HEAD = 5
_TRAILERS = 0x80
_SAID = "x-served-by"
_POLL = 0.02


class Step(Protocol):
    """One call of the demo."""

    @property
    def line(self) -> str:
        """The line that makes the call from a shell."""
        ...

    async def make(self, session: aiohttp.ClientSession) -> Outcome:
        """Make the call.

        Raises:
            aiohttp.ClientError: nobody answers.
            TimeoutError: the answer takes too long.
        """
        ...


Script: TypeAlias = list[str | Step]
"""Calls, and comments on those that follow, which begin with `#`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curl:
    """A call by curl."""

    url: str
    """Where to."""

    words: str
    """What is in the answer when it is right."""

    status: int = 200
    """The status of the answer when it is right."""

    verb: str = ""
    """The verb, when it is another than curl's own choice."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the request."""

    body: str = ""
    """The body. Empty for none."""

    options: tuple[str, ...] = ()
    """What curl is told besides: `-i` to show the head, `-N` to show a stream as it comes."""

    @property
    def line(self) -> str:
        """The line that makes the call from a shell."""
        verb = ("-X", self.verb) if self.verb else ()
        headers = (word for name, value in self.headers.items() for word in ("-H", f"{name}: {value}"))
        body = ("-d", self.body) if self.body else ()
        return shlex.join(("curl", *self.options, *verb, *headers, *body, self.url))

    async def make(self, session: aiohttp.ClientSession) -> Outcome:
        """Make the call."""
        verb = self.verb or ("POST" if self.body else "GET")
        start = time.perf_counter()
        data = self.body.encode() or None
        async with session.request(verb, self.url, headers=self.headers, data=data, timeout=_TIMEOUT) as response:
            content = await response.read()
        seconds = time.perf_counter() - start
        shown = _summary(response.content_type, content)
        ok = response.status == self.status and (
            self.words in content.decode("utf-8", "replace") or self.words in shown
        )
        answer = f"{response.status} {response.content_type}: {shown}"
        return Outcome(self.line, answer, response.headers.get(_SAID, "the gateway"), seconds, ok)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A call by WebSocket, each question after the answer to the one before."""

    command: tuple[str, ...]
    """The client that does the same from a shell."""

    url: str
    """Where to."""

    messages: tuple[str, ...]
    """The questions, as JSON."""

    words: str
    """What is in the last answer when it is right."""

    @property
    def line(self) -> str:
        """The line that makes the call from a shell."""
        return shlex.join((*self.command, self.url, *self.messages))

    async def make(self, session: aiohttp.ClientSession) -> Outcome:
        """Make the call, end it with an empty frame and wait for the close."""
        start = time.perf_counter()
        answers = []
        async with session.ws_connect(self.url, timeout=aiohttp.ClientWSTimeout(ws_close=_TIMEOUT.total)) as socket:
            for message in (*self.messages, ""):
                await socket.send_str(message)
                frame = await socket.receive(timeout=_TIMEOUT.total)
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    break
                answers.append(frame.data)
        seconds = time.perf_counter() - start
        last = answers[-1] if answers else ""
        ok = (len(answers), socket.close_code) == (len(self.messages), aiohttp.WSCloseCode.OK) and self.words in last
        end = f"{socket.close_code}: {frame.extra}" if frame.extra else socket.close_code
        answer = f"{len(answers)} of {len(self.messages)} answers, closed with {end}; the last was {last}"
        return Outcome(self.line, answer, "a bookstore", seconds, ok)


async def until_learnt(session: aiohttp.ClientSession, http: str, seconds: float) -> None:
    """Wait until the gateway has learnt by reflection what the bookstores offer, which is soon after its start.

    Args:
        session: What to ask with.
        http: The address of the gateway for HTTP callers.
        seconds: How long that may take.

    Raises:
        DemoError: it did not, or nobody answers.
    """
    url = f"http://{http}/v1/shelves"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            async with session.get(url, timeout=_TIMEOUT) as response:
                if response.status != HTTPStatus.NOT_FOUND:
                    return
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DemoError(f"the gateway said that it is ready, but {url} does not answer: {error}") from None
        await asyncio.sleep(_POLL)
    raise DemoError("the gateway has not learnt by reflection what the bookstores offer")


def bookstore_script(http: str, websocket_client: tuple[str, ...]) -> Script:
    """Return calls to the bookstores.

    Args:
        http: The address of the gateway for HTTP callers.
        websocket_client: How the example's WebSocket client is started.
    """
    base = f"http://{http}"
    book = json.dumps([{"parent": "shelves/travel", "book": {"title": "Emma", "author": "Jane Austen"}}])
    return [
        "# REST by the service's google.api.http rules: get, list by query, change; what is wrong is told by field",
        Curl(url=f"{base}/v1/shelves/fiction", words='"theme":"Fiction"'),
        Curl(url=f"{base}/v1/books?subjects=sea&page_size=1", words="Moby-Dick"),
        Curl(
            url=f"{base}/v1/shelves/travel",
            verb="PATCH",
            headers=_JSON,
            body='{"theme": "Travel and adventure"}',
            words="Travel and adventure",
        ),
        Curl(
            url=f"{base}/v1/shelves/fiction/books",
            headers=_JSON,
            body='{"titel": "Emma"}',
            options=("-i",),
            status=400,
            words="book.titel: unknown field of `bookstore.v1.Book`; did you mean `title`?",
        ),
        "# streams: NDJSON, server-sent events for who accepts them, a stream of requests as an array; a file",
        Curl(url=f"{base}/v1/shelves/science/books:stream", options=("-N",), words="3 lines"),
        Curl(
            url=f"{base}/v1/shelves/science:watch?max_events=3",
            headers={"accept": "text/event-stream"},
            options=("-N",),
            words="event: end",
        ),
        Curl(url=f"{base}/v1/books:import", headers=_JSON, body=book, words="Count"),
        Curl(url=f"{base}/v1/shelves/fiction/books/moby-dick/cover", options=("-i",), words="Herman Melville</text>"),
        "# both ways by WebSocket",
        Conversation(
            command=websocket_client,
            url=f"ws://{http}/v1/books:recommend",
            messages=('{"subject": "sea"}', '{"subject": "future"}'),
            words='"subject":"future"',
        ),
        "# Connect, with an error as Connect has it, and gRPC-Web, which is base64 here",
        Curl(
            url=f"{base}/{SERVICE}/GetShelf",
            headers=_JSON,
            body='{"name": "shelves/fiction"}',
            words='"theme":"Fiction"',
        ),
        Curl(
            url=f"{base}/{SERVICE}/OrderBook",
            headers=_JSON,
            body='{"name": "shelves/fiction/books/first-folio"}',
            options=("-i",),
            status=400,
            words='"code":"failed_precondition"',
        ),
        Curl(url=f"{base}/{SERVICE}/GetShelf", headers=_GRPC_WEB_TEXT, body=_SHELF, words="trailers grpc-status: 0"),
    ]


def gateway_script(admin_http: str) -> Script:
    """Return calls to the gateway API as REST, which is at `admin_http`."""
    base = f"http://{admin_http}"
    return [
        "# the gateway API as REST: its routes, why a call goes where it goes, and its description",
        Curl(url=f"{base}/v1/routes", words='"name":"routes/bookstore"'),
        Curl(
            url=f"{base}/v1/server:explainCall",
            headers=_JSON,
            body='{"verb": "GET", "path": "/v1/shelves/fiction"}',
            words='"rule":"GET /v1/{name=shelves/*}"',
        ),
        Curl(url=f"{base}/openapi.json", words='"openapi":"3.1'),
    ]


def _summary(kind: str, content: bytes) -> str:
    """Return what a body says, for people, as one line."""
    if kind == "application/grpc-web-text":
        return ", ".join(_frames(b64decode(content)))
    text = content.decode("utf-8", "replace")
    if kind == "application/x-ndjson":
        return f"{len(text.splitlines())} lines: {text.partition(chr(10))[0]}"
    if kind == "text/event-stream":
        return f"{text.count('data: ')} events: {' · '.join(text.split(chr(10)))}"
    return text


def _frames(content: bytes) -> Iterator[str]:
    """Yield what the frames of a gRPC-Web body are (gRPC doc/PROTOCOL-WEB.md)."""
    while len(content) >= _FRAME_HEAD:
        end = _FRAME_HEAD + int.from_bytes(content[1:_FRAME_HEAD], "big")
        payload = content[_FRAME_HEAD:end]
        if content[0] & _TRAILERS:
            yield f"trailers {' '.join(payload.decode('latin-1').split())}"
        else:
            yield f"a message of {len(payload)} bytes"
        content = content[end:]
