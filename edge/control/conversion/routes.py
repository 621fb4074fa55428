"""Routes: proto → model. Path templates are checked by the routing table, which compiles them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge.control.conversion import checks
from edge.control.conversion.scope import Scope
from edge.control.conversion.transcoding import convert_transcoding
from edge.model.config import (
    DirectResponse,
    Forward,
    GrpcTarget,
    HttpTarget,
    Redirect,
    Route,
    RouteMatch,
    ValueMatch,
)
from edge.model.status import Code
from gateway.v1 import route_pb2

_SERVICE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_METHOD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VERB = re.compile(r"[A-Z][A-Z-]{0,31}")
_REDIRECTS = (301, 302, 303, 307, 308)


def convert_route(route: route_pb2.Route, scope: Scope) -> Route:
    """Return the route for the model. It means something only when nothing was refused."""
    checks.no_repeats((name, scope.field("policies").index(index)) for index, name in enumerate(route.policies) if name)
    return Route(
        name=route.name,
        matches=tuple(_match(match, scope.field("matches").index(index)) for index, match in enumerate(route.matches)),
        priority=route.priority,
        policies=tuple(route.policies),
        action=_action(route, scope),
        transcoding=convert_transcoding(route.transcoding, scope.field("transcoding"))
        if route.HasField("transcoding")
        else None,
        timeout=_optional_seconds(route, "timeout", scope),
        stream_timeout=_optional_seconds(route, "stream_timeout", scope),
        stream_idle_timeout=_optional_seconds(route, "stream_idle_timeout", scope),
        max_request_message_bytes=checks.message_size(
            route.max_request_message_bytes, scope.field("max_request_message_bytes")
        ),
        max_response_message_bytes=checks.message_size(
            route.max_response_message_bytes, scope.field("max_response_message_bytes")
        ),
    )


def _optional_seconds(route: route_pb2.Route, field: str, scope: Scope) -> float | None:
    return checks.seconds(getattr(route, field), scope.field(field)) if route.HasField(field) else None


def _match(match: route_pb2.RouteMatch, scope: Scope) -> RouteMatch:
    hosts = [
        (checks.host(host, scope.field("hosts").index(index), wildcard=True), scope.field("hosts").index(index))
        for index, host in enumerate(match.hosts)
    ]
    checks.no_repeats(hosts)
    return RouteMatch(
        hosts=tuple(host for host, _ in hosts),
        target=_target(match, scope),
        headers=tuple(
            _header_match(header, scope.field("headers").index(index)) for index, header in enumerate(match.headers)
        ),
        query=tuple(_query_match(query, scope.field("query").index(index)) for index, query in enumerate(match.query)),
    )


def _target(match: route_pb2.RouteMatch, scope: Scope) -> GrpcTarget | HttpTarget | None:
    match match.WhichOneof("target"):
        case "grpc":
            return _grpc_target(match.grpc, scope.field("grpc"))
        case "http":
            return _http_target(match.http, scope.field("http"))
        case _:
            return None


def _grpc_target(grpc: route_pb2.GrpcMatch, scope: Scope) -> GrpcTarget:
    if grpc.service and not _SERVICE.fullmatch(grpc.service):
        scope.field("service").refuse(f"`{grpc.service}` is no full service name, as in `package.v1.Service`")
    if grpc.method and not _METHOD.fullmatch(grpc.method):
        scope.field("method").refuse(f"`{grpc.method}` is no method name, as in `GetBook`")
    if grpc.method and not grpc.service:
        scope.field("method").refuse("needs `service`")
    return GrpcTarget(service=grpc.service, method=grpc.method)


def _http_target(http: route_pb2.HttpMatch, scope: Scope) -> HttpTarget:
    if not http.path:
        scope.field("path").refuse("a path is missing, as in `/api/users/{id}`; `/**` stands for every path")
    methods = scope.field("methods")
    for index, verb in enumerate(http.methods):
        if not _VERB.fullmatch(verb):
            hint = f"; did you mean `{verb.upper()}`?" if _VERB.fullmatch(verb.upper()) else ""
            methods.index(index).refuse(f"`{verb}` is no verb in upper case{hint}")
    checks.no_repeats((verb, methods.index(index)) for index, verb in enumerate(http.methods))
    return HttpTarget(path=http.path, methods=frozenset(http.methods))


def _header_match(header: route_pb2.HeaderMatch, scope: Scope) -> ValueMatch:
    name = checks.header_name(header.name, scope.field("name"))
    kind = header.WhichOneof("value")
    if kind is None:
        scope.refuse("needs `exact`, `prefix` or `present`")
    elif kind == "prefix" and not header.prefix:
        scope.field("prefix").refuse("may not be empty; write `present: true` for any value")
    elif kind != "present" and name.endswith("-bin"):
        scope.field(kind).refuse("binary entries can be matched with `present` only")
    return ValueMatch(
        name=name,
        exact=header.exact if kind == "exact" else None,
        prefix=header.prefix if kind == "prefix" else None,
        present=header.present if kind == "present" else None,
    )


def _query_match(query: route_pb2.QueryMatch, scope: Scope) -> ValueMatch:
    if not query.name:
        scope.field("name").refuse("the name of the parameter is missing")
    kind = query.WhichOneof("value")
    if kind is None:
        scope.refuse("needs `exact` or `present`")
    return ValueMatch(
        name=query.name,
        exact=query.exact if kind == "exact" else None,
        present=query.present if kind == "present" else None,
    )


def _action(route: route_pb2.Route, scope: Scope) -> Forward | DirectResponse | Redirect:
    match route.WhichOneof("action"):
        case "forward":
            return _forward(route.forward.upstreams, scope.field("forward").field("upstreams"))
        case "direct_response":
            return _direct_response(route.direct_response, scope.field("direct_response"))
        case "redirect":
            return _redirect(route.redirect, scope.field("redirect"))
        case _:
            scope.field("action").refuse("the route does nothing; add `forward` or `direct_response`")
            return DirectResponse(code=Code.UNIMPLEMENTED)


def _forward(upstreams: Sequence[route_pb2.WeightedUpstream], scope: Scope) -> Forward:
    if not upstreams:
        scope.refuse("an upstream is missing")
    chosen = []
    for index, entry in enumerate(upstreams):
        place = scope.index(index)
        if not entry.upstream:
            place.field("upstream").refuse("the name of an upstream is missing, as in `upstreams/bookstore`")
        if len(upstreams) > 1 and not entry.HasField("weight"):
            place.field("weight").refuse("is needed when there are several upstreams")
        chosen.append((entry.upstream, entry.weight if entry.HasField("weight") else 1))
    checks.no_repeats((name, scope.index(index).field("upstream")) for index, (name, _) in enumerate(chosen) if name)
    if chosen and not any(weight for _, weight in chosen):
        scope.refuse("at least one weight has to be above 0")
    return Forward(upstreams=tuple(chosen))


def _direct_response(response: route_pb2.DirectResponseAction, scope: Scope) -> DirectResponse:
    if not 0 <= response.code <= 16:
        scope.field("code").refuse(f"{response.code} is no gRPC status code, which is a number from 0 to 16")
        return DirectResponse(code=Code.UNKNOWN)
    return DirectResponse(code=Code(response.code), message=response.message)


def _redirect(redirect: route_pb2.RedirectAction, scope: Scope) -> Redirect:
    if redirect.host:
        checks.host(redirect.host, scope.field("host"))
    if redirect.path and not redirect.path.startswith("/"):
        scope.field("path").refuse("has to begin with `/`")
    if redirect.status and redirect.status not in _REDIRECTS:
        scope.field("status").refuse(f"has to be one of {', '.join(map(str, _REDIRECTS))}")
    if not (redirect.host or redirect.path or redirect.https):
        scope.refuse("leads back to where it came from; set `host`, `path` or `https`")
    return Redirect(host=redirect.host, path=redirect.path, https=redirect.https, http_status=redirect.status or 302)
