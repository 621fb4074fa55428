"""Which endpoint a call gets: those that take calls, the zones they are in, and the balancer over them.

endpoints ─ those that take calls, or in a panic all that are reachable ─ own zone ── balancer
                                                                        └ the others ─ balancer
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from edge.balancing.base import Balancer
from edge.balancing.consistent_hash import ConsistentHash
from edge.balancing.draw import Chance, chance
from edge.balancing.make import heeds_weights, make_balancer, words_of
from edge.balancing.slow_start import eased, next_step
from edge.model.balancing import BalancerSettings, ConsistentHashSettings, LoadBalancing
from edge.model.call import Call
from edge.model.endpoint import USABLE, Endpoint, EndpointState


class Selection:
    """Chooses among the endpoints of an upstream, whose states may change at any time; then `update` has to be called.

    Endpoints of the own zone get every call while the share of them that is usable is at least `spill_over`. Below,
    they get that share divided by `spill_over`, and the others the rest, as between Envoy's priority levels (an
    overprovisioning factor of 1.4 there is a spill-over of 70 % here). Consistent hashing sends equal keys to the same
    side. A call that finds its side full goes to the other one.

    When less than `panic_threshold` of the endpoints that are not leaving are usable, those share all calls that can be
    reached at all, whatever health checks, breakers and outlier detection say; zones do not count then. The few that
    are left would be overrun, and it is likelier that the checks are wrong (Envoy, "panic threshold").

    Args:
        settings: How an endpoint is chosen.
        options: Which endpoints are preferred and how new ones are eased in.
        source: Where chance comes from.
    """

    def __init__(self, settings: BalancerSettings, options: LoadBalancing, *, source: Chance = chance) -> None:
        self._settings = settings
        self._options = options
        self._source = source
        # keys do not move because an endpoint is new
        self._slow_start = None if isinstance(settings, ConsistentHashSettings) else options.slow_start
        self._near: Balancer | None = None
        self._far: Balancer | None = None
        self._near_set: list[Endpoint] = []
        self._far_set: list[Endpoint] = []
        self._near_share = 1.0
        self._due = inf
        self._usable = 0
        self._count = 0
        self._zoned = (0, 0)
        self.panic = False
        """Whether health is ignored because too few endpoints are usable."""

    def update(self, endpoints: Sequence[Endpoint]) -> None:
        """Take over the endpoints, or what has changed about them."""
        usable = [endpoint for endpoint in endpoints if endpoint.state in USABLE]
        staying = [endpoint for endpoint in endpoints if endpoint.state is not EndpointState.DRAINING]
        self._count = len(endpoints)
        self._usable = len(usable)
        self._near_set, self._far_set = usable, []
        self._near_share = 1.0
        self._zoned = (0, 0)
        self.panic = False
        if len(usable) < self._options.panic_threshold * len(staying):
            reachable = [endpoint for endpoint in staying if endpoint.reachable]
            self.panic = len(reachable) > len(usable)
            self._near_set = reachable if self.panic else usable
        if self._options.zone and not self.panic:
            self._divide(usable, staying)
        if usable or self.panic:
            # the next call makes the balancers, once after however many changes, and it brings the time that slow start
            # needs
            self._due = -inf
        else:
            self._due, self._near, self._far = inf, None, None

    def pick(self, call: Call, now: float) -> Endpoint | None:
        """Return the endpoint for a call, or None when there is none. `now` is the monotonic clock in seconds."""
        if now >= self._due:
            self._rebuild(now)
        near = self._near
        if self._far is None:
            return near.pick(call, now) if near is not None else None
        return self._pick_by_zone(call, now)

    def preview(self, call: Call, now: float) -> Endpoint | None:
        """Return what `pick` would, and change nothing. Where chance decides it is an example."""
        if now >= self._due:
            self._rebuild(now)
        near, far = self._near, self._far
        if far is not None and isinstance(near, ConsistentHash) and near.share(call) >= self._near_share:
            near, far = far, near
        first = near.preview(call, now) if near is not None else None
        return first if first is not None or far is None else far.preview(call, now)

    def settle(self, endpoint: Endpoint, *, failed: bool, latency: float, now: float) -> None:
        """Learn how a call ended. `latency` is in seconds."""
        balancer = self._near or self._far  # what is learnt is kept with the endpoint, so either will do
        if balancer is not None:
            balancer.settle(endpoint, failed=failed, latency=latency, now=now)

    @property
    def words(self) -> str:
        """How endpoints are chosen, for people."""
        words = words_of(self._settings)
        if self.panic:
            return (
                f"{words} over {len(self._near_set)} of {self._count} endpoints; panic: only {self._usable} are "
                "usable, so health is ignored"
            )
        words += f" over {self._usable} of {self._count} endpoints"
        usable, members = self._zoned
        if members:
            spilt = f", {1 - self._near_share:.0%} spill over" if self._near_share < 1.0 and self._far_set else ""
            words += f"; zone {self._options.zone}: {usable} of {members}{spilt}"
        return words

    def _divide(self, usable: Sequence[Endpoint], staying: Sequence[Endpoint]) -> None:
        """Tell the own zone from the others, and know how much it gets."""
        zone, spill_over = self._options.zone, self._options.spill_over
        near = [endpoint for endpoint in usable if endpoint.zone == zone]
        members = sum(1 for endpoint in staying if endpoint.zone == zone)
        self._zoned = (len(near), members)
        if not near:
            return
        self._near_set, self._far_set = near, [endpoint for endpoint in usable if endpoint.zone != zone]
        share = len(near) / members
        self._near_share = 1.0 if share >= spill_over or not self._far_set else share / spill_over

    def _pick_by_zone(self, call: Call, now: float) -> Endpoint | None:
        near, far = self._near, self._far
        assert near is not None
        assert far is not None
        if self._near_share < 1.0:
            draw = near.share(call) if isinstance(near, ConsistentHash) else self._source()
            if draw >= self._near_share:
                near, far = far, near
        endpoint = near.pick(call, now)
        if endpoint is None or endpoint is call.tried:
            return far.pick(call, now) or endpoint
        return endpoint

    def _rebuild(self, now: float) -> None:
        """Make the balancers, with the weights that new endpoints have by now."""
        self._due = inf
        self._near = self._balancer(self._near_set, self._near, now)
        self._far = self._balancer(self._far_set, self._far or self._near, now)

    def _balancer(self, endpoints: Sequence[Endpoint], before: Balancer | None, now: float) -> Balancer | None:
        if not endpoints:
            return None
        weighted = heeds_weights(self._settings)
        weights = [max(endpoint.weight, 1) if weighted else 1 for endpoint in endpoints]
        if self._slow_start is not None:
            weights = eased(endpoints, weights, self._slow_start, now)
            self._due = min(self._due, next_step(endpoints, self._slow_start, now))
        return make_balancer(self._settings, endpoints, weights, before, source=self._source)
