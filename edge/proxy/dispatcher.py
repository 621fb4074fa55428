"""The pipeline of a call, whatever engine carries it: match, admit, pick, settle.

Every call that an engine opens is settled exactly once. Nothing here does I/O, parses or allocates per message.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from random import random

from edge.model.call import Call, CallFinished, Protocol, StatusSource
from edge.model.config import DirectResponse, Redirect
from edge.model.endpoint import Endpoint
from edge.model.errors import ConcurrencyLimited, DirectReply, GatewayError, NoRoute, RedirectReply
from edge.model.pipeline import Settled
from edge.model.snapshot import Admission, RoutePlan, Snapshot, UpstreamPlan
from edge.model.status import Code
from edge.model.watch import Watch
from edge.proxy.redirect import redirect_location


class Dispatcher:
    """The pipeline.

    Args:
        snapshot: The configuration in force.
        max_calls: The most calls at once; 0 for no limit.
    """

    def __init__(self, snapshot: Watch[Snapshot], *, max_calls: int = 0) -> None:
        self.active_calls = 0
        self.total_calls = 0
        self._snapshot = snapshot.value
        self._max_calls = max_calls
        self._listeners: tuple[Settled, ...] = ()
        snapshot.listen(self._take)

    def _take(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def listen(self, listener: Settled) -> None:
        """Tell `listener` of each finished call from now on. Without listeners no record is made."""
        self._listeners = (*self._listeners, listener)

    def ignore(self, listener: Settled) -> None:
        """End that."""
        self._listeners = tuple(other for other in self._listeners if other is not listener)

    def open(self, call: Call) -> Awaitable[None] | None:
        """Take the snapshot, match the route, run its admissions.

        A call that has a plan already has been matched, in the snapshot it holds; then only the admissions run.

        Returns:
            None when the call may go on, else what has to be awaited first.

        Raises:
            GatewayError: no route takes the call, a policy refused it, or the route answers by itself.
        """
        self.active_calls += 1
        plan = call.plan
        if plan is None:
            call.snapshot = self._snapshot
        if self._max_calls and self.active_calls > self._max_calls:
            raise ConcurrencyLimited(
                f"the gateway has {self._max_calls} calls under way (server.limits.max_concurrent_calls)",
                metadata={"limit": "server.limits.max_concurrent_calls"},
            )
        if plan is None:
            match = self._snapshot.table.match(call)
            if match is None:
                raise no_route(call)
            plan = match.plan
            call.plan = plan
            call.path_parameters = match.parameters
        admissions = plan.admissions
        for index, admission in enumerate(admissions):
            pending = admission.admit(call)
            if pending is not None:
                return _admit_rest(call, pending, admissions[index + 1 :], plan)
        if not plan.upstreams:
            raise _direct(call, plan)
        return None

    def enter(self, call: Call) -> None:
        """Count a call that is not opened because it is refused before; it is settled like any other."""
        self.active_calls += 1
        call.snapshot = self._snapshot

    def pick(self, call: Call, now: float) -> Endpoint:
        """Choose upstream and endpoint, and lease the endpoint to the call.

        Raises:
            NoHealthyEndpoint: the upstream has no endpoint that takes calls.
        """
        plan = call.plan
        assert plan is not None, "pick comes after open"
        upstream = plan.single or _draw(plan)
        call.upstream = upstream
        endpoint = upstream.cluster.pick(call, now)
        call.endpoint = endpoint
        call.attempts += 1
        return endpoint

    def put_back(self, call: Call) -> None:
        """End the lease of an attempt that never reached the endpoint, so that another one can be picked."""
        endpoint, call.endpoint = call.endpoint, None
        if endpoint is not None and call.upstream is not None:
            call.tried = endpoint
            call.upstream.cluster.put_back(endpoint)

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
        if call.settled:
            return
        call.settled = True
        self.active_calls -= 1
        self.total_calls += 1
        now = time.monotonic()
        endpoint = call.endpoint
        if endpoint is not None and call.upstream is not None:
            call.upstream.cluster.release(endpoint, failed=endpoint_failed, latency=now - call.started, now=now)
        if self._listeners:
            finished = CallFinished(call, code, message, source, now)
            for listener in self._listeners:
                listener(finished)

    def refuse(self, call: Call, error: GatewayError, *, endpoint_failed: bool = False) -> None:
        """Settle a call that the gateway itself ends."""
        call.reason = error.reason
        call.cause = error.cause
        self.settle(call, error.code, error.message, source=StatusSource.GATEWAY, endpoint_failed=endpoint_failed)


async def _admit_rest(call: Call, pending: Awaitable[None], admissions: tuple[Admission, ...], plan: RoutePlan) -> None:
    """Go on after the first admission that had to wait."""
    await pending
    for admission in admissions:
        waiting = admission.admit(call)
        if waiting is not None:
            await waiting
    if not plan.upstreams:
        raise _direct(call, plan)


def _draw(plan: RoutePlan) -> UpstreamPlan:
    """Choose an upstream by weight."""
    point = random() * sum(upstream.weight for upstream in plan.upstreams)
    for upstream in plan.upstreams:
        point -= upstream.weight
        if point < 0:
            return upstream
    return max(plan.upstreams, key=lambda upstream: upstream.weight)  # rounding left a hair over


def _direct(call: Call, plan: RoutePlan) -> GatewayError:
    action = plan.action
    if isinstance(action, DirectResponse):
        return DirectReply(action.code, action.message, route=plan.route.name)
    if isinstance(action, Redirect) and call.protocol in (Protocol.HTTP, Protocol.REST):
        return RedirectReply(redirect_location(call, action, plan.route), action.http_status, route=plan.route.name)
    return NoRoute(
        f"{plan.route.name} redirects HTTP callers and takes no gRPC calls", metadata={"route": plan.route.name}
    )


def no_route(call: Call) -> NoRoute:
    """Return the refusal of a call that no route takes."""
    host = f" on host {call.host}" if call.host else ""
    return NoRoute(
        f"no route takes {call.method}{host}; `edge explain {call.method.lstrip('/')}` says why",
        metadata={"method": call.method, "host": call.host},
    )
