"""How a route is transcoded: proto → model. Rules are checked where the schema is known, in `transcoding`."""

from __future__ import annotations

import re

from edge.control.conversion import checks
from edge.control.conversion.scope import Scope
from edge.model.call import Protocol
from edge.model.transcoding import JsonOptions, Strictness, Transcoding
from gateway.v1 import transcoding_pb2

_STRICTNESS = {
    transcoding_pb2.Transcoding.STRICTNESS_UNSPECIFIED: Strictness.STRICT,
    transcoding_pb2.Transcoding.STRICTNESS_STRICT: Strictness.STRICT,
    transcoding_pb2.Transcoding.STRICTNESS_WARN: Strictness.WARN,
    transcoding_pb2.Transcoding.STRICTNESS_LENIENT: Strictness.LENIENT,
}

_PROTOCOLS = {
    transcoding_pb2.Transcoding.PROTOCOL_REST: Protocol.REST,
    transcoding_pb2.Transcoding.PROTOCOL_GRPC_WEB: Protocol.GRPC_WEB,
    transcoding_pb2.Transcoding.PROTOCOL_CONNECT: Protocol.CONNECT,
    transcoding_pb2.Transcoding.PROTOCOL_WEB_SOCKET: Protocol.WEB_SOCKET,
}

_SELECTOR = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+")


def convert_transcoding(transcoding: transcoding_pb2.Transcoding, scope: Scope) -> Transcoding:
    """Return how a route is transcoded. It means something only when nothing was refused."""
    default = Transcoding()
    rules = scope.field("rules")
    for index, rule in enumerate(transcoding.rules):
        if not _SELECTOR.fullmatch(rule.selector):
            hint = "write the full name of the method, as in `package.v1.Service.Method`"
            rules.index(index).field("selector").refuse(f"`{rule.selector}` selects no method; {hint}")
    checks.no_repeats(
        (rule.selector, rules.index(index).field("selector")) for index, rule in enumerate(transcoding.rules)
    )
    if transcoding.strictness not in _STRICTNESS:
        scope.field("strictness").refuse(f"{transcoding.strictness} is not known")
    disabled = scope.field("disabled_protocols")
    for index, protocol in enumerate(transcoding.disabled_protocols):
        if protocol not in _PROTOCOLS:
            disabled.index(index).refuse(f"{protocol} is not known")
    streams, socket = transcoding.streams, transcoding.web_socket
    streams_scope, socket_scope = scope.field("streams"), scope.field("web_socket")
    return Transcoding(
        rules=tuple(rule.SerializeToString(deterministic=True) for rule in transcoding.rules),
        rpc_paths=transcoding.rpc_paths,
        strictness=_STRICTNESS.get(transcoding.strictness, Strictness.STRICT),
        json=JsonOptions(
            proto_field_names=transcoding.json.proto_field_names,
            print_defaults=transcoding.json.print_defaults,
            enums_as_numbers=transcoding.json.enums_as_numbers,
            strip_enum_prefix=transcoding.json.strip_enum_prefix,
        ),
        heartbeat_interval=checks.seconds(streams.heartbeat_interval, streams_scope.field("heartbeat_interval"))
        if streams.HasField("heartbeat_interval")
        else default.heartbeat_interval,
        web_socket_idle_timeout=checks.seconds(socket.idle_timeout, socket_scope.field("idle_timeout"))
        if socket.HasField("idle_timeout")
        else default.web_socket_idle_timeout,
        web_socket_ping_interval=checks.seconds(socket.ping_interval, socket_scope.field("ping_interval"))
        if socket.HasField("ping_interval")
        else default.web_socket_ping_interval,
        web_socket_max_message_bytes=checks.message_size(
            socket.max_message_bytes, socket_scope.field("max_message_bytes")
        ),
        disabled=frozenset(
            _PROTOCOLS[protocol] for protocol in transcoding.disabled_protocols if protocol in _PROTOCOLS
        ),
        openapi=transcoding.openapi,
        ignored_query_parameters=frozenset(transcoding.ignored_query_parameters),
        update_mask=not transcoding.disable_update_mask,
    )
