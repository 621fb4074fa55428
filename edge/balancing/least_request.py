"""Least request: the endpoint with the fewest calls under way of a few that chance names, or of all."""

from __future__ import annotations

from collections.abc import Sequence

from edge.balancing.base import first_free
from edge.balancing.draw import Draw
from edge.model.balancing import LeastRequestSettings
from edge.model.call import Call
from edge.model.endpoint import Endpoint


class LeastRequest:
    """Compares the calls under way of endpoints that are drawn by weight, and takes the one with the fewest.

    With weights it compares calls under way per weight, so that an endpoint of twice the weight may have twice as many;
    of equals it takes the one drawn first, so that weights hold when there is little to do, too. Two choices are enough
    to keep the longest queue short (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing").

    Args:
        endpoints: The endpoints, at least one.
        draw: Draws among them.
        settings: How many are compared.
    """

    __slots__ = ("_draw", "_endpoints", "_scan", "_settings")

    def __init__(self, endpoints: Sequence[Endpoint], draw: Draw, settings: LeastRequestSettings) -> None:
        self._endpoints = tuple(endpoints)
        self._draw = draw
        self._settings = settings
        self._scan = settings.full_scan

    def pick(self, call: Call, now: float) -> Endpoint | None:  # noqa: ARG002 - the protocol's signature
        """Return the endpoint with the fewest calls of those that are compared."""
        endpoints = self._endpoints
        if self._scan or self._settings.choices > 2:
            return self._of_many(call)
        index, other = self._draw.pair()
        first, second = endpoints[index], endpoints[other]
        weights = self._draw.weights
        if weights is None:
            worse = second.active < first.active
        else:
            worse = second.active * weights[index] < first.active * weights[other]
        if worse:
            first, second = second, first
        tried = call.tried
        if first.active < first.max_active and first is not tried:
            return first
        if second.active < second.max_active and second is not tried:
            return second
        return first_free(endpoints, self._draw.one(), call)

    preview = pick

    def settle(self, endpoint: Endpoint, *, failed: bool, latency: float, now: float) -> None:
        """Learn nothing: endpoints count their calls themselves."""

    def replaced(self, endpoints: Sequence[Endpoint], weights: Sequence[int]) -> LeastRequest:
        """Return a balancer for another set."""
        return LeastRequest(endpoints, self._draw.again(weights), self._settings)

    def _of_many(self, call: Call) -> Endpoint | None:
        endpoints, weights, tried = self._endpoints, self._draw.weights, call.tried
        start = self._draw.one()
        if self._scan:
            others = (*range(start, len(endpoints)), *range(start))  # from anywhere, or the first one wins every tie
        else:
            others = (start, *(self._draw.one() for _ in range(self._settings.choices - 1)))
        best, least = None, float("inf")
        for index in others:
            endpoint = endpoints[index]
            load = endpoint.active if weights is None else endpoint.active / weights[index]
            if load < least and endpoint.active < endpoint.max_active and endpoint is not tried:
                best, least = endpoint, load
        return best or first_free(endpoints, start, call)
