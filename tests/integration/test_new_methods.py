"""A backend that is deployed anew with another method is reached by HTTP at once, and nobody touches the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2

from tests.support.gateway import Admin, Gateway, route, upstream
from tests.support.rpc import eventually
from tests.support.shop import SHOP, ShopServer, shop_file

Answer = tuple[int, Any]


def version(*methods: str, fields: tuple[str, ...] = ("id",)) -> list[descriptor_pb2.FileDescriptorProto]:
    """Return the files of a shop whose methods are `POST /v1/shop:METHOD`, by annotation."""
    shop = shop_file(*methods, fields=fields)
    shop.dependency.append(annotations_pb2.DESCRIPTOR.name)
    for method in shop.service[0].method:
        rule = http_pb2.HttpRule(post=f"/v1/shop:{method.name.lower()}", body="*")
        method.options.Extensions[annotations_pb2.http].CopyFrom(rule)
    files = [shop]
    for module in (annotations_pb2, http_pb2, descriptor_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        files.append(file)
    return files


@pytest_asyncio.fixture(loop_scope="session")
async def shop() -> AsyncIterator[ShopServer]:
    server = ShopServer()
    await server.start(*version("Get"))
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(folder: Path, shop: ShopServer) -> AsyncIterator[Gateway]:
    """A gateway that looks by itself only once in an hour."""
    configuration = {
        "upstreams": [upstream("shop", shop.address, reflection={"refresh_interval": "3600s"})],
        "routes": [route("shop", SHOP, "shop", transcoding={})],
    }
    started = Gateway("new-methods-gateway", folder, configuration)
    try:
        await asyncio.to_thread(started.start)
        admin = Admin(started.admin)
        await admin.knows(SHOP)
        await admin.channel.close()
        yield started
    finally:
        await asyncio.to_thread(started.stop)


async def post(gateway: Gateway, path: str, message: dict[str, str]) -> Answer:
    """Post a message."""
    async with (
        aiohttp.ClientSession(f"http://{gateway.http}") as session,
        session.post(path, json=message) as answer,
    ):
        return answer.status, await answer.json()


async def test_a_method_added_to_a_running_backend_is_reached_without_touching_the_gateway(
    gateway: Gateway, shop: ShopServer
) -> None:
    message = {"id": "a"}

    async def served() -> bool:
        return await post(gateway, "/v1/shop:get", message) == (200, message)

    await eventually(served, within=20, what="POST /v1/shop:get")
    status, error = await post(gateway, "/v1/shop:buy", message)
    assert (status, error["code"]) == (404, 12)
    before = gateway.file.read_bytes(), gateway.starts

    await shop.start(*version("Get", "Buy", fields=("id", "price")))

    async def bought() -> bool:
        return await post(gateway, "/v1/shop:buy", {"id": "a", "price": "7"}) == (200, {"id": "a", "price": "7"})

    await eventually(bought, within=20, what="POST /v1/shop:buy")
    # by every other protocol too, and the old method knows the new field
    assert await post(gateway, f"/{SHOP}/Buy", message) == (200, message)
    assert await post(gateway, "/v1/shop:get", {"price": "7"}) == (200, {"price": "7"})
    async with aiohttp.ClientSession() as session, session.ws_connect(f"http://{gateway.http}/v1/shop:buy") as socket:
        await socket.send_json(message)
        assert await socket.receive_json() == message

    await shop.start(*version("Get"))

    async def gone() -> bool:
        return (await post(gateway, "/v1/shop:buy", message))[0] == 404

    await eventually(gone, within=20, what="no POST /v1/shop:buy")
    assert await post(gateway, "/v1/shop:get", message) == (200, message)
    assert (gateway.file.read_bytes(), gateway.starts) == before
    assert gateway.alive
