"""The gateway beside Consul: endpoints come from it, and the gateway is registered with it.

The agent is the stand-in of tests/support. With `CONSUL` naming the program of Consul, the real agent too.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest

from tests.support.consul_agent import ConsulAgent
from tests.support.gateway import Gateway, route

SERVICE = "consul.test.Names"
METHOD = f"/{SERVICE}/Tell"
CONSUL = os.environ.get("CONSUL", "")


class Agent:
    """An agent, real or not, by its HTTP API."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def put(self, path: str, body: Any = None) -> None:
        async with self._session.put(f"{self.url}/v1/agent/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def register(self, instance: str, port: int) -> None:
        check = {"TTL": "60s", "Status": "passing"}
        await self.put("service/register", {"ID": instance, "Name": "names", "Port": port, "Check": check})
        await self.says(instance, "passing")

    async def says(self, instance: str, status: str) -> None:
        await self.put(f"check/update/service:{instance}", {"Status": status, "Output": ""})

    async def statuses(self, service: str) -> list[str]:
        """Return the status of each instance's own check."""
        async with self._session.get(f"{self.url}/v1/health/service/{service}") as answer:
            return [
                check["Status"]
                for one in await answer.json(content_type=None)
                for check in one["Checks"]
                if check["CheckID"] != "serfHealth"
            ]


@asynccontextmanager
async def real_agent() -> AsyncIterator[str]:
    """Run the real program until the end."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
    http, dns, server, lan, wan = (one.getsockname()[1] for one in sockets)
    for one in sockets:
        one.close()
    ports = f"-http-port={http} -dns-port={dns} -server-port={server} -serf-lan-port={lan} -serf-wan-port={wan}"
    process = await asyncio.create_subprocess_exec(
        *(CONSUL, "agent", "-dev", "-bind=127.0.0.1", "-client=127.0.0.1", "-grpc-port=-1", *ports.split()),
        *("-hcl", "disable_update_check = true"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{http}"
    finally:
        process.terminate()
        await process.wait()


async def eventually(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(kind: str) -> AsyncIterator[Agent]:
    async with aiohttp.ClientSession() as session:
        if kind == "real":
            async with real_agent() as url:
                made = Agent(url, session)

                async def leads() -> bool:
                    try:
                        async with session.get(f"{url}/v1/status/leader") as answer:
                            return len(await answer.text()) > 4
                    except aiohttp.ClientError:
                        return False

                await eventually(leads)
                yield made
        else:
            standing = ConsulAgent()
            await standing.start()
            yield Agent(standing.url, session)
            await standing.stop()


class Backend:
    """A server that tells its port."""

    async def __aenter__(self) -> int:
        self.server = grpc.aio.server()
        self.port = self.server.add_insecure_port("127.0.0.1:0")

        async def tell(request: bytes, context: Any) -> bytes:
            return str(self.port).encode()

        handler: Any = grpc.unary_unary_rpc_method_handler(tell)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Tell": handler}),))
        await self.server.start()
        return self.port

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop(0)


@pytest.mark.parametrize("kind", ["stand-in", *(["real"] if CONSUL else [])])
async def test_instances_come_and_go_and_the_gateway_is_one_itself(kind: str, tmp_path: Path) -> None:
    async with running(kind) as agent:
        await watch_it_work(agent, tmp_path)


async def watch_it_work(agent: Agent, folder: Path) -> None:
    configuration = {
        "server": {"registration": {"consul": {"service": "edge-gateway", "address": agent.url, "ttl": "3s"}}},
        "upstreams": [
            {
                "name": "upstreams/names",
                "consul": {"service": "names", "address": agent.url},
                "reflection": {"disabled": True},
            }
        ],
        "routes": [route("names", SERVICE, "names")],
    }
    async with Backend() as first, Backend() as second:
        await agent.register("one", first)
        with Gateway("consul", folder, configuration) as gateway:
            async with grpc.aio.insecure_channel(gateway.traffic) as channel:
                call: Any = channel.unary_unary(METHOD)

                async def reached() -> set[int]:
                    """Return who answers; a call that finds nobody counts for nobody."""
                    found = set()
                    for _ in range(6):
                        try:
                            found.add(int(await call(b"", timeout=10)))
                        except grpc.aio.AioRpcError as error:
                            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                                raise
                    return found

                async def only(*ports: int) -> bool:
                    return await reached() == set(ports)

                await eventually(lambda: only(first))
                await agent.register("two", second)
                await eventually(lambda: only(first, second))
                await agent.says("one", "critical")
                await eventually(lambda: only(second))
                await agent.put("service/deregister/two")
                await eventually(only)
                await agent.says("one", "passing")
                await eventually(lambda: only(first))

            async def registered() -> bool:
                return await agent.statuses("edge-gateway") == ["passing"]

            await eventually(registered)
        assert await agent.statuses("edge-gateway") == []
