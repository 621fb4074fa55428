"""What every balancer promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edge.model.call import Call
from edge.model.endpoint import Endpoint


class Balancer(Protocol):
    """Chooses among a fixed, non-empty set of endpoints.

    An endpoint that has as many calls under way as it may is never chosen. The one that the attempt before went to
    (`Call.tried`) is chosen only when there is no other.
    """

    def pick(self, call: Call, now: float) -> Endpoint | None:
        """Return the endpoint for a call, or None when all are full. `now` is the monotonic clock in seconds."""
        ...

    def preview(self, call: Call, now: float) -> Endpoint | None:
        """Return what `pick` would, and change nothing. Where chance decides it is an example."""
        ...

    def settle(self, endpoint: Endpoint, *, failed: bool, latency: float, now: float) -> None:
        """Learn how a call ended. `latency` is in seconds. The endpoint may be one that is not chosen from any more."""
        ...

    def replaced(self, endpoints: Sequence[Endpoint], weights: Sequence[int]) -> Balancer:
        """Return a balancer of the same kind for another non-empty set, with what this one has learnt.

        Args:
            endpoints: The endpoints.
            weights: The share of each relative to the others, at least 1.
        """
        ...


def first_free(endpoints: Sequence[Endpoint], start: int, call: Call) -> Endpoint | None:
    """Return the first endpoint from `start` on, going around once, that is not full and was not tried just now.

    When only the one that was tried is free it is returned, and None when all are full.
    """
    tried = call.tried
    fallback = None
    count = len(endpoints)
    for index in range(start, start + count):
        endpoint = endpoints[index if index < count else index - count]
        if endpoint.active < endpoint.max_active:
            if endpoint is not tried:
                return endpoint
            fallback = endpoint
    return fallback
