"""A Maglev table: one look-up for each key, shares that are nearly the same, and few keys that move."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import cycle
from math import ceil

from edge.model.endpoint import Endpoint

_SIZES = (16_381, 65_537, 262_147, 1_048_583)
"""The sizes of tables, all prime."""

_PLACES_EACH = 8
"""The least average number of places of an endpoint, by which a size is chosen: one place more or less is 12 %."""

_LAST_PLACES = 128
"""When so few are free, they are looked for from the other side: which one is next for an endpoint is a division."""

_PACE = 0.05
"""The seconds between two tables at least, so that a storm of changes costs a tenth of the time."""


class Maglev:
    """Spreads hashes over endpoints by a table that they fill in turn, each in an order of its own.

    After Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", section 3.4, with weights as in
    Envoy. The table depends on addresses and weights only, so every gateway with the same endpoints has the same one.

    Filling takes some milliseconds, so it waits for the first look-up, and for a moment after the table before: until
    then that one goes on, and a place whose endpoint is gone belongs to the next place's.

    Args:
        endpoints: The endpoints, at least one.
        weights: The weight of each, at least 1.
    """

    __slots__ = ("_due", "_filled", "_members", "_table")

    def __init__(self, endpoints: Sequence[Endpoint], weights: Sequence[int]) -> None:
        self._members = dict(zip(endpoints, weights, strict=True))
        self._table: Sequence[Endpoint] = ()
        self._filled = False
        self._due = float("-inf")

    def find(self, point: int, now: float) -> Endpoint:
        """Return the endpoint of a hash."""
        if not self._filled:
            if now >= self._due:
                self._fill(now)
            else:
                return next(self.walk(point))
        table = self._table
        return table[point % len(table)]

    def walk(self, point: int) -> Iterator[Endpoint]:
        """Yield the endpoint of a hash and those of the places after it."""
        members, table = self._members, self._table
        start = point % len(table)
        while True:
            found = [one for one in table[start : start + 64] if one in members]
            yield from found
            start += 64
            if start >= len(table):
                start = 0
                yield from list(members)[:1]  # the table before may have nobody who is still there

    def replaced(self, endpoints: Sequence[Endpoint], weights: Sequence[int]) -> Maglev:
        """Return the table of another set, which is filled when it is needed."""
        other = Maglev(endpoints, weights)
        other._due = self._due
        if other._members == self._members:
            return self
        if self._table and any(one in other._members for one in self._members):
            other._table = self._table
        else:
            other._due = float("-inf")
        return other

    def _fill(self, now: float) -> None:
        order = sorted(self._members, key=lambda one: one.address)  # gateways may learn them in another order
        places = filled([one.address for one in order], [self._members[one] for one in order])
        self._table = [order[index] for index in places]
        self._filled = True
        self._due = now + _PACE


def filled(addresses: Sequence[str], weights: Sequence[int]) -> list[int]:
    """Return the table, as indices of the addresses."""
    size = next((size for size in _SIZES if size >= _PLACES_EACH * len(addresses)), _SIZES[-1])
    seeds = [int.from_bytes(blake2b(address.encode(), digest_size=16).digest(), "big") for address in addresses]
    steps = [1 + (seed >> 64) % (size - 1) for seed in seeds]
    places = [seed % size for seed in seeds]
    table = [-1] * size
    free = size
    turns = _turns(weights)
    for index in turns:
        place, step = places[index], steps[index]
        while table[place] >= 0:
            place += step
            if place >= size:
                place -= size
        table[place] = index
        places[index] = place
        free -= 1
        if free <= _LAST_PLACES:
            break
    rest = [place for place, index in enumerate(table) if index < 0]
    for index in turns:
        if not rest:
            break
        start, back = places[index], pow(steps[index], -1, size)
        place = min(rest, key=lambda one: (one - start) * back % size)
        table[place] = index
        rest.remove(place)
    return table


def _turns(weights: Sequence[int]) -> Iterator[int]:
    """Yield whose turn it is, without end: the heaviest in each round, the others as often as their weight says."""
    most = max(weights)
    if min(weights) == most:
        yield from cycle(range(len(weights)))
    rounds: defaultdict[int, list[int]] = defaultdict(list)
    for index, weight in enumerate(weights):
        rounds[ceil(most / weight)].append(index)
    turns = [1] * len(weights)
    now = 0
    while True:
        now += 1
        for index in sorted(rounds.pop(now, ())):
            yield index
            turns[index] = following = turns[index] + 1
            rounds[ceil(following * most / weights[index])].append(index)
