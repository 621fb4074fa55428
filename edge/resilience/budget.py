"""How many of an upstream's calls may be retries, so that retries do not make an outage worse.

Like the budgets of Envoy and Finagle: a share of the calls, over a window that fades, and a few in any case, without
which an upstream with little traffic would have none. It is looked at when a call has failed and costs nothing before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

WINDOW: Final = 10.0
"""The seconds over which calls and retries are counted: what is older counts less and less."""

LEAST_PER_SECOND: Final = 3.0
"""The retries per second that are always allowed."""

REFRESH: Final = 0.1
"""Seconds between two looks at how many calls there were."""


class RetryBudget:
    """The retries of one upstream.

    Args:
        calls: Returns how many attempts the upstream has had until now. It may be slow, and need not be exact.
        now: The monotonic clock, in seconds.
    """

    __slots__ = ("_calls", "_counted", "_granted", "_looked", "_recent", "_spent", "_spent_at")

    def __init__(self, calls: Callable[[], int], now: float) -> None:
        self._calls = calls
        self._counted = calls()
        self._looked = now
        # what was before counts as if it had come just now
        self._recent = float(self._counted)
        self._granted = 0
        self._spent = 0.0
        self._spent_at = now

    def take(self, share: float, now: float) -> bool:
        """Take a retry out of the budget; return whether there was one.

        Args:
            share: The share of calls that may be retries.
            now: The monotonic clock, in seconds.
        """
        elapsed = now - self._looked
        if elapsed >= REFRESH:
            self._count(elapsed)
            self._looked = now
        spent = self._spent * math.exp(-max(now - self._spent_at, 0.0) / WINDOW)
        if spent + 1.0 > share * self._recent + LEAST_PER_SECOND * WINDOW:
            return False
        self._spent = spent + 1.0
        self._spent_at = max(now, self._spent_at)
        self._granted += 1
        return True

    def _count(self, elapsed: float) -> None:
        """Take in the calls since the last look, as if they had come evenly."""
        count = self._calls()
        # endpoints that have left take their counts along, and retries are attempts but no calls
        fresh = max(count - self._counted - self._granted, 0)
        self._counted = count
        self._granted = 0
        fade = math.exp(-elapsed / WINDOW)
        self._recent = self._recent * fade + fresh / elapsed * WINDOW * (1.0 - fade)
