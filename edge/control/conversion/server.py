"""The part of a configuration file that is read once, at the start: sockets, limits, log."""

from __future__ import annotations

from collections.abc import Sequence

from edge.control.conversion import checks
from edge.control.conversion.availability import check_available, refused
from edge.control.conversion.discovery_consul import convert_registration
from edge.control.conversion.listeners import convert_admin, convert_listeners, grpc_aio_cannot, networks
from edge.control.conversion.scope import Locate, Places, Problem, Scope
from edge.model.errors import InvalidRequest, Violation
from edge.model.settings import Engine, Limits, ServerSettings
from gateway.v1 import config_pb2, server_pb2

_ENGINES = {
    server_pb2.ServerConfig.ENGINE_UNSPECIFIED: Engine.WIRE,
    server_pb2.ServerConfig.ENGINE_WIRE: Engine.WIRE,
    server_pb2.ServerConfig.ENGINE_GRPC_AIO: Engine.GRPC_AIO,
}

_LEVELS = {
    server_pb2.ObservabilityConfig.Log.LEVEL_UNSPECIFIED: "INFO",
    server_pb2.ObservabilityConfig.Log.LEVEL_DEBUG: "DEBUG",
    server_pb2.ObservabilityConfig.Log.LEVEL_INFO: "INFO",
    server_pb2.ObservabilityConfig.Log.LEVEL_WARNING: "WARNING",
    server_pb2.ObservabilityConfig.Log.LEVEL_ERROR: "ERROR",
}

_FORMATS = {
    server_pb2.ObservabilityConfig.Log.FORMAT_UNSPECIFIED: "",
    server_pb2.ObservabilityConfig.Log.FORMAT_JSON: "json",
    server_pb2.ObservabilityConfig.Log.FORMAT_CONSOLE: "console",
}

_COMPRESSION_LEVELS = {
    server_pb2.ResponseCompression.LEVEL_UNSPECIFIED: 1,
    server_pb2.ResponseCompression.LEVEL_LOW: 1,
    server_pb2.ResponseCompression.LEVEL_MEDIUM: 2,
    server_pb2.ResponseCompression.LEVEL_HIGH: 3,
}

_DRAIN_MOST = 86400.0
_MOST_CONNECTIONS = 1_000_000
_LARGEST_WINDOW = 2**31 - 1  # RFC 9113, 6.9.1

_COUNTS = {
    "max_connections": (1, _MOST_CONNECTIONS, "count connections"),
    "max_connections_per_peer": (1, _MOST_CONNECTIONS, "count connections of a peer"),
    # a gRPC call has about ten, a browser's request twenty
    "max_headers": (16, 10_000, "count headers"),
    # a whole frame has to fit (RFC 9113, 4.2)
    "stream_buffer_bytes": (16_384, _LARGEST_WINDOW, "bound what waits in a stream"),
    # no SETTINGS make the window of a connection smaller (RFC 9113, 6.9.2)
    "connection_buffer_bytes": (65_535, _LARGEST_WINDOW, "bound what waits on a connection"),
    "max_premature_resets": (1, 1_000_000, "count streams that are reset"),
    # a connection begins with several
    "max_control_frames": (10, 1_000_000, "count control frames"),
}
"""Limits that only the wire engine has: the least and the most that is taken, and what the other engine cannot do."""


def convert_server(config: config_pb2.GatewayConfig, locate: Locate | None = None) -> ServerSettings:
    """Return what is decided at the start.

    Args:
        config: The configuration. Its resources are not looked at.
        locate: Finds a field path in the file.

    Raises:
        InvalidRequest: something is wrong; the violations say all that is.
    """
    settings, violations = read_server(config, locate)
    if violations:
        raise InvalidRequest.of(violations)
    return settings


def read_server(
    config: config_pb2.GatewayConfig, locate: Locate | None = None
) -> tuple[ServerSettings, list[Violation]]:
    """Return what is decided at the start, and all that is wrong with it."""
    available = Scope()
    for field in ("server", "store", "observability"):
        check_available(getattr(config, field), available.field(field))
    scope = Scope()
    settings = _settings(config, scope)
    silent = refused(available)
    problems = [*available.problems, *(problem for problem in scope.problems if problem.path not in silent)]
    return settings, in_file(problems, locate)


def in_file(problems: Sequence[Problem], locate: Locate | None) -> list[Violation]:
    """Return problems by full path as violations."""
    # the empty name stands for the configuration itself
    return Places(prefixes={"": ""}, locate=locate).violations("", problems)


def _settings(config: config_pb2.GatewayConfig, scope: Scope) -> ServerSettings:
    default = ServerSettings()
    server, log = config.server, config.observability.log
    place = scope.field("server")
    if server.engine not in _ENGINES:
        place.field("engine").refuse(f"{server.engine} is not known")
    engine = _ENGINES.get(server.engine, default.engine)
    listeners = convert_listeners(server, engine, place)
    owner = "server.listeners[{}].address" if server.listeners else "the default of server.listeners"
    bound = {listener.address: owner.format(index) for index, listener in enumerate(listeners)}
    admin, admin_http, admin_tls = convert_admin(server.admin, engine, place.field("admin"), bound)
    log_place = scope.field("observability").field("log")
    if log.level not in _LEVELS:
        log_place.field("level").refuse(f"{log.level} is not known")
    if log.format not in _FORMATS:
        log_place.field("format").refuse(f"{log.format} is not known")
    drain = default.drain_timeout
    if server.HasField("drain_timeout"):
        drain = checks.seconds(server.drain_timeout, place.field("drain_timeout"), least=0.0, most=_DRAIN_MOST)
    return ServerSettings(
        listeners=listeners,
        admin_address=admin,
        admin_http_address=admin_http,
        admin_tls=admin_tls,
        engine=engine,
        drain_timeout=drain,
        limits=_limits(server.limits, engine, place.field("limits")),
        trusted_proxies=networks(server.trusted_proxies, place.field("trusted_proxies")),
        compression_level=_compression_level(server, place.field("response_compression").field("level")),
        compression_min_bytes=server.response_compression.min_message_bytes or default.compression_min_bytes,
        log_level=_LEVELS.get(log.level, default.log_level),
        log_format=_FORMATS.get(log.format, default.log_format),
        registration=convert_registration(server, listeners, place),
        access_log=log.access,
    )


def _compression_level(server: server_pb2.ServerConfig, scope: Scope) -> int:
    if not server.HasField("response_compression"):
        return 0
    level = server.response_compression.level
    if level not in _COMPRESSION_LEVELS:
        scope.refuse(f"{level} is not known")
    return _COMPRESSION_LEVELS.get(level, 1)


def _limits(limits: server_pb2.Limits, engine: Engine, scope: Scope) -> Limits:
    default = Limits()
    for field in ("max_metadata_bytes", "max_concurrent_streams"):
        checks.message_size(getattr(limits, field), scope.field(field))

    def seconds(field: str, least: float, most: float = checks.LONGEST) -> float | None:
        if not limits.HasField(field):
            return None
        return checks.seconds(getattr(limits, field), scope.field(field), least=least, most=most)

    grace = seconds("connection_grace", 0.0)
    stall = seconds("stall_timeout", 0.1)
    handshake = None
    if engine is Engine.WIRE:
        handshake = seconds("handshake_timeout", 0.1, 3600.0)
    elif limits.HasField("handshake_timeout"):
        grpc_aio_cannot("time the beginning of a connection", scope.field("handshake_timeout"))
    count = {field: _count(limits, field, engine, scope) or getattr(default, field) for field in _COUNTS}
    if count["stream_buffer_bytes"] > count["connection_buffer_bytes"]:
        field = "stream_buffer_bytes" if limits.stream_buffer_bytes else "connection_buffer_bytes"
        scope.field(field).refuse(
            f"one stream may have {count['stream_buffer_bytes']} bytes waiting, and its whole connection only "
            f"{count['connection_buffer_bytes']}; `connection_buffer_bytes` may not be less than `stream_buffer_bytes`"
        )
    return Limits(
        max_message_bytes=checks.message_size(limits.max_message_bytes, scope.field("max_message_bytes"))
        or default.max_message_bytes,
        max_metadata_bytes=limits.max_metadata_bytes or default.max_metadata_bytes,
        max_concurrent_streams=limits.max_concurrent_streams or default.max_concurrent_streams,
        max_concurrent_calls=limits.max_concurrent_calls,
        max_connection_age=seconds("max_connection_age", 1.0),
        max_connection_idle=seconds("max_connection_idle", 1.0),
        connection_grace=default.connection_grace if grace is None else grace,
        stall_timeout=default.stall_timeout if stall is None else stall,
        handshake_timeout=default.handshake_timeout if handshake is None else handshake,
        **count,
    )


def _count(limits: server_pb2.Limits, field: str, engine: Engine, scope: Scope) -> int:
    """Return a limit that only the wire engine has; 0 when it was refused or is left to the default."""
    value: int = getattr(limits, field)
    least, most, words = _COUNTS[field]
    if not value:
        return 0
    if engine is Engine.GRPC_AIO:
        grpc_aio_cannot(words, scope.field(field))
    elif not least <= value <= most:
        scope.field(field).refuse(f"has to be from {least} to {most}, and is {value}")
    else:
        return value
    return 0
