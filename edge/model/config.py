"""A configuration as validated, frozen values: what `gateway.v1` resources become before they are compiled.

Durations are in seconds, sizes in bytes. None means "not set"; the field's docstring says what that leads to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.model.resilience import HedgeRule, RetryRule, TimeoutRule
from edge.model.status import Code
from edge.model.transcoding import Transcoding
from edge.model.upstreams import Upstream


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

    transcoding: Transcoding | None = None
    """How HTTP callers reach the methods. None means that they do not."""

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
class CorsPolicy:
    """Lets scripts of other origins call (Fetch standard, CORS protocol)."""

    allow_origins: tuple[str, ...]
    """The origins in lower case, with `*` for any text."""

    allow_methods: tuple[str, ...] = ()
    """The verbs. Empty means those of the matched route."""

    allow_headers: tuple[str, ...] = ()
    """The request headers in lower case. Empty means whatever the script asks for."""

    expose_headers: tuple[str, ...] = ()
    """The response headers in lower case that scripts may read besides those the protocols need."""

    allow_credentials: bool = False
    """Whether cookies and credentials are allowed."""

    max_age: float = 600.0
    """Seconds a browser may remember the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One thing done to every call of the routes that name it."""

    name: str
    """`policies/…`."""

    kind: HeaderPolicy | CorsPolicy | RetryRule | HedgeRule | TimeoutRule
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
