"""A place to try invokers in: a pipeline with one route to given addresses, by the wire engine or by grpc.aio."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge.model.call import Call, MetadataPairs
from edge.model.config import Configuration, Forward, GrpcTarget, HeaderChange, Route, RouteMatch
from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import Endpoint, EndpointAddress
from edge.model.errors import GatewayError, NoHealthyEndpoint
from edge.model.invoke import Invoker, UpstreamError, UpstreamStream
from edge.model.peers import Peers
from edge.model.resilience import DEFAULT_RETRY, HedgeRule, RetryRule
from edge.model.schema import Method, SchemaSet, Shape
from edge.model.settings import Limits
from edge.model.snapshot import RoutePlan, Snapshot, SourceState, UpstreamPlan
from edge.model.status import Code
from edge.model.upstreams import Compression, ConnectionSettings, Upstream
from edge.model.watch import Watch
from edge.proxy import Dispatcher
from edge.proxy.exchange import Core
from edge.proxy.invoke import GrpcInvoker
from edge.proxy.wire import WireEnvironment
from edge.proxy.wire_invoke import WireInvoker
from edge.routing import RadixRouteTable
from edge.tasks import Tasks
from edge.upstream.channels import Channels
from edge.upstream.grpc_endpoint import GrpcEndpoint
from edge.wire.transport import LoopTurn, LoopWheel
from tests.support.rpc import eventually

SERVICE = "a.B"
ENGINES = ("wire", "grpc")
UPSTREAM = "upstreams/u"
IDEMPOTENT = ("Flaky", "StreamFlaky")
"""The methods that the schema calls idempotent."""


class Cluster:
    """Endpoints in turn, with their leases counted."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.name = UPSTREAM
        self.endpoints = tuple(endpoints)
        self.discovery = self.schema_source = SourceState()
        paths = [f"/{SERVICE}/{name}" for name in IDEMPOTENT]
        self.schema = SchemaSet(methods={path: Method(path, Shape.UNARY, "Q", "A", idempotent=True) for path in paths})
        self.leases: list[str] = []
        self.failed: list[bool] = []
        self.enough = 0
        """After so many leases there is no endpoint any more; 0 means never."""

    def pick(self, call: Call, now: float) -> Endpoint:
        if not self.endpoints or len(self.leases) == self.enough > 0:
            raise NoHealthyEndpoint(f"{self.name} has no endpoint")
        endpoint = self.endpoints[len(self.leases) % len(self.endpoints)]
        self.leases.append(endpoint.address)
        endpoint.active += 1
        return endpoint

    def release(
        self, endpoint: Endpoint, *, failed: bool | None, latency: float, now: float, began: float | None = None
    ) -> None:
        endpoint.active -= 1
        self.failed.append(bool(failed))

    admits = False
    breaker: tuple[str, str] | None = None

    def enter(self, call: Call) -> None:
        raise AssertionError("it admits every call")

    def leave(self, call: Call, failed: bool | None, now: float) -> None:
        raise AssertionError("it admits every call")

    def tried(self, call: Call, failed: bool, now: float) -> None:
        raise AssertionError("it admits every call")

    def find(self, address: str) -> Endpoint | None:
        raise AssertionError("nobody looks for an endpoint")

    def drain(self, address: str) -> None:
        raise AssertionError("nothing is drained")

    def undrain(self, address: str) -> None:
        raise AssertionError("nothing is drained")

    def drop(self, address: str) -> None:
        raise AssertionError("nothing is dropped")

    def put_back(self, endpoint: Endpoint) -> None:
        self.release(endpoint, failed=False, latency=0.0, now=0.0)

    def preview(self, call: Call) -> tuple[Endpoint | None, str]:
        return None, "in turn"


@dataclass(kw_only=True)
class Wishes:
    """What a test wants of its route and upstream."""

    timeout: float | None = None
    stream_timeout: float | None = None
    idle: float | None = None
    max_request: int = 4 * 1024 * 1024
    max_response: int = 4 * 1024 * 1024
    changes: tuple[HeaderChange, ...] = ()
    compression: Compression = Compression.AS_CALLER
    retry: RetryRule = DEFAULT_RETRY
    hedge: HedgeRule | None = None
    limits: Limits = field(default_factory=Limits)


class Place:
    """An invoker with everything around it."""

    def __init__(self, invoker: Invoker, dispatcher: Dispatcher, cluster: Cluster, wheel: LoopWheel) -> None:
        self.invoker = invoker
        self.dispatcher = dispatcher
        self.cluster = cluster
        self.wheel = wheel

    def call(self, name: str, metadata: MetadataPairs = (), *, seconds: float | None = None) -> Call:
        """Return a call that has been opened."""
        now = time.monotonic()
        deadline = None if seconds is None else now + seconds
        call = Call(f"/{SERVICE}/{name}", metadata, peer="ipv4:198.51.100.7:4711", started=now, deadline=deadline)
        assert self.dispatcher.open(call) is None
        return call

    def settle(self, call: Call) -> None:
        self.dispatcher.settle(call, Code.OK)

    async def unary(self, name: str, request: bytes, metadata: MetadataPairs = (), **more: Any) -> Outcome:
        """Make a unary call and settle it."""
        call = self.call(name, metadata, **more)
        try:
            reply = await asyncio.wait_for(self.invoker.unary(call, request), 20)
            return Outcome(call, messages=[reply.message], initial=list(reply.initial), trailing=list(reply.trailing))
        except (UpstreamError, GatewayError) as error:
            return Outcome.of(call, error)
        finally:
            self.settle(call)

    @contextlib.asynccontextmanager
    async def stream(
        self, name: str, metadata: MetadataPairs = (), **more: Any
    ) -> AsyncIterator[tuple[Call, UpstreamStream]]:
        """Begin a stream; close and settle it at the end."""
        call = self.call(name, metadata, **more)
        stream = self.invoker.stream(call)
        try:
            yield call, stream
        finally:
            stream.close()
            self.settle(call)

    async def exchange(self, name: str, requests: Sequence[bytes], **more: Any) -> Outcome:
        """Send messages, then receive to the end."""
        async with asyncio.timeout(20), self.stream(name, **more) as (call, stream):
            found: list[bytes] = []
            initial: list[tuple[str, str | bytes]] = []
            try:
                for request in requests:
                    await stream.send(request)
                await stream.half_close()
                initial = list(await stream.initial())
                while (message := await stream.receive()) is not None:
                    found.append(message)
            except (UpstreamError, GatewayError) as error:
                return Outcome.of(call, error, found)
            return Outcome(call, messages=found, initial=initial, trailing=list(stream.trailing))

    def connections(self) -> list[Any]:
        """The connections of the wire engine."""
        found = []
        for endpoint in self.cluster.endpoints:
            if isinstance(endpoint.carrier, GrpcEndpoint):
                found += [protocol.client for protocol in endpoint.carrier._dialler.open]
        return found

    def left(self) -> dict[str, int]:
        """What calls have left behind: nothing, one hopes."""
        return {
            "timers": len(self.wheel),
            "leases": sum(endpoint.active for endpoint in self.cluster.endpoints),
            "streams": sum(len(conn.streams) for conn in self.connections()),
            "queues": sum(len(conn.waiting) for conn in self.connections()),
            "waiting": sum(
                len(endpoint.carrier._waiting)
                for endpoint in self.cluster.endpoints
                if isinstance(endpoint.carrier, GrpcEndpoint)
            ),
        }


@dataclass
class Outcome:
    """How a call went."""

    call: Call
    messages: list[bytes] = field(default_factory=list)
    initial: list[tuple[str, str | bytes]] = field(default_factory=list)
    trailing: list[tuple[str, str | bytes]] = field(default_factory=list)
    code: Code = Code.OK
    message: str = ""
    kind: str = ""
    details: list[tuple[str, bytes]] = field(default_factory=list)
    blamed: bool = False
    metadata: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, call: Call, error: UpstreamError | GatewayError, messages: Sequence[bytes] = ()) -> Outcome:
        found = cls(call, messages=list(messages), kind=type(error).__name__, code=error.status.code)
        found.message = error.status.message
        if isinstance(error, UpstreamError):
            found.initial, found.trailing = list(error.initial), list(error.trailing)
            found.blamed = error.endpoint_failed
            found.details = [(detail.type_url, detail.value) for detail in error.status.details]
        else:
            found.metadata = error.metadata
        return found

    @property
    def counts(self) -> tuple[int, int, int, int, bool]:
        call = self.call
        return (
            call.request_messages,
            call.request_bytes,
            call.response_messages,
            call.response_bytes,
            call.first_message is not None,
        )

    def same(self) -> dict[str, Any]:
        """Return what has to be the same, whatever the engine."""
        found = {key: value for key, value in vars(self).items() if key != "call"}
        return {**found, "counts": self.counts}


@contextlib.asynccontextmanager
async def place(engine: str, *addresses: str, wishes: Wishes | None = None) -> AsyncIterator[Place]:
    """Make a place where calls to `SERVICE` go to these addresses in turn."""
    wish = wishes or Wishes()
    loop = asyncio.get_running_loop()
    turn, wheel = LoopTurn(loop), LoopWheel(loop)
    upstream = Upstream(
        name=UPSTREAM,
        discovery=StaticDiscovery(endpoints=tuple(EndpointAddress(address) for address in addresses)),
        connection=ConnectionSettings(connect_timeout=5.0, max_backoff=0.2),
        compression=wish.compression,
    )
    endpoints: list[Endpoint] = []
    tasks = Tasks()
    for address in addresses:
        carrier: GrpcEndpoint | Channels
        if engine == "wire":
            carrier = GrpcEndpoint(upstream, address, wish.limits, None, turn)
        else:
            carrier = Channels(upstream, address, wish.limits, None)
        endpoint = Endpoint(EndpointAddress(address), carrier)
        carrier.watch(endpoint, lambda: None, tasks, connect=True)
        endpoints.append(endpoint)
    cluster = Cluster(endpoints)
    limit = (wish.timeout, "route")
    plan = UpstreamPlan(name=UPSTREAM, weight=1, cluster=cluster, unary_limit=limit)
    route = Route(
        name="routes/r",
        matches=(RouteMatch(target=GrpcTarget(service=SERVICE)),),
        action=Forward(upstreams=((UPSTREAM, 1),)),
        stream_timeout=wish.stream_timeout,
        stream_idle_timeout=wish.idle,
    )
    made = RoutePlan(
        route=route,
        upstreams=(plan,),
        single=plan,
        response_changes=wish.changes,
        needs_messages=wish.compression in (Compression.GZIP, Compression.DEFLATE),
        max_request_bytes=wish.max_request,
        max_response_bytes=wish.max_response,
        retry=wish.retry if wish.hedge is None else wish.hedge.in_turn,
        hedge=wish.hedge,
    )
    snapshot = Snapshot(
        configuration=Configuration(upstreams={UPSTREAM: upstream}),
        table=RadixRouteTable.build([made]),
        plans={route.name: made},
    )
    dispatcher = Dispatcher(Watch(snapshot))
    peers = Peers(())
    invoker: Invoker
    if engine == "wire":
        environment = WireEnvironment(
            dispatcher, peers, wheel, max_metadata=wish.limits.max_metadata_bytes, method=lambda _: None
        )
        invoker = WireInvoker(environment)
    else:
        core = Core(dispatcher, peers, max_metadata=wish.limits.max_metadata_bytes, keep_plain=0)
        invoker = GrpcInvoker(core)
    try:
        yield Place(invoker, dispatcher, cluster, wheel)
    finally:
        await tasks.close()
        for endpoint in endpoints:
            assert isinstance(endpoint.carrier, GrpcEndpoint | Channels)
            await endpoint.carrier.close()
        wheel.close()


async def both(
    address: str, make: Callable[[Place], Awaitable[Outcome]], wishes: Wishes | None = None
) -> tuple[Outcome, Outcome]:
    """Make a call on each engine; return how it went."""
    found = []
    for name in ENGINES:
        async with place(name, address, wishes=wishes) as made:
            found.append(await make(made))
            assert made.left()["leases"] == 0
    return found[0], found[1]


async def nothing_left(made: Place) -> None:
    """Wait until calls have left nothing behind; a peer may still have to say something."""

    async def clean() -> bool:
        return not any(made.left().values())

    try:
        await eventually(clean, within=5)
    except AssertionError:
        raise AssertionError(made.left()) from None
