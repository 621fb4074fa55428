"""A server of HTTP/2 with the answers a test gives it, and a caller that gives credit only when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import hpack
import hyperframe.frame as frames

from edge.listeners.h2_front import Http2Front
from edge.listeners.http_head import peer_words
from edge.model.counters import Protections
from edge.model.settings import Limits
from edge.wire.frames import PREFACE
from edge.wire.sending import Rules
from edge.wire.server import ServerConnection
from edge.wire.transport import LoopTurn, WireProtocol
from tests.edge.listeners.http_place import WAIT, Answer, Handler
from tests.support.raw_peer import Pairs, RawClient, RawStream

SMALL = 65_535
"""The window of a caller that says nothing else."""


class _Protocol(WireProtocol):
    """The listener's part: who calls."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(ServerConnection, self.connection).peer = peer_words(transport.get_extra_info("peername"))
        super().connection_made(transport)


class H2Place:
    """A running server and who calls it."""

    def __init__(self, answer: Answer, **limits: Any) -> None:
        self.handler = Handler(answer)
        self.limits = Limits(**limits)
        self.front = Http2Front(self.handler, self.limits)
        self.protections = Protections()
        self.connections: list[ServerConnection] = []
        self.address = ""
        self._turn = LoopTurn(asyncio.get_running_loop())
        self._links = contextlib.AsyncExitStack()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[H2Place]:
        server = await asyncio.get_running_loop().create_server(self._accepted, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            async with self._links:
                yield self
        finally:
            server.close()
            self.front.drain()
            self.front.cut()
            async with asyncio.timeout(WAIT):
                await self.front.wait_still()

    async def call(self, settings: dict[int, int] | None = None) -> H2Caller:
        return H2Caller(await self._links.enter_async_context(RawClient(self.address, settings=settings)))

    async def deaf(self, settings: dict[int, int] | None = None) -> DeafCaller:
        host, _, port = self.address.rpartition(":")
        caller = DeafCaller(*await asyncio.open_connection(host, int(port)))
        self._links.callback(caller.vanish)
        caller.begin(settings or {})
        return caller

    def _accepted(self) -> WireProtocol:
        rules = Rules(self.limits)
        connection = ServerConnection(rules, self._turn, self.front, self.protections)
        self.connections.append(connection)
        return _Protocol(connection)


class H2Caller:
    """A connection of the h2 package."""

    def __init__(self, client: RawClient) -> None:
        self.client = client

    async def begin(
        self, verb: str = "GET", path: str = "/x", headers: Pairs = (), *, end: bool = True, host: str = "a"
    ) -> RawStream:
        pseudo = [(":method", verb), (":scheme", "http"), (":path", path), (":authority", host)]
        return await self.client.open(path, headers=[*pseudo, *headers], end=end)

    async def ask(self, verb: str = "GET", path: str = "/x", headers: Pairs = (), body: bytes = b"") -> RawStream:
        """Send a request, and wait for its answer."""
        stream = await self.begin(verb, path, headers, end=not body)
        if body:
            await stream.send(body, end=True)
        return await stream.finished(WAIT)

    @property
    def informational(self) -> list[dict[str, str]]:
        """The heads of informational answers."""
        events = self.client.connection.events
        found = [event for event in events if type(event).__name__ == "InformationalResponseReceived"]
        return [{name.decode(): value.decode() for name, value in event.headers} for event in found]

    def vanish(self) -> None:
        self.client.connection.writer.transport.abort()


class DeafCaller:
    """A connection of frames, whose windows grow by nothing but `credit`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._encoder = hpack.Encoder()

    def begin(self, settings: dict[int, int]) -> None:
        self.writer.write(PREFACE)
        self.send(frames.SettingsFrame(0, settings=settings))

    def send(self, *sent: frames.Frame) -> None:
        self.writer.write(b"".join([frame.serialize() for frame in sent]))

    def head(self, number: int, pairs: Pairs = (), *, verb: str = "GET", end: bool = True) -> frames.HeadersFrame:
        fields = [(":method", verb), (":scheme", "http"), (":path", "/x"), (":authority", "a"), *pairs]
        flags = ["END_HEADERS", *(["END_STREAM"] if end else [])]
        return frames.HeadersFrame(number, self._encoder.encode(fields), flags=flags)

    def credit(self, number: int, size: int) -> None:
        self.send(frames.WindowUpdateFrame(number, window_increment=size))
        self.send(frames.WindowUpdateFrame(0, window_increment=size))

    async def frame(self) -> frames.Frame:
        async with asyncio.timeout(WAIT):
            found, size = frames.Frame.parse_frame_header(memoryview(await self.reader.readexactly(9)))
            found.parse_body(memoryview(await self.reader.readexactly(size)))
        return found

    async def until(self, wanted: Callable[[frames.Frame], bool]) -> list[frames.Frame]:
        """Return the frames up to the one that is wanted."""
        found = []
        while True:
            found.append(await self.frame())
            if wanted(found[-1]):
                return found

    async def data(self, size: int) -> list[frames.Frame]:
        """Return the frames until so many bytes of DATA have come."""
        left = size

        def enough(frame: frames.Frame) -> bool:
            nonlocal left
            left -= len(frame.data) if isinstance(frame, frames.DataFrame) else 0
            return left <= 0

        return await self.until(enough)

    def vanish(self) -> None:
        self.writer.transport.abort()


Serve2 = Callable[..., Awaitable[H2Place]]
