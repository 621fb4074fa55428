"""One HTTP/1.1 connection: aiohttp's `RequestHandler` with what it lacks.

That is refusals in JSON, a time limit for heads that come in drops, an end in order, and that callers are noticed who
leave while nothing is read from them. `_messages` and `_waiter` of aiohttp are private and have no public way.
"""

from __future__ import annotations

import asyncio
import logging
import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, InvalidURLError, LineTooLong

from edge.listeners.http_exchange import Http1Exchange
from edge.listeners.http_head import encode_head, error_body, peer_words
from edge.model.settings import Limits
from edge.tasks import Tasks

if TYPE_CHECKING:
    from edge.listeners.http_front import Front

_log = logging.getLogger(__name__)

HEAD_TIMEOUT = 10.0
"""Seconds from the first byte of a head to its last."""

KEEP_ALIVE = 75.0
"""Seconds a connection without a request stays open."""

LINGER = 2.0
"""Seconds for what is left at the end: of a body that nobody reads, so that the caller gets to read the answer, or of
an answer that is broken off and that its caller does not read."""

BODY_BUFFER = 64 * 1024
"""Half of the bytes of a body that wait to be read before the caller is stopped."""

MAX_HEADERS = 128
"""The most headers of a request."""

_HANGUP_CHECK = 0.25
"""Seconds between looks at a connection that is not being read."""

_HANGUP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class Connection(web.RequestHandler):
    """A connection of a `Front`."""

    __slots__ = (
        "_born",
        "_deaf",
        "_head_bytes",
        "_head_timeout",
        "_head_timer",
        "_leaving",
        "_limits",
        "_wire",
        "arrived",
        "exchange",
        "front",
        "peer",
    )

    def __init__(self, front: Front, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        idle = limits.max_connection_idle
        super().__init__(
            front,
            loop=loop,
            keepalive_timeout=KEEP_ALIVE if idle is None else min(KEEP_ALIVE, idle),
            access_log=None,  # type: ignore[arg-type] # aiohttp takes it for off
            max_line_size=limits.max_metadata_bytes,
            max_field_size=limits.max_metadata_bytes,
            max_headers=MAX_HEADERS,
            lingering_time=LINGER,
            read_bufsize=BODY_BUFFER,
            auto_decompress=False,
        )
        self.front = front
        self.peer: str = ""
        """The other side, in grpc's words."""
        self.arrived: float = 0.0
        """When bytes last came, by the monotonic clock."""
        self.exchange: Http1Exchange | None = None
        """The exchange under way."""
        self._limits = limits
        self._head_timeout = min(HEAD_TIMEOUT, limits.handshake_timeout)
        self._born = 0.0
        self._deaf: asyncio.Future[None] | None = None
        self._wire: asyncio.Transport | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._leaving: asyncio.TimerHandle | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the connection."""
        return self._loop

    @property
    def stall_timeout(self) -> float:
        """Seconds a caller may take for what is waited for."""
        return self._limits.stall_timeout

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
        self._wire = cast("asyncio.Transport", transport)
        self._born = self.arrived = time.monotonic()
        self.peer = peer_words(transport.get_extra_info("peername"))
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel what is under way."""
        self._head_arrived()
        self._wire = None
        if self._leaving is not None:
            self._leaving.cancel()
        if self._deaf is not None and not self._deaf.done():
            self._deaf.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        if self._deaf is not None:
            return
        self.arrived = time.monotonic()
        super().data_received(data)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            self._head_incomplete(len(data))
        elif self._head_timer is not None:
            self._head_arrived()
        transport = self.transport
        if transport is not None and not transport.is_reading():
            self._watch(transport)
        if self.exchange is not None and self._messages:
            self.look_behind()

    # === called by aiohttp ===

    def handle_error(  # type: ignore[override] # the exchange is the response
        self, request: object, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> Http1Exchange:
        """Answer a request that aiohttp could not parse, or a failure of the front itself."""
        assert isinstance(request, Http1Exchange)
        if status == 500 and exc is not None:
            _log.error("an HTTP exchange failed", exc_info=exc)
            request.refuse(500, "something unexpected went wrong in the gateway; its log says what")
            return request
        _log.debug("not HTTP/1.1 from %s: %s", self.peer, message)
        status, text = self._fault(exc, message or "")
        request.refuse(status, text)
        request.parting = True
        return request

    def log_exception(self, *args: object, **kw: object) -> None:
        """Write to the log what a caller did wrong; it is nobody's error here."""
        _log.debug("HTTP connection of %s: %s", self.peer, args, exc_info=kw.get("exc_info"))  # type: ignore[arg-type]

    # === called by the front ===

    async def drain(self) -> None:
        """Wait while the caller does not read, but not for ever.

        Raises:
            ConnectionError: the connection is lost, or the caller was given up.
        """
        if self.writing_paused:
            try:
                async with asyncio.timeout(self._limits.stall_timeout):
                    await self._drain_helper()
            except TimeoutError:
                self.cut()
                raise ConnectionAbortedError("the caller does not read") from None

    async def part(self) -> None:
        """End the connection of a caller that may still be sending.

        Closing with unread bytes resets the connection, and then the caller may never see the answer (RFC 9112 section
        9.6). So it is told the end, and what it sends is dropped for a while.
        """
        done = self._turn_deaf()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                await done

    def _turn_deaf(self) -> asyncio.Future[None]:
        self._deaf = self._loop.create_future()
        if self.transport is None or self.transport.is_closing():
            self._deaf.set_result(None)
        elif self.transport.can_write_eof():
            self.transport.write_eof()
        return self._deaf

    def look_behind(self) -> None:
        """Tell the exchange under way when its body is broken: aiohttp only queues a note of that behind it."""
        exchange = self.exchange
        if exchange is not None and self._messages and exchange.incomplete:
            exchange.break_framing("the body of the request is not framed as HTTP/1.1 asks for")

    def retire(self) -> None:
        """End the connection when there is nothing under way, a WebSocket with 1001."""
        exchange = self.exchange
        if exchange is None:
            if not self._messages:
                self.force_close()
        elif exchange.web_socket is not None:
            Tasks.detached(exchange.web_socket.close(1001, "the gateway is stopping"), name="WebSocket going away")

    def leave(self, seconds: float | None = None) -> None:
        """Close the connection when what was written is sent, and cut it when the caller does not take that in.

        Args:
            seconds: How long the caller may take. None is for `LINGER`.
        """
        wire = self._wire
        if wire is None:
            return
        if not wire.is_closing():
            wire.close()
        if wire.get_write_buffer_size() and self._leaving is None:
            self._leaving = self._loop.call_later(LINGER if seconds is None else seconds, self.cut)

    def force_close(self) -> None:
        """Close the connection, for aiohttp and for whoever ends it before a request."""
        if self._wire is not None and self._wire.is_closing():
            # a second `close` of asyncio's transport for TLS makes it useless: it cannot even be aborted any more
            self.transport = None
        super().force_close()
        self.leave(KEEP_ALIVE)  # the answer is whole, and a slow caller may still be reading it

    def cut(self) -> None:
        """End the connection, whatever is under way."""
        if self._wire is not None:
            self._wire.abort()

    # === heads that come in drops ===

    def _head_incomplete(self, size: int) -> None:
        if not size:
            return
        self._head_bytes += size
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(self._head_timeout, self._head_late)
        elif self._head_bytes > 2 * self._limits.max_metadata_bytes:
            # one line and all headers together; aiohttp bounds each of them only
            self._refuse_head(431, self._too_large())

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        self._head_bytes = 0

    def _head_late(self) -> None:
        self._head_timer = None
        self._refuse_head(408, f"the head of the request did not arrive within {self._head_timeout:g} seconds")

    def _refuse_head(self, status: int, message: str) -> None:
        self._head_arrived()
        if self.transport is not None:
            body = error_body(status, message)
            framing = f"content-length: {len(body)}\r\nconnection: close\r\n"
            self.transport.write(encode_head(status, [("content-type", "application/json")], framing) + body)
            self._turn_deaf()
            self._loop.call_later(LINGER, self.force_close)

    def _fault(self, error: BaseException | None, message: str) -> tuple[int, str]:
        if isinstance(error, LineTooLong):
            return 431, self._too_large()
        if message.startswith("Too many headers"):
            return 431, f"the request has more than {MAX_HEADERS} headers"
        if isinstance(error, BadHttpMethod) or "PRI/Upgrade" in message:
            return (
                400,
                "the request does not begin with a method that HTTP/1.1 knows; TLS and HTTP/2 are not spoken here",
            )
        if isinstance(error, InvalidURLError):
            return 400, "the request target is neither a path nor an http URL; other than ASCII it is percent-encoded"
        # the first line says what; the others show bytes
        first = message.partition("\n")[0].rstrip(":. ")
        return 400, f"the request is not HTTP/1.1: {first}" if first else "the request is not HTTP/1.1"

    def _too_large(self) -> str:
        limit = self._limits.max_metadata_bytes
        return f"the head of the request is larger than the {limit} bytes that server.limits.max_metadata_bytes allows"

    # === callers that leave while nothing is read ===

    def _watch(self, transport: asyncio.Transport) -> None:
        """Look for a hang-up for as long as back-pressure keeps the loop from reading, which would have shown it."""
        self._loop.call_later(_HANGUP_CHECK, self._look, transport)

    def _look(self, transport: asyncio.Transport) -> None:
        if transport.is_closing() or transport.is_reading():
            return
        poll = select.poll()
        poll.register(transport.get_extra_info("socket").fileno(), _HANGUP)
        if poll.poll(0):
            transport.abort()
        else:
            self._watch(transport)
