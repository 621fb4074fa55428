"""One request on a connection and the answer to it, the body of each while the other is still under way."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from edge.model.errors import GatewayError
from edge.model.http import CallerGoneError, HeaderPairs, WebSocket
from edge.upstream.http1 import AnswerHead, AnswerParser
from edge.upstream.http_connection import HttpConnection
from edge.upstream.http_dial import connect_words

EXPECT_SECONDS = 1.0
"""How long `expect: 100-continue` waits for the endpoint's 100; then the body is sent (RFC 9110 section 10.1.1)."""

_AT_ONCE = 64 * 1024
"""The largest body, in bytes, that is handed over whole when it came along with the head, and the most that small
chunks are joined to."""


class NoAnswerError(ConnectionError):
    """The connection was closed before a byte of the answer came."""


class HandshakeRefusedError(Exception):
    """The endpoint did not answer a WebSocket handshake with 101.

    Args:
        status: What it answered with.
        headers: Its headers.
        body: Its body.
    """

    def __init__(self, status: int, headers: HeaderPairs, body: bytes) -> None:
        super().__init__(f"answered with {status}")
        self.status = status
        self.headers = headers
        self.body = body


class EndpointWebSocket(WebSocket, Protocol):
    """An open WebSocket to an endpoint. `send` raises ConnectionError when it is closed."""

    @property
    def close_reason(self) -> str:
        """The words the endpoint closed with, once `receive` has returned None."""
        ...


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What came of a WebSocket handshake."""

    socket: EndpointWebSocket
    """The open connection."""

    subprotocol: str
    """The subprotocol the endpoint chose. Empty for none."""

    headers: HeaderPairs
    """The headers of its answer without those of the handshake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBody:
    """The body of a request while it comes."""

    read: Callable[[], Awaitable[bytes]]
    """Returns the next piece, or nothing at the end. Raises `CallerGoneError` or a refusal."""

    length: int | None
    """Its length in bytes. None when it is not known; then it is sent in chunks."""

    expect: bool = False
    """Whether the endpoint is to say that it wants it."""


class HttpAnswer:
    """One exchange with an endpoint.

    Args:
        connection: The connection, used by nobody else.
        verb: The method.
        body: The body of the request, or None.
        done: Called with the connection when it can carry another request.
    """

    __slots__ = (
        "_body",
        "_connection",
        "_continued",
        "_done",
        "_failure",
        "_head",
        "_parser",
        "_pieces",
        "_pump",
        "_released",
        "body_read",
    )

    def __init__(
        self,
        connection: HttpConnection,
        verb: str,
        body: RequestBody | None,
        done: Callable[[HttpConnection, AnswerHead], None],
    ) -> None:
        self.body_read = False
        """Whether something of the request's body has been taken from the caller."""
        self._connection = connection
        self._body = body
        self._done = done
        self._released = False
        self._parser = AnswerParser(verb)
        self._pieces: deque[bytes] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._continued: asyncio.Event | None = None
        self._failure: Exception | None = None
        self._head: AnswerHead | None = None

    @property
    def status(self) -> int:
        """The status, once `begin` has returned."""
        assert self._head is not None, "begin comes first"
        return self._head.status

    @property
    def headers(self) -> HeaderPairs:
        """The headers, once `begin` has returned."""
        assert self._head is not None, "begin comes first"
        return self._head.headers

    async def begin(self, head: bytes) -> None:
        """Send the head, begin to send the body, wait for the head of the answer.

        Raises:
            NoAnswerError: the connection was closed before anything came.
            BrokenAnswerError: the answer is no HTTP.
            CallerGoneError: the request's body ended too early.
            GatewayError: what reading the request's body raised.
        """
        try:
            await self._connection.write(head)
        except ConnectionError as error:
            raise NoAnswerError(str(error)) from None
        if self._body is not None:
            if self._body.expect:
                self._continued = asyncio.Event()
            # not a task of an owner: this one is, it ends with `close`
            self._pump = asyncio.get_running_loop().create_task(self._send(self._body), name="body to an endpoint")
        nothing = True
        while self._parser.head is None:
            data = await self._receive()
            if not data:
                if nothing:
                    trouble = self._connection.trouble
                    why = f" ({connect_words(trouble)})" if trouble is not None else ""
                    raise NoAnswerError(f"the connection was closed before an answer{why}")
                self._parser.feed_eof(orderly=self._connection.ended)
            nothing = False
            self._pieces.extend(self._parser.feed(data))
            if self._continued is not None and self._parser.continued:
                self._continued.set()
        self._head = self._parser.head
        self._settle()

    def whole(self) -> bytes | None:
        """Return the body if all of a small one is there already and its length was said, else None."""
        parser = self._parser
        if not parser.done or parser.length is None or parser.length > _AT_ONCE:
            return None
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    async def read(self) -> bytes:
        """Return the next piece of the body, or nothing at its end.

        Raises:
            BrokenAnswerError: it ended before its end, or is no HTTP.
            CallerGoneError: the request's body ended too early.
            GatewayError: what reading the request's body raised.
        """
        while not self._pieces:
            if self._parser.done:
                return b""
            data = await self._receive()
            if data:
                self._pieces.extend(self._parser.feed(data))
            else:
                self._parser.feed_eof(orderly=self._connection.ended)
            self._settle()
        pieces = self._pieces
        first = pieces.popleft()
        size = len(first)
        if not pieces or size + len(pieces[0]) > _AT_ONCE:
            return first
        # small chunks that came at once go on as one: each would cost a write, and nobody else gets a turn meanwhile
        joined = [first]
        while pieces and (size := size + len(pieces[0])) <= _AT_ONCE:
            joined.append(pieces.popleft())
        return b"".join(joined)

    def close(self) -> None:
        """End it: what is not whole by now takes the connection with it. A second time does nothing."""
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
        if not self._released:
            self._released = True
            self._connection.abort()

    def _settle(self) -> None:
        """Give the connection back when both bodies are through."""
        if not self._parser.done or self._released:
            return
        if self._pump is not None and not self._pump.done():
            return  # the endpoint has answered without reading all of it; `close` ends both
        self._released = True
        if self._parser.reusable and self._failure is None and self._parser.head is not None:
            self._done(self._connection, self._parser.head)
        else:
            self._connection.abort()

    async def _receive(self) -> bytes:
        data = await self._connection.read()
        if self._failure is not None:
            raise self._failure
        return data

    async def _send(self, body: RequestBody) -> None:
        connection = self._connection
        try:
            if self._continued is not None:
                # an endpoint that does not know the header gets the body all the same
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(EXPECT_SECONDS):
                        await self._continued.wait()
            if body.length is None:
                while piece := await body.read():
                    self.body_read = True
                    await connection.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await connection.write(b"0\r\n\r\n")
                return
            left = body.length
            while left:
                piece = await body.read()
                self.body_read = True
                if not piece or len(piece) > left:
                    raise CallerGoneError("the body is not as long as its content-length")
                left -= len(piece)
                await connection.write(piece)
        except (CallerGoneError, GatewayError) as error:
            self._failure = error
            connection.abort()
        except ConnectionError:
            return  # the endpoint reads no more; what it says about that is read elsewhere
        except Exception as error:
            self._failure = error
            connection.abort()
