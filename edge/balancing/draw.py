"""Draws by chance, each endpoint as often as its weight says."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Sequence

Chance = Callable[[], float]
"""Returns a number from 0 to below 1; given, so that a test can say what comes."""

chance: Chance = random.random

_REDRAWS = 3


class Draw:
    """Draws indices, in the same time however many there are (Walker's alias method, as Vose builds it).

    Args:
        weights: The weight of each, at least 1.
        source: Where chance comes from.
    """

    __slots__ = ("_alias", "_count", "_own", "_source", "weights")

    def __init__(self, weights: Sequence[int], source: Chance = chance) -> None:
        self._count = len(weights)
        self._source = source
        self.weights = tuple(weights) if min(weights) != max(weights) else None
        """The weights, or None when all are the same."""
        self._own, self._alias = _aliases(weights) if self.weights is not None else (array("d"), array("l"))

    def one(self) -> int:
        """Return an index."""
        point = self._source() * self._count
        index = int(point)
        if self.weights is None or point - index < self._own[index]:
            return index
        return self._alias[index]

    def pair(self) -> tuple[int, int]:
        """Return two different indices, or twice 0 when there is only one."""
        count, source = self._count, self._source
        if count == 1:
            return 0, 0
        if self.weights is None:
            first = int(source() * count)
            second = int(source() * (count - 1))
            return first, second + 1 if second >= first else second
        own, alias = self._own, self._alias
        point = source() * count
        first = int(point)
        if point - first >= own[first]:
            first = alias[first]
        for _ in range(_REDRAWS):
            point = source() * count
            second = int(point)
            if point - second >= own[second]:
                second = alias[second]
            if second != first:
                return first, second
        return first, first + 1 if first + 1 < count else 0  # nearly all the weight is on one

    def again(self, weights: Sequence[int]) -> Draw:
        """Return the same for other weights."""
        return Draw(weights, self._source)


def _aliases(weights: Sequence[int]) -> tuple[array[float], array[int]]:
    """Return which share of each place is its own, and whose the rest of it is."""
    count, total = len(weights), sum(weights)
    left = [weight * count for weight in weights]  # in parts of the total, so that nothing is rounded
    own, alias = array("d", [1.0]) * count, array("l", range(count))
    small = [index for index, share in enumerate(left) if share < total]
    large = [index for index, share in enumerate(left) if share >= total]
    while small:
        index, giver = small.pop(), large[-1]
        own[index], alias[index] = left[index] / total, giver
        left[giver] -= total - left[index]
        if left[giver] < total:
            small.append(large.pop())
    return own, alias
