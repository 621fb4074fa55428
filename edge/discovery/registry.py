"""Endpoints that register themselves: the leases of all upstreams, one timer for their ends, and a source for each.

The registry belongs to the gateway and not to a configuration, so that what is registered survives a change of the
configuration for as long as the upstream still takes its endpoints from here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from edge.discovery.base import Found
from edge.discovery.leases import MOST_ENDPOINTS, Leases, Now
from edge.model.endpoint import EndpointAddress
from edge.model.snapshot import SourceState
from edge.model.watch import Watch

PACE = 0.05
"""The least seconds between two sets told for one upstream: when thousands register at once, telling the whole set for
each of them would take the square of their number."""


class _Upstream:
    """What is registered with one upstream, and who is told."""

    __slots__ = ("found", "leases", "pending", "told", "waiting")

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.found: Watch[Found] = Watch(Found(state=SourceState(success_time=time.time())))
        self.told = float("-inf")
        self.pending: asyncio.TimerHandle | None = None
        self.waiting: list[asyncio.Future[None]] = []

    def tell(self, now: Now) -> None:
        """Tell the set as it is."""
        self.told = now.monotonic
        if self.pending is not None:
            self.pending.cancel()
            self.pending = None
        self.found.set(Found(addresses=self.leases.addresses, state=SourceState(success_time=now.wall)))
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


class EndpointRegistry:
    """The endpoints that have registered with upstreams.

    An upstream is known from the moment somebody asks for its source or it is kept, and forgotten when `keep` leaves it
    out. Everything happens on one event loop.

    Args:
        most: The most endpoints of each upstream.
    """

    def __init__(self, *, most: int = MOST_ENDPOINTS) -> None:
        self._most = most
        self._upstreams: dict[str, _Upstream] = {}
        self._timer: asyncio.TimerHandle | None = None

    def keep(self, upstreams: Mapping[str, float]) -> None:
        """Take over which upstreams endpoints register with, each with its longest lease, and forget the others."""
        for name in [name for name in self._upstreams if name not in upstreams]:
            gone = self._upstreams.pop(name)
            gone.tell(_now())
        for name, max_ttl in upstreams.items():
            self._of(name).leases.max_ttl = max_ttl

    def found(self, upstream: str) -> Watch[Found]:
        """Return what is registered with an upstream, to be followed."""
        entry = self._of(upstream)
        entry.tell(_now())
        return entry.found

    def current(self, upstream: str) -> Found:
        """Return what is registered with an upstream, which need not be known."""
        entry = self._upstreams.get(upstream)
        return Found() if entry is None else entry.found.value

    def get(self, upstream: str, endpoint_id: str) -> EndpointAddress | None:
        """Return what is registered by this id."""
        entry = self._upstreams.get(upstream)
        return None if entry is None else entry.leases.get(endpoint_id)

    def create(self, upstream: str, wanted: EndpointAddress, ttl: float | None) -> EndpointAddress:
        """Register an endpoint; see `Leases.create`. It gets calls when `told` returns."""
        entry = self._of(upstream)
        self._expire()
        made = entry.leases.create(wanted, ttl, _now())
        self._tell_soon(entry)
        self._set_timer()
        return made

    def renew(self, upstream: str, endpoint_id: str) -> EndpointAddress:
        """Extend a lease; see `Leases.renew`. Nobody is told: no set has changed."""
        self._expire()
        return self._of(upstream).leases.renew(endpoint_id, _now())

    def drain(self, upstream: str, endpoint_id: str, *, drains: bool = True) -> bool:
        """Let an endpoint get no more calls for the rest of its lease, or end that; return whether it is registered."""
        entry = self._upstreams.get(upstream)
        if entry is None or not entry.leases.drain(endpoint_id, drains=drains):
            return False
        entry.tell(_now())
        return True

    def delete(self, upstream: str, endpoint_id: str) -> EndpointAddress | None:
        """End a lease now; return what it was for."""
        entry = self._upstreams.get(upstream)
        gone = entry.leases.delete(endpoint_id) if entry is not None else None
        if entry is not None and gone is not None:
            self._tell_soon(entry)
            self._set_timer()
        return gone

    async def told(self, upstream: str) -> None:
        """Return when everybody knows what has been registered with an upstream until now."""
        entry = self._upstreams.get(upstream)
        if entry is not None and entry.pending is not None:
            future = asyncio.get_running_loop().create_future()
            entry.waiting.append(future)
            await future

    def close(self) -> None:
        """Let every lease go and stop the timers."""
        self.keep({})
        self._set_timer()

    def _of(self, upstream: str) -> _Upstream:
        entry = self._upstreams.get(upstream)
        if entry is None:
            entry = self._upstreams[upstream] = _Upstream(Leases(upstream, 300.0, most=self._most))
        return entry

    def _tell_soon(self, entry: _Upstream) -> None:
        """Tell at once, or in a moment when that was done just now."""
        now = _now()
        wait = entry.told + PACE - now.monotonic
        if wait <= 0:
            entry.tell(now)
        elif entry.pending is None:
            entry.pending = asyncio.get_running_loop().call_later(wait, lambda: entry.tell(_now()))

    def _expire(self) -> None:
        """End the leases whose time has come, and tell so at once."""
        now = _now()
        for entry in self._upstreams.values():
            if entry.leases.expire(now.monotonic):
                entry.tell(now)

    def _set_timer(self) -> None:
        """Have one timer, for the lease that may end first."""
        ends = [end for entry in self._upstreams.values() if (end := entry.leases.next_end) is not None]
        if self._timer is not None:
            if ends and self._timer.when() <= min(ends):
                return  # it finds nothing to end and is set anew
            self._timer.cancel()
            self._timer = None
        if ends:
            self._timer = asyncio.get_running_loop().call_at(min(ends), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._expire()
        self._set_timer()


class RegistrySource:
    """Tells what is registered with one upstream.

    Args:
        upstream: The name of the upstream.
        registry: Where its endpoints register.
    """

    __slots__ = ("_end", "_registry", "_upstream", "found")

    def __init__(self, upstream: str, registry: EndpointRegistry) -> None:
        self._upstream = upstream
        self._registry = registry
        self._end: Callable[[], None] | None = None
        # only looked at: the configuration this is made for may never come into force
        self.found: Watch[Found] = Watch(registry.current(upstream))

    def start(self) -> None:
        """Begin to hear of what is registered."""
        told = self._registry.found(self._upstream)
        self._end = told.listen(self.found.set)
        self.found.set(told.value)

    async def close(self) -> None:
        """End that. What is registered stays for whoever follows next."""
        if self._end is not None:
            self._end()


def _now() -> Now:
    # the monotonic clock of the loop, by which its timers ring
    return Now(asyncio.get_running_loop().time(), time.time())
