"""A port for everything, with what answers behind it, and callers of each kind."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import h2.config
import h2.connection
import h2.events
from hyperframe.frame import Frame, GoAwayFrame

from edge.listeners import EdgeServer
from edge.listeners.tls import TlsKeeper, alpn
from edge.model.counters import Protections
from edge.model.http import HttpExchange
from edge.model.settings import Limits, ListenerProtocol, ListenerSettings, ListenerTls
from edge.wire.acceptor import Acceptor, ServerStream
from edge.wire.frames import CANCEL
from edge.wire.heads import Field
from edge.wire.request_head import RequestHead
from edge.wire.server import ServerConnection
from edge.wire.transport import LoopTurn
from tests.edge.listeners.http_place import WAIT, Caller, Handler

GET = b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n"


def who(version: str, peer: str, scheme: str, subject: str | None) -> bytes:
    return json.dumps({"version": version, "peer": peer, "scheme": scheme, "subject": subject}).encode()


async def answer_http1(exchange: HttpExchange) -> None:
    """Answer over HTTP/1.1: who calls, or with `/wait` never."""
    request = exchange.request
    if request.path == "/wait":
        await asyncio.Event().wait()
    subject = request.tls.subject if request.tls is not None else None
    await exchange.respond(200, [], who(request.version, request.peer, request.scheme, subject))


class Answering(ServerStream):
    """Says who calls. `/wait` is answered by `release`, `/flood` with more than anybody reads."""

    def __init__(self, conn: ServerConnection, number: int, place: PortPlace) -> None:
        super().__init__(conn, number)
        self.caller = conn
        self.place = place

    def begin(self, head: RequestHead, end: bool) -> None:
        self.place.begun.set()
        if head.path == "/wait":
            self.place.waiting.append(self)
        elif head.path == "/flood":
            self._head()
            for _ in range(64):
                self.send_data(bytes(65536), False)
        else:
            self.release()

    def release(self) -> None:
        caller = self.caller
        subject = caller.tls.subject if caller.tls is not None else None
        self._head()
        self.send_data(who("2", caller.peer, caller.scheme, subject), True)

    def _head(self) -> None:
        self.headed = True
        self.conn.send_block(self.id, self.conn.encoder.encode([(":status", "200")]), False)

    def on_reset(self, code: int, unprocessed: bool, words: str) -> None:
        del unprocessed
        self.place.resets.append((code, words))


class PortPlace(Acceptor):
    """A running port, and what became of its streams."""

    server: EdgeServer

    def __init__(self) -> None:
        self.protections = Protections()
        self.handler = Handler(answer_http1)
        self.begun = asyncio.Event()
        self.waiting: list[Answering] = []
        self.resets: list[tuple[int, str]] = []
        self.connections: list[ServerConnection] = []
        self._callers: list[Caller] = []

    @property
    def counts(self) -> dict[str, int]:
        return self.protections.counts

    def stream(self, conn: ServerConnection, number: int, head: RequestHead) -> ServerStream:
        del head
        if conn not in self.connections:
            self.connections.append(conn)
        return Answering(conn, number, self)

    def oversized(self, head: RequestHead) -> tuple[Field, ...]:
        del head
        return ((":status", "431"),)

    async def call(self, data: bytes = b"", tls: ssl.SSLContext | None = None, **options: Any) -> Caller:
        """Connect, and send bytes."""
        if self.server.address.startswith("unix:"):
            pair = await asyncio.open_unix_connection(self.server.address[5:])
        else:
            host, _, port = self.server.address.rpartition(":")
            pair = await asyncio.open_connection(
                host.strip("[]"),
                int(port),
                ssl=tls,
                server_hostname="localhost" if tls is not None else None,
                **options,
            )
        caller = Caller(*pair)
        self._callers.append(caller)
        caller.send(data)
        return caller

    async def call2(self, tls: ssl.SSLContext | None = None, first: bytes = b"", **options: Any) -> Http2Caller:
        """Connect, and begin HTTP/2."""
        caller = Http2Caller(await self.call(first, tls, **options))
        caller.begin()
        return caller

    async def until(self, count: int) -> None:
        """Wait until there are so many connections."""
        async with asyncio.timeout(WAIT):
            while len(self.server) != count:
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        for caller in self._callers:
            caller.writer.transport.abort()
        await self.server.stop(0.5)


class Http2Caller:
    """A caller made of the h2 package, which is not told of GOAWAY: it would take no other frame behind it."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.events: list[h2.events.Event] = []
        self.goaway: list[GoAwayFrame] = []
        self._buffer = b""

    def begin(self) -> None:
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.caller.send(self.h2.data_to_send())

    def open(self, path: str = "/who") -> int:
        number = int(self.h2.get_next_available_stream_id())
        pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)]
        self.h2.send_headers(number, pseudo, end_stream=True)
        self.flush()
        return number

    async def until(self, found: Callable[[], bool]) -> None:
        """Read until something has happened."""
        async with asyncio.timeout(WAIT):
            while not found():
                data = await self.caller.reader.read(65536)
                if not data:
                    raise EOFError("the connection has ended")
                self.take(data)

    def take(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 9:
            frame, size = Frame.parse_frame_header(memoryview(self._buffer[:9]))
            whole, rest = self._buffer[: 9 + size], self._buffer[9 + size :]
            if len(whole) < 9 + size:
                break
            self._buffer = rest
            if isinstance(frame, GoAwayFrame):
                frame.parse_body(memoryview(whole[9:]))
                self.goaway.append(frame)
            else:
                self.events += self.h2.receive_data(whole)
        self.flush()

    async def ended(self, number: int) -> bytes:
        """Return the body of an answer."""
        await self.until(
            lambda: any(isinstance(event, h2.events.StreamEnded) and event.stream_id == number for event in self.events)
        )
        data = [event for event in self.events if isinstance(event, h2.events.DataReceived)]
        return b"".join(event.data or b"" for event in data if event.stream_id == number)

    async def ask(self, path: str = "/who") -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(await self.ended(self.open(path)))
        return facts

    async def goaways(self, count: int) -> list[tuple[int, int]]:
        """Return error code and last stream of the GOAWAY frames, once so many have come."""
        await self.until(lambda: len(self.goaway) >= count)
        return [(frame.error_code, frame.last_stream_id) for frame in self.goaway]

    async def rest(self) -> bytes:
        return await self.caller.rest()


@asynccontextmanager
async def port(
    protocol: ListenerProtocol = ListenerProtocol.AUTO,
    *,
    address: str = "127.0.0.1:0",
    tls: ListenerTls | None = None,
    proxies: tuple[str, ...] = (),
    **limits: Any,
) -> AsyncIterator[PortPlace]:
    """Serve on a free port."""
    place = PortPlace()
    place.server = EdgeServer(
        ListenerSettings(name="test", address=address, protocol=protocol, tls=tls, proxy_protocol_from=proxies),
        Limits(**limits),
        acceptor=place,
        handler=place.handler,
        front2=None,
        turn=LoopTurn(asyncio.get_running_loop()),
        protections=place.protections,
        tls=TlsKeeper(tls, alpn=alpn(protocol), name="test") if tls is not None else None,
    )
    await place.server.bind()
    await place.server.start()
    try:
        yield place
    finally:
        await place.close()


__all__ = ["CANCEL", "GET", "Http2Caller", "PortPlace", "answer_http1", "port"]
