"""A request and its answer over HTTP/1.1 or 1.0 (RFC 9112)."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from edge.listeners.http_fields import Section
from edge.listeners.http_handshake import handshake
from edge.listeners.http_head import encode_head, error_body, given_length
from edge.listeners.http_request import RequestSide
from edge.listeners.http_websocket import Http1WebSocket
from edge.model.http import CallerGoneError, HeaderPairs, HttpRequest

if TYPE_CHECKING:
    from edge.listeners.http_connection import Connection

_log = logging.getLogger(__name__)

DRAINED_BODY = 64 * 1024
"""The most bytes of an unread body that are taken in to keep the connection. With more to come it is closed."""

_ONE_WRITE = 64 * 1024
"""Up to this size head and body are joined to one write; beyond, the copy costs more than a system call."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Http1Exchange(RequestSide):
    """An exchange on a `Connection`. It is made for every request.

    Args:
        request: The head.
        section: What its headers say of body and connection.
        whole: Whether there is no body.
        connection: Where they come from.
    """

    def __init__(self, request: HttpRequest, section: Section, whole: bool, connection: Connection) -> None:
        super().__init__(request, section, whole, connection)
        self.web_socket: Http1WebSocket | None = None
        """The WebSocket that was accepted."""
        self.keep_alive: bool = False
        """Whether the connection stays open after the answer."""
        self.task: asyncio.Task[None] | None = None
        """What answers, for the front."""
        self.entered: bool = False
        """Whether the task has come to run, for the front."""
        self.finished: bool = False
        """Whether the answer is whole, or broken off."""
        self._chunked = False
        self._bodiless = False
        self._length: int = -1
        self._held = b""

    # === answering ===

    async def respond(self, status: int, headers: HeaderPairs, body: bytes = b"") -> None:
        """Send a whole answer with its length. See `HttpExchange`."""
        self._respond_now(status, headers, body)
        if self._connection.writing_paused:  # a coroutine less for nearly every answer
            await self._drain()

    def _respond_now(self, status: int, headers: HeaderPairs, body: bytes, lines: str = "") -> None:
        length = str(len(body))
        if not body and (status == 304 or self.request.verb == "HEAD"):
            # what GET would have had, when the handler knows it (RFC 9110 section 8.6)
            length = given_length(headers) or ("" if status == 304 else "0")
        framing = "" if status == 204 or not length else f"content-length: {length}\r\n"
        head = self._begin(status, headers, lines + framing)
        self.finished = True
        if status in (204, 304) or self.request.verb == "HEAD":
            body = b""
        if len(body) <= _ONE_WRITE:
            self._connection.send(head + body)
        else:
            self._connection.send(head)
            self._connection.send(body)

    async def start(self, status: int, headers: HeaderPairs) -> None:
        """Send the head of an answer whose length is not known. See `HttpExchange`.

        A `content-length` among the headers is kept, and the body is held to it.
        """
        framing = ""
        self._bodiless = bodiless = status in (204, 304) or self.request.verb == "HEAD"
        if given := given_length(headers):
            framing = "" if status == 204 else f"content-length: {given}\r\n"
            self._length = -1 if bodiless else int(given)
        elif not bodiless:
            if self.request.version == "1.0":
                self._should_close = True
            else:
                framing = "transfer-encoding: chunked\r\n"
                self._chunked = True
        head = self._begin(status, headers, framing)
        # held until the first piece, which mostly comes at once, but never longer than to the next turn of the loop
        self._held = head
        self._connection.loop.call_soon(self._flush)

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the body at once, and wait while the caller does not read. See `HttpExchange`."""
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise CallerGoneError("the connection is closed")
        if not self.started or self.finished:
            raise RuntimeError("write comes after start and before finish")
        if not chunk or self._bodiless:
            self._flush()
        elif self._chunked:
            held, self._held = self._held, b""
            transport.write(b"%b%x\r\n%b\r\n" % (held, len(chunk), chunk))
        else:
            if self._length >= 0:
                self._length -= len(chunk)
                if self._length < 0:
                    self.abort()
                    raise ValueError("the body is longer than its content-length")
            held, self._held = self._held, b""
            transport.write(held + chunk if held else chunk)
        if self._connection.writing_paused:
            try:
                await self._connection.drain()
            except ConnectionError as error:
                raise CallerGoneError("the connection is closed") from error

    async def finish(self, trailers: HeaderPairs = ()) -> None:  # noqa: ARG002 - the exchange has it
        """End the body. Trailers are not sent: hardly any HTTP/1.1 caller reads them."""
        if self.finished:
            return
        self.finished = True
        if self._length > 0:
            self.abort()
            return
        held, self._held = self._held, b""
        if self._chunked:
            held += b"0\r\n\r\n"
        if held:
            self._connection.send(held)
        await self._drain()

    def abort(self) -> None:
        """Break the connection. Behind it `write` fails, and the task that answers is cancelled."""
        until_close = self.started and not self.finished and not self._chunked and not self._bodiless
        self.finished = True
        self.keep_alive = False
        transport = self._connection.transport
        if transport is None:
            return
        if until_close and self._length < 0:
            # a body that ends with the connection looks whole when that ends in order, so it is reset
            bound = transport.get_extra_info("socket")
            if bound is not None and bound.family != socket.AF_UNIX:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            self._connection.leave()

    def refuse(self, status: int, message: str, lines: str = "") -> None:
        """Answer with an error of the front and close the connection. When an answer has begun, just break it.

        Args:
            status: The HTTP status.
            message: What is wrong and how to mend it.
            lines: More headers, as whole lines.
        """
        if self.started:
            self.abort()
            return
        self._should_close = True
        self._respond_now(status, [("content-type", "application/json")], error_body(status, message), lines)

    async def accept(
        self,
        *,
        headers: HeaderPairs = (),
        subprotocol: str = "",
        max_message_bytes: int,
        ping_interval: float | None = None,
    ) -> Http1WebSocket:
        """Answer a request that `upgrades` with 101. See `HttpExchange`.

        The front has refused bad handshakes before anybody was asked. No extension is offered: permessage-deflate
        costs 300 kB for each connection, and messages are small.

        Raises:
            CallerGoneError: the connection is closed.
        """
        if self.started or not self.request.upgrades:
            raise RuntimeError("only a request that upgrades, and has no answer yet, can become a WebSocket")
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise CallerGoneError("the connection is closed")
        framing = handshake(self.request, subprotocol)
        transport.write(
            encode_head(101, [pair for pair in headers if not pair[0].startswith("sec-websocket-")], framing)
        )
        self.started = self.finished = True
        accepted = self.web_socket = Http1WebSocket(self._connection, transport, max_message_bytes, ping_interval)
        rest = self._connection.take_rest()
        self._connection.regulate()  # so much may have waited that the caller was stopped
        accepted.begin(rest)
        return accepted

    # === the front ===

    async def complete(self) -> None:
        """Make sure that there is an answer, once the handler has returned."""
        if self.web_socket is not None:
            await self.web_socket.close(1000)
        elif self.finished:
            return
        elif self.started:
            self.abort()
        elif self.broken:
            self.refuse(self.broken_status, self.broken)
        elif (transport := self._connection.transport) is None or transport.is_closing():
            self.abort()  # there is nobody left to answer
        else:
            _log.error("%s %s was not answered", self.request.verb, self.request.path)
            self.refuse(500, "the gateway has not answered; this is an error in the gateway")

    async def fail(self, message: str) -> None:
        """Answer that the gateway has failed, or break off what has begun."""
        if self.web_socket is not None:
            await self.web_socket.close(1011, message)
        else:
            self.refuse(500, message)

    def release(self) -> None:
        """Let the connection go on without this, or end."""
        self._connection.answered(self)

    def _begin(self, status: int, headers: HeaderPairs, framing: str) -> bytes:
        """Decide what becomes of the connection, and return the head."""
        if self.started:
            raise RuntimeError("the head of the answer has been sent")
        persistent = self._persistent()
        if not persistent:
            framing += "connection: close\r\n"
        elif self.request.version == "1.0":
            framing += "connection: keep-alive\r\n"
        head = encode_head(status, headers, framing)
        self.started = True
        self.keep_alive = persistent
        return head

    def _persistent(self) -> bool:
        if self._should_close or self._connection.closes:
            return False
        if self.ended:
            return True
        # a caller that waits for 100 may send the body after this answer, or not: nobody can tell what comes next
        section = self._section
        return not self._continue and not section.chunked and section.length - self._arrived <= DRAINED_BODY

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._connection.send(held)

    async def _drain(self) -> None:
        if self._connection.writing_paused:
            try:
                await self._connection.drain()
            except ConnectionError:
                _log.debug("the caller left before the end of an answer")
