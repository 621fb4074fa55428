"""One HTTP/1.1 connection: a protocol of asyncio over `RequestReader` and `Output`. One request at a time is answered.

It knows how long heads, idle callers and callers that do not read may take, stops callers whose bytes nobody takes, and
notices those that leave while nothing is read from them. It is no subclass of asyncio's class: mypyc compiles it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, cast

from mypy_extensions import mypyc_attr

from edge.listeners.http_exchange import Http1Exchange
from edge.listeners.http_fields import Section
from edge.listeners.http_hangup import HangupWatch
from edge.listeners.http_head import encode_head, error_body, peer_words
from edge.listeners.http_output import Output
from edge.listeners.http_reader import DONE, HEAD
from edge.model.call import TlsIdentity
from edge.model.http import HttpRequest
from edge.model.settings import Limits
from edge.tasks import Tasks

if TYPE_CHECKING:
    from edge.listeners.http_front import Front

_log = logging.getLogger(__name__)

HEAD_TIMEOUT = 10.0
"""Seconds from the first byte of a head to its last."""

KEEP_ALIVE = 75.0
"""Seconds a connection without a request stays open where `max_connection_idle` says nothing, and the most that a
caller may take for the rest of an answer on a connection that ends with it."""

LINGER = 2.0
"""Seconds for what is left at the end: of a body that nobody reads, so that the caller gets to read the answer, or of
an answer that is broken off and that its caller does not read."""

BODY_BUFFER = 128 * 1024
"""The bytes of a body that wait to be read before the caller is stopped."""

PIPELINE_BUFFER = 64 * 1024
"""The bytes of further requests that wait before the caller is stopped."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Connection(Output):
    """A connection of a `Front`.

    Args:
        front: Whose it is.
        limits: The limits of the gateway.
        loop: The event loop.
    """

    def __init__(self, front: Front, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limits, loop)
        self.front = front
        self.peer: str = ""
        """The other side, in grpc's words."""
        self.scheme: str = "http"
        """`http` or `https`."""
        self.tls: TlsIdentity | None = None
        """Who the caller is by its certificate, or None."""
        self.arrived: float = 0.0
        """When bytes last came, or it was the turn of those that waited, by the monotonic clock."""
        self.exchange: Http1Exchange | None = None
        """The exchange under way."""
        self._limits = limits
        self._head_timeout: float = min(HEAD_TIMEOUT, limits.handshake_timeout)
        idle = limits.max_connection_idle
        self._keep_alive: float = KEEP_ALIVE if idle is None else idle
        self._born = 0.0
        self._idle_since = 0.0
        self._deaf = False
        self._stopped = False
        self._hangup = HangupWatch(loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None

    @property
    def closes(self) -> bool:
        """Whether the connection is to end with the answer under way."""
        if self.front.draining:
            return True
        age = self._limits.max_connection_age
        return age is not None and time.monotonic() - self._born > age

    # === called by the loop ===

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new connection."""
        # uvloop's transports are no subclass
        self.transport = cast("asyncio.Transport", transport)
        self._born = self._idle_since = self.arrived = time.monotonic()
        self.peer = peer_words(transport.get_extra_info("peername"))
        self._idle_timer = self.loop.call_later(self._keep_alive, self._look_idle)
        self.front.connected(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel what is under way."""
        del exc
        self.transport = None
        self.stop()
        for timer in (self._head_timer, self._idle_timer, self._leaving):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._idle_timer = self._leaving = None
        self.wake_writers()
        exchange = self.exchange
        if exchange is not None:
            exchange.lose("the caller closed the connection")
            self.front.cancel(exchange)
        self.front.disconnected(self)

    def eof_received(self) -> bool:
        """The caller has closed: whoever leaves is not answered any more."""
        return False

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        if self._deaf:
            return
        self.arrived = time.monotonic()
        self.feed(data)
        if self.waiting:
            if self.state == HEAD:
                self._time_head()
                return
            self.regulate()
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    # === called by the reader ===

    def on_request(self, verb: str, target: str, version: str, host: str, section: Section, whole: bool) -> None:
        """Let the front answer."""
        headers = section.headers
        request = HttpRequest(
            verb,
            target,
            headers.pairs,
            host=host,
            peer=self.peer,
            scheme=self.scheme,
            version=version,
            tls=self.tls,
            started=self.arrived,
            kept=headers,
        )
        exchange = self.exchange = Http1Exchange(request, section, whole, self)
        self.front.run(exchange)

    def on_piece(self, piece: bytes) -> None:
        """A part of the body has come. When the answer was sent already nobody reads it."""
        exchange = self.exchange
        if exchange is not None:
            exchange.on_piece(piece)
            if exchange.held > BODY_BUFFER:
                self.regulate()

    def on_end(self) -> None:
        """The request is whole."""
        exchange = self.exchange
        if exchange is not None:
            exchange.on_end()
        else:
            self.next()

    def on_bad_head(self, status: int, message: str) -> None:
        """Refuse what is no request, and end the connection."""
        _log.debug("not HTTP/1.1 from %s: %s", self.peer, message)
        body = error_body(status, message)
        framing = f"content-length: {len(body)}\r\nconnection: close\r\n"
        self.send(encode_head(status, (("content-type", "application/json"),), framing) + body)
        self.part()

    def on_bad_body(self, message: str) -> None:
        """Tell whoever reads the body, or end the connection when nobody does."""
        exchange = self.exchange
        if exchange is not None:
            exchange.break_body(message)
        else:
            self.part()

    def too_large(self) -> str:
        """Return what is said of a head that is too large."""
        limit = self._limits.max_metadata_bytes
        return f"the head of the request is larger than the {limit} bytes that server.limits.max_metadata_bytes allows"

    # === called by exchange and front ===

    def regulate(self) -> None:
        """Stop the caller, or let it send again."""
        exchange = self.exchange
        full = (exchange is not None and exchange.held > BODY_BUFFER) or (
            self.state == DONE and len(self.waiting) > PIPELINE_BUFFER
        )
        transport = self.transport
        if full == self._stopped or transport is None or transport.is_closing():
            return
        self._stopped = full
        if full:
            transport.pause_reading()
            self._hangup.watch(transport)
        else:
            transport.resume_reading()

    def answered(self, exchange: Http1Exchange) -> None:
        """Go on after an answer: with the next request, or to the end."""
        self.exchange = None
        if exchange.web_socket is not None:
            exchange.web_socket.end()
        elif self.transport is not None:
            if not exchange.keep_alive or exchange.broken or self.front.draining:
                if exchange.ended and not exchange.broken and not self._stopped:
                    self.force_close()
                else:
                    self.part()
                return
            self._idle_since = time.monotonic()
            if self.state == DONE:
                if self.waiting:
                    self.arrived = self._idle_since  # it was not its turn before
                self.next()
                if self.waiting and self.state == HEAD:
                    self._time_head()
            if self._stopped:
                self.regulate()

    def retire(self) -> None:
        """End the connection when there is nothing under way, a WebSocket with 1001.

        A head that has begun to come is waited for: its request is the last.
        """
        exchange = self.exchange
        if exchange is None:
            if self.state != HEAD:
                self.part()  # a body that nobody reads is still coming, and its answer may not be there yet
            elif not self.waiting:
                self.force_close()
        elif exchange.web_socket is not None:
            Tasks.detached(exchange.web_socket.close(1001, "the gateway is stopping"), name="WebSocket going away")

    def part(self) -> None:
        """End the connection of a caller that may still be sending.

        Closing with unread bytes resets the connection, and then the caller may never see the answer (RFC 9112 section
        9.6). So it is told the end, and what it sends is dropped for a while.
        """
        transport = self.transport
        if transport is None or self._deaf:
            return
        self._deaf = True
        self.stop()
        if transport.is_closing():
            return
        if self._stopped:
            transport.resume_reading()
            self._stopped = False
        if transport.can_write_eof():
            transport.write_eof()
        self._leaving = self.loop.call_later(LINGER, self.force_close)

    def leave(self, seconds: float | None = None) -> None:
        """Close the connection when what was written is sent, and cut it when the caller does not take that in.

        Args:
            seconds: How long the caller may take. None is for `LINGER`.
        """
        transport = self.transport
        if transport is None:
            return
        if not transport.is_closing():
            # a second `close` of asyncio's transport for TLS makes it useless: it cannot even be aborted any more
            transport.close()
        if transport.get_write_buffer_size() and (self._leaving is None or self._leaving.cancelled()):
            self._leaving = self.loop.call_later(LINGER if seconds is None else seconds, self.cut)

    def force_close(self) -> None:
        """Close the connection. The answer is whole, and a slow caller may still be reading it."""
        self._leaving = None
        self.leave(KEEP_ALIVE)

    def end_idle(self) -> None:
        """Close the connection, which was without a request for long enough."""
        self.force_close()

    # === time ===

    def _time_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._head_timeout, self._head_late)

    def _head_late(self) -> None:
        self._head_timer = None
        self.stop()
        self.on_bad_head(408, f"the head of the request did not arrive within {self._head_timeout:g} seconds")

    def _look_idle(self) -> None:
        due = self._idle_since + self._keep_alive
        now = time.monotonic()
        if self.exchange is None and self._head_timer is None:
            # timers may fire a little early
            if now >= due - 0.01:
                self._idle_timer = None
                self.end_idle()
                return
        else:
            due = now + self._keep_alive
        self._idle_timer = self.loop.call_later(due - now, self._look_idle)
