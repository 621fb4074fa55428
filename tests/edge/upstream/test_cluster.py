"""Clusters against real grpc.aio servers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import grpc
import grpc.aio
import pytest

from edge.model.call import Call
from edge.model.config import Configuration, Schema
from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import EndpointAddress, EndpointState
from edge.model.errors import InvalidRequest, NoHealthyEndpoint
from edge.model.settings import Limits
from edge.model.upstreams import ConnectionSettings, Upstream, UpstreamProtocol, UpstreamTls
from edge.tasks import Tasks
from edge.upstream import Clusters, UpstreamCluster
from edge.upstream.channels import Channels
from edge.upstream.grpc_endpoint import GrpcEndpoint, channels_of
from edge.wire.transport import LoopTurn

CALL = Call("/a/B")
NAME = "upstreams/shop"


async def server(port: int = 0) -> tuple[grpc.aio.Server, str]:
    started = grpc.aio.server()
    port = started.add_insecure_port(f"127.0.0.1:{port}")
    await started.start()
    return started, f"127.0.0.1:{port}"


def upstream(*addresses: str) -> Upstream:
    return Upstream(
        name=NAME,
        discovery=StaticDiscovery(endpoints=tuple(EndpointAddress(address) for address in addresses)),
        connection=ConnectionSettings(max_backoff=0.1),
        reflection=False,
    )


def configuration(*upstreams: Upstream, schemas: tuple[Schema, ...] = ()) -> Configuration:
    return Configuration(
        upstreams={one.name: one for one in upstreams}, schemas={schema.name: schema for schema in schemas}
    )


@pytest.fixture(params=["grpc.aio", "wire"])
async def clusters(request: pytest.FixtureRequest) -> AsyncIterator[Clusters]:
    turn = LoopTurn(asyncio.get_running_loop()) if request.param == "wire" else None
    made = Clusters(Limits(), turn)
    yield made
    await made.close()
    await Tasks.close_detached()


def publish(clusters: Clusters, wanted: Configuration) -> UpstreamCluster:
    clusters.publish(wanted, clusters.prepare(wanted))
    return clusters.current[NAME]


async def until(clusters: Clusters, condition: Callable[[], bool]) -> None:
    """Wait for the change that makes `condition` true."""
    async with asyncio.timeout(10):
        async for _ in clusters.changes.follow():
            if condition():
                return


async def test_calls_take_turns_over_the_endpoints_that_are_up(clusters: Clusters) -> None:
    (one, first), (two, second) = await server(), await server()
    cluster = publish(clusters, configuration(upstream(first, second)))
    await until(clusters, lambda: all(e.state is EndpointState.ACTIVE for e in cluster.endpoints))
    assert [cluster.pick(CALL, 0.0).address for _ in range(4)] == [first, second, first, second]

    await two.stop(0)
    await until(clusters, lambda: cluster.endpoints[1].state is EndpointState.UNHEALTHY)
    assert cluster.endpoints[1].reason == "cannot be reached: Connection refused"
    assert {cluster.pick(CALL, 0.0).address for _ in range(4)} == {first}
    assert cluster.preview(CALL)[1] == "round robin over 1 of 2 endpoints"

    two, _ = await server(int(second.rpartition(":")[2]))
    await until(clusters, lambda: cluster.endpoints[1].state is EndpointState.ACTIVE)
    assert {cluster.pick(CALL, 0.0).address for _ in range(4)} == {first, second}
    await asyncio.gather(one.stop(0), two.stop(0))


async def test_nobody_there_says_so_without_telling_callers_addresses(clusters: Clusters) -> None:
    cluster = publish(clusters, configuration(upstream("127.0.0.1:1")))
    await until(clusters, lambda: cluster.endpoints[0].state is EndpointState.UNHEALTHY)
    with pytest.raises(NoHealthyEndpoint) as caught:
        cluster.pick(CALL, 0.0)
    assert caught.value.message == "upstream upstreams/shop is not available: none of its 1 endpoints takes calls"
    assert caught.value.metadata == {"upstream": NAME}
    assert "127.0.0.1:1 cannot be reached" in caught.value.cause


async def test_what_did_not_change_is_kept_and_the_rest_retired(clusters: Clusters) -> None:
    running, address = await server()
    before = publish(clusters, configuration(upstream(address)))
    await until(clusters, lambda: before.endpoints[0].state is EndpointState.ACTIVE)
    assert publish(clusters, configuration(replace(upstream(address), timeout=3.0))) is before

    leased = before.pick(CALL, 0.0)
    after = publish(clusters, configuration(replace(upstream(address), authority="shop")))
    assert after is not before
    await asyncio.sleep(0)
    assert leased.state is EndpointState.DRAINING, "it finishes its call first"
    assert [before.idle] == [False]
    before.release(leased, failed=False, latency=0.0, now=0.0)
    assert [before.idle] == [True]
    await running.stop(0)


async def test_a_call_from_before_a_change_goes_on_to_what_is_in_force(clusters: Clusters) -> None:
    """It has waited for a policy, or is tried again."""
    running, address = await server()
    before = publish(clusters, configuration(upstream(address)))
    between = publish(clusters, configuration(replace(upstream(address), authority="one")))
    after = publish(clusters, configuration(replace(upstream(address), authority="two")))
    await asyncio.sleep(0)
    leased = before.pick(CALL, 0.0)
    assert leased is after.endpoints[0]
    assert leased.active == 1
    publish(clusters, configuration(upstream("127.0.0.1:1")))
    await asyncio.sleep(0)
    assert [before.idle, between.idle, after.idle] == [True, True, False]
    before.release(leased, failed=False, latency=0.0, now=0.0)
    assert after.idle, "its last call has ended, whoever was asked for the endpoint"

    last = clusters.current[NAME]
    clusters.publish(Configuration(), {})
    await asyncio.sleep(0)
    for gone in (before, last):
        with pytest.raises(NoHealthyEndpoint):
            gone.pick(CALL, 0.0)
    await running.stop(0)


async def test_a_call_does_not_go_on_to_what_speaks_something_else(clusters: Clusters) -> None:
    before = publish(clusters, configuration(upstream("127.0.0.1:1")))
    publish(clusters, configuration(replace(upstream("127.0.0.1:1"), protocol=UpstreamProtocol.HTTP)))
    await asyncio.sleep(0)
    with pytest.raises(NoHealthyEndpoint):
        before.pick(CALL, 0.0)


async def test_a_schema_can_come_from_another_upstream(clusters: Clusters) -> None:
    lender = replace(upstream("127.0.0.1:1"), name="upstreams/lender")
    schema = Schema(name="schemas/lent", reflection_upstream="upstreams/lender")
    borrower = publish(
        clusters, configuration(replace(upstream("127.0.0.1:1"), schema=schema.name), lender, schemas=(schema,))
    )
    assert borrower.schema is clusters.current["upstreams/lender"].schema
    assert clusters.schema("schemas/lent")[0] is borrower.schema


async def test_several_connections_take_turns(clusters: Clusters) -> None:
    running, address = await server()
    wanted = replace(upstream(address), connection=ConnectionSettings(connections_per_endpoint=3))
    cluster = publish(clusters, configuration(wanted))
    carrier = cluster.endpoints[0].carrier
    assert isinstance(carrier, Channels | GrpcEndpoint)
    await until(clusters, lambda: carrier.made == 3)
    assert len({id(carrier.connection()) for _ in range(6)}) == 3
    await running.stop(0)


async def test_a_tls_file_that_is_gone_refuses_the_configuration_and_changes_nothing(clusters: Clusters) -> None:
    before = publish(clusters, configuration(upstream("127.0.0.1:1")))
    wanted = replace(upstream("127.0.0.1:1"), tls=UpstreamTls(ca_file="/nowhere/ca.pem"))
    with pytest.raises(InvalidRequest, match=r"upstreams/shop\.tls\.ca_file: the file cannot be read"):
        clusters.prepare(configuration(wanted))
    assert clusters.current[NAME] is before


async def test_other_contents_of_tls_files_make_another_cluster(clusters: Clusters) -> None:
    wanted = replace(upstream("127.0.0.1:1"), tls=UpstreamTls(fingerprint="one"))
    before = publish(clusters, configuration(wanted))
    assert publish(clusters, configuration(wanted)) is before
    assert publish(clusters, configuration(replace(wanted, tls=UpstreamTls(fingerprint="two")))) is not before


async def test_an_address_that_comes_back_at_once_is_a_member_again(clusters: Clusters) -> None:
    running, address = await server()
    cluster = publish(clusters, configuration(upstream(address)))
    found = cluster._source.found
    there = found.value
    found.set(replace(there, addresses=()))
    found.set(there)
    await until(clusters, lambda: cluster.endpoints[0].state is EndpointState.ACTIVE)
    await Tasks.close_detached()
    assert cluster.endpoints[0] is cluster.find(address)
    assert not cluster._members.leaving
    await running.stop(0)


async def test_connections_take_turns_without_warm_up_too(clusters: Clusters) -> None:
    lazy = ConnectionSettings(connections_per_endpoint=3, warm_up=False)
    cluster = publish(clusters, configuration(replace(upstream("127.0.0.1:1"), connection=lazy)))
    channels = channels_of(cluster.endpoints[0].carrier)
    assert channels is not None
    assert len({id(channels.connection()) for _ in range(6)}) == 3
