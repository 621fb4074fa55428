"""Refusals and upstream failures as gRPC statuses on a grpc.aio context.

An upstream's own status passes unchanged: code, message, trailers, `grpc-status-details-bin`. What grpc.aio makes up
itself when a connection fails is told apart from that and becomes a refusal of ours, with a reason, without addresses.
"""

from __future__ import annotations

import re
from typing import Any

import grpc
import grpc.aio

from edge.model.call import Call
from edge.model.errors import (
    DeadlineExceeded,
    GatewayError,
    MessageTooLarge,
    NoRoute,
    ResponseTooLarge,
    UpstreamProtocolError,
    UpstreamUnreachable,
)
from edge.model.status import Code
from edge.proxy.quirks import CORE_ERROR
from edge.upstream.channels import connect_error

GRPC_CODES: dict[Code, grpc.StatusCode] = {Code(code.value[0]): code for code in grpc.StatusCode}
CODES: dict[grpc.StatusCode, Code] = {theirs: ours for ours, theirs in GRPC_CODES.items()}

DETAILS_KEY = "grpc-status-details-bin"

_NOT_REACHED = re.compile(
    r"failed to connect to all addresses|connections to all backends failing|empty address list|"
    r"DNS resolution failed|connection attempt timed out"
)
_BROKEN = re.compile(
    r"Socket closed|Connection reset by peer|Broken pipe|GOAWAY|Stream removed|Endpoint read failed|"
    r"keepalive|ping timeout|recvmsg|sendmsg|Transport closed|transport is closing|End of TCP stream|"
    r"Connection refused|Connection timed out|FD shutdown"
)
_NOT_GRPC = re.compile(r"Trying to connect an http1\.x server|HTTP/1")

Context = Any
"""grpc.aio's ServicerContext, on bytes."""


def refuse(context: Context, error: GatewayError) -> None:
    """Set the status of a refusal, with its details, as what the call ends with."""
    status = error.status
    context.set_code(GRPC_CODES[status.code])
    context.set_details(status.message)
    context.set_trailing_metadata(((DETAILS_KEY, status.to_proto().SerializeToString()),))


def connection_failure(call: Call, error: grpc.aio.AioRpcError) -> GatewayError | None:
    """Return the refusal for a status that grpc.aio made up because the connection failed, else None.

    grpc.aio marks such a status in no way, so its text decides. A status with trailers is always the upstream's own.
    """
    details = error.details() or ""
    # what grpc.aio says of a call whose connection ended before it began
    never_began = error.code() is grpc.StatusCode.INTERNAL and details == CORE_ERROR
    if len(error.trailing_metadata() or ()) or not (never_began or error.code() is grpc.StatusCode.UNAVAILABLE):
        return None
    name = call.upstream.name if call.upstream is not None else ""
    address = call.endpoint.address if call.endpoint is not None else ""
    metadata = {"upstream": name}
    if _NOT_GRPC.search(details):
        wrong = UpstreamProtocolError(
            f"upstream {name} does not speak gRPC", metadata=metadata, cause=f"{address}: {connect_error(details)}"
        )
        wrong.code = Code.UNAVAILABLE  # type: ignore[misc] # like every endpoint that cannot be used
        return wrong
    if _NOT_REACHED.search(details):
        return UpstreamUnreachable(
            f"upstream {name} could not be reached", metadata=metadata, cause=f"{address}: {connect_error(details)}"
        )
    if never_began or _BROKEN.search(details):
        return UpstreamUnreachable(
            f"upstream {name} broke the connection during the call", metadata=metadata, cause=f"{address}: {details}"
        )
    return None


def not_grpc(call: Call) -> NoRoute:
    """Return the refusal of a gRPC call whose route leads to an upstream that speaks plain HTTP."""
    route = call.plan.route.name if call.plan is not None else ""
    name = call.upstream.name if call.upstream is not None else ""
    return NoRoute(
        f"{route} leads to {name}, which speaks plain HTTP and takes no gRPC calls",
        metadata={"method": call.method, "route": route},
    )


def no_message(call: Call) -> UpstreamProtocolError:
    """Return the refusal of a unary call that the upstream ended with OK and without a message."""
    name = call.upstream.name if call.upstream is not None else ""
    return UpstreamProtocolError(
        f"upstream {name} ended a unary call with OK and without a message", metadata={"upstream": name}
    )


def too_large(direction: str, size: int, call: Call) -> MessageTooLarge:
    """Return the refusal of a message. `direction` is `request` or `response`."""
    plan = call.plan
    assert plan is not None, "sizes are checked after the match"
    limit, own = (
        (plan.max_request_bytes, plan.route.max_request_message_bytes)
        if direction == "request"
        else (plan.max_response_bytes, plan.route.max_response_message_bytes)
    )
    name = f"max_{direction}_message_bytes of {plan.route.name}" if own == limit else "server.limits.max_message_bytes"
    kind = MessageTooLarge if direction == "request" else ResponseTooLarge
    return kind(
        f"a {direction} message of {size} bytes is larger than the {limit} that {name} allows",
        metadata={"limit": name, "limitBytes": str(limit), "messageBytes": str(size)},
    )


def deadline(call: Call, whose: str, seconds: float) -> DeadlineExceeded:
    """Return the refusal when a time limit of ours has passed. `whose` is `route`, `upstream` or `stream idle`."""
    plan = call.plan
    name = plan.route.name if plan is not None else ""
    if whose == "upstream" and call.upstream is not None:
        name = call.upstream.name
    what = "no message for" if whose == "stream idle" else "the call took longer than"
    return DeadlineExceeded(
        f"{what} the {seconds:g} s that the {whose} timeout of {name} allows", metadata={"deadline": whose}
    )
