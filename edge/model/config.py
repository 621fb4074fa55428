"""A configuration as validated, frozen values: what `gateway.v1` resources become before they are compiled.

Durations are in seconds, sizes in bytes. None means "not set"; the field's docstring says what that leads to.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.model.endpoint import EndpointAddress
from edge.model.status import Code


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueMatch:
    """A condition on a header, a metadata entry or a query parameter. Exactly one of the three is set."""

    name: str
    """The name; in lower case for headers."""

    exact: str | None = None
    """The value has to be equal."""

    prefix: str | None = None
    """The value has to begin with this text. Headers only."""

    present: bool | None = None
    """True: any value will do. False: there must be none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcTarget:
    """Selects gRPC calls."""

    service: str = ""
    """The full service name. Empty means any."""

    method: str = ""
    """The method name. Empty means any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTarget:
    """Selects calls by path and verb."""

    path: str
    """The template, as in `/api/users/{id}`."""

    methods: frozenset[str] = frozenset()
    """The verbs in upper case. Empty means any. GET includes HEAD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteMatch:
    """The conditions a call has to meet, all of them."""

    hosts: tuple[str, ...] = ()
    """Host names in lower case, `*.` in front for any number of labels. Empty means any host."""

    target: GrpcTarget | HttpTarget | None = None
    """What the call has to ask for. None means any call."""

    headers: tuple[ValueMatch, ...] = ()
    """The headers or metadata entries that have to fit."""

    query: tuple[ValueMatch, ...] = ()
    """The query parameters that have to fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Send the call to one of several upstreams."""

    upstreams: tuple[tuple[str, int], ...]
    """The names of the upstreams and their weights. At least one weight is above 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectResponse:
    """Answer the call without an upstream."""

    code: Code
    """The status."""

    message: str = ""
    """The message that goes with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Send an HTTP caller elsewhere."""

    host: str = ""
    """Empty keeps the host."""

    path: str = ""
    """Empty keeps the path."""

    https: bool = False
    """Whether to switch to HTTPS."""

    http_status: int = 302
    """301, 302, 303, 307 or 308."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A rule that selects calls and says where they go."""

    name: str
    """`routes/…`."""

    matches: tuple[RouteMatch, ...] = ()
    """One that is met is enough. Empty makes this the default route."""

    priority: int = 0
    """Decides between equally specific matches of different routes; the larger one wins."""

    policies: tuple[str, ...] = ()
    """The names of the policies."""

    action: Forward | DirectResponse | Redirect
    """What happens to a selected call."""

    transcoded: bool = False
    """Whether HTTP callers reach the methods."""

    timeout: float | None = None
    """The most seconds a unary call may take. None means no limit of the route."""

    stream_timeout: float | None = None
    """The most seconds a streaming call may take. None means no limit."""

    stream_idle_timeout: float | None = None
    """The most seconds a streaming call may go without a message. None means no limit."""

    max_request_message_bytes: int = 0
    """The largest message of a caller. 0 means the limit of the listener."""

    max_response_message_bytes: int = 0
    """The largest message of an upstream. 0 means the limit of the listener."""


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


class BalancerKind(enum.Enum):
    """How an endpoint is chosen. The kinds of later issues join here."""

    ROUND_ROBIN = "round robin"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticDiscovery:
    """Endpoints listed in the configuration."""

    endpoints: tuple[EndpointAddress, ...]
    """The endpoints."""


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

    warm_up: bool = True
    """Whether to connect when an endpoint appears instead of at the first call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A set of endpoints that serve the same calls."""

    name: str
    """`upstreams/…`."""

    protocol: UpstreamProtocol = UpstreamProtocol.GRPC
    """What the endpoints speak."""

    discovery: StaticDiscovery
    """Where the endpoints come from. The kinds of later issues join here."""

    balancer: BalancerKind = BalancerKind.ROUND_ROBIN
    """How an endpoint is chosen."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderChange:
    """A change of metadata: remove, then set, then append. Names are in lower case."""

    remove: frozenset[str] = frozenset()
    """The entries to remove."""

    set: tuple[tuple[str, str | bytes], ...] = ()
    """The entries to set; all values that were there go."""

    append: tuple[tuple[str, str | bytes], ...] = ()
    """The entries to append."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderPolicy:
    """Changes metadata or headers."""

    request: HeaderChange = field(default_factory=HeaderChange)
    """What is done to what the upstream is sent."""

    response: HeaderChange = field(default_factory=HeaderChange)
    """What is done to the initial metadata the caller is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One thing done to every call of the routes that name it."""

    name: str
    """`policies/…`."""

    kind: HeaderPolicy
    """What it does. The kinds of later issues join here."""

    everywhere: bool = False
    """Whether it applies to every route without being named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Somebody who calls."""

    name: str
    """`consumers/…`."""

    disabled: bool = False
    """Whether calls are refused."""

    roles: frozenset[str] = frozenset()
    """The roles."""

    permissions: frozenset[str] = frozenset()
    """The permissions."""

    policies: tuple[str, ...] = ()
    """The names of the policies applied besides those of the route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Where descriptors come from. Exactly one of the three is set."""

    name: str
    """`schemas/…`."""

    files: tuple[bytes, ...] = ()
    """Serialized `FileDescriptorProto`s, from the resource or from the file it names."""

    reflection_upstream: str = ""
    """The upstream that answers reflection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All resources of one revision, each by its name."""

    revision: int = 0
    """The number of the revision."""

    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    """The upstreams."""

    routes: Mapping[str, Route] = field(default_factory=dict)
    """The routes."""

    policies: Mapping[str, Policy] = field(default_factory=dict)
    """The policies."""

    consumers: Mapping[str, Consumer] = field(default_factory=dict)
    """The consumers."""

    schemas: Mapping[str, Schema] = field(default_factory=dict)
    """The schemas."""


class ListenerProtocol(enum.Enum):
    """What a listener takes."""

    AUTO = "auto"
    GRPC = "grpc"
    HTTP = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """A socket callers connect to."""

    name: str
    """Its name in logs."""

    address: str
    """Host and port, or `unix:/path`. Port 0 takes a free one."""

    protocol: ListenerProtocol = ListenerProtocol.AUTO
    """What it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of every listener."""

    max_message_bytes: int = 4 * 1024 * 1024
    """The largest message in either direction."""

    max_metadata_bytes: int = 16 * 1024
    """The most metadata of a call in each direction: names, values and 32 for each."""

    max_concurrent_streams: int = 1024
    """The most calls at once on one connection."""

    max_concurrent_calls: int = 0
    """The most calls at once in one process. 0 means no limit."""

    max_connection_age: float | None = None
    """Seconds after which a caller's connection is asked to end. None means never."""

    max_connection_idle: float | None = None
    """Seconds without a call after which it is asked to end. None means never."""

    connection_grace: float = 30.0
    """Seconds calls have to finish on a connection that was asked to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What is decided at the start of the process."""

    listeners: tuple[ListenerSettings, ...] = (ListenerSettings(name="traffic", address="0.0.0.0:8080"),)
    """The sockets callers connect to."""

    admin_address: str = "127.0.0.1:9090"
    """The socket of the gateway API. Empty means none."""

    drain_timeout: float = 30.0
    """Seconds calls have to finish when the gateway stops."""

    limits: Limits = field(default_factory=Limits)
    """The limits of every listener."""

    trusted_proxies: tuple[str, ...] = ()
    """The networks whose `x-forwarded-*` headers are believed."""

    compression_level: int = 0
    """How much work is put into compressing messages to callers that accept it, 1 to 3. 0 means none."""

    compression_min_bytes: int = 1024
    """The smallest message to callers that is compressed."""

    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""

    log_format: str = ""
    """`json`, `console` or empty for console on a terminal and JSON elsewhere."""

    access_log: bool = False
    """Whether each finished call is logged."""
