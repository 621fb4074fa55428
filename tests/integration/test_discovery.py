"""Endpoints that register themselves or stand behind a name, and calls to them through a running gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
import pytest_asyncio

from tests.support.echo import ECHO, EchoServer
from tests.support.engine import AIO
from tests.support.gateway import Gateway, route
from tests.support.rpc import connect, eventually

ITEM = b"\x0a\x01a"
"""An Item whose name is `a`."""

SHOP = "/v1/upstreams/shop/endpoints"


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def echo() -> AsyncIterator[EchoServer]:
    async with EchoServer() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def gateway(echo: EchoServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    quiet = {"reflection": {"disabled": True}}
    named = {"hostname": "localhost", "port": echo.port}
    lost = {"hostname": "nobody.invalid", "port": 80}
    hosts: dict[str, dict[str, Any]] = {
        "shop": {"registry": {"max_ttl": "60s"}},
        "named": {"dns": named},
        "lost": {"dns": lost},
    }
    routes = []
    for name in hosts:
        made = route(name, ECHO, name)
        made["matches"][0]["headers"] = [{"name": "x-to", "exact": name}]
        routes.append(made)
    upstreams = [{"name": f"upstreams/{name}", **discovery, **quiet} for name, discovery in hosts.items()]
    running = Gateway("discovery", tmp_path_factory.mktemp("discovery"), {"upstreams": upstreams, "routes": routes})
    try:
        await asyncio.to_thread(running.start)
        yield running
    finally:
        await asyncio.to_thread(running.stop)


@pytest_asyncio.fixture(loop_scope="session")
async def admin(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        f"http://{gateway.admin_http}", timeout=aiohttp.ClientTimeout(total=20)
    ) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="session")
async def traffic(gateway: Gateway) -> AsyncIterator[Any]:
    async with connect(gateway.traffic) as channel:
        yield channel


async def ask(admin: aiohttp.ClientSession, verb: str, path: str, **more: Any) -> tuple[int, Any]:
    async with admin.request(verb, path, **more) as answer:
        return answer.status, await answer.json()


async def register(admin: aiohttp.ClientSession, echo: EchoServer, ttl: str) -> None:
    query = {"endpoint_id": "one", "ttl": ttl}
    status, body = await ask(admin, "POST", SHOP, params=query, json={"address": echo.address})
    assert (status, body["name"]) == (200, "upstreams/shop/endpoints/one"), body


async def call(traffic: Any, to: str) -> bytes:
    method = traffic.unary_unary(f"/{ECHO}/Plain")
    answer: bytes = await method(ITEM, timeout=10, metadata=(("x-to", to),))
    return answer


async def unavailable(traffic: Any, to: str) -> str:
    """Return the words a call is refused with as UNAVAILABLE, or an empty text."""
    method = traffic.unary_unary(f"/{ECHO}/Plain")(ITEM, timeout=10, metadata=(("x-to", to),))
    refused = await method.code() is grpc.StatusCode.UNAVAILABLE
    return str(await method.details()) if refused else ""


def chat(traffic: Any) -> Any:
    return traffic.stream_stream(f"/{ECHO}/Chat")(timeout=30, metadata=(("x-to", "shop"),))


async def test_an_endpoint_registers_by_rest_gets_calls_and_expires(
    admin: aiohttp.ClientSession, traffic: Any, echo: EchoServer
) -> None:
    empty = "upstream upstreams/shop is not available: it has no endpoints"
    assert await unavailable(traffic, "shop") == empty
    await register(admin, echo, "2s")
    assert await call(traffic, "shop") == ITEM
    status, renewed = await ask(admin, "POST", f"{SHOP}/one:renew", json={})
    assert (status, "expireTime" in renewed) == (200, True)
    stream = chat(traffic)
    await stream.write(ITEM)
    assert await stream.read() == ITEM

    async def expired() -> bool:
        return await unavailable(traffic, "shop") == empty

    await eventually(expired, what="the lease has ended")
    status, body = await ask(admin, "POST", f"{SHOP}/one:renew", json={})
    assert (status, "register it again" in body["message"]) == (404, True)
    await stream.write(ITEM)
    assert await stream.read() == ITEM, "the call that was under way goes on"
    await stream.done_writing()
    assert await stream.code() is grpc.StatusCode.OK


async def test_a_drained_endpoint_finishes_its_calls(
    admin: aiohttp.ClientSession, traffic: Any, echo: EchoServer
) -> None:
    await register(admin, echo, "60s")
    stream = chat(traffic)
    await stream.write(ITEM)
    assert await stream.read() == ITEM
    status, drained = await ask(admin, "POST", f"{SHOP}/one:drain", json={})
    assert (status, drained["state"]) == (200, "STATE_DRAINING")
    assert "none of its 1 endpoints takes calls" in await unavailable(traffic, "shop")
    await stream.write(ITEM)
    assert await stream.read() == ITEM
    await stream.done_writing()
    assert await stream.code() is grpc.StatusCode.OK
    assert (await ask(admin, "DELETE", f"{SHOP}/one"))[0] == 200


async def test_a_deleted_endpoint_is_gone_with_its_calls(
    admin: aiohttp.ClientSession, traffic: Any, echo: EchoServer
) -> None:
    await register(admin, echo, "60s")
    stream = chat(traffic)
    await stream.write(ITEM)
    assert await stream.read() == ITEM
    assert (await ask(admin, "DELETE", f"{SHOP}/one"))[0] == 200
    # grpc.aio cancels the calls of a channel that is closed, and they cannot be told from others that were cancelled
    ended = grpc.StatusCode.CANCELLED if AIO else grpc.StatusCode.UNAVAILABLE
    assert await stream.code() is ended
    assert "it has no endpoints" in await unavailable(traffic, "shop")
    await register(admin, echo, "60s")
    assert await call(traffic, "shop") == ITEM
    assert (await ask(admin, "DELETE", f"{SHOP}/one"))[0] == 200


async def test_a_name_is_resolved_before_the_first_call_and_one_that_is_not_shows_why(
    admin: aiohttp.ClientSession, traffic: Any
) -> None:
    assert await call(traffic, "named") == ITEM
    assert "it has no endpoints" in await unavailable(traffic, "lost")

    async def failed() -> Any:
        """Return the health of the upstream once an attempt has failed, by an answer or after a while without one."""
        _, body = await ask(admin, "GET", "/v1/health")
        (lost,) = (one for one in body["health"]["upstreams"] if one["upstream"] == "upstreams/lost")
        return lost if lost["discovery"].get("failures") else None

    lost = await eventually(failed, within=30, what="the name has not resolved")
    assert lost["discovery"]["state"] == "STATE_UNHEALTHY"
    assert "DNS, A and AAAA of nobody.invalid: " in lost["discovery"]["error"]
    assert "DNS, A and AAAA of nobody.invalid: " in lost["reason"]
