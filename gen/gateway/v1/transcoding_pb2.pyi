import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import http_pb2 as _http_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Transcoding(_message.Message):
    __slots__ = ("rules", "rpc_paths", "strictness", "json", "streams", "web_socket", "disabled_protocols", "openapi", "ignored_query_parameters", "disable_update_mask")
    class Strictness(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STRICTNESS_UNSPECIFIED: _ClassVar[Transcoding.Strictness]
        STRICTNESS_STRICT: _ClassVar[Transcoding.Strictness]
        STRICTNESS_WARN: _ClassVar[Transcoding.Strictness]
        STRICTNESS_LENIENT: _ClassVar[Transcoding.Strictness]
    STRICTNESS_UNSPECIFIED: Transcoding.Strictness
    STRICTNESS_STRICT: Transcoding.Strictness
    STRICTNESS_WARN: Transcoding.Strictness
    STRICTNESS_LENIENT: Transcoding.Strictness
    class Protocol(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PROTOCOL_UNSPECIFIED: _ClassVar[Transcoding.Protocol]
        PROTOCOL_REST: _ClassVar[Transcoding.Protocol]
        PROTOCOL_GRPC_WEB: _ClassVar[Transcoding.Protocol]
        PROTOCOL_CONNECT: _ClassVar[Transcoding.Protocol]
        PROTOCOL_WEB_SOCKET: _ClassVar[Transcoding.Protocol]
    PROTOCOL_UNSPECIFIED: Transcoding.Protocol
    PROTOCOL_REST: Transcoding.Protocol
    PROTOCOL_GRPC_WEB: Transcoding.Protocol
    PROTOCOL_CONNECT: Transcoding.Protocol
    PROTOCOL_WEB_SOCKET: Transcoding.Protocol
    class JsonOptions(_message.Message):
        __slots__ = ("proto_field_names", "print_defaults", "enums_as_numbers", "strip_enum_prefix")
        PROTO_FIELD_NAMES_FIELD_NUMBER: _ClassVar[int]
        PRINT_DEFAULTS_FIELD_NUMBER: _ClassVar[int]
        ENUMS_AS_NUMBERS_FIELD_NUMBER: _ClassVar[int]
        STRIP_ENUM_PREFIX_FIELD_NUMBER: _ClassVar[int]
        proto_field_names: bool
        print_defaults: bool
        enums_as_numbers: bool
        strip_enum_prefix: bool
        def __init__(self, proto_field_names: bool = ..., print_defaults: bool = ..., enums_as_numbers: bool = ..., strip_enum_prefix: bool = ...) -> None: ...
    class StreamOptions(_message.Message):
        __slots__ = ("heartbeat_interval",)
        HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
        heartbeat_interval: _duration_pb2.Duration
        def __init__(self, heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
    class WebSocketOptions(_message.Message):
        __slots__ = ("idle_timeout", "ping_interval", "max_message_bytes")
        IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
        PING_INTERVAL_FIELD_NUMBER: _ClassVar[int]
        MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
        idle_timeout: _duration_pb2.Duration
        ping_interval: _duration_pb2.Duration
        max_message_bytes: int
        def __init__(self, idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ping_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_message_bytes: _Optional[int] = ...) -> None: ...
    RULES_FIELD_NUMBER: _ClassVar[int]
    RPC_PATHS_FIELD_NUMBER: _ClassVar[int]
    STRICTNESS_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    WEB_SOCKET_FIELD_NUMBER: _ClassVar[int]
    DISABLED_PROTOCOLS_FIELD_NUMBER: _ClassVar[int]
    OPENAPI_FIELD_NUMBER: _ClassVar[int]
    IGNORED_QUERY_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    DISABLE_UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[_http_pb2.HttpRule]
    rpc_paths: bool
    strictness: Transcoding.Strictness
    json: Transcoding.JsonOptions
    streams: Transcoding.StreamOptions
    web_socket: Transcoding.WebSocketOptions
    disabled_protocols: _containers.RepeatedScalarFieldContainer[Transcoding.Protocol]
    openapi: bool
    ignored_query_parameters: _containers.RepeatedScalarFieldContainer[str]
    disable_update_mask: bool
    def __init__(self, rules: _Optional[_Iterable[_Union[_http_pb2.HttpRule, _Mapping]]] = ..., rpc_paths: bool = ..., strictness: _Optional[_Union[Transcoding.Strictness, str]] = ..., json: _Optional[_Union[Transcoding.JsonOptions, _Mapping]] = ..., streams: _Optional[_Union[Transcoding.StreamOptions, _Mapping]] = ..., web_socket: _Optional[_Union[Transcoding.WebSocketOptions, _Mapping]] = ..., disabled_protocols: _Optional[_Iterable[_Union[Transcoding.Protocol, str]]] = ..., openapi: bool = ..., ignored_query_parameters: _Optional[_Iterable[str]] = ..., disable_update_mask: bool = ...) -> None: ...
