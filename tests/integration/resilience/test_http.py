"""Requests to plain HTTP upstreams that a running gateway tries again or ahead, and WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.integration.resilience.place import POLICIES
from tests.support.flaky_http import Flaky
from tests.support.gateway import Admin, Gateway
from tests.support.http_backend import WAIT, HttpBackend, RawCaller
from tests.support.processes import free_port
from tests.support.rpc import eventually


@dataclass
class Place:
    """A gateway with a route `/NAME/**` for each policy, before two backends; `/dead/**` has one that is not there."""

    gateway: Gateway
    admin: Admin
    http: aiohttp.ClientSession
    one: Flaky
    two: Flaky

    def begin(self, one: str, two: str = "200") -> None:
        """Say how the backends answer from now on."""
        self.one.begin(one)
        self.two.begin(two)

    async def ask(self, verb: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        async with self.http.request(verb, path, data=body) as answer:
            return answer.status, await answer.read()

    @property
    def attempts(self) -> int:
        return len(self.one.heads) + len(self.two.heads)

    async def quiet(self) -> None:
        await self.admin.idle()


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with HttpBackend() as first, HttpBackend() as second, web_sockets() as sockets:

        def up(name: str, *addresses: str) -> dict[str, Any]:
            endpoints = [{"address": address} for address in addresses]
            # an endpoint that cannot be reached is not tried again meanwhile
            connection = {"max_backoff": "60s"}
            return {
                "name": f"upstreams/{name}",
                "protocol": "HTTP",
                "static": {"endpoints": endpoints},
                "connection": connection,
            }

        def to(name: str, policy: str = "") -> dict[str, Any]:
            return {
                "name": f"routes/{name}",
                "matches": [{"http": {"path": f"/{name}/**"}}],
                "forward": {"upstreams": [{"upstream": f"upstreams/{name}"}]},
                "policies": [f"policies/{policy}"] if policy else [],
            }

        both = (first.address, second.address)
        configuration = {
            "upstreams": [
                *(up(name, *both) for name in ("plain", *POLICIES)),
                up("dead", f"127.0.0.1:{free_port()}", first.address),
                up("sockets", f"127.0.0.1:{free_port()}", sockets),
            ],
            "routes": [to("plain"), *(to(name, name) for name in POLICIES), to("dead"), to("sockets")],
            "policies": [{"name": f"policies/{name}", **fields} for name, fields in POLICIES.items()],
        }
        gateway = Gateway("http-resilience", tmp_path_factory.mktemp("http"), configuration)
        await asyncio.to_thread(gateway.start)
        admin = Admin(gateway.admin)
        timeout = aiohttp.ClientTimeout(total=WAIT)
        try:
            async with aiohttp.ClientSession(f"http://{gateway.http}", timeout=timeout) as http:
                yield Place(gateway, admin, http, Flaky(first, "200"), Flaky(second, "200"))
        finally:
            await admin.channel.close()
            await asyncio.to_thread(gateway.stop)


@contextlib.asynccontextmanager
async def web_sockets() -> AsyncIterator[str]:
    """Run a backend of WebSockets; every second handshake is answered with 503."""
    handshakes = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal handshakes
        handshakes += 1
        if handshakes % 2:
            return web.Response(status=503, text="later")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site.name.removeprefix("http://")
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def here(running: Place) -> AsyncIterator[Place]:
    yield running
    await running.quiet()


@pytest.mark.parametrize(
    ("one", "two", "status", "attempts"),
    [
        ("503", "200", 200, 2),
        ("reset", "200", 200, 2),
        ("torn", "200", 200, 2),
        ("503", "reset", 503, 3),
        ("500", "500", 500, 1),
        ("503:0", "200", 200, 2),
        ("503:60", "503:60", 503, 1),
    ],
)
async def test_a_failed_request_is_tried_again_elsewhere(
    here: Place, one: str, two: str, status: int, attempts: int
) -> None:
    # of two requests, one after the other, each begins at another backend
    for _ in range(2):
        here.begin(one, two)
        found, body = await here.ask("GET", "/plain/x")
        if status == 200:
            assert found == 200
            # a connection that was kept and breaks at the next request costs one attempt more, which is no retry
            assert 1 <= here.attempts <= attempts + (one == "reset")
        else:
            assert found == status
            assert here.attempts == attempts or "reset" in two
        assert body


@pytest.mark.parametrize(("name", "verb", "attempts"), [("plain", "PUT", 2), ("plain", "POST", 1), ("any", "POST", 2)])
@pytest.mark.parametrize("way", ["503", "reset"])
async def test_bodies_go_again_of_idempotent_verbs_or_as_the_policy_says(
    here: Place, way: str, name: str, verb: str, attempts: int
) -> None:
    here.begin(f"{way},200", f"{way},200")
    if attempts == 1:
        assert (await here.ask(verb, f"/{name}/x", b"a" * 1000))[0] == 503
        return
    await here.ask(verb, f"/{name}/x", b"a" * 1000)
    bodies = here.one.bodies + here.two.bodies
    assert len(bodies) > 1
    assert set(bodies) == {b"a" * 1000}


@pytest.mark.parametrize(("size", "attempts"), [(1000, 2), (1001, 1), (1 << 20, 1)])
async def test_bodies_go_again_up_to_the_limit_of_the_buffer(here: Place, size: int, attempts: int) -> None:
    here.begin("503,200", "503,200")
    await here.ask("PUT", "/small/x", b"a" * size)
    assert len(here.one.bodies + here.two.bodies) >= attempts
    assert attempts > 1 or here.attempts == 1


async def test_an_attempt_that_takes_too_long_is_given_up(here: Place) -> None:
    here.begin("silent,200", "silent,200")
    status, body = await here.ask("GET", "/pertry/x")
    assert status == 504
    assert b"the 0.3 s that the per-try timeout of routes/pertry allows" in body
    here.begin("200", "200")
    assert (await here.ask("GET", "/pertry/x"))[0] == 200


async def test_a_slow_answer_is_overtaken(here: Place) -> None:
    here.begin("silent", "200")
    for _ in range(3):
        assert (await here.ask("GET", "/hedge/x"))[0] == 200
    assert here.one.heads
    assert here.two.heads


async def test_a_dead_endpoint_costs_no_request(here: Place) -> None:
    here.begin("200")
    for verb in ("GET", "POST", "PATCH"):
        assert (await here.ask(verb, "/dead/x", b"hello"))[0] == 200
    assert here.one.bodies == [b"hello"] * 3


async def test_nothing_is_tried_again_once_the_answer_has_begun(here: Place) -> None:
    here.begin("broken", "broken")
    async with here.http.get("/plain/x") as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert here.attempts == 1


async def test_a_caller_that_leaves_in_a_pause_leaves_nothing_behind(here: Place) -> None:
    here.begin("503", "503")
    async with RawCaller(here.gateway.http) as caller:
        await caller.send(b"GET /long/x HTTP/1.1\r\nhost: gw\r\n\r\n")

        async def tried() -> bool:
            return here.attempts == 1

        await eventually(tried)
        assert (await here.admin.info()).active_calls == 1
    await here.quiet()
    assert here.attempts == 1


async def test_a_web_socket_goes_elsewhere_and_again(here: Place) -> None:
    # one endpoint is not there, and the other one refuses every second handshake
    for _ in range(3):
        async with here.http.ws_connect("/sockets/x") as socket:
            await socket.send_str("hello")
            assert await socket.receive_str() == "hello"
