"""A request over HTTP/1.1 or 1.0: its head, and its body as it comes in."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.streams import StreamReader

from edge.listeners.http_head import CONTINUE, read_head
from edge.model.http import BodyTooLargeError, CallerGoneError, HttpRequest

if TYPE_CHECKING:
    from edge.listeners.http_connection import Connection

_VERSIONS = ((1, 0), (1, 1))

_HOST = re.compile(r"(?:[\w.~!$&'()*+,;=%-]*|\[[\w.~%-]*:[\w.:~%-]*\])(?::[0-9]*)?", re.ASCII)
"""RFC 3986 section 3.2.2. Whatever else stands here, whoever reads it later may take for a path or for two hosts."""


class RequestSide:
    """The half of an exchange that comes from the caller.

    Args:
        message: The head, as aiohttp has parsed it.
        payload: The body.
        connection: Where they come from.
    """

    __slots__ = (
        "_connection",
        "_continue",
        "_payload",
        "_should_close",
        "broken",
        "broken_status",
        "fault",
        "head_bytes",
        "request",
        "started",
    )

    def __init__(self, message: RawRequestMessage, payload: StreamReader, connection: Connection) -> None:
        request, size = read_head(message, connection.peer, connection.arrived)
        self.request: HttpRequest = request
        """The head of the request."""
        self.head_bytes: int = size
        """The size of the headers, as `Limits.max_metadata_bytes` counts it."""
        self.started: bool = False
        """Whether the head of the answer has been sent; then no other can be."""
        self.broken: str = ""
        """What was wrong with the framing of the body, or the empty text."""
        self.broken_status: int = 400
        """The HTTP status that says so."""
        self.fault: tuple[int, str] = (0, "")
        """The HTTP status and the reason when the head asks for what is not spoken here, or 0."""
        usual = message.version is HttpVersion11 and message.path[:1] == "/" and not message.chunked
        if not usual or _HOST.fullmatch(request.host) is None:
            self.fault = _fault(message, request)
        self._connection = connection
        self._payload = payload
        # aiohttp loses what comes behind a request for an upgrade that it does not know
        self._should_close = message.should_close or (message.upgrade and not request.upgrades)
        self._continue = not payload.is_eof() and request.header("expect").lower() == "100-continue"

    @property
    def incomplete(self) -> bool:
        """Whether some of the body is still to come."""
        return not self._payload.is_eof()

    async def read(self, *, waits: bool = True) -> bytes:
        """Return the next piece of the body, or nothing at its end. See `HttpExchange`."""
        if waits:
            return await self._read()
        try:
            async with asyncio.timeout(self._connection.stall_timeout):
                return await self._read()
        except TimeoutError:
            why = f"the body stopped coming for {self._connection.stall_timeout:g} s (server.limits.stall_timeout)"
            self.broken_status = 408
            self.break_framing(why)
            raise CallerGoneError(why) from None

    async def _read(self) -> bytes:
        payload = self._payload
        if self._continue:
            self._continue = False
            # when bytes have come, the caller did not wait (RFC 9110 section 10.1.1)
            if not self.started and not payload.total_bytes and (transport := self._connection.transport) is not None:
                transport.write(CONTINUE)
        if payload.at_eof():
            return b""
        try:
            return await payload.readany()
        except CallerGoneError:
            raise
        except Exception as error:
            # whatever aiohttp calls it: the body will not come
            raise CallerGoneError("the body ended before its end") from error

    async def read_all(self, limit: int) -> bytes:
        """Return the whole body of at most `limit` bytes. See `HttpExchange`."""
        if (self._declared() or 0) > limit:
            raise BodyTooLargeError
        pieces = []
        size = 0
        waits = self._payload.is_eof() and not self._continue  # then all of it is there
        while piece := await self.read(waits=waits):
            size += len(piece)
            if size > limit:
                raise BodyTooLargeError
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _declared(self) -> int | None:
        """Return the length of the body by its header, or None when it is chunked. llhttp has checked it."""
        length = self.request.header("content-length")
        return int(length) if length else None

    def break_framing(self, why: str) -> None:
        """Let whoever reads the body know that the rest of it is not HTTP."""
        self.broken = why
        self._should_close = True
        self._payload.set_exception(CallerGoneError(why))

    def _cancel(self, error: BaseException) -> None:
        """For aiohttp: the connection is lost."""
        if not self._payload.is_eof():
            gone = CallerGoneError("the caller closed the connection")
            gone.__cause__ = error
            self._payload.set_exception(gone)


def _fault(message: RawRequestMessage, request: HttpRequest) -> tuple[int, str]:
    """Look at the rare heads that aiohttp lets through and this front does not take."""
    if message.version not in _VERSIONS:
        return 505, "only HTTP/1.1 and HTTP/1.0 are spoken here"
    if request.verb == "CONNECT":
        return 501, "CONNECT is not available: this is a gateway, not a forward proxy"
    if message.path[:1] != "/" and message.path != "*" and not message.path.lower().startswith(("http://", "https://")):
        return 400, "the request target is neither a path nor an http URL"
    if _HOST.fullmatch(request.host) is None:
        return 400, "the host is not a name or an address, with a port or without (RFC 9112 section 3.2)"
    if message.chunked:
        if request.version == "1.0":
            return 400, "the header `transfer-encoding` is not part of HTTP/1.0 (RFC 9112 section 6.1)"
        if request.header("transfer-encoding").lower() != "chunked":
            return 501, "no other transfer coding than `chunked` is spoken here"
    return 0, ""
