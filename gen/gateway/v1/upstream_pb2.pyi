import datetime

from gateway.v1 import origin_pb2 as _origin_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Upstream(_message.Message):
    __slots__ = ("name", "display_name", "protocol", "static", "dns", "kubernetes", "consul", "registry", "round_robin", "weighted_round_robin", "least_request", "peak_ewma", "consistent_hash", "random", "tls", "connection", "timeout", "compression", "authority", "schema", "reflection", "health_check", "outlier_detection", "circuit_breaker", "limits", "load_balancing", "labels", "origin", "create_time", "update_time", "etag")
    class Protocol(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PROTOCOL_UNSPECIFIED: _ClassVar[Upstream.Protocol]
        PROTOCOL_GRPC: _ClassVar[Upstream.Protocol]
        PROTOCOL_HTTP: _ClassVar[Upstream.Protocol]
    PROTOCOL_UNSPECIFIED: Upstream.Protocol
    PROTOCOL_GRPC: Upstream.Protocol
    PROTOCOL_HTTP: Upstream.Protocol
    class Compression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        COMPRESSION_UNSPECIFIED: _ClassVar[Upstream.Compression]
        COMPRESSION_NONE: _ClassVar[Upstream.Compression]
        COMPRESSION_GZIP: _ClassVar[Upstream.Compression]
        COMPRESSION_DEFLATE: _ClassVar[Upstream.Compression]
    COMPRESSION_UNSPECIFIED: Upstream.Compression
    COMPRESSION_NONE: Upstream.Compression
    COMPRESSION_GZIP: Upstream.Compression
    COMPRESSION_DEFLATE: Upstream.Compression
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    STATIC_FIELD_NUMBER: _ClassVar[int]
    DNS_FIELD_NUMBER: _ClassVar[int]
    KUBERNETES_FIELD_NUMBER: _ClassVar[int]
    CONSUL_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    ROUND_ROBIN_FIELD_NUMBER: _ClassVar[int]
    WEIGHTED_ROUND_ROBIN_FIELD_NUMBER: _ClassVar[int]
    LEAST_REQUEST_FIELD_NUMBER: _ClassVar[int]
    PEAK_EWMA_FIELD_NUMBER: _ClassVar[int]
    CONSISTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    RANDOM_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    REFLECTION_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    OUTLIER_DETECTION_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_BREAKER_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    LOAD_BALANCING_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    protocol: Upstream.Protocol
    static: StaticDiscovery
    dns: DnsDiscovery
    kubernetes: KubernetesDiscovery
    consul: ConsulDiscovery
    registry: RegistryDiscovery
    round_robin: RoundRobin
    weighted_round_robin: WeightedRoundRobin
    least_request: LeastRequest
    peak_ewma: PeakEwma
    consistent_hash: ConsistentHash
    random: Random
    tls: UpstreamTls
    connection: Connection
    timeout: _duration_pb2.Duration
    compression: Upstream.Compression
    authority: str
    schema: str
    reflection: Reflection
    health_check: HealthCheck
    outlier_detection: OutlierDetection
    circuit_breaker: CircuitBreaker
    limits: ConcurrencyLimits
    load_balancing: LoadBalancingOptions
    labels: _containers.ScalarMap[str, str]
    origin: _origin_pb2.Origin
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., protocol: _Optional[_Union[Upstream.Protocol, str]] = ..., static: _Optional[_Union[StaticDiscovery, _Mapping]] = ..., dns: _Optional[_Union[DnsDiscovery, _Mapping]] = ..., kubernetes: _Optional[_Union[KubernetesDiscovery, _Mapping]] = ..., consul: _Optional[_Union[ConsulDiscovery, _Mapping]] = ..., registry: _Optional[_Union[RegistryDiscovery, _Mapping]] = ..., round_robin: _Optional[_Union[RoundRobin, _Mapping]] = ..., weighted_round_robin: _Optional[_Union[WeightedRoundRobin, _Mapping]] = ..., least_request: _Optional[_Union[LeastRequest, _Mapping]] = ..., peak_ewma: _Optional[_Union[PeakEwma, _Mapping]] = ..., consistent_hash: _Optional[_Union[ConsistentHash, _Mapping]] = ..., random: _Optional[_Union[Random, _Mapping]] = ..., tls: _Optional[_Union[UpstreamTls, _Mapping]] = ..., connection: _Optional[_Union[Connection, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., compression: _Optional[_Union[Upstream.Compression, str]] = ..., authority: _Optional[str] = ..., schema: _Optional[str] = ..., reflection: _Optional[_Union[Reflection, _Mapping]] = ..., health_check: _Optional[_Union[HealthCheck, _Mapping]] = ..., outlier_detection: _Optional[_Union[OutlierDetection, _Mapping]] = ..., circuit_breaker: _Optional[_Union[CircuitBreaker, _Mapping]] = ..., limits: _Optional[_Union[ConcurrencyLimits, _Mapping]] = ..., load_balancing: _Optional[_Union[LoadBalancingOptions, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., origin: _Optional[_Union[_origin_pb2.Origin, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class StaticDiscovery(_message.Message):
    __slots__ = ("endpoints",)
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    endpoints: _containers.RepeatedCompositeFieldContainer[StaticEndpoint]
    def __init__(self, endpoints: _Optional[_Iterable[_Union[StaticEndpoint, _Mapping]]] = ...) -> None: ...

class StaticEndpoint(_message.Message):
    __slots__ = ("address", "weight", "zone")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    address: str
    weight: int
    zone: str
    def __init__(self, address: _Optional[str] = ..., weight: _Optional[int] = ..., zone: _Optional[str] = ...) -> None: ...

class DnsDiscovery(_message.Message):
    __slots__ = ("hostname", "port", "record_type", "refresh_interval")
    class RecordType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        RECORD_TYPE_UNSPECIFIED: _ClassVar[DnsDiscovery.RecordType]
        RECORD_TYPE_ADDRESS: _ClassVar[DnsDiscovery.RecordType]
        RECORD_TYPE_SRV: _ClassVar[DnsDiscovery.RecordType]
    RECORD_TYPE_UNSPECIFIED: DnsDiscovery.RecordType
    RECORD_TYPE_ADDRESS: DnsDiscovery.RecordType
    RECORD_TYPE_SRV: DnsDiscovery.RecordType
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    RECORD_TYPE_FIELD_NUMBER: _ClassVar[int]
    REFRESH_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    hostname: str
    port: int
    record_type: DnsDiscovery.RecordType
    refresh_interval: _duration_pb2.Duration
    def __init__(self, hostname: _Optional[str] = ..., port: _Optional[int] = ..., record_type: _Optional[_Union[DnsDiscovery.RecordType, str]] = ..., refresh_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class KubernetesDiscovery(_message.Message):
    __slots__ = ("namespace", "service", "port_name", "port_number", "kubeconfig", "context")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    PORT_NAME_FIELD_NUMBER: _ClassVar[int]
    PORT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    KUBECONFIG_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    service: str
    port_name: str
    port_number: int
    kubeconfig: str
    context: str
    def __init__(self, namespace: _Optional[str] = ..., service: _Optional[str] = ..., port_name: _Optional[str] = ..., port_number: _Optional[int] = ..., kubeconfig: _Optional[str] = ..., context: _Optional[str] = ...) -> None: ...

class ConsulDiscovery(_message.Message):
    __slots__ = ("address", "service", "tags", "datacenter", "token_file")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    DATACENTER_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FILE_FIELD_NUMBER: _ClassVar[int]
    address: str
    service: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    datacenter: str
    token_file: str
    def __init__(self, address: _Optional[str] = ..., service: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., datacenter: _Optional[str] = ..., token_file: _Optional[str] = ...) -> None: ...

class RegistryDiscovery(_message.Message):
    __slots__ = ("max_ttl",)
    MAX_TTL_FIELD_NUMBER: _ClassVar[int]
    max_ttl: _duration_pb2.Duration
    def __init__(self, max_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RoundRobin(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WeightedRoundRobin(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Random(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LeastRequest(_message.Message):
    __slots__ = ("choice_count", "full_scan")
    CHOICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FULL_SCAN_FIELD_NUMBER: _ClassVar[int]
    choice_count: int
    full_scan: bool
    def __init__(self, choice_count: _Optional[int] = ..., full_scan: bool = ...) -> None: ...

class PeakEwma(_message.Message):
    __slots__ = ("default_rtt", "decay")
    DEFAULT_RTT_FIELD_NUMBER: _ClassVar[int]
    DECAY_FIELD_NUMBER: _ClassVar[int]
    default_rtt: _duration_pb2.Duration
    decay: _duration_pb2.Duration
    def __init__(self, default_rtt: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., decay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ConsistentHash(_message.Message):
    __slots__ = ("header", "claim", "consumer", "peer_address", "path_parameter", "algorithm", "bounded_load_percent")
    class Algorithm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ALGORITHM_UNSPECIFIED: _ClassVar[ConsistentHash.Algorithm]
        ALGORITHM_RING: _ClassVar[ConsistentHash.Algorithm]
        ALGORITHM_MAGLEV: _ClassVar[ConsistentHash.Algorithm]
    ALGORITHM_UNSPECIFIED: ConsistentHash.Algorithm
    ALGORITHM_RING: ConsistentHash.Algorithm
    ALGORITHM_MAGLEV: ConsistentHash.Algorithm
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    PEER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PATH_PARAMETER_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    BOUNDED_LOAD_PERCENT_FIELD_NUMBER: _ClassVar[int]
    header: str
    claim: str
    consumer: bool
    peer_address: bool
    path_parameter: str
    algorithm: ConsistentHash.Algorithm
    bounded_load_percent: int
    def __init__(self, header: _Optional[str] = ..., claim: _Optional[str] = ..., consumer: bool = ..., peer_address: bool = ..., path_parameter: _Optional[str] = ..., algorithm: _Optional[_Union[ConsistentHash.Algorithm, str]] = ..., bounded_load_percent: _Optional[int] = ...) -> None: ...

class UpstreamTls(_message.Message):
    __slots__ = ("ca_file", "cert_file", "key_file", "server_name")
    CA_FILE_FIELD_NUMBER: _ClassVar[int]
    CERT_FILE_FIELD_NUMBER: _ClassVar[int]
    KEY_FILE_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    ca_file: str
    cert_file: str
    key_file: str
    server_name: str
    def __init__(self, ca_file: _Optional[str] = ..., cert_file: _Optional[str] = ..., key_file: _Optional[str] = ..., server_name: _Optional[str] = ...) -> None: ...

class Connection(_message.Message):
    __slots__ = ("connections_per_endpoint", "connect_timeout", "max_backoff", "keepalive_time", "keepalive_timeout", "max_age", "warm_up")
    CONNECTIONS_PER_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    KEEPALIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    KEEPALIVE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    WARM_UP_FIELD_NUMBER: _ClassVar[int]
    connections_per_endpoint: int
    connect_timeout: _duration_pb2.Duration
    max_backoff: _duration_pb2.Duration
    keepalive_time: _duration_pb2.Duration
    keepalive_timeout: _duration_pb2.Duration
    max_age: _duration_pb2.Duration
    warm_up: bool
    def __init__(self, connections_per_endpoint: _Optional[int] = ..., connect_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., keepalive_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., keepalive_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., warm_up: bool = ...) -> None: ...

class Reflection(_message.Message):
    __slots__ = ("disabled", "refresh_interval")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    REFRESH_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    refresh_interval: _duration_pb2.Duration
    def __init__(self, disabled: bool = ..., refresh_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class HealthCheck(_message.Message):
    __slots__ = ("interval", "timeout", "unhealthy_threshold", "healthy_threshold", "grpc", "http", "tcp")
    class GrpcProbe(_message.Message):
        __slots__ = ("services",)
        SERVICES_FIELD_NUMBER: _ClassVar[int]
        services: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, services: _Optional[_Iterable[str]] = ...) -> None: ...
    class HttpProbe(_message.Message):
        __slots__ = ("path", "statuses")
        PATH_FIELD_NUMBER: _ClassVar[int]
        STATUSES_FIELD_NUMBER: _ClassVar[int]
        path: str
        statuses: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, path: _Optional[str] = ..., statuses: _Optional[_Iterable[int]] = ...) -> None: ...
    class TcpProbe(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    UNHEALTHY_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    GRPC_FIELD_NUMBER: _ClassVar[int]
    HTTP_FIELD_NUMBER: _ClassVar[int]
    TCP_FIELD_NUMBER: _ClassVar[int]
    interval: _duration_pb2.Duration
    timeout: _duration_pb2.Duration
    unhealthy_threshold: int
    healthy_threshold: int
    grpc: HealthCheck.GrpcProbe
    http: HealthCheck.HttpProbe
    tcp: HealthCheck.TcpProbe
    def __init__(self, interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., unhealthy_threshold: _Optional[int] = ..., healthy_threshold: _Optional[int] = ..., grpc: _Optional[_Union[HealthCheck.GrpcProbe, _Mapping]] = ..., http: _Optional[_Union[HealthCheck.HttpProbe, _Mapping]] = ..., tcp: _Optional[_Union[HealthCheck.TcpProbe, _Mapping]] = ...) -> None: ...

class OutlierDetection(_message.Message):
    __slots__ = ("consecutive_failures", "failure_percent", "latency_factor", "interval", "base_ejection_duration", "max_ejection_percent")
    CONSECUTIVE_FAILURES_FIELD_NUMBER: _ClassVar[int]
    FAILURE_PERCENT_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FACTOR_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    BASE_EJECTION_DURATION_FIELD_NUMBER: _ClassVar[int]
    MAX_EJECTION_PERCENT_FIELD_NUMBER: _ClassVar[int]
    consecutive_failures: int
    failure_percent: int
    latency_factor: float
    interval: _duration_pb2.Duration
    base_ejection_duration: _duration_pb2.Duration
    max_ejection_percent: int
    def __init__(self, consecutive_failures: _Optional[int] = ..., failure_percent: _Optional[int] = ..., latency_factor: _Optional[float] = ..., interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., base_ejection_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_ejection_percent: _Optional[int] = ...) -> None: ...

class CircuitBreaker(_message.Message):
    __slots__ = ("failure_threshold", "failure_percent", "window", "minimum_calls", "open_duration", "half_open_calls", "success_threshold", "per_endpoint")
    FAILURE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    FAILURE_PERCENT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_CALLS_FIELD_NUMBER: _ClassVar[int]
    OPEN_DURATION_FIELD_NUMBER: _ClassVar[int]
    HALF_OPEN_CALLS_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PER_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    failure_threshold: int
    failure_percent: int
    window: _duration_pb2.Duration
    minimum_calls: int
    open_duration: _duration_pb2.Duration
    half_open_calls: int
    success_threshold: int
    per_endpoint: bool
    def __init__(self, failure_threshold: _Optional[int] = ..., failure_percent: _Optional[int] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., minimum_calls: _Optional[int] = ..., open_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., half_open_calls: _Optional[int] = ..., success_threshold: _Optional[int] = ..., per_endpoint: bool = ...) -> None: ...

class ConcurrencyLimits(_message.Message):
    __slots__ = ("max_calls", "max_pending_calls", "max_calls_per_endpoint")
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_PENDING_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_PER_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    max_calls: int
    max_pending_calls: int
    max_calls_per_endpoint: int
    def __init__(self, max_calls: _Optional[int] = ..., max_pending_calls: _Optional[int] = ..., max_calls_per_endpoint: _Optional[int] = ...) -> None: ...

class LoadBalancingOptions(_message.Message):
    __slots__ = ("zone", "zone_spill_over_percent", "slow_start", "panic_threshold_percent")
    ZONE_FIELD_NUMBER: _ClassVar[int]
    ZONE_SPILL_OVER_PERCENT_FIELD_NUMBER: _ClassVar[int]
    SLOW_START_FIELD_NUMBER: _ClassVar[int]
    PANIC_THRESHOLD_PERCENT_FIELD_NUMBER: _ClassVar[int]
    zone: str
    zone_spill_over_percent: int
    slow_start: _duration_pb2.Duration
    panic_threshold_percent: int
    def __init__(self, zone: _Optional[str] = ..., zone_spill_over_percent: _Optional[int] = ..., slow_start: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., panic_threshold_percent: _Optional[int] = ...) -> None: ...
