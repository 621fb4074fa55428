"""What is new waits until it is known where its endpoints are, before it comes into force."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import pytest

from edge.discovery import Found, Source, Sources
from edge.model.call import Call
from edge.model.config import Configuration, Schema
from edge.model.discovery import Discovery, DnsDiscovery, RegistryDiscovery, StaticDiscovery
from edge.model.endpoint import EndpointAddress, EndpointState
from edge.model.errors import NoHealthyEndpoint
from edge.model.resilience import GrpcProbe, HealthCheck
from edge.model.settings import Limits
from edge.model.snapshot import SourceState
from edge.model.upstreams import ConnectionSettings, Upstream
from edge.model.watch import Watch
from edge.tasks import Tasks
from edge.upstream import Clusters, UpstreamCluster
from edge.wire.transport import LoopTurn

CALL = Call("/a/B")
NAME = "upstreams/shop"
DNS = DnsDiscovery(hostname="shop.test", port=1)


class HeldSource:
    """Finds what the test says, when it says so."""

    def __init__(self) -> None:
        self.found: Watch[Found] = Watch(Found(state=SourceState(ok=False, error="not looked for yet")))
        self.started = self.closed = 0

    def start(self) -> None:
        self.started += 1

    async def close(self) -> None:
        self.closed += 1

    def find(self, *addresses: str) -> None:
        found = tuple(EndpointAddress(address) for address in addresses)
        self.found.set(Found(addresses=found, state=SourceState(success_time=1.0)))

    def fail(self, words: str) -> None:
        state = self.found.value.state
        self.found.set(replace(self.found.value, state=replace(state, ok=False, error=words, failures=1)))


class HeldSources(Sources):
    """Remembers the sources of names."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[HeldSource] = []

    def source_for(self, upstream: str, discovery: Discovery) -> Source:
        if not isinstance(discovery, DnsDiscovery):
            return super().source_for(upstream, discovery)
        self.made.append(HeldSource())
        return self.made[-1]


class Place:
    """Clusters whose names are resolved when the test says so."""

    def __init__(self, engine: str) -> None:
        self.sources = HeldSources()
        turn = LoopTurn(asyncio.get_running_loop()) if engine == "wire" else None
        self.clusters = Clusters(Limits(), turn, self.sources)
        self.tasks = Tasks()

    async def change(self, *wanted: Upstream, within: float = 3600.0, schemas: tuple[Schema, ...] = ()) -> None:
        """Do what the configurator does."""
        configuration = Configuration(
            upstreams={one.name: one for one in wanted}, schemas={schema.name: schema for schema in schemas}
        )
        clusters = self.clusters.prepare(configuration)
        await self.clusters.warm(clusters, within)
        self.clusters.publish(configuration, clusters)

    def begin(self, change: Coroutine[Any, Any, None]) -> asyncio.Task[Any]:
        return self.tasks.spawn(change, name="change")

    @property
    def cluster(self) -> UpstreamCluster:
        return self.clusters.current[NAME]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the change that makes a condition true."""
        async with asyncio.timeout(10):
            async for _ in self.clusters.changes.follow():
                if condition():
                    return


@pytest.fixture(params=["grpc.aio", "wire"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    made = Place(request.param)
    yield made
    await made.tasks.close()
    await made.clusters.close()
    made.sources.registry.close()
    await Tasks.close_detached()


def upstream(discovery: Discovery, name: str = NAME) -> Upstream:
    return Upstream(name=name, discovery=discovery, connection=ConnectionSettings(max_backoff=0.1), reflection=False)


def static(*addresses: str) -> Upstream:
    return upstream(StaticDiscovery(endpoints=tuple(EndpointAddress(address) for address in addresses)))


async def server() -> tuple[grpc.aio.Server, str]:
    started = grpc.aio.server()
    port = started.add_insecure_port("127.0.0.1:0")
    await started.start()
    return started, f"127.0.0.1:{port}"


async def turns() -> None:
    """Let everything happen that can without waiting for anything."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_calls_go_where_they_went_until_it_is_known_where_else(place: Place) -> None:
    (one, first), (two, second) = await server(), await server()
    await place.change(static(first))
    before = place.cluster
    await place.until(lambda: before.endpoints[0].state is EndpointState.ACTIVE)
    changing = place.begin(place.change(upstream(DNS)))
    await turns()
    assert place.cluster is before
    assert before.pick(CALL, 0.0).address == first
    place.sources.made[0].find(second)
    await changing
    assert place.cluster is not before
    assert place.cluster.pick(CALL, 0.0).address == second, "at once: at most it waits for the connection"
    assert place.sources.made[0].started == 1
    await asyncio.gather(one.stop(0), two.stop(0))


async def test_all_that_are_new_are_waited_for_at_the_same_time(place: Place) -> None:
    names = ("upstreams/a", "upstreams/b")
    changing = place.begin(place.change(static("127.0.0.1:1"), *(upstream(DNS, name) for name in names)))
    await turns()
    one, two = place.sources.made
    one.find("127.0.0.1:2")
    await turns()
    assert not changing.done()
    two.fail("NXDOMAIN")
    await changing
    assert [place.clusters.current[name].discovery.ok for name in names] == [True, False]
    with pytest.raises(NoHealthyEndpoint) as caught:
        place.clusters.current[names[1]].pick(CALL, 0.0)
    assert caught.value.message == f"upstream {names[1]} is not available: it has no endpoints"
    assert caught.value.cause == "NXDOMAIN"


async def test_what_is_not_found_in_time_comes_into_force_all_the_same(place: Place) -> None:
    await place.change(upstream(DNS), within=0.01)
    with pytest.raises(NoHealthyEndpoint) as caught:
        place.cluster.pick(CALL, 0.0)
    assert caught.value.message == "upstream upstreams/shop is not available: where its endpoints are is not known yet"
    assert caught.value.cause == "not looked for yet"
    place.sources.made[0].find("127.0.0.1:1")
    assert place.cluster.pick(CALL, 0.0).address == "127.0.0.1:1"


async def test_static_and_registered_endpoints_are_not_waited_for(place: Place) -> None:
    for wanted in (static("127.0.0.1:1"), upstream(RegistryDiscovery(max_ttl=60.0))):
        async with asyncio.timeout(5):
            await place.change(wanted)


async def test_the_same_discovery_is_not_waited_for_again(place: Place) -> None:
    changing = place.begin(place.change(upstream(DNS)))
    await turns()
    place.sources.made[0].find("127.0.0.1:1")
    await changing
    async with asyncio.timeout(5):
        await place.change(replace(upstream(DNS), authority="shop"))
    assert [endpoint.address for endpoint in place.cluster.endpoints] == ["127.0.0.1:1"]
    assert [source.started for source in place.sources.made] == [1, 1]


async def test_the_end_of_the_gateway_is_not_held_up_and_nothing_comes_into_force_after_it(place: Place) -> None:
    changing = place.begin(place.change(upstream(DNS)))
    await turns()
    await place.clusters.close()
    await changing
    assert not place.clusters.current
    assert [source.closed for source in place.sources.made] == [1]


async def test_a_lender_that_is_new_too_is_no_obstacle(place: Place) -> None:
    """Health checks ask which services there are, which the lender's descriptors say."""
    lender = upstream(StaticDiscovery(endpoints=(EndpointAddress("127.0.0.1:1"),)), "upstreams/lender")
    check = HealthCheck(probe=GrpcProbe())
    borrower = replace(upstream(DNS), schema="schemas/lent", health_check=check)
    schema = Schema(name="schemas/lent", reflection_upstream=lender.name)
    changing = place.begin(place.change(lender, borrower, schemas=(schema,)))
    await turns()
    place.sources.made[0].find("127.0.0.1:1")
    await changing
    assert place.cluster.schema is place.clusters.current[lender.name].schema
