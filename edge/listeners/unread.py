"""How much of what was sent the other side has not taken in."""

from __future__ import annotations

import asyncio
import struct
import sys

if sys.platform != "win32":
    import fcntl
    import termios

_OUT = struct.Struct("i")
_NONE = bytes(_OUT.size)


def unread(transport: asyncio.Transport) -> int:
    """Return the bytes that were sent and that the other side has not acknowledged.

    Those in the kernel count: it takes megabytes, and takes more only when much of that is gone. Without them, whoever
    reads slowly would look for a long time like one that does not read at all.
    """
    left = transport.get_write_buffer_size()
    if sys.platform == "win32":
        return left
    try:
        answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, _NONE)
    except (OSError, AttributeError, ValueError):
        return left  # the socket is gone
    waiting: int = _OUT.unpack(answer)[0]
    return left + waiting
