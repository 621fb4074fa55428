"""HTTP/1.1 connections of callers on a port for everything: with the caller a PROXY header told of, TLS and age."""

from __future__ import annotations

import asyncio
from typing import cast

from edge.listeners.guests import LINGER, SWEEP, Guest, Stage
from edge.listeners.http_connection import Connection
from edge.listeners.http_front import Front
from edge.listeners.http_head import encode_head, error_body
from edge.listeners.port_http2 import age_limit
from edge.model.call import TlsIdentity
from edge.model.counters import Protections
from edge.model.http import HttpHandler
from edge.model.settings import Limits
from edge.tasks import Tasks


class CallerConnection(Connection):
    """A connection of a `CallerFront`.

    Args:
        front: Whose it is.
        limits: The limits of the gateway.
        loop: The event loop.
        guest: Whose it is.
        tls: Who the caller is by its certificate, or None.
        scheme: `http` or `https`.
    """

    def __init__(
        self,
        front: CallerFront,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        guest: Guest,
        *,
        tls: TlsIdentity | None,
        scheme: str,
    ) -> None:
        super().__init__(front, limits, loop)
        self.tls = tls
        self.scheme = scheme
        self.old: bool = False
        """Whether it is to end as soon as it can."""
        self._guest = guest
        self._protections = front.protections

    @property
    def closes(self) -> bool:
        """Whether the connection is to end with the answer under way."""
        return self.old or self.front.draining

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport over."""
        super().connection_made(transport)
        self.peer = self._guest.peer

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the end."""
        super().connection_lost(exc)
        self._guest.end()

    async def drain(self) -> None:
        """Wait while the caller does not read, but not for ever.

        Raises:
            ConnectionError: the connection is lost, or the caller was given up.
        """
        try:
            await super().drain()
        except ConnectionAbortedError:
            self._protections.act(
                "slow_reader",
                self.peer,
                "an HTTP/1.1 connection was ended: it did not read what was sent to it (server.limits.stall_timeout)",
            )
            raise

    def on_bad_head(self, status: int, message: str) -> None:
        """Refuse what is no request, and end the connection."""
        if status == 431:
            self._protections.act("header_count" if "max_headers" in message else "header_list", self.peer, message)
        super().on_bad_head(status, message)

    def end_idle(self) -> None:
        """Close the connection, which was without a request for long enough."""
        if self._limits.max_connection_idle is not None:
            self._protections.act(
                "idle_timeout",
                self.peer,
                "an HTTP/1.1 connection was ended: it had no call (server.limits.max_connection_idle)",
            )
        super().end_idle()

    def _head_late(self) -> None:
        self._protections.act(
            "handshake_timeout",
            self.peer,
            "an HTTP/1.1 connection was ended: it sent no whole head (server.limits.handshake_timeout)",
        )
        super()._head_late()

    def age(self) -> None:
        """End the connection when there is nothing under way, a WebSocket with 1001. Otherwise with the next answer."""
        self.old = True
        exchange = self.exchange
        if exchange is None:
            self.retire()
        elif exchange.web_socket is not None:
            Tasks.detached(exchange.web_socket.close(1001, "the connection is old"), name="WebSocket of old age")


class CallerFront(Front):
    """The HTTP/1.1 connections of a listener.

    Args:
        handler: Who answers.
        limits: The limits of the gateway.
        protections: Where acts against callers are counted.
    """

    def __init__(self, handler: HttpHandler, limits: Limits, protections: Protections) -> None:
        super().__init__(handler, limits)
        self.protections = protections

    def connect(self, guest: Guest, *, tls: TlsIdentity | None, scheme: str) -> CallerConnection:
        """Make the protocol of a connection."""
        return CallerConnection(self, self.limits, self.loop, guest, tls=tls, scheme=scheme)


class Http1Stage(Stage):
    """What time asks of an HTTP/1.1 connection; what it asks of requests, the connection sees to itself.

    Args:
        guest: Whose it is.
        connection: The connection.
        limits: The limits of the gateway.
        protections: Where acts against callers are counted.
    """

    def __init__(self, guest: Guest, connection: CallerConnection, limits: Limits, protections: Protections) -> None:
        self._guest = guest
        self._connection = connection
        self._grace = limits.connection_grace
        self._protections = protections
        self._age_at = age_limit(limits, guest.born)

    def begin(self, transport: asyncio.Transport, data: bytes) -> None:
        """Take the transport over, with the bytes that have come."""
        transport.set_protocol(cast("asyncio.BaseProtocol", self._connection))
        self._connection.connection_made(transport)
        if data:
            self._connection.data_received(data)

    def look(self, now: float) -> float:
        """See to the age."""
        if now < self._age_at:
            return self._age_at
        if not self._connection.old:
            self._protections.act(
                "connection_age",
                self._guest.peer,
                "an HTTP/1.1 connection was ended: it is old enough (server.limits.max_connection_age)",
            )
        if now >= self._age_at + self._grace:
            self._connection.cut()
        else:
            # again and again: the answer under way may have said that the connection stays
            self._connection.age()
        return now + SWEEP

    def drain(self, now: float) -> None:
        """Do nothing: the front drains all its connections."""

    def cut(self, now: float) -> None:
        """End it now."""
        del now
        self._connection.cut()


class GrpcOnly(asyncio.Protocol, Stage):
    """Tells a caller of HTTP/1.1 that a port is for gRPC.

    Args:
        guest: The caller.
        transport: The transport.
        name: The name of the listener.
    """

    def __init__(self, guest: Guest, transport: asyncio.Transport, name: str) -> None:
        self._guest = guest
        self._transport = transport
        self._name = name
        self._abort_at = 0.0

    def begin(self) -> None:
        """Answer (RFC 9110 section 15.6.6). What the caller still sends is dropped, so that it gets to read that."""
        body = error_body(
            505, f"the listener {self._name} takes gRPC over HTTP/2 only (server.listeners.protocol is GRPC)"
        )
        framing = f"content-length: {len(body)}\r\nconnection: close\r\n"
        self._transport.set_protocol(self)
        self._transport.write(encode_head(505, [("content-type", "application/json")], framing) + body)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def close(self) -> None:
        """Close the connection without an answer, to whoever does not speak HTTP at all."""
        self._transport.set_protocol(self)
        self._transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the end."""
        del exc
        self._guest.end()

    def look(self, now: float) -> float:
        """Wait no longer than a caller takes to read."""
        if not self._abort_at:
            self._abort_at = now + LINGER
        elif now >= self._abort_at:
            self._transport.abort()
            return now + LINGER
        return self._abort_at

    def drain(self, now: float) -> None:
        """Do nothing: it ends soon."""

    def cut(self, now: float) -> None:
        """End it now."""
        del now
        self._transport.abort()
