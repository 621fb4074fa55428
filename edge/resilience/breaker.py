"""The circuit breaker: closed, open, half-open.

| state     | calls                | becomes                                                             |
| --------- | -------------------- | ------------------------------------------------------------------- |
| CLOSED    | all                  | OPEN after too many failures, in a row or as a share of the window   |
| OPEN      | none                 | HALF_OPEN when `open_duration` is over                               |
| HALF_OPEN | `half_open_calls`    | CLOSED after `success_threshold` successes, OPEN after one failure   |

A half-open one lets as many through once more when nothing was heard of the last ones for `open_duration`: they may be
streams that go on for hours.

A call that was let through in an earlier state says nothing about the present one: each carries the ticket it was
given.
"""

from __future__ import annotations

import enum

from edge.model.resilience import CircuitBreaker
from edge.resilience.window import Window

REFUSED = -1
"""The ticket of a call that is not let through."""


class BreakerState(enum.Enum):
    """The values are those of `gateway.v1.UpstreamHealth.BreakerState`, without prefix."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class Breaker:
    """One circuit breaker.

    Args:
        settings: When it opens and closes.
    """

    __slots__ = (
        "_era",
        "_opened",
        "_probed",
        "_probes",
        "_row",
        "_settings",
        "_successes",
        "_window",
        "entered",
        "reason",
        "state",
    )

    def __init__(self, settings: CircuitBreaker) -> None:
        self._settings = settings
        self._window = Window(settings.window)
        self._row = 0
        self._era = 0
        self._opened = 0.0
        self._probes = 0
        self._probed = 0.0
        self._successes = 0
        self.entered = 0.0
        """When its state became what it is, by the monotonic clock in seconds."""
        self.state = BreakerState.CLOSED
        """Its state. An open one whose time is over becomes half-open with the next call or `look`."""
        self.reason = ""
        """Why it is not closed, for people. Empty when it is."""

    def admit(self, now: float) -> int:
        """Return the ticket of a call that may go on, or `REFUSED`. Each ticket has to come back by `settle`."""
        if self.state is BreakerState.CLOSED:
            return self._era
        self.look(now)
        if self.state is BreakerState.OPEN:
            return REFUSED
        if self._probes >= self._settings.half_open_calls and not self.unheard(now):
            return REFUSED
        self._probes += 1
        self._probed = now
        return self._era

    def settle(self, ticket: int, failed: bool | None, now: float) -> bool:
        """Learn how a call ended.

        Args:
            ticket: What `admit` returned.
            failed: Whether it failed. None when it says nothing, such as a call that its caller gave up.
            now: The monotonic clock in seconds.

        Returns:
            Whether the state is another now.
        """
        if ticket != self._era:
            return False
        if self.state is BreakerState.CLOSED:
            return failed is not None and self._count(failed, now)
        self._probes -= 1
        if failed is None:
            return False
        if failed:
            self._open(now, "a call that tried whether it works again failed")
            return True
        self._successes += 1
        if self._successes < self._settings.success_threshold:
            return False
        self._enter(BreakerState.CLOSED, "", now)
        self._window.clear()
        self._row = 0
        return True

    def learn(self, failed: bool | None, started: float, now: float) -> bool:
        """Learn how a call ended that has no ticket, because something else bounds the calls of a half-open breaker.

        Args:
            failed: As of `settle`.
            started: When the call began, by the monotonic clock: what began in an earlier state says nothing.
            now: The monotonic clock in seconds.

        Returns:
            Whether the state is another now.
        """
        if started < self.entered or self.state is BreakerState.OPEN:
            return False
        self._probes += 1
        return self.settle(self._era, failed, now)

    def look(self, now: float) -> bool:
        """Let an open breaker whose time is over become half-open; return whether it has."""
        if self.state is not BreakerState.OPEN or now < self._opened + self._settings.open_duration:
            return False
        self._enter(BreakerState.HALF_OPEN, "a few calls try whether it works again", now)
        return True

    def unheard(self, now: float) -> bool:
        """Return whether a half-open breaker has waited so long for those that try that others may; then forget them.

        It is to be asked when as many are under way as may.
        """
        if self.state is not BreakerState.HALF_OPEN or now < self._probed + self._settings.open_duration:
            return False
        self._era += 1
        self._probes = 0
        self._probed = now
        return True

    def retry_after(self, now: float) -> float:
        """Return the seconds after which an open breaker lets a call try, 0 in other states."""
        if self.state is not BreakerState.OPEN:
            return 0.0
        return max(self._opened + self._settings.open_duration - now, 0.0)

    def _count(self, failed: bool, now: float) -> bool:
        settings = self._settings
        self._row = self._row + 1 if failed else 0
        if settings.failure_ratio:
            self._window.add(failed, now)
        if not failed:
            return False
        if settings.failure_threshold and self._row >= settings.failure_threshold:
            self._open(now, f"{self._row} calls in a row failed")
            return True
        window = self._window
        if (
            settings.failure_ratio
            and window.calls >= settings.minimum_calls
            and window.failed >= settings.failure_ratio * window.calls
        ):
            self._open(now, f"{window.failed} of {window.calls} calls failed within {settings.window:g} s")
            return True
        return False

    def _open(self, now: float, reason: str) -> None:
        self._opened = now
        self._enter(BreakerState.OPEN, reason, now)

    def _enter(self, state: BreakerState, reason: str, now: float) -> None:
        self.entered = now
        self.state = state
        self.reason = reason
        self._era += 1
        self._probes = 0
        self._probed = now
        self._successes = 0
