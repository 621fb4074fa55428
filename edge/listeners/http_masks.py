"""Follows the frames of a WebSocket as far as to see that each is masked, which aiohttp's reader does not ask for."""

from __future__ import annotations

_MASKED = 0x80
_SHORTEST = 6  # the head of a frame: two bytes and the mask
_LONGEST = 14  # and eight bytes of length
_MORE = {126: 2, 127: 8}


class MaskCheck:
    """Looks at the bytes of a caller in the pieces in which they come (RFC 6455 sections 5.1 and 5.2).

    The mask keeps a page in a browser from writing what a proxy before us may take for HTTP (section 10.3).
    """

    __slots__ = ("_head", "_left")

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    def masked(self, data: bytes) -> bool:
        """Return whether all frames that begin in these bytes are masked. After False nothing more is to be asked."""
        at, end = 0, len(data)
        while True:
            step = min(self._left, end - at)
            self._left -= step
            at += step
            if at == end:
                return True
            known = len(self._head)
            head = self._head + data[at : at + _LONGEST - known]
            if len(head) > 1 and not head[1] & _MASKED:
                return False
            length = head[1] & 0x7F if len(head) > 1 else 0
            more = _MORE.get(length, 0)
            if len(head) < _SHORTEST + more:
                self._head = head
                return True
            at += _SHORTEST + more - known
            self._head = b""
            self._left = int.from_bytes(head[2 : 2 + more], "big") if more else length
