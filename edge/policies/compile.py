"""Turns the policies of a route into the flat list its calls run through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.model.config import CorsPolicy, HeaderChange, HeaderPolicy, Policy
from edge.model.resilience import DEFAULT_RETRY, NO_TIMEOUT, HedgeRule, RetryRule, TimeoutRule
from edge.model.snapshot import Admission
from edge.policies.headers import HeaderAdmission

PHASES: tuple[str, ...] = (
    "cors",
    "limits",
    "authentication",
    "authorization",
    "rate limit",
    "validation",
    "cache",
    "transform",
    "attempts",
)
"""The order in which policies run, whatever the order in which a route names them."""

_PHASE: dict[type, str] = {CorsPolicy: "cors", HeaderPolicy: "transform"} | dict.fromkeys(
    (RetryRule, HedgeRule, TimeoutRule), "attempts"
)


@dataclass(frozen=True, slots=True)
class CompiledPolicies:
    """The policies of a route, by what they do."""

    admissions: tuple[Admission, ...]
    """What calls run through, in order."""

    response_changes: tuple[HeaderChange, ...]
    """What is done to the initial metadata of answers, in order."""

    cors: CorsPolicy | None
    """Which scripts may call. Of several policies the one that the route names last counts."""

    retry: RetryRule = DEFAULT_RETRY
    """When calls are tried again. Of several policies the one that the route names last counts."""

    hedge: HedgeRule | None = None
    """When further attempts are sent before the first has ended; `retry` is for calls that cannot have that then."""

    timeout: TimeoutRule = NO_TIMEOUT
    """The smallest limits of all timeout policies."""

    timeout_policy: str = ""
    """The name of the policy whose limits these are; of several, the one that limits whole calls."""


def compile_policies(names: Iterable[str], policies: Mapping[str, Policy]) -> CompiledPolicies:
    """Compile the policies of a route.

    Args:
        names: The names the route lists.
        policies: All policies.
    """
    everywhere = [policy.name for policy in policies.values() if policy.everywhere]
    chosen = [policies[name] for name in dict.fromkeys((*everywhere, *names))]
    chosen.sort(key=lambda policy: PHASES.index(_PHASE[type(policy.kind)]))  # stable: the route's order within a phase
    nothing = HeaderChange()
    admissions: list[Admission] = []
    responses: list[HeaderChange] = []
    cors: CorsPolicy | None = None
    retry: RetryRule | None = None
    hedge: HedgeRule | None = None
    timeout, timeout_policy = NO_TIMEOUT, ""
    for policy in chosen:
        kind = policy.kind
        if isinstance(kind, CorsPolicy):
            cors = kind
        elif isinstance(kind, RetryRule):
            retry = kind
        elif isinstance(kind, HedgeRule):
            hedge = kind
        elif isinstance(kind, TimeoutRule):
            both = _tighter(timeout, kind)
            if both.timeout != timeout.timeout or not timeout_policy:
                timeout_policy = policy.name
            timeout = both
        if not isinstance(kind, HeaderPolicy):
            continue
        if kind.request != nothing:
            admissions.append(HeaderAdmission(policy.name, kind))
        if kind.response != nothing:
            responses.append(kind.response)
    return CompiledPolicies(
        tuple(admissions),
        tuple(responses),
        cors,
        retry=hedge.in_turn if hedge is not None else retry or DEFAULT_RETRY,
        hedge=hedge,
        timeout=timeout,
        timeout_policy=timeout_policy,
    )


def _tighter(one: TimeoutRule, other: TimeoutRule) -> TimeoutRule:
    """Return the smaller limits of two rules."""
    totals = [rule.timeout for rule in (one, other) if rule.timeout is not None]
    idles = [rule.stream_idle_timeout for rule in (one, other) if rule.stream_idle_timeout is not None]
    return TimeoutRule(timeout=min(totals, default=None), stream_idle_timeout=min(idles, default=None))
