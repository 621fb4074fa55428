"""A hash ring: a key belongs to the next point on it, and each endpoint has many points."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from math import log2
from zlib import crc32

from edge.balancing.keys import BITS
from edge.model.endpoint import Endpoint

ARCS = 128
"""The parts of the ring, a power of two. An endpoint of average weight has one point in each."""

_ARC_BITS = ARCS.bit_length() - 1
_SHIFT = BITS - _ARC_BITS
_MASK = (1 << _SHIFT) - 1

_MOST_CHANGES = 16
"""So many endpoints may come and go for the arcs that are there to be mended instead of made anew."""

_Arc = tuple["array[int]", list[Endpoint]]
"""The points in one part of the ring, in order, and whose they are."""


class Ring:
    """Spreads hashes over endpoints by a ring (Karger et al.), in arcs that are made when a key first falls into them.

    A point depends on the address and the weight only, so every gateway with the same endpoints has the same ring, and
    an endpoint that goes leaves its keys to others while theirs stay. The number of an endpoint's points is its weight
    by the average weight, rounded to a power of two: when the average leaves that power, all of them change.

    An update of 1,000 endpoints costs no more than the difference, and the first key in an arc costs its points: a
    hash and a place in the order for each endpoint.

    Args:
        endpoints: The endpoints, at least one.
        weights: The weight of each, at least 1.
    """

    __slots__ = ("_arcs", "points")

    def __init__(self, endpoints: Sequence[Endpoint], weights: Sequence[int]) -> None:
        unit = _unit(weights)
        self.points = {
            endpoint: max(round(ARCS * weight / unit), 1) for endpoint, weight in zip(endpoints, weights, strict=True)
        }
        """How many points each endpoint has."""
        self._arcs: list[_Arc | None] = [None] * ARCS

    def find(self, point: int, now: float) -> Endpoint:  # noqa: ARG002 - the protocol's signature
        """Return the endpoint of a hash."""
        number = point >> _SHIFT
        points, owners = self._arcs[number] or self._make(number)
        place = bisect_right(points, point & _MASK)
        return owners[place] if place < len(owners) else next(self._from(number + 1))

    def walk(self, point: int) -> Iterator[Endpoint]:
        """Yield the endpoint of a hash and those of the points after it."""
        number = point >> _SHIFT
        points, owners = self._arcs[number] or self._make(number)
        yield from owners[bisect_right(points, point & _MASK) :]
        yield from self._from(number + 1)

    def replaced(self, endpoints: Sequence[Endpoint], weights: Sequence[int]) -> Ring:
        """Return the ring of another set, with the arcs that are there mended if few endpoints are other ones."""
        ring = Ring(endpoints, weights)
        if ring.points == self.points:
            return self
        gone = {one: count for one, count in self.points.items() if ring.points.get(one) != count}
        new = {one: count for one, count in ring.points.items() if self.points.get(one) != count}
        if len(gone) + len(new) <= _MOST_CHANGES:
            ring._arcs = [arc and _mended(arc, number, gone, new) for number, arc in enumerate(self._arcs)]
        return ring

    def _from(self, number: int) -> Iterator[Endpoint]:
        while True:
            number %= ARCS
            _, owners = self._arcs[number] or self._make(number)
            yield from owners
            number += 1

    def _make(self, number: int) -> _Arc:
        found = [(point, one) for one, count in self.points.items() for point in _points(one.address, count, number)]
        found.sort(key=lambda pair: (pair[0], pair[1].address))
        arc = array("Q", [point for point, _ in found]), [one for _, one in found]
        self._arcs[number] = arc
        return arc


def _unit(weights: Sequence[int]) -> float:
    """Return the average weight, rounded to a power of two so that it seldom changes."""
    return float(2 ** round(log2(sum(weights) / len(weights))))


def _points(address: str, count: int, number: int) -> list[int]:
    """Return an endpoint's points in one arc. With a larger count it keeps those it has with a smaller one."""
    whole, rest = divmod(count, ARCS)
    if rest and (number * 77 + crc32(address.encode())) % ARCS < rest:  # 77 is odd: the arcs in an order well spread
        whole += 1
    key = f"{address} {number}".encode()
    return [
        int.from_bytes(blake2b(key if turn == 0 else b"%d %b" % (turn, key), digest_size=8).digest(), "big") & _MASK
        for turn in range(whole)
    ]


def _mended(arc: _Arc, number: int, gone: dict[Endpoint, int], new: dict[Endpoint, int]) -> _Arc:
    """Return an arc without the points of some endpoints and with those of others."""
    points, owners = arc[0][:], arc[1][:]
    for endpoint, count in gone.items():
        for point in _points(endpoint.address, count, number):
            place = bisect_left(points, point)
            while owners[place] is not endpoint:
                place += 1
            del points[place], owners[place]
    for endpoint, count in new.items():
        for point in _points(endpoint.address, count, number):
            place = bisect_left(points, point)
            while place < len(points) and points[place] == point and owners[place].address < endpoint.address:
                place += 1
            points.insert(place, point)
            owners.insert(place, endpoint)
    return points, owners
