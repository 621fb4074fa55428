"""A timer for calls that go quiet: one handle for a whole call, moved only when it fires."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class IdleTimer:
    """Calls `expired` once when `touch` was not called for some time.

    Args:
        loop: The event loop.
        seconds: How long that is.
        expired: Called with `seconds`.
    """

    __slots__ = ("_expired", "_handle", "_last", "_loop", "_seconds")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, expired: Callable[[float], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._expired = expired
        self._last = loop.time()
        self._handle: asyncio.TimerHandle | None = loop.call_later(seconds, self._fire)

    def touch(self) -> None:
        """Start the time anew."""
        self._last = self._loop.time()

    def cancel(self) -> None:
        """End the timer."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        quiet = self._loop.time() - self._last
        if quiet >= self._seconds:
            self._handle = None
            self._expired(self._seconds)
        else:
            self._handle = self._loop.call_later(self._seconds - quiet, self._fire)
