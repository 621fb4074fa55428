"""An HTTP/1.1 client that sends exactly the bytes it is given and shows exactly what comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
Headers = Sequence[tuple[str, str]]

WITHIN = 20.0
"""The seconds an answer may take."""
LIMIT = 16 * 1024 * 1024


@dataclass
class Answer:
    """What came back."""

    status: int
    """The status code."""

    headers: list[tuple[str, str]]
    """Names in lower case, in order."""

    body: bytes = b""
    """The body as far as it came, without chunk framing."""

    complete: bool = False
    """Whether the body ended as its framing says it does."""

    trailers: list[tuple[str, str]] = field(default_factory=list)
    """Chunked trailers."""

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None."""
        return next((value for key, value in self.headers if key == name), None)

    def values(self, name: str) -> list[str]:
        """Return the items of a header that is a list."""
        found = [value for key, value in self.headers if key == name]
        return [item.strip() for value in found for item in value.split(",") if item.strip()]

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case; empty without one."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()


class Connection:
    """One connection, for one request.

    Args:
        address: Host and port.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._method = ""
        self.answer: Answer

    async def __aenter__(self) -> Self:
        host, _, port = self._address.rpartition(":")
        self._reader, self._writer = await asyncio.open_connection(host, int(port), limit=LIMIT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def send(self, data: bytes) -> None:
        """Send bytes; a server that has stopped reading may have answered already, so that is no error."""
        if not self._method:
            self._method = data.partition(b" ")[0].decode("latin-1")
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self._writer.write_eof()
        await self._writer.drain()

    def abort(self) -> None:
        """Break the connection with a reset."""
        self._writer.transport.abort()

    async def head(self, within: float = WITHIN) -> Answer:
        """Read status and headers, past informational ones.

        Raises:
            ConnectionError: the connection ended before.
            TimeoutError: nothing came in time.
        """
        async with asyncio.timeout(within):
            while True:
                line = await self._line()
                version, _, rest = line.partition(" ")
                if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
                    raise ConnectionError(f"no status line: {line[:100]!r}")
                self.answer = Answer(int(rest[:3]), await self._fields())
                if self.answer.status >= 200 or self.answer.status == 101:
                    return self.answer

    async def chunks(self, within: float = WITHIN) -> AsyncIterator[bytes]:
        """Yield the body as it comes; afterwards `answer` says whether it was complete.

        Raises:
            TimeoutError: the next piece did not come in time.
        """
        answer = self.answer
        try:
            if self._method == "HEAD" or answer.status in (101, 204, 304):
                pass
            elif "chunked" in (answer.header("transfer-encoding") or "").lower():
                while size := int((await self._in_time(self._line(), within)).partition(";")[0], 16):
                    piece = await self._in_time(self._reader.readexactly(size + 2), within)
                    answer.body += piece[:-2]
                    yield piece[:-2]
                answer.trailers = await self._in_time(self._fields(), within)
            elif (length := answer.header("content-length")) is not None:
                left = int(length)
                while left and (piece := await self._in_time(self._reader.read(min(left, 65536)), within)):
                    left -= len(piece)
                    answer.body += piece
                    yield piece
                if left:
                    return
            else:
                while piece := await self._in_time(self._reader.read(65536), within):
                    answer.body += piece
                    yield piece
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        answer.complete = True

    async def finish(self, within: float = WITHIN) -> Answer:
        """Read the rest of the body."""
        async for _ in self.chunks(within):
            pass
        return self.answer

    async def _in_time(self, work: Awaitable[T], within: float) -> T:
        return await asyncio.wait_for(work, within)

    async def _line(self) -> str:
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the connection ended within a line" if line else "the connection ended")
        return line.rstrip(b"\r\n").decode("latin-1")

    async def _fields(self) -> list[tuple[str, str]]:
        found = []
        while line := await self._line():
            name, _, value = line.partition(":")
            found.append((name.strip().lower(), value.strip()))
        return found


@dataclass(frozen=True)
class Request:
    """A request as it is sent."""

    method: str
    """The verb."""

    target: str
    """The request target, sent as it is."""

    headers: tuple[tuple[str, str], ...] = ()
    """What is sent besides `Host` and the framing."""

    body: bytes | None = None
    """The body, or None for a request without one."""

    chunk: int | None = None
    """The size of a chunk when the body is sent chunked; None sends `Content-Length`."""

    def encode(self, host: str) -> Iterable[bytes]:
        """Yield the bytes in pieces that are written one by one."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {host}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body is not None and self.chunk is not None:
            lines.append("Transfer-Encoding: chunked")
        elif self.body is not None or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(self.body or b'')}")
        # a header may hold bytes that are not UTF-8, which are written here as Latin-1; a target may hold any text
        first, *rest = lines
        yield first.encode() + b"\r\n" + "".join(f"{line}\r\n" for line in rest).encode("latin-1") + b"\r\n"
        if self.body is None:
            return
        if self.chunk is None:
            yield self.body
            return
        parts = (self.body[start : start + self.chunk] for start in range(0, len(self.body), self.chunk))
        yield b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        yield b"0\r\n\r\n"


async def exchange(address: str, host: str, request: Request, within: float = WITHIN) -> Answer:
    """Send a request on a connection of its own and return the whole answer.

    Raises:
        ConnectionError: there was no answer.
        TimeoutError: it did not come in time.
    """
    async with Connection(address) as connection:
        for piece in request.encode(host):
            await connection.send(piece)
        await connection.head(within)
        return await connection.finish(within)
