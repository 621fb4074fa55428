"""The attempts of unary calls over grpc.aio: one after another, or beside each other (gRPC proposal A6)."""

from __future__ import annotations

import asyncio
import time
from typing import NoReturn

import grpc
import grpc.aio

from edge.model.call import Call, MetadataPairs
from edge.model.endpoint import Endpoint
from edge.model.refusals import late
from edge.model.resilience import PREVIOUS_ATTEMPTS, PUSHBACK, attempts_before, pushback_seconds
from edge.model.snapshot import RoutePlan
from edge.proxy.exchange import Core
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
        GatewayError: there is no endpoint any more, or the last attempt took too long.
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
        connection = lease_again(core, call)
        try:
            return await connection.unary(call.method)(
                request, seconds=_seconds(call, plan, limit), metadata=list(with_attempts(call, metadata))
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
        return await _Hedged(core, call, request, metadata, limit).run(connection, plan.hedge.delay)
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
        until=-1.0 if limit[0] is None else call.started + limit[0],
        timed_out=timed_out,
        unsent=own is not None and never_left(error),
    )


def lease_again(core: Core, call: Call) -> Connection:
    """Lease an endpoint for another attempt.

    Raises:
        GatewayError: there is none.
    """
    return core.connection_of(call, core.dispatcher.pick(call, call.started))


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
    left, per_try = seconds_left(call, limit), plan.retry.per_try_timeout
    return min((one for one in (left, per_try) if one is not None), default=None)


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


class _Hedged:
    """A unary call with several attempts under way, each a task of its own."""

    __slots__ = ("_call", "_core", "_limit", "_metadata", "_request", "_tasks")

    def __init__(self, core: Core, call: Call, request: bytes, metadata: MetadataPairs, limit: Limit) -> None:
        self._core = core
        self._call = call
        self._request = request
        self._metadata = metadata
        self._limit = limit
        self._tasks: dict[asyncio.Task[UnaryAnswer], Endpoint] = {}

    async def run(self, connection: Connection, delay: float) -> UnaryAnswer:
        """Return the first answer that is one; the other attempts are cancelled."""
        call, tasks = self._call, self._tasks
        assert call.endpoint is not None, "leased with the connection"
        winner: Endpoint | None = None
        try:
            self._send(connection, call.endpoint)
            wait: float | None = delay
            while True:
                done, _ = await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                pushback: float | None = None
                for task in done:
                    lease = tasks.pop(task)
                    error = task.exception()
                    pushback = _pushback(error)
                    final = not isinstance(error, grpc.aio.AioRpcError) or self._is_final(error)
                    # what a server asks for is waited for beside others under way; alone, it is the caller's to do
                    if final or not (tasks or (pushback is None and self._more())):
                        winner = lease
                        return task.result()
                    self._core.dispatcher.drop(call, lease, time.monotonic(), failed=True)
                if pushback is not None:
                    wait = pushback if pushback >= 0.0 else None
                elif not done or len(tasks) < 2:
                    wait = delay if self._more() else None
        finally:
            call.endpoint = winner
            for task, lease in tasks.items():
                task.cancel()
                self._core.dispatcher.drop(call, lease, time.monotonic(), failed=False)
            if tasks:
                await asyncio.gather(*tasks, return_exceptions=True)

    def _send(self, connection: Connection, lease: Endpoint) -> None:
        call = self._call
        sending = connection.unary(call.method)(
            self._request,
            seconds=seconds_left(call, self._limit),
            metadata=list(with_attempts(call, self._metadata)),
        )
        self._tasks[asyncio.get_running_loop().create_task(sending, name=f"attempt of {call.method}")] = lease

    def _more(self) -> bool:
        """Send one more; return whether there is one more."""
        call, core = self._call, self._core
        endpoint = core.dispatcher.hedge(call, time.monotonic())
        if endpoint is None:
            return False
        self._send(core.connection_of(call, endpoint), endpoint)
        return True

    def _is_final(self, error: grpc.aio.AioRpcError) -> bool:
        """Whether an answer is one that no other attempt is waited for."""
        plan = self._call.plan
        own = connection_failure(self._call, error)
        code = own.code if own is not None else CODES[error.code()]
        return plan is None or code not in plan.retry.codes or len(error.initial_metadata() or ()) > 0


def _pushback(error: BaseException | None) -> float | None:
    """Return what the server of a failed attempt asks for; see `pushback_seconds`."""
    if not isinstance(error, grpc.aio.AioRpcError):
        return None
    return pushback_seconds(_pushback_text(error))


def _pushback_text(error: grpc.aio.AioRpcError) -> str | None:
    return next((str(value) for key, value in error.trailing_metadata() or () if key == PUSHBACK), None)
