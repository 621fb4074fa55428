"""The time limits of one exchange with an HTTP endpoint."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

from edge.model.call import Call
from edge.model.errors import DeadlineExceeded, GatewayError
from edge.model.refusals import deadline
from edge.model.snapshot import RoutePlan
from edge.proxy.idle import IdleTimer


class HttpLimits:
    """Ends what is done within it when a time limit passes, and raises the refusal that says which.

    Until the head of the answer the limits of unary calls hold (`timeout` of route and upstream) and no others; from
    then on those of streams, because a body or a WebSocket may be as long as it likes. The caller's deadline holds
    throughout.

    Args:
        call: The call, with its upstream picked.
        plan: Its route.
    """

    __slots__ = ("_call", "_idle", "_loop", "_plan", "_scope", "_timers", "refusal")

    def __init__(self, call: Call, plan: RoutePlan) -> None:
        self._call = call
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._scope = asyncio.timeout(None)
        self.refusal: GatewayError | None = None
        """Which limit has passed, once one has."""
        self._timers: list[asyncio.TimerHandle] = []
        self._idle: IdleTimer | None = None

    async def __aenter__(self) -> Self:
        await self._scope.__aenter__()
        call, upstream = self._call, self._call.upstream
        if upstream is not None:
            self._limit(*upstream.unary_limit)
        if call.deadline is not None:
            late = DeadlineExceeded("the caller's deadline has passed", metadata={"deadline": "caller"})
            self._timers.append(self._loop.call_later(call.deadline - time.monotonic(), self._expire, late))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self._timers:
            timer.cancel()
        if self._idle is not None:
            self._idle.cancel()
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError:
            if self.refusal is not None:
                raise self.refusal from None
            raise

    def answered(self) -> None:
        """Say that the head of the answer is there."""
        plan = self._plan
        if self._call.upstream is not None and self._call.upstream.unary_limit[0] is not None:
            self._timers.pop(0).cancel()
        self._limit(*plan.stream_limit)
        if plan.stream_idle is not None:
            self._idle = IdleTimer(self._loop, plan.stream_idle, self._went_idle)

    def touch(self) -> None:
        """Say that something has passed."""
        if self._idle is not None:
            self._idle.touch()

    def _limit(self, seconds: float | None, whose: str) -> None:
        if seconds is not None:
            delay = seconds - (time.monotonic() - self._call.started)
            self._timers.append(self._loop.call_later(delay, self._expire, deadline(self._call, whose, seconds)))

    def _went_idle(self, seconds: float) -> None:
        self._expire(deadline(self._call, "stream idle", seconds))

    def _expire(self, refusal: GatewayError) -> None:
        if self.refusal is None:
            self.refusal = refusal
            self._scope.reschedule(self._loop.time())
