"""Policies that keep faults and slowness of endpoints from callers: proto → model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from edge.control.conversion import checks
from edge.control.conversion.scope import Places, Problem, Scope
from edge.model.config import Configuration, Policy
from edge.model.errors import Violation
from edge.model.resilience import DEFAULT_RETRY, HedgeRule, RetryRule, TimeoutRule
from edge.model.status import Code
from gateway.v1 import policy_traffic_pb2

MAX_ATTEMPTS = 5
"""The most attempts a policy may ask for (gRPC proposal A6, "Maximum Number of Retries")."""

MAX_BUFFER = 16 * 1024 * 1024
"""The most bytes that may be kept of each request."""

LONGEST_BACKOFF = 60.0
"""The longest wait in seconds between two attempts."""

LARGEST_MULTIPLIER = 100.0


def convert_retry(retry: policy_traffic_pb2.RetryPolicy, scope: Scope) -> RetryRule:
    """Return a retry rule. What is not set is as in `RetryRule`."""
    default = DEFAULT_RETRY
    initial, longest = default.initial_backoff, default.max_backoff
    if retry.HasField("initial_backoff"):
        initial = checks.seconds(retry.initial_backoff, scope.field("initial_backoff"), most=LONGEST_BACKOFF)
        longest = max(longest, initial)
    if retry.HasField("max_backoff"):
        place = scope.field("max_backoff")
        longest = checks.seconds(retry.max_backoff, place, most=LONGEST_BACKOFF)
        if longest < initial:
            place.refuse(f"is shorter than `initial_backoff`, which is {initial:g}s")
    multiplier = retry.backoff_multiplier or default.backoff_multiplier
    if not (math.isfinite(multiplier) and 1.0 <= multiplier <= LARGEST_MULTIPLIER):
        scope.field("backoff_multiplier").refuse(f"has to be from 1 to {LARGEST_MULTIPLIER:g}: the wait may not shrink")
    if retry.budget_percent > 100:
        scope.field("budget_percent").refuse("may be at most 100")
    if retry.buffer_bytes > MAX_BUFFER:
        scope.field("buffer_bytes").refuse(f"may be at most {MAX_BUFFER}: each call under way may keep that much")
    return RetryRule(
        max_attempts=_attempts(retry.max_attempts, scope) or default.max_attempts,
        codes=_codes(retry.retryable_codes, scope.field("retryable_codes")) or default.codes,
        initial_backoff=initial,
        max_backoff=longest,
        backoff_multiplier=multiplier,
        per_try_timeout=checks.seconds(retry.per_try_timeout, scope.field("per_try_timeout"))
        if retry.HasField("per_try_timeout")
        else None,
        budget=retry.budget_percent / 100.0 if retry.budget_percent else default.budget,
        buffer_bytes=retry.buffer_bytes or default.buffer_bytes,
        any_method=retry.any_method,
    )


def convert_hedge(hedge: policy_traffic_pb2.HedgePolicy, scope: Scope) -> HedgeRule:
    """Return a hedge rule."""
    delay = 0.0
    if hedge.HasField("delay"):
        delay = checks.seconds(hedge.delay, scope.field("delay"))
    else:
        scope.field("delay").refuse(
            "is missing: after which time without an answer the next attempt is sent, as `50ms`"
        )
    most = _attempts(hedge.max_attempts, scope) or 2
    if most == 1:
        scope.field("max_attempts").refuse("is 1, which sends no further attempt; write 2 or more")
    return HedgeRule(delay=delay, max_attempts=most)


def convert_timeout(timeout: policy_traffic_pb2.TimeoutPolicy, scope: Scope) -> TimeoutRule:
    """Return a timeout rule."""
    if not timeout.HasField("timeout") and not timeout.HasField("stream_idle_timeout"):
        scope.refuse("limits nothing: set `timeout`, `stream_idle_timeout` or both")
    return TimeoutRule(
        timeout=checks.seconds(timeout.timeout, scope.field("timeout")) if timeout.HasField("timeout") else None,
        stream_idle_timeout=checks.seconds(timeout.stream_idle_timeout, scope.field("stream_idle_timeout"))
        if timeout.HasField("stream_idle_timeout")
        else None,
    )


def one_kind_of_attempts(configuration: Configuration, places: Places) -> list[Violation]:
    """Refuse routes with a retry policy and a hedge policy: A6 has one or the other. The references were checked."""
    violations = []
    everywhere = [policy for policy in configuration.policies.values() if policy.everywhere]
    for name, route in configuration.routes.items():
        chosen = [*everywhere, *(configuration.policies[policy] for policy in route.policies)]
        violations += [places.violation(name, problem) for problem in _clash(chosen)]
    return violations


def _clash(policies: Sequence[Policy]) -> Iterator[Problem]:
    retry = next((policy.name for policy in policies if isinstance(policy.kind, RetryRule)), "")
    hedge = next((policy.name for policy in policies if isinstance(policy.kind, HedgeRule)), "")
    if retry and hedge:
        yield Problem(
            "policies",
            f"{retry} tries failed calls again and {hedge} sends attempts ahead; a route may have one of them",
        )


def _attempts(value: int, scope: Scope) -> int:
    if value > MAX_ATTEMPTS:
        scope.field("max_attempts").refuse(f"may be at most {MAX_ATTEMPTS}, the first attempt included")
    return value


def _codes(values: Sequence[int], scope: Scope) -> frozenset[Code]:
    known = {int(code) for code in Code}
    for index, value in enumerate(values):
        place = scope.index(index)
        if value == Code.OK:
            place.refuse("is OK, which is no failure")
        elif value not in known:
            place.refuse(f"{value} is no gRPC status code; they are 1 to 16, as 14 for UNAVAILABLE")
        elif value in values[:index]:
            place.refuse(f"{Code(value).name} stands there already")
    return frozenset(Code(value) for value in values if value in known and value)
