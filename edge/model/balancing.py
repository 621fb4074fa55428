"""How an endpoint is chosen, as validated, frozen values. Durations are in seconds, shares are fractions of 1."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRobinSettings:
    """Take the endpoints in turn."""

    weighted: bool = False
    """Whether each as often as its weight says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSettings:
    """Take any endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastRequestSettings:
    """Take the endpoint with the fewest calls under way."""

    choices: int = 2
    """The random endpoints that are compared (power of two choices)."""

    full_scan: bool = False
    """Whether all are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakEwmaSettings:
    """Take the endpoint with the lowest expected latency of two."""

    default_rtt: float = 0.03
    """The latency assumed for an endpoint that has not been used yet."""

    decay: float = 10.0
    """The time over which a measured latency is forgotten."""


class HashAlgorithm(enum.Enum):
    """How keys are spread over endpoints."""

    RING = "ring"
    MAGLEV = "Maglev"


class KeySource(enum.Enum):
    """What a key is taken from."""

    HEADER = "header"
    CLAIM = "claim"
    CONSUMER = "consumer"
    PEER_ADDRESS = "peer address"
    PATH_PARAMETER = "path parameter"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistentHashSettings:
    """Send equal keys to the same endpoint."""

    source: KeySource
    """What the key is taken from."""

    name: str = ""
    """The header in lower case, the claim or the parameter. Empty for the other sources."""

    algorithm: HashAlgorithm = HashAlgorithm.RING
    """How keys are spread."""

    bounded_load: float | None = None
    """How many times the average an endpoint may have under way before its keys spill over. None means no bound."""


BalancerSettings = (
    RoundRobinSettings | RandomSettings | LeastRequestSettings | PeakEwmaSettings | ConsistentHashSettings
)
"""How an endpoint is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancing:
    """Which endpoints are preferred and how new ones are eased in."""

    zone: str = ""
    """The zone of the gateway, whose endpoints are preferred. Empty prefers none."""

    spill_over: float = 0.7
    """The share of usable endpoints in the own zone below which calls spill over to others."""

    slow_start: float | None = None
    """The time over which a new endpoint's share grows to its full size. None means at once."""

    panic_threshold: float = 0.0
    """The share of usable endpoints below which health is ignored. 0 means never."""
