"""A request over HTTP/1.1 or 1.0: its head, and its body as it comes in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from edge.listeners.http_fields import Section
from edge.listeners.http_head import CONTINUE
from edge.model.http import BodyTooLargeError, CallerGoneError, HttpRequest

if TYPE_CHECKING:
    from edge.listeners.http_connection import Connection

_OBJECT: Final = 64
"""What a piece costs beside its bytes. A caller chooses how small its chunks are."""


@mypyc_attr(allow_interpreted_subclasses=True)
class RequestSide:
    """The half of an exchange that comes from the caller.

    Args:
        request: The head.
        section: What its headers say of body and connection.
        whole: Whether there is no body.
        connection: Where they come from.
    """

    def __init__(self, request: HttpRequest, section: Section, whole: bool, connection: Connection) -> None:
        self.request: HttpRequest = request
        """The head of the request."""
        self.started: bool = False
        """Whether the head of the answer has been sent; then no other can be."""
        self.broken: str = ""
        """What was wrong with the framing of the body, or the empty text."""
        self.broken_status: int = 400
        """The HTTP status that says so."""
        self.ended: bool = whole
        """Whether all of the body has come."""
        self.held: int = 0
        """The memory that the body takes which came and was not read, in bytes, about."""
        self._buffered = 0
        self._connection = connection
        self._section = section
        # a caller of HTTP/1.0 would take 100 for the answer (RFC 9110 section 10.1.1)
        self._continue = section.waits and not whole and request.version != "1.0"
        self._should_close = section.closes or (request.version == "1.0" and not section.stays)
        self._arrived = 0
        self._pieces: list[bytes] = []
        self._gone: str = ""
        self._reader: asyncio.Future[None] | None = None

    # === called by whoever answers ===

    async def read(self, *, waits: bool = True) -> bytes:
        """Return the next piece of the body, or nothing at its end. See `HttpExchange`."""
        if self._pieces:
            return self._take()
        if self._gone:
            raise CallerGoneError(self._gone)
        if self.ended:
            return b""
        return await self._next(waits)

    async def read_all(self, limit: int) -> bytes:
        """Return the whole body of at most `limit` bytes. See `HttpExchange`."""
        if self._section.length > limit:
            raise BodyTooLargeError
        if self.ended and not self._gone:  # all of it is there
            if self._buffered > limit:
                raise BodyTooLargeError
            return self._take() if self._pieces else b""
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read(waits=False):
            size += len(piece)
            if size > limit:
                raise BodyTooLargeError
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take(self) -> bytes:
        """Return what is there, and let more come."""
        pieces, self._pieces = self._pieces, []
        self.held = self._buffered = 0
        self._connection.regulate()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _next(self, waits: bool) -> bytes:
        if self._reader is not None:
            raise RuntimeError("the body is being read already")
        connection = self._connection
        if self._continue:
            self._continue = False
            # when bytes have come, the caller did not wait (RFC 9110 section 10.1.1)
            if not self.started and not self._arrived:
                connection.send(CONTINUE)
        reader = self._reader = connection.loop.create_future()
        try:
            if waits:
                await reader
            else:
                async with asyncio.timeout(connection.stall_timeout):
                    await reader
        except TimeoutError:
            why = f"the body stopped coming for {connection.stall_timeout:g} s (server.limits.stall_timeout)"
            self.break_body(why, 408)
            raise CallerGoneError(why) from None
        finally:
            self._reader = None
        return await self.read()

    # === called by the connection ===

    def on_piece(self, piece: bytes) -> None:
        """A part of the body has come."""
        size = len(piece)
        self._arrived += size
        self._buffered += size
        self.held += size + _OBJECT
        self._pieces.append(piece)
        self._wake()

    def on_end(self) -> None:
        """The body is whole."""
        self.ended = True
        self._wake()

    def break_body(self, why: str, status: int = 400) -> None:
        """Let whoever reads the body know that the rest of it does not come, or is not HTTP."""
        self.broken = why
        self.broken_status = status
        self._should_close = True
        self.lose(why)

    def lose(self, why: str) -> None:
        """Let whoever reads the body know that it will not come."""
        if self.ended and not self._pieces:
            return
        self._gone = why
        self._pieces.clear()
        self.held = self._buffered = 0
        self._wake()

    def _wake(self) -> None:
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(None)
