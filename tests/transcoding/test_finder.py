"""Which call an HTTP request stands for, by the real route table and without any upstream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from edge.gateway import Gateway
from edge.model.call import Protocol
from edge.model.config import (
    Configuration,
    CorsPolicy,
    DirectResponse,
    Forward,
    GrpcTarget,
    HttpTarget,
    Policy,
    Route,
    RouteMatch,
    Schema,
    ValueMatch,
)
from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import EndpointAddress
from edge.model.finding import HttpFinding
from edge.model.http import HttpRequest
from edge.model.settings import ServerSettings
from edge.model.status import Code
from edge.model.transcoding import Transcoding
from edge.model.upstreams import Upstream
from tests.support.echo import ECHO, echo_files
from tests.support.http_exchange import MemoryExchange

FILES = tuple(echo_files())
SHOP = "https://shop.example.com"
HANDSHAKE = (("upgrade", "websocket"), ("connection", "upgrade"))


def place(name: str, path: str = "", headers: tuple[ValueMatch, ...] = ()) -> Route:
    """Return a route that answers by itself: at a path, or to whatever is left."""
    matches = (RouteMatch(target=HttpTarget(path=path), headers=headers),) if path else ()
    return Route(name=f"routes/{name}", matches=matches, action=DirectResponse(code=Code.OK, message=name))


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[Gateway]:
    made = Gateway(ServerSettings())
    yield made
    await made.close()


def publish(gateway: Gateway, *others: Route, **transcoding: Any) -> None:
    """Put a route of the echo service in force, and others besides."""
    upstream = Upstream(
        name="upstreams/echo",
        discovery=StaticDiscovery(endpoints=(EndpointAddress("127.0.0.1:1"),)),
        schema="schemas/echo",
        reflection=False,
    )
    echo = Route(
        name="routes/echo",
        matches=(RouteMatch(target=GrpcTarget(service=ECHO)),),
        action=Forward(upstreams=(("upstreams/echo", 1),)),
        transcoding=Transcoding(**transcoding),
        policies=("policies/cors",),
    )
    configuration = Configuration(
        upstreams={upstream.name: upstream},
        routes={route.name: route for route in (echo, *others)},
        policies={"policies/cors": Policy(name="policies/cors", kind=CorsPolicy(allow_origins=(SHOP,)))},
        schemas={"schemas/echo": Schema(name="schemas/echo", files=FILES)},
    )
    gateway.publish(gateway.compile(configuration))


def request(verb: str, path: str, *headers: tuple[str, str]) -> HttpRequest:
    return HttpRequest(verb, path, (("host", "a.test"), *headers), host="a.test")


def found(gateway: Gateway, verb: str, path: str, *headers: tuple[str, str]) -> tuple[str, Protocol]:
    """Return the route that takes a request, and what the request counts as."""
    finding: HttpFinding = gateway.find(request(verb, path, *headers))
    return finding.call.plan.route.name if finding.call.plan is not None else "", finding.call.protocol


async def answer(gateway: Gateway, verb: str, path: str, *headers: tuple[str, str]) -> MemoryExchange:
    exchange = MemoryExchange(request(verb, path, *headers))
    await gateway.transcoder.handle(exchange)
    return exchange


@pytest.mark.parametrize("verb", ["GET", "DELETE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("segment", ["%zz", "%ff", "%"])
async def test_a_bad_escape_is_the_callers_fault_with_whatever_verb(gateway: Gateway, verb: str, segment: str) -> None:
    publish(gateway)
    exchange = await answer(gateway, verb, f"/v1/items/{segment}")
    assert exchange.status == 400
    assert b"path: " in exchange.body
    assert gateway.active_calls == 0


@pytest.mark.parametrize(
    ("verb", "path", "headers", "status"),
    [
        ("DELETE", "/v1/items/a", (), 405),
        ("DELETE", f"/{ECHO}/Plain", (), 405),
        ("POST", f"/{ECHO}/Plain", (("content-type", "text/csv"),), 415),
    ],
)
async def test_scripts_can_read_why_a_verb_or_a_form_is_refused(
    gateway: Gateway, verb: str, path: str, headers: tuple[tuple[str, str], ...], status: int
) -> None:
    publish(gateway)
    exchange = await answer(gateway, verb, path, ("origin", SHOP), *headers)
    assert (exchange.status, exchange.header("access-control-allow-origin")) == (status, SHOP)


async def test_an_open_ended_rule_gives_way_to_a_place(gateway: Gateway) -> None:
    publish(gateway, place("own", "/pages/own/**"))
    assert found(gateway, "GET", "/pages/own/a") == ("routes/own", Protocol.HTTP)
    assert found(gateway, "GET", "/pages/own/a", *HANDSHAKE) == ("routes/own", Protocol.HTTP)
    assert found(gateway, "GET", "/pages/a") == ("routes/echo", Protocol.REST)
    assert found(gateway, "GET", "/pages/a", *HANDSHAKE) == ("routes/echo", Protocol.WEB_SOCKET)


async def test_an_open_ended_rule_does_not_give_way_to_a_route_for_what_is_left(gateway: Gateway) -> None:
    publish(gateway, place("rest"))
    assert found(gateway, "GET", "/pages/a") == ("routes/echo", Protocol.REST)
    assert found(gateway, "GET", "/pages/a", *HANDSHAKE) == ("routes/echo", Protocol.WEB_SOCKET)
    assert found(gateway, "GET", "/elsewhere") == ("routes/rest", Protocol.HTTP)


@pytest.mark.parametrize("name", ["user-agent", "content-type", "accept-encoding", "x!odd"])
async def test_conditions_of_places_see_every_header(gateway: Gateway, name: str) -> None:
    publish(gateway, place("other", "/a"), place("one", "/a", headers=(ValueMatch(name=name, exact="this"),)))
    assert found(gateway, "GET", "/a", (name, "this")) == ("routes/one", Protocol.HTTP)
    assert found(gateway, "GET", "/a", (name, "that")) == ("routes/other", Protocol.HTTP)


async def test_a_timeout_that_is_none_is_refused_but_for_those_who_may_mean_something_else(gateway: Gateway) -> None:
    publish(gateway, place("page", "/page"))
    theirs = ("request-timeout", "30s")
    assert (await answer(gateway, "GET", "/v1/items/a", theirs)).status == 400
    assert (await answer(gateway, "GET", "/page", theirs)).status == 200


async def test_methods_are_told_apart_by_user_agent_as_for_native_calls(gateway: Gateway) -> None:
    agents = (ValueMatch(name="user-agent", prefix="old/"),)
    old = RouteMatch(target=GrpcTarget(service=ECHO), headers=agents)
    publish(gateway, Route(name="routes/old", matches=(old,), action=DirectResponse(code=Code.UNAVAILABLE)))
    assert found(gateway, "GET", "/v1/items/a", ("user-agent", "new/1"))[0] == "routes/echo"
    assert found(gateway, "GET", "/v1/items/a", ("user-agent", "old/1"))[0] != "routes/echo"


async def test_json_to_a_methods_path_is_connect_where_rest_is_disabled(gateway: Gateway) -> None:
    json = ("content-type", "application/json")
    publish(gateway, rpc_paths=True)
    assert found(gateway, "POST", f"/{ECHO}/Plain", json) == ("routes/echo", Protocol.REST)
    publish(gateway, rpc_paths=True, disabled=frozenset({Protocol.REST}))
    assert found(gateway, "POST", f"/{ECHO}/Plain", json) == ("routes/echo", Protocol.CONNECT)
