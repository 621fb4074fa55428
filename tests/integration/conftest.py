"""The processes that all integration tests share: two probe servers and the gateways in front of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from probe import probe_pb2

from gateway.v1 import health_service_pb2
from tests.support.gateway import Admin, Gateway, route, upstream
from tests.support.probe_server import Probe
from tests.support.processes import Process
from tests.support.rpc import PROBE_SERVICE, TEST_SERVICE, Stub, connect

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all integration tests on one event loop: grpc.aio's own poller belongs to one."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add to a failure what the processes wrote meanwhile."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    for process in Process.running:
        news = process.news()
        if report.failed and news:
            report.sections.append((f"output of {process.name}", news))
    return report  # type: ignore[return-value]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the processes."""
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="session")
def probes(folder: Path) -> Iterator[tuple[Probe, Probe]]:
    """The probe servers, with reflection and without."""
    found = (Probe("probe", folder), Probe("blind-probe", folder, "--no-reflection"))
    try:
        for server in found:
            server.launch()
        for server in found:
            server.wait_ready()
        yield found
    finally:
        for server in found:
            server.stop()


def configuration(address: str) -> dict[str, Any]:
    """Return the configuration of a gateway in front of a probe server."""
    return {
        "upstreams": [upstream("probe", address)],
        "routes": [
            route("testing", TEST_SERVICE.full_name, "probe"),
            route("probe", PROBE_SERVICE.full_name, "probe"),
        ],
    }


@pytest.fixture(scope="session")
def gateways(folder: Path, probes: tuple[Probe, Probe]) -> Iterator[tuple[Gateway, Gateway]]:
    """The gateways, one that knows the schema of its upstream and one that cannot."""
    found = (
        Gateway("gateway", folder, configuration(probes[0].address)),
        Gateway("blind-gateway", folder, configuration(probes[1].address)),
    )
    try:
        for gateway in found:
            gateway.launch()
        for gateway in found:
            gateway.wait_ready()
        learn(found[0].admin, TEST_SERVICE.full_name, PROBE_SERVICE.full_name)
        yield found
    finally:
        for gateway in found:
            gateway.stop()


def learn(admin: str, *services: str, within: float = 20) -> None:
    """Wait until a gateway has learnt by reflection that its upstreams offer these services."""
    end = time.monotonic() + within
    with grpc.insecure_channel(admin) as channel:
        ask = channel.unary_unary(
            "/gateway.v1.HealthService/GetHealth",
            request_serializer=health_service_pb2.GetHealthRequest.SerializeToString,
            response_deserializer=health_service_pb2.GetHealthResponse.FromString,
        )
        while True:
            health = ask(health_service_pb2.GetHealthRequest(), timeout=within).health
            if {service for upstream in health.upstreams for service in upstream.services}.issuperset(services):
                return
            assert time.monotonic() < end, f"not learnt within {within:g} s: {services}\n{health}"
            time.sleep(0.02)


@dataclass(frozen=True)
class Target:
    """Where the calls of a test go, and whom it asks about them."""

    name: str
    """`direct`, `schema` or `schemaless`."""

    address: str
    """What callers connect to."""

    channel: Any
    """A channel to it."""

    control: Stub
    """The probe service of the server behind it, directly."""

    server: Probe
    """The server behind it."""

    gateway: Gateway | None
    """The gateway in between, or None."""

    @property
    def tests(self) -> Stub:
        """The interop service."""
        return Stub(self.channel, TEST_SERVICE)

    @property
    def probe(self) -> Stub:
        """The probe service."""
        return Stub(self.channel, PROBE_SERVICE)

    async def seen(self, call_id: str, within: float = 10, **conditions: object) -> probe_pb2.CallRecord:
        """Wait until the server has seen that of a call; return what it saw."""
        request = probe_pb2.AwaitRequest(call_id=call_id, **conditions)  # type: ignore[arg-type]
        found = await self.control.Await(request, timeout=within)
        assert isinstance(found, probe_pb2.CallRecord)
        return found

    async def release(self, call_id: str) -> None:
        """Let a call go on that waits."""
        await self.control.Release(probe_pb2.ReleaseRequest(call_id=call_id), timeout=10)


async def make_target(name: str, probes: tuple[Probe, Probe], request: pytest.FixtureRequest) -> AsyncIterator[Target]:
    """Make a target for the time of a test."""
    server = probes[1] if name == "schemaless" else probes[0]
    gateway: Gateway | None = None
    if name != "direct":
        pair: tuple[Gateway, Gateway] = request.getfixturevalue("gateways")
        gateway = pair[1] if name == "schemaless" else pair[0]
    address = gateway.traffic if gateway else server.address
    async with connect(address) as channel, connect(server.address) as direct:
        yield Target(name, address, channel, Stub(direct, PROBE_SERVICE), server, gateway)


@pytest_asyncio.fixture(loop_scope="session", params=["direct", "schema", "schemaless"])
async def target(request: pytest.FixtureRequest, probes: tuple[Probe, Probe]) -> AsyncIterator[Target]:
    """Three ways to the server: directly, by a gateway that knows its schema, by one that does not."""
    async for found in make_target(request.param, probes, request):
        yield found


@pytest_asyncio.fixture(loop_scope="session", params=["schema", "schemaless"])
async def proxied(request: pytest.FixtureRequest, probes: tuple[Probe, Probe]) -> AsyncIterator[Target]:
    """Two ways to the server: by a gateway that knows its schema, by one that does not."""
    async for found in make_target(request.param, probes, request):
        yield found


@pytest.fixture(scope="session")
def gateway(gateways: tuple[Gateway, Gateway]) -> Gateway:
    """A gateway that knows the schema of its upstream."""
    return gateways[0]


@pytest_asyncio.fixture(loop_scope="session")
async def admin(gateway: Gateway) -> AsyncIterator[Admin]:
    """The gateway API of `gateway`."""
    found = Admin(gateway.admin)
    yield found
    await found.channel.close()


@pytest_asyncio.fixture(loop_scope="session")
async def caller(gateway: Gateway) -> AsyncIterator[Any]:
    """A channel to the traffic port of `gateway`."""
    async with connect(gateway.traffic) as channel:
        yield channel


@pytest.fixture(params=[True, False], ids=["schema", "schemaless"])
def known(request: pytest.FixtureRequest) -> bool:
    """Whether the gateway knows the schema of a raw upstream."""
    return bool(request.param)
