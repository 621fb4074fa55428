"""The pipeline of calls to the gateway's own services: they are not routed, admitted or counted."""

from __future__ import annotations

from collections.abc import Awaitable

from edge.model.call import Call, StatusSource
from edge.model.config import Forward, Route
from edge.model.endpoint import Endpoint, EndpointAddress
from edge.model.errors import GatewayError
from edge.model.snapshot import RoutePlan
from edge.model.status import Code
from edge.wire.carrier import Carrier

_LARGEST = 2**31 - 1


class OwnPipeline:
    """Sends every call to the core.

    Args:
        carrier: The way to it.
    """

    def __init__(self, carrier: Carrier) -> None:
        self._endpoint = Endpoint(EndpointAddress("unix:"), carrier)
        # the core has limits of its own
        self._plan = RoutePlan(
            route=Route(name="", action=Forward(upstreams=())),
            max_request_bytes=_LARGEST,
            max_response_bytes=_LARGEST,
        )

    def open(self, call: Call) -> Awaitable[None] | None:
        """Let the call go on."""
        call.plan = self._plan
        return None

    def enter(self, call: Call) -> None:
        """Count nothing."""

    def pick(self, call: Call, now: float) -> Endpoint:  # noqa: ARG002 - the protocol's signature
        """Return the core."""
        return self._endpoint

    def put_back(self, call: Call) -> None:
        """Let it be sent again; nothing is leased."""

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
        """Try nothing again."""
        del call, code, now, pushback, until, timed_out, unsent
        return None

    def hedge(self, call: Call, now: float) -> Endpoint | None:
        """Send no further attempts."""
        del call, now
        return None

    def drop(self, call: Call, endpoint: Endpoint, now: float, *, failed: bool) -> None:
        """Nothing is leased."""
        del call, endpoint, now, failed

    def settle(
        self,
        call: Call,
        code: Code,
        message: str = "",
        *,
        source: StatusSource = StatusSource.UPSTREAM,
        endpoint_failed: bool = False,
    ) -> None:
        """Note that the call is over."""
        del code, message, source, endpoint_failed
        call.settled = True

    def refuse(self, call: Call, error: GatewayError, *, endpoint_failed: bool = False) -> None:
        """Note that the call is over."""
        self.settle(call, error.code, error.message, endpoint_failed=endpoint_failed)
