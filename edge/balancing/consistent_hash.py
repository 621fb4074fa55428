"""Consistent hash: equal keys go to the same endpoint, and few of them move when endpoints come and go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, inf
from typing import Protocol

from edge.balancing.base import first_free
from edge.balancing.draw import Chance, chance
from edge.balancing.keys import BITS, KeyOf, hash_key
from edge.model.call import Call
from edge.model.endpoint import Endpoint

_STEPS = 64
"""How many places of the table are tried before any endpoint is taken that may have the call."""

_COUNTED_TOGETHER = 16
"""The calls under way are counted anew after one pick for this many endpoints."""


class Table(Protocol):
    """Spreads hashes over endpoints."""

    def find(self, point: int, now: float) -> Endpoint:
        """Return the endpoint of a hash of 64 bits."""
        ...

    def walk(self, point: int) -> Iterator[Endpoint]:
        """Yield the endpoint of a hash and those that come after it, without end and maybe more than once each."""
        ...

    def replaced(self, endpoints: Sequence[Endpoint], weights: Sequence[int]) -> Table:
        """Return a table of the same kind for another non-empty set."""
        ...


class ConsistentHash:
    """Sends equal keys to the same endpoint. A call without key goes to any.

    With a bound no endpoint is given a call when it has more than `bound` times the average under way (per weight):
    the call goes on to the next one of the table that has not ("Consistent Hashing with Bounded Loads", Mirrokni,
    Thorup, Zadimoghaddam). The average is counted for every call up to 16 endpoints, and for every n-th with 16 n.

    Args:
        endpoints: The endpoints, at least one.
        weights: The weight of each, at least 1.
        table: The table over them.
        key: Takes the key from a call.
        bound: How many times the average an endpoint may have under way, at least 1. None means no bound.
        source: Where chance comes from, for calls without key.
    """

    __slots__ = ("_bound", "_endpoints", "_key", "_room", "_source", "_table", "_uncounted", "_weights")

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        weights: Sequence[int],
        table: Table,
        key: KeyOf,
        *,
        bound: float | None = None,
        source: Chance = chance,
    ) -> None:
        self._endpoints = tuple(endpoints)
        self._weights = dict(zip(endpoints, weights, strict=True))
        self._table = table
        self._key = key
        self._bound = bound
        self._source = source
        self._uncounted = 0
        self._room = inf

    def pick(self, call: Call, now: float) -> Endpoint | None:
        """Return the endpoint of the call's key, or the next one that may have the call."""
        key = self._key(call)
        point = hash_key(key) if key is not None else int(self._source() * (1 << BITS))
        endpoint = self._table.find(point, now)
        if self._bound is not None:
            self._count()
            if endpoint.active >= ceil(self._room * self._weights[endpoint]):
                return self._next(point, call)
        if endpoint.active < endpoint.max_active and endpoint is not call.tried:
            return endpoint
        return self._next(point, call)

    preview = pick

    def share(self, call: Call) -> float:
        """Return a number from 0 to below 1 that is the same for equal keys, and chance for calls without."""
        key = self._key(call)
        return self._source() if key is None else (hash_key(key) & 0xFFFFFF) / 0x1000000

    def settle(self, endpoint: Endpoint, *, failed: bool, latency: float, now: float) -> None:
        """Learn nothing: keys stay where they are."""

    def replaced(self, endpoints: Sequence[Endpoint], weights: Sequence[int]) -> ConsistentHash:
        """Return a balancer for another set, where the keys of those that stay stay."""
        table = self._table.replaced(endpoints, weights)
        return ConsistentHash(endpoints, weights, table, self._key, bound=self._bound, source=self._source)

    def _next(self, point: int, call: Call) -> Endpoint | None:
        walk = self._table.walk(point)
        for _ in range(_STEPS):
            endpoint = next(walk)
            if (
                endpoint.active < endpoint.max_active
                and endpoint is not call.tried
                and (self._bound is None or endpoint.active < ceil(self._room * self._weights[endpoint]))
            ):
                return endpoint
        start = point % len(self._endpoints)
        if self._bound is not None:
            for endpoint in self._endpoints[start:] + self._endpoints[:start]:
                room = min(endpoint.max_active, ceil(self._room * self._weights[endpoint]))
                if endpoint.active < room and endpoint is not call.tried:
                    return endpoint
        return first_free(self._endpoints, start, call)

    def _count(self) -> None:
        """Know how many calls an endpoint may have under way per weight."""
        if self._uncounted > 0:
            self._uncounted -= 1
            return
        self._uncounted = len(self._endpoints) // _COUNTED_TOGETHER
        active = 1 + sum([endpoint.active for endpoint in self._endpoints])
        self._room = (self._bound or 1.0) * active / sum(self._weights.values())
