"""The upstream's side of a streaming call over grpc.aio, through one attempt or several.

Requests are kept until the answer begins or they are too many. Whoever notices that an attempt has failed, by sending
or by receiving, asks for another one; the first who asks makes it, and what was kept is sent again there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from edge.model.call import Call
from edge.model.errors import GatewayError
from edge.model.refusals import late
from edge.model.snapshot import RoutePlan
from edge.proxy.core_attempts import Limit, ask_again, lease_again, seconds_left, with_attempts
from edge.proxy.exchange import Core, shrunk
from edge.proxy.quirks import final_status, sender
from edge.resilience.retry import is_idempotent
from edge.upstream.channels import Connection, WireMetadata

ENDED = (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError, grpc.aio.UsageError)
"""What sending raises when the upstream's side has ended."""

_EACH = 64
"""Bytes that a message counts for besides its own, so that many small ones have a bound too."""


class CoreStream:
    """The attempts of one call. The first begins at once.

    Args:
        core: The core.
        call: The call, opened.
        limit: Returns the seconds from the arrival of the call that it may take, and who says so.
        begun: Returns whether an attempt whose side has ended has answered with a message, which it reads: gRPC keeps
            a status back until what came before it was read. None for who reads while it sends.

    Raises:
        GatewayError: it could not be made.
    """

    def __init__(
        self,
        core: Core,
        call: Call,
        limit: Callable[[], Limit],
        begun: Callable[[Any], Awaitable[bool]] | None = None,
    ) -> None:
        plan = call.plan
        assert plan is not None, "the call has been opened"
        self.failure: GatewayError | None = None
        """Why there was no further attempt, when it was not how the last one ended."""
        self._core = core
        self._call = call
        self._begun = begun
        self._plan: RoutePlan = plan
        connection, self._metadata = core.lease(call)
        self.limit = limit()
        rule = plan.retry
        self._repeats = rule.max_attempts > 1 and (rule.any_method or is_idempotent(call))
        self._kept: list[bytes] | None = []
        self._kept_size = 0
        self._sent = 0
        self._half_closed = False
        self._settled = False
        self._timed_out = False
        self._timer: asyncio.TimerHandle | None = None
        self._sending = asyncio.Lock()
        self._repeating = asyncio.Lock()
        self._flusher: asyncio.Task[None] | None = None
        self._connected: Any = None
        self._send: Callable[[bytes], Awaitable[None]] | None = None
        self.upstream: Any = None
        """The attempt under way."""
        self._begin(connection)

    def _begin(self, connection: Connection) -> None:
        seconds = seconds_left(self._call, self.limit)
        metadata = WireMetadata(with_attempts(self._call, self._metadata))
        self._sent = 0
        self._timed_out = False
        self.upstream = connection.stream(self._call.method)(
            timeout=None if seconds is None else shrunk(seconds), metadata=metadata
        )
        per_try = self._plan.retry.per_try_timeout
        if per_try is not None:
            self._timer = asyncio.get_running_loop().call_later(per_try, self._expire, self.upstream)

    def _expire(self, upstream: Any) -> None:
        if upstream is self.upstream and not self._settled:
            self._timed_out = True
            upstream.cancel()

    # === the answer ===

    @property
    def may_repeat(self) -> bool:
        """Whether the call would be tried again if it failed now."""
        return self._repeats and not self._settled and self._kept_size <= self._plan.retry.buffer_bytes

    def answered(self) -> None:
        """The answer begins: there is no further attempt."""
        if not self._settled:
            self._settled = True
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    async def again(self, failed: Any) -> bool:
        """Make another attempt after one has ended, or wait until somebody else has; return whether there is one.

        Args:
            failed: The attempt that has ended. With OK there is never another one.
        """
        async with self._repeating:
            if failed is not self.upstream:
                return True
            if self._over() or self._kept is None or self._kept_size > self._plan.retry.buffer_bytes:
                self._late_try()
                return False
            if self._begun is not None and not failed.done() and await self._begun(failed):
                self.answered()
                return False
            status = await final_status(failed)
            wait = None if status is None else self._ask(status)
            if wait is None:
                self._late_try()
                return False
            if self._timer is not None:
                self._timer.cancel()
            await asyncio.sleep(wait)
            if self._over():
                return False  # the call was ended meanwhile
            connection = lease_again(self._core, self._call)
            if connection is None:
                self._late_try()
                return False
            try:
                self._begin(connection)
            except GatewayError as error:
                self.failure = error
                return False
        # not awaited: the endpoint may answer before it has read all of it
        if self._flusher is not None:
            self._flusher.cancel()
        self._flusher = asyncio.get_running_loop().create_task(self._resend(), name=f"resend {self._call.method}")
        return True

    def _over(self) -> bool:
        """Whether the answer has begun or the call was ended."""
        return self._settled or self.failure is not None

    def _ask(self, status: grpc.aio.AioRpcError) -> float | None:
        if self._timed_out:
            status = grpc.aio.AioRpcError(
                grpc.StatusCode.DEADLINE_EXCEEDED, status.initial_metadata(), status.trailing_metadata()
            )
        return ask_again(self._core, self._call, status, self.limit, timed_out=self._timed_out)

    def _late_try(self) -> None:
        if self._timed_out:
            self.failure = late(self._call, (self._plan.retry.per_try_timeout, "try"))

    # === the requests ===

    async def send(self, message: bytes) -> None:
        """Send one message and wait while the upstream does not read.

        Raises:
            ENDED: the upstream's side has ended, and there is no further attempt.
        """
        if self._kept is None and self._send is not None:
            await self._send(message)
            return
        assert self._kept is not None, "it goes when all of it was sent"
        self._kept.append(message)
        self._kept_size += len(message) + _EACH
        await self._all()

    async def half_close(self) -> None:
        """Say that no more messages come. Raises what `send` does."""
        self._half_closed = True
        if self._kept is None:
            await self.upstream.done_writing()
        else:
            await self._all()

    async def _all(self) -> None:
        """Send whatever was not sent in this attempt, or in the next one if it fails meanwhile."""
        while True:
            upstream = self.upstream
            try:
                await self._flush()
            except ENDED:
                if not await self.again(upstream):
                    raise
            else:
                if upstream is self.upstream:
                    return

    async def _resend(self) -> None:
        try:
            await self._flush()
        except ENDED:
            return  # whoever receives finds out how it ended

    async def _flush(self) -> None:
        """Send what is kept and was not sent in this attempt, in order, whoever else does the same."""
        async with self._sending:
            upstream = self.upstream
            if self._connected is not upstream:
                await upstream.wait_for_connection()
                if upstream is not self.upstream:
                    return
                self._connected = upstream
                self._send = sender(upstream)
            send, kept = self._send, self._kept
            if send is None or kept is None:
                return
            while self._sent < len(kept):
                self._sent += 1
                await send(kept[self._sent - 1])
                if upstream is not self.upstream:
                    return
            if self._half_closed:
                await upstream.done_writing()
            # once connected, a request that may not be sent twice has no further attempt: nothing else is waited for
            if not self._repeats or self._settled or self._kept_size > self._plan.retry.buffer_bytes:
                self._kept = None

    # === the end ===

    def cancel(self) -> None:
        """Cancel what is under way."""
        self.answered()
        self.upstream.cancel()

    def close(self) -> None:
        """Cancel what is under way and let go of everything."""
        self.cancel()
        flusher, self._flusher = self._flusher, None
        if flusher is not None:
            flusher.cancel()
