"""The pipeline of a call, whatever engine carries it: match, admit, pick, settle.

Every call that an engine opens is settled exactly once. Nothing here does I/O, parses or allocates per message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from random import random
from typing import Final

from edge.model.call import Call, CallFinished, Protocol, StatusSource
from edge.model.config import DirectResponse, Redirect
from edge.model.endpoint import Endpoint
from edge.model.errors import ConcurrencyLimited, DeadlineExceeded, DirectReply, GatewayError, NoRoute, RedirectReply
from edge.model.pipeline import Settled
from edge.model.refusals import late
from edge.model.schema import Shape
from edge.model.snapshot import Admission, RoutePlan, Snapshot, UpstreamPlan
from edge.model.status import Code
from edge.model.watch import Watch
from edge.proxy.attempts import FAULTS, Attempts, attempt_started
from edge.proxy.redirect import redirect_location

NEARLY: Final = 0.99
"""The part of a deadline after which an endpoint that speaks of one means it: it was told a little less."""


class Dispatcher:
    """The pipeline.

    Args:
        snapshot: The configuration in force.
        max_calls: The most calls at once; 0 for no limit.
    """

    def __init__(self, snapshot: Watch[Snapshot], *, max_calls: int = 0) -> None:
        self.active_calls = 0
        self.total_calls = 0
        self._attempts = Attempts()
        self._take(snapshot.value)
        self._max_calls = max_calls
        self._listeners: tuple[Settled, ...] = ()
        snapshot.listen(self._take)

    def _take(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._attempts.know(snapshot.clusters.values())

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
        return _draw(call, plan) if plan.guarded else None

    def enter(self, call: Call) -> None:
        """Count a call that is not opened because it is refused before; it is settled like any other."""
        self.active_calls += 1
        call.snapshot = self._snapshot

    def pick(self, call: Call, now: float) -> Endpoint:
        """Choose upstream and endpoint, and lease the endpoint to the call.

        Raises:
            NoHealthyEndpoint: the upstream has no endpoint that takes calls.
            CancelledError: the call is over. Another engine has it that has not heard yet that its caller left.
        """
        if call.settled:
            raise asyncio.CancelledError
        plan = call.plan
        assert plan is not None, "pick comes after open"
        upstream = call.upstream
        if upstream is None:  # an upstream once drawn is kept, also for further attempts
            call.upstream = upstream = plan.single or _drawn(plan)
        endpoint = upstream.cluster.pick(call, now)
        call.endpoint = endpoint
        call.attempts += 1
        return endpoint

    def put_back(self, call: Call) -> None:
        """End the lease of an attempt that never reached the endpoint, so that another one can be picked."""
        if call.settled:
            return
        endpoint, call.endpoint = call.endpoint, None
        if endpoint is not None and call.upstream is not None:
            call.tried = endpoint
            call.upstream.cluster.put_back(endpoint)

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
        """Say whether a failed attempt is followed by another one; see `Pipeline.again`."""
        if call.settled:
            return None
        return self._attempts.again(call, code, now, pushback=pushback, until=until, timed_out=timed_out, unsent=unsent)

    def hedge(self, call: Call, now: float) -> Endpoint | None:
        """Lease an endpoint for a further attempt beside those under way; see `Pipeline.hedge`."""
        return None if call.settled else self._attempts.hedge(call, now)

    def drop(self, call: Call, endpoint: Endpoint, now: float, *, failed: bool) -> None:
        """End the lease of an attempt beside the call's own."""
        upstream = call.upstream
        if upstream is None:
            return
        if not failed:
            upstream.cluster.put_back(endpoint)
            return
        upstream.cluster.release(endpoint, failed=True, latency=now - attempt_started(call, endpoint), now=now)
        if upstream.guarded:
            upstream.cluster.tried(call, True, now)

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
        upstream = call.upstream
        if upstream is not None:
            failed: bool | None = endpoint_failed
            if not failed:
                failed = code in FAULTS if source is StatusSource.UPSTREAM else None
                if failed and code is Code.DEADLINE_EXCEEDED and _told_late(call, now):
                    failed = None
            if call.endpoint is not None:
                began, first = attempt_started(call, call.endpoint), call.first_message
                # a stream takes as long as it likes; how long its first message took says how quick the endpoint is
                latency = max((now if first is None else first) - began, 0.0)
                upstream.cluster.release(call.endpoint, failed=failed, latency=latency, now=now, began=began)
            if upstream.guarded:
                upstream.cluster.leave(call, failed, now)
        if self._listeners:
            finished = CallFinished(call, code, message, source, now)
            for listener in self._listeners:
                listener(finished)

    def refuse(self, call: Call, error: GatewayError, *, endpoint_failed: bool = False) -> None:
        """Settle a call that the gateway itself ends."""
        call.reason = error.reason
        call.cause = error.cause
        if isinstance(error, DeadlineExceeded) and error.metadata.get("deadline") != "caller":
            endpoint_failed = endpoint_failed or call.endpoint is not None  # which had all the time it may have
        self.settle(call, error.code, error.message, source=StatusSource.GATEWAY, endpoint_failed=endpoint_failed)


def _told_late(call: Call, now: float) -> bool:
    """Whether an endpoint that speaks of a deadline means the caller's, which it was told and which is no fault."""
    deadline = call.deadline
    return deadline is not None and now - call.started >= NEARLY * (deadline - call.started)


async def _admit_rest(call: Call, pending: Awaitable[None], admissions: tuple[Admission, ...], plan: RoutePlan) -> None:
    """Go on after the first admission that had to wait."""
    await pending
    for admission in admissions:
        waiting = admission.admit(call)
        if waiting is not None:
            await waiting
    if not plan.upstreams:
        raise _direct(call, plan)
    if plan.guarded and (waiting := _draw(call, plan)) is not None:
        await waiting


def _draw(call: Call, plan: RoutePlan) -> Awaitable[None] | None:
    """Choose the upstream, and let the call go on to it if that has a breaker or limits."""
    call.upstream = upstream = plan.single or _drawn(plan)
    if not upstream.guarded:
        return None
    pending = upstream.cluster.enter(call)
    return None if pending is None else _in_time(call, plan, upstream, pending)


async def _in_time(call: Call, plan: RoutePlan, upstream: UpstreamPlan, pending: Awaitable[None]) -> None:
    """Wait for a place with the upstream, but no longer than the call may take."""
    method = upstream.cluster.schema.methods.get(call.method)
    streaming = call.protocol is not Protocol.HTTP and (method is None or method.shape is not Shape.UNARY)
    seconds, whose = plan.stream_limit if streaming else upstream.unary_limit
    end = None if seconds is None else call.started + seconds
    if call.deadline is not None and (end is None or call.deadline < end):
        end, whose = call.deadline, "caller"
    try:
        async with asyncio.timeout(None if end is None else max(end - time.monotonic(), 0.0)):
            await pending
    except TimeoutError:
        raise late(call, (seconds, whose)) from None


def _drawn(plan: RoutePlan) -> UpstreamPlan:
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
