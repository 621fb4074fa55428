"""What an engine asks of the pipeline, and what others may follow. Both engines use the same one.

    open → (await admission) → pick → forward … → settle

An engine calls `settle` exactly once for each call it has opened, whatever happened, also when `open` raised.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from edge.model.call import Call, CallFinished, StatusSource
from edge.model.endpoint import Endpoint
from edge.model.errors import GatewayError
from edge.model.status import Code


class Pipeline(Protocol):
    """Match, admit, pick, settle: everything about a call that is not bytes."""

    def open(self, call: Call) -> Awaitable[None] | None:
        """Take the snapshot, match the route, run its admissions.

        A call that has a plan already has been matched, in the snapshot it holds; then only the admissions run.

        Returns:
            None when the call may go on, else what has to be awaited first.

        Raises:
            GatewayError: no route takes the call, a policy refused it, or the route answers by itself.
        """
        ...

    def enter(self, call: Call) -> None:
        """Count a call that is not opened because it is refused before; it is settled like any other."""
        ...

    def pick(self, call: Call, now: float) -> Endpoint:
        """Choose upstream and endpoint, and lease the endpoint to the call.

        Raises:
            NoHealthyEndpoint: the upstream has no endpoint that takes calls.
        """
        ...

    def put_back(self, call: Call) -> None:
        """End the lease of an attempt that never reached the endpoint, so that another one can be picked."""
        ...

    def again(
        self,
        call: Call,
        code: Code,
        now: float,
        *,
        pushback: str | None = None,
        until: float = -1.0,
        timed_out: bool = False,
        unsent: bool = False,
    ) -> float | None:
        """Say whether a failed attempt is followed by another one; nothing of it may have reached the caller.

        Then its lease has ended as failed, the retry is counted, and after the wait `pick` comes again.

        Args:
            call: The call.
            code: How the attempt ended.
            now: The monotonic clock, in seconds.
            pushback: What the server said of when to try again, by `grpc-retry-pushback-ms`.
            until: When the call has to be over, by the monotonic clock, or -1.
            timed_out: Whether the attempt took longer than one may.
            unsent: Whether the request provably never left, so that it may go elsewhere whatever the method.

        Returns:
            The seconds to wait, or None when the call has failed; whoever settles it ends the lease, if it has one.
        """
        ...

    def hedge(self, call: Call, now: float) -> Endpoint | None:
        """Lease another endpoint for a further attempt while others are under way.

        Whoever calls keeps the lease that the call had, and ends it by `drop`.

        Returns:
            The endpoint, which is the call's from now on, or None when there is no further attempt.
        """
        ...

    def drop(self, call: Call, endpoint: Endpoint, now: float, *, failed: bool) -> None:
        """End the lease of an attempt beside the call's own.

        Args:
            call: The call.
            endpoint: What was leased to it.
            now: The monotonic clock, in seconds.
            failed: Whether it has failed. One that was given up because another one was faster has not.
        """
        ...

    def settle(
        self,
        call: Call,
        code: Code,
        message: str = "",
        *,
        source: StatusSource = StatusSource.UPSTREAM,
        endpoint_failed: bool = False,
    ) -> None:
        """End the lease and tell telemetry. The second and later times for one call do nothing."""
        ...

    def refuse(self, call: Call, error: GatewayError, *, endpoint_failed: bool = False) -> None:
        """Settle a call that the gateway itself ends."""
        ...


Settled = Callable[[CallFinished], None]
"""Somebody who wants to know of finished calls. It must be quick and must not raise."""
