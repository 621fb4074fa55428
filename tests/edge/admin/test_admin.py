from __future__ import annotations

import os
from typing import Any

import grpc
import grpc.aio
import pytest

from edge.admin.admin import TAP_CAPACITY, AdminService
from edge.admin.node import NodeInfo, NodeListener
from edge.model.call import Call, CallFinished, StatusSource
from edge.model.config import DirectResponse, Route
from edge.model.snapshot import RoutePlan, UpstreamPlan
from edge.model.status import Code
from edge.model.watch import Watch
from edge.telemetry.tap import TapHub
from gateway.v1 import admin_service_pb2 as pb
from gateway.v1 import admin_service_pb2_grpc
from tests.edge.admin.fakes import TIMEOUT, FakeCluster, FakeRuntime, following, serving, until, untyped

INFO = NodeInfo(
    node_id="n-1",
    version="1.2.3",
    start_time=1_700_000_000.0,
    listeners=(NodeListener(name="traffic", address="127.0.0.1:8080", protocol="gRPC"),),
)


class Served:
    """AdminService on a server, with what the test changes."""

    def __init__(self, *clusters: FakeCluster) -> None:
        self.runtime = FakeRuntime(*clusters)
        self.tap = TapHub()
        self.draining = Watch(False)
        self.error: tuple[str, float] | None = None

    def register(self, server: grpc.aio.Server) -> None:
        servicer = AdminService(self.runtime, INFO, self.tap, self.draining, lambda: self.error)
        untyped(admin_service_pb2_grpc.add_AdminServiceServicer_to_server)(servicer, server)


def stub(channel: grpc.aio.Channel) -> Any:
    return untyped(admin_service_pb2_grpc.AdminServiceStub)(channel)


async def test_server_info_says_what_the_process_is_and_does() -> None:
    served = Served()
    async with serving(served.register) as channel:

        async def info() -> Any:
            return await stub(channel).GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT)

        starting = await info()
        assert starting.state == pb.ServerInfo.STATE_STARTING
        assert not starting.HasField("config_time")
        served.runtime.put(revision=5)
        served.error = ("routes/a is wrong", 1.0)
        active = await info()
        served.draining.set(True)
        assert (await info()).state == pb.ServerInfo.STATE_DRAINING
    assert active.state == pb.ServerInfo.STATE_ACTIVE
    assert (active.node_id, active.version, active.start_time.seconds) == ("n-1", "1.2.3", 1_700_000_000)
    assert active.components["grpcio"] == grpc.__version__
    assert {"python", "protobuf"} <= set(active.components)
    assert active.listeners[0] == pb.ListenerInfo(name="traffic", address="127.0.0.1:8080", protocol="gRPC")
    assert (active.config_revision, active.config_time.ToMilliseconds()) == (5, 1_700_000_000_500)
    assert (active.config_error.code, active.config_error.message) == (3, "routes/a is wrong")
    assert (active.active_calls, active.total_calls) == (3, 40)
    assert active.resident_bytes > 1_000_000
    assert [(worker.pid, worker.config_revision) for worker in active.workers] == [(os.getpid(), 5)]


async def test_a_document_is_sent_as_it_is() -> None:
    async with serving(Served().register) as channel:
        answer = await stub(channel).GetOpenApi(pb.GetOpenApiRequest(route="routes/a"), timeout=TIMEOUT)
    assert (answer.content_type, answer.data) == ("application/json", b"the document of routes/a")


def finished(method: str = "/s/M", code: Code = Code.OK, seconds: float = 0.0, route: str = "") -> CallFinished:
    call = Call(method, [("authorization", "s3cret")], started=100.0)
    if route:
        action = DirectResponse(code=Code.OK)
        call.plan = RoutePlan(route=Route(name=route, action=action), max_request_bytes=1, max_response_bytes=1)
        call.upstream = UpstreamPlan(name="upstreams/a", weight=1, cluster=FakeCluster("upstreams/a"))
    return CallFinished(call, code, "", StatusSource.UPSTREAM, 100.0 + seconds)


async def test_the_tap_says_that_it_is_open_then_sends_calls_until_there_were_enough() -> None:
    served = Served()
    async with serving(served.register) as channel:
        stream = stub(channel).TapCalls(pb.TapCallsRequest(max_calls=2))
        assert await following(stream) == pb.TapCallsResponse()
        assert served.tap.active
        for number in range(3):
            served.tap(finished(f"/s/{number}"))
        assert [(await following(stream)).call.method for _ in range(2)] == ["/s/0", "/s/1"]
        assert await following(stream) is grpc.aio.EOF
        assert await stream.code() is grpc.StatusCode.OK
        assert not served.tap.active


@pytest.mark.parametrize(
    ("wanted", "fitting"),
    [
        ({}, ["/s/ok", "/s/slow", "/t/bad"]),
        ({"route": "routes/r"}, ["/s/slow"]),
        ({"upstream": "upstreams/a"}, ["/s/slow"]),
        ({"upstream": "upstreams/b"}, []),
        ({"method_prefix": "/s/"}, ["/s/ok", "/s/slow"]),
        ({"codes": [0, 4]}, ["/s/ok", "/s/slow"]),
        ({"errors_only": True}, ["/s/slow", "/t/bad"]),
        ({"min_duration": {"seconds": 1, "nanos": 500_000_000}}, ["/s/slow"]),
        ({"method_prefix": "/s/", "errors_only": True, "codes": [5]}, []),
    ],
)
async def test_the_tap_sends_only_what_fits(wanted: dict[str, Any], fitting: list[str]) -> None:
    served = Served()
    async with serving(served.register) as channel:
        stream = stub(channel).TapCalls(pb.TapCallsRequest(filter=wanted, max_calls=len(fitting) or 1))
        await following(stream)
        served.tap(finished("/s/ok"))
        served.tap(finished("/s/slow", Code.DEADLINE_EXCEEDED, 1.5, "routes/r"))
        served.tap(finished("/t/bad", Code.NOT_FOUND, 1.4))
        assert [(await following(stream)).call.method for _ in fitting] == fitting


async def test_what_a_slow_reader_of_the_tap_has_missed_is_counted() -> None:
    served = Served()
    async with serving(served.register) as channel:
        stream = stub(channel).TapCalls(pb.TapCallsRequest(filter={"method_prefix": "/s/"}))
        await following(stream)
        # without a turn of the loop nothing is read
        for _ in range(TAP_CAPACITY + 7):
            served.tap(finished())
            served.tap(finished("/other"))
        seen = [await following(stream) for _ in range(TAP_CAPACITY)]
        assert seen[0].dropped == 7
        served.tap(finished("/s/last"))
        last = await following(stream)
        assert (last.call.method, last.dropped) == ("/s/last", 7)
        assert b"s3cret" not in last.SerializeToString()


async def test_a_tap_whose_client_has_gone_costs_nothing_any_more() -> None:
    served = Served()
    async with serving(served.register) as channel:
        stream = stub(channel).TapCalls(pb.TapCallsRequest())
        await following(stream)
        stream.cancel()
        await until(lambda: not served.tap.active)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.TapCallsRequest(sample_percent=-1), "sample_percent"),
        (pb.TapCallsRequest(sample_percent=100.1), "sample_percent"),
        (pb.TapCallsRequest(sample_percent=float("nan")), "sample_percent"),
        (pb.TapCallsRequest(filter={"codes": [0, 17]}), "filter.codes"),
    ],
)
async def test_a_tap_that_makes_no_sense_is_refused(request_: pb.TapCallsRequest, field: str) -> None:
    served = Served()
    async with serving(served.register) as channel:
        stream = stub(channel).TapCalls(request_, timeout=TIMEOUT)
        assert await stream.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert field in await stream.details()
        assert not served.tap.active


async def test_what_comes_later_is_said_to_be_missing() -> None:
    async with serving(Served().register) as channel:
        for call in (
            stub(channel).InvalidateCache(pb.InvalidateCacheRequest(all=True), timeout=TIMEOUT),
            stub(channel).DrainServer(pb.DrainServerRequest(), timeout=TIMEOUT),
        ):
            assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
            assert "not available in this version" in await call.details()
