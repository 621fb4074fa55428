"""Registering, renewing, removing and draining endpoints with EndpointService, with clusters that are there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from edge.admin.endpoints import EndpointService
from edge.discovery import EndpointRegistry, Sources
from edge.model.config import Configuration
from edge.model.discovery import Discovery, RegistryDiscovery, StaticDiscovery
from edge.model.endpoint import EndpointAddress
from edge.model.settings import Limits
from edge.model.snapshot import Snapshot
from edge.model.upstreams import ConnectionSettings, Upstream
from edge.tasks import Tasks
from edge.upstream import Clusters
from gateway.v1 import endpoint_pb2, endpoint_service_pb2_grpc
from gateway.v1 import endpoint_service_pb2 as pb
from tests.edge.admin.fakes import TIMEOUT, FakeRuntime, following, serving, untyped

SHOP = "upstreams/shop"
FIXED = "upstreams/fixed"
ONE = f"{SHOP}/endpoints/one"


def upstream(name: str, discovery: Discovery) -> Upstream:
    # nothing listens at these addresses, and nobody tries
    return Upstream(name=name, discovery=discovery, connection=ConnectionSettings(warm_up=False), reflection=False)


@pytest.fixture
async def service() -> AsyncIterator[Any]:
    registry = EndpointRegistry()
    clusters = Clusters(Limits(), None, Sources(registry))
    found = (
        upstream(SHOP, RegistryDiscovery(max_ttl=60.0)),
        upstream(FIXED, StaticDiscovery(endpoints=(EndpointAddress("127.0.0.1:1"),))),
    )
    configuration = Configuration(upstreams={one.name: one for one in found}, revision=1)
    clusters.publish(configuration, clusters.prepare(configuration))
    runtime = FakeRuntime()
    runtime.changes = clusters.changes
    runtime.snapshot.set(Snapshot(configuration=configuration, clusters=clusters.current, force_time=1.0))

    def register(server: grpc.aio.Server) -> None:
        add = untyped(endpoint_service_pb2_grpc.add_EndpointServiceServicer_to_server)
        add(EndpointService(runtime, registry), server)

    async with serving(register) as channel:
        yield untyped(endpoint_service_pb2_grpc.EndpointServiceStub)(channel)
    await clusters.close()
    registry.close()
    await Tasks.close_detached()


def creation(
    endpoint_id: str = "one",
    address: str = "10.0.0.1:80",
    seconds: float | None = None,
    parent: str = SHOP,
    **more: Any,
) -> pb.CreateEndpointRequest:
    request = pb.CreateEndpointRequest(
        parent=parent, endpoint_id=endpoint_id, endpoint=endpoint_pb2.Endpoint(address=address, **more)
    )
    if seconds is not None:
        request.ttl.FromNanoseconds(round(seconds * 1e9))
    return request


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_a_registered_endpoint_is_shown_until_it_is_deleted(service: Any) -> None:
    made = await service.CreateEndpoint(creation(weight=3, zone="z"), timeout=TIMEOUT)
    assert (made.name, made.address, made.weight, made.zone) == (ONE, "10.0.0.1:80", 3, "z")
    assert made.state == endpoint_pb2.Endpoint.STATE_CONNECTING
    lease = made.expire_time.ToNanoseconds() / 1e9 - made.state_time.ToNanoseconds() / 1e9
    assert lease == pytest.approx(30.0, abs=5)
    assert made.etag
    got = await service.GetEndpoint(pb.GetEndpointRequest(name=ONE), timeout=TIMEOUT)
    assert (got.etag, got.expire_time) == (made.etag, made.expire_time)

    renewed = await service.RenewEndpoint(pb.RenewEndpointRequest(name=ONE), timeout=TIMEOUT)
    assert renewed.expire_time.ToNanoseconds() > made.expire_time.ToNanoseconds()
    got = await service.GetEndpoint(pb.GetEndpointRequest(name=ONE), timeout=TIMEOUT)
    assert got.expire_time == renewed.expire_time

    await service.DeleteEndpoint(pb.DeleteEndpointRequest(name=ONE), timeout=TIMEOUT)
    page = await service.ListEndpoints(pb.ListEndpointsRequest(parent=SHOP), timeout=TIMEOUT)
    assert list(page.endpoints) == []
    assert await refused(service.DeleteEndpoint(pb.DeleteEndpointRequest(name=ONE))) == (
        grpc.StatusCode.NOT_FOUND,
        f"{ONE} is not registered, or its lease has ended; allow_missing takes that for removed",
    )
    await service.DeleteEndpoint(pb.DeleteEndpointRequest(name=ONE, allow_missing=True), timeout=TIMEOUT)
    gone = pb.DeleteEndpointRequest(name="upstreams/none/endpoints/one", allow_missing=True)
    await service.DeleteEndpoint(gone, timeout=TIMEOUT)


async def test_watching_shows_it_coming_draining_and_going(service: Any) -> None:
    stream = service.WatchEndpoints(pb.WatchEndpointsRequest(parent=SHOP))
    assert await following(stream) == pb.WatchEndpointsResponse(synced=True)
    await service.CreateEndpoint(creation(), timeout=TIMEOUT)
    assert [one.name for one in (await following(stream)).changed] == [ONE]
    await service.RenewEndpoint(pb.RenewEndpointRequest(name=ONE), timeout=TIMEOUT)
    drained = await service.DrainEndpoint(pb.DrainEndpointRequest(name=ONE), timeout=TIMEOUT)
    assert drained.state == endpoint_pb2.Endpoint.STATE_DRAINING
    (one,) = (await following(stream)).changed
    assert (one.state, one.reason) == (
        endpoint_pb2.Endpoint.STATE_DRAINING,
        "an operator lets it finish its calls (DrainEndpoint)",
    )
    code, words = await refused(service.RenewEndpoint(pb.RenewEndpointRequest(name=ONE)))
    assert (code, "delete it and register it anew" in words) == (grpc.StatusCode.NOT_FOUND, True)
    await service.DeleteEndpoint(pb.DeleteEndpointRequest(name=ONE), timeout=TIMEOUT)
    assert list((await following(stream)).removed) == [ONE]
    await service.CreateEndpoint(creation(), timeout=TIMEOUT)
    (one,) = (await following(stream)).changed
    assert one.state == endpoint_pb2.Endpoint.STATE_CONNECTING
    stream.cancel()


async def test_an_expired_endpoint_cannot_be_renewed(service: Any) -> None:
    stream = service.WatchEndpoints(pb.WatchEndpointsRequest(parent=SHOP))
    await following(stream)
    await service.CreateEndpoint(creation(seconds=1), timeout=TIMEOUT)
    assert len((await following(stream)).changed) == 1
    assert list((await following(stream)).removed) == [ONE]
    stream.cancel()
    code, words = await refused(service.RenewEndpoint(pb.RenewEndpointRequest(name=ONE)))
    assert (code, words) == (
        grpc.StatusCode.NOT_FOUND,
        f"{ONE} is not registered, or its lease has ended; register it again with CreateEndpoint",
    )


async def test_what_is_wrong_with_a_registration(service: Any) -> None:
    await service.CreateEndpoint(creation(), timeout=TIMEOUT)
    for request, code, words in (
        (creation(parent=""), grpc.StatusCode.INVALID_ARGUMENT, "parent: is required"),
        (creation(parent="upstreams/none"), grpc.StatusCode.NOT_FOUND, "there is no upstream 'upstreams/none'"),
        (creation(endpoint_id=""), grpc.StatusCode.INVALID_ARGUMENT, "endpoint_id: is required"),
        (creation(endpoint_id="Two"), grpc.StatusCode.INVALID_ARGUMENT, "endpoint_id: `Two` is no id"),
        (creation("two", "10.0.0.2"), grpc.StatusCode.INVALID_ARGUMENT, "endpoint.address: `10.0.0.2` has no port"),
        (creation("two", weight=0), grpc.StatusCode.INVALID_ARGUMENT, "endpoint.weight: has to be from 1"),
        (creation("two", seconds=0.5), grpc.StatusCode.INVALID_ARGUMENT, "ttl: has to be at least 1s"),
        (creation("two", seconds=61), grpc.StatusCode.INVALID_ARGUMENT, "ttl: may be at most 60s, and is 61s"),
        (creation("two", seconds=9e9), grpc.StatusCode.INVALID_ARGUMENT, "ttl: may be at most 60s"),
        (creation(address="10.0.0.2:80"), grpc.StatusCode.ALREADY_EXISTS, "one is registered already"),
        (creation("two"), grpc.StatusCode.ALREADY_EXISTS, f"10.0.0.1:80 is registered already, as {ONE}"),
        (creation("two", parent=FIXED), grpc.StatusCode.FAILED_PRECONDITION, "give the upstream `registry: {}`"),
    ):
        refusal = await refused(service.CreateEndpoint(request, timeout=TIMEOUT))
        assert refusal[0] is code, refusal
        assert words in refusal[1]


async def test_endpoints_of_other_sources_drain_and_are_not_removed(service: Any) -> None:
    name = f"{FIXED}/endpoints/127.0.0.1-1"
    for call in (
        service.DeleteEndpoint(pb.DeleteEndpointRequest(name=name)),
        service.RenewEndpoint(pb.RenewEndpointRequest(name=name)),
    ):
        code, words = await refused(call)
        assert (code, "let one finish its calls with DrainEndpoint" in words) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            True,
        )
    drained = await service.DrainEndpoint(pb.DrainEndpointRequest(name=name), timeout=TIMEOUT)
    assert drained.state == endpoint_pb2.Endpoint.STATE_DRAINING
    assert await service.DrainEndpoint(pb.DrainEndpointRequest(name=name), timeout=TIMEOUT) == drained
    for request in (pb.DrainEndpointRequest, pb.UndrainEndpointRequest):
        method = getattr(service, request.__name__.removesuffix("Request"))
        code, words = await refused(method(request(name=f"{FIXED}/endpoints/x")))
        assert (code, words) == (grpc.StatusCode.NOT_FOUND, f"there is no endpoint '{FIXED}/endpoints/x'")


async def test_an_endpoint_that_was_drained_gets_calls_again(service: Any) -> None:
    name = f"{FIXED}/endpoints/127.0.0.1-1"
    before = await service.GetEndpoint(pb.GetEndpointRequest(name=name), timeout=TIMEOUT)
    assert before.state == endpoint_pb2.Endpoint.STATE_CONNECTING
    again = await service.UndrainEndpoint(pb.UndrainEndpointRequest(name=name), timeout=TIMEOUT)
    assert again == before, "there was nothing to end"
    stream = service.WatchEndpoints(pb.WatchEndpointsRequest(parent=FIXED))
    await following(stream)
    await service.DrainEndpoint(pb.DrainEndpointRequest(name=name), timeout=TIMEOUT)
    assert [one.state for one in (await following(stream)).changed] == [endpoint_pb2.Endpoint.STATE_DRAINING]
    again = await service.UndrainEndpoint(pb.UndrainEndpointRequest(name=name), timeout=TIMEOUT)
    assert (again.state, again.reason) == (before.state, before.reason)
    assert [one.state for one in (await following(stream)).changed] == [before.state]
    stream.cancel()


async def test_a_registered_endpoint_that_was_drained_can_be_renewed_again(service: Any) -> None:
    await service.CreateEndpoint(creation(), timeout=TIMEOUT)
    await service.DrainEndpoint(pb.DrainEndpointRequest(name=ONE), timeout=TIMEOUT)
    again = await service.UndrainEndpoint(pb.UndrainEndpointRequest(name=ONE), timeout=TIMEOUT)
    assert again.state == endpoint_pb2.Endpoint.STATE_CONNECTING
    await service.RenewEndpoint(pb.RenewEndpointRequest(name=ONE), timeout=TIMEOUT)


@pytest.mark.parametrize("name", ["", "x", "upstreams/shop", "upstreams/shop/endpoints/"])
async def test_names_that_are_none(service: Any, name: str) -> None:
    for call in (
        service.DeleteEndpoint(pb.DeleteEndpointRequest(name=name)),
        service.RenewEndpoint(pb.RenewEndpointRequest(name=name)),
        service.DrainEndpoint(pb.DrainEndpointRequest(name=name)),
        service.UndrainEndpoint(pb.UndrainEndpointRequest(name=name)),
    ):
        code, words = await refused(call)
        assert (code, words) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "name: is required, such as upstreams/bookstore/endpoints/127.0.0.1-50051",
        )


async def test_many_register_at_the_same_time(service: Any) -> None:
    requests = [creation(f"e{n}", f"10.0.{n // 250}.{n % 250 + 1}:80") for n in range(300)]
    await asyncio.gather(*(service.CreateEndpoint(request, timeout=TIMEOUT) for request in requests))
    page = await service.ListEndpoints(pb.ListEndpointsRequest(parent=SHOP, page_size=1000), timeout=TIMEOUT)
    assert len(page.endpoints) == 300
