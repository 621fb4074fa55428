"""Calls that did not come by gRPC, on the grpc.aio engine: the `Invoker` that transcoding uses.

What it does around the bytes is what the exchanges of native calls do; the other side is neutral messages instead of a
grpc.aio context.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import grpc.aio

from edge.model.call import Call, MetadataPairs
from edge.model.errors import GatewayError
from edge.model.invoke import Reply, UpstreamError, split_details
from edge.model.refusals import deadline, late, no_message, too_large
from edge.model.snapshot import RoutePlan
from edge.model.status import Code
from edge.proxy.exchange import Core, initial_for, shrunk, time_limit
from edge.proxy.idle import IdleTimer
from edge.proxy.metadata import valid
from edge.proxy.quirks import final_status, initial_metadata, receiver, sender, trailing_metadata
from edge.proxy.respond import CODES, connection_failure
from edge.upstream.channels import WireMetadata

_STREAM_ENDED = (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError, grpc.aio.UsageError)
_DEADLINE = "Deadline Exceeded"
"""What grpc.aio says when a deadline has passed. An upstream has words or trailers of its own, or else none."""


class GrpcInvoker:
    """Makes calls to gRPC endpoints over their kept channels.

    Args:
        core: The pipeline and what is known of peers.
    """

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    async def unary(self, call: Call, request: bytes) -> Reply:
        """Make a unary call.

        Raises:
            UpstreamError: the upstream ended it with another status than OK.
            GatewayError: it could not be made, or a limit ended it.
        """
        plan = call.plan
        assert plan is not None, "the call has been opened"
        size = len(request)
        call.request_messages = 1
        call.request_bytes = size
        if size > plan.max_request_bytes:
            raise too_large("request", size, call)
        connection, metadata = self._core.lease(call)
        assert call.upstream is not None, "lease sets it or raises"
        limit = call.upstream.unary_limit
        if call.deadline is not None:
            limit = time_limit(call, *limit, call.started)
        try:
            response, initial, trailing = await connection.unary(call.method)(
                request, seconds=_left(call, limit), metadata=metadata
            )
        except grpc.aio.AioRpcError as error:
            raise _failure(call, plan, error, limit) from None
        if response is None:
            raise no_message(call)
        size = len(response)
        if size > plan.max_response_bytes:
            raise too_large("response", size, call)
        call.first_message = time.monotonic()
        call.response_messages = 1
        call.response_bytes = size
        return Reply(response, initial_for(plan, initial), valid(trailing) if trailing else ())

    def stream(self, call: Call) -> GrpcStream:
        """Begin a call of any shape.

        Raises:
            GatewayError: it could not be made.
        """
        return GrpcStream(self._core, call)


class GrpcStream:
    """One streaming call to an endpoint."""

    __slots__ = (
        "_call",
        "_idle",
        "_initial",
        "_limit",
        "_plan",
        "_receive",
        "_send",
        "_task",
        "_timer",
        "_trailing",
        "_upstream",
        "refusal",
    )

    def __init__(self, core: Core, call: Call) -> None:
        plan = call.plan
        assert plan is not None, "the call has been opened"
        self._call = call
        self._plan: RoutePlan = plan
        self.refusal: GatewayError | None = None
        """Why the gateway ended the call, once it has."""
        self._task = asyncio.current_task()
        self._trailing: MetadataPairs = ()
        self._initial: MetadataPairs | None = None
        self._receive: Any = None
        self._send: Any = None
        connection, metadata = core.lease(call)
        self._limit = time_limit(call, plan.route.stream_timeout, "route", call.started)
        seconds = _left(call, self._limit)
        self._upstream: Any = connection.stream(call.method)(timeout=seconds, metadata=WireMetadata(metadata))
        loop = asyncio.get_running_loop()
        self._idle: IdleTimer | None = None
        if plan.route.stream_idle_timeout is not None:
            self._idle = IdleTimer(loop, plan.route.stream_idle_timeout, self._went_idle)
        self._timer: asyncio.TimerHandle | None = None
        if seconds is not None and self._limit[1] != "caller":
            # the upstream's side has this limit too, but a caller that does not read holds up what comes from there
            self._timer = loop.call_later(seconds, self.end, late(call, self._limit))

    async def initial(self) -> MetadataPairs:
        """Wait for the initial metadata and return it, after the route's policies.

        Raises:
            UpstreamError: the call ended without any and with another status than OK.
            GatewayError: the gateway ended the call.
        """
        if self._initial is None:
            received = await initial_metadata(self._upstream)
            if self.refusal is not None:
                raise self.refusal
            self._initial = initial_for(self._plan, received)
        return self._initial

    async def send(self, message: bytes) -> bool:
        """Send one message and wait while the upstream does not read.

        Returns:
            False when the upstream's side has ended; `receive` says how.

        Raises:
            MessageTooLarge: it is larger than the route allows.
        """
        call = self._call
        size = len(message)
        if size > self._plan.max_request_bytes:
            raise too_large("request", size, call)
        try:
            if self._send is None:
                await self._upstream.wait_for_connection()
                self._send = sender(self._upstream)
            await self._send(message)
        except _STREAM_ENDED:
            return False
        if self._idle is not None:
            self._idle.touch()
        call.request_messages += 1
        call.request_bytes += size
        return True

    async def half_close(self) -> None:
        """Say that no more messages come."""
        try:
            if self._send is None:
                await self._upstream.wait_for_connection()
            await self._upstream.done_writing()
        except _STREAM_ENDED:
            return  # the upstream's side has ended; `receive` says how

    async def receive(self) -> bytes | None:
        """Return the next message, or None when the call has ended with OK.

        Raises:
            UpstreamError: it ended otherwise.
            GatewayError: the gateway ended it.
        """
        call = self._call
        if self._receive is None:
            await self.initial()
            self._receive = receiver(self._upstream)
        message = await self._receive()
        if self.refusal is not None:
            raise self.refusal
        if message is grpc.aio.EOF:
            await self._finish()
            return None
        size = len(message)
        if size > self._plan.max_response_bytes:
            raise too_large("response", size, call)
        if self._idle is not None:
            self._idle.touch()
        if not call.response_messages:
            call.first_message = time.monotonic()
        call.response_messages += 1
        call.response_bytes += size
        return bytes(message)

    @property
    def trailing(self) -> MetadataPairs:
        """The trailing metadata, once `receive` has returned None."""
        return self._trailing

    def end(self, refusal: GatewayError) -> None:
        """End the call with `refusal`: cancel the upstream's side, and the task that began the call.

        That task may be waiting for the caller to read; whoever runs it finds the reason of the cancellation here.
        """
        if self.refusal is None:
            self.refusal = refusal
            self._upstream.cancel()
            if self._task is not None:
                self._task.cancel()

    def close(self) -> None:
        """Cancel what is still under way."""
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.cancel()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._task = None
        self._upstream.cancel()

    async def _finish(self) -> None:
        status = await final_status(self._upstream)
        if self.refusal is not None:
            raise self.refusal
        if status is not None:
            raise _failure(self._call, self._plan, status, self._limit)
        self._trailing = valid(await trailing_metadata(self._upstream))

    def _went_idle(self, seconds: float) -> None:
        self.end(deadline(self._call, "stream idle", seconds))


def _left(call: Call, limit: tuple[float | None, str]) -> float | None:
    """Return the seconds an upstream is given: what is left, for the request may have taken long to arrive.

    Args:
        call: The call.
        limit: The seconds from its arrival, and who sets the limit.

    Raises:
        DeadlineExceeded: there are none left, so that nothing is sent.
    """
    if limit[0] is None:
        return None
    left = limit[0] - (time.monotonic() - call.started)
    if left <= 0:
        raise late(call, limit)
    return shrunk(left)


def _failure(
    call: Call, plan: RoutePlan, error: grpc.aio.AioRpcError, limit: tuple[float | None, str]
) -> UpstreamError | GatewayError:
    """Return what a failed call ends with: the upstream's status, or a refusal of ours when grpc.aio made it up."""
    own = connection_failure(call, error)
    code = error.code()
    if own is not None:
        return own
    overdue = code is grpc.StatusCode.DEADLINE_EXCEEDED and limit[0] is not None
    if overdue and limit[1] == "caller" and error.details() == _DEADLINE and not error.trailing_metadata():
        return late(call, limit)
    if overdue and limit[1] != "caller" and limit[0] is not None and time.monotonic() - call.started >= limit[0] * 0.99:
        return late(call, limit)
    status, trailing = split_details(CODES[code], error.details() or "", valid(error.trailing_metadata() or ()))
    return UpstreamError(
        status,
        initial=initial_for(plan, error.initial_metadata() or ()),
        trailing=trailing,
        endpoint_failed=status.code is Code.UNAVAILABLE,
    )
