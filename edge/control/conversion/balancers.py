"""How endpoints are chosen: proto → model."""

from __future__ import annotations

from edge.control.conversion import checks
from edge.control.conversion.scope import Scope
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
from gateway.v1 import upstream_pb2

_MOST_CHOICES = 32
_MOST_BOUND = 1000
_LONGEST_RTT = 60.0
_LONGEST_DECAY = 3600.0
_LONGEST_SLOW_START = 86400.0

_ALGORITHM = {
    upstream_pb2.ConsistentHash.ALGORITHM_UNSPECIFIED: HashAlgorithm.RING,
    upstream_pb2.ConsistentHash.ALGORITHM_RING: HashAlgorithm.RING,
    upstream_pb2.ConsistentHash.ALGORITHM_MAGLEV: HashAlgorithm.MAGLEV,
}


def convert_balancer(upstream: upstream_pb2.Upstream, scope: Scope) -> BalancerSettings:
    """Return how an endpoint is chosen. `scope` is that of the upstream."""
    match upstream.WhichOneof("balancer"):
        case "weighted_round_robin":
            return RoundRobinSettings(weighted=True)
        case "random":
            return RandomSettings()
        case "least_request":
            return _least_request(upstream.least_request, scope.field("least_request"))
        case "peak_ewma":
            return _peak_ewma(upstream.peak_ewma, scope.field("peak_ewma"))
        case "consistent_hash":
            return _consistent_hash(upstream.consistent_hash, scope.field("consistent_hash"))
    return RoundRobinSettings()


def convert_load_balancing(upstream: upstream_pb2.Upstream, scope: Scope) -> LoadBalancing:
    """Return which endpoints are preferred and how new ones are eased in. `scope` is that of the upstream."""
    options, default = upstream.load_balancing, LoadBalancing()
    scope = scope.field("load_balancing")
    if options.zone_spill_over_percent and not options.zone:
        scope.field("zone_spill_over_percent").refuse("needs `zone`, the zone of the gateway, without which none spill")
    slow_start = None
    if options.HasField("slow_start"):
        slow_start = checks.seconds(options.slow_start, scope.field("slow_start"), least=0.1, most=_LONGEST_SLOW_START)
        if upstream.HasField("consistent_hash"):
            scope.field("slow_start").refuse(
                "has no effect with `consistent_hash`, whose keys stay where they are; leave it out"
            )
    return LoadBalancing(
        zone=options.zone,
        spill_over=_share(options.zone_spill_over_percent, scope.field("zone_spill_over_percent"))
        or default.spill_over,
        slow_start=slow_start,
        panic_threshold=_share(options.panic_threshold_percent, scope.field("panic_threshold_percent")),
    )


def _share(percent: int, scope: Scope) -> float:
    if percent > 100:
        scope.refuse(f"is a share in percent, at most 100, and is {percent}")
    return percent / 100


def _least_request(least: upstream_pb2.LeastRequest, scope: Scope) -> LeastRequestSettings:
    choices = least.choice_count
    if choices == 1:
        scope.field("choice_count").refuse("1 compares nothing; write 2 or more, or the balancer `random: {}`")
    elif choices > _MOST_CHOICES:
        scope.field("choice_count").refuse(f"may be at most {_MOST_CHOICES}; `full_scan: true` compares all")
    elif choices and least.full_scan:
        scope.field("choice_count").refuse("has no effect with `full_scan`, which compares all; leave one of them out")
    return LeastRequestSettings(choices=choices or LeastRequestSettings().choices, full_scan=least.full_scan)


def _peak_ewma(ewma: upstream_pb2.PeakEwma, scope: Scope) -> PeakEwmaSettings:
    settings = PeakEwmaSettings()
    rtt, decay = settings.default_rtt, settings.decay
    if ewma.HasField("default_rtt"):
        rtt = checks.seconds(ewma.default_rtt, scope.field("default_rtt"), least=0.0001, most=_LONGEST_RTT)
    if ewma.HasField("decay"):
        decay = checks.seconds(ewma.decay, scope.field("decay"), least=0.1, most=_LONGEST_DECAY)
    return PeakEwmaSettings(default_rtt=rtt, decay=decay)


def _consistent_hash(hashing: upstream_pb2.ConsistentHash, scope: Scope) -> ConsistentHashSettings:
    if hashing.algorithm not in _ALGORITHM:
        scope.field("algorithm").refuse(f"{hashing.algorithm} is not known")
    if hashing.bounded_load_percent > _MOST_BOUND:
        scope.field("bounded_load_percent").refuse(
            f"may be at most {_MOST_BOUND}; 25 lets an endpoint have a quarter more than the average"
        )
    source, name = _key(hashing, scope)
    percent = hashing.bounded_load_percent
    return ConsistentHashSettings(
        source=source,
        name=name,
        algorithm=_ALGORITHM.get(hashing.algorithm, HashAlgorithm.RING),
        bounded_load=1.0 + percent / 100 if percent else None,
    )


def _key(hashing: upstream_pb2.ConsistentHash, scope: Scope) -> tuple[KeySource, str]:
    match hashing.WhichOneof("key"):
        case "header":
            return KeySource.HEADER, checks.header_name(hashing.header, scope.field("header"))
        case "claim":
            if not hashing.claim:
                scope.field("claim").refuse("the name of a claim is missing, as in `sub`")
            return KeySource.CLAIM, hashing.claim
        case "consumer":
            _is_true(hashing.consumer, scope.field("consumer"))
            return KeySource.CONSUMER, ""
        case "peer_address":
            _is_true(hashing.peer_address, scope.field("peer_address"))
            return KeySource.PEER_ADDRESS, ""
        case "path_parameter":
            if not hashing.path_parameter:
                scope.field("path_parameter").refuse("the name of a parameter is missing, as `id` in `/v1/books/{id}`")
            return KeySource.PATH_PARAMETER, hashing.path_parameter
    scope.refuse('what to hash is missing, as in `header: "x-user-id"` or `peer_address: true`')
    return KeySource.PEER_ADDRESS, ""


def _is_true(value: bool, scope: Scope) -> None:
    if not value:
        scope.refuse("false means nothing; write true, or another source of the key")
