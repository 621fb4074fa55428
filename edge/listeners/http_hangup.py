"""Callers that leave while nothing is read from them: reading would have shown it."""

from __future__ import annotations

import asyncio
import select
from typing import Final

HANGUP_CHECK: Final = 0.25
"""Seconds between looks at a connection that is not being read."""

_HANGUP: Final = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


def watch_hangup(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
    """Look for a hang-up for as long as the transport is not read, and abort it when there is one."""
    loop.call_later(HANGUP_CHECK, _look, loop, transport)


def _look(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
    if transport.is_closing() or transport.is_reading():
        return
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), _HANGUP)
    if poll.poll(0):
        transport.abort()
    else:
        watch_hangup(loop, transport)
