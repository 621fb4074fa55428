import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TapFilter(_message.Message):
    __slots__ = ("route", "upstream", "method_prefix", "codes", "errors_only", "min_duration")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    METHOD_PREFIX_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_ONLY_FIELD_NUMBER: _ClassVar[int]
    MIN_DURATION_FIELD_NUMBER: _ClassVar[int]
    route: str
    upstream: str
    method_prefix: str
    codes: _containers.RepeatedScalarFieldContainer[int]
    errors_only: bool
    min_duration: _duration_pb2.Duration
    def __init__(self, route: _Optional[str] = ..., upstream: _Optional[str] = ..., method_prefix: _Optional[str] = ..., codes: _Optional[_Iterable[int]] = ..., errors_only: bool = ..., min_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class FinishedCall(_message.Message):
    __slots__ = ("start_time", "duration", "first_message_duration", "method", "protocol", "host", "peer", "route", "upstream", "endpoint", "status", "status_source", "reason", "cause", "request_messages", "response_messages", "request_bytes", "response_bytes", "attempts", "request_id", "trace_id", "config_revision")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    FIRST_MESSAGE_DURATION_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_SOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIG_REVISION_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    duration: _duration_pb2.Duration
    first_message_duration: _duration_pb2.Duration
    method: str
    protocol: str
    host: str
    peer: str
    route: str
    upstream: str
    endpoint: str
    status: _status_pb2.Status
    status_source: str
    reason: str
    cause: str
    request_messages: int
    response_messages: int
    request_bytes: int
    response_bytes: int
    attempts: int
    request_id: str
    trace_id: str
    config_revision: int
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., first_message_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., method: _Optional[str] = ..., protocol: _Optional[str] = ..., host: _Optional[str] = ..., peer: _Optional[str] = ..., route: _Optional[str] = ..., upstream: _Optional[str] = ..., endpoint: _Optional[str] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., status_source: _Optional[str] = ..., reason: _Optional[str] = ..., cause: _Optional[str] = ..., request_messages: _Optional[int] = ..., response_messages: _Optional[int] = ..., request_bytes: _Optional[int] = ..., response_bytes: _Optional[int] = ..., attempts: _Optional[int] = ..., request_id: _Optional[str] = ..., trace_id: _Optional[str] = ..., config_revision: _Optional[int] = ...) -> None: ...
