"""Calls of `grpc.health.v1` over grpc.aio, for the engine GRPC_AIO."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from edge.model.status import Code
from edge.tasks import Tasks
from edge.upstream.channels import Channels, connect_error
from edge.upstream.health_calls import CHECK, WATCH, Cancel, End, end_of, request_bytes, status_of
from edge.upstream.health_services import Serving

_NO_ANSWER = End(Code.INTERNAL, "answers health checks with what is no HealthCheckResponse")


class AioHealth:
    """Makes the calls of one endpoint.

    Args:
        channels: Its connections; the first one is used.
    """

    def __init__(self, channels: Channels) -> None:
        self._channel = channels.connections[0].channel
        self._tasks = Tasks()
        self._calls: set[Any] = set()
        self._guard: asyncio.Task[Any] | None = None

    def check(self, service: str, said: Callable[[Serving], None], ended: Callable[[End], None]) -> Cancel:
        """Ask once."""
        return self._cancel(self._tasks.spawn(self._check(service, said, ended), name="health check"))

    def watch(self, service: str, said: Callable[[Serving], None], ended: Callable[[End], None]) -> Cancel:
        """Ask to be told of changes."""
        if self._guard is None:
            self._guard = self._tasks.spawn(self._let_go(), name="health watches of a connection that ends")
        return self._cancel(self._tasks.spawn(self._watch(service, said, ended), name="health watch"))

    async def close(self) -> None:
        """End what is under way."""
        await self._tasks.close()

    @staticmethod
    def _cancel(task: asyncio.Task[Any]) -> Cancel:
        def cancel() -> None:
            task.cancel()

        return cancel

    async def _check(self, service: str, said: Callable[[Serving], None], ended: Callable[[End], None]) -> None:
        ask: Any = self._channel.unary_unary(CHECK)
        try:
            status = status_of(await ask(request_bytes(service)))
        except grpc.aio.AioRpcError as error:
            ended(_end(error))
            return
        if status is None:
            ended(_NO_ANSWER)
        else:
            said(status)

    async def _watch(self, service: str, said: Callable[[Serving], None], ended: Callable[[End], None]) -> None:
        ask: Any = self._channel.unary_stream(WATCH)
        call = ask(request_bytes(service))
        self._calls.add(call)
        end = end_of(Code.OK, "")
        try:
            async for data in call:
                status = status_of(data)
                if status is None:
                    end = _NO_ANSWER
                    break
                said(status)
        except grpc.aio.AioRpcError as error:
            end = _end(error)
        except asyncio.CancelledError:
            if call in self._calls:
                raise
            # `_let_go` ended the call and not somebody the task
            end = End(Code.UNAVAILABLE, "ends its connection")
        finally:
            self._calls.discard(call)
            call.cancel()
        ended(end)

    async def _let_go(self) -> None:
        """End the watches when their connection takes no more calls: they would keep it from ending."""
        channel = self._channel
        ready = grpc.ChannelConnectivity.READY
        while (state := channel.get_state()) is not grpc.ChannelConnectivity.SHUTDOWN:
            await channel.wait_for_state_change(state)
            if state is ready:
                calls, self._calls = self._calls, set()
                for call in calls:
                    with contextlib.suppress(asyncio.InvalidStateError):
                        call.cancel()


def _end(error: grpc.aio.AioRpcError) -> End:
    number: int = error.code().value[0]
    text = error.details() or ""
    if error.code() is grpc.StatusCode.UNAVAILABLE and "connect" in text.lower():
        return End(Code.UNAVAILABLE, f"cannot be reached: {connect_error(text)}")
    return end_of(Code(number), text)
