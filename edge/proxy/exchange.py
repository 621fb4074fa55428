"""What both exchanges do around the bytes: open, limit the time, settle."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterable

import grpc
import grpc.aio

from edge.model.call import Call, MetadataPairs, StatusSource
from edge.model.endpoint import Endpoint
from edge.model.errors import GatewayError
from edge.model.peers import Peers
from edge.model.refusals import deadline, not_grpc
from edge.model.snapshot import RoutePlan
from edge.model.status import Code
from edge.policies import changed
from edge.proxy.dispatcher import Dispatcher
from edge.proxy.handed import HandedCalls
from edge.proxy.metadata import outgoing, valid
from edge.proxy.respond import CODES, Context, connection_failure, refuse
from edge.upstream.channels import Connection
from edge.upstream.grpc_endpoint import channels_of

_monotonic = time.monotonic

LONGEST_TIMEOUT = 1e8
"""Seconds, about three years: a deadline further away is moved here."""


class Core:
    """What every method shares: the pipeline and what is known of peers."""

    __slots__ = ("dispatcher", "handed", "keep_plain", "max_metadata", "peers")

    def __init__(self, dispatcher: Dispatcher, peers: Peers, *, max_metadata: int, keep_plain: int) -> None:
        self.dispatcher = dispatcher
        self.peers = peers
        self.max_metadata = max_metadata
        """The most metadata of a caller, in bytes."""
        self.handed = HandedCalls()
        """The calls that the wire engine has admitted and cannot carry."""
        self.keep_plain = keep_plain
        """Messages to callers below this size are not compressed. 0 where nothing is."""

    def call(self, method: str, context: Context) -> Call:
        """Make the neutral call of a grpc.aio context, or take the one that the wire engine has handed over."""
        if self.handed and (handed := self.handed.take(context.invocation_metadata())) is not None:
            return handed
        now = _monotonic()
        remaining = context.time_remaining()
        if remaining is not None:
            remaining = shrunk(remaining)
        return Call(
            method,
            context.invocation_metadata(),
            peer=context.peer(),
            started=now,
            deadline=None if remaining is None else now + remaining,
        )

    def open(self, call: Call) -> Awaitable[None] | None:
        """Match and admit a call, unless that has been done before it was handed over. See `Dispatcher.open`."""
        return None if call.admitted else self.dispatcher.open(call)

    def lease(self, call: Call) -> tuple[Connection, list[tuple[str, str | bytes]]]:
        """Pick an endpoint and return its connection and the metadata for it.

        Raises:
            NoHealthyEndpoint: the upstream has no endpoint that takes calls.
            NoRoute: the upstream does not speak gRPC.
            MetadataTooLarge: the caller sent more than the limit.
        """
        peer = self.peers.get(call.peer)
        call.peer = peer.address
        connection = self.connection_of(call, self.dispatcher.pick(call, call.started))
        return connection, outgoing(call, peer, self.max_metadata)

    def connection_of(self, call: Call, endpoint: Endpoint) -> Connection:
        """Return the connection to an endpoint.

        Raises:
            NoRoute: the upstream does not speak gRPC.
        """
        channels = channels_of(endpoint.carrier)
        if channels is None:
            raise not_grpc(call)
        return channels.connection()


def shrunk(remaining: float) -> float:
    """Return a caller's remaining seconds as they can be handed on.

    grpc rounds a timeout up to three digits when it writes it, and reads its clock late when it parses one: without the
    millisecond an upstream could be given more than the caller gave. And what is centuries away overflows on its way.
    """
    return min(remaining - 0.001 if remaining > 0.1 else remaining, LONGEST_TIMEOUT)


def time_limit(call: Call, own: float | None, whose: str, now: float) -> tuple[float | None, str]:
    """Return the seconds the upstream gets, and who sets the limit.

    Args:
        call: The call, with the caller's deadline.
        own: The seconds a configured limit allows from the arrival of the call, or None.
        whose: Who sets that.
        now: The monotonic clock.
    """
    remaining = call.remaining(now)
    if own is None:
        return remaining, "caller"
    own = max(own - (now - call.started), 0.0)
    return (own, whose) if remaining is None or own < remaining else (remaining, "caller")


def initial_for(plan: RoutePlan, received: Iterable[tuple[str, str | bytes]]) -> MetadataPairs:
    """Return the initial metadata the caller gets for what the upstream sent."""
    metadata: MetadataPairs = valid(received)
    for change in plan.response_changes:
        metadata = changed(metadata, change)
    return metadata


def end_with_refusal(core: Core, context: Context, call: Call, error: GatewayError, *, failed: bool = False) -> None:
    """End a call with a refusal of ours."""
    refuse(context, error)
    if call.endpoint is None:
        call.peer = core.peers.get(call.peer).address  # as `lease` would have done
    core.dispatcher.refuse(call, error, endpoint_failed=failed)


def end_with_failure(
    core: Core, context: Context, call: Call, error: grpc.aio.AioRpcError, limit: tuple[float | None, str]
) -> None:
    """End a call with the status the upstream's side of it ended with.

    Args:
        core: The core.
        context: Where the status goes.
        call: The call.
        error: How the upstream's side ended.
        limit: The seconds the upstream was given and who set them.
    """
    code = error.code()
    own = connection_failure(call, error)
    if own is None and code is grpc.StatusCode.DEADLINE_EXCEEDED and limit[1] != "caller" and limit[0] is not None:
        plan = call.plan
        if _monotonic() - call.started >= limit[0] * 0.99 and plan is not None:
            own = deadline(call, limit[1], limit[0])
    if own is not None:
        end_with_refusal(core, context, call, own, failed=own.code is Code.UNAVAILABLE)
        return
    context.set_code(code)
    context.set_details(error.details() or "")
    context.set_trailing_metadata(valid(error.trailing_metadata() or ()))
    core.dispatcher.settle(
        call, CODES[code], error.details() or "", endpoint_failed=code is grpc.StatusCode.UNAVAILABLE
    )


def caller_is_gone(context: Context, error: Exception) -> bool:
    """Whether an exception only says that the caller has left while something was being sent to it."""
    return isinstance(error, grpc.aio.InternalError) or context.done() is True


def end_cancelled(core: Core, call: Call) -> None:
    """Account for a call that its caller gave up, by cancelling or by its deadline."""
    late = call.deadline is not None and _monotonic() >= call.deadline
    code, message = (
        (Code.DEADLINE_EXCEEDED, "the caller's deadline has passed") if late else (Code.CANCELLED, "cancelled")
    )
    core.dispatcher.settle(call, code, message, source=StatusSource.CALLER)
