"""Round robin: the endpoints in turn."""

from __future__ import annotations

from collections.abc import Sequence

from edge.balancing.base import first_free
from edge.model.call import Call
from edge.model.endpoint import Endpoint


class RoundRobin:
    """Takes the endpoints in turn.

    Args:
        endpoints: The endpoints, at least one.
        start: Whose turn it is, as an index; taken modulo the number of endpoints.
    """

    __slots__ = ("_endpoints", "_next")

    def __init__(self, endpoints: Sequence[Endpoint], *, start: int = 0) -> None:
        self._endpoints = tuple(endpoints)
        self._next = start % len(self._endpoints)

    def pick(self, call: Call, now: float) -> Endpoint | None:  # noqa: ARG002 - the protocol's signature
        """Return the next endpoint."""
        endpoints = self._endpoints
        index = self._next
        following = index + 1
        self._next = following if following < len(endpoints) else 0
        endpoint = endpoints[index]
        if endpoint.active < endpoint.max_active and endpoint is not call.tried:
            return endpoint
        return first_free(endpoints, self._next, call)

    def preview(self, call: Call, now: float) -> Endpoint | None:  # noqa: ARG002 - the protocol's signature
        """Return whose turn it is."""
        return first_free(self._endpoints, self._next, call)

    def settle(self, endpoint: Endpoint, *, failed: bool, latency: float, now: float) -> None:
        """Learn nothing: whose turn it is does not depend on it."""

    def replaced(self, endpoints: Sequence[Endpoint], weights: Sequence[int] = ()) -> RoundRobin:  # noqa: ARG002
        """Return a balancer for another set that goes on where this one is, so that changes do not favour the first."""
        following = self._endpoints[self._next]
        for index, endpoint in enumerate(endpoints):
            if endpoint is following:
                return RoundRobin(endpoints, start=index)
        return RoundRobin(endpoints, start=self._next)
