"""What every balancer promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edge.model.call import Call
from edge.model.endpoint import Endpoint


class Balancer(Protocol):
    """Chooses among a fixed, non-empty set of endpoints."""

    def pick(self, call: Call, now: float) -> Endpoint:
        """Return the endpoint for a call. `now` is the monotonic clock in seconds."""
        ...

    def preview(self, call: Call, now: float) -> Endpoint:
        """Return what `pick` would, and change nothing."""
        ...

    def settle(self, endpoint: Endpoint, *, failed: bool, latency: float, now: float) -> None:
        """Learn how a call ended. `latency` is in seconds."""
        ...

    def replaced(self, endpoints: Sequence[Endpoint]) -> Balancer:
        """Return a balancer of the same kind for another non-empty set, with what this one has learnt."""
        ...
