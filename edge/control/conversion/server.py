"""The part of a configuration file that is read once, at the start: sockets, limits, log."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from edge.control.conversion import checks
from edge.control.conversion.availability import check_available, refused
from edge.control.conversion.scope import Locate, Places, Problem, Scope
from edge.control.kinds import ID_PATTERN, ID_RULE
from edge.model.errors import InvalidRequest, Violation
from edge.model.settings import Limits, ListenerProtocol, ListenerSettings, ServerSettings
from gateway.v1 import config_pb2, server_pb2

_PROTOCOLS = {
    server_pb2.Listener.PROTOCOL_UNSPECIFIED: ListenerProtocol.AUTO,
    server_pb2.Listener.PROTOCOL_AUTO: ListenerProtocol.AUTO,
    server_pb2.Listener.PROTOCOL_GRPC: ListenerProtocol.GRPC,
    server_pb2.Listener.PROTOCOL_HTTP: ListenerProtocol.HTTP,
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
    listeners = _listeners(server.listeners, place.field("listeners")) or default.listeners
    bound = {listener.address: f"server.listeners[{index}].address" for index, listener in enumerate(listeners)}
    admin = _admin_address(server.admin, "address", place.field("admin"), default.admin_address, bound)
    admin_http = _admin_address(server.admin, "http_address", place.field("admin"), default.admin_http_address, bound)
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
        drain_timeout=drain,
        limits=_limits(server.limits, place.field("limits")),
        trusted_proxies=tuple(
            _network(network, place.field("trusted_proxies").index(index))
            for index, network in enumerate(server.trusted_proxies)
        ),
        compression_level=_compression_level(server, place.field("response_compression").field("level")),
        compression_min_bytes=server.response_compression.min_message_bytes or default.compression_min_bytes,
        log_level=_LEVELS.get(log.level, default.log_level),
        log_format=_FORMATS.get(log.format, default.log_format),
        access_log=log.access,
    )


def _listeners(listeners: Sequence[server_pb2.Listener], scope: Scope) -> tuple[ListenerSettings, ...]:
    found = []
    names = []
    for index, listener in enumerate(listeners):
        place = scope.index(index)
        name = listener.name or ("traffic" if index == 0 else f"traffic-{index + 1}")
        if not ID_PATTERN.fullmatch(name):
            place.field("name").refuse(f"`{name[:100]}` does not fit: a name has to be {ID_RULE}")
        names.append((name, place.field("name")))
        if listener.protocol not in _PROTOCOLS:
            place.field("protocol").refuse(f"{listener.protocol} is not known")
        address = checks.address(listener.address, place.field("address"), any_port=True)
        protocol = _PROTOCOLS.get(listener.protocol, ListenerProtocol.AUTO)
        found.append(ListenerSettings(name=name, address=address, protocol=protocol))
    checks.no_repeats(names)
    checks.no_repeats(
        (listener.address, scope.index(index).field("address"))
        for index, listener in enumerate(found)
        if listener.address and not listener.address.endswith(":0")
    )
    return tuple(found)


def _admin_address(
    admin: server_pb2.AdminListener, field: str, scope: Scope, default: str, bound: dict[str, str]
) -> str:
    """Return an address of the gateway API, and remember in `bound` whose it is."""
    given: str = getattr(admin, field)
    address = checks.address(given, scope.field(field), any_port=True) if given else default
    if admin.disabled:
        return ""
    if address in bound and not address.endswith(":0"):
        scope.field(field).refuse(f"`{address}` is in {bound[address]} already")
    bound[address] = f"server.admin.{field}"
    return address


def _compression_level(server: server_pb2.ServerConfig, scope: Scope) -> int:
    if not server.HasField("response_compression"):
        return 0
    level = server.response_compression.level
    if level not in _COMPRESSION_LEVELS:
        scope.refuse(f"{level} is not known")
    return _COMPRESSION_LEVELS.get(level, 1)


def _limits(limits: server_pb2.Limits, scope: Scope) -> Limits:
    default = Limits()
    for field in ("max_metadata_bytes", "max_concurrent_streams"):
        checks.message_size(getattr(limits, field), scope.field(field))

    def seconds(field: str, least: float) -> float | None:
        if not limits.HasField(field):
            return None
        return checks.seconds(getattr(limits, field), scope.field(field), least=least)

    grace = seconds("connection_grace", 0.0)
    stall = seconds("stall_timeout", 0.1)
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
    )


def _network(value: str, scope: Scope) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        pass
    try:
        wider = ipaddress.ip_network(value, strict=False)
    except ValueError:
        scope.refuse(f"`{value}` is no network, as in `10.0.0.0/8` or `fd00::/8`")
    else:
        scope.refuse(f"`{value}` has bits set beyond its prefix; did you mean `{wider}`?")
    return value
