"""Counts calls over a sliding time."""

from __future__ import annotations

_BUCKETS = 10


class Window:
    """How many calls there were lately, and how many of them failed.

    The time is cut into ten parts; when one is over, the oldest is forgotten, so that nothing is kept per call and a
    call counts for nine to ten tenths of the time.

    Args:
        seconds: How long a call counts.
    """

    __slots__ = ("_at", "_calls", "_failed", "_part", "calls", "failed")

    def __init__(self, seconds: float) -> None:
        self._part = seconds / _BUCKETS
        self._calls = [0] * _BUCKETS
        self._failed = [0] * _BUCKETS
        self._at = 0
        self.calls = 0
        """The calls that count, as of the latest `add` or `forget`."""
        self.failed = 0
        """Those of them that failed."""

    def add(self, failed: bool, now: float) -> None:
        """Count a call that has ended."""
        self.forget(now)
        place = self._at % _BUCKETS
        self._calls[place] += 1
        self.calls += 1
        if failed:
            self._failed[place] += 1
            self.failed += 1

    def forget(self, now: float) -> None:
        """Let go of what is too old."""
        at = int(now / self._part)
        if at <= self._at:  # also of a clock that was read before another call moved the window
            return
        for part in range(max(self._at + 1, at - _BUCKETS + 1), at + 1):
            place = part % _BUCKETS
            self.calls -= self._calls[place]
            self.failed -= self._failed[place]
            self._calls[place] = self._failed[place] = 0
        self._at = at

    def clear(self) -> None:
        """Forget everything."""
        self._calls = [0] * _BUCKETS
        self._failed = [0] * _BUCKETS
        self.calls = self.failed = 0
