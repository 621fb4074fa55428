"""What choosing an endpoint costs, and how good the choice is when one of the endpoints is slow.

    python -m benchmarks.run --only balancing

The costs are measured: picks over 100 upstreams of 1,000 endpoints each, and changes of one endpoint of 1,000. The
quality is simulated, event by event with a clock of its own, so that it is the same in every run: calls arrive by
chance at ten backends, each of which serves a few at once and queues the rest.
"""

from __future__ import annotations

import heapq
import random
import statistics
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from edge.balancing import Selection
from edge.model.balancing import (
    BalancerSettings,
    ConsistentHashSettings,
    HashAlgorithm,
    KeySource,
    LeastRequestSettings,
    LoadBalancing,
    PeakEwmaSettings,
    RandomSettings,
    RoundRobinSettings,
)
from edge.model.call import Call
from edge.model.endpoint import Endpoint, EndpointAddress, EndpointState

UPSTREAMS = 100
ENDPOINTS = 1_000
PICKS = 2_000
ROUNDS = 10

_RING = ConsistentHashSettings(source=KeySource.HEADER, name="x-user")
_MAGLEV = ConsistentHashSettings(source=KeySource.HEADER, name="x-user", algorithm=HashAlgorithm.MAGLEV)
_BOUNDED = ConsistentHashSettings(source=KeySource.HEADER, name="x-user", bounded_load=1.25)

BALANCERS: dict[str, tuple[BalancerSettings, float | None]] = {
    # name: (settings, microseconds a pick may take)
    "round robin": (RoundRobinSettings(), 2.0),
    "weighted round robin": (RoundRobinSettings(weighted=True), None),
    "random": (RandomSettings(), None),
    "least request of 2": (LeastRequestSettings(), 2.0),
    "peak EWMA": (PeakEwmaSettings(), None),
    "ring hash": (_RING, 4.0),
    "ring hash, bounded 1.25": (_BOUNDED, 4.0),
    "Maglev hash": (_MAGLEV, 4.0),
}

UPDATE_ALLOWED = 10.0
"""Milliseconds within which a change of an endpoint is applied."""


def endpoints(count: int, upstream: int = 0) -> list[Endpoint]:
    """Return endpoints that take calls, of five weights."""
    made = []
    for number in range(count):
        address = f"10.{upstream}.{number // 250}.{number % 250}:50051"
        endpoint = Endpoint(EndpointAddress(address, weight=1 + number % 5))
        endpoint.enter(EndpointState.ACTIVE)
        made.append(endpoint)
    return made


def calls(count: int, keys: int) -> list[Call]:
    """Return calls with metadata as they have it, and a key."""
    common = (("user-agent", "grpc-python/1.78"), ("x-request-id", "d0c5"))
    return [Call("/shop.v1.Shop/Get", metadata=(*common, ("x-user", f"user-{n % keys}"))) for n in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one balancer costs."""

    pick: float
    """Microseconds per pick."""

    update: float
    """Milliseconds until one endpoint of 1,000 that went or came is applied, with the next pick."""

    first: float
    """Milliseconds for 1,000 endpoints at once, with the first pick."""


def cost(settings: BalancerSettings, sets: Sequence[Sequence[Endpoint]]) -> Cost:
    """Measure one balancer."""
    selections = [Selection(settings, LoadBalancing()) for _ in sets]
    for selection, those in zip(selections, sets, strict=True):
        selection.update(those)
    pairs = [(selections[n % len(selections)].pick, call) for n, call in enumerate(calls(PICKS, PICKS))]
    for pick, call in pairs:  # what is made when a key first needs it is there
        pick(call, 1.0)
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for pick, call in pairs:
            pick(call, 1.0)
        best = min(best, time.perf_counter() - began)
    changes, firsts = _changes(settings, sets[0])
    return Cost(pick=best / PICKS * 1e6, update=changes * 1e3, first=firsts * 1e3)


def _changes(settings: BalancerSettings, those: Sequence[Endpoint]) -> tuple[float, float]:
    """Return the median seconds of a change of one endpoint, and of the first set."""
    every = calls(PICKS, PICKS)
    firsts, changes = [], []
    for _ in range(3):
        selection = Selection(settings, LoadBalancing())
        began = time.perf_counter()
        selection.update(those)
        selection.pick(every[0], 0.0)
        firsts.append(time.perf_counter() - began)
        for call in every:
            selection.pick(call, 0.0)
        for change, present in enumerate((those[1:], those, those[:-1], those), start=1):
            began = time.perf_counter()
            selection.update(present)
            selection.pick(every[0], float(change))
            changes.append(time.perf_counter() - began)
    return statistics.median(changes), statistics.median(firsts)


BACKENDS = 10
AT_ONCE = 4
"""The calls a backend serves at once."""
SERVICE = 0.010
"""The mean seconds a call takes to be served."""
SLOW = 10.0
"""How many times as long the slow backend takes."""
RATE = 1_500.0
"""The calls per second, of 4,000 that ten healthy backends could serve."""
CALLS = 15_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How a simulated load went."""

    slow_share: float
    """The share of the calls that went to the slow backend."""

    spread: tuple[int, int]
    """The fewest and the most calls that another backend got."""

    median: float
    """Seconds."""

    p99: float
    """Seconds."""


class _Backend:
    """Serves a few calls at once and queues the rest."""

    def __init__(self, mean: float) -> None:
        self.mean = mean
        self.busy = 0
        self.queue: deque[float] = deque()


def quality(settings: BalancerSettings, *, seed: int = 1) -> Quality:
    """Simulate a load over backends of which one is slow."""
    chance = random.Random(seed)
    those = [Endpoint(EndpointAddress(f"10.0.0.{number}:50051")) for number in range(BACKENDS)]
    for one in those:
        one.enter(EndpointState.ACTIVE)
    backends = {one: _Backend(SERVICE * (SLOW if index == 0 else 1.0)) for index, one in enumerate(those)}
    selection = Selection(settings, LoadBalancing(), source=random.Random(seed + 1).random)
    selection.update(those)
    events: list[tuple[float, int, Endpoint | None, float]] = []  # (time, number, who is done or None, when it came)
    now = 0.0
    for number in range(CALLS):
        now += chance.expovariate(RATE)
        events.append((now, number, None, now))
    number = CALLS
    every = calls(CALLS, 5_000)
    picked: Counter[Endpoint] = Counter()
    latencies = []

    def serve(endpoint: Endpoint, now: float, came: float) -> None:
        nonlocal number
        number += 1
        backends[endpoint].busy += 1
        heapq.heappush(events, (now + chance.expovariate(1 / backends[endpoint].mean), number, endpoint, came))

    while events:
        now, which, done, came = heapq.heappop(events)
        if done is not None:
            latencies.append(now - came)
            done.active -= 1
            selection.settle(done, failed=False, latency=now - came, now=now)
            backend = backends[done]
            backend.busy -= 1
            if backend.queue:
                serve(done, now, backend.queue.popleft())
            continue
        endpoint = selection.pick(every[which], now)
        if endpoint is None:
            raise RuntimeError("no endpoint was chosen, and all of them take calls")
        endpoint.active += 1
        picked[endpoint] += 1
        if backends[endpoint].busy < AT_ONCE:
            serve(endpoint, now, now)
        else:
            backends[endpoint].queue.append(now)
    latencies.sort()
    others = [picked[one] for one in those[1:]]
    return Quality(
        slow_share=picked[those[0]] / CALLS,
        spread=(min(others), max(others)),
        median=latencies[CALLS // 2],
        p99=latencies[CALLS * 99 // 100],
    )


def tables() -> list[Table]:
    """Return what picks and changes cost, and how good the choice is."""
    sets = [endpoints(ENDPOINTS, upstream) for upstream in range(UPSTREAMS)]
    costs = Table(
        f"{UPSTREAMS} upstreams of {ENDPOINTS:,} endpoints",
        *("a pick", "allowed", "a change of one endpoint", "allowed", "the first set"),
    )
    for name, (settings, allowed) in BALANCERS.items():
        found = cost(settings, sets)
        costs.add_row(
            name,
            f"{found.pick:.2f} µs",
            f"{allowed:.0f} µs" if allowed is not None else "",
            f"{found.update:.2f} ms",
            f"{UPDATE_ALLOWED:.0f} ms",
            f"{found.first:.2f} ms",
        )
    title = f"simulated: {BACKENDS} backends, one {SLOW:.0f} times as slow, {RATE:,.0f} calls/s"
    qualities = Table(title, "share of the slow one", "calls of each other one", "median", "p99")
    for name, (settings, _) in BALANCERS.items():
        load = quality(settings)
        spread = f"{load.spread[0]:,} to {load.spread[1]:,}"
        median, p99 = f"{load.median * 1e3:.0f} ms", f"{load.p99 * 1e3:,.0f} ms"
        qualities.add_row(name, f"{load.slow_share:.1%}", spread, median, p99)
    return [costs, qualities]
