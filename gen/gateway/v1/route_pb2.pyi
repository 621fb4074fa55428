import datetime

from gateway.v1 import origin_pb2 as _origin_pb2
from gateway.v1 import transcoding_pb2 as _transcoding_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Route(_message.Message):
    __slots__ = ("name", "display_name", "matches", "priority", "policies", "forward", "direct_response", "redirect", "transcoding", "timeout", "stream_timeout", "stream_idle_timeout", "max_request_message_bytes", "max_response_message_bytes", "labels", "origin", "create_time", "update_time", "etag")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    FORWARD_FIELD_NUMBER: _ClassVar[int]
    DIRECT_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_FIELD_NUMBER: _ClassVar[int]
    TRANSCODING_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    STREAM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    STREAM_IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_REQUEST_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RESPONSE_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    matches: _containers.RepeatedCompositeFieldContainer[RouteMatch]
    priority: int
    policies: _containers.RepeatedScalarFieldContainer[str]
    forward: ForwardAction
    direct_response: DirectResponseAction
    redirect: RedirectAction
    transcoding: _transcoding_pb2.Transcoding
    timeout: _duration_pb2.Duration
    stream_timeout: _duration_pb2.Duration
    stream_idle_timeout: _duration_pb2.Duration
    max_request_message_bytes: int
    max_response_message_bytes: int
    labels: _containers.ScalarMap[str, str]
    origin: _origin_pb2.Origin
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., matches: _Optional[_Iterable[_Union[RouteMatch, _Mapping]]] = ..., priority: _Optional[int] = ..., policies: _Optional[_Iterable[str]] = ..., forward: _Optional[_Union[ForwardAction, _Mapping]] = ..., direct_response: _Optional[_Union[DirectResponseAction, _Mapping]] = ..., redirect: _Optional[_Union[RedirectAction, _Mapping]] = ..., transcoding: _Optional[_Union[_transcoding_pb2.Transcoding, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stream_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stream_idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_request_message_bytes: _Optional[int] = ..., max_response_message_bytes: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., origin: _Optional[_Union[_origin_pb2.Origin, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class RouteMatch(_message.Message):
    __slots__ = ("hosts", "grpc", "http", "headers", "query")
    HOSTS_FIELD_NUMBER: _ClassVar[int]
    GRPC_FIELD_NUMBER: _ClassVar[int]
    HTTP_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    hosts: _containers.RepeatedScalarFieldContainer[str]
    grpc: GrpcMatch
    http: HttpMatch
    headers: _containers.RepeatedCompositeFieldContainer[HeaderMatch]
    query: _containers.RepeatedCompositeFieldContainer[QueryMatch]
    def __init__(self, hosts: _Optional[_Iterable[str]] = ..., grpc: _Optional[_Union[GrpcMatch, _Mapping]] = ..., http: _Optional[_Union[HttpMatch, _Mapping]] = ..., headers: _Optional[_Iterable[_Union[HeaderMatch, _Mapping]]] = ..., query: _Optional[_Iterable[_Union[QueryMatch, _Mapping]]] = ...) -> None: ...

class GrpcMatch(_message.Message):
    __slots__ = ("service", "method")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    service: str
    method: str
    def __init__(self, service: _Optional[str] = ..., method: _Optional[str] = ...) -> None: ...

class HttpMatch(_message.Message):
    __slots__ = ("path", "methods")
    PATH_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    path: str
    methods: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, path: _Optional[str] = ..., methods: _Optional[_Iterable[str]] = ...) -> None: ...

class HeaderMatch(_message.Message):
    __slots__ = ("name", "exact", "prefix", "present")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    exact: str
    prefix: str
    present: bool
    def __init__(self, name: _Optional[str] = ..., exact: _Optional[str] = ..., prefix: _Optional[str] = ..., present: bool = ...) -> None: ...

class QueryMatch(_message.Message):
    __slots__ = ("name", "exact", "present")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    exact: str
    present: bool
    def __init__(self, name: _Optional[str] = ..., exact: _Optional[str] = ..., present: bool = ...) -> None: ...

class ForwardAction(_message.Message):
    __slots__ = ("upstreams",)
    UPSTREAMS_FIELD_NUMBER: _ClassVar[int]
    upstreams: _containers.RepeatedCompositeFieldContainer[WeightedUpstream]
    def __init__(self, upstreams: _Optional[_Iterable[_Union[WeightedUpstream, _Mapping]]] = ...) -> None: ...

class WeightedUpstream(_message.Message):
    __slots__ = ("upstream", "weight")
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    upstream: str
    weight: int
    def __init__(self, upstream: _Optional[str] = ..., weight: _Optional[int] = ...) -> None: ...

class DirectResponseAction(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class RedirectAction(_message.Message):
    __slots__ = ("host", "path", "https", "status")
    HOST_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HTTPS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    host: str
    path: str
    https: bool
    status: int
    def __init__(self, host: _Optional[str] = ..., path: _Optional[str] = ..., https: bool = ..., status: _Optional[int] = ...) -> None: ...
