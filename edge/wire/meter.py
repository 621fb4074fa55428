"""Counts the messages in DATA by their prefixes, without copying them (gRPC doc/PROTOCOL-HTTP2.md)."""

from __future__ import annotations


class Meter:
    """Follows the messages of one direction.

    Args:
        limit: The largest message, in bytes without its prefix.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.messages: int = 0
        """The messages that have begun since `take` last returned."""
        self.over: int = -1
        """The size of the message that was larger than the limit, or -1."""
        self.flags: int = 0
        """The flags of all messages so far, joined."""
        self.whole: bool = True
        """Whether the last message is whole."""
        self._left: int = 0
        self._prefix: bytes = b""

    def take(self, data: bytes) -> int:
        """Follow the next bytes; return how many of them belong to messages and not to prefixes."""
        at = 0
        end = len(data)
        inside = 0
        self.messages = 0
        while at < end:
            left = self._left
            if left:
                step = left if left <= end - at else end - at
                self._left = left - step
                inside += step
                at += step
                continue
            prefix = self._prefix
            if not prefix and end - at >= 5:
                self.flags |= data[at]
                size = int.from_bytes(data[at + 1 : at + 5], "big")
                at += 5
            else:
                step = 5 - len(prefix)
                prefix += data[at : at + step]
                at += step
                if len(prefix) < 5:
                    self._prefix = prefix
                    break
                self._prefix = b""
                self.flags |= prefix[0]
                size = int.from_bytes(prefix[1:5], "big")
            if size > self.limit:
                self.over = size
                break
            self.messages += 1
            self._left = size
        self.whole = not self._left and not self._prefix
        return inside
