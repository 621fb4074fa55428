import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ServerConfig(_message.Message):
    __slots__ = ("listeners", "admin", "workers", "drain_timeout", "limits", "trusted_proxies", "response_compression", "engine", "tls", "registration")
    class Engine(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ENGINE_UNSPECIFIED: _ClassVar[ServerConfig.Engine]
        ENGINE_WIRE: _ClassVar[ServerConfig.Engine]
        ENGINE_GRPC_AIO: _ClassVar[ServerConfig.Engine]
    ENGINE_UNSPECIFIED: ServerConfig.Engine
    ENGINE_WIRE: ServerConfig.Engine
    ENGINE_GRPC_AIO: ServerConfig.Engine
    LISTENERS_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    DRAIN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    TRUSTED_PROXIES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    listeners: _containers.RepeatedCompositeFieldContainer[Listener]
    admin: AdminListener
    workers: int
    drain_timeout: _duration_pb2.Duration
    limits: Limits
    trusted_proxies: _containers.RepeatedScalarFieldContainer[str]
    response_compression: ResponseCompression
    engine: ServerConfig.Engine
    tls: ListenerTls
    registration: Registration
    def __init__(self, listeners: _Optional[_Iterable[_Union[Listener, _Mapping]]] = ..., admin: _Optional[_Union[AdminListener, _Mapping]] = ..., workers: _Optional[int] = ..., drain_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., trusted_proxies: _Optional[_Iterable[str]] = ..., response_compression: _Optional[_Union[ResponseCompression, _Mapping]] = ..., engine: _Optional[_Union[ServerConfig.Engine, str]] = ..., tls: _Optional[_Union[ListenerTls, _Mapping]] = ..., registration: _Optional[_Union[Registration, _Mapping]] = ...) -> None: ...

class Registration(_message.Message):
    __slots__ = ("consul",)
    CONSUL_FIELD_NUMBER: _ClassVar[int]
    consul: ConsulRegistration
    def __init__(self, consul: _Optional[_Union[ConsulRegistration, _Mapping]] = ...) -> None: ...

class ConsulRegistration(_message.Message):
    __slots__ = ("address", "service", "tags", "meta", "advertise_host", "listener", "ttl", "deregister_after", "token_file")
    class MetaEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    META_FIELD_NUMBER: _ClassVar[int]
    ADVERTISE_HOST_FIELD_NUMBER: _ClassVar[int]
    LISTENER_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    DEREGISTER_AFTER_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FILE_FIELD_NUMBER: _ClassVar[int]
    address: str
    service: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    meta: _containers.ScalarMap[str, str]
    advertise_host: str
    listener: str
    ttl: _duration_pb2.Duration
    deregister_after: _duration_pb2.Duration
    token_file: str
    def __init__(self, address: _Optional[str] = ..., service: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., meta: _Optional[_Mapping[str, str]] = ..., advertise_host: _Optional[str] = ..., listener: _Optional[str] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., deregister_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., token_file: _Optional[str] = ...) -> None: ...

class ResponseCompression(_message.Message):
    __slots__ = ("level", "min_message_bytes")
    class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        LEVEL_UNSPECIFIED: _ClassVar[ResponseCompression.Level]
        LEVEL_LOW: _ClassVar[ResponseCompression.Level]
        LEVEL_MEDIUM: _ClassVar[ResponseCompression.Level]
        LEVEL_HIGH: _ClassVar[ResponseCompression.Level]
    LEVEL_UNSPECIFIED: ResponseCompression.Level
    LEVEL_LOW: ResponseCompression.Level
    LEVEL_MEDIUM: ResponseCompression.Level
    LEVEL_HIGH: ResponseCompression.Level
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    MIN_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    level: ResponseCompression.Level
    min_message_bytes: int
    def __init__(self, level: _Optional[_Union[ResponseCompression.Level, str]] = ..., min_message_bytes: _Optional[int] = ...) -> None: ...

class Listener(_message.Message):
    __slots__ = ("name", "address", "protocol", "tls", "proxy_protocol_from")
    class Protocol(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PROTOCOL_UNSPECIFIED: _ClassVar[Listener.Protocol]
        PROTOCOL_AUTO: _ClassVar[Listener.Protocol]
        PROTOCOL_GRPC: _ClassVar[Listener.Protocol]
        PROTOCOL_HTTP: _ClassVar[Listener.Protocol]
    PROTOCOL_UNSPECIFIED: Listener.Protocol
    PROTOCOL_AUTO: Listener.Protocol
    PROTOCOL_GRPC: Listener.Protocol
    PROTOCOL_HTTP: Listener.Protocol
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    PROXY_PROTOCOL_FROM_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    protocol: Listener.Protocol
    tls: ListenerTls
    proxy_protocol_from: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., protocol: _Optional[_Union[Listener.Protocol, str]] = ..., tls: _Optional[_Union[ListenerTls, _Mapping]] = ..., proxy_protocol_from: _Optional[_Iterable[str]] = ...) -> None: ...

class ListenerTls(_message.Message):
    __slots__ = ("certificates", "client_ca_file", "client_certificate")
    class ClientCertificate(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CLIENT_CERTIFICATE_UNSPECIFIED: _ClassVar[ListenerTls.ClientCertificate]
        CLIENT_CERTIFICATE_NONE: _ClassVar[ListenerTls.ClientCertificate]
        CLIENT_CERTIFICATE_OPTIONAL: _ClassVar[ListenerTls.ClientCertificate]
        CLIENT_CERTIFICATE_REQUIRED: _ClassVar[ListenerTls.ClientCertificate]
    CLIENT_CERTIFICATE_UNSPECIFIED: ListenerTls.ClientCertificate
    CLIENT_CERTIFICATE_NONE: ListenerTls.ClientCertificate
    CLIENT_CERTIFICATE_OPTIONAL: ListenerTls.ClientCertificate
    CLIENT_CERTIFICATE_REQUIRED: ListenerTls.ClientCertificate
    class Certificate(_message.Message):
        __slots__ = ("cert_file", "key_file")
        CERT_FILE_FIELD_NUMBER: _ClassVar[int]
        KEY_FILE_FIELD_NUMBER: _ClassVar[int]
        cert_file: str
        key_file: str
        def __init__(self, cert_file: _Optional[str] = ..., key_file: _Optional[str] = ...) -> None: ...
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    CLIENT_CA_FILE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    certificates: _containers.RepeatedCompositeFieldContainer[ListenerTls.Certificate]
    client_ca_file: str
    client_certificate: ListenerTls.ClientCertificate
    def __init__(self, certificates: _Optional[_Iterable[_Union[ListenerTls.Certificate, _Mapping]]] = ..., client_ca_file: _Optional[str] = ..., client_certificate: _Optional[_Union[ListenerTls.ClientCertificate, str]] = ...) -> None: ...

class AdminListener(_message.Message):
    __slots__ = ("address", "tls", "disabled", "http_address")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    HTTP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    address: str
    tls: ListenerTls
    disabled: bool
    http_address: str
    def __init__(self, address: _Optional[str] = ..., tls: _Optional[_Union[ListenerTls, _Mapping]] = ..., disabled: bool = ..., http_address: _Optional[str] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_message_bytes", "max_metadata_bytes", "max_concurrent_streams", "max_concurrent_calls", "max_connections", "max_connection_age", "max_connection_idle", "connection_grace", "stall_timeout", "max_connections_per_peer", "max_headers", "stream_buffer_bytes", "connection_buffer_bytes", "handshake_timeout", "max_premature_resets", "max_control_frames")
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_METADATA_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTION_AGE_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTION_IDLE_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_GRACE_FIELD_NUMBER: _ClassVar[int]
    STALL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTIONS_PER_PEER_FIELD_NUMBER: _ClassVar[int]
    MAX_HEADERS_FIELD_NUMBER: _ClassVar[int]
    STREAM_BUFFER_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_BUFFER_BYTES_FIELD_NUMBER: _ClassVar[int]
    HANDSHAKE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_PREMATURE_RESETS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTROL_FRAMES_FIELD_NUMBER: _ClassVar[int]
    max_message_bytes: int
    max_metadata_bytes: int
    max_concurrent_streams: int
    max_concurrent_calls: int
    max_connections: int
    max_connection_age: _duration_pb2.Duration
    max_connection_idle: _duration_pb2.Duration
    connection_grace: _duration_pb2.Duration
    stall_timeout: _duration_pb2.Duration
    max_connections_per_peer: int
    max_headers: int
    stream_buffer_bytes: int
    connection_buffer_bytes: int
    handshake_timeout: _duration_pb2.Duration
    max_premature_resets: int
    max_control_frames: int
    def __init__(self, max_message_bytes: _Optional[int] = ..., max_metadata_bytes: _Optional[int] = ..., max_concurrent_streams: _Optional[int] = ..., max_concurrent_calls: _Optional[int] = ..., max_connections: _Optional[int] = ..., max_connection_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_connection_idle: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., connection_grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stall_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_connections_per_peer: _Optional[int] = ..., max_headers: _Optional[int] = ..., stream_buffer_bytes: _Optional[int] = ..., connection_buffer_bytes: _Optional[int] = ..., handshake_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_premature_resets: _Optional[int] = ..., max_control_frames: _Optional[int] = ...) -> None: ...

class StoreConfig(_message.Message):
    __slots__ = ("memory", "sqlite", "redis")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    SQLITE_FIELD_NUMBER: _ClassVar[int]
    REDIS_FIELD_NUMBER: _ClassVar[int]
    memory: MemoryStore
    sqlite: SqliteStore
    redis: RedisStore
    def __init__(self, memory: _Optional[_Union[MemoryStore, _Mapping]] = ..., sqlite: _Optional[_Union[SqliteStore, _Mapping]] = ..., redis: _Optional[_Union[RedisStore, _Mapping]] = ...) -> None: ...

class MemoryStore(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SqliteStore(_message.Message):
    __slots__ = ("path",)
    PATH_FIELD_NUMBER: _ClassVar[int]
    path: str
    def __init__(self, path: _Optional[str] = ...) -> None: ...

class RedisStore(_message.Message):
    __slots__ = ("url", "prefix")
    URL_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    url: str
    prefix: str
    def __init__(self, url: _Optional[str] = ..., prefix: _Optional[str] = ...) -> None: ...

class ObservabilityConfig(_message.Message):
    __slots__ = ("log", "metrics", "tracing")
    class Log(_message.Message):
        __slots__ = ("level", "format", "access", "access_fields", "access_sample_percent")
        class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            LEVEL_UNSPECIFIED: _ClassVar[ObservabilityConfig.Log.Level]
            LEVEL_DEBUG: _ClassVar[ObservabilityConfig.Log.Level]
            LEVEL_INFO: _ClassVar[ObservabilityConfig.Log.Level]
            LEVEL_WARNING: _ClassVar[ObservabilityConfig.Log.Level]
            LEVEL_ERROR: _ClassVar[ObservabilityConfig.Log.Level]
        LEVEL_UNSPECIFIED: ObservabilityConfig.Log.Level
        LEVEL_DEBUG: ObservabilityConfig.Log.Level
        LEVEL_INFO: ObservabilityConfig.Log.Level
        LEVEL_WARNING: ObservabilityConfig.Log.Level
        LEVEL_ERROR: ObservabilityConfig.Log.Level
        class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            FORMAT_UNSPECIFIED: _ClassVar[ObservabilityConfig.Log.Format]
            FORMAT_JSON: _ClassVar[ObservabilityConfig.Log.Format]
            FORMAT_CONSOLE: _ClassVar[ObservabilityConfig.Log.Format]
        FORMAT_UNSPECIFIED: ObservabilityConfig.Log.Format
        FORMAT_JSON: ObservabilityConfig.Log.Format
        FORMAT_CONSOLE: ObservabilityConfig.Log.Format
        LEVEL_FIELD_NUMBER: _ClassVar[int]
        FORMAT_FIELD_NUMBER: _ClassVar[int]
        ACCESS_FIELD_NUMBER: _ClassVar[int]
        ACCESS_FIELDS_FIELD_NUMBER: _ClassVar[int]
        ACCESS_SAMPLE_PERCENT_FIELD_NUMBER: _ClassVar[int]
        level: ObservabilityConfig.Log.Level
        format: ObservabilityConfig.Log.Format
        access: bool
        access_fields: _containers.RepeatedScalarFieldContainer[str]
        access_sample_percent: float
        def __init__(self, level: _Optional[_Union[ObservabilityConfig.Log.Level, str]] = ..., format: _Optional[_Union[ObservabilityConfig.Log.Format, str]] = ..., access: bool = ..., access_fields: _Optional[_Iterable[str]] = ..., access_sample_percent: _Optional[float] = ...) -> None: ...
    class Metrics(_message.Message):
        __slots__ = ("disabled", "buckets")
        DISABLED_FIELD_NUMBER: _ClassVar[int]
        BUCKETS_FIELD_NUMBER: _ClassVar[int]
        disabled: bool
        buckets: _containers.RepeatedScalarFieldContainer[float]
        def __init__(self, disabled: bool = ..., buckets: _Optional[_Iterable[float]] = ...) -> None: ...
    class Tracing(_message.Message):
        __slots__ = ("otlp_endpoint", "sample_percent", "service_name")
        OTLP_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
        SAMPLE_PERCENT_FIELD_NUMBER: _ClassVar[int]
        SERVICE_NAME_FIELD_NUMBER: _ClassVar[int]
        otlp_endpoint: str
        sample_percent: float
        service_name: str
        def __init__(self, otlp_endpoint: _Optional[str] = ..., sample_percent: _Optional[float] = ..., service_name: _Optional[str] = ...) -> None: ...
    LOG_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TRACING_FIELD_NUMBER: _ClassVar[int]
    log: ObservabilityConfig.Log
    metrics: ObservabilityConfig.Metrics
    tracing: ObservabilityConfig.Tracing
    def __init__(self, log: _Optional[_Union[ObservabilityConfig.Log, _Mapping]] = ..., metrics: _Optional[_Union[ObservabilityConfig.Metrics, _Mapping]] = ..., tracing: _Optional[_Union[ObservabilityConfig.Tracing, _Mapping]] = ...) -> None: ...
