from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from edge.admin.endpoints import EndpointService
from edge.discovery import EndpointRegistry
from edge.model.endpoint import EndpointState
from gateway.v1 import endpoint_service_pb2 as pb
from gateway.v1 import endpoint_service_pb2_grpc
from tests.edge.admin.fakes import TIMEOUT, FakeCluster, FakeRuntime, endpoint, following, serving, until, untyped

A = "upstreams/a"


def register(runtime: FakeRuntime, registry: EndpointRegistry | None = None) -> Any:
    return lambda server: untyped(endpoint_service_pb2_grpc.add_EndpointServiceServicer_to_server)(
        EndpointService(runtime, registry or EndpointRegistry()), server
    )


def stub(channel: grpc.aio.Channel) -> Any:
    return untyped(endpoint_service_pb2_grpc.EndpointServiceStub)(channel)


async def refusal(call: Any) -> tuple[grpc.StatusCode, str, list[str]]:
    """Return code, reason and violated fields."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    status.details[0].Unpack(info)
    if len(status.details) > 1:
        status.details[1].Unpack(bad)
    return caught.value.code(), info.reason, [violation.field for violation in bad.field_violations]


async def test_get_and_pages() -> None:
    runtime = FakeRuntime(
        FakeCluster(A, *(endpoint(f"h:{number}") for number in (3, 1, 2))), FakeCluster("upstreams/b")
    )
    async with serving(register(runtime)) as channel:
        got = await stub(channel).GetEndpoint(pb.GetEndpointRequest(name=f"{A}/endpoints/h-2"), timeout=TIMEOUT)
        assert (got.name, got.address) == (f"{A}/endpoints/h-2", "h:2")
        pages: list[list[str]] = []
        request = pb.ListEndpointsRequest(parent=A, page_size=2)
        while True:
            page = await stub(channel).ListEndpoints(request, timeout=TIMEOUT)
            pages.append([one.address for one in page.endpoints])
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert pages == [["h:1", "h:2"], ["h:3"]]
        none = await stub(channel).ListEndpoints(pb.ListEndpointsRequest(parent="upstreams/b"), timeout=TIMEOUT)
        assert none == pb.ListEndpointsResponse()


async def test_a_page_has_fifty_and_never_more_than_a_thousand() -> None:
    runtime = FakeRuntime(FakeCluster(A, *(endpoint(f"h:{number}") for number in range(1100))))
    async with serving(register(runtime)) as channel:
        for asked, given in ((0, 50), (5000, 1000)):
            request = pb.ListEndpointsRequest(parent=A, page_size=asked)
            page = await stub(channel).ListEndpoints(request, timeout=TIMEOUT)
            assert len(page.endpoints) == given


async def test_what_is_wrong_is_refused_by_field() -> None:
    runtime = FakeRuntime(FakeCluster(A))
    async with serving(register(runtime)) as channel:
        service = stub(channel)
        not_found: Any = (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", [])
        for name in ("upstreams/a/endpoints/h-1", "upstreams/b/endpoints/h-1", "what"):
            assert await refusal(service.GetEndpoint(pb.GetEndpointRequest(name=name))) == not_found
        assert await refusal(service.ListEndpoints(pb.ListEndpointsRequest(parent="upstreams/b"))) == not_found
        wrong = pb.ListEndpointsRequest(parent=A, page_size=-1, page_token="x")
        code, reason, fields = await refusal(service.ListEndpoints(wrong))
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert fields == ["page_size", "page_token"]
        assert (await refusal(service.ListEndpoints(pb.ListEndpointsRequest())))[2] == ["parent"]
        assert (await refusal(service.GetEndpoint(pb.GetEndpointRequest())))[2] == ["name"]
        missing = service.WatchEndpoints(pb.WatchEndpointsRequest(parent="upstreams/b"), timeout=TIMEOUT)
        assert await missing.code() is grpc.StatusCode.NOT_FOUND


async def test_watch_sends_all_then_what_changed_and_what_is_gone() -> None:
    one, two = endpoint("h:1"), endpoint("h:2")
    cluster = FakeCluster(A, one, two)
    runtime = FakeRuntime(cluster)
    async with serving(register(runtime)) as channel:
        stream = stub(channel).WatchEndpoints(pb.WatchEndpointsRequest(parent=A))
        first = await following(stream)
        assert [shown.address for shown in first.changed] == ["h:1", "h:2"]
        assert first.synced
        one.total += 5
        two.enter(EndpointState.UNHEALTHY, "refused")
        runtime.changed()
        second = await following(stream)
        assert [(shown.address, shown.reason) for shown in second.changed] == [("h:2", "refused")]
        cluster.endpoints = [one, endpoint("h:3")]
        runtime.changed()
        third = await following(stream)
        assert ([shown.address for shown in third.changed], list(third.removed)) == (["h:3"], [f"{A}/endpoints/h-2"])
        runtime.put(revision=2)
        assert list((await following(stream)).removed) == [f"{A}/endpoints/h-1", f"{A}/endpoints/h-3"]
        runtime.put(cluster, revision=3)
        assert len((await following(stream)).changed) == 2
        stream.cancel()
        await until(lambda: not runtime.changes._listeners)


async def test_watch_of_an_upstream_without_endpoints_is_synced_at_once() -> None:
    async with serving(register(FakeRuntime(FakeCluster(A)))) as channel:
        stream = stub(channel).WatchEndpoints(pb.WatchEndpointsRequest(parent=A))
        assert await following(stream) == pb.WatchEndpointsResponse(synced=True)
