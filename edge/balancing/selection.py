"""Which endpoint a call gets: those that take calls, and the balancer over them."""

from __future__ import annotations

from collections.abc import Sequence

from edge.balancing.base import Balancer
from edge.balancing.round_robin import RoundRobin
from edge.model.balancing import BalancerSettings, LoadBalancing
from edge.model.call import Call
from edge.model.endpoint import USABLE, Endpoint


class Selection:
    """Chooses among the endpoints of an upstream, whose states may change at any time; then `update` has to be called.

    Args:
        settings: How an endpoint is chosen.
        options: Which endpoints are preferred and how new ones are eased in.
    """

    def __init__(self, settings: BalancerSettings, options: LoadBalancing) -> None:
        self._settings = settings
        self._options = options
        self._balancer: Balancer | None = None
        self._usable = 0
        self._count = 0

    def update(self, endpoints: Sequence[Endpoint]) -> None:
        """Take over the endpoints, or what has changed about them."""
        usable = [endpoint for endpoint in endpoints if endpoint.state in USABLE]
        self._count = len(endpoints)
        self._usable = len(usable)
        if not usable:
            self._balancer = None
        elif self._balancer is None:
            self._balancer = RoundRobin(usable)
        else:
            self._balancer = self._balancer.replaced(usable)

    def pick(self, call: Call, now: float) -> Endpoint | None:
        """Return the endpoint for a call, or None when there is none. `now` is the monotonic clock in seconds."""
        balancer = self._balancer
        return None if balancer is None else balancer.pick(call, now)

    def preview(self, call: Call, now: float) -> Endpoint | None:
        """Return what `pick` would, and change nothing."""
        balancer = self._balancer
        return None if balancer is None else balancer.preview(call, now)

    def settle(self, endpoint: Endpoint, *, failed: bool, latency: float, now: float) -> None:
        """Learn how a call ended. `latency` is in seconds."""
        if self._balancer is not None:
            self._balancer.settle(endpoint, failed=failed, latency=latency, now=now)

    @property
    def words(self) -> str:
        """How endpoints are chosen, for people."""
        return f"round robin over {self._usable} of {self._count} endpoints"
