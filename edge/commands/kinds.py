"""The kinds of resource: what people call them, how they are asked for, and the columns of their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from edge.commands import show
from edge.commands.client import TIMEOUT, pages
from edge.commands.terminal import ExitCode, Failure, clean, state
from edge.model.hints import did_you_mean
from gateway.v1 import (
    consumer_service_pb2,
    consumer_service_pb2_grpc,
    endpoint_service_pb2,
    endpoint_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    route_service_pb2,
    route_service_pb2_grpc,
    schema_service_pb2,
    schema_service_pb2_grpc,
    upstream_service_pb2,
    upstream_service_pb2_grpc,
)

Row = Sequence[str | Text]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource with a service of its own."""

    plural: str
    """As in the names of resources: `routes`."""

    singular: str
    """As people say it: `route`."""

    short: str
    """The abbreviation."""

    module: Any
    """The generated module with the requests."""

    stub: Callable[[Any], Any]
    """The stub of the service."""

    headers: Sequence[str]
    """The columns of its table."""

    row: Callable[[Any], Row]
    """Returns the cells of a resource."""

    @property
    def title(self) -> str:
        """The singular as in names of RPCs: `Route`."""
        return self.singular.capitalize()

    def list(self, channel: Any, parent: str = "") -> Iterator[Any]:
        """Yield all resources, or those under a parent."""
        plural = self.plural.capitalize()
        request = getattr(self.module, f"List{plural}Request")()
        if parent:
            request.parent = parent
        return pages(getattr(self.stub(channel), f"List{plural}"), request, self.plural)

    def get(self, channel: Any, name: str) -> Any:
        """Return a resource by its full name."""
        request = getattr(self.module, f"Get{self.title}Request")(name=name)
        return getattr(self.stub(channel), f"Get{self.title}")(request, timeout=TIMEOUT)

    def full_name(self, name: str) -> str:
        """Return the full name for what a person typed: `checkout` or `routes/checkout`."""
        return name if name.startswith(f"{self.plural}/") else f"{self.plural}/{name}"


def _route(route: Any) -> Row:
    matches = "\n".join(show.match(match) for match in route.matches) or "(default)"
    policies = show.names(route.policies)
    return (show.short(route.name), matches, show.action(route), policies, _transcoded(route), show.origin(route))


def _transcoded(route: Any) -> str:
    return "yes" if route.HasField("transcoding") else ""


def _upstream(upstream: Any) -> Row:
    discovery = upstream.WhichOneof("discovery") or ""
    if discovery == "static":
        where = ", ".join(endpoint.address for endpoint in upstream.static.endpoints)
    else:
        details = getattr(upstream, discovery) if discovery else None
        where = next((str(getattr(details, key)) for key in ("hostname", "service") if hasattr(details, key)), "")
    balancer = (upstream.WhichOneof("balancer") or "round_robin").replace("_", " ")
    protocol = show.enum_word(upstream, "protocol").lower() or "grpc"
    tls = "yes" if upstream.HasField("tls") else ""
    return (show.short(upstream.name), protocol, discovery, where, balancer, tls, show.origin(upstream))


def _policy(policy: Any) -> Row:
    flags = ", ".join(word for word, on in (("global", getattr(policy, "global")), ("dry run", policy.dry_run)) if on)
    kind = (policy.WhichOneof("kind") or "").replace("_", " ")
    return (show.short(policy.name), kind, flags, policy.display_name, show.origin(policy))


def _consumer(consumer: Any) -> Row:
    keys = sum(not key.HasField("revoke_time") for key in consumer.api_keys)
    standing = Text("disabled", style="red") if consumer.disabled else "active"
    roles = ", ".join(consumer.roles)
    return (
        show.short(consumer.name),
        standing,
        roles,
        str(keys),
        show.names(consumer.policies),
        show.origin(consumer),
    )


def _schema(schema: Any) -> Row:
    source = {"file": schema.file, "reflection_upstream": f"reflection of {show.short(schema.reflection_upstream)}"}
    came = source.get(schema.WhichOneof("source") or "", "uploaded")
    problem = Text(clean(schema.refresh_error), style="red")
    return (show.short(schema.name), came, str(len(schema.services)), schema.hash[:12], problem, show.origin(schema))


def _endpoint(endpoint: Any) -> Row:
    upstream = endpoint.name.split("/")[1] if endpoint.name.count("/") >= 3 else ""
    return (upstream, *endpoint_row(endpoint))


def endpoint_row(endpoint: Any) -> Row:
    """Return the cells of an endpoint, by `ENDPOINT_HEADERS`."""
    return (
        endpoint.address,
        state(show.enum_word(endpoint, "state")),
        _time(endpoint, "state_time"),
        str(endpoint.weight) if endpoint.HasField("weight") else "",
        endpoint.zone,
        str(endpoint.active_calls),
        str(endpoint.total_calls),
        str(endpoint.failed_calls),
        _trouble(endpoint),
        _last_error(endpoint),
    )


def _trouble(endpoint: Any) -> str:
    """Return why an endpoint is in its state, and the services it does not serve while it serves others."""
    services = f"does not serve {', '.join(endpoint.not_serving)}" if endpoint.not_serving else ""
    return "; ".join(words for words in (endpoint.reason, services) if words)


def _last_error(endpoint: Any) -> str:
    """Return what went wrong the last time and when, unless the reason says it."""
    if not endpoint.last_error or endpoint.last_error == endpoint.reason:
        return ""
    when = _time(endpoint, "last_error_time")
    return f"{endpoint.last_error} ({when})" if when else str(endpoint.last_error)


def _time(message: Any, field: str) -> str:
    """Return a time to the second, in UTC."""
    if not message.HasField(field):
        return ""
    return f"{getattr(message, field).ToDatetime():%Y-%m-%d %H:%M:%SZ}"


ENDPOINT_HEADERS = (
    "ADDRESS",
    "STATE",
    "SINCE",
    "WEIGHT",
    "ZONE",
    "ACTIVE",
    "CALLS",
    "FAILED",
    "REASON",
    "LAST ERROR",
)

ENDPOINTS = Kind(
    "endpoints",
    "endpoint",
    "ep",
    endpoint_service_pb2,
    endpoint_service_pb2_grpc.EndpointServiceStub,
    ("UPSTREAM", *ENDPOINT_HEADERS),
    _endpoint,
)

KINDS: tuple[Kind, ...] = (
    Kind(
        "routes",
        "route",
        "rt",
        route_service_pb2,
        route_service_pb2_grpc.RouteServiceStub,
        ("NAME", "MATCHES", "GOES TO", "POLICIES", "HTTP", "ORIGIN"),
        _route,
    ),
    Kind(
        "upstreams",
        "upstream",
        "up",
        upstream_service_pb2,
        upstream_service_pb2_grpc.UpstreamServiceStub,
        ("NAME", "PROTOCOL", "DISCOVERY", "ENDPOINTS", "BALANCER", "TLS", "ORIGIN"),
        _upstream,
    ),
    Kind(
        "policies",
        "policy",
        "po",
        policy_service_pb2,
        policy_service_pb2_grpc.PolicyServiceStub,
        ("NAME", "KIND", "FLAGS", "DISPLAY NAME", "ORIGIN"),
        _policy,
    ),
    Kind(
        "consumers",
        "consumer",
        "co",
        consumer_service_pb2,
        consumer_service_pb2_grpc.ConsumerServiceStub,
        ("NAME", "STATE", "ROLES", "KEYS", "POLICIES", "ORIGIN"),
        _consumer,
    ),
    Kind(
        "schemas",
        "schema",
        "sc",
        schema_service_pb2,
        schema_service_pb2_grpc.SchemaServiceStub,
        ("NAME", "SOURCE", "SERVICES", "HASH", "ERROR", "ORIGIN"),
        _schema,
    ),
    ENDPOINTS,
)


def find(word: str, *, others: Sequence[str] = ()) -> Kind | str:
    """Return the kind a person means by its plural, singular or abbreviation, or one of the `others`.

    Raises:
        Failure: there is no such kind.
    """
    folded = word.lower()
    for kind in KINDS:
        if folded in {kind.plural, kind.singular, kind.short}:
            return kind
    if folded in others:
        return folded
    known = [kind.plural for kind in KINDS] + list(others)
    raise Failure(ExitCode.USAGE, f"there is no kind `{word[:60]}`{did_you_mean(word, known)}")


def split(kind: str, name: str | None) -> tuple[str, str | None]:
    """Return kind and name for what a person typed; `routes/checkout` as the kind holds both."""
    if name is None and "/" in kind:
        if "/endpoints" in kind:
            return "endpoints", kind
        head = kind.partition("/")[0]
        return head, kind
    return kind, name
