"""Weighted round robin: the endpoints in turn, each as often as its weight says, spread evenly."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heapreplace
from math import gcd

from edge.balancing.base import first_free
from edge.model.call import Call
from edge.model.endpoint import Endpoint

_Job = tuple[float, int, int]
"""When within the cycle it is due (0 to 1), the number of the group, and which of the group's turns it is."""

_TAIL = 8
"""The turns before the end of a cycle in which every endpoint is looked at for having too many left."""


class _Group:
    """The endpoints of one weight, which take the turns of their group one after the other."""

    __slots__ = ("apart", "done", "members", "next", "rate")

    def __init__(self, weight: int, members: list[int], fraction: float) -> None:
        self.members = members
        self.rate = weight * len(members)
        self.apart = False  # whether two turns in a row would be two of one endpoint, and can be avoided
        self.done = int(fraction * self.rate + 0.5)  # the turns of this cycle that were due before `fraction`
        self.next = self.done % len(members)

    def job(self, number: int, done: int) -> _Job:
        return ((done + 0.5) / self.rate, number, done)


class WeightedRoundRobin:
    """Takes the endpoints in turn by earliest deadline: turn k of n in a cycle is due at (k + ½) / n.

    Over each cycle, which has as many turns as the weights sum up to without their common divisor, every endpoint gets
    exactly its weight. None gets two turns in a row unless it has more than half of all. Endpoints of the same weight
    share one entry of the heap, so a turn costs O(log d) for d different weights. nginx's smooth balancer promises the
    same and looks at every endpoint in every turn (ngx_http_upstream_round_robin).

    Args:
        endpoints: The endpoints, at least one.
        weights: The weight of each, at least 1.
        fraction: How much of the cycle is over already, from 0 to below 1.
        last: Who had the last turn.
    """

    __slots__ = ("_endpoints", "_first", "_groups", "_heap", "_heavy", "_last", "_left", "_length", "_taken")

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        weights: Sequence[int],
        *,
        fraction: float = 0.0,
        last: Endpoint | None = None,
    ) -> None:
        self._endpoints = tuple(endpoints)
        divisor = gcd(*weights)
        shares: dict[int, list[int]] = {}
        for index, weight in enumerate(weights):
            shares.setdefault(weight // divisor, []).append(index)
        self._groups = [_Group(weight, shares[weight], fraction) for weight in sorted(shares, reverse=True)]
        self._length = sum(group.rate for group in self._groups)
        for group in self._groups:
            group.apart = len(group.members) == 1 and 2 * group.rate <= self._length
        self._heavy = frozenset(
            number for number, group in enumerate(self._groups) if group.apart and 4 * group.rate > self._length
        )
        self._first: list[_Job] = [group.job(number, 0) for number, group in enumerate(self._groups)]
        heapify(self._first)
        self._left = self._length - sum(group.done for group in self._groups)
        self._heap = [
            group.job(number, group.done) for number, group in enumerate(self._groups) if group.done < group.rate
        ]
        heapify(self._heap)
        if not self._left:
            self._begin()
        self._taken = last
        self._last = -1
        for number, group in enumerate(self._groups):
            if last is not None and group.apart and self._endpoints[group.members[0]] is last:
                self._last = number

    def pick(self, call: Call, now: float) -> Endpoint | None:  # noqa: ARG002 - the protocol's signature
        """Return whose turn it is."""
        heap = self._heap
        place = self._place() if self._last >= 0 or self._heavy or self._left <= _TAIL else 0
        _, number, done = heap[place]
        group = self._groups[number]
        index = group.members[group.next]
        group.next = group.next + 1 if group.next + 1 < len(group.members) else 0
        if place:  # behind the top, so that somebody does not get two turns in a row
            heap[place] = group.job(number, done + 1) if done + 1 < group.rate else heap[-1]
            if done + 1 == group.rate:
                heap.pop()
            heapify(heap)
        elif done + 1 < group.rate:
            heapreplace(heap, ((done + 1.5) / group.rate, number, done + 1))
        else:
            heappop(heap)
        self._left -= 1
        group.done = done + 1
        if not self._left:
            self._begin()
        self._last = number if group.apart else -1
        endpoint = self._taken = self._endpoints[index]
        if endpoint.active < endpoint.max_active and endpoint is not call.tried:
            return endpoint
        return first_free(self._endpoints, index, call)

    def preview(self, call: Call, now: float) -> Endpoint | None:  # noqa: ARG002 - the protocol's signature
        """Return whose turn it is."""
        group = self._groups[self._heap[self._place()][1]]
        return first_free(self._endpoints, group.members[group.next], call)

    def settle(self, endpoint: Endpoint, *, failed: bool, latency: float, now: float) -> None:
        """Learn nothing: whose turn it is does not depend on it."""

    def replaced(self, endpoints: Sequence[Endpoint], weights: Sequence[int]) -> WeightedRoundRobin:
        """Return a balancer for another set that is as far in its cycle as this one is."""
        return WeightedRoundRobin(endpoints, weights, fraction=1.0 - self._left / self._length, last=self._taken)

    def _begin(self) -> None:
        """Begin another cycle."""
        self._heap, self._left = list(self._first), self._length
        for number in range(len(self._groups)) if self._length <= _TAIL else self._heavy:
            self._groups[number].done = 0

    def _place(self) -> int:
        """Return where in the heap the next turn is.

        The top, but for two cases: somebody else's turn comes first if the top had the last one; and whoever has more
        than half of the turns that are left has to take one now, or he gets two in a row later.
        """
        heap, last, left = self._heap, self._last, self._left
        for number in self._heavy if left > _TAIL else [job[1] for job in heap]:
            group = self._groups[number]
            if group.apart and number != last and 2 * (group.rate - group.done) > left:
                return next(place for place, job in enumerate(heap) if job[1] == number)
        if heap[0][1] != last or len(heap) == 1:
            return 0
        return 1 if len(heap) == 2 or heap[1] < heap[2] else 2
