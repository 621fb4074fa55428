"""Peak EWMA: the endpoint with the lowest expected latency of two that chance names."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from edge.balancing.base import first_free
from edge.balancing.draw import Draw
from edge.model.balancing import PeakEwmaSettings
from edge.model.call import Call
from edge.model.endpoint import Endpoint


class PeakEwma:
    """Compares two endpoints by latency times calls under way, and takes the cheaper one (as Finagle's `PeakEwma`).

    The latency is a moving average over `decay` that follows a peak at once and goes down slowly. A failed call does
    not lower it, so that an endpoint that refuses quickly attracts nothing. It is kept with the endpoint, so it
    outlives changes of the set.

    An endpoint without calls is forgotten its latency over `decay`, so that a slow one gets another try. It is one
    call that tries: while that is under way, the whole latency counts again.

    Args:
        endpoints: The endpoints, at least one.
        draw: Draws among them by weight; costs are compared per weight.
        settings: What is assumed of a new endpoint, and how fast is forgotten.
    """

    __slots__ = ("_decay", "_default", "_draw", "_endpoints", "_settings")

    def __init__(self, endpoints: Sequence[Endpoint], draw: Draw, settings: PeakEwmaSettings) -> None:
        self._endpoints = tuple(endpoints)
        self._draw = draw
        self._settings = settings
        self._default = settings.default_rtt
        self._decay = settings.decay

    def pick(self, call: Call, now: float) -> Endpoint | None:
        """Return the cheaper one of two."""
        index, other = self._draw.pair()
        first, second = self._endpoints[index], self._endpoints[other]
        weights = self._draw.weights
        if weights is None:
            worse = self.cost(second, now) < self.cost(first, now)
        else:
            worse = self.cost(second, now) * weights[index] < self.cost(first, now) * weights[other]
        if worse:
            first, second = second, first
        tried = call.tried
        if first.active < first.max_active and first is not tried:
            return first
        if second.active < second.max_active and second is not tried:
            return second
        return first_free(self._endpoints, self._draw.one(), call)

    preview = pick

    def cost(self, endpoint: Endpoint, now: float) -> float:
        """Return the seconds that one more call is expected to take there, in units that only compare."""
        latency = endpoint.latency
        if latency < 0.0:
            return self._default * (endpoint.active + 1)
        if endpoint.active:
            return latency * (endpoint.active + 1)
        return latency * exp((endpoint.latency_time - now) / self._decay)

    def settle(self, endpoint: Endpoint, *, failed: bool, latency: float, now: float) -> None:
        """Learn how long a call took."""
        known = endpoint.latency
        if failed:
            latency = max(latency, known, self._default)
        if latency < known:
            share = exp((endpoint.latency_time - now) / self._decay)
            latency = known * share + latency * (1.0 - share)
        endpoint.latency = latency
        endpoint.latency_time = now

    def replaced(self, endpoints: Sequence[Endpoint], weights: Sequence[int]) -> PeakEwma:
        """Return a balancer for another set."""
        return PeakEwma(endpoints, self._draw.again(weights), self._settings)
