"""A configuration becomes a snapshot: every reference resolved, every list made, nothing left to look up by name."""

from __future__ import annotations

import time
from collections.abc import Mapping

from edge.model.config import Configuration, Forward, Route
from edge.model.settings import Limits
from edge.model.snapshot import Cluster, RoutePlan, Snapshot, UpstreamPlan
from edge.model.upstreams import Compression
from edge.policies import compile_policies
from edge.routing import RadixRouteTable

_RECOMPRESSED = frozenset({Compression.GZIP, Compression.DEFLATE})


def compile_snapshot(configuration: Configuration, clusters: Mapping[str, Cluster], limits: Limits) -> Snapshot:
    """Compile a configuration whose references have been checked.

    Args:
        configuration: The configuration.
        clusters: The live side of each upstream, started or not.
        limits: The limits of the gateway, where a route has none of its own.

    Raises:
        InvalidRequest: a path template is wrong, or routes tie.
    """
    plans = {route.name: _plan(route, configuration, clusters, limits) for route in configuration.routes.values()}
    return Snapshot(
        configuration=configuration,
        table=RadixRouteTable.build(plans.values()),
        plans=plans,
        clusters=clusters,
        force_time=time.time(),
    )


def _plan(route: Route, configuration: Configuration, clusters: Mapping[str, Cluster], limits: Limits) -> RoutePlan:
    compiled = compile_policies(route.policies, configuration.policies)
    upstreams: tuple[UpstreamPlan, ...] = ()
    if isinstance(route.action, Forward):
        upstreams = tuple(
            UpstreamPlan(
                name=name,
                weight=weight,
                protocol=configuration.upstreams[name].protocol,
                cluster=clusters[name],
                guarded=clusters[name].admits,
                timeout=configuration.upstreams[name].timeout,
                unary_limit=_unary_limit(
                    route.timeout, configuration.upstreams[name].timeout, compiled.timeout.timeout
                ),
            )
            for name, weight in route.action.upstreams
        )
    weighted = [upstream for upstream in upstreams if upstream.weight]
    return RoutePlan(
        route=route,
        admissions=compiled.admissions,
        response_changes=compiled.response_changes,
        cors=compiled.cors,
        upstreams=upstreams,
        needs_messages=any(configuration.upstreams[each.name].compression in _RECOMPRESSED for each in upstreams),
        uncompressed=any(configuration.upstreams[each.name].compression is Compression.NONE for each in upstreams),
        guarded=any(upstream.guarded for upstream in upstreams),
        single=weighted[0] if len(weighted) == 1 else None,
        max_request_bytes=_smaller(route.max_request_message_bytes, limits.max_message_bytes),
        max_response_bytes=_smaller(route.max_response_message_bytes, limits.max_message_bytes),
        retry=compiled.retry,
        hedge=compiled.hedge,
        timeout=compiled.timeout,
        timeout_policy=compiled.timeout_policy,
    )


def _unary_limit(route: float | None, upstream: float | None, policy: float | None) -> tuple[float | None, str]:
    """Return the time limit of unary calls in seconds, and whose it is."""
    if policy is not None and policy < min(policy + 1 if limit is None else limit for limit in (route, upstream)):
        return policy, "policy"
    if upstream is not None and (route is None or upstream < route):
        return upstream, "upstream"
    return route, "route"


def _smaller(own: int, general: int) -> int:
    """Return the limit in force: a route can only lower what the listener allows."""
    return min(own, general) if own else general
