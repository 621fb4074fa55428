"""An HTTP server with the answers a test gives it, and a caller that writes and reads bytes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

from edge.listeners.http_server import HttpServer
from edge.model.http import HttpExchange

Answer = Callable[[HttpExchange], Awaitable[None]]

WAIT = 5.0
"""Seconds after which a test gives up on what ought to be there at once."""


class Handler:
    """Answers as the test says, and notes how that ended."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.outcome: BaseException | None = None
        self.count = 0

    async def handle(self, exchange: HttpExchange) -> None:
        self.count += 1
        self.begun.set()
        try:
            await self.answer(exchange)
        except BaseException as error:
            self.outcome = error
            raise
        finally:
            self.ended.set()


class Caller:
    """A connection of raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(WAIT):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:-2])
        return int(lines[0].split(" ")[1]), headers

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        status, headers = await self.head()
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, b"".join([piece async for piece in self.chunks()])
        async with asyncio.timeout(WAIT):
            return status, headers, await self.reader.readexactly(int(headers.get("content-length", "0")))

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            async with asyncio.timeout(WAIT):
                size = int((await self.reader.readuntil(b"\r\n")).strip(), 16)
                piece = (await self.reader.readexactly(size + 2))[:-2]
            if not size:
                return
            yield piece

    async def rest(self) -> bytes:
        """Return everything up to the end of the connection, however it ends."""
        pieces = []
        async with asyncio.timeout(WAIT):
            try:
                while piece := await self.reader.read(65536):
                    pieces.append(piece)
            except ConnectionError:
                pieces.append(b"<reset>")
        return b"".join(pieces)

    def vanish(self, *, reset: bool = False) -> None:
        """Close the connection. A FIN waits behind bytes that the other side does not take in; a reset does not."""
        bound = self.writer.get_extra_info("socket")
        if reset and bound is not None:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Place:
    """A running server and who calls it."""

    def __init__(self, server: HttpServer, handler: Handler) -> None:
        self.server = server
        self.handler = handler
        self.callers: list[Caller] = []

    @property
    def url(self) -> str:
        return f"http://{self.server.address}"

    def reads(self) -> bool:
        """Whether the one caller there is may send."""
        front = self.server._front
        assert front is not None
        (connection,) = front._alive
        return connection.transport is not None and connection.transport.is_reading()

    async def call(self, data: bytes = b"", *, limit: int = 2**16) -> Caller:
        if self.server.address.startswith("unix:"):
            pair = await asyncio.open_unix_connection(self.server.address[5:], limit=limit)
        else:
            host, _, port = self.server.address.rpartition(":")
            pair = await asyncio.open_connection(host.strip("[]"), int(port), limit=limit)
        caller = Caller(*pair)
        self.callers.append(caller)
        if data:
            caller.send(data)
        return caller


Serve = Callable[..., Awaitable[Place]]
