"""The attempts of unary calls over grpc.aio: one after another, or beside each other (gRPC proposal A6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, NoReturn

import grpc
import grpc.aio

from edge.model.call import Call, MetadataPairs
from edge.model.endpoint import Endpoint
from edge.model.errors import GatewayError
from edge.model.refusals import late
from edge.model.resilience import PREVIOUS_ATTEMPTS, PUSHBACK, attempts_before, pushback_seconds
from edge.model.snapshot import RoutePlan
from edge.proxy.exchange import Core, shrunk
from edge.proxy.hedging import Failure, Hedged
from edge.proxy.respond import CODES, connection_failure, never_left
from edge.upstream.channels import Connection
from edge.upstream.unary_call import UnaryAnswer

Limit = tuple[float | None, str]

NEARLY = 0.99
"""The part of a limit after which a deadline that has passed is taken to be this one."""


async def unary_again(
    core: Core, call: Call, request: bytes, metadata: MetadataPairs, limit: Limit, error: grpc.aio.AioRpcError
) -> UnaryAnswer:
    """Try a unary call again whose first attempt has failed.

    Args:
        core: The core.
        call: The call.
        request: The message.
        metadata: What the first attempt was sent with.
        limit: The seconds from the arrival of the call that it may take, and who says so.
        error: How the first attempt ended.

    Raises:
        AioRpcError: how the last attempt ended.
        GatewayError: the last attempt, or the call, took too long.
    """
    plan = call.plan
    assert plan is not None, "the call has been opened"
    while True:
        timed_out = _tried_too_long(call, plan, limit, error)
        wait = None
        if len(request) <= plan.retry.buffer_bytes:
            wait = ask_again(core, call, error, limit, timed_out=timed_out)
        if wait is None:
            _raise(call, plan, error, timed_out=timed_out)
        await asyncio.sleep(wait)
        seconds = _seconds(call, plan, limit)
        connection = lease_again(core, call)
        if connection is None:
            _raise(call, plan, error, timed_out=timed_out)
        try:
            return await connection.unary(call.method)(
                request, seconds=seconds, metadata=list(with_attempts(call, metadata))
            )
        except grpc.aio.AioRpcError as another:
            error = another


async def unary_paced(
    core: Core, call: Call, connection: Connection, request: bytes, metadata: MetadataPairs, limit: Limit
) -> UnaryAnswer:
    """Make a unary call on a route whose attempts have a time of their own.

    The first attempt goes to `connection`; everything else is as for `unary_again`.
    """
    plan = call.plan
    assert plan is not None, "the call has been opened"
    if plan.hedge is not None and len(request) <= plan.retry.buffer_bytes:
        return await _hedged(core, call, connection, request, metadata, limit, plan.hedge.delay)
    try:
        return await connection.unary(call.method)(
            request, seconds=_seconds(call, plan, limit), metadata=list(metadata)
        )
    except grpc.aio.AioRpcError as error:
        return await unary_again(core, call, request, metadata, limit, error)


def ask_again(
    core: Core, call: Call, error: grpc.aio.AioRpcError, limit: Limit, *, timed_out: bool = False
) -> float | None:
    """Return how long to wait before another attempt, or None when there is none; see `Pipeline.again`."""
    if len(error.initial_metadata() or ()):
        return None  # the answer had begun
    own = connection_failure(call, error)
    return core.dispatcher.again(
        call,
        own.code if own is not None else CODES[error.code()],
        time.monotonic(),
        pushback=_pushback_text(error),
        until=_until(call, limit),
        timed_out=timed_out,
        unsent=own is not None and never_left(error),
    )


def lease_again(core: Core, call: Call) -> Connection | None:
    """Lease an endpoint for another attempt. Without any the call ends as the attempt before: None."""
    try:
        return core.connection_of(call, core.dispatcher.pick(call, call.started))
    except GatewayError:
        return None


def with_attempts(call: Call, metadata: MetadataPairs) -> MetadataPairs:
    """Return the metadata of a further attempt."""
    retries = call.retries
    if retries is None or not retries.count + retries.hedges:
        return metadata
    before = attempts_before(metadata, retries.count + retries.hedges)
    return [*(pair for pair in metadata if pair[0] != PREVIOUS_ATTEMPTS), (PREVIOUS_ATTEMPTS, before)]


def seconds_left(call: Call, limit: Limit) -> float | None:
    """Return the seconds that are left of a limit from the arrival of the call.

    Raises:
        DeadlineExceeded: none are.
    """
    if limit[0] is None:
        return None
    left = limit[0] - (time.monotonic() - call.started)
    if left <= 0:
        raise late(call, limit)
    return left


def _seconds(call: Call, plan: RoutePlan, limit: Limit) -> float | None:
    ends = (seconds_left(call, limit), plan.retry.per_try_timeout)
    return min((shrunk(one) for one in ends if one is not None), default=None)


def _tried_too_long(call: Call, plan: RoutePlan, limit: Limit, error: grpc.aio.AioRpcError) -> bool:
    """Whether an attempt ended because of its own time limit."""
    per_try = plan.retry.per_try_timeout
    if per_try is None or error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
        return False
    now = time.monotonic()
    begun = call.started if call.retries is None else call.retries.started
    over = limit[0] is not None and now - call.started >= limit[0] * NEARLY
    return not over and now - begun >= per_try * NEARLY


def _raise(call: Call, plan: RoutePlan, error: grpc.aio.AioRpcError, *, timed_out: bool) -> NoReturn:
    if timed_out:
        raise late(call, (plan.retry.per_try_timeout, "try")) from None
    raise error


async def _hedged(
    core: Core, call: Call, connection: Connection, request: bytes, metadata: MetadataPairs, limit: Limit, delay: float
) -> UnaryAnswer:
    """Make a unary call with several attempts beside each other. The first one goes to `connection`."""
    plan = call.plan
    first: Connection | None = connection
    assert plan is not None, "the call has been opened"

    def send(lease: Endpoint) -> Coroutine[Any, Any, UnaryAnswer]:
        nonlocal first
        seconds = seconds_left(call, limit)
        chosen, first = first or core.connection_of(call, lease), None
        return chosen.unary(call.method)(
            request,
            seconds=None if seconds is None else shrunk(seconds),
            metadata=list(with_attempts(call, metadata)),
        )

    def judge(task: asyncio.Task[UnaryAnswer]) -> Failure | None:
        error = task.exception()
        if not isinstance(error, grpc.aio.AioRpcError) or len(error.initial_metadata() or ()):
            return None
        own = connection_failure(call, error)
        code = own.code if own is not None else CODES[error.code()]
        if code not in plan.retry.codes:
            return None
        return Failure(code, pushback_seconds(_pushback_text(error)), own is not None and never_left(error))

    return await Hedged(core.dispatcher, call, send, judge, until=_until(call, limit)).run(delay)


def _until(call: Call, limit: Limit) -> float:
    return -1.0 if limit[0] is None else call.started + limit[0]


def _pushback_text(error: grpc.aio.AioRpcError) -> str | None:
    return next((str(value) for key, value in error.trailing_metadata() or () if key == PUSHBACK), None)
