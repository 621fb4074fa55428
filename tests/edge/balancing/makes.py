"""What the tests of balancers share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hypothesis import strategies as st

from edge.balancing import Balancer, make_balancer
from edge.balancing.draw import Chance
from edge.model.balancing import (
    BalancerSettings,
    ConsistentHashSettings,
    HashAlgorithm,
    KeySource,
    LeastRequestSettings,
    PeakEwmaSettings,
    RandomSettings,
    RoundRobinSettings,
)
from edge.model.call import Call
from edge.model.endpoint import Endpoint, EndpointAddress, EndpointState

HEADER = ConsistentHashSettings(source=KeySource.HEADER, name="key")
MAGLEV = ConsistentHashSettings(source=KeySource.HEADER, name="key", algorithm=HashAlgorithm.MAGLEV)
BOUNDED = ConsistentHashSettings(source=KeySource.HEADER, name="key", bounded_load=1.25)

EVERY: dict[str, BalancerSettings] = {
    "round robin": RoundRobinSettings(),
    "weighted": RoundRobinSettings(weighted=True),
    "random": RandomSettings(),
    "least request": LeastRequestSettings(),
    "least of five": LeastRequestSettings(choices=5),
    "full scan": LeastRequestSettings(full_scan=True),
    "peak EWMA": PeakEwmaSettings(),
    "ring": HEADER,
    "Maglev": MAGLEV,
    "bounded": BOUNDED,
}
"""One of each kind."""

WEIGHTS = st.lists(st.integers(1, 40), min_size=1, max_size=8)
"""Weights of a few endpoints."""


def endpoint(number: int, *, weight: int = 1, zone: str = "", up: bool = True) -> Endpoint:
    """Return one that takes calls, or one that a health check has taken out."""
    made = Endpoint(EndpointAddress(f"10.0.{number // 250}.{number % 250}:50051", weight=weight, zone=zone))
    made.enter(EndpointState.ACTIVE if up else EndpointState.UNHEALTHY)
    return made


def endpoints(count: int) -> list[Endpoint]:
    """Return some that take calls."""
    return [endpoint(number) for number in range(count)]


def keyed(key: object) -> Call:
    """Return a call with a key."""
    return Call("/a/B", metadata=(("other", "x"), ("key", str(key))))


def balancer(settings: BalancerSettings, those: Sequence[Endpoint], source: Chance | None = None) -> Balancer:
    """Return a balancer with the endpoints' weights."""
    weights = [one.weight for one in those]
    return (
        make_balancer(settings, those, weights)
        if source is None
        else make_balancer(settings, those, weights, source=source)
    )


def homes(made: Balancer, keys: int) -> dict[int, str]:
    """Return where each key goes."""
    found: dict[int, str] = {}
    for key in range(keys):
        chosen = made.pick(keyed(key), 1e9)
        assert chosen is not None
        found[key] = chosen.address
    return found


def scripted(*numbers: float) -> Chance:
    """Return a source of chance that says these."""
    rest: Iterator[float] = iter(numbers)
    return lambda: next(rest)
