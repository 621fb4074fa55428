"""Random: any endpoint."""

from __future__ import annotations

from collections.abc import Sequence

from edge.balancing.base import first_free
from edge.balancing.draw import Draw
from edge.model.call import Call
from edge.model.endpoint import Endpoint


class Random:
    """Takes any endpoint, each with the probability its weight says.

    Args:
        endpoints: The endpoints, at least one.
        draw: Draws among them.
    """

    __slots__ = ("_draw", "_endpoints")

    def __init__(self, endpoints: Sequence[Endpoint], draw: Draw) -> None:
        self._endpoints = tuple(endpoints)
        self._draw = draw

    def pick(self, call: Call, now: float) -> Endpoint | None:  # noqa: ARG002 - the protocol's signature
        """Return any endpoint."""
        index = self._draw.one()
        endpoint = self._endpoints[index]
        if endpoint.active < endpoint.max_active and endpoint is not call.tried:
            return endpoint
        return first_free(self._endpoints, self._draw.one(), call)

    preview = pick

    def settle(self, endpoint: Endpoint, *, failed: bool, latency: float, now: float) -> None:
        """Learn nothing: chance does not depend on it."""

    def replaced(self, endpoints: Sequence[Endpoint], weights: Sequence[int]) -> Random:
        """Return a balancer for another set."""
        return Random(endpoints, self._draw.again(weights))
