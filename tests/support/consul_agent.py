"""A stand-in for the agent of Consul: blocking queries, ACL tokens and TTL checks as version 1.8.7 answers them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiohttp import web


class ConsulAgent:
    """One agent with the services it knows; what it is to do wrong is set by the test."""

    def __init__(self) -> None:
        self.services: dict[str, dict[str, Any]] = {}
        """The instances by id, as registered, with `Status`."""
        self.index = 10
        self.token = ""
        """The token that is needed. Empty means none."""
        self.leader = True
        self.broken: bytes | None = None
        """What every health query is answered with instead of JSON."""
        self.queries: list[dict[str, str]] = []
        self.url = ""
        self._moved = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_get("/v1/health/service/{name}", self._health)
        app.router.add_put("/v1/agent/service/register", self._register)
        app.router.add_put("/v1/agent/service/deregister/{id}", self._deregister)
        app.router.add_put("/v1/agent/check/update/{id}", self._update)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        host, bound = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        """End."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def put(self, instance: str, port: int, *, status: str = "passing", name: str = "shop", **more: object) -> None:
        """Register an instance, or change it."""
        self.services[instance] = {"ID": instance, "Name": name, "Port": port, "Status": status, **more}
        self.move()

    def remove(self, instance: str) -> None:
        """Forget an instance."""
        del self.services[instance]
        self.move()

    def move(self, to: int | None = None) -> None:
        """Have another index, which answers the queries that are held."""
        self.index = self.index + 1 if to is None else to
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.token and request.headers.get("X-Consul-Token") != self.token:
            return web.Response(status=403, text="Permission denied")
        return None

    async def _health(self, request: web.Request) -> web.Response:
        self.queries.append(dict(request.query))
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if not self.leader:
            return web.Response(status=500, text="No cluster leader")
        if self.broken is not None:
            return web.Response(body=self.broken, content_type="text/html")
        if (index := request.query.get("index")) is not None and int(index) >= self.index:
            wait = float(request.query["wait"].removesuffix("s"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._moved.wait()
            return await self._health(request.clone(rel_url=request.rel_url.without_query_params("index")))
        entries = [
            {
                "Node": {"Node": "n1", "Address": "127.0.0.1"},
                "Service": {
                    "ID": one["ID"],
                    "Service": one["Name"],
                    "Tags": one.get("Tags", []),
                    "Address": one.get("Address", ""),
                    "Meta": one.get("Meta", {}),
                    "Port": one["Port"],
                    "Weights": {"Passing": 1, "Warning": 1},
                },
                "Checks": [{"CheckID": "serfHealth", "Status": "passing"}, {"CheckID": "s", "Status": one["Status"]}],
            }
            for one in self.services.values()
            if one["Name"] == request.match_info["name"]
        ]
        return web.json_response(entries, headers={"X-Consul-Index": str(self.index)})

    async def _register(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        body = await request.json()
        self.services[body["ID"]] = {**body, "Status": "critical"}
        self.move()
        return web.Response()

    async def _deregister(self, request: web.Request) -> web.Response:
        self.services.pop(request.match_info["id"], None)
        self.move()
        return web.Response()

    async def _update(self, request: web.Request) -> web.Response:
        known = self.services.get(request.match_info["id"].removeprefix("service:"))
        if known is None:
            return web.Response(status=500, text=f'CheckID "{request.match_info["id"]}" does not have associated TTL')
        body = await request.json()
        known["Status"], known["Output"] = body["Status"], body["Output"]
        self.move()
        return web.Response()
