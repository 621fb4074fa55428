from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import grpc.aio
import pytest

from edge.admin.health import HealthService
from edge.admin.states import DEGRADED, HEALTHY, UNHEALTHY, gateway_message
from edge.model.endpoint import EndpointState
from edge.model.schema import SchemaSet, SchemaVersion
from edge.model.snapshot import SourceState
from edge.model.watch import Watch
from gateway.v1 import endpoint_pb2, health_service_pb2, health_service_pb2_grpc
from tests.edge.admin.fakes import TIMEOUT, FakeCluster, FakeRuntime, endpoint, following, serving, until, untyped

DOWN = EndpointState.UNHEALTHY


def health(runtime: FakeRuntime, *, draining: bool = False, error: tuple[str, float] | None = None) -> Any:
    return gateway_message(runtime.snapshot.value, draining=draining, config_error=error)


def healthy() -> FakeCluster:
    return FakeCluster("upstreams/ok", endpoint("h:1"))


def test_before_the_first_configuration_nothing_is_served() -> None:
    found = health(FakeRuntime())
    assert (found.state, found.reason) == (UNHEALTHY, "no configuration is in force yet")


def test_everything_works() -> None:
    found = health(FakeRuntime(healthy(), revision=7))
    assert (found.state, found.reason, found.config_revision) == (HEALTHY, "", 7)
    assert (found.upstreams[0].state, found.upstreams[0].reason) == (HEALTHY, "")
    assert health(FakeRuntime(revision=1)).state == HEALTHY


def test_draining_serves_nothing() -> None:
    found = health(FakeRuntime(healthy()), draining=True)
    assert (found.state, found.reason) == (UNHEALTHY, "the gateway is draining and takes no new calls")


def test_a_refused_configuration_degrades_and_says_why_and_when() -> None:
    found = health(FakeRuntime(healthy()), error=("routes/a: upstream is unknown", 1_700_000_000.25))
    assert found.state == DEGRADED
    assert found.reason == "the latest configuration was refused: routes/a: upstream is unknown"
    assert found.config_error == "routes/a: upstream is unknown"
    assert found.config_error_time.ToMilliseconds() == 1_700_000_000_250


@pytest.mark.parametrize(
    ("endpoints", "state", "reason"),
    [
        ([], UNHEALTHY, "there are no endpoints"),
        (
            [endpoint("h:1", DOWN, "connection refused")],
            UNHEALTHY,
            "1 of 1 endpoints take no calls: h:1 is unhealthy (connection refused)",
        ),
        (
            [endpoint("h:1"), endpoint("h:2", EndpointState.DRAINING)],
            DEGRADED,
            "1 of 2 endpoints take no calls: h:2 is draining",
        ),
        ([endpoint("h:1", EndpointState.CONNECTING, "not reached yet")], HEALTHY, ""),
    ],
)
def test_an_upstream_says_why_it_is_in_its_state(endpoints: list[Any], state: int, reason: str) -> None:
    found = health(FakeRuntime(FakeCluster("upstreams/a", *endpoints), healthy()))
    upstream = found.upstreams[0]
    assert (upstream.upstream, upstream.state, upstream.reason) == ("upstreams/a", state, reason)
    # one upstream that is down does not take the whole gateway down
    assert found.state == (HEALTHY if state == HEALTHY else DEGRADED)
    assert found.reason == (f"upstreams/a: {reason}" if reason else "")


def test_a_gateway_whose_upstreams_are_all_down_serves_nothing_and_names_a_few() -> None:
    found = health(FakeRuntime(*(FakeCluster(f"upstreams/{number}") for number in range(8))))
    assert found.state == UNHEALTHY
    assert found.reason.startswith("upstreams/0: there are no endpoints; upstreams/1: ")
    assert found.reason.endswith("upstreams/4: there are no endpoints and 3 more")


def test_sources_that_fail_degrade_what_still_works() -> None:
    cluster = healthy()
    cluster.schema = SchemaSet(services={"b.B": (), "a.A": ()})
    cluster.discovery = SourceState(ok=False, error="no such host", failures=3)
    cluster.schema_source = SourceState(ok=False, error="timed out", success_time=1_700_000_000.0, failures=1)
    upstream = health(FakeRuntime(cluster)).upstreams[0]
    assert upstream.state == DEGRADED
    assert upstream.reason == "discovery: no such host; descriptors: timed out"
    assert (upstream.discovery.state, upstream.discovery.failures) == (UNHEALTHY, 3)
    assert not upstream.discovery.HasField("success_time")
    assert (upstream.schema.state, upstream.schema.success_time.seconds) == (DEGRADED, 1_700_000_000)
    assert list(upstream.services) == ["a.A", "b.B"]


def test_a_circuit_breaker_is_shown_and_counts_unless_it_is_closed() -> None:
    cluster = healthy()
    shown = health_service_pb2.UpstreamHealth
    assert health(FakeRuntime(cluster)).upstreams[0].breaker == shown.BREAKER_UNSPECIFIED
    for breaker, number, state, reason in (
        (("CLOSED", ""), shown.BREAKER_CLOSED, HEALTHY, ""),
        (("OPEN", "5 calls in a row failed"), shown.BREAKER_OPEN, UNHEALTHY, "open: 5 calls in a row failed"),
        (("HALF_OPEN", "a few calls try"), shown.BREAKER_HALF_OPEN, DEGRADED, "half open: a few calls try"),
    ):
        cluster.breaker = breaker
        upstream = health(FakeRuntime(cluster)).upstreams[0]
        assert (upstream.breaker, upstream.state) == (number, state)
        assert upstream.reason == (f"the circuit breaker is {reason}" if reason else "")


def test_a_half_open_breaker_makes_no_dead_upstream_better() -> None:
    cluster = FakeCluster("upstreams/a", endpoint("h:1", DOWN, "refused"))
    cluster.breaker = ("HALF_OPEN", "a few calls try")
    assert health(FakeRuntime(cluster)).upstreams[0].state == UNHEALTHY


LACKING = SchemaVersion(hash="22", endpoints=("h:2",), differences=("lacks a.B.C",), harmful=True)
WIDER = SchemaVersion(hash="33", endpoints=("h:3",), differences=("adds a.B.D",))
SILENT = SchemaVersion(hash="", endpoints=("h:4",), differences=("does not offer server reflection",))
IN_FORCE = SchemaVersion(hash="11", endpoints=("h:0", "h:1"), in_force=True)


def test_endpoints_of_different_versions_are_shown_with_their_differences() -> None:
    cluster = healthy()
    cluster.schema_source = SourceState(success_time=1.0, versions=(IN_FORCE, LACKING, WIDER, SILENT))
    upstream = health(FakeRuntime(cluster)).upstreams[0]
    assert (upstream.state, upstream.reason) == (DEGRADED, "versions: h:2 lacks a.B.C")
    assert upstream.schema.state == HEALTHY
    assert list(upstream.schema_versions) == [
        health_service_pb2.SchemaVersion(hash="11", endpoints=["h:0", "h:1"], in_force=True),
        health_service_pb2.SchemaVersion(hash="22", endpoints=["h:2"], differences=["lacks a.B.C"], harmful=True),
        health_service_pb2.SchemaVersion(hash="33", endpoints=["h:3"], differences=["adds a.B.D"]),
        health_service_pb2.SchemaVersion(endpoints=["h:4"], differences=["does not offer server reflection"]),
    ]


def test_versions_that_lack_nothing_are_no_trouble() -> None:
    cluster = healthy()
    cluster.schema_source = SourceState(success_time=1.0, versions=(IN_FORCE, WIDER, SILENT))
    upstream = health(FakeRuntime(cluster)).upstreams[0]
    assert (upstream.state, upstream.reason) == (HEALTHY, "")


def test_endpoints_show_state_reason_time_counters_and_the_last_error() -> None:
    one = endpoint("10.0.0.1:50051", DOWN, "probe failed")
    one.last_error_time, one.not_serving = 1_700_000_001.0, frozenset({"b.B", "a.A"})
    one.state_time, one.active, one.total, one.failed = 1_700_000_000.5, 2, 10, 4
    shown = health(FakeRuntime(FakeCluster("upstreams/a", one))).upstreams[0].endpoints[0]
    assert shown == endpoint_pb2.Endpoint(
        name="upstreams/a/endpoints/10.0.0.1-50051",
        address="10.0.0.1:50051",
        weight=1,
        state=endpoint_pb2.Endpoint.STATE_UNHEALTHY,
        reason="probe failed",
        state_time={"seconds": 1_700_000_000, "nanos": 500_000_000},
        active_calls=2,
        total_calls=10,
        failed_calls=4,
        last_error="probe failed",
        last_error_time={"seconds": 1_700_000_001},
        not_serving=["a.A", "b.B"],
    )


def test_services_that_an_endpoint_does_not_serve_degrade_its_upstream() -> None:
    one = endpoint("h:1")
    one.not_serving = frozenset({"a.A"})
    upstream = health(FakeRuntime(FakeCluster("upstreams/a", one, endpoint("h:2")))).upstreams[0]
    assert (upstream.state, upstream.reason) == (DEGRADED, "services: h:1 does not serve a.A")


class Served:
    """HealthService on a server, with what the test changes."""

    def __init__(self) -> None:
        self.one = endpoint("h:1")
        self.runtime = FakeRuntime(FakeCluster("upstreams/a", self.one), healthy())
        self.draining = Watch(False)
        self.error: tuple[str, float] | None = None

    def register(self, server: grpc.aio.Server) -> None:
        servicer = HealthService(self.runtime, self.draining, lambda: self.error)
        untyped(health_service_pb2_grpc.add_HealthServiceServicer_to_server)(servicer, server)


def stub(channel: grpc.aio.Channel) -> Any:
    return untyped(health_service_pb2_grpc.HealthServiceStub)(channel)


async def test_get_shows_all_or_one_upstream() -> None:
    served = Served()
    async with serving(served.register) as channel:
        answer = await stub(channel).GetHealth(health_service_pb2.GetHealthRequest(), timeout=TIMEOUT)
        assert [one.upstream for one in answer.health.upstreams] == ["upstreams/a", "upstreams/ok"]
        assert abs(answer.health.read_time.seconds - time.time()) < 60
        one = health_service_pb2.GetHealthRequest(upstream="upstreams/ok")
        answer = await stub(channel).GetHealth(one, timeout=TIMEOUT)
        assert [one.upstream for one in answer.health.upstreams] == ["upstreams/ok"]
        for method, request in (
            (stub(channel).GetHealth, health_service_pb2.GetHealthRequest(upstream="upstreams/no")),
            (stub(channel).WatchHealth, health_service_pb2.WatchHealthRequest(upstream="upstreams/no")),
        ):
            call = method(request, timeout=TIMEOUT)
            assert await call.code() is grpc.StatusCode.NOT_FOUND


async def test_watch_sends_again_when_something_but_a_counter_changes() -> None:
    served = Served()
    async with serving(served.register) as channel:
        stream = stub(channel).WatchHealth(health_service_pb2.WatchHealthRequest())
        assert (await following(stream)).health.state == HEALTHY
        served.one.total += 1
        served.runtime.changed()
        await asyncio.sleep(0)
        served.one.enter(DOWN, "refused")
        served.runtime.changed()
        second = (await following(stream)).health
        assert second.state == DEGRADED
        assert second.upstreams[0].endpoints[0].total_calls == 1
        served.error = ("bad", 1.0)
        served.runtime.changed()
        assert (await following(stream)).health.config_error == "bad"
        served.draining.set(True)
        assert (await following(stream)).health.state == UNHEALTHY
        stream.cancel()
        await until(lambda: not served.runtime.changes._listeners and not served.draining._listeners)


async def test_a_storm_of_changes_makes_a_few_updates_and_the_last_state_arrives() -> None:
    served = Served()
    async with serving(served.register) as channel:
        stream = stub(channel).WatchHealth(health_service_pb2.WatchHealthRequest())
        await following(stream)
        began = time.monotonic()
        for number in range(300):
            served.one.enter(DOWN, f"failure {number}")
            served.runtime.changed()
            await asyncio.sleep(0.001)
        updates = 1
        while "failure 299" not in (await following(stream)).health.reason:
            updates += 1
        # the first update was sent before, and each later one at least a tenth of a second after the one before
        assert updates <= (time.monotonic() - began) / 0.1 + 1
