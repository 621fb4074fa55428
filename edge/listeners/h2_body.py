"""The body of a request over HTTP/2, as it comes in. What nobody takes is not given credit for."""

from __future__ import annotations

import asyncio
from typing import Final

from edge.model.http import BodyTooLargeError, CallerGoneError, HttpRequest
from edge.wire.acceptor import ServerStream
from edge.wire.heads import AnswerHead, Field
from edge.wire.server import ServerConnection

_CONTINUE: Final[tuple[Field, ...]] = ((":status", "100"),)

_MANY: Final = 64
"""Pieces that wait before they are joined: a caller may send bytes one by one, and each piece costs dozens of them."""


class Http2Body(ServerStream):
    """The half of an exchange that comes from the caller.

    Args:
        conn: The caller's connection.
        number: The stream identifier.
        stall_timeout: Seconds a caller may take for what is waited for.
    """

    request: HttpRequest
    """The head of the request, from `begin` on."""
    started: bool
    """Whether the head of the answer has been sent."""
    declared: int = -1
    """The length of the body by its header, or -1."""
    broken: str = ""
    """Why the body was given up, or the empty text."""
    broken_status: int = 408
    """The HTTP status that says so."""
    _gathered: bytearray | None = None
    _reader: asyncio.Future[None] | None = None
    _dropped: str = ""
    _continued: bool = False

    def __init__(self, conn: ServerConnection, number: int, stall_timeout: float) -> None:
        super().__init__(conn, number)
        self.stall_timeout = stall_timeout
        self._pieces: list[bytes] = []

    # === reading ===

    async def read(self, *, waits: bool = True) -> bytes:
        """Return the next piece of the body, or nothing at its end. See `HttpExchange`."""
        if self._pieces:
            return self._take()
        if self._dropped:
            raise CallerGoneError(self._dropped)
        if self.ended_in:
            return b""
        return await self._next(waits)

    async def read_all(self, limit: int) -> bytes:
        """Return the whole body of at most `limit` bytes. See `HttpExchange`."""
        if self.declared > limit:
            raise BodyTooLargeError
        if self.ended_in and not self._dropped:  # all of it is there
            body = self._take() if self._pieces else b""
            if len(body) > limit:
                raise BodyTooLargeError
            return body
        pieces = []
        size = 0
        while piece := await self.read(waits=False):
            size += len(piece)
            if size > limit:
                raise BodyTooLargeError
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take(self) -> bytes:
        """Return what is there, and give the caller credit for it."""
        pieces = self._pieces
        if self._gathered is not None:
            self._gathered += b"".join(pieces)
            data = bytes(self._gathered)
            self._gathered = None
        else:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self.consumed(self.held)
        return data

    async def _next(self, waits: bool) -> bytes:
        if self._reader is not None:
            raise RuntimeError("the body is being read already")
        if not self._continued:
            self._continue()
        reader = self._reader = asyncio.get_running_loop().create_future()
        try:
            if waits:
                await reader
            else:
                async with asyncio.timeout(self.stall_timeout):
                    await reader
        except TimeoutError:
            why = f"the body stopped coming for {self.stall_timeout:g} s (server.limits.stall_timeout)"
            self.broken = why
            self.drop(why)
            raise CallerGoneError(why) from None
        finally:
            self._reader = None
        return self._take() if self._pieces else b""

    def _continue(self) -> None:
        """Tell a caller that waits for it to send the body."""
        self._continued = True
        # when bytes have come, the caller did not wait (RFC 9110 section 10.1.1)
        if not self.started and self.request.header("expect").lower() == "100-continue":
            conn = self.conn
            conn.send_block(self.id, conn.encoder.encode_kept(_CONTINUE), False)

    # === the stream ===

    def on_data(self, data: bytes, size: int, end: bool) -> None:
        """A piece has come."""
        self._continued = True
        if data:
            self._pieces.append(data)
            if len(self._pieces) > _MANY:
                self._gather()
        elif size:
            self.consumed(size)
        reader = self._reader
        if reader is not None and (data or end) and not reader.done():
            reader.set_result(None)

    def on_trailers(self, head: AnswerHead) -> None:
        """The body has ended. Nobody reads trailers of requests."""
        del head
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(None)

    def drop(self, words: str) -> None:
        """Forget the body: reading fails from now on.

        Args:
            words: Why.
        """
        self._dropped = self._dropped or words
        self._pieces = []
        self._gathered = None

    def fail_reader(self, words: str) -> None:
        """Let whoever waits for the body know that it will not come.

        Args:
            words: Why.
        """
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_exception(CallerGoneError(words))

    def _gather(self) -> None:
        if self._gathered is None:
            self._gathered = bytearray()
        # one piece stays, which says that there is something
        self._gathered += b"".join(self._pieces[:-1])
        self._pieces = self._pieces[-1:]
