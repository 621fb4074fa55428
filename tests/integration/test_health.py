"""Backends that die, freeze, come back, stop serving or are upgraded under a running gateway, while calls run."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio

from edge.tasks import Tasks
from gateway.v1 import (
    endpoint_pb2,
    endpoint_service_pb2,
    endpoint_service_pb2_grpc,
    health_service_pb2,
    upstream_pb2,
    upstream_service_pb2,
)
from tests.support.gateway import Admin, Gateway, route, upstream
from tests.support.processes import ROOT, python
from tests.support.rpc import connect, eventually
from tests.support.shop import SHOP
from tests.support.shop_process import TILL, WHO, Shop

GET, BUY, PAY = f"/{SHOP}/Get", f"/{SHOP}/Buy", f"/{TILL}/Pay"
WAIT = 20.0

CHECK = {"interval": "1s", "timeout": "0.5s"}

State = endpoint_pb2.Endpoint.State
ACTIVE, UNHEALTHY = State.STATE_ACTIVE, State.STATE_UNHEALTHY


class Place:
    """A gateway in front of three shops, with who follows its health."""

    def __init__(self, shops: list[Shop], gateway: Gateway) -> None:
        self.shops = shops
        self.gateway = gateway
        self.admin = Admin(gateway.admin)
        self.channel = connect(gateway.traffic, own=True)

    async def call(self, method: str = GET, seconds: float = WAIT) -> str:
        """Make a call; return who answered."""
        call = self.channel.unary_unary(method)(b"", timeout=seconds)
        await call
        found: Any = dict(await call.trailing_metadata())
        return str(found[WHO])

    async def spread(self, method: str, *expected: Shop, least: int = 12) -> None:
        """Make calls one by one until each of the shops has answered, and see that no other one does."""
        names = {shop.name for shop in expected}
        seen: set[str] = set()
        for number in range(1000):
            if number >= least and seen == names:
                return
            # calls that run in step with the load may be of one shop for a while
            who = await self.call(method)
            assert who in names
            seen.add(who)
        raise AssertionError(f"never answered: {names - seen}")

    async def shown(self, condition: Callable[[dict[str, endpoint_pb2.Endpoint]], bool]) -> endpoint_pb2.Endpoint:
        """Wait until WatchHealth shows endpoints, by the names of their shops, that meet a condition.

        Returns:
            The endpoint of the last shop.
        """
        names = {shop.address: shop.name for shop in self.shops}
        watch = self.admin.health.WatchHealth(health_service_pb2.WatchHealthRequest(upstream="upstreams/shop"))
        try:
            async with asyncio.timeout(WAIT):
                async for message in watch:
                    (health,) = message.health.upstreams
                    found: dict[str, endpoint_pb2.Endpoint] = {
                        names[endpoint.address]: endpoint for endpoint in health.endpoints
                    }
                    if condition(found):
                        return found[self.shops[-1].name]
        finally:
            watch.cancel()
        raise AssertionError("the watch has ended")

    async def all_active(self) -> None:
        await self.shown(lambda found: all(one.state == ACTIVE and not one.not_serving for one in found.values()))

    async def close(self) -> None:
        await self.channel.close()
        await self.admin.channel.close()


@pytest_asyncio.fixture(loop_scope="session")
async def place(folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    name = request.node.name.replace("/", "-")[:60]
    shops = [Shop(f"{letter}-{name}", folder) for letter in "abc"]
    for shop in shops:
        await asyncio.to_thread(shop.start)
    addresses = [shop.address for shop in shops]
    gateway = Gateway(
        f"gateway-{name}",
        folder,
        {
            "upstreams": [
                upstream("shop", *addresses, health_check=CHECK, reflection={"refresh_interval": "3600s"}),
            ],
            "routes": [route("shop", SHOP, "shop"), route("till", TILL, "shop", policies=["policies/again"])],
            # as if the methods of the till were idempotent
            "policies": [{"name": "policies/again", "retry": {"any_method": True}}],
        },
    )
    await asyncio.to_thread(gateway.start)
    found = Place(shops, gateway)
    try:
        await found.admin.knows(SHOP, TILL)
        await found.all_active()
        yield found
    finally:
        await found.close()
        await asyncio.to_thread(gateway.stop)
        for shop in shops:
            await asyncio.to_thread(shop.kill)


@contextlib.asynccontextmanager
async def load(place: Place, method: str = GET) -> AsyncIterator[Counter[str]]:
    """Call in eight lanes all the time; count who answered and the codes of failures, and see that calls go on."""
    counts: Counter[str] = Counter()

    async def lane() -> None:
        while True:
            try:
                counts[await place.call(method)] += 1
            except grpc.aio.AioRpcError as error:
                counts[f"{error.code().name}: {error.details()}"] += 1

    lanes = Tasks()
    for number in range(8):
        lanes.spawn(lane(), name=f"lane {number}")
    try:
        await eventually(lambda: _true(sum(counts.values()) > 50), within=WAIT, what="a load")
        yield counts
    finally:
        await lanes.close()


async def _true(value: bool) -> bool:
    return value


async def test_a_backend_that_is_stopped_is_out_and_back_when_it_goes_on(place: Place) -> None:
    *others, frozen = place.shops
    async with load(place):
        frozen.popen.send_signal(signal.SIGSTOP)
        shown = await place.shown(lambda found: found[frozen.name].state == UNHEALTHY)
        assert shown.reason == "does not answer health checks within 0.5 s"
        assert shown.last_error == shown.reason
        assert shown.last_error_time.seconds
        assert shown.state_time.seconds
        # whoever calls from now on does not notice
        await place.spread(GET, *others)
        frozen.popen.send_signal(signal.SIGCONT)
        back = await place.shown(lambda found: found[frozen.name].state == ACTIVE)
        assert back.last_error == shown.reason, "stays for people"
        await eventually(lambda: _among(place, frozen), within=WAIT, what="calls to the one that is back")


async def _among(place: Place, shop: Shop, method: str = GET) -> bool:
    return shop.name in [await place.call(method) for _ in range(12)]


async def test_a_backend_that_is_killed_is_out_and_back_after_its_start(place: Place) -> None:
    *others, killed = place.shops
    async with load(place) as counts:
        await asyncio.to_thread(killed.kill)
        # first, for a moment, it is the connection that was lost; why it cannot be made is the system's to say
        await place.shown(
            lambda found: (
                found[killed.name].state == UNHEALTHY
                and "cannot be reached: " in found[killed.name].reason + found[killed.name].last_error
            )
        )
        await place.spread(GET, *others)
        await asyncio.to_thread(killed.restart)
        await place.all_active()
        before = counts[killed.name]
        await eventually(lambda: _true(counts[killed.name] > before), within=WAIT, what="calls to the new process")


def failures(counts: Counter[str], shops: list[Shop]) -> Counter[str]:
    """Return what else there was than answers of the shops."""
    names = {shop.name for shop in shops}
    return Counter({what: count for what, count in counts.items() if what not in names})


async def test_a_kill_fails_no_call_that_may_be_tried_again(place: Place) -> None:
    async with load(place, PAY) as counts:
        for shop in place.shops:
            await asyncio.to_thread(shop.restart)
            await place.all_active()
    assert failures(counts, place.shops) == {}


async def test_a_rolling_restart_of_all_three_with_drain_fails_no_call(folder: Path) -> None:
    """An instance drains before it stops, and registers anew when it is there again."""
    shops = [Shop(f"{letter}-rolling", folder) for letter in "abc"]
    gateway = Gateway(
        "gateway-rolling",
        folder,
        {
            "upstreams": [{"name": "upstreams/shop", "registry": {}, "health_check": CHECK}],
            "routes": [route("shop", SHOP, "shop")],
        },
    )
    for process in (*shops, gateway):
        await asyncio.to_thread(process.start)
    place = Place(shops, gateway)
    registry: Any = endpoint_service_pb2_grpc.EndpointServiceStub(place.admin.channel)  # type: ignore[no-untyped-call]

    async def register(shop: Shop) -> None:
        wanted = endpoint_pb2.Endpoint(address=shop.address)
        request = endpoint_service_pb2.CreateEndpointRequest(
            parent="upstreams/shop", endpoint_id=shop.name, endpoint=wanted
        )
        await registry.CreateEndpoint(request, timeout=20)

    async def finished(name: str) -> bool:
        found = await registry.GetEndpoint(endpoint_service_pb2.GetEndpointRequest(name=name), timeout=20)
        return bool(found.active_calls == 0)

    try:
        for shop in shops:
            await register(shop)
        await place.all_active()
        async with load(place) as counts:
            for shop in shops:
                name = f"upstreams/shop/endpoints/{shop.name}"
                await registry.DrainEndpoint(endpoint_service_pb2.DrainEndpointRequest(name=name), timeout=20)
                await eventually(partial(finished, name), within=WAIT, what="its calls have ended")
                await asyncio.to_thread(shop.restart, kill=False)
                await registry.DeleteEndpoint(endpoint_service_pb2.DeleteEndpointRequest(name=name), timeout=20)
                await register(shop)
                before = counts[shop.name]
                await eventually(lambda shop=shop, before=before: _true(counts[shop.name] > before), within=WAIT)  # type: ignore[misc]
        assert failures(counts, shops) == {}
    finally:
        await place.close()
        for process in (gateway, *shops):
            await asyncio.to_thread(process.kill)


async def test_an_endpoint_that_was_drained_gets_calls_again(place: Place) -> None:
    *others, drained = place.shops
    edge = python("edge.cli")
    at = ("--address", place.gateway.admin)

    async def run(verb: str) -> str:
        command = [*edge, verb, "shop", drained.address, *at]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=30
        )
        return str(done.stdout)

    async with load(place) as counts:
        assert "DRAINING" in await run("drain")
        await place.spread(GET, *others)
        assert "DRAINING" not in await run("undrain")
        await place.all_active()
        await place.spread(GET, *place.shops)
    assert failures(counts, place.shops) == {}


async def test_an_upstream_made_at_run_time_takes_its_first_call(folder: Path) -> None:
    """It comes into force when its name is resolved, and a change of it fails no call."""
    shop, gateway = Shop("only", folder), Gateway("gateway-late", folder)
    for process in (shop, gateway):
        await asyncio.to_thread(process.start)
    place = Place([shop], gateway)
    discovery = upstream_pb2.DnsDiscovery(hostname="localhost", port=int(shop.address.rpartition(":")[2]))
    wanted = upstream_pb2.Upstream(name="upstreams/shop", dns=discovery)
    create = upstream_service_pb2.CreateUpstreamRequest(upstream_id="shop", upstream=wanted)
    try:
        await place.admin.upstreams.CreateUpstream(create, timeout=20)
        await place.admin.create_route("shop", SHOP, "shop")
        assert await place.call() == shop.name
        async with load(place) as counts:
            for number in range(10):
                # another cluster each time, and every other time another discovery
                wanted.authority = f"number-{number}"
                if number % 2:
                    wanted.static.endpoints.add(address=shop.address)
                else:
                    wanted.dns.CopyFrom(discovery)
                change = upstream_service_pb2.UpdateUpstreamRequest(upstream=wanted)
                change.update_mask.paths.append("*")
                await place.admin.upstreams.UpdateUpstream(change, timeout=20)
                before = counts[shop.name]
                await eventually(lambda before=before: _true(counts[shop.name] > before), within=WAIT)  # type: ignore[misc]
        assert failures(counts, [shop]) == {}
    finally:
        await place.close()
        for process in (gateway, shop):
            await asyncio.to_thread(process.kill)


async def test_a_service_that_does_not_serve_gets_no_calls_there_and_others_do(place: Place) -> None:
    *others, some = place.shops
    async with load(place) as counts:
        await some.set(SHOP, serving=False)
        shown = await place.shown(lambda found: bool(found[some.name].not_serving))
        assert (shown.state, list(shown.not_serving)) == (ACTIVE, [SHOP])
        await place.spread(GET, *others)
        await place.spread(PAY, *place.shops)
        # it answers all the same, so that nothing has failed meanwhile
        assert not [key for key in counts if ":" in key], counts
        for shop in others:
            await shop.set(SHOP, serving=False)
        await place.shown(lambda found: all(one.not_serving for one in found.values()))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await place.call(GET)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert f"none of its 3 endpoints serves {SHOP}" in str(caught.value.details())
        await place.spread(PAY, *place.shops)
        for shop in place.shops:
            await shop.set(SHOP, serving=True)
        await place.all_active()
        await place.spread(GET, *place.shops)


async def test_a_server_that_does_not_serve_at_all_is_out(place: Place) -> None:
    *others, some = place.shops
    async with load(place) as counts:
        await some.set("", serving=False)
        shown = await place.shown(lambda found: found[some.name].state == UNHEALTHY)
        assert shown.reason == "says NOT_SERVING (grpc.health.v1)"
        await place.spread(PAY, *others)
        table = await asyncio.to_thread(_table, place)
        (line,) = [line for line in table.splitlines() if some.address in line]
        assert "UNHEALTHY" in line
        assert "says NOT_SERVING (grpc.health.v1)" in line
        await some.set("", serving=True)
        await place.all_active()
        assert not [key for key in counts if ":" in key], counts


def _table(place: Place) -> str:
    command = python("edge.cli", "get", "endpoints", "shop", "-o", "table", "--address", place.gateway.admin)
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=30).stdout


async def test_a_rolling_upgrade_sends_a_new_method_to_who_has_it(place: Place) -> None:
    upgraded: list[Shop] = []
    for shop in place.shops:
        await asyncio.to_thread(shop.restart, "Get,Buy", kill=False)
        upgraded.append(shop)
        await place.all_active()

        async def learnt() -> bool:
            with contextlib.suppress(grpc.aio.AioRpcError):
                return bool([await place.call(BUY) for _ in range(12)])
            return False

        await eventually(learnt, within=WAIT, what="Buy goes where it is")
        await eventually(partial(_among, place, shop, BUY), within=WAIT, what=f"Buy at {shop.name}")
        await place.spread(BUY, *upgraded, least=30)
        await place.spread(GET, *place.shops)
