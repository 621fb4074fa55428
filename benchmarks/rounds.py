"""Proxies under the same load in alternating rounds, so that their CPU can be compared on a noisy machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from benchmarks.processes import Proxy

Load = Callable[[int, int], None]
"""Puts a number of calls or messages on a port."""

WARM_UP = 160
"""The fewest calls before anything is measured."""


class Costs:
    """The CPU of some proxies for the same load.

    Args:
        proxies: Those that are compared. Each gets the load once before anything counts.
        load: The load.
        count: Its calls or messages per round.
        rounds: The rounds.
    """

    def __init__(self, proxies: Sequence[Proxy], load: Load, count: int, rounds: int) -> None:
        self._costs: dict[str, list[float]] = {proxy.name: [] for proxy in proxies}
        self._times: dict[str, list[float]] = {proxy.name: [] for proxy in proxies}
        for proxy in proxies:
            load(proxy.port, max(count // 5, WARM_UP))
        for turn in range(rounds):
            # every other round begins with the other end, so that none always runs on a warm or a hot machine
            for proxy in proxies if turn % 2 else reversed(proxies):
                before, began = proxy.cpu(), time.perf_counter()
                load(proxy.port, count)
                self._times[proxy.name].append((time.perf_counter() - began) / count)
                self._costs[proxy.name].append((proxy.cpu() - before) / count * 1e6)

    def microseconds(self, name: str) -> float:
        """Return the CPU of a proxy per call: the median of the rounds."""
        return statistics.median(self._costs[name])

    def ratio(self, name: str, other: str) -> float:
        """Return how many times the CPU of another proxy one takes: the median of the rounds' ratios."""
        pairs = zip(self._costs[name], self._costs[other], strict=True)
        return statistics.median(one / reference for one, reference in pairs)

    def per_second(self, name: str) -> float:
        """Return how many calls went through a proxy in a second: the median of the rounds."""
        return 1 / statistics.median(self._times[name])

    def times_as_fast(self, name: str, other: str) -> float:
        """Return how many times the calls of another proxy went through one: the median of the rounds' ratios."""
        pairs = zip(self._times[name], self._times[other], strict=True)
        return statistics.median(reference / one for one, reference in pairs)
