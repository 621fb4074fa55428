"""How endpoints are probed: proto → model."""

from __future__ import annotations

import re

from edge.control.conversion import checks
from edge.control.conversion.scope import Scope
from edge.model.resilience import GrpcProbe, HealthCheck, HttpProbe, TcpProbe
from gateway.v1 import upstream_pb2

_MOST_TIMES = 100
"""The largest threshold."""

_MOST_SERVICES = 64

_SERVICE = re.compile(r"[A-Za-z0-9_.-]{0,256}")
_PATH = re.compile(r"/[\x21-\x7e]{0,2047}")


def convert_health_check(upstream: upstream_pb2.Upstream, scope: Scope) -> HealthCheck | None:
    """Return how the endpoints of an upstream are probed, or None when they are not.

    Args:
        upstream: The upstream.
        scope: Its scope.
    """
    if not upstream.HasField("health_check"):
        return None
    scope = scope.field("health_check")
    check = upstream.health_check
    default = HealthCheck()
    interval, timeout = default.interval, default.timeout
    if check.HasField("interval"):
        interval = checks.seconds(check.interval, scope.field("interval"), least=0.1, most=86400.0)
    if check.HasField("timeout"):
        timeout = checks.seconds(check.timeout, scope.field("timeout"), least=0.01, most=3600.0)
    elif check.HasField("interval"):
        timeout = min(timeout, interval)
    if timeout > interval:
        scope.field("timeout").refuse(
            f"may not be longer than `interval`, and is {timeout:g}s with {interval:g}s: a check would not have ended "
            "when the next one begins"
        )
    return HealthCheck(
        probe=_probe(upstream, scope),
        interval=interval,
        timeout=timeout,
        unhealthy_threshold=_times(
            check.unhealthy_threshold, default.unhealthy_threshold, scope, "unhealthy_threshold"
        ),
        healthy_threshold=_times(check.healthy_threshold, default.healthy_threshold, scope, "healthy_threshold"),
    )


def _times(value: int, default: int, scope: Scope, field: str) -> int:
    if value > _MOST_TIMES:
        scope.field(field).refuse(f"may be at most {_MOST_TIMES}")
    return value or default


def _probe(upstream: upstream_pb2.Upstream, scope: Scope) -> GrpcProbe | HttpProbe | TcpProbe:
    plain = upstream.protocol == upstream_pb2.Upstream.PROTOCOL_HTTP
    match upstream.health_check.WhichOneof("probe"):
        case "http":
            if not plain:
                scope.field("http").refuse(
                    "is for upstreams with `protocol: HTTP`: endpoints that speak gRPC are asked by `grpc` or `tcp`"
                )
            return _http(upstream.health_check.http, scope.field("http"))
        case "tcp":
            return TcpProbe()
        case kind:
            if plain:
                where = scope.field("grpc") if kind else scope
                where.refuse("endpoints of an upstream with `protocol: HTTP` are asked by `http` or `tcp`; set one")
            return _grpc(upstream.health_check.grpc, scope.field("grpc"))


def _grpc(probe: upstream_pb2.HealthCheck.GrpcProbe, scope: Scope) -> GrpcProbe:
    services = scope.field("services")
    if len(probe.services) > _MOST_SERVICES:
        services.refuse(f"may have at most {_MOST_SERVICES} entries, and has {len(probe.services)}")
    for index, service in enumerate(probe.services):
        if not _SERVICE.fullmatch(service):
            services.index(index).refuse("is no full name of a service, such as `bookstore.v1.BookService`")
    checks.no_repeats((service, services.index(index)) for index, service in enumerate(probe.services))
    return GrpcProbe(services=tuple(probe.services))


def _http(probe: upstream_pb2.HealthCheck.HttpProbe, scope: Scope) -> HttpProbe:
    if not _PATH.fullmatch(probe.path) or "#" in probe.path:
        scope.field("path").refuse(
            "has to begin with `/` and to be as it is sent, without spaces or fragment: `/healthz`"
        )
    for index, status in enumerate(probe.statuses):
        if not 200 <= status <= 599:
            scope.field("statuses").index(index).refuse(f"{status} is no status of an answer, which is 200 to 599")
    return HttpProbe(path=probe.path, statuses=frozenset(probe.statuses))
