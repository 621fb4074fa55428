"""One connection to an HTTP endpoint: bytes out and in, with back-pressure both ways."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import cast

_HIGH = 256 * 1024
"""The bytes that are read ahead; then the endpoint has to wait."""


class ConnectionLostError(ConnectionError):
    """The connection is closed."""


class HttpConnection(asyncio.Protocol):
    """One connection. One request uses it at a time.

    Args:
        lost: Called once it is closed.
    """

    __slots__ = (
        "_chunks",
        "_closed",
        "_drained",
        "_held",
        "_lost",
        "_on_lost",
        "_paused",
        "_size",
        "_transport",
        "_waiter",
        "ended",
        "ends_at",
        "idle_until",
    )

    def __init__(self, lost: Callable[[HttpConnection], None]) -> None:
        self.ended = False
        """Whether the endpoint has ended what it says in order; a reset or our own `abort` is no such end."""
        self.idle_until = 0.0
        """When it is closed unless it is used, by the monotonic clock."""
        self.ends_at = float("inf")
        """When it may no longer be kept for another request, by the monotonic clock."""
        self._on_lost = lost
        self._transport: asyncio.Transport | None = None
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._closed = False
        self._lost: BaseException | None = None
        self._held = False
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what came until it is read."""
        self._chunks.append(data)
        self._size += len(data)
        if self._size > _HIGH and not self._held and self._transport is not None:
            self._held = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Take the end of what the endpoint says; the transport then closes by itself."""
        self._closed = True
        self.ended = self._transport is None or _ended_by_peer(self._transport)
        self._wake()

    def connection_lost(self, error: BaseException | None) -> None:
        """Wake whoever reads or writes."""
        self._closed = True
        self._lost = error or ConnectionLostError("the connection was closed")
        self._wake()
        self.resume_writing()
        self._on_lost(self)

    @property
    def trouble(self) -> BaseException | None:
        """Why it was lost, when it was not closed in order."""
        return None if isinstance(self._lost, ConnectionLostError) else self._lost

    def pause_writing(self) -> None:
        """Let writers wait."""
        self._paused = True

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._paused = False
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def fresh(self, now: float) -> bool:
        """Whether an idle connection can carry a request: it is open, and nothing came unasked."""
        return not (self._closed or self._chunks) and now < self.idle_until

    def keep(self, seconds: float) -> None:
        """Let it be idle for so long."""
        self.idle_until = min(time.monotonic() + seconds, self.ends_at)

    async def read(self) -> bytes:
        """Return what has come, waiting for it, or nothing at the end."""
        if not self._chunks:
            if self._closed:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if len(self._chunks) > 1:
            data = b"".join(self._chunks)
            self._chunks.clear()
        else:
            data = self._chunks.popleft() if self._chunks else b""
        self._size = 0
        if self._held and self._transport is not None and not self._transport.is_closing():
            self._held = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes, and wait while the endpoint does not read.

        Raises:
            ConnectionLostError: the connection is closed.
        """
        transport = self._transport
        if transport is None or self._lost is not None or transport.is_closing():
            raise ConnectionLostError("the connection was closed")
        transport.write(data)
        if self._paused:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._closed = True
        self._chunks.clear()
        if self._transport is not None:
            self._transport.abort()
        self._wake()


def _ended_by_peer(transport: asyncio.Transport) -> bool:
    """Whether the end of a connection is the endpoint's own word: over TLS its closure alert, which none can forge."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return not tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False  # it would wait for more
