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
