"""The endpoints of one upstream: discovery in, balancer out, leases in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from edge.balancing import Selection
from edge.discovery import Found, source_for
from edge.model.call import Call
from edge.model.endpoint import Endpoint, EndpointAddress, EndpointState, Judge
from edge.model.errors import NoHealthyEndpoint
from edge.model.schema import EMPTY_SCHEMA, SchemaSet
from edge.model.settings import Limits
from edge.model.snapshot import SourceState
from edge.model.upstreams import Upstream, UpstreamProtocol
from edge.tasks import Tasks
from edge.upstream.channels import Channels, credentials
from edge.upstream.grpc_endpoint import GrpcEndpoint
from edge.upstream.http_dial import tls_context
from edge.upstream.http_endpoint import HttpEndpoint
from edge.upstream.schemas import SchemaKeeper
from edge.wire.sending import Turn

_Carrier = Channels | GrpcEndpoint | HttpEndpoint

_GONE = "no longer part of the upstream"


class _Member:
    """An endpoint with the tasks that watch it."""

    __slots__ = ("carrier", "endpoint", "tasks")

    def __init__(self, found: EndpointAddress, carrier: _Carrier) -> None:
        self.carrier = carrier
        self.endpoint = Endpoint(found, carrier)
        self.endpoint.update(found)
        self.tasks = Tasks()

    async def close(self) -> None:
        await self.tasks.close()
        await self.carrier.close()


class UpstreamCluster:
    """The live side of one upstream. Nothing happens before `start`.

    Args:
        upstream: The configuration.
        limits: The limits of the gateway.
        schema: The descriptors of a schema resource, or None to learn them by reflection if the upstream says so.
        borrowed: Returns the descriptors another upstream has learnt, when a schema resource says to take those.
        turn: Who writes for the wire engine. None means that grpc.aio reaches gRPC endpoints.
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
    ) -> None:
        self.name = upstream.name
        self.upstream = upstream
        # read here, where a failure refuses the configuration, and not when it is put in force
        self._carrier = _carriers(upstream, limits, turn)
        self.given_schema = schema
        self.borrowed_schema = borrowed
        self._changed = changed
        self._tasks = Tasks()
        self._members: dict[str, _Member] = {}
        self._leaving: dict[Endpoint, _Member] = {}
        self._endpoints: tuple[Endpoint, ...] = ()
        self._selection = Selection(upstream.balancer, upstream.load_balancing)
        self._active: dict[Endpoint, int] = {}
        self._closing = False
        self._source = source_for(upstream.discovery)
        self._keeper: SchemaKeeper | None = None

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Every endpoint, whether it takes calls or not."""
        return self._endpoints

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

    def start(self) -> None:
        """Begin to follow discovery, connect and learn the descriptors."""
        if self.given_schema is None and self.borrowed_schema is None and self.upstream.reflection:
            self._keeper = SchemaKeeper(
                self.name,
                interval=self.upstream.reflection_interval,
                endpoints=self._reached,
                changed=self._changed,
            )
            self._tasks.spawn(self._keeper.run(), name=f"reflection of {self.name}")
        self._source.start()
        self._source.found.listen(self._update)
        self._update(self._source.found.value)

    async def close(self) -> None:
        """Take no more calls, let those under way finish, then close every connection."""
        self._closing = True
        self._selection.update(())
        await self._source.close()
        await self._tasks.close()
        for member in tuple(self._members.values()):
            await self._leave(member)

    async def abort(self) -> None:
        """Close every connection now, whatever is under way."""
        await self._source.close()
        await self._tasks.close()
        for member in (*self._members.values(), *self._leaving.values()):
            await member.close()
        self._members.clear()
        self._leaving.clear()

    @property
    def idle(self) -> bool:
        """Whether a closed cluster has finished its last call."""
        return self._closing and not self._leaving

    async def refresh_schema(self) -> None:
        """Read the descriptors again now."""
        if self._keeper is not None:
            await self._keeper.look()

    def pick(self, call: Call, now: float) -> Endpoint:
        """Lease an endpoint to the call.

        Raises:
            NoHealthyEndpoint: none takes calls.
        """
        endpoint = self._selection.pick(call, now)
        if endpoint is None:
            raise self._nobody()
        endpoint.active += 1
        return endpoint

    def release(self, endpoint: Endpoint, *, failed: bool, latency: float, now: float) -> None:
        """End a lease."""
        endpoint.active -= 1
        endpoint.total += 1
        if failed:
            endpoint.failed += 1
        self._selection.settle(endpoint, failed=failed, latency=latency, now=now)
        if self._leaving and not endpoint.active and (member := self._leaving.pop(endpoint, None)) is not None:
            Tasks.detached(member.close(), name=f"close endpoint {endpoint.address}")

    def put_back(self, endpoint: Endpoint) -> None:
        """End a lease that was not used: nothing is learnt from it."""
        endpoint.active -= 1
        if self._leaving and not endpoint.active and (member := self._leaving.pop(endpoint, None)) is not None:
            Tasks.detached(member.close(), name=f"close endpoint {endpoint.address}")

    def preview(self, call: Call) -> tuple[Endpoint | None, str]:
        """Return the endpoint the next call would get and how it is chosen."""
        return self._selection.preview(call, time.monotonic()), self._selection.words

    def _nobody(self) -> NoHealthyEndpoint:
        count = len(self._endpoints)
        what = f"none of its {count} endpoints takes calls" if count else "it has no endpoints"
        return NoHealthyEndpoint(
            f"upstream {self.name} is not available: {what}",
            metadata={"upstream": self.name},
            cause="; ".join(f"{endpoint.address} {endpoint.reason}" for endpoint in self._endpoints),
        )

    def _reached(self) -> Sequence[Endpoint]:
        return [endpoint for endpoint in self._endpoints if endpoint.state is EndpointState.ACTIVE]

    def _update(self, found: Found) -> None:
        """Make the members those that were found; the others finish their calls and go."""
        wanted = {address.address: address for address in found.addresses}
        for gone in [name for name in self._members if name not in wanted]:
            member = self._members.pop(gone)
            member.endpoint.judge(Judge.SOURCE, EndpointState.DRAINING, _GONE)
            Tasks.detached(self._leave(member), name=f"leave endpoint {gone}")
        for name, address in wanted.items():
            if (present := self._members.get(name)) is not None:
                present.endpoint.update(address)
                continue
            member = _Member(address, self._carrier(name))
            self._members[name] = member
            member.carrier.watch(
                member.endpoint, self._state_changed, member.tasks, connect=self.upstream.connection.warm_up
            )
        self._endpoints = tuple(self._members[name].endpoint for name in wanted)
        self._state_changed()

    async def _leave(self, member: _Member) -> None:
        if self._members.get(member.endpoint.address) is member:
            del self._members[member.endpoint.address]
        member.endpoint.judge(Judge.SOURCE, EndpointState.DRAINING, _GONE)
        if member.endpoint.active:
            self._leaving[member.endpoint] = member
        else:
            await member.close()

    def _state_changed(self) -> None:
        """Rebuild the balancer for the endpoints that take calls, and tell whoever follows."""
        if self._closing:
            return
        self._selection.update(self._endpoints)
        reached = {member.endpoint: member.carrier.made for member in self._members.values()}
        reached = {endpoint: reached[endpoint] for endpoint in self._reached()}
        if self._keeper is not None and reached != self._active:
            # an endpoint that is new or connected anew may offer other services, one that went leaves others behind
            self._keeper.wake(one for one, made in reached.items() if self._active.get(one) != made)
        self._active = reached
        self._changed()


def _carriers(upstream: Upstream, limits: Limits, turn: Turn | None) -> Callable[[str], _Carrier]:
    """Return what makes the carrier of an address, by what the endpoints speak and which engine there is."""
    if upstream.protocol is UpstreamProtocol.HTTP:
        context = tls_context(upstream)
        return lambda address: HttpEndpoint(upstream, address, context)
    tls = credentials(upstream)
    if turn is None:
        return lambda address: Channels(upstream, address, limits, tls)
    context = tls_context(upstream, ("h2",))
    return lambda address: GrpcEndpoint(upstream, address, limits, context, turn, credentials=tls)
