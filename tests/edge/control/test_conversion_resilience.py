"""Circuit breaker, outlier detection and limits, from the configuration to the model."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from edge.control.conversion.resilience import convert_breaker, convert_limits, convert_outliers
from edge.control.conversion.scope import Scope
from edge.model.resilience import CircuitBreaker, ConcurrencyLimits, OutlierDetection
from gateway.v1 import upstream_pb2

Problems = dict[str, str]


def converted(**fields: Any) -> tuple[CircuitBreaker | None, OutlierDetection | None, ConcurrencyLimits, Problems]:
    """Convert an upstream with these fields as edge.yaml has them."""
    scope = Scope()
    upstream = json_format.ParseDict(fields, upstream_pb2.Upstream())
    found = (convert_breaker(upstream, scope), convert_outliers(upstream, scope), convert_limits(upstream, scope))
    return (*found, {problem.path: problem.description for problem in scope.problems})


def test_nothing_is_nothing() -> None:
    assert converted() == (None, None, ConcurrencyLimits(), {})
    assert converted(limits={}) == (None, None, ConcurrencyLimits(), {})


def test_the_defaults() -> None:
    breaker, outliers, _, problems = converted(
        circuit_breaker={"failure_threshold": 5}, outlier_detection={"consecutive_failures": 3}
    )
    assert breaker == CircuitBreaker(failure_threshold=5)
    assert outliers == OutlierDetection(consecutive_failures=3)
    assert problems == {}


def test_everything_a_breaker_has() -> None:
    breaker, _, _, problems = converted(
        circuit_breaker={
            "failure_threshold": 7,
            "failure_percent": 100,
            "window": "0.1s",
            "minimum_calls": 4,
            "open_duration": "0.001s",
            "half_open_calls": 3,
            "success_threshold": 2,
            "per_endpoint": True,
        }
    )
    assert breaker == CircuitBreaker(
        failure_threshold=7,
        failure_ratio=1.0,
        window=0.1,
        minimum_calls=4,
        open_duration=0.001,
        half_open_calls=3,
        success_threshold=2,
        per_endpoint=True,
    )
    assert problems == {}


def test_everything_outlier_detection_has() -> None:
    _, outliers, _, problems = converted(
        outlier_detection={
            "consecutive_failures": 4,
            "failure_percent": 25,
            "latency_factor": 2.5,
            "interval": "3s",
            "base_ejection_duration": "7s",
            "max_ejection_percent": 100,
        }
    )
    assert outliers == OutlierDetection(
        consecutive_failures=4,
        failure_ratio=0.25,
        latency_factor=2.5,
        interval=3.0,
        base_ejection=7.0,
        max_ejection=1.0,
    )
    assert problems == {}


def test_limits() -> None:
    _, _, limits, problems = converted(limits={"max_calls": 10, "max_pending_calls": 20, "max_calls_per_endpoint": 5})
    assert limits == ConcurrencyLimits(max_calls=10, max_pending_calls=20, max_calls_per_endpoint=5)
    assert problems == {}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("circuit_breaker", {}, "never opens; set `failure_threshold`"),
        ("circuit_breaker", {"per_endpoint": True}, "never opens"),
        ("circuit_breaker.minimum_calls", {"failure_threshold": 1, "minimum_calls": 3}, "needs `failure_percent`"),
        ("circuit_breaker.failure_percent", {"failure_percent": 101}, "at most 100"),
        ("circuit_breaker.window", {"failure_threshold": 1, "window": "0.09s"}, "at least 0.1s, and is 0.09s"),
        ("circuit_breaker.window", {"failure_threshold": 1, "window": "0s"}, "longer than 0"),
        ("circuit_breaker.window", {"failure_threshold": 1, "window": "86401s"}, "at most 86400s"),
        ("circuit_breaker.open_duration", {"failure_threshold": 1, "open_duration": "0s"}, "longer than 0"),
        ("circuit_breaker.open_duration", {"failure_threshold": 1, "open_duration": "-1s"}, "longer than 0"),
        ("circuit_breaker.open_duration", {"failure_threshold": 1, "open_duration": "86401s"}, "at most 86400s"),
        ("outlier_detection", {}, "sets nothing aside; set `consecutive_failures`"),
        ("outlier_detection", {"max_ejection_percent": 10}, "sets nothing aside"),
        ("outlier_detection.failure_percent", {"failure_percent": 101}, "at most 100"),
        (
            "outlier_detection.max_ejection_percent",
            {"consecutive_failures": 1, "max_ejection_percent": 101},
            "at most 100",
        ),
        ("outlier_detection.latency_factor", {"latency_factor": 1.0}, "more than 1"),
        ("outlier_detection.latency_factor", {"latency_factor": -2.0}, "more than 1"),
        ("outlier_detection.latency_factor", {"latency_factor": 1000.5}, "at most 1000"),
        ("outlier_detection.latency_factor", {"latency_factor": "NaN"}, "more than 1"),
        ("outlier_detection.latency_factor", {"latency_factor": "Infinity"}, "at most 1000"),
        ("outlier_detection.interval", {"consecutive_failures": 1, "interval": "0.05s"}, "at least 0.1s"),
        ("outlier_detection.interval", {"consecutive_failures": 1, "interval": "86401s"}, "at most 86400s"),
        (
            "outlier_detection.base_ejection_duration",
            {"consecutive_failures": 1, "base_ejection_duration": "0s"},
            "longer than 0",
        ),
        (
            "outlier_detection.base_ejection_duration",
            {"consecutive_failures": 1, "base_ejection_duration": "86401s"},
            "at most 86400s",
        ),
        ("limits.max_pending_calls", {"max_pending_calls": 1}, "needs `max_calls`"),
        ("limits.max_pending_calls", {"max_pending_calls": 1, "max_calls_per_endpoint": 2}, "needs `max_calls`"),
    ],
)
def test_what_is_refused(path: str, value: dict[str, Any], words: str) -> None:
    *_, problems = converted(**{path.partition(".")[0]: value})
    assert list(problems) == [path]
    assert words in problems[path]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    *_, problems = converted(
        circuit_breaker={"minimum_calls": 2, "window": "0s"},
        outlier_detection={"interval": "0s", "latency_factor": 0.5},
        limits={"max_pending_calls": 1},
    )
    assert set(problems) == {
        "circuit_breaker",
        "circuit_breaker.minimum_calls",
        "circuit_breaker.window",
        "outlier_detection.interval",
        "outlier_detection.latency_factor",
        "limits.max_pending_calls",
    }
