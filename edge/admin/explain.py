"""Which route would take a call, what would happen to it, and why the other routes would not take it. Makes no call."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Set

from edge.admin.records import text
from edge.model.call import Call, Protocol
from edge.model.config import DirectResponse, Redirect
from edge.model.errors import DirectReply, GatewayError, InvalidRequest, NoRoute, Violation
from edge.model.finding import HttpFinding
from edge.model.http import HttpRequest
from edge.model.schema import Method, Shape
from edge.model.snapshot import RoutePlan, Snapshot, UpstreamPlan
from edge.model.status import HTTP_STATUS
from gateway.v1 import admin_service_pb2

_DEFAULT_MISSES = 20
_MOST_MISSES = 1000
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_TIMEOUTS = ("grpc-timeout", "connect-timeout-ms", "x-server-timeout", "request-timeout")
"""The headers by which a caller says when it gives up. gRPC has the first only."""


def explain_call(
    request: admin_service_pb2.ExplainCallRequest,
    snapshot: Snapshot,
    method_of: Callable[[str], Method | None],
    find: Callable[[HttpRequest], HttpFinding],
) -> admin_service_pb2.ExplainCallResponse:
    """Return what the gateway would do. Header values are compared and never shown.

    Args:
        request: The call in question.
        snapshot: The configuration in force.
        method_of: Returns what is known of a method by its path on the wire, or None.
        find: Returns what would become of an HTTP request.

    Raises:
        InvalidRequest: the request does not describe a call.
    """
    finding = _finding(request, find)
    call = finding.call
    most = min(request.max_misses or _DEFAULT_MISSES, _MOST_MISSES)
    explanation = snapshot.table.explain(call, max_misses=most)
    told = {miss.route for miss in finding.misses}
    misses = [*finding.misses, *(miss for miss in explanation.misses if miss.route not in told)]
    response = admin_service_pb2.ExplainCallResponse(
        reasons=explanation.reasons,
        misses=[
            admin_service_pb2.ExplainCallResponse.Miss(route=miss.route, match_index=miss.index, reason=miss.reason)
            for miss in misses
        ],
        more_misses=explanation.more_misses,
        config_revision=snapshot.revision,
        protocol=call.protocol.value,
        rule=finding.rule,
        action=finding.answer,
    )
    match, error = explanation.match, finding.error
    if finding.answer or match is None or error is not None:
        del response.reasons[:]
        if finding.answer:
            response.ClearField("misses")
            response.ClearField("more_misses")
            return response
        if error is None:
            error = NoRoute(f"no route takes {text(call.method)}", metadata={"method": text(call.method)})
        if match is not None and match.plan.route.transcoding is None and match.plan.upstreams:
            reason = "it takes the method from gRPC callers only: `transcoding` is not set"
            response.misses.add(route=match.plan.route.name, match_index=match.index, reason=reason)
        _refuse(response, call, error)
        return response
    plan = match.plan
    call.snapshot, call.plan, call.path_parameters = snapshot, plan, match.parameters
    response.matched = True
    response.route = plan.route.name
    response.match_index = match.index
    parameters = {**call.path_parameters, **finding.variables}
    response.path_parameters.update({name: text(value) for name, value in parameters.items()})
    response.policies.extend(admission.name for admission in plan.admissions)
    _add_action(response, call, plan)
    if plan.upstreams:
        method = method_of(call.method)
        names = {name.lower() for name in request.headers}
        if call.protocol is not Protocol.HTTP:
            response.method = text(call.method)
            response.shape = method.shape.value if method is not None else ""
        response.deadlines.extend(_deadlines(call, names, plan, method.shape if method is not None else None))
        total = sum(upstream.weight for upstream in plan.upstreams)
        response.upstreams.extend(_choice(call, upstream, total) for upstream in plan.upstreams)
    return response


def _finding(request: admin_service_pb2.ExplainCallRequest, find: Callable[[HttpRequest], HttpFinding]) -> HttpFinding:
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
    headers = [(name.lower(), value) for name, value in sorted(request.headers.items())]
    metadata: list[tuple[str, str | bytes]] = []
    for name, value in headers:
        try:
            metadata.append((name, _binary(value) if name.endswith("-bin") else value))
        except binascii.Error:
            violations.append(Violation(f"headers[{name!r}]", "is not base64, as the value of a -bin entry has to be"))
    if violations:
        raise InvalidRequest.of(violations)
    segments = path.split("/")
    method_like = len(segments) == 3 and all(segments[1:]) and "?" not in request.path
    if not verb and method_like:
        return HttpFinding(call=Call(path, metadata, host=_host(request.host)))
    verb = verb or "GET"
    if verb in _WITH_BODY and not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json"))
    target = f"{path}?{query}" if query else path
    return find(HttpRequest(verb, target, headers, host=request.host))


def _refuse(response: admin_service_pb2.ExplainCallResponse, call: Call, error: GatewayError) -> None:
    response.status.CopyFrom(error.status.to_proto())
    if call.protocol is not Protocol.GRPC:
        response.http_status = error.http_status or HTTP_STATUS[error.status.code]


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
        _refuse(response, call, DirectReply(action.code, action.message, route=plan.route.name))
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
            _refuse(response, call, error)
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


def _deadlines(call: Call, headers: Set[str], plan: RoutePlan, shape: Shape | None) -> list[str]:
    """Return the time limits in words. Of those for one call the smallest applies. Unknown shapes get both kinds."""
    route = plan.route
    timeouts = _TIMEOUTS[:1] if call.protocol is Protocol.GRPC else _TIMEOUTS
    given = [name for name in timeouts if name in headers]
    limits = [f"caller: the time in {name}" for name in given] or ["caller: no limit was given"]
    if shape in (None, Shape.UNARY):
        unary = [] if route.timeout is None else [f"route: {route.timeout:g} s for a unary call"]
        unary += [
            f"{upstream.name}: {upstream.timeout:g} s for a unary call"
            for upstream in plan.upstreams
            if upstream.timeout is not None
        ]
        if plan.timeout.timeout is not None:
            unary.append(f"{plan.timeout_policy}: {plan.timeout.timeout:g} s for any call")
        limits += unary or ["route: no limit for a unary call"]
    if shape is not Shape.UNARY:
        streaming = []
        if route.stream_timeout is not None:
            streaming.append(f"route: {route.stream_timeout:g} s for a streaming call")
        if route.stream_idle_timeout is not None:
            streaming.append(f"route: {route.stream_idle_timeout:g} s without a message for a streaming call")
        limits += streaming or ["route: no limit for a streaming call"]
    return limits
