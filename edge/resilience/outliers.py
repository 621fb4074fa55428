"""Outlier detection: endpoints that are worse than the others are set aside for a while (gRFC A50, Envoy).

Failures in a row are noticed with the call; shares of failures and latencies once in an interval, by `sweep`. An
endpoint stays aside for `base_ejection` times the number of times it has been set aside lately; each interval without
another failure forgives one of these.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

from edge.model.resilience import OutlierDetection

MINIMUM_CALLS = 5
"""The calls in an interval below which an endpoint's share and latency say nothing."""

MINIMUM_ENDPOINTS = 3
"""The endpoints with so many calls below which there is no median to compare a latency with."""

MOST_REPEATS = 10
"""An endpoint is never set aside for longer than this many times `base_ejection`."""

_ROUNDING = 1e-9
"""What a share times a count may be short of the whole number that it stands for."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Verdict(Generic[K]):
    """An endpoint is set aside, or comes back."""

    key: K
    """The endpoint."""

    reason: str
    """Why it is set aside, for people. Empty when it comes back."""


class _Record:
    __slots__ = ("calls", "failed", "latency", "repeats", "row", "until")

    def __init__(self) -> None:
        self.row = 0
        self.calls = 0
        self.failed = 0
        self.latency = 0.0
        self.repeats = 0
        self.until: float | None = None


class Outliers(Generic[K]):
    """What is known of the endpoints of one upstream.

    Args:
        settings: When an endpoint is set aside.
    """

    def __init__(self, settings: OutlierDetection) -> None:
        self._settings = settings
        self._records: dict[K, _Record] = {}
        self._aside = 0

    def members(self, keys: Iterable[K]) -> None:
        """Take over which endpoints there are; others are forgotten."""
        before = self._records
        self._records = {key: before.get(key) or _Record() for key in keys}
        self._aside = sum(record.until is not None for record in self._records.values())

    def settle(self, key: K, *, failed: bool, latency: float, now: float) -> Verdict[K] | None:
        """Learn how a call ended; return the verdict if it sets the endpoint aside.

        Args:
            key: The endpoint.
            failed: Whether the call failed for a reason of the endpoint.
            latency: Seconds it took.
            now: The monotonic clock in seconds.
        """
        record = self._records.get(key)
        if record is None or record.until is not None:
            return None
        record.calls += 1
        if not failed:
            record.row = 0
            record.latency += latency
            return None
        record.failed += 1
        record.row += 1
        settings = self._settings
        if settings.consecutive_failures and record.row >= settings.consecutive_failures:
            return self._eject(key, record, f"{record.row} calls in a row failed", now)
        return None

    def sweep(self, now: float) -> list[Verdict[K]]:
        """Compare the endpoints. To be called once in an interval.

        Returns:
            The verdicts: endpoints to set aside.
        """
        settings = self._settings
        found: list[Verdict[K]] = []
        counted = {
            key: record
            for key, record in self._records.items()
            if record.until is None and record.calls >= MINIMUM_CALLS
        }
        means = {
            key: record.latency / (record.calls - record.failed)
            for key, record in counted.items()
            if record.calls > record.failed
        }
        middle = median(means.values()) if len(means) >= MINIMUM_ENDPOINTS else 0.0
        for key, record in counted.items():
            reason = ""
            if settings.failure_ratio and record.failed >= settings.failure_ratio * record.calls:
                reason = f"{record.failed} of {record.calls} calls failed within {settings.interval:g} s"
            elif settings.latency_factor and middle and means.get(key, 0.0) > settings.latency_factor * middle:
                reason = f"calls took {means[key] * 1000:.0f} ms on average, the median is {middle * 1000:.0f} ms"
            if reason and (verdict := self._eject(key, record, reason, now)) is not None:
                found.append(verdict)
        for record in self._records.values():
            if record.until is None and not record.failed and record.repeats:
                record.repeats -= 1
            record.calls = record.failed = 0
            record.latency = 0.0
        return found

    def returning(self, now: float) -> list[Verdict[K]]:
        """Return the endpoints whose time is over: they take calls again."""
        found = []
        for key, record in self._records.items():
            if record.until is not None and record.until <= now:
                record.until = None
                self._aside -= 1
                record.row = record.calls = record.failed = 0
                record.latency = 0.0
                found.append(Verdict(key, ""))
        return found

    @property
    def next_return(self) -> float | None:
        """When the first of those set aside takes calls again, by the monotonic clock. None when none is."""
        return min((record.until for record in self._records.values() if record.until is not None), default=None)

    def _eject(self, key: K, record: _Record, reason: str, now: float) -> Verdict[K] | None:
        settings = self._settings
        count = len(self._records)
        aside = self._aside
        # one always may, so that the share means something for few endpoints, but never the last one
        if aside + 1 > max(1, int(settings.max_ejection * count + _ROUNDING)) or aside + 1 >= count:
            return None
        self._aside += 1
        record.repeats = min(record.repeats + 1, MOST_REPEATS)
        seconds = settings.base_ejection * record.repeats
        record.until = now + seconds
        record.row = 0
        return Verdict(key, f"{reason}; set aside for {seconds:g} s")
