"""Refusals whose words several engines and fronts share."""

from __future__ import annotations

from edge.model.call import Call
from edge.model.errors import (
    DeadlineExceeded,
    MessageTooLarge,
    MetadataTooLarge,
    NoRoute,
    ResponseTooLarge,
    UpstreamProtocolError,
    UpstreamUnreachable,
)


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


def metadata_too_large(size: int, limit: int) -> MetadataTooLarge:
    """Return the refusal of metadata. A negative size says that it is an upstream's, whose size is not known."""
    what = f"the metadata of {size} bytes" if size >= 0 else "the metadata of the upstream's answer"
    return MetadataTooLarge(
        f"{what} is larger than the {limit} that server.limits.max_metadata_bytes allows",
        metadata={"limit": "server.limits.max_metadata_bytes", "limitBytes": str(limit)},
    )


def deadline(call: Call, whose: str, seconds: float) -> DeadlineExceeded:
    """Return the refusal when a time limit of ours has passed.

    Args:
        call: The call.
        whose: `route`, `upstream`, `policy`, `stream idle`, or `try` for the limit of one attempt.
        seconds: The limit.
    """
    plan = call.plan
    name = plan.route.name if plan is not None else ""
    if whose == "upstream" and call.upstream is not None:
        name = call.upstream.name
    if plan is not None and plan.timeout_policy:
        own = plan.timeout.stream_idle_timeout if whose == "stream idle" else None
        if whose == "policy" or (own is not None and own == seconds and own != plan.route.stream_idle_timeout):
            name = plan.timeout_policy
    what = "the call took longer than"
    if whose == "stream idle":
        what = "no message for"
    elif whose == "try":
        what, whose = "an attempt took longer than", "per-try"
    return DeadlineExceeded(
        f"{what} the {seconds:g} s that the {whose} timeout of {name} allows", metadata={"deadline": whose}
    )


def late(call: Call, limit: tuple[float | None, str]) -> DeadlineExceeded:
    """Return the refusal when a limit has passed.

    Args:
        call: The call.
        limit: Its seconds from the arrival of the call, and who sets it: `caller` or what `deadline` takes.
    """
    if limit[0] is None or limit[1] == "caller":
        return DeadlineExceeded("the caller's deadline has passed", metadata={"deadline": "caller"})
    return deadline(call, limit[1], limit[0])


def not_reached(call: Call, cause: str) -> UpstreamUnreachable:
    """Return the refusal when the endpoint of a call cannot be reached. `cause` is for operators."""
    name = call.upstream.name if call.upstream is not None else ""
    return UpstreamUnreachable(
        f"upstream {name} could not be reached", metadata={"upstream": name}, cause=f"{address_of(call)}: {cause}"
    )


def broken(call: Call, cause: str) -> UpstreamUnreachable:
    """Return the refusal when the endpoint of a call broke the connection. `cause` is for operators."""
    name = call.upstream.name if call.upstream is not None else ""
    return UpstreamUnreachable(
        f"upstream {name} broke the connection during the call",
        metadata={"upstream": name},
        cause=f"{address_of(call)}: {cause}",
    )


def address_of(call: Call) -> str:
    """Return the address of the endpoint that a call was sent to last, for operators. Empty when there was none."""
    endpoint = call.endpoint or call.tried
    return "" if endpoint is None else endpoint.address
