"""Upstreams: proto → model."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from edge.control.conversion import checks
from edge.control.conversion.balancers import convert_balancer, convert_load_balancing
from edge.control.conversion.discovery import convert_discovery, resolved_name
from edge.control.conversion.health_check import convert_health_check
from edge.control.conversion.pem import check_certificates, check_pair
from edge.control.conversion.resilience import convert_breaker, convert_limits, convert_outliers
from edge.control.conversion.scope import Scope
from edge.model.upstreams import Compression, ConnectionSettings, Upstream, UpstreamProtocol, UpstreamTls
from gateway.v1 import upstream_pb2

_MOST_CONNECTIONS = 64

_COMPRESSION = {
    upstream_pb2.Upstream.COMPRESSION_UNSPECIFIED: Compression.AS_CALLER,
    upstream_pb2.Upstream.COMPRESSION_NONE: Compression.NONE,
    upstream_pb2.Upstream.COMPRESSION_GZIP: Compression.GZIP,
    upstream_pb2.Upstream.COMPRESSION_DEFLATE: Compression.DEFLATE,
}

_PROTOCOL = {
    upstream_pb2.Upstream.PROTOCOL_UNSPECIFIED: UpstreamProtocol.GRPC,
    upstream_pb2.Upstream.PROTOCOL_GRPC: UpstreamProtocol.GRPC,
    upstream_pb2.Upstream.PROTOCOL_HTTP: UpstreamProtocol.HTTP,
}


def convert_upstream(upstream: upstream_pb2.Upstream, scope: Scope) -> Upstream:
    """Return the upstream for the model. It means something only when nothing was refused."""
    if upstream.protocol not in _PROTOCOL:
        scope.field("protocol").refuse(f"{upstream.protocol} is not known")
    if upstream.compression not in _COMPRESSION:
        scope.field("compression").refuse(f"{upstream.compression} is not known")
    if upstream.protocol == upstream_pb2.Upstream.PROTOCOL_HTTP:
        _check_plain(upstream, scope)
    interval = 60.0
    if upstream.reflection.HasField("refresh_interval"):
        interval = checks.seconds(
            upstream.reflection.refresh_interval, scope.field("reflection").field("refresh_interval"), least=1.0
        )
    return Upstream(
        name=upstream.name,
        protocol=_PROTOCOL.get(upstream.protocol, UpstreamProtocol.GRPC),
        discovery=convert_discovery(upstream, scope),
        balancer=convert_balancer(upstream, scope),
        load_balancing=convert_load_balancing(upstream, scope),
        health_check=convert_health_check(upstream, scope),
        tls=_tls(upstream, scope.field("tls")) if upstream.HasField("tls") else None,
        connection=_connection(upstream.connection, scope.field("connection")),
        outlier_detection=convert_outliers(upstream, scope),
        circuit_breaker=convert_breaker(upstream, scope),
        concurrency=convert_limits(upstream, scope),
        timeout=checks.seconds(upstream.timeout, scope.field("timeout")) if upstream.HasField("timeout") else None,
        compression=_COMPRESSION.get(upstream.compression, Compression.AS_CALLER),
        authority=_authority(upstream.authority, scope.field("authority")),
        schema=upstream.schema,
        reflection=upstream.protocol != upstream_pb2.Upstream.PROTOCOL_HTTP and not upstream.reflection.disabled,
        reflection_interval=interval,
    )


def _check_plain(upstream: upstream_pb2.Upstream, scope: Scope) -> None:
    """Refuse what means something for gRPC only."""
    words = "is for upstreams that speak gRPC; leave it out with `protocol: HTTP`"
    if upstream.compression:
        scope.field("compression").refuse(f"{words}: bodies pass as they are coded")
    if upstream.schema:
        scope.field("schema").refuse(words)
    if upstream.HasField("reflection") and not upstream.reflection.disabled:
        scope.field("reflection").refuse(words)
    connection = scope.field("connection")
    if upstream.connection.connections_per_endpoint:
        connection.field("connections_per_endpoint").refuse(f"{words}: each connection carries one request at a time")
    for field in ("keepalive_time", "keepalive_timeout"):
        if upstream.connection.HasField(field):
            connection.field(field).refuse(f"{words}: HTTP/1.1 has no pings")


def _connection(connection: upstream_pb2.Connection, scope: Scope) -> ConnectionSettings:
    default = ConnectionSettings()
    if connection.connections_per_endpoint > _MOST_CONNECTIONS:
        scope.field("connections_per_endpoint").refuse(f"may be at most {_MOST_CONNECTIONS}")

    def seconds(field: str, otherwise: float, least: float, most: float) -> float:
        if not connection.HasField(field):
            return otherwise
        return checks.seconds(getattr(connection, field), scope.field(field), least=least, most=most)

    if connection.HasField("keepalive_timeout") and not connection.HasField("keepalive_time"):
        scope.field("keepalive_timeout").refuse("needs `keepalive_time`, without which no pings are sent")
    return ConnectionSettings(
        connections_per_endpoint=connection.connections_per_endpoint or default.connections_per_endpoint,
        connect_timeout=seconds("connect_timeout", default.connect_timeout, 0.001, 600.0),
        max_backoff=seconds("max_backoff", default.max_backoff, 0.1, 3600.0),
        keepalive_time=seconds("keepalive_time", 0.0, 1.0, 86400.0) or None,
        keepalive_timeout=seconds("keepalive_timeout", default.keepalive_timeout, 0.001, 3600.0),
        max_age=seconds("max_age", 0.0, 1.0, 2592000.0) or None,
        warm_up=connection.warm_up if connection.HasField("warm_up") else default.warm_up,
    )


def _authority(authority: str, scope: Scope) -> str:
    if authority.rpartition(":")[2].isdigit() and not authority.endswith("]"):
        return checks.address(authority, scope)
    return checks.host(authority, scope) if authority else ""


def _tls(upstream: upstream_pb2.Upstream, scope: Scope) -> UpstreamTls:
    tls = upstream.tls
    if tls.ca_file:
        check_certificates(tls.ca_file, scope.field("ca_file"))
    if tls.cert_file and not tls.key_file:
        scope.field("key_file").refuse("is needed with `cert_file`")
    elif tls.key_file and not tls.cert_file:
        scope.field("cert_file").refuse("is needed with `key_file`")
    elif tls.cert_file:
        check_pair(tls.cert_file, tls.key_file, scope.field("cert_file"), scope.field("key_file"))
    if tls.server_name:
        checks.host(tls.server_name, scope.field("server_name"))
    return UpstreamTls(
        ca_file=tls.ca_file,
        cert_file=tls.cert_file,
        key_file=tls.key_file,
        server_name=tls.server_name.lower() or resolved_name(upstream),
        fingerprint=_fingerprint(tls.ca_file, tls.cert_file, tls.key_file),
    )


def _fingerprint(*paths: str) -> str:
    """Return the SHA-256 of these files. One that cannot be read is refused elsewhere."""
    digest = hashlib.sha256()
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            contents = Path(path).read_bytes() if path else b""
            digest.update(len(contents).to_bytes(8, "big") + contents)
    return digest.hexdigest()
