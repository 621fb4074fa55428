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
from edge.proxy.core_attempts import seconds_left, unary_again, unary_paced
from edge.proxy.core_stream import ENDED, CoreStream
from edge.proxy.exchange import Core, initial_for, shrunk, time_limit
from edge.proxy.idle import IdleTimer
from edge.proxy.metadata import valid
from edge.proxy.quirks import final_status, initial_metadata, receiver, trailing_metadata
from edge.proxy.respond import CODES, connection_failure
from edge.proxy.stream import HEADER_HOLD

_DEADLINES = frozenset({"Deadline Exceeded", "Stream removed (Deadline Exceeded)"})
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
            try:
                if plan.paced:
                    answer = await unary_paced(self._core, call, connection, request, metadata, limit)
                else:
                    left = seconds_left(call, limit)
                    seconds = None if left is None else shrunk(left)
                    answer = await connection.unary(call.method)(request, seconds=seconds, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                if plan.paced:
                    raise
                answer = await unary_again(self._core, call, request, metadata, limit, error)
            response, initial, trailing = answer
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
        "_peeked",
        "_plan",
        "_receive",
        "_stream",
        "_task",
        "_timer",
        "_trailing",
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
        self._peeked: tuple[Any, asyncio.Task[Any]] | None = None
        self._stream = CoreStream(core, call, lambda: time_limit(call, *plan.stream_limit, call.started), self._begun)
        self._limit = self._stream.limit
        seconds = self._limit[0]
        loop = asyncio.get_running_loop()
        self._idle: IdleTimer | None = None
        if plan.stream_idle is not None:
            self._idle = IdleTimer(loop, plan.stream_idle, self._went_idle)
        self._timer: asyncio.TimerHandle | None = None
        if seconds is not None and self._limit[1] != "caller":
            # the upstream's side has this limit too, but a caller that does not read holds up what comes from there
            left = seconds - (time.monotonic() - call.started)
            self._timer = loop.call_later(left, self.end, late(call, self._limit))

    async def initial(self) -> MetadataPairs:
        """Wait for the initial metadata and return it, after the route's policies.

        Raises:
            UpstreamError: the call ended without any and with another status than OK.
            GatewayError: the gateway ended the call.
        """
        while self._initial is None:
            upstream = self._stream.upstream
            received = await initial_metadata(upstream)
            if self.refusal is not None:
                raise self.refusal
            # what never left goes elsewhere although the call may not be repeated; such an attempt is over by now
            over = self._stream.may_repeat or upstream.done()
            if not len(tuple(received)) and over and await self._ended(upstream):
                if await self._stream.again(upstream):
                    continue
                if self._stream.failure is not None:
                    raise self._stream.failure
            if upstream is self._stream.upstream:
                self._stream.answered()
                self._initial = initial_for(self._plan, received)
        return self._initial

    async def _ended(self, upstream: Any) -> bool:
        """Whether an attempt without metadata has ended already with a status other than OK; see `HEADER_HOLD`."""
        try:
            # wait_for would swallow a cancellation that comes when the status has just come too
            async with asyncio.timeout(HEADER_HOLD):
                return await final_status(upstream) is not None
        except TimeoutError:
            return False

    async def _begun(self, upstream: Any) -> bool:
        """Read ahead on an attempt that takes no more requests: transcoders send all of them before they receive."""
        await initial_metadata(upstream)
        if self._receive is not None:
            return True  # another task receives
        if self._peeked is None or self._peeked[0] is not upstream:
            name = f"read ahead {self._call.method}"
            self._peeked = upstream, asyncio.get_running_loop().create_task(receiver(upstream)(), name=name)
        # whoever sends may be cancelled while another task waits for the same
        return await asyncio.shield(self._peeked[1]) is not grpc.aio.EOF

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
            await self._stream.send(message)
        except ENDED:
            return False
        if self._idle is not None:
            self._idle.touch()
        call.request_messages += 1
        call.request_bytes += size
        return True

    async def half_close(self) -> None:
        """Say that no more messages come."""
        try:
            await self._stream.half_close()
        except ENDED:
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
            self._receive = receiver(self._stream.upstream)
        peeked, self._peeked = self._peeked, None
        if peeked is not None and peeked[0] is self._stream.upstream:
            message = await peeked[1]
        else:
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
            self._stream.cancel()
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
        peeked, self._peeked = self._peeked, None
        if peeked is not None:
            peeked[1].cancel()
        self._stream.close()

    async def _finish(self) -> None:
        status = await final_status(self._stream.upstream)
        if self.refusal is not None:
            raise self.refusal
        if self._stream.failure is not None:
            raise self._stream.failure
        if status is not None:
            raise _failure(self._call, self._plan, status, self._limit)
        self._trailing = valid(await trailing_metadata(self._stream.upstream))

    def _went_idle(self, seconds: float) -> None:
        self.end(deadline(self._call, "stream idle", seconds))


def _failure(
    call: Call, plan: RoutePlan, error: grpc.aio.AioRpcError, limit: tuple[float | None, str]
) -> UpstreamError | GatewayError:
    """Return what a failed call ends with: the upstream's status, or a refusal of ours when grpc.aio made it up."""
    own = connection_failure(call, error)
    code = error.code()
    if own is not None:
        return own
    overdue = code is grpc.StatusCode.DEADLINE_EXCEEDED and limit[0] is not None
    if overdue and limit[1] == "caller" and error.details() in _DEADLINES and not error.trailing_metadata():
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
