import datetime

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

class Endpoint(_message.Message):
    __slots__ = ("name", "address", "weight", "zone", "state", "reason", "state_time", "active_calls", "total_calls", "failed_calls", "expire_time", "etag", "last_error", "last_error_time", "not_serving")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Endpoint.State]
        STATE_ACTIVE: _ClassVar[Endpoint.State]
        STATE_CONNECTING: _ClassVar[Endpoint.State]
        STATE_UNHEALTHY: _ClassVar[Endpoint.State]
        STATE_EJECTED: _ClassVar[Endpoint.State]
        STATE_DRAINING: _ClassVar[Endpoint.State]
    STATE_UNSPECIFIED: Endpoint.State
    STATE_ACTIVE: Endpoint.State
    STATE_CONNECTING: Endpoint.State
    STATE_UNHEALTHY: Endpoint.State
    STATE_EJECTED: Endpoint.State
    STATE_DRAINING: Endpoint.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_CALLS_FIELD_NUMBER: _ClassVar[int]
    FAILED_CALLS_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_TIME_FIELD_NUMBER: _ClassVar[int]
    NOT_SERVING_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    weight: int
    zone: str
    state: Endpoint.State
    reason: str
    state_time: _timestamp_pb2.Timestamp
    active_calls: int
    total_calls: int
    failed_calls: int
    expire_time: _timestamp_pb2.Timestamp
    etag: str
    last_error: str
    last_error_time: _timestamp_pb2.Timestamp
    not_serving: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., weight: _Optional[int] = ..., zone: _Optional[str] = ..., state: _Optional[_Union[Endpoint.State, str]] = ..., reason: _Optional[str] = ..., state_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., active_calls: _Optional[int] = ..., total_calls: _Optional[int] = ..., failed_calls: _Optional[int] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., last_error: _Optional[str] = ..., last_error_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., not_serving: _Optional[_Iterable[str]] = ...) -> None: ...
