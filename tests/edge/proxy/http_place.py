"""Requests to plain HTTP backends through the pipeline, without a gateway around it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

from edge.model.call import Call, CallFinished, Protocol
from edge.model.config import Configuration, Forward, Route
from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import Endpoint, EndpointAddress, EndpointState
from edge.model.http import HttpRequest
from edge.model.invoke import Invoker
from edge.model.peers import Peers
from edge.model.resilience import DEFAULT_RETRY, HedgeRule, RetryRule
from edge.model.snapshot import RoutePlan, Snapshot, UpstreamPlan
from edge.model.upstreams import ConnectionSettings, Upstream, UpstreamProtocol
from edge.model.watch import Watch
from edge.proxy import Dispatcher
from edge.proxy.exchange import Core
from edge.proxy.http_forward import HttpForwarder
from edge.routing import RadixRouteTable
from edge.tasks import Tasks
from edge.upstream.http_endpoint import HttpEndpoint
from tests.edge.proxy.invoke_place import Cluster
from tests.support.flaky_http import Flaky
from tests.support.http_backend import WAIT, HttpBackend
from tests.support.http_exchange import MemoryExchange
from transcoding.plain import PlainResponder
from transcoding.session import Session


class HttpPlace:
    """A route to some HTTP endpoints."""

    def __init__(self, dispatcher: Dispatcher, cluster: Cluster, plan: RoutePlan) -> None:
        self.dispatcher = dispatcher
        self.cluster = cluster
        self.plan = plan
        self.finished: list[CallFinished] = []
        self.core = Core(dispatcher, Peers(()), max_metadata=1 << 20, keep_plain=0)
        dispatcher.listen(self.finished.append)

    def begin(
        self, verb: str = "GET", body: Iterable[bytes] = (), *, ended: bool = True, seconds: float | None = None
    ) -> tuple[MemoryExchange, asyncio.Task[None], Call]:
        """Begin a request."""
        headers = [("transfer-encoding", "chunked")] if body or not ended else []
        request = HttpRequest(verb, "/x", [("host", "h"), *headers], host="h", peer="ipv4:127.0.0.1:4711")
        exchange = MemoryExchange(request, body, ended=ended)
        call = Call("/x", protocol=Protocol.HTTP, verb=verb, peer=request.peer, started=request.started)
        call.plan = self.plan
        if seconds is not None:
            call.deadline = call.started + seconds
        session = Session(self.dispatcher, cast(Invoker, None), exchange, call)
        responder = PlainResponder(HttpForwarder(self.core))
        task = asyncio.get_running_loop().create_task(session.run(responder), name="request")
        return exchange, task, call

    async def ask(self, verb: str = "GET", *body: bytes, **more: Any) -> tuple[MemoryExchange, Call]:
        """Make a request and wait for its end."""
        exchange, task, call = self.begin(verb, body, **more)
        async with asyncio.timeout(WAIT):
            await task
        assert self.left() == {"leases": 0, "calls": 0, "in use": 0}
        return exchange, call

    def left(self) -> dict[str, int]:
        """What requests have left behind."""
        carriers = [cast(HttpEndpoint, endpoint.carrier) for endpoint in self.cluster.endpoints]
        return {
            "leases": sum(endpoint.active for endpoint in self.cluster.endpoints),
            "calls": self.dispatcher.active_calls,
            "in use": sum(
                connection not in carrier._idle and not connection._closed
                for carrier in carriers
                for connection in carrier._open or ()
            ),
        }


@contextlib.asynccontextmanager
async def http_place(
    *ways: str, retry: RetryRule = DEFAULT_RETRY, hedge: HedgeRule | None = None, dead: int = 0, **more: Any
) -> AsyncIterator[tuple[HttpPlace, list[Flaky]]]:
    """Make a place whose requests go in turn to the port `dead`, if any, and to a backend for each of `ways`."""
    name = "upstreams/u"
    upstream = Upstream(
        name=name,
        protocol=UpstreamProtocol.HTTP,
        discovery=StaticDiscovery(endpoints=()),
        connection=ConnectionSettings(max_backoff=60.0),
    )
    tasks = Tasks()
    async with contextlib.AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(HttpBackend()) for _ in ways]
        flaky = [Flaky(backend, way) for backend, way in zip(backends, ways, strict=True)]
        endpoints = []
        for address in [*([f"127.0.0.1:{dead}"] if dead else []), *(backend.address for backend in backends)]:
            endpoint = Endpoint(EndpointAddress(address), HttpEndpoint(upstream, address, None))
            endpoint.enter(EndpointState.ACTIVE)
            endpoints.append(endpoint)
        cluster = Cluster(endpoints)
        target = UpstreamPlan(name=name, weight=1, cluster=cluster, unary_limit=(more.pop("timeout", None), "route"))
        plan = RoutePlan(
            route=Route(name="routes/r", action=Forward(upstreams=((name, 1),)), **more),
            upstreams=(target,),
            single=target,
            max_request_bytes=1 << 20,
            max_response_bytes=1 << 20,
            retry=retry if hedge is None else hedge.in_turn,
            hedge=hedge,
        )
        snapshot = Snapshot(
            configuration=Configuration(upstreams={name: upstream}),
            table=RadixRouteTable.build([]),
            plans={plan.route.name: plan},
        )
        try:
            yield HttpPlace(Dispatcher(Watch(snapshot)), cluster, plan), flaky
        finally:
            await tasks.close()
            for endpoint in endpoints:
                await cast(HttpEndpoint, endpoint.carrier).close()
