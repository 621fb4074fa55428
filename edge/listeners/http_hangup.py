"""Callers that leave while nothing is read from them: reading would have shown it."""

from __future__ import annotations

import asyncio
import select
from typing import Final

HANGUP_CHECK: Final = 0.25
"""Seconds between looks at a connection that is not being read."""

_HANGUP: Final = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class HangupWatch:
    """Looks for the hang-up of one connection, and aborts its transport when there is one.

    Args:
        loop: The event loop.
    """

    __slots__ = ("_loop", "_waits")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waits = False

    def watch(self, transport: asyncio.Transport) -> None:
        """Look for as long as the transport is not read. A look that is waited for already is enough.

        A caller that is faster than whoever reads it is stopped a thousand times a second.
        """
        if not self._waits:
            self._waits = True
            self._loop.call_later(HANGUP_CHECK, self._look, transport)

    def _look(self, transport: asyncio.Transport) -> None:
        self._waits = False
        if transport.is_closing() or transport.is_reading():
            return
        poll = select.poll()
        poll.register(transport.get_extra_info("socket").fileno(), _HANGUP)
        if poll.poll(0):
            transport.abort()
        else:
            self.watch(transport)
