import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LimitsPolicy(_message.Message):
    __slots__ = ("max_request_message_bytes", "max_response_message_bytes", "max_metadata_bytes", "max_url_bytes", "max_json_depth")
    MAX_REQUEST_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RESPONSE_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_METADATA_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_URL_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_JSON_DEPTH_FIELD_NUMBER: _ClassVar[int]
    max_request_message_bytes: int
    max_response_message_bytes: int
    max_metadata_bytes: int
    max_url_bytes: int
    max_json_depth: int
    def __init__(self, max_request_message_bytes: _Optional[int] = ..., max_response_message_bytes: _Optional[int] = ..., max_metadata_bytes: _Optional[int] = ..., max_url_bytes: _Optional[int] = ..., max_json_depth: _Optional[int] = ...) -> None: ...

class CallKey(_message.Message):
    __slots__ = ("identity", "consumer", "peer_address", "header", "path_parameter", "method", "constant")
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    PEER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    PATH_PARAMETER_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CONSTANT_FIELD_NUMBER: _ClassVar[int]
    identity: bool
    consumer: bool
    peer_address: bool
    header: str
    path_parameter: str
    method: bool
    constant: str
    def __init__(self, identity: bool = ..., consumer: bool = ..., peer_address: bool = ..., header: _Optional[str] = ..., path_parameter: _Optional[str] = ..., method: bool = ..., constant: _Optional[str] = ...) -> None: ...

class RateLimitPolicy(_message.Message):
    __slots__ = ("allowances", "keys", "algorithm", "store", "failure_mode", "cost")
    class Algorithm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ALGORITHM_UNSPECIFIED: _ClassVar[RateLimitPolicy.Algorithm]
        ALGORITHM_TOKEN_BUCKET: _ClassVar[RateLimitPolicy.Algorithm]
        ALGORITHM_SLIDING_WINDOW: _ClassVar[RateLimitPolicy.Algorithm]
        ALGORITHM_SLIDING_LOG: _ClassVar[RateLimitPolicy.Algorithm]
    ALGORITHM_UNSPECIFIED: RateLimitPolicy.Algorithm
    ALGORITHM_TOKEN_BUCKET: RateLimitPolicy.Algorithm
    ALGORITHM_SLIDING_WINDOW: RateLimitPolicy.Algorithm
    ALGORITHM_SLIDING_LOG: RateLimitPolicy.Algorithm
    class Store(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STORE_UNSPECIFIED: _ClassVar[RateLimitPolicy.Store]
        STORE_MEMORY: _ClassVar[RateLimitPolicy.Store]
        STORE_REDIS: _ClassVar[RateLimitPolicy.Store]
    STORE_UNSPECIFIED: RateLimitPolicy.Store
    STORE_MEMORY: RateLimitPolicy.Store
    STORE_REDIS: RateLimitPolicy.Store
    class FailureMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FAILURE_MODE_UNSPECIFIED: _ClassVar[RateLimitPolicy.FailureMode]
        FAILURE_MODE_OPEN: _ClassVar[RateLimitPolicy.FailureMode]
        FAILURE_MODE_CLOSED: _ClassVar[RateLimitPolicy.FailureMode]
        FAILURE_MODE_LOCAL: _ClassVar[RateLimitPolicy.FailureMode]
    FAILURE_MODE_UNSPECIFIED: RateLimitPolicy.FailureMode
    FAILURE_MODE_OPEN: RateLimitPolicy.FailureMode
    FAILURE_MODE_CLOSED: RateLimitPolicy.FailureMode
    FAILURE_MODE_LOCAL: RateLimitPolicy.FailureMode
    class Allowance(_message.Message):
        __slots__ = ("calls", "period", "burst")
        CALLS_FIELD_NUMBER: _ClassVar[int]
        PERIOD_FIELD_NUMBER: _ClassVar[int]
        BURST_FIELD_NUMBER: _ClassVar[int]
        calls: int
        period: _duration_pb2.Duration
        burst: int
        def __init__(self, calls: _Optional[int] = ..., period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., burst: _Optional[int] = ...) -> None: ...
    ALLOWANCES_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_MODE_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    allowances: _containers.RepeatedCompositeFieldContainer[RateLimitPolicy.Allowance]
    keys: _containers.RepeatedCompositeFieldContainer[CallKey]
    algorithm: RateLimitPolicy.Algorithm
    store: RateLimitPolicy.Store
    failure_mode: RateLimitPolicy.FailureMode
    cost: int
    def __init__(self, allowances: _Optional[_Iterable[_Union[RateLimitPolicy.Allowance, _Mapping]]] = ..., keys: _Optional[_Iterable[_Union[CallKey, _Mapping]]] = ..., algorithm: _Optional[_Union[RateLimitPolicy.Algorithm, str]] = ..., store: _Optional[_Union[RateLimitPolicy.Store, str]] = ..., failure_mode: _Optional[_Union[RateLimitPolicy.FailureMode, str]] = ..., cost: _Optional[int] = ...) -> None: ...

class ConcurrencyPolicy(_message.Message):
    __slots__ = ("max_calls", "keys")
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    max_calls: int
    keys: _containers.RepeatedCompositeFieldContainer[CallKey]
    def __init__(self, max_calls: _Optional[int] = ..., keys: _Optional[_Iterable[_Union[CallKey, _Mapping]]] = ...) -> None: ...

class StreamLimitPolicy(_message.Message):
    __slots__ = ("messages_per_second", "bytes_per_second", "max_duration", "action")
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACTION_UNSPECIFIED: _ClassVar[StreamLimitPolicy.Action]
        ACTION_DELAY: _ClassVar[StreamLimitPolicy.Action]
        ACTION_FAIL: _ClassVar[StreamLimitPolicy.Action]
    ACTION_UNSPECIFIED: StreamLimitPolicy.Action
    ACTION_DELAY: StreamLimitPolicy.Action
    ACTION_FAIL: StreamLimitPolicy.Action
    MESSAGES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    MAX_DURATION_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    messages_per_second: float
    bytes_per_second: float
    max_duration: _duration_pb2.Duration
    action: StreamLimitPolicy.Action
    def __init__(self, messages_per_second: _Optional[float] = ..., bytes_per_second: _Optional[float] = ..., max_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., action: _Optional[_Union[StreamLimitPolicy.Action, str]] = ...) -> None: ...

class CachePolicy(_message.Message):
    __slots__ = ("ttl", "any_method", "vary_headers", "shared", "stale_while_revalidate", "stale_if_error", "tags", "max_bytes", "redis")
    TTL_FIELD_NUMBER: _ClassVar[int]
    ANY_METHOD_FIELD_NUMBER: _ClassVar[int]
    VARY_HEADERS_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    STALE_WHILE_REVALIDATE_FIELD_NUMBER: _ClassVar[int]
    STALE_IF_ERROR_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    REDIS_FIELD_NUMBER: _ClassVar[int]
    ttl: _duration_pb2.Duration
    any_method: bool
    vary_headers: _containers.RepeatedScalarFieldContainer[str]
    shared: bool
    stale_while_revalidate: _duration_pb2.Duration
    stale_if_error: _duration_pb2.Duration
    tags: _containers.RepeatedScalarFieldContainer[str]
    max_bytes: int
    redis: bool
    def __init__(self, ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., any_method: bool = ..., vary_headers: _Optional[_Iterable[str]] = ..., shared: bool = ..., stale_while_revalidate: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stale_if_error: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., max_bytes: _Optional[int] = ..., redis: bool = ...) -> None: ...

class MirrorPolicy(_message.Message):
    __slots__ = ("upstream", "percent")
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    upstream: str
    percent: float
    def __init__(self, upstream: _Optional[str] = ..., percent: _Optional[float] = ...) -> None: ...

class FaultPolicy(_message.Message):
    __slots__ = ("delay", "delay_percent", "abort_code", "abort_percent")
    DELAY_FIELD_NUMBER: _ClassVar[int]
    DELAY_PERCENT_FIELD_NUMBER: _ClassVar[int]
    ABORT_CODE_FIELD_NUMBER: _ClassVar[int]
    ABORT_PERCENT_FIELD_NUMBER: _ClassVar[int]
    delay: _duration_pb2.Duration
    delay_percent: float
    abort_code: int
    abort_percent: float
    def __init__(self, delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., delay_percent: _Optional[float] = ..., abort_code: _Optional[int] = ..., abort_percent: _Optional[float] = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ("max_attempts", "retryable_codes", "initial_backoff", "max_backoff", "backoff_multiplier", "per_try_timeout", "budget_percent", "buffer_bytes", "any_method")
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_CODES_FIELD_NUMBER: _ClassVar[int]
    INITIAL_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MAX_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    PER_TRY_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    BUDGET_PERCENT_FIELD_NUMBER: _ClassVar[int]
    BUFFER_BYTES_FIELD_NUMBER: _ClassVar[int]
    ANY_METHOD_FIELD_NUMBER: _ClassVar[int]
    max_attempts: int
    retryable_codes: _containers.RepeatedScalarFieldContainer[int]
    initial_backoff: _duration_pb2.Duration
    max_backoff: _duration_pb2.Duration
    backoff_multiplier: float
    per_try_timeout: _duration_pb2.Duration
    budget_percent: int
    buffer_bytes: int
    any_method: bool
    def __init__(self, max_attempts: _Optional[int] = ..., retryable_codes: _Optional[_Iterable[int]] = ..., initial_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., backoff_multiplier: _Optional[float] = ..., per_try_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., budget_percent: _Optional[int] = ..., buffer_bytes: _Optional[int] = ..., any_method: bool = ...) -> None: ...

class HedgePolicy(_message.Message):
    __slots__ = ("max_attempts", "delay")
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    max_attempts: int
    delay: _duration_pb2.Duration
    def __init__(self, max_attempts: _Optional[int] = ..., delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class TimeoutPolicy(_message.Message):
    __slots__ = ("timeout", "stream_idle_timeout")
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    STREAM_IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    timeout: _duration_pb2.Duration
    stream_idle_timeout: _duration_pb2.Duration
    def __init__(self, timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stream_idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
