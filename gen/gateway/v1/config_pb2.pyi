import datetime

from gateway.v1 import consumer_pb2 as _consumer_pb2
from gateway.v1 import policy_pb2 as _policy_pb2
from gateway.v1 import route_pb2 as _route_pb2
from gateway.v1 import schema_pb2 as _schema_pb2
from gateway.v1 import server_pb2 as _server_pb2
from gateway.v1 import upstream_pb2 as _upstream_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GatewayConfig(_message.Message):
    __slots__ = ("server", "store", "observability", "upstreams", "routes", "policies", "consumers", "schemas")
    SERVER_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    OBSERVABILITY_FIELD_NUMBER: _ClassVar[int]
    UPSTREAMS_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    server: _server_pb2.ServerConfig
    store: _server_pb2.StoreConfig
    observability: _server_pb2.ObservabilityConfig
    upstreams: _containers.RepeatedCompositeFieldContainer[_upstream_pb2.Upstream]
    routes: _containers.RepeatedCompositeFieldContainer[_route_pb2.Route]
    policies: _containers.RepeatedCompositeFieldContainer[_policy_pb2.Policy]
    consumers: _containers.RepeatedCompositeFieldContainer[_consumer_pb2.Consumer]
    schemas: _containers.RepeatedCompositeFieldContainer[_schema_pb2.Schema]
    def __init__(self, server: _Optional[_Union[_server_pb2.ServerConfig, _Mapping]] = ..., store: _Optional[_Union[_server_pb2.StoreConfig, _Mapping]] = ..., observability: _Optional[_Union[_server_pb2.ObservabilityConfig, _Mapping]] = ..., upstreams: _Optional[_Iterable[_Union[_upstream_pb2.Upstream, _Mapping]]] = ..., routes: _Optional[_Iterable[_Union[_route_pb2.Route, _Mapping]]] = ..., policies: _Optional[_Iterable[_Union[_policy_pb2.Policy, _Mapping]]] = ..., consumers: _Optional[_Iterable[_Union[_consumer_pb2.Consumer, _Mapping]]] = ..., schemas: _Optional[_Iterable[_Union[_schema_pb2.Schema, _Mapping]]] = ...) -> None: ...

class Config(_message.Message):
    __slots__ = ("name", "upstreams", "routes", "policies", "consumers", "schemas", "revision", "update_time", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UPSTREAMS_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    upstreams: _containers.RepeatedCompositeFieldContainer[_upstream_pb2.Upstream]
    routes: _containers.RepeatedCompositeFieldContainer[_route_pb2.Route]
    policies: _containers.RepeatedCompositeFieldContainer[_policy_pb2.Policy]
    consumers: _containers.RepeatedCompositeFieldContainer[_consumer_pb2.Consumer]
    schemas: _containers.RepeatedCompositeFieldContainer[_schema_pb2.Schema]
    revision: int
    update_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, name: _Optional[str] = ..., upstreams: _Optional[_Iterable[_Union[_upstream_pb2.Upstream, _Mapping]]] = ..., routes: _Optional[_Iterable[_Union[_route_pb2.Route, _Mapping]]] = ..., policies: _Optional[_Iterable[_Union[_policy_pb2.Policy, _Mapping]]] = ..., consumers: _Optional[_Iterable[_Union[_consumer_pb2.Consumer, _Mapping]]] = ..., schemas: _Optional[_Iterable[_Union[_schema_pb2.Schema, _Mapping]]] = ..., revision: _Optional[int] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class Revision(_message.Message):
    __slots__ = ("name", "number", "author", "summary", "changes", "config", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    number: int
    author: str
    summary: str
    changes: _containers.RepeatedCompositeFieldContainer[ResourceChange]
    config: Config
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., number: _Optional[int] = ..., author: _Optional[str] = ..., summary: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[ResourceChange, _Mapping]]] = ..., config: _Optional[_Union[Config, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ResourceChange(_message.Message):
    __slots__ = ("name", "kind", "fields")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[ResourceChange.Kind]
        KIND_CREATED: _ClassVar[ResourceChange.Kind]
        KIND_UPDATED: _ClassVar[ResourceChange.Kind]
        KIND_DELETED: _ClassVar[ResourceChange.Kind]
    KIND_UNSPECIFIED: ResourceChange.Kind
    KIND_CREATED: ResourceChange.Kind
    KIND_UPDATED: ResourceChange.Kind
    KIND_DELETED: ResourceChange.Kind
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: ResourceChange.Kind
    fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[ResourceChange.Kind, str]] = ..., fields: _Optional[_Iterable[str]] = ...) -> None: ...
