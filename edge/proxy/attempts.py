"""Whether calls get further attempts: the rule of the route, the method, the deadline and the upstream's budget.

The decisions are pure ones of `edge.resilience.retry`; here is what they need to know, and what follows for leases.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterable
from random import random
from weakref import WeakKeyDictionary

from edge.model.call import Call, Retries
from edge.model.endpoint import USABLE, Endpoint
from edge.model.errors import GatewayError
from edge.model.resilience import pushback_seconds
from edge.model.snapshot import Cluster, RoutePlan, UpstreamPlan
from edge.model.status import Code
from edge.resilience.budget import RetryBudget
from edge.resilience.retry import MAX_REPLAYS, is_idempotent, may_retry, wait_before

FAULTS = frozenset({Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS})
"""The codes of an upstream that count as its faults: those whose HTTP status is 5xx, but UNIMPLEMENTED."""


class Attempts:
    """The further attempts of all calls, with a budget for each upstream."""

    __slots__ = ("_budgets",)

    def __init__(self) -> None:
        self._budgets: WeakKeyDictionary[Cluster, RetryBudget] = WeakKeyDictionary()

    def know(self, clusters: Iterable[Cluster]) -> None:
        """Begin to count the calls of upstreams."""
        now = time.monotonic()
        for cluster in clusters:
            self._budget(cluster, now)

    def again(
        self, call: Call, code: Code, now: float, *, pushback: str | None, until: float, timed_out: bool, unsent: bool
    ) -> float | None:
        """Say whether a failed attempt is followed by another one; see `Pipeline.again`."""
        plan, upstream = call.plan, call.upstream
        if plan is None or upstream is None:
            return None
        retries = call.retries or Retries()
        wait: float | None = 0.0
        if unsent and retries.replays < MAX_REPLAYS and _elsewhere(upstream, call.endpoint):
            retries.replays += 1
        else:
            wait = self._wait(call, plan, upstream, code, retries, now, pushback_seconds(pushback), until, timed_out)
        if wait is None:
            return None
        _release(call, upstream, failed=timed_out or unsent or code in FAULTS, now=now)
        if not unsent and _held_back(upstream):
            return None  # this attempt has opened the breaker
        call.retries = retries
        retries.started = now + wait
        return wait

    def _wait(
        self,
        call: Call,
        plan: RoutePlan,
        upstream: UpstreamPlan,
        code: Code,
        retries: Retries,
        now: float,
        pushback: float | None,
        until: float,
        timed_out: bool,
    ) -> float | None:
        """Return how long a retry has to wait, and count it, or None when there is none."""
        rule = plan.retry
        if not may_retry(rule, code, retries.count, timed_out=timed_out):
            return None
        if not (rule.any_method or is_idempotent(call)):
            return None
        if _held_back(upstream):
            return None
        wait = wait_before(rule, retries, pushback, random())
        if wait is None or 0.0 <= until <= now + wait:
            return None
        if not self._budget(upstream.cluster, now).take(rule.budget, now):
            return None
        retries.count += 1
        return wait

    def hedge(self, call: Call, now: float) -> Endpoint | None:
        """Lease an endpoint for a further attempt while others are under way; see `Pipeline.hedge`."""
        plan, upstream, before = call.plan, call.upstream, call.endpoint
        if plan is None or plan.hedge is None or upstream is None:
            return None
        retries = call.retries or Retries()
        if retries.hedges + 1 >= plan.hedge.max_attempts or not is_idempotent(call) or _held_back(upstream):
            return None
        if not self._budget(upstream.cluster, now).take(plan.retry.budget, now):
            return None
        if before is not None:
            call.tried = before
        try:
            endpoint = upstream.cluster.pick(call, now)
        except GatewayError:
            return None
        begun = retries.begun
        if begun is None:
            begun = retries.begun = {}
            if before is not None:
                begun[before] = attempt_started(call, before)
        begun.setdefault(endpoint, now)
        call.endpoint = endpoint
        call.attempts += 1
        call.retries = retries
        retries.hedges += 1
        retries.started = now
        return endpoint

    def _budget(self, cluster: Cluster, now: float) -> RetryBudget:
        budget = self._budgets.get(cluster)
        if budget is None:
            budget = self._budgets[cluster] = RetryBudget(_Count(cluster), now)
        return budget


class _Count:
    """Counts the attempts of an upstream. It must not keep the cluster alive that is the key of its budget."""

    __slots__ = ("_cluster",)

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = weakref.ref(cluster)

    def __call__(self) -> int:
        cluster = self._cluster()
        return 0 if cluster is None else sum(endpoint.total + endpoint.active for endpoint in cluster.endpoints)


def attempt_started(call: Call, endpoint: Endpoint) -> float:
    """Return when the latest attempt at an endpoint began, by the monotonic clock; of hedged ones the first there."""
    retries = call.retries
    if retries is None:
        return call.started
    return retries.started if retries.begun is None else retries.begun.get(endpoint, retries.started)


def _held_back(upstream: UpstreamPlan) -> bool:
    """Whether the upstream's circuit breaker keeps calls from it, so that more attempts would not help."""
    breaker = upstream.cluster.breaker if upstream.guarded else None
    return breaker is not None and breaker[0] == "OPEN"


def _release(call: Call, upstream: UpstreamPlan, *, failed: bool, now: float) -> None:
    endpoint, call.endpoint = call.endpoint, None
    if endpoint is not None:
        call.tried = endpoint
        latency = max(now - attempt_started(call, endpoint), 0.0)
        upstream.cluster.release(endpoint, failed=failed, latency=latency, now=now)
        if upstream.guarded:
            upstream.cluster.tried(call, failed, now)


def _elsewhere(upstream: UpstreamPlan, tried: Endpoint | None) -> bool:
    """Whether there is another endpoint that takes calls."""
    return any(endpoint is not tried and endpoint.state in USABLE for endpoint in upstream.cluster.endpoints)
