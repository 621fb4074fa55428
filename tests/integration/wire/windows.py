"""The flow-control windows of both sides of a connection as a client must see them (RFC 9113 5.2, 6.9)."""

from __future__ import annotations

from tests.integration.wire.frames_client import LARGEST

DEFAULT = 65535


class Windows:
    """What the server may still send, and what we may.

    A change of INITIAL_WINDOW_SIZE takes effect with its acknowledgement, but a server may use a larger one before we
    read that; so growth counts when it is offered and shrinking when it is accepted.
    """

    def __init__(self) -> None:
        self._initial = DEFAULT
        self._offers: list[int] = []
        self._ours = DEFAULT
        self._used: dict[int, int] = {}
        self._theirs_initial = DEFAULT
        self._theirs = DEFAULT
        self._sent: dict[int, int] = {}

    def offered(self, initial: int | None) -> None:
        """Note an INITIAL_WINDOW_SIZE that we sent."""
        if initial is not None:
            self._offers.append(initial)
            self._initial = max(self._initial, initial)

    def accepted(self, initial: int | None) -> None:
        """Note that the server acknowledged it."""
        if initial is not None:
            self._offers.remove(initial)
            self._initial = max([initial, *self._offers])

    def granted(self, stream: int, increment: int) -> None:
        """Note a WINDOW_UPDATE that we sent."""
        if stream:
            self._used[stream] = self._used.get(stream, 0) - increment
        else:
            self._ours += increment

    def received(self, stream: int, octets: int) -> str:
        """Note DATA of the server; return what was wrong with it, empty when nothing."""
        before = self._used.get(stream, 0)
        self._used[stream] = before + octets
        self._ours -= octets
        if octets and self._ours < 0:
            return f"DATA beyond the window of the connection by {-self._ours} octets (9113 6.9.1)"
        if octets and self._used[stream] > self._initial:
            over = self._used[stream] - self._initial
            return f"DATA beyond the window of stream {stream} by {over} octets (9113 6.9.1)"
        return ""

    def told(self, initial: int | None) -> None:
        """Note the INITIAL_WINDOW_SIZE of the server."""
        if initial is not None:
            self._theirs_initial = initial

    def given(self, stream: int, increment: int) -> str:
        """Note a WINDOW_UPDATE of the server; return what was wrong with it, empty when nothing."""
        if not increment:
            return "WINDOW_UPDATE by 0 (9113 6.9)"
        if stream:
            self._sent[stream] = self._sent.get(stream, 0) - increment
        else:
            self._theirs += increment
        return f"the window of stream {stream} above 2^31-1 (9113 6.9.1)" if self.room(stream) > LARGEST else ""

    def spent(self, stream: int, octets: int) -> None:
        """Note DATA that we sent, with its padding."""
        self._theirs -= octets
        self._sent[stream] = self._sent.get(stream, 0) + octets

    def room(self, stream: int) -> int:
        """Return the octets that we may send on a stream; 0 asks about the connection."""
        if not stream:
            return self._theirs
        return min(self._theirs, self._theirs_initial - self._sent.get(stream, 0))
