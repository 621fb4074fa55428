"""When an endpoint is probed, and what follows from the answers. Pure: the time and chance are arguments.

A check is one probe, or several while the endpoint is silent: the answer to any of them counts.

    waiting    until `due`: the interval give or take a tenth; sooner after an answer against the present verdict, so
               that a threshold above one does not cost intervals
    checking   a probe is under way; while the endpoint counts as healthy it is repeated within the timeout, so that
               as many are without an answer at its end as the threshold asks for

So an endpoint that is silent for the whole timeout (stopped, frozen, cut off) is out at the end of one check, and one
that answers that it fails is out after as many answers as the threshold says. What a server says of itself in
`grpc.health.v1` is believed at once: thresholds are for what had to be guessed.
"""

from __future__ import annotations

import enum
import math

from edge.model.resilience import HealthCheck

MOST_PROBES = 4
"""The most probes of one check."""


class Act(enum.Enum):
    """What is to be done now."""

    PROBE = "begin a check: send a probe"
    AGAIN = "send a further probe of the same check"
    GIVE_UP = "nothing has answered in time"
    WAIT = "nothing yet"


class HealthState:
    """The checks of one endpoint.

    Args:
        check: Interval, timeout and thresholds.
        now: The time in seconds, by any clock that does not go back. The first check is due then.
    """

    __slots__ = ("_began", "_check", "_failures", "_next", "_probes", "_successes", "healthy", "latest", "reason")

    def __init__(self, check: HealthCheck, now: float) -> None:
        self.healthy: bool | None = None
        """Whether the endpoint is healthy; None before the first check has ended."""
        self.reason = "has not been checked yet"
        """Why it is not healthy, in words that follow its address. Empty while it is."""
        self.latest = ""
        """What went wrong the last time, whether it was enough or not."""
        self._check = check
        self._next = now
        self._began = math.nan
        self._probes = 0
        self._failures = 0
        self._successes = 0

    @property
    def checking(self) -> bool:
        """Whether a probe is under way."""
        return self._probes > 0

    @property
    def due(self) -> float:
        """When `act` has to be called next."""
        if not self._probes:
            return self._next
        timeout = self._check.timeout
        if self._probes < self._most_probes():
            return self._began + timeout * self._probes / self._most_probes()
        return self._began + timeout

    def act(self, now: float) -> Act:
        """Return what is to be done, and count it as done. After `GIVE_UP` comes `silent`."""
        if now < self.due:
            return Act.WAIT
        if not self._probes:
            self._began = now
            self._probes = 1
            return Act.PROBE
        if now >= self._began + self._check.timeout:
            return Act.GIVE_UP
        self._probes += 1
        return Act.AGAIN

    def soon(self, now: float) -> None:
        """Let the next check be due at once: something has happened. One that is under way goes on."""
        if not self._probes:
            self._next = min(self._next, now)

    def passed(self, now: float, chance: float) -> bool:
        """Take a probe that went well.

        Args:
            now: The time.
            chance: A random number from 0 to 1.

        Returns:
            Whether the verdict is another now.
        """
        self._failures = 0
        self._successes += 1
        enough = self.healthy is None or self._successes >= self._check.healthy_threshold
        return self._conclude(
            True if enough else self.healthy, "" if enough else self.reason, now, chance, doubt=not enough
        )

    def failed(self, words: str, now: float, chance: float) -> bool:
        """Take a probe that was answered, but not as it should be, or could not be sent.

        Args:
            words: What went wrong, in words that follow the address.
            now: The time.
            chance: A random number from 0 to 1.

        Returns:
            Whether the verdict, or why, is another now.
        """
        return self._fail(1, words, now, chance)

    def silent(self, now: float, chance: float) -> bool:
        """Take a check of which no probe was answered in time: it counts as often as the threshold asks for."""
        words = f"does not answer health checks within {self._check.timeout:g} s"
        return self._fail(self._check.unhealthy_threshold, words, now, chance)

    def told(self, words: str, now: float, chance: float) -> bool:
        """Take what the server says of itself: that it does not serve. That needs no second time."""
        return self._fail(self._check.unhealthy_threshold, words, now, chance)

    def _fail(self, times: int, words: str, now: float, chance: float) -> bool:
        self.latest = words
        self._successes = 0
        self._failures += times
        enough = self.healthy is None or self._failures >= self._check.unhealthy_threshold
        return self._conclude(
            False if enough else self.healthy, words if enough else self.reason, now, chance, doubt=not enough
        )

    def _conclude(self, healthy: bool | None, reason: str, now: float, chance: float, *, doubt: bool) -> bool:
        changed = (healthy, reason) != (self.healthy, self.reason)
        self.healthy, self.reason = healthy, reason
        self._probes = 0
        check = self._check
        pause = min(check.interval, check.timeout) if doubt else check.interval
        self._next = now + pause * (0.9 + 0.2 * chance)
        return changed

    def _most_probes(self) -> int:
        """Return how many probes a check has while nothing answers. One is enough to see whether it is back."""
        return 1 if self.healthy is False else min(self._check.unhealthy_threshold, MOST_PROBES)
