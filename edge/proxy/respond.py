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
from edge.model.errors import GatewayError, UpstreamProtocolError
from edge.model.refusals import address_of, broken, not_reached
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


def never_left(error: grpc.aio.AioRpcError) -> bool:
    """Whether a call that a connection failed for was certainly not sent."""
    return _NOT_REACHED.search(error.details() or "") is not None


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
    metadata = {"upstream": name}
    if _NOT_GRPC.search(details):
        wrong = UpstreamProtocolError(
            f"upstream {name} does not speak gRPC",
            metadata=metadata,
            cause=f"{address_of(call)}: {connect_error(details)}",
        )
        wrong.code = Code.UNAVAILABLE  # type: ignore[misc] # like every endpoint that cannot be used
        return wrong
    if _NOT_REACHED.search(details):
        return not_reached(call, connect_error(details))
    if never_began or _BROKEN.search(details):
        return broken(call, details)
    return None
