"""How endpoints are chosen, as configured."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from edge.control.conversion.availability import check_available
from edge.control.conversion.balancers import convert_balancer, convert_load_balancing
from edge.control.conversion.scope import Scope
from edge.control.conversion.upstreams import convert_upstream
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


def upstream(**fields: Any) -> upstream_pb2.Upstream:
    given = {"name": "upstreams/a", "static": {"endpoints": [{"address": "a:1"}]}, **fields}
    return json_format.ParseDict(given, upstream_pb2.Upstream())


@pytest.mark.parametrize(
    ("fields", "settings"),
    [
        ({}, RoundRobinSettings()),
        ({"roundRobin": {}}, RoundRobinSettings()),
        ({"weightedRoundRobin": {}}, RoundRobinSettings(weighted=True)),
        ({"random": {}}, RandomSettings()),
        ({"leastRequest": {}}, LeastRequestSettings(choices=2)),
        ({"leastRequest": {"choiceCount": 5}}, LeastRequestSettings(choices=5)),
        ({"leastRequest": {"fullScan": True}}, LeastRequestSettings(full_scan=True)),
        ({"peakEwma": {}}, PeakEwmaSettings(default_rtt=0.03, decay=10.0)),
        ({"peakEwma": {"defaultRtt": "0.5s", "decay": "3s"}}, PeakEwmaSettings(default_rtt=0.5, decay=3.0)),
        (
            {"consistentHash": {"header": "X-User"}},
            ConsistentHashSettings(source=KeySource.HEADER, name="x-user"),
        ),
        (
            {"consistentHash": {"peerAddress": True, "algorithm": "ALGORITHM_MAGLEV", "boundedLoadPercent": 25}},
            ConsistentHashSettings(source=KeySource.PEER_ADDRESS, algorithm=HashAlgorithm.MAGLEV, bounded_load=1.25),
        ),
        (
            {"consistentHash": {"pathParameter": "book.id"}},
            ConsistentHashSettings(source=KeySource.PATH_PARAMETER, name="book.id"),
        ),
    ],
)
def test_each_balancer_is_taken_over(fields: dict[str, Any], settings: BalancerSettings) -> None:
    scope = Scope()
    check_available(upstream(**fields), scope)
    converted = convert_upstream(upstream(**fields), scope)
    assert not scope.problems
    assert converted.balancer == settings
    assert converted.load_balancing == LoadBalancing()


def test_zones_slow_start_and_panic_are_taken_over() -> None:
    options = {"zone": "a", "zoneSpillOverPercent": 50, "slowStart": "30s", "panicThresholdPercent": 20}
    scope = Scope()
    assert convert_load_balancing(upstream(loadBalancing=options), scope) == LoadBalancing(
        zone="a", spill_over=0.5, slow_start=30.0, panic_threshold=0.2
    )
    assert convert_load_balancing(upstream(loadBalancing={"zone": "a"}), scope).spill_over == 0.7
    assert not scope.problems


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"leastRequest": {"choiceCount": 1}}, "least_request.choice_count", "compares nothing"),
        ({"leastRequest": {"choiceCount": 33}}, "least_request.choice_count", "at most 32"),
        ({"leastRequest": {"choiceCount": 3, "fullScan": True}}, "least_request.choice_count", "no effect"),
        ({"peakEwma": {"defaultRtt": "0s"}}, "peak_ewma.default_rtt", "longer than 0"),
        ({"peakEwma": {"decay": "0.01s"}}, "peak_ewma.decay", "at least 0.1s"),
        ({"consistentHash": {}}, "consistent_hash", "what to hash is missing"),
        ({"consistentHash": {"header": ""}}, "consistent_hash.header", "name is missing"),
        ({"consistentHash": {"header": "a b"}}, "consistent_hash.header", "no header name"),
        ({"consistentHash": {"claim": ""}}, "consistent_hash.claim", "name of a claim is missing"),
        ({"consistentHash": {"consumer": False}}, "consistent_hash.consumer", "write true"),
        ({"consistentHash": {"peerAddress": False}}, "consistent_hash.peer_address", "write true"),
        ({"consistentHash": {"pathParameter": ""}}, "consistent_hash.path_parameter", "parameter is missing"),
        (
            {"consistentHash": {"header": "a", "boundedLoadPercent": 1001}},
            "consistent_hash.bounded_load_percent",
            "at most 1000",
        ),
        ({"consistentHash": {"header": "a", "algorithm": 9}}, "consistent_hash.algorithm", "9 is not known"),
        ({"loadBalancing": {"zoneSpillOverPercent": 5}}, "load_balancing.zone_spill_over_percent", "needs `zone`"),
        (
            {"loadBalancing": {"zone": "a", "zoneSpillOverPercent": 101}},
            "load_balancing.zone_spill_over_percent",
            "at most 100",
        ),
        (
            {"loadBalancing": {"panicThresholdPercent": 200}},
            "load_balancing.panic_threshold_percent",
            "at most 100",
        ),
        ({"loadBalancing": {"slowStart": "0s"}}, "load_balancing.slow_start", "longer than 0"),
        (
            {"loadBalancing": {"slowStart": "10s"}, "consistentHash": {"header": "a"}},
            "load_balancing.slow_start",
            "no effect with `consistent_hash`",
        ),
    ],
)
def test_what_is_wrong_is_said_of_its_field(fields: dict[str, Any], field: str, words: str) -> None:
    scope = Scope()
    convert_balancer(upstream(**fields), scope)
    convert_load_balancing(upstream(**fields), scope)
    assert [problem.path for problem in scope.problems] == [field]
    assert words in scope.problems[0].description


@pytest.mark.parametrize("field", ["claim", "consumer"])
def test_keys_that_no_call_carries_yet_are_refused(field: str) -> None:
    scope = Scope()
    check_available(upstream(consistentHash={field: True if field == "consumer" else "sub"}), scope)
    assert [problem.path for problem in scope.problems] == [f"consistent_hash.{field}"]
