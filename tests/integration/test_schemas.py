"""A gateway as a process learns what its upstream offers, also when its instances come in versions and change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest_asyncio

from gateway.v1 import health_service_pb2
from tests.edge.admin.fakes import Reflection
from tests.support.gateway import Admin, Gateway, route, upstream
from tests.support.rpc import eventually
from tests.support.shop import SHOP, ShopServer, shop_file

HEALTH = health_service_pb2.GatewayHealth
V1 = shop_file("Get", "List")
V2 = shop_file("Get", "List", "Buy")


@pytest_asyncio.fixture(loop_scope="session")
async def shops() -> AsyncIterator[tuple[ShopServer, ShopServer]]:
    """Two instances of the first version."""
    made = ShopServer(), ShopServer()
    try:
        for shop in made:
            await shop.start(V1)
        yield made
    finally:
        for shop in made:
            await shop.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(folder: Path, shops: tuple[ShopServer, ShopServer]) -> AsyncIterator[Gateway]:
    """A gateway in front of both, which looks by itself only once in an hour."""
    configuration = {
        "upstreams": [
            upstream("shop", *(shop.address for shop in shops), reflection={"refresh_interval": "3600s"}),
        ],
        "routes": [route("shop", SHOP, "shop")],
    }
    started = Gateway("versions-gateway", folder, configuration)
    try:
        await asyncio.to_thread(started.start)  # the servers run on this loop
        yield started
    finally:
        started.stop()


async def of_versions(admin: Admin, *endpoints: int, saying: str = "") -> health_service_pb2.UpstreamHealth:
    """Wait until so many endpoints have each version, those in force first, and return the upstream's health.

    Its reason is one that says `saying`.
    """

    async def found() -> health_service_pb2.UpstreamHealth | None:
        answer = await admin.health.GetHealth(health_service_pb2.GetHealthRequest(), timeout=20)
        (shown,) = answer.health.upstreams
        counts = [len(version.endpoints) for version in shown.schema_versions]
        return shown if counts == list(endpoints) and saying in shown.reason else None

    return await eventually(found, within=20, what=f"versions of {endpoints} endpoints")


async def methods(gateway: Gateway) -> set[str]:
    """Return the methods the gateway describes to its callers."""
    async with grpc.aio.insecure_channel(gateway.traffic) as channel:
        reflection = Reflection(channel)
        await reflection.get(file_containing_symbol=SHOP)
        await reflection.end()
        service = reflection.pool().FindServiceByName(SHOP)
        return set(service.methods_by_name)


async def test_instances_of_two_versions_are_shown_and_a_new_method_becomes_known_without_touching_the_gateway(
    gateway: Gateway, shops: tuple[ShopServer, ShopServer]
) -> None:
    one, two = shops
    admin = Admin(gateway.admin)
    try:
        health = await of_versions(admin, 2)
        assert (health.state, health.reason) == (HEALTH.STATE_HEALTHY, "")
        assert await methods(gateway) == {"Get", "List"}

        await one.start(V2)
        health = await of_versions(admin, 1, 1)
        new, old = health.schema_versions
        assert (list(new.endpoints), new.in_force, list(new.differences)) == ([one.address], True, [])
        assert (list(old.endpoints), old.in_force) == ([two.address], False)
        assert (list(old.differences), old.harmful) == ([f"lacks {SHOP}.Buy"], True)
        assert len({new.hash, old.hash}) == 2
        assert health.state == HEALTH.STATE_DEGRADED
        assert health.reason == f"versions: {two.address} lacks {SHOP}.Buy"
        assert await methods(gateway) == {"Get", "List", "Buy"}

        await two.start(V2)
        health = await of_versions(admin, 2)
        assert (health.state, health.reason) == (HEALTH.STATE_HEALTHY, "")

        for shop in shops:
            await shop.start()
        health = await of_versions(admin, 1, 1, saying="any more")
        assert health.state == HEALTH.STATE_DEGRADED
        assert "does not offer server reflection any more, the last descriptors stay" in health.reason
        assert {difference for version in health.schema_versions for difference in version.differences} == {
            "does not offer server reflection"
        }
        assert list(health.services) == [SHOP]
        assert await methods(gateway) == {"Get", "List", "Buy"}
        async with grpc.aio.insecure_channel(gateway.traffic) as channel:
            buy: Any = channel.unary_unary(f"/{SHOP}/Buy")
            assert await buy(b"\n\x011", timeout=10) == b"\n\x011"
    finally:
        await admin.channel.close()
    log = gateway.output()
    assert log.count("its endpoints have 2 versions of the descriptors") == 1
    assert log.count("its endpoints have the same descriptors again") == 1
