import datetime

from gateway.v1 import tap_pb2 as _tap_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import httpbody_pb2 as _httpbody_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ServerInfo(_message.Message):
    __slots__ = ("node_id", "state", "version", "components", "start_time", "listeners", "config_revision", "config_time", "config_error", "active_calls", "total_calls", "resident_bytes", "workers", "protections", "engine")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[ServerInfo.State]
        STATE_STARTING: _ClassVar[ServerInfo.State]
        STATE_ACTIVE: _ClassVar[ServerInfo.State]
        STATE_DRAINING: _ClassVar[ServerInfo.State]
    STATE_UNSPECIFIED: ServerInfo.State
    STATE_STARTING: ServerInfo.State
    STATE_ACTIVE: ServerInfo.State
    STATE_DRAINING: ServerInfo.State
    class ComponentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ProtectionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    LISTENERS_FIELD_NUMBER: _ClassVar[int]
    CONFIG_REVISION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_TIME_FIELD_NUMBER: _ClassVar[int]
    CONFIG_ERROR_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_CALLS_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    PROTECTIONS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    state: ServerInfo.State
    version: str
    components: _containers.ScalarMap[str, str]
    start_time: _timestamp_pb2.Timestamp
    listeners: _containers.RepeatedCompositeFieldContainer[ListenerInfo]
    config_revision: int
    config_time: _timestamp_pb2.Timestamp
    config_error: _status_pb2.Status
    active_calls: int
    total_calls: int
    resident_bytes: int
    workers: _containers.RepeatedCompositeFieldContainer[WorkerInfo]
    protections: _containers.ScalarMap[str, int]
    engine: str
    def __init__(self, node_id: _Optional[str] = ..., state: _Optional[_Union[ServerInfo.State, str]] = ..., version: _Optional[str] = ..., components: _Optional[_Mapping[str, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., listeners: _Optional[_Iterable[_Union[ListenerInfo, _Mapping]]] = ..., config_revision: _Optional[int] = ..., config_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., config_error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., active_calls: _Optional[int] = ..., total_calls: _Optional[int] = ..., resident_bytes: _Optional[int] = ..., workers: _Optional[_Iterable[_Union[WorkerInfo, _Mapping]]] = ..., protections: _Optional[_Mapping[str, int]] = ..., engine: _Optional[str] = ...) -> None: ...

class ListenerInfo(_message.Message):
    __slots__ = ("name", "address", "protocol", "tls")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    protocol: str
    tls: bool
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., protocol: _Optional[str] = ..., tls: bool = ...) -> None: ...

class WorkerInfo(_message.Message):
    __slots__ = ("pid", "config_revision", "config_error", "resident_bytes", "active_calls")
    PID_FIELD_NUMBER: _ClassVar[int]
    CONFIG_REVISION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_ERROR_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_CALLS_FIELD_NUMBER: _ClassVar[int]
    pid: int
    config_revision: int
    config_error: _status_pb2.Status
    resident_bytes: int
    active_calls: int
    def __init__(self, pid: _Optional[int] = ..., config_revision: _Optional[int] = ..., config_error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., resident_bytes: _Optional[int] = ..., active_calls: _Optional[int] = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExplainCallRequest(_message.Message):
    __slots__ = ("path", "verb", "host", "headers", "max_misses")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PATH_FIELD_NUMBER: _ClassVar[int]
    VERB_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    MAX_MISSES_FIELD_NUMBER: _ClassVar[int]
    path: str
    verb: str
    host: str
    headers: _containers.ScalarMap[str, str]
    max_misses: int
    def __init__(self, path: _Optional[str] = ..., verb: _Optional[str] = ..., host: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., max_misses: _Optional[int] = ...) -> None: ...

class ExplainCallResponse(_message.Message):
    __slots__ = ("matched", "route", "match_index", "reasons", "path_parameters", "policies", "action", "upstreams", "method", "shape", "deadlines", "status", "misses", "more_misses", "config_revision", "protocol", "rule", "http_status")
    class PathParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class UpstreamChoice(_message.Message):
        __slots__ = ("upstream", "percent", "endpoint", "balancer")
        UPSTREAM_FIELD_NUMBER: _ClassVar[int]
        PERCENT_FIELD_NUMBER: _ClassVar[int]
        ENDPOINT_FIELD_NUMBER: _ClassVar[int]
        BALANCER_FIELD_NUMBER: _ClassVar[int]
        upstream: str
        percent: float
        endpoint: str
        balancer: str
        def __init__(self, upstream: _Optional[str] = ..., percent: _Optional[float] = ..., endpoint: _Optional[str] = ..., balancer: _Optional[str] = ...) -> None: ...
    class Miss(_message.Message):
        __slots__ = ("route", "match_index", "reason")
        ROUTE_FIELD_NUMBER: _ClassVar[int]
        MATCH_INDEX_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        route: str
        match_index: int
        reason: str
        def __init__(self, route: _Optional[str] = ..., match_index: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    MATCH_INDEX_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    PATH_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    UPSTREAMS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DEADLINES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MISSES_FIELD_NUMBER: _ClassVar[int]
    MORE_MISSES_FIELD_NUMBER: _ClassVar[int]
    CONFIG_REVISION_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    matched: bool
    route: str
    match_index: int
    reasons: _containers.RepeatedScalarFieldContainer[str]
    path_parameters: _containers.ScalarMap[str, str]
    policies: _containers.RepeatedScalarFieldContainer[str]
    action: str
    upstreams: _containers.RepeatedCompositeFieldContainer[ExplainCallResponse.UpstreamChoice]
    method: str
    shape: str
    deadlines: _containers.RepeatedScalarFieldContainer[str]
    status: _status_pb2.Status
    misses: _containers.RepeatedCompositeFieldContainer[ExplainCallResponse.Miss]
    more_misses: int
    config_revision: int
    protocol: str
    rule: str
    http_status: int
    def __init__(self, matched: bool = ..., route: _Optional[str] = ..., match_index: _Optional[int] = ..., reasons: _Optional[_Iterable[str]] = ..., path_parameters: _Optional[_Mapping[str, str]] = ..., policies: _Optional[_Iterable[str]] = ..., action: _Optional[str] = ..., upstreams: _Optional[_Iterable[_Union[ExplainCallResponse.UpstreamChoice, _Mapping]]] = ..., method: _Optional[str] = ..., shape: _Optional[str] = ..., deadlines: _Optional[_Iterable[str]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., misses: _Optional[_Iterable[_Union[ExplainCallResponse.Miss, _Mapping]]] = ..., more_misses: _Optional[int] = ..., config_revision: _Optional[int] = ..., protocol: _Optional[str] = ..., rule: _Optional[str] = ..., http_status: _Optional[int] = ...) -> None: ...

class GetOpenApiRequest(_message.Message):
    __slots__ = ("route",)
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    route: str
    def __init__(self, route: _Optional[str] = ...) -> None: ...

class TapCallsRequest(_message.Message):
    __slots__ = ("filter", "sample_percent", "max_calls")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_PERCENT_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    filter: _tap_pb2.TapFilter
    sample_percent: float
    max_calls: int
    def __init__(self, filter: _Optional[_Union[_tap_pb2.TapFilter, _Mapping]] = ..., sample_percent: _Optional[float] = ..., max_calls: _Optional[int] = ...) -> None: ...

class TapCallsResponse(_message.Message):
    __slots__ = ("call", "dropped")
    CALL_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    call: _tap_pb2.FinishedCall
    dropped: int
    def __init__(self, call: _Optional[_Union[_tap_pb2.FinishedCall, _Mapping]] = ..., dropped: _Optional[int] = ...) -> None: ...

class InvalidateCacheRequest(_message.Message):
    __slots__ = ("tag", "route", "key", "all")
    TAG_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    tag: str
    route: str
    key: str
    all: bool
    def __init__(self, tag: _Optional[str] = ..., route: _Optional[str] = ..., key: _Optional[str] = ..., all: bool = ...) -> None: ...

class InvalidateCacheResponse(_message.Message):
    __slots__ = ("dropped",)
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    dropped: int
    def __init__(self, dropped: _Optional[int] = ...) -> None: ...

class DrainServerRequest(_message.Message):
    __slots__ = ("grace_period",)
    GRACE_PERIOD_FIELD_NUMBER: _ClassVar[int]
    grace_period: _duration_pb2.Duration
    def __init__(self, grace_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
