"""The carrier of a gRPC endpoint on the wire engine: its connections, who waits for one, and the endpoint's state.

It makes as many connections as the upstream says and keeps them made. When their streams have run out it makes others
for a while. grpc.aio reaches the same endpoint by `channels`, for reflection and for calls that the core carries.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import grpc

from edge.model.endpoint import Endpoint, EndpointState
from edge.model.settings import Limits
from edge.model.upstreams import Upstream
from edge.tasks import Tasks
from edge.upstream.channels import Channels
from edge.upstream.grpc_dial import NotHttp2Error
from edge.upstream.grpc_line import Dialler, Line, LineState
from edge.upstream.http_dial import connect_words
from edge.wire.carrier import Carrier, Waiter
from edge.wire.client import ClientConnection
from edge.wire.sending import Rules, Turn

_log = logging.getLogger(__name__)

MAX_WAITING = 1024
"""The most calls that wait for a connection to one endpoint."""

MAX_EXTRA = 8
"""The most connections beyond the configured number, while all streams of those are taken."""

EXTRA_PAUSE = 1.0
"""Seconds until another one is tried after one of these could not be made."""

EARLY_STREAMS = 100
"""The most streams of a connection whose SETTINGS have not come: what servers should take (RFC 9113 section 6.5.2)."""

_UNUSED = "the endpoint is no longer used"


class GrpcEndpoint(Carrier):
    """How one gRPC endpoint is reached; its `carrier`.

    Args:
        upstream: How to connect.
        address: Host and port, or `unix:/path`.
        limits: The limits of the gateway.
        tls: What `tls_context` returned for the upstream with the protocol `h2`. None is for clear text.
        turn: Who writes.
        credentials: What `edge.upstream.channels.credentials` returned for the upstream, for `channels`.
    """

    def __init__(
        self,
        upstream: Upstream,
        address: str,
        limits: Limits,
        tls: ssl.SSLContext | None,
        turn: Turn,
        *,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.made = 0
        """How often a connection was made: after each time the endpoint may be another program."""
        self.early = 0
        """The streams a new connection may carry before the endpoint's SETTINGS have come. Nothing is sent early to one
        that was not reached before or could not be reached the last time: it may not speak HTTP/2 at all."""
        self.on_left: Callable[[], None] | None = None
        """Called when a connection takes no more calls, for who has streams on it that would keep it from ending."""
        self._dialler = Dialler(upstream, address, Rules(limits), tls, turn)
        self._lines = [Line(self._dialler, self) for _ in range(upstream.connection.connections_per_endpoint)]
        self._extras: list[Line] = []
        self._extra_after = 0.0
        self._only: ClientConnection | None = None
        self._live: list[ClientConnection] = []
        self._live_extras: list[ClientConnection] = []
        self._next = 0
        self._waiting: OrderedDict[Waiter, None] = OrderedDict()
        self._why = self._reason = "not reached yet"
        self._endpoint: Endpoint | None = None
        self._changed: Callable[[], None] | None = None
        self._tasks = Tasks()
        self._closed = False
        self._channels: Channels | None = None
        self._new_channels = partial(Channels, upstream, address, limits, credentials)

    # === for calls ===

    def connection(self) -> ClientConnection | None:
        """Return a connection with room for a stream, in turn, or None when it has to be waited for."""
        conn = self._only
        if conn is not None and len(conn.streams) < conn.peer_streams and not conn.leaving and not conn.ended:
            return conn
        live = self._live
        count = len(live)
        at = self._next
        for _ in range(count):
            at = at + 1 if at + 1 < count else 0
            if live[at].has_room():
                self._next = at
                return live[at]
        for conn in self._live_extras:
            if conn.has_room():
                return conn
        return None

    def wait(self, waiter: Waiter) -> None:
        """Tell `waiter` when there is a connection, or that there is none to be had. It may be told at once."""
        if self._closed:
            waiter.on_unreachable(_UNUSED)
            return
        self._begin()
        if self._hopeless():
            waiter.on_unreachable(self._why)
        elif len(self._waiting) >= MAX_WAITING:
            waiter.on_unreachable(f"{MAX_WAITING} calls wait for a connection already")
        else:
            self._waiting[waiter] = None
            self._mark(full=True)
            self._extend()

    def abandon(self, waiter: Waiter) -> None:
        """Do not tell it any more."""
        self._waiting.pop(waiter, None)

    # === for the cluster ===

    @property
    def channels(self) -> Channels:
        """The connections of grpc.aio, made at their first use. They say nothing of the endpoint's state."""
        if self._channels is None:
            self._channels = self._new_channels()
        return self._channels

    def watch(self, endpoint: Endpoint, changed: Callable[[], None], tasks: Tasks, *, connect: bool) -> None:
        """Keep the state of `endpoint` by its connections until `tasks` is closed.

        Args:
            endpoint: Whose carrier this is.
            changed: Called when the state or its reason is another, and when a connection was made.
            tasks: The owner of the tasks that keep connections made.
            connect: Whether to connect at once and not at the first call.
        """
        self._endpoint, self._changed, self._tasks = endpoint, changed, tasks
        if connect:
            self._begin()

    async def close(self) -> None:
        """Say goodbye on every connection and close it. Calls under way end."""
        self._closed = True
        await self._tasks.close()
        self._arrange()
        self._dismiss(_UNUSED)
        await self._dialler.close(_UNUSED)
        if self._channels is not None:
            await self._channels.close()

    # === what the lines say ===

    def opened(self, line: Line) -> None:
        """A connection is there and may carry calls, though the endpoint's SETTINGS have not come."""
        if self.early:
            self._arrange()
            self._offer(line)

    def up(self, line: Line) -> None:
        """The endpoint's first SETTINGS on a connection have come."""
        self.made += 1
        self._enter(EndpointState.ACTIVE, made=True)
        self._arrange()
        self._offer(line)

    def room(self, conn: ClientConnection) -> None:
        """There may be room for a stream, so for who waits longest."""
        waiting = self._waiting
        if conn.peer_settled:
            self.early = min(conn.peer_streams, EARLY_STREAMS)
        while waiting and conn.has_room():
            waiter, _ = waiting.popitem(last=False)
            waiter.on_connection(conn)
        if not waiting:
            self._mark(full=False)

    def left(self) -> None:
        """A connection takes no more calls."""
        self._arrange()
        if self.on_left is not None:
            self.on_left()

    def failed(self, line: Line, error: Exception) -> None:
        """An attempt did not work: take the endpoint out of the choice if nothing else leads to it."""
        words = connect_words(error)
        if isinstance(error, NotHttp2Error):
            self._why = self._reason = f"does not speak gRPC over HTTP/2: {words}"
        else:
            self._why = words
            self._reason = f"cannot be reached: {words}"
        if line in self._extras:
            self._extra_after = time.monotonic() + EXTRA_PAUSE
        else:
            self.early = 0
        self._judge()

    # === inside ===

    def _begin(self) -> None:
        for line in self._lines:
            if line.state is LineState.UNUSED:
                line.state = LineState.TRYING
                self._tasks.spawn(line.run(), name="connections of an endpoint")

    def _all(self) -> list[Line]:
        return [*self._lines, *self._extras]

    def _hopeless(self) -> bool:
        """Whether there is no connection and none in the making but after a failure."""
        return all(line.state is LineState.FAILED for line in self._all())

    def _arrange(self) -> None:
        """Find out which connections take calls."""
        self._live = [] if self._closed else _those_up(self._lines)
        self._live_extras = [] if self._closed else _those_up(self._extras)
        self._only = self._live[0] if len(self._live) == 1 else None
        if self._waiting:
            self._mark(full=True)

    def _mark(self, *, full: bool) -> None:
        """Ask the connections to tell when there is room, or not to."""
        for conn in (*self._live, *self._live_extras):
            conn.full = full

    def _offer(self, line: Line) -> None:
        if line.conn is not None:
            self.room(line.conn)
        if self._waiting:
            self._extend()

    def _extend(self) -> None:
        """Make another connection when all streams of those that are there are taken, one at a time."""
        if len(self._extras) >= MAX_EXTRA or time.monotonic() < self._extra_after or self._closed:
            return
        if all(line.state is not LineState.TRYING for line in self._all()) and self.connection() is None:
            line = Line(self._dialler, self)
            line.state = LineState.TRYING
            self._extras.append(line)
            self._tasks.spawn(self._run_extra(line), name="a further connection of an endpoint")

    async def _run_extra(self, line: Line) -> None:
        try:
            await line.run_once()
        finally:
            self._extras.remove(line)
            self._arrange()
        if self._waiting:
            self._extend()
        if self._hopeless():
            self._judge()

    def _judge(self) -> None:
        """An attempt has failed, or the last connection was lost: draw the conclusions."""
        if all(line.state is not LineState.UP for line in self._all()):
            self._enter(EndpointState.UNHEALTHY, self._reason)
        if self._hopeless():
            self._dismiss(self._why)

    def _dismiss(self, cause: str) -> None:
        waiting, self._waiting = self._waiting, OrderedDict()
        while waiting:
            waiter, _ = waiting.popitem(last=False)
            waiter.on_unreachable(cause)

    def _enter(self, state: EndpointState, reason: str = "", *, made: bool = False) -> None:
        """Change the endpoint's state, and tell when it or its reason is another or a connection was `made`."""
        endpoint = self._endpoint
        if endpoint is None:
            return
        before = endpoint.state
        if not (endpoint.enter(state, reason) or made):
            return
        if endpoint.state is EndpointState.UNHEALTHY is not before:
            _log.warning("endpoint %s: %s", endpoint.address, reason)
        if self._changed is not None:
            self._changed()


def _those_up(lines: list[Line]) -> list[ClientConnection]:
    conns = [line.conn for line in lines if line.conn is not None]
    return [conn for conn in conns if conn.link is not None and not conn.leaving and not conn.ended]


def channels_of(carrier: object) -> Channels | None:
    """Return grpc.aio's connections to the endpoint of a carrier, or None when it does not speak gRPC."""
    if isinstance(carrier, Channels):
        return carrier
    return carrier.channels if isinstance(carrier, GrpcEndpoint) else None
