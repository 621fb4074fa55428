import datetime

from gateway.v1 import endpoint_pb2 as _endpoint_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GatewayHealth(_message.Message):
    __slots__ = ("state", "reason", "config_revision", "config_error", "config_error_time", "upstreams", "read_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[GatewayHealth.State]
        STATE_HEALTHY: _ClassVar[GatewayHealth.State]
        STATE_DEGRADED: _ClassVar[GatewayHealth.State]
        STATE_UNHEALTHY: _ClassVar[GatewayHealth.State]
    STATE_UNSPECIFIED: GatewayHealth.State
    STATE_HEALTHY: GatewayHealth.State
    STATE_DEGRADED: GatewayHealth.State
    STATE_UNHEALTHY: GatewayHealth.State
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CONFIG_REVISION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_ERROR_FIELD_NUMBER: _ClassVar[int]
    CONFIG_ERROR_TIME_FIELD_NUMBER: _ClassVar[int]
    UPSTREAMS_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_FIELD_NUMBER: _ClassVar[int]
    state: GatewayHealth.State
    reason: str
    config_revision: int
    config_error: str
    config_error_time: _timestamp_pb2.Timestamp
    upstreams: _containers.RepeatedCompositeFieldContainer[UpstreamHealth]
    read_time: _timestamp_pb2.Timestamp
    def __init__(self, state: _Optional[_Union[GatewayHealth.State, str]] = ..., reason: _Optional[str] = ..., config_revision: _Optional[int] = ..., config_error: _Optional[str] = ..., config_error_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., upstreams: _Optional[_Iterable[_Union[UpstreamHealth, _Mapping]]] = ..., read_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UpstreamHealth(_message.Message):
    __slots__ = ("upstream", "state", "reason", "endpoints", "breaker", "discovery", "schema", "services", "schema_versions")
    class Breaker(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        BREAKER_UNSPECIFIED: _ClassVar[UpstreamHealth.Breaker]
        BREAKER_CLOSED: _ClassVar[UpstreamHealth.Breaker]
        BREAKER_OPEN: _ClassVar[UpstreamHealth.Breaker]
        BREAKER_HALF_OPEN: _ClassVar[UpstreamHealth.Breaker]
    BREAKER_UNSPECIFIED: UpstreamHealth.Breaker
    BREAKER_CLOSED: UpstreamHealth.Breaker
    BREAKER_OPEN: UpstreamHealth.Breaker
    BREAKER_HALF_OPEN: UpstreamHealth.Breaker
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    BREAKER_FIELD_NUMBER: _ClassVar[int]
    DISCOVERY_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    upstream: str
    state: GatewayHealth.State
    reason: str
    endpoints: _containers.RepeatedCompositeFieldContainer[_endpoint_pb2.Endpoint]
    breaker: UpstreamHealth.Breaker
    discovery: SourceHealth
    schema: SourceHealth
    services: _containers.RepeatedScalarFieldContainer[str]
    schema_versions: _containers.RepeatedCompositeFieldContainer[SchemaVersion]
    def __init__(self, upstream: _Optional[str] = ..., state: _Optional[_Union[GatewayHealth.State, str]] = ..., reason: _Optional[str] = ..., endpoints: _Optional[_Iterable[_Union[_endpoint_pb2.Endpoint, _Mapping]]] = ..., breaker: _Optional[_Union[UpstreamHealth.Breaker, str]] = ..., discovery: _Optional[_Union[SourceHealth, _Mapping]] = ..., schema: _Optional[_Union[SourceHealth, _Mapping]] = ..., services: _Optional[_Iterable[str]] = ..., schema_versions: _Optional[_Iterable[_Union[SchemaVersion, _Mapping]]] = ...) -> None: ...

class SchemaVersion(_message.Message):
    __slots__ = ("hash", "endpoints", "in_force", "differences", "harmful")
    HASH_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    HARMFUL_FIELD_NUMBER: _ClassVar[int]
    hash: str
    endpoints: _containers.RepeatedScalarFieldContainer[str]
    in_force: bool
    differences: _containers.RepeatedScalarFieldContainer[str]
    harmful: bool
    def __init__(self, hash: _Optional[str] = ..., endpoints: _Optional[_Iterable[str]] = ..., in_force: bool = ..., differences: _Optional[_Iterable[str]] = ..., harmful: bool = ...) -> None: ...

class SourceHealth(_message.Message):
    __slots__ = ("state", "error", "success_time", "failures")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_TIME_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    state: GatewayHealth.State
    error: str
    success_time: _timestamp_pb2.Timestamp
    failures: int
    def __init__(self, state: _Optional[_Union[GatewayHealth.State, str]] = ..., error: _Optional[str] = ..., success_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., failures: _Optional[int] = ...) -> None: ...

class GetHealthRequest(_message.Message):
    __slots__ = ("upstream",)
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    upstream: str
    def __init__(self, upstream: _Optional[str] = ...) -> None: ...

class GetHealthResponse(_message.Message):
    __slots__ = ("health",)
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    health: GatewayHealth
    def __init__(self, health: _Optional[_Union[GatewayHealth, _Mapping]] = ...) -> None: ...

class WatchHealthRequest(_message.Message):
    __slots__ = ("upstream",)
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    upstream: str
    def __init__(self, upstream: _Optional[str] = ...) -> None: ...

class WatchHealthResponse(_message.Message):
    __slots__ = ("health",)
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    health: GatewayHealth
    def __init__(self, health: _Optional[_Union[GatewayHealth, _Mapping]] = ...) -> None: ...
