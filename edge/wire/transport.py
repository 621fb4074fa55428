"""Where the engine meets asyncio: bytes to and from transports, one write in a turn, one timer for all deadlines."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from edge.wire.client import ClientConnection
from edge.wire.deadlines import Wheel
from edge.wire.sending import Link, Turn
from edge.wire.server import ServerConnection

WRITE_BUFFER = 64 * 1024
"""Bytes that may wait in a transport before the DATA of its connection waits in the queues."""

LARGE = 64 * 1024
"""From this size on pieces are written as they are; joining them would copy more than it spares."""

_FEW = 8
"""Up to so many pieces are not worth adding up: frames are 16 KB where the other side has not asked for more."""


class LoopTurn(Turn):
    """Writes at the end of the loop's turn.

    Args:
        loop: The event loop. None takes the one that runs when it is first needed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__()
        self._loop = loop

    def schedule(self) -> None:
        """Flush when everything that is ready has been read."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self.flush)


class LoopWheel(Wheel):
    """Advances by a timer of the loop.

    Args:
        loop: The event loop. None takes the one that runs when it is first needed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__()
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def sooner(self, deadline: float) -> None:
        """Move the timer."""
        if self._handle is not None:
            self._handle.cancel()
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_later(max(deadline - time.monotonic(), 0.0), self._fire)

    def _fire(self) -> None:
        self._handle = None
        self.advance(time.monotonic())
        self.rearm()

    def close(self) -> None:
        """Stop the timer."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class WireLink(Link):
    """The transport of a connection.

    Args:
        transport: The transport.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def write(self, pieces: list[bytes]) -> None:
        """Write pieces, in order."""
        transport = self.transport
        if len(pieces) == 1:
            transport.write(pieces[0])
            return
        if len(pieces) > _FEW and sum(map(len, pieces)) >= LARGE:
            transport.writelines(pieces)
            return
        transport.write(b"".join(pieces))

    def close(self) -> None:
        """Close when everything is written."""
        self.transport.close()


class WireProtocol(asyncio.Protocol):
    """An HTTP/2 connection of either role on a transport.

    Args:
        connection: The connection.
    """

    def __init__(self, connection: ServerConnection | ClientConnection) -> None:
        self.connection = connection
        self.transport: asyncio.Transport | None = None
        """The transport while the connection is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports are no subclass
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self.connection.link = WireLink(self.transport)
        self.connection.now = time.monotonic()
        self.connection.start()

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        self.connection.receive(data, time.monotonic())

    def pause_writing(self) -> None:
        """Let DATA wait in the queues."""
        self.connection.blocked = True

    def resume_writing(self) -> None:
        """Let DATA go."""
        self.connection.now = time.monotonic()
        self.connection.unblock()

    def eof_received(self) -> None:
        """The other side sends no more, which in HTTP/2 means that it is gone; the transport closes."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""
        self.connection.link = None
        self.transport = None
        self.connection.lost("the connection was closed" if exc is None else f"the connection broke: {exc}")
