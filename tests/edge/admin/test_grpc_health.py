from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from edge.admin import grpc_health
from edge.admin.grpc_health import HealthServicer, ServingStates
from edge.admin.register import register_traffic
from edge.model.config import DirectResponse, GrpcTarget, HttpTarget, Route, RouteMatch
from edge.model.endpoint import EndpointState
from edge.model.schema import Method, SchemaSet, Shape
from edge.model.snapshot import RoutePlan
from edge.model.status import Code
from edge.model.watch import Watch
from tests.edge.admin.fakes import TIMEOUT, FakeCluster, FakeRuntime, endpoint, following, forward_plan, serving, until

UNKNOWN_SERVICE, NOT_SERVING, SERVING = 3, 2, 1
DOWN = EndpointState.UNHEALTHY
BOOKS = SchemaSet(services={"books.v1.Books": (Method("/books.v1.Books/Get", Shape.UNARY, "A", "B"),)})


def matches(*services: str) -> tuple[RouteMatch, ...]:
    return tuple(RouteMatch(target=GrpcTarget(service=service)) for service in services)


def states(runtime: FakeRuntime, *own: str) -> ServingStates:
    return ServingStates(runtime, Watch(False), own)


def test_the_gateway_serves_once_a_configuration_is_in_force() -> None:
    runtime = FakeRuntime()
    assert states(runtime).serving("") is False
    runtime.put(FakeCluster("upstreams/a"))
    assert states(runtime).serving("") is True


@pytest.mark.parametrize(
    ("endpoints", "serves"),
    [
        ([], False),
        ([DOWN], False),
        ([EndpointState.EJECTED, EndpointState.DRAINING], False),
        ([DOWN, EndpointState.ACTIVE], True),
        ([EndpointState.CONNECTING], True),
    ],
)
def test_an_upstream_and_its_services_serve_when_an_endpoint_takes_calls(
    endpoints: list[EndpointState], serves: bool
) -> None:
    cluster = FakeCluster(
        "upstreams/a", *(endpoint(f"h:{n}", state) for n, state in enumerate(endpoints)), schema=BOOKS
    )
    found = states(FakeRuntime(cluster))
    assert found.serving("upstreams/a") is serves
    assert found.serving("books.v1.Books") is serves
    assert found.serving("books.v1.Book") is None
    assert found.serving("BOOKS.v1.Books") is None


def test_a_service_serves_when_one_of_its_upstreams_or_routes_does() -> None:
    up, down = FakeCluster("upstreams/up", endpoint("h:1")), FakeCluster("upstreams/down", endpoint("h:2", DOWN))
    direct = RoutePlan(
        route=Route(name="routes/d", matches=matches("direct"), action=DirectResponse(code=Code.OK)),
        max_request_bytes=1,
        max_response_bytes=1,
    )
    plans = [
        forward_plan("routes/1", (down, 1), matches=matches("one", "both")),
        forward_plan("routes/2", (up, 1), (down, 1), matches=matches("two", "both")),
        forward_plan("routes/3", (up, 0), (down, 1), matches=(*matches("three", ""), RouteMatch())),
        forward_plan("routes/4", (up, 1), matches=(RouteMatch(target=HttpTarget(path="/four")),)),
        direct,
    ]
    found = states(FakeRuntime(up, down, plans={plan.route.name: plan for plan in plans}), "own")
    names = ("one", "two", "both", "three", "four", "direct", "own")
    assert [found.serving(name) for name in names] == [False, True, True, False, None, True, True]
    assert found.names() == ["", "both", "direct", "one", "own", "three", "two", "upstreams/down", "upstreams/up"]


async def check(channel: grpc.aio.Channel, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    return int((await health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT)).status)


def watch(channel: grpc.aio.Channel, service: str) -> Any:
    return health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=service))


async def test_check_answers_or_is_not_found() -> None:
    runtime = FakeRuntime(FakeCluster("upstreams/a", endpoint("h:1", DOWN), schema=BOOKS))
    async with serving(lambda server: register_traffic(server, runtime)) as channel:
        assert await check(channel, "") == SERVING
        assert await check(channel, "books.v1.Books") == NOT_SERVING
        assert await check(channel, "grpc.health.v1.Health") == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await check(channel, "nobody")
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_watch_sends_at_once_and_then_only_what_is_another_status() -> None:
    one = endpoint("h:1")
    runtime = FakeRuntime(FakeCluster("upstreams/a", one, schema=BOOKS))
    async with serving(lambda server: register_traffic(server, runtime)) as channel:
        stream = watch(channel, "books.v1.Books")
        assert (await following(stream)).status == SERVING
        one.enter(EndpointState.CONNECTING, "lost")
        runtime.changed()
        one.enter(DOWN, "refused")
        runtime.changed()
        assert (await following(stream)).status == NOT_SERVING
        runtime.changed()
        runtime.put(FakeCluster("upstreams/a", endpoint("h:1"), schema=BOOKS), revision=2)
        assert (await following(stream)).status == SERVING
        runtime.put(revision=3)
        assert (await following(stream)).status == UNKNOWN_SERVICE


async def test_watch_of_what_is_unknown_stays_and_learns_of_it_later() -> None:
    runtime = FakeRuntime(FakeCluster("upstreams/a"))
    async with serving(lambda server: register_traffic(server, runtime)) as channel:
        stream = watch(channel, "books.v1.Books")
        assert (await following(stream)).status == UNKNOWN_SERVICE
        assert not stream.done()
        runtime.put(FakeCluster("upstreams/a", endpoint("h:1"), schema=BOOKS))
        assert (await following(stream)).status == SERVING


async def test_draining_turns_everything_known_to_not_serving_and_ends_watchers() -> None:
    runtime = FakeRuntime(FakeCluster("upstreams/a", endpoint("h:1")))
    servicers: list[HealthServicer] = []
    async with serving(lambda server: servicers.append(register_traffic(server, runtime))) as channel:
        stream = watch(channel, "upstreams/a")
        assert (await following(stream)).status == SERVING
        servicers[0].drain()
        assert (await following(stream)).status == NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await following(stream)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        for name in ("", "upstreams/a", "grpc.health.v1.Health"):
            assert await check(channel, name) == NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError):
            await check(channel, "nobody")


async def test_a_watch_whose_client_has_gone_follows_nothing_any_more() -> None:
    runtime = FakeRuntime(FakeCluster("upstreams/a", endpoint("h:1")))
    async with serving(lambda server: register_traffic(server, runtime)) as channel:
        stream = watch(channel, "")
        await following(stream)
        assert runtime.changes._listeners
        stream.cancel()
        await until(lambda: not runtime.changes._listeners and not runtime.snapshot._listeners)
        with pytest.raises(asyncio.CancelledError):
            await stream.read()


async def test_list_has_every_name_where_the_installed_package_knows_list(monkeypatch: pytest.MonkeyPatch) -> None:
    class Statuses(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            return self.setdefault(name, SimpleNamespace(status=None))

    class Response:
        def __init__(self) -> None:
            self.statuses = Statuses()

    fake = SimpleNamespace(HealthListResponse=Response, HealthCheckResponse=health_pb2.HealthCheckResponse)
    monkeypatch.setattr(grpc_health, "health_pb2", fake)
    servicer = HealthServicer(states(FakeRuntime(FakeCluster("upstreams/a"))))
    response = await servicer.List(None, None)
    assert {name: one.status for name, one in response.statuses.items()} == {"": SERVING, "upstreams/a": NOT_SERVING}
