"""Upstreams as validated, frozen values. Durations are in seconds; None means "not set"."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from edge.model.balancing import BalancerSettings, LoadBalancing, RoundRobinSettings
from edge.model.discovery import Discovery
from edge.model.resilience import CircuitBreaker, ConcurrencyLimits, HealthCheck, OutlierDetection


class UpstreamProtocol(enum.Enum):
    """What endpoints speak."""

    GRPC = "grpc"
    HTTP = "http"


class Compression(enum.Enum):
    """How messages to endpoints are compressed."""

    AS_CALLER = "as the caller"
    NONE = "none"
    GZIP = "gzip"
    DEFLATE = "deflate"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamTls:
    """TLS to the endpoints, always verified."""

    ca_file: str = ""
    """The authorities to trust, PEM. Empty means the system's."""

    cert_file: str = ""
    """The certificate to show, PEM. Empty means none."""

    key_file: str = ""
    """The key that belongs to it, PEM."""

    server_name: str = ""
    """The name the certificate has to be for. Empty means the host of the endpoint."""

    fingerprint: str = ""
    """The SHA-256 of what the files held when they were read, so that other contents are another configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """How connections to an endpoint are made and kept."""

    connections_per_endpoint: int = 1
    """The connections to each endpoint, 1 to 64."""

    connect_timeout: float = 5.0
    """Seconds after which a connection attempt has failed."""

    max_backoff: float = 2.0
    """The longest wait in seconds before a failed connection is tried again."""

    keepalive_time: float | None = None
    """Seconds without traffic after which a ping is sent. None means no pings."""

    keepalive_timeout: float = 20.0
    """Seconds a ping may stay without an answer."""

    max_age: float | None = None
    """The seconds after which a connection is replaced, give or take 10 %. None means never. grpc.aio cannot do it."""

    warm_up: bool = True
    """Whether to connect when an endpoint appears instead of at the first call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A set of endpoints that serve the same calls."""

    name: str
    """`upstreams/…`."""

    protocol: UpstreamProtocol = UpstreamProtocol.GRPC
    """What the endpoints speak."""

    discovery: Discovery
    """Where the endpoints come from."""

    balancer: BalancerSettings = field(default_factory=RoundRobinSettings)
    """How an endpoint is chosen."""

    load_balancing: LoadBalancing = field(default_factory=LoadBalancing)
    """Which endpoints are preferred and how new ones are eased in."""

    health_check: HealthCheck | None = None
    """How endpoints are probed. None means that only their connections are watched."""

    outlier_detection: OutlierDetection | None = None
    """When a failing endpoint is set aside. None means never."""

    circuit_breaker: CircuitBreaker | None = None
    """When the upstream is left alone because calls to it fail. None means never."""

    concurrency: ConcurrencyLimits = field(default_factory=ConcurrencyLimits)
    """How much is sent to it at once."""

    tls: UpstreamTls | None = None
    """TLS to the endpoints. None means clear text."""

    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
    """How connections are made and kept."""

    timeout: float | None = None
    """The most seconds a unary call may take. None means no limit of the upstream."""

    compression: Compression = Compression.AS_CALLER
    """How messages to the endpoints are compressed."""

    authority: str = ""
    """The `:authority` sent. Empty means the address of the endpoint."""

    schema: str = ""
    """The schema that describes the services. Empty means reflection."""

    reflection: bool = True
    """Whether descriptors are learnt by reflection when `schema` is empty."""

    reflection_interval: float = 60.0
    """Seconds between two looks for changes."""
