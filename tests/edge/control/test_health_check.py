"""How endpoints are probed, from the configuration to the model."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from edge.control.conversion.health_check import convert_health_check
from edge.control.conversion.scope import Scope
from edge.model.resilience import GrpcProbe, HealthCheck, HttpProbe, TcpProbe
from gateway.v1 import upstream_pb2


def converted(check: dict[str, Any] | None, protocol: str = "GRPC") -> tuple[HealthCheck | None, dict[str, str]]:
    fields = {"protocol": f"PROTOCOL_{protocol}", **({} if check is None else {"healthCheck": check})}
    scope = Scope()
    found = convert_health_check(json_format.ParseDict(fields, upstream_pb2.Upstream()), scope)
    return found, {problem.path: problem.description for problem in scope.problems}


def test_no_probe_is_none() -> None:
    assert converted(None) == (None, {})


def test_the_defaults() -> None:
    assert converted({}) == (HealthCheck(), {})
    # a short interval alone is enough
    assert converted({"interval": "0.5s"}) == (HealthCheck(interval=0.5, timeout=0.5), {})


@pytest.mark.parametrize(
    ("check", "protocol", "probe"),
    [
        ({"grpc": {"services": ["", "a.B"]}}, "GRPC", GrpcProbe(services=("", "a.B"))),
        ({"tcp": {}}, "GRPC", TcpProbe()),
        ({"tcp": {}}, "HTTP", TcpProbe()),
        (
            {"http": {"path": "/healthz?x=1", "statuses": [200, 204]}},
            "HTTP",
            HttpProbe(path="/healthz?x=1", statuses=frozenset({200, 204})),
        ),
    ],
)
def test_probes(check: dict[str, Any], protocol: str, probe: Any) -> None:
    assert converted(check, protocol) == (HealthCheck(probe=probe), {})


def test_all_settings() -> None:
    found, problems = converted(
        {"interval": "5s", "timeout": "5s", "unhealthyThreshold": 4, "healthyThreshold": 3, "grpc": {}}
    )
    assert found == HealthCheck(interval=5.0, timeout=5.0, unhealthy_threshold=4, healthy_threshold=3)
    assert not problems


@pytest.mark.parametrize(
    ("check", "protocol", "path", "words"),
    [
        ({"timeout": "11s"}, "GRPC", "timeout", "may not be longer than `interval`"),
        ({"interval": "1s", "timeout": "1.5s"}, "GRPC", "timeout", "is 1.5s with 1s"),
        ({"interval": "0.01s"}, "GRPC", "interval", "at least 0.1s"),
        ({"timeout": "0s"}, "GRPC", "timeout", "longer than 0"),
        ({"unhealthyThreshold": 101}, "GRPC", "unhealthy_threshold", "at most 100"),
        ({"healthyThreshold": 101}, "GRPC", "healthy_threshold", "at most 100"),
        ({"http": {"path": "/"}}, "GRPC", "http", "`protocol: HTTP`"),
        ({"grpc": {}}, "HTTP", "grpc", "`http` or `tcp`"),
        ({}, "HTTP", "", "`http` or `tcp`"),
        ({"http": {}}, "HTTP", "http.path", "has to begin with `/`"),
        ({"http": {"path": "/a b"}}, "HTTP", "http.path", "has to begin with `/`"),
        ({"http": {"path": "/a\r\nx: y"}}, "HTTP", "http.path", "has to begin with `/`"),
        ({"http": {"path": "/a#b"}}, "HTTP", "http.path", "has to begin with `/`"),
        ({"http": {"path": "/", "statuses": [100]}}, "HTTP", "http.statuses[0]", "no status"),
        ({"grpc": {"services": ["/a.B"]}}, "GRPC", "grpc.services[0]", "full name of a service"),
        ({"grpc": {"services": ["a.B", "a.B"]}}, "GRPC", "grpc.services[1]", "already"),
        ({"grpc": {"services": [f"a.S{i}" for i in range(65)]}}, "GRPC", "grpc.services", "at most 64"),
    ],
)
def test_what_is_refused(check: dict[str, Any], protocol: str, path: str, words: str) -> None:
    _, problems = converted(check, protocol)
    full = f"health_check.{path}" if path else "health_check"
    assert list(problems) == [full]
    assert words in problems[full]
