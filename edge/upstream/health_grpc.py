"""Probes by `grpc.health.v1`: a Watch for each service, and a Check on the interval beside them.

    Watch            says at once when a service stops or begins to serve
    Check            notices a server that is silent: the first service is asked about in every check, those that no
                     Watch is open for too
    UNIMPLEMENTED    of Watch: the services are asked about by Check; of Check: there is no health service, and any
                     answer says that the server is there. Watch is tried again when the endpoint was connected anew

A Watch that ended is opened again in growing pauses, whatever it has said, until one has lasted.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

from edge.model.status import Code
from edge.upstream.health_calls import Cancel, End, HealthCalls
from edge.upstream.health_probe import Hearer
from edge.upstream.health_services import Serving

FIRST_PAUSE = 0.25
"""Seconds before a Watch that ended is opened again; doubles each time."""

LONGEST_PAUSE = 30.0

LASTING = 10.0
"""Seconds after which a Watch that ends has lasted: it is opened again after the first pause."""


class GrpcProber:
    """Asks one endpoint.

    Args:
        calls: Makes the calls.
        hearer: Who hears of it.
    """

    def __init__(self, calls: HealthCalls, hearer: Hearer) -> None:
        self._calls = calls
        self._hearer = hearer
        self._services: tuple[str, ...] = ()
        self._checks: set[_Asked] = set()
        self._watches: dict[str, Cancel] = {}
        self._open: set[str] = set()
        self._watchable = True
        self._pause = FIRST_PAUSE
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def probe(self, *, again: bool) -> None:
        """Ask about the first service, and in the first probe of a check about those that nobody watches."""
        services = self._services[:1]
        if not again:
            self.abandon()
            services += tuple(service for service in self._services[1:] if service not in self._open)
        for service in services:
            asked = _Asked(self, service, first=service == self._services[0])
            self._checks.add(asked)
            cancel = self._calls.check(service, asked.said, asked.ended)
            asked.cancel = cancel

    def abandon(self) -> None:
        """Wait no longer."""
        checks, self._checks = self._checks, set()
        for asked in checks:
            asked.cancel()

    def ask(self, services: Sequence[str]) -> None:
        """Ask about these services from now on."""
        self._services = tuple(services)
        for service in [service for service in self._watches if service not in services]:
            self._open.discard(service)
            self._watches.pop(service)()
        self._watch()

    def anew(self) -> None:
        """The endpoint was connected anew."""
        self._watchable = True
        self._pause = FIRST_PAUSE
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._watch()

    async def close(self) -> None:
        """Stop."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.abandon()
        self.ask(())
        await self._calls.close()

    # === watches ===

    def _watch(self) -> None:
        """Open the watches that are missing, unless they are to be opened later."""
        for service in self._services:
            if service in self._watches:
                continue
            if self._may_watch():
                watched = _Watched(self, service)
                self._watches[service] = watched.cancel
                cancel = self._calls.watch(service, watched.said, watched.ended)
                watched.opened(cancel)

    def _may_watch(self) -> bool:
        return self._watchable and self._timer is None and not self._closed

    def _again(self) -> None:
        self._timer = None
        self._watch()

    def watched(self, service: str, status: Serving) -> None:
        """A Watch says how a service is. Checks of it that are under way may be answered with what was before."""
        self._open.add(service)
        for asked in self._checks:
            asked.outdated = asked.outdated or asked.service == service
        self._hearer.heard(service, status, asked=False)

    def unwatched(self, service: str, end: End, *, lasted: float) -> None:
        """A Watch has ended after so many seconds."""
        self._watches.pop(service, None)
        if lasted >= LASTING:
            self._pause = FIRST_PAUSE
        self._open.discard(service)
        if end.code is Code.UNIMPLEMENTED:
            self._watchable = False
        elif end.code is Code.NOT_FOUND:
            # what servers answered about services they do not know before Watch was settled
            self._open.add(service)
            self._hearer.heard(service, Serving.SERVICE_UNKNOWN, asked=False)
        if self._may_watch():
            pause, self._pause = self._pause * random.uniform(0.8, 1.0), min(self._pause * 2, LONGEST_PAUSE)
            self._timer = asyncio.get_running_loop().call_later(pause, self._again)

    # === checks ===

    def answered(self, asked: _Asked, status: Serving) -> None:
        """A Check was answered. The others of the same question interest nobody any more."""
        if not self._over(asked):
            return
        if not asked.outdated:
            self._hearer.heard(asked.service, status, asked=True)
        elif asked.first:
            self._hearer.answered()

    def unanswered(self, asked: _Asked, end: End) -> None:
        """A Check has ended without a status."""
        if not self._over(asked):
            return
        if end.code is Code.NOT_FOUND:
            self._hearer.heard(asked.service, Serving.SERVICE_UNKNOWN, asked=True)
        elif end.code is Code.UNIMPLEMENTED:
            if not asked.first:
                return
            if asked.service in self._open:
                self._hearer.answered()  # a server that offers Watch alone
            else:
                self._hearer.mute()
        elif asked.first:
            self._hearer.failed(end.words)

    def _over(self, asked: _Asked) -> bool:
        """End the questions about a service; return whether there was one."""
        if asked not in self._checks:
            return False
        for other in [other for other in self._checks if other.service == asked.service]:
            self._checks.discard(other)
            if other is not asked:
                other.cancel()
        return True


class _Asked:
    """A Check that is under way."""

    __slots__ = ("_prober", "cancel", "first", "outdated", "service")

    def __init__(self, prober: GrpcProber, service: str, *, first: bool) -> None:
        self._prober = prober
        self.service = service
        self.first = first
        self.outdated = False
        self.cancel: Cancel = _nothing

    def said(self, status: Serving) -> None:
        self._prober.answered(self, status)

    def ended(self, end: End) -> None:
        self._prober.unanswered(self, end)


class _Watched:
    """A Watch that is open or being opened."""

    __slots__ = ("_began", "_cancel", "_prober", "_service", "_stopped")

    def __init__(self, prober: GrpcProber, service: str) -> None:
        self._began = time.monotonic()
        self._prober = prober
        self._service = service
        self._cancel: Cancel = _nothing
        self._stopped = False

    def opened(self, cancel: Cancel) -> None:
        self._cancel = cancel
        if self._stopped:
            cancel()

    def cancel(self) -> None:
        self._stopped = True
        self._cancel()

    def said(self, status: Serving) -> None:
        if not self._stopped:
            self._prober.watched(self._service, status)

    def ended(self, end: End) -> None:
        if not self._stopped:
            self._stopped = True
            self._prober.unwatched(self._service, end, lasted=time.monotonic() - self._began)


def _nothing() -> None:
    pass
