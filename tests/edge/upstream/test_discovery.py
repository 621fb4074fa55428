"""Clusters whose endpoints come and go, against real grpc.aio servers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import grpc
import grpc.aio
import pytest

from edge.discovery import DnsClient, EndpointRegistry, Sources
from edge.model.call import Call
from edge.model.config import Configuration
from edge.model.discovery import Discovery, DnsDiscovery, RecordType, RegistryDiscovery, StaticDiscovery
from edge.model.endpoint import EndpointAddress, EndpointState
from edge.model.errors import NoHealthyEndpoint
from edge.model.settings import Limits
from edge.model.upstreams import ConnectionSettings, Upstream
from edge.tasks import Tasks
from edge.upstream import Clusters, UpstreamCluster
from edge.wire.transport import LoopTurn
from tests.support.dns_server import SILENCE, DnsServer

CALL = Call("/a/B")
NAME = "upstreams/shop"
REGISTRY = RegistryDiscovery(max_ttl=60.0)
SRV = DnsDiscovery(hostname="_grpc._tcp.shop.test", record_type=RecordType.SRV)


async def server() -> tuple[grpc.aio.Server, str]:
    started = grpc.aio.server()
    port = started.add_insecure_port("127.0.0.1:0")
    await started.start()
    return started, f"127.0.0.1:{port}"


def upstream(discovery: Discovery) -> Upstream:
    return Upstream(name=NAME, discovery=discovery, connection=ConnectionSettings(max_backoff=0.1), reflection=False)


def static(*addresses: str) -> Upstream:
    return upstream(StaticDiscovery(endpoints=tuple(EndpointAddress(address) for address in addresses)))


class Place:
    """Clusters with a registry and a name server."""

    def __init__(self, engine: str, dns: DnsServer) -> None:
        turn = LoopTurn(asyncio.get_running_loop()) if engine == "wire" else None
        self.dns = dns
        self.registry = EndpointRegistry()
        client = DnsClient(nameservers=[dns.address], hosts_file=Path("/nowhere"), lifetime=1.0)
        self.clusters = Clusters(Limits(), turn, Sources(self.registry, client))

    def publish(self, wanted: Upstream) -> UpstreamCluster:
        configuration = Configuration(upstreams={wanted.name: wanted})
        self.clusters.publish(configuration, self.clusters.prepare(configuration))
        return self.clusters.current[NAME]

    async def warm(self, wanted: Upstream, within: float = 10.0) -> UpstreamCluster:
        """Publish as the configurator does."""
        configuration = Configuration(upstreams={wanted.name: wanted})
        clusters = self.clusters.prepare(configuration)
        await self.clusters.warm(clusters, within)
        self.clusters.publish(configuration, clusters)
        return clusters[NAME]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the change that makes `condition` true."""
        async with asyncio.timeout(10):
            async for _ in self.clusters.changes.follow():
                if condition():
                    return


@pytest.fixture(params=["grpc.aio", "wire"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with DnsServer() as dns:
        made = Place(request.param, dns)
        yield made
        await made.clusters.close()
        made.registry.close()
        await Tasks.close_detached()


def addresses(cluster: UpstreamCluster) -> list[str]:
    return [endpoint.address for endpoint in cluster.endpoints]


async def test_an_endpoint_that_leaves_the_records_finishes_its_call(place: Place) -> None:
    (one, first), (two, second) = await server(), await server()
    port = {address: address.rpartition(":")[2] for address in (first, second)}
    place.dns.set("host.test", "A", "127.0.0.1")
    place.dns.set(SRV.hostname, "SRV", f"1 1 {port[first]} host.test.", ttl=0)
    cluster = await place.warm(upstream(SRV))
    assert addresses(cluster) == [first]
    await place.until(lambda: cluster.endpoints[0].state is EndpointState.ACTIVE)
    leased = cluster.pick(CALL, 0.0)

    place.dns.set(SRV.hostname, "SRV", f"1 1 {port[second]} host.test.", ttl=0)
    await place.until(lambda: addresses(cluster) == [second])
    await asyncio.sleep(0)
    assert leased.state is EndpointState.DRAINING
    assert leased.connected, "its call is under way"
    assert cluster.pick(CALL, 0.0).address == second
    cluster.release(leased, failed=False, latency=0.0, now=0.0)
    await asyncio.gather(one.stop(0), two.stop(0))


async def test_an_outage_of_the_name_server_keeps_the_endpoints_and_shows(place: Place) -> None:
    running, address = await server()
    place.dns.set("host.test", "A", "127.0.0.1")
    place.dns.set(SRV.hostname, "SRV", f"1 1 {address.rpartition(':')[2]} host.test.", ttl=0)
    cluster = place.publish(upstream(SRV))
    await place.until(lambda: [endpoint.state for endpoint in cluster.endpoints] == [EndpointState.ACTIVE])
    endpoint = cluster.endpoints[0]
    place.dns.fail(SRV.hostname, "SRV", "SERVFAIL")
    await place.until(lambda: not cluster.discovery.ok)
    assert cluster.discovery.error.startswith("DNS, SRV of _grpc._tcp.shop.test: name server")
    assert "answered SERVFAIL" in cluster.discovery.error
    assert cluster.discovery.success_time is not None
    assert cluster.pick(CALL, 0.0) is endpoint
    await running.stop(0)


async def test_a_name_that_does_not_resolve_refuses_calls_and_tells_operators_why(place: Place) -> None:
    cluster = await place.warm(upstream(SRV))
    with pytest.raises(NoHealthyEndpoint) as caught:
        cluster.pick(CALL, 0.0)
    assert caught.value.message == "upstream upstreams/shop is not available: it has no endpoints"
    assert "NXDOMAIN" in caught.value.cause


async def test_nobody_waits_for_a_name_server_for_ever(place: Place) -> None:
    place.dns.fail(SRV.hostname, "SRV", SILENCE)
    cluster = await place.warm(upstream(SRV), 0.01)
    assert cluster.discovery.failures == 0
    with pytest.raises(NoHealthyEndpoint) as caught:
        cluster.pick(CALL, 0.0)
    assert caught.value.message == "upstream upstreams/shop is not available: where its endpoints are is not known yet"
    assert caught.value.cause == "_grpc._tcp.shop.test has not been resolved yet"


async def test_a_changed_upstream_serves_with_what_was_found_before(place: Place) -> None:
    running, address = await server()
    place.dns.set("host.test", "A", "127.0.0.1")
    place.dns.set(SRV.hostname, "SRV", f"1 1 {address.rpartition(':')[2]} host.test.", ttl=60)
    before = await place.warm(upstream(SRV))
    after = place.publish(replace(upstream(SRV), authority="shop"))
    assert after is not before
    assert addresses(after) == [address], "at once, before the name server was asked"
    await running.stop(0)


async def test_registered_endpoints_get_calls_and_survive_another_configuration(place: Place) -> None:
    running, address = await server()
    cluster = place.publish(upstream(REGISTRY))
    with pytest.raises(NoHealthyEndpoint, match="it has no endpoints"):
        cluster.pick(CALL, 0.0)
    place.registry.create(NAME, EndpointAddress(address, 3, "z", id="one"), 60.0)
    await place.registry.told(NAME)
    assert cluster.pick(CALL, 0.0).address == address
    assert (cluster.endpoints[0].id, cluster.endpoints[0].weight, cluster.endpoints[0].zone) == ("one", 3, "z")

    after = place.publish(replace(upstream(RegistryDiscovery(max_ttl=30.0)), authority="shop"))
    assert after is not cluster
    assert addresses(after) == [address]
    place.publish(static(address))
    assert addresses(place.publish(upstream(REGISTRY))) == [], "they were registered with what is gone"
    await running.stop(0)


async def test_an_expired_endpoint_finishes_its_call(place: Place) -> None:
    running, address = await server()
    cluster = place.publish(upstream(REGISTRY))
    place.registry.create(NAME, EndpointAddress(address, id="one"), 1.0)
    await place.until(lambda: [endpoint.state for endpoint in cluster.endpoints] == [EndpointState.ACTIVE])
    leased = cluster.pick(CALL, 0.0)
    await place.until(lambda: not cluster.endpoints)
    with pytest.raises(NoHealthyEndpoint, match="it has no endpoints"):
        cluster.pick(CALL, 0.0)
    await asyncio.sleep(0)
    assert leased.connected
    cluster.release(leased, failed=False, latency=0.0, now=0.0)
    await running.stop(0)


async def test_a_dropped_endpoint_is_gone_with_its_connections(place: Place) -> None:
    running, address = await server()
    cluster = place.publish(static(address, "127.0.0.1:1"))
    await place.until(lambda: cluster.endpoints[0].state is EndpointState.ACTIVE)
    leased = cluster.pick(CALL, 0.0)
    cluster.drop(address)
    assert (addresses(cluster), cluster.find(address)) == (["127.0.0.1:1"], None)
    await Tasks.close_detached()
    assert leased.state is EndpointState.DRAINING
    cluster.release(leased, failed=True, latency=0.0, now=0.0)
    cluster.drop(address)
    await running.stop(0)


async def test_a_drain_sticks_to_the_address_while_it_is_one_of_the_upstream(place: Place) -> None:
    (one, first), (two, second) = await server(), await server()
    cluster = place.publish(static(first, second))
    await place.until(lambda: all(endpoint.state is EndpointState.ACTIVE for endpoint in cluster.endpoints))
    leased = next(found for _ in range(2) if (found := cluster.pick(CALL, 0.0)).address == first)
    cluster.drain(first)
    assert (leased.state, leased.reason) == (
        EndpointState.DRAINING,
        "an operator lets it finish its calls (DrainEndpoint)",
    )
    assert {cluster.pick(CALL, 0.0).address for _ in range(4)} == {second}

    after = place.publish(replace(static(first, second), authority="shop"))
    await place.until(lambda: after.endpoints[1].state is EndpointState.ACTIVE)
    assert after.endpoints[0].state is EndpointState.DRAINING, "another configuration does not bring it back"
    assert {after.pick(CALL, 0.0).address for _ in range(4)} == {second}

    place.publish(static(second))
    again = place.publish(static(first, second))
    await place.until(lambda: again.endpoints[0].state is EndpointState.ACTIVE)
    await asyncio.gather(one.stop(0), two.stop(0))


async def test_a_drained_endpoint_that_registers_anew_gets_calls(place: Place) -> None:
    running, address = await server()
    cluster = place.publish(upstream(REGISTRY))
    place.registry.create(NAME, EndpointAddress(address, id="one"), 60.0)
    await place.until(lambda: [endpoint.state for endpoint in cluster.endpoints] == [EndpointState.ACTIVE])
    cluster.drain(address)
    place.registry.drain(NAME, "one")
    assert cluster.endpoints[0].state is EndpointState.DRAINING
    cluster.drop(address)
    place.registry.delete(NAME, "one")
    place.registry.create(NAME, EndpointAddress(address, id="one"), 60.0)
    await place.until(lambda: [endpoint.state for endpoint in cluster.endpoints] == [EndpointState.ACTIVE])
    await running.stop(0)
