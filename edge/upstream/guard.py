"""Keeps calls from an upstream or an endpoint that fails or has enough of them: breaker, limits, outlier detection.

The decisions are those of the state machines in `edge.resilience`; here is their clock, one timer for all of them, and
what follows for endpoints and calls.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from edge.model.call import Call
from edge.model.endpoint import NO_LIMIT, Endpoint, EndpointState, Judge
from edge.model.errors import CircuitOpen, ConcurrencyLimited, GatewayError
from edge.model.upstreams import Upstream
from edge.resilience.breaker import REFUSED, Breaker, BreakerState
from edge.resilience.gate import Gate
from edge.resilience.outliers import Outliers, Verdict

_log = logging.getLogger(__name__)


class Guard:
    """What stands before the endpoints of one upstream.

    Args:
        upstream: The configuration.
        changed: Called when an endpoint or the breaker is in another state.
        clock: The monotonic clock in seconds.
    """

    def __init__(
        self, upstream: Upstream, changed: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = upstream.name
        self._changed = changed
        self._clock = clock
        settings = upstream.circuit_breaker
        self._settings = settings
        self._breaker = Breaker(settings) if settings is not None and not settings.per_endpoint else None
        self._breakers: dict[Endpoint, Breaker] | None = {} if settings is not None and settings.per_endpoint else None
        limits = upstream.concurrency
        self._limits = limits
        self._most = limits.max_calls_per_endpoint or NO_LIMIT
        self._few = min(settings.half_open_calls, self._most) if settings is not None else self._most
        self._gate: Gate[Call] | None = None
        if limits.max_calls:
            self._gate = Gate(limits.max_calls, limits.max_pending_calls)
        self._detection = upstream.outlier_detection
        self._outliers: Outliers[Endpoint] | None = None
        if upstream.outlier_detection is not None:
            self._outliers = Outliers(upstream.outlier_detection)
        self._waiting: dict[Call, asyncio.Future[None]] = {}
        self._sweep_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._closed = False
        self.admits = self._breaker is not None or self._gate is not None
        """Whether `enter` and `leave` have anything to do."""
        self._judges = self._breakers is not None or self._outliers is not None

    @property
    def breaker(self) -> tuple[BreakerState, str] | None:
        """The state of the upstream's breaker and why it is not closed, or None when it has none."""
        if self._breaker is None:
            return None
        return self._breaker.state, self._breaker.reason

    # === calls ===

    def enter(self, call: Call) -> Awaitable[None] | None:
        """Let a call go on to the upstream. Each one that has entered has to `leave`, also when this raises.

        Returns:
            None when it may go on, else what has to be awaited first.

        Raises:
            CircuitOpen: the breaker is open.
            ConcurrencyLimited: as many calls are under way, and wait, as may.
        """
        gate, breaker = self._gate, self._breaker
        if gate is not None and not gate.enter(call):
            if breaker is not None and breaker.state is BreakerState.OPEN and breaker.retry_after(self._clock()):
                raise self._open(breaker)  # nothing that it waits for would help it
            return self._wait(call, gate)
        if breaker is not None:
            self._pass_breaker(call, breaker)
        return None

    def leave(self, call: Call, failed: bool | None, now: float) -> None:
        """Let go of a call that is over.

        Args:
            call: The call.
            failed: Whether it failed for a reason of the upstream. None when it says nothing.
            now: The monotonic clock in seconds.
        """
        breaker = self._breaker
        if breaker is not None and call.ticket != REFUSED:
            ticket, call.ticket = call.ticket, REFUSED
            if breaker.settle(ticket, failed, now):
                self._tell_breaker(breaker)
        # after the breaker has learnt: who waits next asks it
        if self._gate is not None and self._gate.leave(call):
            future = self._waiting.pop(call, None)
            if future is not None:
                _refuse(future, self._limited("the call ended while it waited"))

    def tried(self, call: Call, failed: bool, now: float) -> None:
        """Learn how an attempt ended that does not end its call: the closed breaker counts each of them.

        While it is half open a call that tries has all of its attempts.
        """
        breaker = self._breaker
        if breaker is None or breaker.state is not BreakerState.CLOSED or call.ticket == REFUSED:
            return
        if breaker.settle(call.ticket, failed, now):
            self._tell_breaker(breaker)

    def _wait(self, call: Call, gate: Gate[Call]) -> Awaitable[None]:
        future = asyncio.get_running_loop().create_future()

        def go() -> None:
            self._waiting.pop(call, None)
            if future.done():
                return
            try:
                if self._breaker is not None:
                    self._pass_breaker(call, self._breaker)
            except CircuitOpen as error:
                _refuse(future, error)
            else:
                future.set_result(None)

        if not gate.wait(call, go):
            limits = self._limits
            waiting = f" and {limits.max_pending_calls} wait (max_pending_calls)" if limits.max_pending_calls else ""
            raise self._limited(f"{limits.max_calls} calls are under way (limits.max_calls){waiting}")
        self._waiting[call] = future
        return future

    def _pass_breaker(self, call: Call, breaker: Breaker) -> None:
        now = self._clock()
        before = breaker.state
        call.ticket = breaker.admit(now)
        if breaker.state is not before:
            self._tell_breaker(breaker)
        if call.ticket == REFUSED:
            raise self._open(breaker)

    def _open(self, breaker: Breaker) -> CircuitOpen:
        return CircuitOpen(
            f"calls to upstream {self._name} are held back: {breaker.reason}",
            metadata={"upstream": self._name},
            retry_after=breaker.retry_after(self._clock()) or None,
        )

    def _limited(self, words: str) -> ConcurrencyLimited:
        return ConcurrencyLimited(
            f"upstream {self._name}: {words}", metadata={"limit": "limits.max_calls", "upstream": self._name}
        )

    # === endpoints ===

    def members(self, endpoints: Sequence[Endpoint]) -> None:
        """Take over which endpoints there are."""
        breakers = self._breakers
        if breakers is not None and self._settings is not None:
            self._breakers = breakers = {one: breakers.get(one) or Breaker(self._settings) for one in endpoints}
        for endpoint in endpoints:
            breaker = None if breakers is None else breakers[endpoint]
            if breaker is None or breaker.state is not BreakerState.HALF_OPEN:
                endpoint.max_active = self._most
        if self._outliers is not None:
            self._outliers.members(endpoints)
        if self._outliers is not None or breakers is not None:
            self._arm()

    def settle(
        self, endpoint: Endpoint, *, failed: bool | None, latency: float, now: float, began: float | None = None
    ) -> None:
        """Learn how a call to an endpoint ended.

        Args:
            endpoint: The endpoint.
            failed: Whether it failed for a reason of the endpoint. None when it says nothing.
            latency: Seconds it took, a stream until its first message.
            now: The monotonic clock in seconds.
            began: When it began, by the same clock. None means that it took no longer than `latency`.
        """
        if not self._judges or self._closed:
            return
        changed = False
        breaker = self._breakers.get(endpoint) if self._breakers is not None else None
        if breaker is not None:
            if began is None:
                began = now - latency
            if breaker.learn(failed, began, now):
                changed = self._judge(endpoint, breaker)
            elif breaker.state is BreakerState.HALF_OPEN and began < breaker.entered:
                endpoint.max_active = max(endpoint.max_active - 1, self._few)
        if self._outliers is not None and failed is not None:
            verdict = self._outliers.settle(endpoint, failed=failed, latency=latency, now=now)
            changed = (verdict is not None and self._apply(verdict)) or changed
        if changed:
            self._arm()
            self._changed()

    def close(self) -> None:
        """End the timer for good; calls that wait are refused, and those under way leave as before."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for future in self._waiting.values():
            _refuse(future, self._limited("the upstream is no longer in use"))
        self._waiting.clear()

    # === time ===

    def look(self) -> None:
        """Do what is due: endpoints come back, breakers become half-open, endpoints are compared."""
        now = self._clock()
        changed = False
        if self._breaker is not None and self._breaker.look(now):
            self._tell_breaker(self._breaker, tell=False)
            changed = True
        for endpoint, breaker in (self._breakers or {}).items():
            if breaker.look(now):
                changed = self._judge(endpoint, breaker) or changed
            elif endpoint.active >= endpoint.max_active and breaker.unheard(now):
                self._judge(endpoint, breaker)
        if self._outliers is not None and self._detection is not None:
            verdicts = self._outliers.returning(now)
            if now >= self._sweep_at:
                self._sweep_at = now + self._detection.interval
                verdicts += self._outliers.sweep(now)
            for verdict in verdicts:
                changed = self._apply(verdict) or changed
        self._arm()
        if changed:
            self._changed()

    def _arm(self) -> None:
        """Have `look` called when the next thing is due."""
        if self._closed:
            return
        now = self._clock()
        breakers = (self._breaker, *(self._breakers or {}).values())
        due = [
            now + breaker.retry_after(now)
            for breaker in breakers
            if breaker is not None and breaker.state is BreakerState.OPEN
        ]
        due += [
            now + self._settings.open_duration
            for breaker in (self._breakers or {}).values()
            if self._settings is not None and breaker.state is BreakerState.HALF_OPEN
        ]
        if self._outliers is not None and self._detection is not None:
            if not self._sweep_at:
                self._sweep_at = now + self._detection.interval
            due.append(self._sweep_at)
            if (back := self._outliers.next_return) is not None:
                due.append(back)
        if not due:
            return
        if self._timer is not None:
            if not self._timer.cancelled() and now <= self._due <= min(due):
                return
            self._timer.cancel()
        self._due = min(due)
        self._timer = asyncio.get_running_loop().call_later(max(self._due - now, 0.0), self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self.look()

    # === what follows ===

    def _judge(self, endpoint: Endpoint, breaker: Breaker) -> bool:
        """Keep calls from an endpoint, or let some come, as its breaker says."""
        if breaker.state is BreakerState.OPEN:
            _log.warning("endpoint %s of %s: circuit breaker open: %s", endpoint.address, self._name, breaker.reason)
            endpoint.note_error(breaker.reason)
            return endpoint.judge(Judge.BREAKER, EndpointState.EJECTED, f"circuit breaker open: {breaker.reason}")
        # calls from before are under way still, perhaps for hours: they must not keep those away that try
        half = breaker.state is BreakerState.HALF_OPEN
        endpoint.max_active = min(endpoint.active + self._few, self._most) if half else self._most
        return endpoint.judge(Judge.BREAKER, None)

    def _apply(self, verdict: Verdict[Endpoint]) -> bool:
        endpoint = verdict.key
        if not verdict.reason:
            return endpoint.judge(Judge.OUTLIER, None)
        _log.warning("endpoint %s of %s: outlier: %s", endpoint.address, self._name, verdict.reason)
        endpoint.note_error(verdict.reason)
        return endpoint.judge(Judge.OUTLIER, EndpointState.EJECTED, verdict.reason)

    def _tell_breaker(self, breaker: Breaker, *, tell: bool = True) -> None:
        level = logging.WARNING if breaker.state is BreakerState.OPEN else logging.INFO
        words = f": {breaker.reason}" if breaker.reason else ""
        _log.log(level, "circuit breaker of %s is %s%s", self._name, breaker.state.value.lower(), words)
        if tell:
            self._arm()
            self._changed()


def _refuse(future: asyncio.Future[None], error: GatewayError) -> None:
    """Tell who waits, if anybody still does."""
    if not future.done():
        future.set_exception(error)
        future.exception()  # nobody is to be told that nobody awaited it
