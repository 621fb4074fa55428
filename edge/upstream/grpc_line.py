"""One wanted connection to a gRPC endpoint: made, watched, and made again when it is gone."""

from __future__ import annotations

import asyncio
import enum
import random
import ssl
import time
from typing import Protocol

from edge.model.upstreams import Upstream
from edge.upstream.grpc_dial import NotHttp2Error, authority_of, dial
from edge.upstream.grpc_protocol import EndpointProtocol
from edge.wire.client import ClientConnection, Owner
from edge.wire.sending import Rules, Turn

FIRST_BACKOFF = 0.1
"""Seconds between the beginnings of two attempts, before the pauses grow."""

EXTRA_IDLE = 60.0
"""Seconds without a call after which a connection beyond the configured number is closed."""

GOODBYE_SECONDS = 1.0
"""How long a connection that is closed may take to write what is left."""

LOOKS = 12
"""How often within these it is looked whether there is a call."""


class LineState(enum.Enum):
    """How far a wanted connection is."""

    UNUSED = "not wanted yet"
    TRYING = "in the making, for the first time or after it was lost"
    UP = "settled"
    FAILED = "not to be had; attempts go on"


class LineKeeper(Protocol):
    """Who wants the connection."""

    early: int
    """The streams that a new connection may carry before the endpoint's SETTINGS have come."""

    def opened(self, line: Line) -> None:
        """The connection is there and may carry calls, though the endpoint's SETTINGS have not come."""

    def up(self, line: Line) -> None:
        """The endpoint's first SETTINGS have come."""

    def room(self, conn: ClientConnection) -> None:
        """There may be room for a stream."""

    def left(self) -> None:
        """The connection takes no more calls."""

    def failed(self, line: Line, error: Exception) -> None:
        """An attempt did not work."""


class Dialler:
    """What all connections of an endpoint have in common.

    Args:
        upstream: How to connect.
        address: Host and port, or `unix:/path`.
        rules: The limits of a connection.
        tls: What `tls_context` returned for the upstream with the protocol `h2`.
        turn: Who writes.
    """

    def __init__(self, upstream: Upstream, address: str, rules: Rules, tls: ssl.SSLContext | None, turn: Turn) -> None:
        self.upstream = upstream
        self.settings = upstream.connection
        self.open: set[EndpointProtocol] = set()
        """The connections that are open, whether they take calls or not."""
        self._address = address
        self._rules = rules
        self._tls = tls
        self._turn = turn
        self._prefix = (
            (":method", "POST"),
            (":scheme", "http" if tls is None else "https"),
            (":authority", authority_of(upstream, address)),
        )

    def make(self, owner: Owner, early: int) -> EndpointProtocol:
        """Make what will be a connection that carries `early` streams before the endpoint's SETTINGS come."""
        conn = ClientConnection(self._rules, self._turn, owner, self._prefix)
        conn.peer_streams = early
        return EndpointProtocol(conn, self.settings, self.open, alpn=self._tls is not None)

    async def connect(self, protocol: EndpointProtocol) -> None:
        """Connect it.

        Raises:
            OSError: it does not work; `connect_words` says why.
            ValueError: the host's name is none.
        """
        await dial(self.upstream, self._address, self._tls, lambda: protocol)

    async def close(self, words: str) -> None:
        """Say goodbye on every connection and close it; one that cannot write what is left is cut off.

        Args:
            words: Why the calls end that are under way.
        """
        gone = [protocol.finish(words) for protocol in tuple(self.open)]
        if gone:
            _, late = await asyncio.wait(gone, timeout=GOODBYE_SECONDS)
            for protocol in tuple(self.open):
                protocol.drop(words)
            if late:
                await asyncio.wait(late, timeout=GOODBYE_SECONDS)


class Line(Owner):
    """A wanted connection.

    Args:
        dialler: Makes it.
        keeper: Who wants it.
    """

    def __init__(self, dialler: Dialler, keeper: LineKeeper) -> None:
        self.state = LineState.UNUSED
        self.conn: ClientConnection | None = None
        """The connection while it takes calls, or may soon."""
        self._dialler = dialler
        self._keeper = keeper
        self._decided = asyncio.Event()
        self._left = asyncio.Event()

    async def run(self) -> None:
        """Keep the connection made.

        After one was lost the next attempt is made at once, after one that failed in growing pauses. Two attempts are
        never closer than the first pause, so that an endpoint that ends its connections at once is not hammered.
        """
        longest = max(self._dialler.settings.max_backoff, FIRST_BACKOFF)
        backoff = FIRST_BACKOFF
        while True:
            began = time.monotonic()
            try:
                await self._connect()
            except (OSError, ValueError) as error:
                self._fail(error)
                # within the bounds of the setting, and not all gateways in the same moment
                pause, backoff = backoff * random.uniform(0.8, 1.0), min(backoff * 2, longest)
                await asyncio.sleep(pause)
                continue
            backoff = FIRST_BACKOFF
            await self._age()
            await asyncio.sleep(max(began + FIRST_BACKOFF - time.monotonic(), 0.0))

    async def _age(self) -> None:
        """Wait until the connection takes no more calls, which it does not once it is too old."""
        age = self._dialler.settings.max_age
        try:
            # not all connections of all gateways in the same moment
            async with asyncio.timeout(None if age is None else age * random.uniform(0.9, 1.1)):
                await self._left.wait()
        except TimeoutError:
            if (conn := self.conn) is not None:
                conn.retire()
            await self._left.wait()

    async def run_once(self) -> None:
        """Make the connection once and close it when it has been idle for long."""
        try:
            await self._connect()
        except (OSError, ValueError) as error:
            self._fail(error)
            return
        looks = 0
        while (conn := self.conn) is not None:
            looks = 0 if conn.streams else looks + 1
            if looks > LOOKS:
                conn.retire()
                return
            try:
                async with asyncio.timeout(EXTRA_IDLE / LOOKS):
                    await self._left.wait()
            except TimeoutError:
                continue

    async def _connect(self) -> None:
        """Connect and wait for the endpoint's first SETTINGS."""
        self._decided.clear()
        self._left.clear()
        if self.state is LineState.UNUSED:
            self.state = LineState.TRYING
        seconds = self._dialler.settings.connect_timeout
        protocol = self._dialler.make(self, self._keeper.early)
        conn = self.conn = protocol.client
        lacking = "connection"
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                await self._dialler.connect(protocol)
                lacking = "SETTINGS of HTTP/2"
                if not self._decided.is_set():
                    self._keeper.opened(self)
                await self._decided.wait()
        except TimeoutError:
            if not limit.expired():
                raise  # the system's own, which says why
            if not conn.peer_settled:
                words = f"no {lacking} within {seconds:g} s"
                protocol.drop(words)
                raise TimeoutError(words) from None
        finally:
            if not conn.peer_settled:
                self.conn = None
        if not conn.peer_settled:
            raise protocol.problem or NotHttp2Error("its first frame breaks the rules")

    def _fail(self, error: Exception) -> None:
        self.state = LineState.FAILED
        self._keeper.failed(self, error)

    # === what the connection says ===

    def on_settled(self, conn: ClientConnection) -> None:
        """The endpoint's SETTINGS have come, the first or others."""
        if conn is not self.conn:
            return
        if self._decided.is_set():
            self._keeper.room(conn)
            return
        self.state = LineState.UP
        self._decided.set()
        self._keeper.up(self)

    def on_room(self, conn: ClientConnection) -> None:
        """A stream has ended on a connection that was full."""
        self._keeper.room(conn)

    def on_leaving(self, conn: ClientConnection) -> None:
        """The connection takes no more calls."""
        if conn is not self.conn:
            return
        self.conn = None
        self._decided.set()
        self._left.set()
        if self.state is LineState.UP:
            self.state = LineState.TRYING
        self._keeper.left()
