"""Slow start: the share of a new endpoint grows until it is as large as those of the others."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from edge.model.endpoint import Endpoint

LEAST_PERCENT = 10
"""What a new endpoint begins with, in percent of its share."""

_STEPS = 50
"""In how many steps a share grows."""

_SHORTEST_STEP = 0.1


def percent_of(age: float, duration: float) -> int:
    """Return the share that an endpoint has after `age` of `duration` seconds, in percent of its full share."""
    return min(max(int(100.0 * (age / duration)), LEAST_PERCENT), 100)


def eased(endpoints: Sequence[Endpoint], weights: Sequence[int], duration: float, now: float) -> list[int]:
    """Return the weights times what each endpoint has of its share by now, in percent."""
    percents = [percent_of(now - endpoint.since, duration) for endpoint in endpoints]
    if min(percents) == 100:
        return list(weights)
    return [weight * percent for weight, percent in zip(weights, percents, strict=True)]


def next_step(endpoints: Sequence[Endpoint], duration: float, now: float) -> float:
    """Return when the weights are to be looked at again: never, when no endpoint is new."""
    if all(now - endpoint.since >= duration for endpoint in endpoints):
        return inf
    return now + max(duration / _STEPS, _SHORTEST_STEP)
