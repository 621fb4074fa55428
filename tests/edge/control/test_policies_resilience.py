"""Retry, hedge and timeout policies: proto → model, and what is refused at which field."""

from __future__ import annotations

from typing import Any

import pytest

from edge.model.resilience import HedgeRule, RetryRule, TimeoutRule
from edge.model.status import Code
from edge.policies import compile_policies
from tests.edge.control.test_conversion import ROUTE, UPSTREAM, convert_dict, refused

POLICY = "policies/a"


def kind_of(**kind: Any) -> Any:
    return convert_dict(policies=[{"name": POLICY, **kind}]).policies[POLICY].kind


def test_everything_about_retries_reaches_the_model() -> None:
    made = kind_of(
        retry={
            "maxAttempts": 5,
            "retryableCodes": [14, 10],
            "initialBackoff": "0.1s",
            "maxBackoff": "2s",
            "backoffMultiplier": 3.0,
            "perTryTimeout": "0.5s",
            "budgetPercent": 50,
            "bufferBytes": 1000,
            "anyMethod": True,
        }
    )
    assert made == RetryRule(
        max_attempts=5,
        codes=frozenset({Code.UNAVAILABLE, Code.ABORTED}),
        initial_backoff=0.1,
        max_backoff=2.0,
        backoff_multiplier=3.0,
        per_try_timeout=0.5,
        budget=0.5,
        buffer_bytes=1000,
        any_method=True,
    )


def test_what_is_not_set_is_as_without_a_policy() -> None:
    assert kind_of(retry={}) == RetryRule()
    assert kind_of(retry={"initialBackoff": "3s"}).max_backoff == 3.0
    assert kind_of(hedge={"delay": "0.05s"}) == HedgeRule(delay=0.05, max_attempts=2)
    assert kind_of(timeout={"timeout": "1s"}) == TimeoutRule(timeout=1.0)
    assert kind_of(timeout={"streamIdleTimeout": "2s"}) == TimeoutRule(stream_idle_timeout=2.0)


@pytest.mark.parametrize(
    ("kind", "field", "words"),
    [
        ({"retry": {"maxAttempts": 6}}, "retry.max_attempts", "at most 5"),
        ({"retry": {"retryableCodes": [0]}}, "retry.retryable_codes[0]", "OK"),
        ({"retry": {"retryableCodes": [14, 17]}}, "retry.retryable_codes[1]", "no gRPC status code"),
        ({"retry": {"retryableCodes": [-1]}}, "retry.retryable_codes[0]", "no gRPC status code"),
        ({"retry": {"retryableCodes": [14, 14]}}, "retry.retryable_codes[1]", "already"),
        ({"retry": {"initialBackoff": "0s"}}, "retry.initial_backoff", "longer than 0"),
        ({"retry": {"initialBackoff": "2s", "maxBackoff": "1s"}}, "retry.max_backoff", "shorter"),
        ({"retry": {"maxBackoff": "3600s"}}, "retry.max_backoff", "at most"),
        ({"retry": {"backoffMultiplier": 0.5}}, "retry.backoff_multiplier", "from 1"),
        ({"retry": {"backoffMultiplier": "NaN"}}, "retry.backoff_multiplier", "from 1"),
        ({"retry": {"backoffMultiplier": "Infinity"}}, "retry.backoff_multiplier", "from 1"),
        ({"retry": {"perTryTimeout": "-1s"}}, "retry.per_try_timeout", "longer than 0"),
        ({"retry": {"budgetPercent": 101}}, "retry.budget_percent", "at most 100"),
        ({"retry": {"bufferBytes": 2**30}}, "retry.buffer_bytes", "at most"),
        ({"hedge": {}}, "hedge.delay", "missing"),
        ({"hedge": {"delay": "0.1s", "maxAttempts": 1}}, "hedge.max_attempts", "2 or more"),
        ({"hedge": {"delay": "0.1s", "maxAttempts": 6}}, "hedge.max_attempts", "at most 5"),
        ({"timeout": {}}, "timeout", "limits nothing"),
        ({"timeout": {"timeout": "0s"}}, "timeout.timeout", "longer than 0"),
    ],
)
def test_what_is_wrong_is_said_of_its_field(kind: dict[str, Any], field: str, words: str) -> None:
    found = refused(policies=[{"name": POLICY, **kind}])
    assert list(found) == [f"policies[0].{field}"]
    assert words in found[f"policies[0].{field}"]


@pytest.mark.parametrize("everywhere", [True, False])
def test_a_route_tries_again_or_ahead_and_not_both(everywhere: bool) -> None:
    found = refused(
        upstreams=[UPSTREAM],
        policies=[
            {"name": "policies/r", "retry": {}, "global": everywhere},
            {"name": "policies/h", "hedge": {"delay": "1s"}},
        ],
        routes=[{**ROUTE, "policies": ["policies/h"] if everywhere else ["policies/r", "policies/h"]}],
    )
    assert list(found) == ["routes[0].policies"]
    assert "policies/r" in found["routes[0].policies"]
    assert "policies/h" in found["routes[0].policies"]


def test_the_last_retry_counts_and_the_smallest_timeouts() -> None:
    made = convert_dict(
        policies=[
            {"name": "policies/r1", "retry": {"maxAttempts": 2}, "global": True},
            {"name": "policies/r2", "retry": {"maxAttempts": 4}},
            {"name": "policies/t1", "timeout": {"timeout": "2s", "streamIdleTimeout": "1s"}},
            {"name": "policies/t2", "timeout": {"timeout": "1s", "streamIdleTimeout": "2s"}},
        ]
    ).policies
    compiled = compile_policies(["policies/t1", "policies/r2", "policies/t2"], made)
    assert compiled.retry.max_attempts == 4
    assert compiled.timeout == TimeoutRule(timeout=1.0, stream_idle_timeout=1.0)
    assert compiled.timeout_policy == "policies/t2"
    assert compile_policies([], made).retry.max_attempts == 2


def test_with_hedging_the_attempts_of_calls_that_cannot_have_that_are_as_many() -> None:
    made = convert_dict(policies=[{"name": "policies/h", "hedge": {"delay": "1s"}}]).policies
    compiled = compile_policies(["policies/h"], made)
    assert compiled.hedge == HedgeRule(delay=1.0)
    assert compiled.retry == RetryRule(max_attempts=2)
