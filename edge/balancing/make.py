"""Makes the balancer that the settings ask for."""

from __future__ import annotations

from collections.abc import Sequence

from edge.balancing.base import Balancer
from edge.balancing.chance import Random
from edge.balancing.consistent_hash import ConsistentHash
from edge.balancing.draw import Chance, Draw, chance
from edge.balancing.keys import key_of
from edge.balancing.least_request import LeastRequest
from edge.balancing.maglev import Maglev
from edge.balancing.peak_ewma import PeakEwma
from edge.balancing.ring import Ring
from edge.balancing.round_robin import RoundRobin
from edge.balancing.weighted import WeightedRoundRobin
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
from edge.model.endpoint import Endpoint


def make_balancer(
    settings: BalancerSettings,
    endpoints: Sequence[Endpoint],
    weights: Sequence[int],
    before: Balancer | None = None,
    *,
    source: Chance = chance,
) -> Balancer:
    """Return a balancer.

    Args:
        settings: Which one.
        endpoints: The endpoints, at least one.
        weights: The share of each relative to the others, at least 1.
        before: The balancer of the same settings before this one, from which is taken over what it has learnt.
        source: Where chance comes from.
    """
    even = min(weights) == max(weights)
    if isinstance(settings, RoundRobinSettings):
        kind = RoundRobin if even else WeightedRoundRobin
        if isinstance(before, kind):
            return before.replaced(endpoints, weights)
        return RoundRobin(endpoints) if even else WeightedRoundRobin(endpoints, weights)
    if before is not None:
        return before.replaced(endpoints, weights)
    if isinstance(settings, ConsistentHashSettings):
        kind_of_table = Ring if settings.algorithm is HashAlgorithm.RING else Maglev
        table = kind_of_table(endpoints, weights)
        key = key_of(settings.source, settings.name)
        return ConsistentHash(endpoints, weights, table, key, bound=settings.bounded_load, source=source)
    draw = Draw(weights, source)
    if isinstance(settings, LeastRequestSettings):
        return LeastRequest(endpoints, draw, settings)
    if isinstance(settings, PeakEwmaSettings):
        return PeakEwma(endpoints, draw, settings)
    return Random(endpoints, draw)


def heeds_weights(settings: BalancerSettings) -> bool:
    """Whether the balancer gives an endpoint calls by its weight."""
    return not isinstance(settings, RoundRobinSettings) or settings.weighted


def words_of(settings: BalancerSettings) -> str:
    """Return how endpoints are chosen, for people."""
    match settings:
        case RoundRobinSettings():
            return "weighted round robin" if settings.weighted else "round robin"
        case RandomSettings():
            return "random"
        case LeastRequestSettings():
            return f"least request of {'all' if settings.full_scan else settings.choices}"
        case PeakEwmaSettings():
            return "peak EWMA"
    key = settings.name if settings.name else settings.source.value
    if settings.source is not KeySource.HEADER and settings.name:
        key = f"{settings.source.value} {settings.name}"
    bound = f", at most {settings.bounded_load:g} times the average" if settings.bounded_load is not None else ""
    return f"{settings.algorithm.value} hash of {key}{bound}"
