"""The endpoints of one upstream: discovery in, balancer out, leases in between."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from edge.balancing import Selection
from edge.discovery import Found, Sources
from edge.model.call import Call
from edge.model.endpoint import Endpoint, EndpointAddress
from edge.model.schema import EMPTY_SCHEMA, SchemaSet
from edge.model.settings import Limits
from edge.model.snapshot import SourceState
from edge.model.upstreams import Upstream
from edge.tasks import Tasks
from edge.upstream.guard import Guard
from edge.upstream.health import HealthChecks
from edge.upstream.member import carriers
from edge.upstream.members import Members
from edge.upstream.narrowing import Narrowing
from edge.upstream.nobody import nobody
from edge.upstream.schemas import SchemaKeeper
from edge.wire.sending import Turn


class UpstreamCluster:
    """The live side of one upstream. Nothing happens before `start`.

    Args:
        upstream: The configuration.
        limits: The limits of the gateway.
        schema: The descriptors of a schema resource, or None to learn them by reflection if the upstream says so.
        borrowed: Returns the descriptors another upstream has learnt, when a schema resource says to take those.
        turn: Who writes for the wire engine. None means that grpc.aio reaches gRPC endpoints.
        sources: Makes the source of the endpoints. None means one that shares nothing with others.
        drained: The addresses an operator drains. They outlive the cluster when its upstream changes.
        changed: Called after each change of an endpoint's state, of discovery or of the descriptors.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        limits: Limits,
        changed: Callable[[], None],
        schema: SchemaSet | None = None,
        borrowed: Callable[[], tuple[SchemaSet, SourceState]] | None = None,
        turn: Turn | None = None,
        sources: Sources | None = None,
        drained: set[str] | None = None,
    ) -> None:
        self.name = upstream.name
        self.upstream = upstream
        # read here, where a failure refuses the configuration, and not when it is put in force
        carrier = carriers(upstream, limits, turn)
        self.given_schema = schema
        self.borrowed_schema = borrowed
        self._changed = changed
        self._tasks = Tasks()
        self._members = Members(
            carrier,
            set() if drained is None else drained,
            connect=upstream.connection.warm_up,
            changed=self._state_changed,
        )
        self._selection = Selection(upstream.balancer, upstream.load_balancing)
        self._narrowing = Narrowing(upstream.balancer, upstream.load_balancing)
        self._guard = Guard(upstream, self._state_changed)
        self._health = HealthChecks(upstream, lambda: self.schema.services, self._state_changed)
        self._active: Mapping[Endpoint, int] = {}
        self._started = False
        self._closing = False
        self._successor: UpstreamCluster | None = None
        self._source = (sources or Sources()).source_for(self.name, upstream.discovery)
        self._found: tuple[EndpointAddress, ...] | None = None
        self._keeper: SchemaKeeper | None = None

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Every endpoint, whether it takes calls or not."""
        return self._members.endpoints

    @property
    def discovery(self) -> SourceState:
        """How learning the endpoints goes."""
        return self._source.found.value.state

    @property
    def schema(self) -> SchemaSet:
        """The descriptors in force."""
        if self.given_schema is not None:
            return self.given_schema
        if self.borrowed_schema is not None:
            return self.borrowed_schema()[0]
        return self._keeper.schema if self._keeper is not None else EMPTY_SCHEMA

    @property
    def schema_source(self) -> SourceState:
        """How learning the descriptors goes."""
        if self.borrowed_schema is not None:
            return replace(self.borrowed_schema()[1], versions=())  # those are the endpoints of the lender
        return self._keeper.state if self._keeper is not None else SourceState()

    @property
    def found(self) -> Found:
        """What discovery has found."""
        return self._source.found.value

    def start(self, known: Found | None = None) -> None:
        """Begin to follow discovery, connect and learn the descriptors. A second time does nothing.

        Args:
            known: What the same discovery has found before, to serve calls with until it has asked anew.
        """
        if self._started:
            return
        self._started = True
        if self.given_schema is None and self.borrowed_schema is None and self.upstream.reflection:
            self._keeper = SchemaKeeper(
                self.name,
                interval=self.upstream.reflection_interval,
                endpoints=self._reached,
                changed=self._learnt,
            )
            self._tasks.spawn(self._keeper.run(), name=f"reflection of {self.name}")
        self._source.start()
        if known is not None and self.found.state.success_time is None:
            self._source.found.set(known)
        self._source.found.listen(self._update)
        self._update(self._source.found.value)

    async def close(self, successor: UpstreamCluster | None = None) -> None:
        """Take no more calls, let those under way finish, then close every connection.

        Args:
            successor: Where further attempts of calls go that were opened before, and those that have waited since.
        """
        self._closing = True
        self._successor = successor
        self._selection.update(())
        self._narrowing.update(())
        await self._stop()
        self._members.dismiss()

    async def abort(self) -> None:
        """Close every connection now, whatever is under way."""
        await self._stop()
        await self._members.close()

    async def _stop(self) -> None:
        await self._source.close()
        await self._tasks.close()
        self._guard.close()
        await self._health.close()

    @property
    def idle(self) -> bool:
        """Whether a closed cluster has finished its last call."""
        return self._closing and not self._members.leaving

    async def refresh_schema(self) -> None:
        """Read the descriptors again now."""
        if self._keeper is not None:
            await self._keeper.look()

    def pick(self, call: Call, now: float) -> Endpoint:
        """Lease an endpoint to the call.

        Raises:
            NoHealthyEndpoint: none takes calls.
        """
        selection = self._selection
        if self._narrowing.active and (narrow := self._narrowing.find(call.method)) is not None:
            selection = narrow.selection
        endpoint = selection.pick(call, now)
        if endpoint is None:
            if self._successor is not None:
                return self._successor.pick(call, now)
            most = self.upstream.concurrency.max_calls_per_endpoint
            raise nobody(self, call.method, self._narrowing.find(call.method), most=most)
        endpoint.active += 1
        return endpoint

    @property
    def admits(self) -> bool:
        """Whether `enter` and `leave` have to be called."""
        return self._guard.admits

    @property
    def breaker(self) -> tuple[str, str] | None:
        """The state of the circuit breaker and why it is not closed."""
        known = self._guard.breaker
        return None if known is None else (known[0].value, known[1])

    def enter(self, call: Call) -> Awaitable[None] | None:
        """Let a call go on to the upstream; see `Guard.enter`."""
        return self._guard.enter(call)

    def leave(self, call: Call, failed: bool | None, now: float) -> None:
        """Let go of a call that is over; see `Guard.leave`."""
        self._guard.leave(call, failed, now)

    def tried(self, call: Call, failed: bool, now: float) -> None:
        """Learn how an attempt ended that does not end its call; see `Guard.tried`."""
        self._guard.tried(call, failed, now)

    def release(
        self, endpoint: Endpoint, *, failed: bool | None, latency: float, now: float, began: float | None = None
    ) -> None:
        """End a lease."""
        endpoint.active -= 1
        endpoint.total += 1
        if failed:
            endpoint.failed += 1
        self._guard.settle(endpoint, failed=failed, latency=latency, now=now, began=began)
        self._selection.settle(endpoint, failed=bool(failed), latency=latency, now=now)
        if self._members.leaving or self._closing:
            self._idle(endpoint)

    def put_back(self, endpoint: Endpoint) -> None:
        """End a lease that was not used: nothing is learnt from it."""
        endpoint.active -= 1
        if self._members.leaving or self._closing:
            self._idle(endpoint)

    def _idle(self, endpoint: Endpoint) -> None:
        """Close an endpoint that has left and finished its last call, whichever cluster it was one of."""
        self._members.idle(endpoint)
        if self._successor is not None:
            self._successor._idle(endpoint)

    def preview(self, call: Call) -> tuple[Endpoint | None, str]:
        """Return the endpoint the next call would get and how it is chosen."""
        narrow = self._narrowing.find(call.method)
        if narrow is not None:
            selection = narrow.selection
            return selection.preview(call, time.monotonic()), f"{selection.words}; {narrow.refusal or narrow.words}"
        return self._selection.preview(call, time.monotonic()), self._selection.words

    def _reached(self) -> Sequence[Endpoint]:
        return list(self._members.reached())

    def _update(self, found: Found) -> None:
        """Take over what discovery has found, or how it goes."""
        if found.addresses == self._found:
            self._changed()
            return
        self._found = found.addresses
        self._members.take(found.addresses, certain=found.state.success_time is not None)
        self._members_changed()

    def _members_changed(self) -> None:
        self._guard.members(self.endpoints)
        self._health.members(self.endpoints)
        self._state_changed()

    def find(self, address: str) -> Endpoint | None:
        """Return the member with this address."""
        return self._members.find(address)

    def drain(self, address: str) -> None:
        """Let a member finish its calls and get no new ones, for as long as its address is one of this upstream."""
        if self._members.drain(address):
            self._state_changed()

    def undrain(self, address: str) -> None:
        """Let a member get calls again as far as operators are concerned."""
        if self._members.undrain(address):
            self._state_changed()

    def drop(self, address: str) -> None:
        """End a member at once, with its calls. Whoever found it does not find it any more."""
        if self._members.drop(address):
            self._found = None
            self._members_changed()

    def lent(self) -> None:
        """Other upstreams may have learnt other descriptors, which are those of this one if it borrows."""
        if self.borrowed_schema is not None:
            self._health.learnt()

    def _learnt(self) -> None:
        """Other descriptors are in force, or some endpoint has others."""
        if self._keeper is not None:
            self._narrowing.learn(self._keeper.offered)
            self._narrowing.update(self.endpoints)
        self._health.learnt()
        self._changed()

    def _state_changed(self) -> None:
        """Rebuild the balancer for the endpoints that take calls, and tell whoever follows."""
        if self._closing:
            return
        self._health.noticed()
        self._selection.update(self.endpoints)
        self._narrowing.update(self.endpoints)
        reached = self._members.reached()
        if self._keeper is not None and reached != self._active:
            # an endpoint that is new or connected anew may offer other services, one that went leaves others behind
            self._keeper.wake(one for one, made in reached.items() if self._active.get(one) != made)
        self._active = reached
        self._changed()
