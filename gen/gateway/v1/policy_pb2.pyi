import datetime

from gateway.v1 import origin_pb2 as _origin_pb2
from gateway.v1 import policy_auth_pb2 as _policy_auth_pb2
from gateway.v1 import policy_traffic_pb2 as _policy_traffic_pb2
from gateway.v1 import policy_transform_pb2 as _policy_transform_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Policy(_message.Message):
    __slots__ = ("name", "display_name", "cors", "limits", "authentication", "authorization", "external_authorization", "rate_limit", "concurrency", "stream_limit", "validation", "cache", "header", "rewrite", "body", "mirror", "fault", "retry", "hedge", "timeout", "extension", "dry_run", "labels", "origin", "create_time", "update_time", "etag")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    CORS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_AUTHORIZATION_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    STREAM_LIMIT_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    REWRITE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    MIRROR_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    HEDGE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    EXTENSION_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    GLOBAL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    cors: _policy_transform_pb2.CorsPolicy
    limits: _policy_traffic_pb2.LimitsPolicy
    authentication: _policy_auth_pb2.AuthenticationPolicy
    authorization: _policy_auth_pb2.AuthorizationPolicy
    external_authorization: _policy_auth_pb2.ExternalAuthorizationPolicy
    rate_limit: _policy_traffic_pb2.RateLimitPolicy
    concurrency: _policy_traffic_pb2.ConcurrencyPolicy
    stream_limit: _policy_traffic_pb2.StreamLimitPolicy
    validation: _policy_transform_pb2.ValidationPolicy
    cache: _policy_traffic_pb2.CachePolicy
    header: _policy_transform_pb2.HeaderPolicy
    rewrite: _policy_transform_pb2.RewritePolicy
    body: _policy_transform_pb2.BodyPolicy
    mirror: _policy_traffic_pb2.MirrorPolicy
    fault: _policy_traffic_pb2.FaultPolicy
    retry: _policy_traffic_pb2.RetryPolicy
    hedge: _policy_traffic_pb2.HedgePolicy
    timeout: _policy_traffic_pb2.TimeoutPolicy
    extension: ExtensionPolicy
    dry_run: bool
    labels: _containers.ScalarMap[str, str]
    origin: _origin_pb2.Origin
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., cors: _Optional[_Union[_policy_transform_pb2.CorsPolicy, _Mapping]] = ..., limits: _Optional[_Union[_policy_traffic_pb2.LimitsPolicy, _Mapping]] = ..., authentication: _Optional[_Union[_policy_auth_pb2.AuthenticationPolicy, _Mapping]] = ..., authorization: _Optional[_Union[_policy_auth_pb2.AuthorizationPolicy, _Mapping]] = ..., external_authorization: _Optional[_Union[_policy_auth_pb2.ExternalAuthorizationPolicy, _Mapping]] = ..., rate_limit: _Optional[_Union[_policy_traffic_pb2.RateLimitPolicy, _Mapping]] = ..., concurrency: _Optional[_Union[_policy_traffic_pb2.ConcurrencyPolicy, _Mapping]] = ..., stream_limit: _Optional[_Union[_policy_traffic_pb2.StreamLimitPolicy, _Mapping]] = ..., validation: _Optional[_Union[_policy_transform_pb2.ValidationPolicy, _Mapping]] = ..., cache: _Optional[_Union[_policy_traffic_pb2.CachePolicy, _Mapping]] = ..., header: _Optional[_Union[_policy_transform_pb2.HeaderPolicy, _Mapping]] = ..., rewrite: _Optional[_Union[_policy_transform_pb2.RewritePolicy, _Mapping]] = ..., body: _Optional[_Union[_policy_transform_pb2.BodyPolicy, _Mapping]] = ..., mirror: _Optional[_Union[_policy_traffic_pb2.MirrorPolicy, _Mapping]] = ..., fault: _Optional[_Union[_policy_traffic_pb2.FaultPolicy, _Mapping]] = ..., retry: _Optional[_Union[_policy_traffic_pb2.RetryPolicy, _Mapping]] = ..., hedge: _Optional[_Union[_policy_traffic_pb2.HedgePolicy, _Mapping]] = ..., timeout: _Optional[_Union[_policy_traffic_pb2.TimeoutPolicy, _Mapping]] = ..., extension: _Optional[_Union[ExtensionPolicy, _Mapping]] = ..., dry_run: bool = ..., labels: _Optional[_Mapping[str, str]] = ..., origin: _Optional[_Union[_origin_pb2.Origin, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., **kwargs) -> None: ...

class ExtensionPolicy(_message.Message):
    __slots__ = ("plugin", "settings", "failure_mode")
    class FailureMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FAILURE_MODE_UNSPECIFIED: _ClassVar[ExtensionPolicy.FailureMode]
        FAILURE_MODE_FAIL: _ClassVar[ExtensionPolicy.FailureMode]
        FAILURE_MODE_SKIP: _ClassVar[ExtensionPolicy.FailureMode]
    FAILURE_MODE_UNSPECIFIED: ExtensionPolicy.FailureMode
    FAILURE_MODE_FAIL: ExtensionPolicy.FailureMode
    FAILURE_MODE_SKIP: ExtensionPolicy.FailureMode
    PLUGIN_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_MODE_FIELD_NUMBER: _ClassVar[int]
    plugin: str
    settings: _struct_pb2.Struct
    failure_mode: ExtensionPolicy.FailureMode
    def __init__(self, plugin: _Optional[str] = ..., settings: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., failure_mode: _Optional[_Union[ExtensionPolicy.FailureMode, str]] = ...) -> None: ...
