"""The exchange of every method whose shape is not known to be unary: any number of messages each way.

Requests are pumped by a task of the call, responses by the call itself; each reads one message, writes it, and only
then reads the next. So at most one message per direction is held here, and a slow reader holds up its sender through
HTTP/2's windows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import grpc.aio

from edge.model.call import Call, StatusSource
from edge.model.errors import DirectReply, GatewayError
from edge.model.refusals import deadline, too_large
from edge.model.snapshot import RoutePlan
from edge.model.status import Code
from edge.model.unexpected import unexpected
from edge.proxy.core_stream import CoreStream
from edge.proxy.exchange import (
    Core,
    caller_is_gone,
    end_cancelled,
    end_with_failure,
    end_with_refusal,
    initial_for,
    time_limit,
)
from edge.proxy.idle import IdleTimer
from edge.proxy.metadata import valid
from edge.proxy.quirks import final_status, initial_metadata, receiver, trailing_metadata
from edge.proxy.respond import Context

HEADER_HOLD = 0.005
"""Seconds for which headers without metadata of their own are held, in case the status follows at once.

Then the answer stays Trailers-Only, which lets the caller's library try again (gRPC proposal A6). grpc.aio does not
tell headers without metadata from Trailers-Only."""


class StreamExchange:
    """Forwards the calls of one method of any shape."""

    __slots__ = ("_core", "_method")

    def __init__(self, core: Core, method: str) -> None:
        self._core = core
        self._method = method

    async def handle(self, _: object, context: Context) -> None:
        """Forward one call."""
        core = self._core
        call = core.call(self._method, context)
        forwarding: _Forwarding | None = None
        try:
            pending = core.open(call)
            if pending is not None:
                await pending
            forwarding = _Forwarding(core, call, context)
            await forwarding.run()
        except grpc.aio.AioRpcError as error:
            assert forwarding is not None, "only the upstream's side raises it"
            end_with_failure(core, context, call, error, forwarding.limit)
        except DirectReply as reply:
            if reply.code is Code.OK:
                core.dispatcher.settle(call, Code.OK, source=StatusSource.GATEWAY)
                await context.write(b"")
            else:
                end_with_refusal(core, context, call, reply)
        except GatewayError as error:
            end_with_refusal(core, context, call, error)
        except asyncio.CancelledError:
            end_cancelled(core, call)
            raise
        except Exception as error:
            if caller_is_gone(context, error):
                end_cancelled(core, call)
            else:
                end_with_refusal(core, context, call, unexpected(call, error))
        finally:
            if forwarding is not None:
                forwarding.close()
            if not call.settled:
                end_cancelled(core, call)  # the caller went while its answer was on the way


class _Forwarding:
    """One streaming call under way."""

    __slots__ = (
        "_call",
        "_context",
        "_core",
        "_idle",
        "_plan",
        "_pump",
        "_refusal",
        "_stream",
        "_task",
        "_timer",
        "limit",
    )

    def __init__(self, core: Core, call: Call, context: Context) -> None:
        plan = call.plan
        assert plan is not None, "open sets it or raises"
        self._core = core
        self._call = call
        self._context = context
        self._plan: RoutePlan = plan
        self._pump: asyncio.Task[None] | None = None
        self._refusal: GatewayError | None = None
        self._idle: IdleTimer | None = None
        self._task = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self._stream: CoreStream | None = None
        self.limit: tuple[float | None, str] = (None, "caller")

    async def run(self) -> None:
        """Forward until the upstream's side ends.

        Raises:
            AioRpcError: the upstream ended with another status than OK.
            GatewayError: the gateway ended the call.
        """
        call, core, plan = self._call, self._core, self._plan
        stream = CoreStream(core, call, lambda: time_limit(call, *plan.stream_limit, call.started))
        self._stream = stream
        self.limit = stream.limit
        loop = asyncio.get_running_loop()
        if plan.stream_idle is not None:
            self._idle = IdleTimer(loop, plan.stream_idle, self._went_idle)
        if self.limit[0] is not None and self.limit[1] != "caller":
            # the upstream's side has this limit too, but a caller that does not read holds up what comes from there
            self._timer = loop.call_later(self.limit[0], self._end, deadline(call, self.limit[1], self.limit[0]))
        self._pump = loop.create_task(self._requests(stream))
        try:
            while True:
                upstream = stream.upstream
                headed = await self._responses(stream)
                status = await final_status(upstream)
                if status is None or headed or self._refusal is not None or not await stream.again(upstream):
                    break
            if not headed and plan.response_changes:
                await self._context.send_initial_metadata(initial_for(plan, ()))
        except asyncio.CancelledError:
            if self._refusal is None or self._task is None or self._task.uncancel():
                raise
            raise self._refusal from None
        if self._refusal is not None:
            raise self._refusal
        if stream.failure is not None:
            raise stream.failure
        if status is not None:
            raise status
        trailing = await trailing_metadata(upstream)
        if trailing:
            self._context.set_trailing_metadata(valid(trailing))
        core.dispatcher.settle(call, Code.OK)

    def close(self) -> None:
        """End what is still under way on either side."""
        # what ends here is let go of too: a task that holds its exception, whose frames hold this call, is a cycle
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.cancel()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._task = None
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
        if self._stream is not None:
            self._stream.close()

    async def _responses(self, stream: CoreStream) -> bool:
        """Pass on what the attempt under way answers; return whether that was more than a status."""
        upstream, context, call, plan = stream.upstream, self._context, self._call, self._plan
        limit = plan.max_response_bytes
        keep_plain = self._core.keep_plain
        idle = self._idle
        receive = receiver(upstream)
        initial = await initial_metadata(upstream)
        headed = bool(initial)
        if headed:
            stream.answered()
            await context.send_initial_metadata(initial_for(plan, initial))
            message = await receive()
        else:
            message, headed = await self._first(stream, receive)
        while message is not grpc.aio.EOF:
            size = len(message)
            if size > limit:
                raise too_large("response", size, call)
            if idle is not None:
                idle.touch()
            if size < keep_plain:
                context.disable_next_message_compression()
            await context.write(message)
            if not call.response_messages:
                call.first_message = time.monotonic()
            call.response_messages += 1
            call.response_bytes += size
            message = await receive()
        return headed

    async def _first(self, stream: CoreStream, receive: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[Any, bool]:
        """Read the first message; when neither it nor the status follows the headers at once, send the headers.

        Returns:
            The message, and whether the answer has begun.
        """
        changes = self._plan.response_changes
        headed = False
        reading = asyncio.get_running_loop().create_task(receive())
        try:
            done, _ = await asyncio.wait((reading,), timeout=HEADER_HOLD)
            if not done:
                headed = True
                stream.answered()
                await self._context.send_initial_metadata(initial_for(self._plan, ()) if changes else ())
            message = await reading
            if message is not grpc.aio.EOF and not headed:
                headed = True
                stream.answered()
                if changes:
                    await self._context.send_initial_metadata(initial_for(self._plan, ()))
            return message, headed
        except asyncio.CancelledError:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            raise

    async def _requests(self, stream: CoreStream) -> None:
        """Pump messages to the upstream until the caller's half-close."""
        context, call = self._context, self._call
        limit = self._plan.max_request_bytes
        idle = self._idle
        try:
            while True:
                message = await context.read()
                if message is grpc.aio.EOF:
                    await stream.half_close()
                    return
                size = len(message)
                if size > limit:
                    self._end(too_large("request", size, call))
                    return
                if idle is not None:
                    idle.touch()
                await stream.send(message)
                call.request_messages += 1
                call.request_bytes += size
        except (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
            return  # the upstream's side has ended; how is what `run` finds out
        except grpc.aio.UsageError:
            return  # the caller's side has ended
        except Exception as error:
            self._end(unexpected(call, error))

    def _went_idle(self, seconds: float) -> None:
        self._end(deadline(self._call, "stream idle", seconds))

    def _end(self, refusal: GatewayError) -> None:
        """End the call with a refusal from outside of `run`, which may be waiting for the caller to read."""
        if self._refusal is None and self._task is not None:
            self._refusal = refusal
            if self._stream is not None:
                self._stream.cancel()
            self._task.cancel()
