"""Several attempts of one call beside each other, each a task of its own (gRPC proposal A6, "Hedging")."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from edge.model.call import Call
from edge.model.endpoint import Endpoint
from edge.model.errors import GatewayError
from edge.model.pipeline import Pipeline
from edge.model.status import Code

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Failure:
    """What an attempt ended with that is no answer as long as there are others."""

    code: Code
    """Its code."""

    pushback: float | None = None
    """What the server asks for; see `edge.model.resilience.pushback_seconds`."""

    unsent: bool = False
    """Whether the request provably never left."""


class Hedged(Generic[A]):
    """A call with several attempts under way.

    Args:
        pipeline: Says whether there is another attempt.
        call: The call, with an endpoint leased for the first attempt.
        send: Returns what makes an attempt at the endpoint that the call is leased to. It raises GatewayError when it
            is too late for one.
        judge: Returns what is wrong with an attempt that has ended, or None when that is the answer.
        until: When the call has to be over, by the monotonic clock, or -1.
        discard: Called with what an attempt returned that is not the answer.
    """

    __slots__ = ("_call", "_discard", "_judge", "_pipeline", "_refused", "_send", "_tasks", "_until")

    def __init__(
        self,
        pipeline: Pipeline,
        call: Call,
        send: Callable[[Endpoint], Coroutine[Any, Any, A]],
        judge: Callable[[asyncio.Task[A]], Failure | None],
        *,
        until: float,
        discard: Callable[[A], None] | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._call = call
        self._send = send
        self._judge = judge
        self._until = until
        self._discard = discard
        self._refused = False
        self._tasks: dict[asyncio.Task[A], Endpoint] = {}

    async def run(self, delay: float) -> A:
        """Return the first answer, or the last failure; the other attempts are cancelled, and the call has its lease.

        Args:
            delay: The seconds after which the next attempt is sent. After a failure it is sent at once.

        Raises:
            GatewayError: it was too late for the first attempt.
            Exception: what the attempt raised that counts.
        """
        call, tasks = self._call, self._tasks
        assert call.endpoint is not None, "leased for the first attempt"
        winner: Endpoint | None = None
        try:
            self._begin(call.endpoint)
            wait: float | None = delay
            while True:
                done, _ = await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    wait = delay if self._more() else None
                for task in done:
                    call.endpoint = lease = tasks.pop(task)
                    failure = None if task.cancelled() else self._judge(task)
                    if failure is None:
                        winner = lease
                        return task.result()
                    if failure.pushback is not None:
                        self._refused = self._refused or failure.pushback < 0.0
                        wait, sent = failure.pushback if failure.pushback >= 0.0 else None, False
                    elif not tasks and failure.unsent and (pause := self._unsent(failure)) is not None:
                        # nothing else is under way, and its lease has ended
                        await asyncio.sleep(pause)
                        if not self._again():
                            return task.result()
                        self._drop(task)
                        wait = delay
                        continue
                    else:
                        sent = self._more()
                        wait = delay if sent else None
                    if not sent and not tasks:
                        # a pause that a server asks for is made beside others under way; alone, it is the caller's
                        winner = lease
                        return task.result()
                    self._drop(task)
                    self._pipeline.drop(call, lease, time.monotonic(), failed=True)
        finally:
            call.endpoint = winner
            for task, lease in tasks.items():
                task.add_done_callback(self._drop)
                task.cancel()
                self._pipeline.drop(call, lease, time.monotonic(), failed=False)
            if tasks:
                await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, lease: Endpoint) -> None:
        """Begin an attempt.

        Raises:
            GatewayError: it is too late for it; the lease has ended.
        """
        try:
            sending = self._send(lease)
        except GatewayError:
            self._pipeline.drop(self._call, lease, time.monotonic(), failed=False)
            raise
        self._tasks[asyncio.get_running_loop().create_task(sending, name=f"attempt of {self._call.method}")] = lease

    def _more(self) -> bool:
        """Send one more; return whether there is one more."""
        endpoint = None if self._refused else self._pipeline.hedge(self._call, time.monotonic())
        if endpoint is None:
            return False
        try:
            self._begin(endpoint)
        except GatewayError:
            return False
        return True

    def _unsent(self, failure: Failure) -> float | None:
        """Return the seconds after which a request that never left, of any method, is sent elsewhere, or None."""
        return self._pipeline.again(self._call, failure.code, time.monotonic(), until=self._until, unsent=True)

    def _again(self) -> bool:
        """Send a request that never left; return whether there is an endpoint for it."""
        try:
            self._begin(self._pipeline.pick(self._call, self._call.started))
        except GatewayError:
            return False
        return True

    def _drop(self, task: asyncio.Task[A]) -> None:
        """Let go of what an attempt has returned."""
        if self._discard is not None and not task.cancelled() and task.exception() is None:
            self._discard(task.result())
