"""Which route would take a call, what would happen to it, and why the other routes would not take it. Makes no call."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from edge.admin.records import text
from edge.model.call import Call, Protocol
from edge.model.config import DirectResponse, Redirect
from edge.model.errors import DirectReply, InvalidRequest, NoRoute, Violation
from edge.model.schema import Method, Shape
from edge.model.snapshot import RoutePlan, Snapshot, UpstreamPlan
from gateway.v1 import admin_service_pb2

_DEFAULT_MISSES = 20
_MOST_MISSES = 1000


def explain_call(
    request: admin_service_pb2.ExplainCallRequest, snapshot: Snapshot, method_of: Callable[[str], Method | None]
) -> admin_service_pb2.ExplainCallResponse:
    """Return what the gateway would do. Header values are compared and never shown.

    Args:
        request: The call in question.
        snapshot: The configuration in force.
        method_of: Returns what is known of a method by its path on the wire, or None.

    Raises:
        InvalidRequest: the request does not describe a call.
    """
    call = _call(request, method_of)
    most = min(request.max_misses or _DEFAULT_MISSES, _MOST_MISSES)
    explanation = snapshot.table.explain(call, max_misses=most)
    response = admin_service_pb2.ExplainCallResponse(
        reasons=explanation.reasons,
        misses=[
            admin_service_pb2.ExplainCallResponse.Miss(route=miss.route, match_index=miss.index, reason=miss.reason)
            for miss in explanation.misses
        ],
        more_misses=explanation.more_misses,
        config_revision=snapshot.revision,
    )
    if explanation.match is None:
        error = NoRoute(f"no route takes {text(call.method)}", metadata={"method": text(call.method)})
        response.status.CopyFrom(error.status.to_proto())
        return response
    plan = explanation.match.plan
    call.snapshot, call.plan, call.path_parameters = snapshot, plan, explanation.match.parameters
    response.matched = True
    response.route = plan.route.name
    response.match_index = explanation.match.index
    response.path_parameters.update({name: text(value) for name, value in call.path_parameters.items()})
    response.policies.extend(admission.name for admission in plan.admissions)
    _add_action(response, call, plan)
    if plan.upstreams:
        method = method_of(call.method)
        if call.protocol is not Protocol.HTTP:
            response.method = text(call.method)
            response.shape = method.shape.value if method is not None else ""
        response.deadlines.extend(_deadlines(call, plan, method.shape if method is not None else None))
        total = sum(upstream.weight for upstream in plan.upstreams)
        response.upstreams.extend(_choice(call, upstream, total) for upstream in plan.upstreams)
    return response


def _call(request: admin_service_pb2.ExplainCallRequest, method_of: Callable[[str], Method | None]) -> Call:
    """Return the call in question. Without a verb it is a gRPC call, or a GET when the path cannot be a gRPC method."""
    path, _, query = request.path.partition("?")
    verb = request.verb.upper()
    if not path.startswith("/") and path.count("/") == 1 and not verb:
        path = f"/{path}"
    violations = []
    if not path:
        violations.append(Violation("path", "is required, such as /bookstore.v1.BookService/GetBook or /v1/books"))
    elif not path.startswith("/"):
        violations.append(Violation("path", "is neither package.Service/Method nor a path that begins with /"))
    metadata: list[tuple[str, str | bytes]] = []
    for name, value in sorted(request.headers.items()):
        try:
            metadata.append((name.lower(), _binary(value) if name.lower().endswith("-bin") else value))
        except binascii.Error:
            violations.append(Violation(f"headers[{name!r}]", "is not base64, as the value of a -bin entry has to be"))
    if violations:
        raise InvalidRequest.of(violations)
    segments = path.split("/")
    method_like = len(segments) == 3 and all(segments[1:]) and "?" not in request.path
    if not verb and method_like:
        protocol = Protocol.GRPC
    else:
        verb = verb or "GET"
        # Connect callers POST to the path of the method; any other verb and path is plain HTTP
        protocol = Protocol.CONNECT if verb == "POST" and method_of(path) is not None else Protocol.HTTP
    return Call(path, metadata, protocol=protocol, host=_host(request.host), verb=verb, query=query)


def _binary(value: str) -> bytes:
    return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)


def _host(authority: str) -> str:
    host = authority.lower()
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and (":" not in name or name.endswith("]")) else host


def _add_action(response: admin_service_pb2.ExplainCallResponse, call: Call, plan: RoutePlan) -> None:
    action = plan.action
    if isinstance(action, DirectResponse):
        response.action = f"answer without an upstream: {action.code.name}"
        response.status.CopyFrom(DirectReply(action.code, action.message, route=plan.route.name).status.to_proto())
    elif isinstance(action, Redirect):
        scheme = "https" if action.https else "the same scheme"
        response.action = (
            f"redirect with HTTP status {action.http_status} to {scheme}, "
            f"{action.host or 'the same host'}, {action.path or 'the same path'}"
        )
        if call.protocol is not Protocol.HTTP:
            error = NoRoute(
                f"{plan.route.name} redirects HTTP callers and takes no gRPC calls", metadata={"route": plan.route.name}
            )
            response.status.CopyFrom(error.status.to_proto())
    else:
        response.action = "forward"


def _choice(call: Call, upstream: UpstreamPlan, total: int) -> admin_service_pb2.ExplainCallResponse.UpstreamChoice:
    endpoint, balancer = upstream.cluster.preview(call)
    return admin_service_pb2.ExplainCallResponse.UpstreamChoice(
        upstream=upstream.name,
        percent=100.0 * upstream.weight / total if total else 0.0,
        endpoint=endpoint.address if endpoint is not None else "",
        balancer=balancer,
    )


def _deadlines(call: Call, plan: RoutePlan, shape: Shape | None) -> list[str]:
    """Return the time limits in words. Of those for one call the smallest applies. Unknown shapes get both kinds."""
    route = plan.route
    limits = ["caller: the time in grpc-timeout" if call.header("grpc-timeout") else "caller: no limit was given"]
    if shape in (None, Shape.UNARY):
        unary = [] if route.timeout is None else [f"route: {route.timeout:g} s for a unary call"]
        unary += [
            f"{upstream.name}: {upstream.timeout:g} s for a unary call"
            for upstream in plan.upstreams
            if upstream.timeout is not None
        ]
        limits += unary or ["route: no limit for a unary call"]
    if shape is not Shape.UNARY:
        streaming = []
        if route.stream_timeout is not None:
            streaming.append(f"route: {route.stream_timeout:g} s for a streaming call")
        if route.stream_idle_timeout is not None:
            streaming.append(f"route: {route.stream_idle_timeout:g} s without a message for a streaming call")
        limits += streaming or ["route: no limit for a streaming call"]
    return limits
