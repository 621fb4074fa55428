"""How endpoints, upstreams and the gateway are, in words and as messages. Pure: the time is passed in.

An upstream is

    HEALTHY    all its endpoints take calls of every method known, and learning endpoints and descriptors works
    DEGRADED   some endpoint takes calls, but something is wrong, or few are let through by a half-open breaker
    UNHEALTHY  no endpoint takes calls, or an open circuit breaker lets none through

and the gateway is UNHEALTHY when it serves no calls at all, DEGRADED when anything else is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge.admin.records import timestamp
from edge.model.endpoint import USABLE, Endpoint
from edge.model.schema import SchemaVersion
from edge.model.snapshot import Cluster, Snapshot, SourceState
from gateway.v1 import endpoint_pb2, health_service_pb2

State = health_service_pb2.GatewayHealth.State
HEALTHY = health_service_pb2.GatewayHealth.STATE_HEALTHY
DEGRADED = health_service_pb2.GatewayHealth.STATE_DEGRADED
UNHEALTHY = health_service_pb2.GatewayHealth.STATE_UNHEALTHY

_QUOTED = 5
"""The most endpoints or upstreams that are named in a reason."""

_BREAKERS = {"OPEN": "open", "HALF_OPEN": "half open"}


def usable(cluster: Cluster) -> bool:
    """Whether at least one endpoint takes calls."""
    return any(endpoint.state in USABLE for endpoint in cluster.endpoints)


def configured(snapshot: Snapshot) -> bool:
    """Whether a configuration has come into force since the start."""
    return snapshot.force_time > 0.0


def endpoint_name(upstream: str, endpoint: Endpoint) -> str:
    """Return the resource name."""
    return f"{upstream}/endpoints/{endpoint.id}"


def endpoint_message(upstream: str, endpoint: Endpoint, *, counters: bool = True) -> endpoint_pb2.Endpoint:
    """Return an endpoint as a message.

    Args:
        upstream: The name of its upstream.
        endpoint: The endpoint.
        counters: Whether with what changes all the time: its counters, its last error, the end of its lease. Without,
            two messages differ when there is something to be told.
    """
    result = endpoint_pb2.Endpoint(
        name=endpoint_name(upstream, endpoint),
        address=endpoint.address,
        weight=endpoint.weight,
        zone=endpoint.zone,
        state=f"STATE_{endpoint.state.value}",
        reason=endpoint.reason,
        state_time=timestamp(endpoint.state_time),
        not_serving=sorted(endpoint.not_serving),
    )
    if counters:
        result.last_error = endpoint.last_error
        if endpoint.last_error_time is not None:
            result.last_error_time.CopyFrom(timestamp(endpoint.last_error_time))
        if endpoint.expire_time is not None:
            result.expire_time.CopyFrom(timestamp(endpoint.expire_time))
        result.active_calls = endpoint.active
        result.total_calls = endpoint.total
        result.failed_calls = endpoint.failed
    return result


def source_message(source: SourceState) -> health_service_pb2.SourceHealth:
    """Return how learning goes. It is DEGRADED while what was learnt before is still there."""
    result = health_service_pb2.SourceHealth(
        state=HEALTHY if source.ok else UNHEALTHY if source.success_time is None else DEGRADED,
        error=source.error,
        failures=source.failures,
    )
    if source.success_time is not None:
        result.success_time.CopyFrom(timestamp(source.success_time))
    return result


def upstream_message(cluster: Cluster, *, counters: bool = True) -> health_service_pb2.UpstreamHealth:
    """Return the health of an upstream."""
    state, reason = _upstream_state(cluster)
    return health_service_pb2.UpstreamHealth(
        upstream=cluster.name,
        state=state,
        reason=reason,
        endpoints=[
            endpoint_message(cluster.name, endpoint, counters=counters)
            for endpoint in sorted(cluster.endpoints, key=lambda endpoint: endpoint.address)
        ],
        breaker=f"BREAKER_{cluster.breaker[0]}" if cluster.breaker is not None else None,
        discovery=source_message(cluster.discovery),
        schema=source_message(cluster.schema_source),
        services=sorted(cluster.schema.services),
        schema_versions=[_version_message(version) for version in cluster.schema_source.versions],
    )


def _version_message(version: SchemaVersion) -> health_service_pb2.SchemaVersion:
    return health_service_pb2.SchemaVersion(
        hash=version.hash,
        endpoints=version.endpoints,
        in_force=version.in_force,
        differences=version.differences,
        harmful=version.harmful,
    )


def gateway_message(
    snapshot: Snapshot,
    *,
    draining: bool,
    config_error: tuple[str, float] | None,
    only: str = "",
    counters: bool = True,
) -> health_service_pb2.GatewayHealth:
    """Return the health of the gateway, without `read_time`.

    Args:
        snapshot: The configuration in force.
        draining: Whether the gateway takes no new calls.
        config_error: Why the latest configuration was refused, and when, or None.
        only: The one upstream to show. The state is that of the whole gateway all the same.
        counters: Whether to show the counters of endpoints.
    """
    clusters = [snapshot.clusters[name] for name in sorted(snapshot.clusters)]
    state, reason = _gateway_state(snapshot, clusters, draining=draining, config_error=config_error)
    result = health_service_pb2.GatewayHealth(
        state=state,
        reason=reason,
        config_revision=snapshot.revision,
        upstreams=[
            upstream_message(cluster, counters=counters) for cluster in clusters if not only or cluster.name == only
        ],
    )
    if config_error is not None:
        result.config_error = config_error[0]
        result.config_error_time.CopyFrom(timestamp(config_error[1]))
    return result


def _upstream_state(cluster: Cluster) -> tuple[State, str]:
    endpoints = cluster.endpoints
    unusable = [endpoint for endpoint in endpoints if endpoint.state not in USABLE]
    state = HEALTHY
    reasons = []
    if not endpoints:
        state = UNHEALTHY
        reasons.append("there are no endpoints")
    elif unusable:
        state = UNHEALTHY if len(unusable) == len(endpoints) else DEGRADED
        quoted = _quoted(f"{endpoint.address} {_why(endpoint)}" for endpoint in unusable)
        reasons.append(f"{len(unusable)} of {len(endpoints)} endpoints take no calls: {quoted}")
    if partly := [endpoint for endpoint in endpoints if endpoint.not_serving and endpoint.state in USABLE]:
        state = DEGRADED if state == HEALTHY else state
        words = (f"{one.address} does not serve {_quoted(sorted(one.not_serving))}" for one in partly)
        reasons.append(f"services: {_quoted(words, '; ')}")
    breaker = cluster.breaker
    if breaker is not None and breaker[0] != "CLOSED":
        state = UNHEALTHY if breaker[0] == "OPEN" else max(state, DEGRADED)
        reasons.append(f"the circuit breaker is {_BREAKERS[breaker[0]]}: {breaker[1]}")
    for what, source in (("discovery", cluster.discovery), ("descriptors", cluster.schema_source)):
        if not source.ok:
            state = DEGRADED if state == HEALTHY else state
            reasons.append(f"{what}: {source.error or 'the latest attempt failed'}")
    if disagreeing := [version for version in cluster.schema_source.versions if version.harmful]:
        state = DEGRADED if state == HEALTHY else state
        reasons.append(f"versions: {_quoted((version.words() for version in disagreeing), '; ')}")
    return state, "; ".join(reasons)


def _why(endpoint: Endpoint) -> str:
    state = endpoint.state.value.lower()
    return f"is {state} ({endpoint.reason})" if endpoint.reason else f"is {state}"


def _gateway_state(
    snapshot: Snapshot, clusters: Sequence[Cluster], *, draining: bool, config_error: tuple[str, float] | None
) -> tuple[State, str]:
    state = HEALTHY
    reasons = []
    if draining:
        state = UNHEALTHY
        reasons.append("the gateway is draining and takes no new calls")
    if not configured(snapshot):
        state = UNHEALTHY
        reasons.append("no configuration is in force yet")
    if config_error is not None:
        state = max(state, DEGRADED)
        reasons.append(f"the latest configuration was refused: {config_error[0]}")
    troubled = [(cluster, *_upstream_state(cluster)) for cluster in clusters]
    troubled = [entry for entry in troubled if entry[1] != HEALTHY]
    if troubled:
        dead = sum(upstream == UNHEALTHY for _, upstream, _ in troubled)
        state = max(state, UNHEALTHY if dead == len(clusters) else DEGRADED)
        reasons.append(_quoted((f"{cluster.name}: {reason}" for cluster, _, reason in troubled), "; "))
    return state, "; ".join(reasons)


def _quoted(entries: Iterable[str], separator: str = ", ") -> str:
    found = list(entries)
    rest = len(found) - _QUOTED
    return separator.join(found[:_QUOTED]) + (f" and {rest} more" if rest > 0 else "")
