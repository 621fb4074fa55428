"""HTTP/2 connections of callers, with the limits that need a clock: handshake, idleness, age, callers that stall."""

from __future__ import annotations

import asyncio
import random
import time

from edge.listeners.guests import LINGER, SWEEP, Guest, Stage
from edge.listeners.unread import unread
from edge.model.counters import Protections
from edge.model.settings import Limits
from edge.wire.frames import NO_ERROR, Http2Error
from edge.wire.server import ServerConnection
from edge.wire.transport import WireProtocol

SETTLE = 1.0
"""Seconds a caller has to answer the PING that says that it has read GOAWAY, before that is taken as read."""

_LOOK = 5.0
"""Seconds between two looks when nothing asks for an earlier one: how late an end that hangs is seen."""

_NEVER = float("inf")


def age_limit(limits: Limits, born: float) -> float:
    """Return when a connection is too old, by the monotonic clock.

    Give or take 10 %: connections that were made at once must not all be made again at once.
    """
    age = limits.max_connection_age
    return _NEVER if age is None else born + age * random.uniform(0.9, 1.1)


class CallerProtocol(WireProtocol):
    """An HTTP/2 connection on a transport, whose stalls and end are told.

    Args:
        connection: The connection.
        guest: Whose it is.
    """

    def __init__(self, connection: ServerConnection, guest: Guest) -> None:
        super().__init__(connection)
        self.blocked_since: float = 0.0
        """Since when the caller has read nothing, by the monotonic clock. 0 while the transport takes what there is."""
        self.left: int = 0
        """The bytes that were still on their way at that time."""
        self._guest = guest

    def pause_writing(self) -> None:
        """Note that the caller does not read."""
        super().pause_writing()
        if self.transport is not None:
            self.blocked_since = self._guest.check = time.monotonic()
            self.left = unread(self.transport)

    def resume_writing(self) -> None:
        """Note that the caller reads."""
        self.blocked_since = 0.0
        super().resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the end."""
        super().connection_lost(exc)
        self._guest.end()


class Http2Stage(Stage):
    """What time asks of an HTTP/2 connection.

    Args:
        guest: Whose it is.
        connection: The connection.
        limits: The limits of the gateway.
        protections: Where acts against callers are counted.
        transport: The transport.
    """

    def __init__(
        self,
        guest: Guest,
        connection: ServerConnection,
        limits: Limits,
        protections: Protections,
        transport: asyncio.Transport,
    ) -> None:
        self.connection = connection
        self._protocol = CallerProtocol(connection, guest)
        self._guest = guest
        self._limits = limits
        self._protections = protections
        self._transport = transport
        self._idle_from = guest.born
        self._age_at = age_limit(limits, guest.born)
        self._settle_at = _NEVER
        self._cut_at = _NEVER
        self._abort_at = _NEVER

    def begin(self, data: bytes) -> None:
        """Take the transport over, with the bytes that have come."""
        self._transport.set_protocol(self._protocol)
        self._protocol.connection_made(self._transport)
        if data:
            self._protocol.data_received(data)

    def look(self, now: float) -> float:
        """See to the limits."""
        connection = self.connection
        if connection.ended:
            return self._look_ended(now)
        if not connection.peer_settled or (connection.block_stream and not connection.total):
            late = self._guest.born + self._limits.handshake_timeout
            if now >= late:
                self._act("handshake_timeout", "it sent no SETTINGS or no whole first request", "handshake_timeout")
                self.cut(now)
                return now + SWEEP
            return min(late, self._next(now))
        if self._protocol.blocked_since and self._stalled(now):
            self._act("slow_reader", "it did not read what was sent to it", "stall_timeout")
            self._transport.abort()
            return now + _LOOK
        if now >= self._cut_at:
            self.cut(now)
            return now + SWEEP
        if connection.draining:
            if now >= self._settle_at:
                self._settle_at = _NEVER
                connection.settle_drain()
        else:
            self._look_at_age(now)
        return self._next(now)

    def drain(self, now: float) -> None:
        """Send GOAWAY. The connection ends when its streams have."""
        self.connection.drain()
        self._settle_at = now + SETTLE
        if not self.connection.peer_settled:
            self.connection.settle_drain()

    def cut(self, now: float) -> None:
        """End the streams that are left, and the connection."""
        self.connection.fail(Http2Error(NO_ERROR, "the time for the calls under way is over"))
        self._abort_at = min(self._abort_at, now + LINGER)

    def _look_ended(self, now: float) -> float:
        # the transport closes when the caller has read what is left
        self._abort_at = min(self._abort_at, now + self._limits.stall_timeout)
        if now >= self._abort_at:
            self._transport.abort()
            return now + _LOOK
        return self._abort_at

    def _look_at_age(self, now: float) -> None:
        connection = self.connection
        if connection.streams:
            self._idle_from = now
        elif connection.idle_since > self._idle_from:
            self._idle_from = connection.idle_since
        if now >= self._age_at:
            self._retire(now, "connection_age", "it is old enough", "max_connection_age")
        elif now >= self._idle_at():
            self._retire(now, "idle_timeout", "it had no call", "max_connection_idle")

    def _idle_at(self) -> float:
        idle = self._limits.max_connection_idle
        return _NEVER if idle is None else self._idle_from + idle

    def _retire(self, now: float, protection: str, words: str, limit: str) -> None:
        self._act(protection, words, limit)
        self._cut_at = now + self._limits.connection_grace
        self.drain(now)

    def _stalled(self, now: float) -> bool:
        """Whether the caller has not read a byte for too long."""
        protocol = self._protocol
        left = unread(self._transport)
        if left < protocol.left:
            protocol.left = left
            protocol.blocked_since = now
        return now - protocol.blocked_since >= self._limits.stall_timeout

    def _next(self, now: float) -> float:
        soonest = min(now + _LOOK, self._cut_at, self._settle_at)
        if self._protocol.blocked_since:
            soonest = min(soonest, self._protocol.blocked_since + self._limits.stall_timeout)
        if not self.connection.draining:
            soonest = min(soonest, self._age_at, self._idle_at())
            if self._limits.max_connection_idle is not None:
                # whether there are streams is only known when one looks
                soonest = min(soonest, now + self._limits.max_connection_idle / 10)
        return soonest

    def _act(self, protection: str, words: str, limit: str) -> None:
        self._protections.act(
            protection, self._guest.peer, f"an HTTP/2 connection was ended: {words} (server.limits.{limit})"
        )
