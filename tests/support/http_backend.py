"""HTTP/1.1 backends and callers of raw bytes: what they get is seen as it was on the wire, and they may misbehave."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

WAIT = 20.0
"""Seconds after which what a test waits for counts as never coming."""


class Message:
    """A request or an answer: its first line and headers as they came, and where its body comes from."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader) -> None:
        self.line, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        self.headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        self.reader = reader

    @property
    def status(self) -> int:
        return int(self.line.split(b" ")[1])

    @property
    def target(self) -> bytes:
        return self.line.split(b" ")[1]

    def all(self, name: str) -> list[bytes]:
        return [value for key, value in self.headers if key == name.encode()]

    def one(self, name: str) -> bytes:
        found = self.all(name)
        assert len(found) == 1, f"{name}: {found}"
        return found[0]

    async def chunk(self) -> bytes:
        """Return the next chunk of a body that comes in chunks, or nothing at its end."""
        size = int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16)
        data = await self.reader.readexactly(size + 2)
        return data[:-2]

    async def body(self) -> bytes:
        """Return the whole body, as the head says where it ends."""
        if self.all("content-length"):
            return await self.reader.readexactly(int(self.one("content-length")))
        whole = b""
        if self.all("transfer-encoding") == [b"chunked"]:
            while piece := await self.chunk():
                whole += piece
        return whole


async def read_message(reader: asyncio.StreamReader) -> Message:
    async with asyncio.timeout(WAIT):
        return Message(await reader.readuntil(b"\r\n\r\n"), reader)


class Request(Message):
    """A request that a backend got."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(head, reader)
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, body: bytes = b"", status: int = 200, *headers: bytes) -> None:
        lines = b"".join(b"%b\r\n" % header for header in headers)
        await self.send(b"HTTP/1.1 %d X\r\n%bcontent-length: %d\r\n\r\n%b" % (status, lines, len(body), body))

    def die(self) -> None:
        """Close the connection as a process that is killed does."""
        bound = self.writer.get_extra_info("socket")
        if bound.family != socket.AF_UNIX:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Answer = Callable[[Request], Awaitable[None]]


class HttpBackend:
    """A backend that answers as the test says, one request after another on each connection."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, path: str = "", port: int = 0) -> None:
        self.answer: Answer = hello
        self.connections = 0
        self.open = 0
        self.lost = asyncio.Event()
        """Set when the other side closes a connection."""
        self._tls, self._path, self._port = tls, path, port
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        return f"unix:{self._path}" if self._path else f"127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        if self._path:
            self._server = await asyncio.start_unix_server(self._serve, self._path)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self.answer(Request(head, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.lost.set()
        except asyncio.CancelledError:
            return  # the end of the test
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()


async def hello(request: Request) -> None:
    """Answer with `hello`."""
    await request.body()
    await request.reply(b"hello")


class RawCaller:
    """A connection to the gateway."""

    def __init__(self, address: str, *, buffer: int = 2**16) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._buffer = buffer

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection(self._host, int(self._port), limit=self._buffer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ask(self, verb: str, target: str, *headers: str, body: bytes | None = None, host: str = "gw") -> Message:
        """Send a request and return the head of the answer."""
        lines = [f"{verb} {target} HTTP/1.1", f"host: {host}", *headers]
        if body is not None:
            lines.append(f"content-length: {len(body)}")
        await self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
        return await self.answer()

    async def answer(self) -> Message:
        """Return the head of the next answer."""
        return await read_message(self.reader)
