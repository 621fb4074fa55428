"""Statements P89 to P98 of the gRPC protocol: health and reflection of the gateway itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tests.integration.conftest import Target, configuration, learn
from tests.support.gateway import Admin, Gateway, backend, route, upstream
from tests.support.probe_server import Probe
from tests.support.processes import free_port
from tests.support.rpc import PROBE_SERVICE, TEST_SERVICE, connect, each, eventually, failure

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
PORTS = pytest.mark.parametrize("port", ["traffic", "admin"])
VERSIONS = pytest.mark.parametrize("version", ["v1", "v1alpha"])


def check(channel: Any, service: str = "", timeout: float = 10) -> Any:
    """Ask for the health of a service."""
    method = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    return method(health_pb2.HealthCheckRequest(service=service), timeout=timeout)


def watch(channel: Any, service: str = "") -> Any:
    """Follow the health of a service."""
    method = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    return method(health_pb2.HealthCheckRequest(service=service), timeout=60)


def reflect(channel: Any, version: str, *requests: reflection_pb2.ServerReflectionRequest) -> Any:
    """Open a reflection stream; without requests it stays open for writing."""
    method = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    return method(each(requests), timeout=20) if requests else method(timeout=20)


async def services(channel: Any, version: str = "v1") -> set[str]:
    """Return the names that reflection lists."""
    call = reflect(channel, version, reflection_pb2.ServerReflectionRequest(list_services=""))
    answer = await call.read()
    assert isinstance(answer, reflection_pb2.ServerReflectionResponse), await call.details()
    return {service.name for service in answer.list_services_response.service}


@PORTS
async def test_p89_the_whole_gateway_is_serving(gateway: Gateway, port: str) -> None:
    async with connect(getattr(gateway, port)) as channel:
        assert (await check(channel)).status == SERVING


@PORTS
async def test_p89_an_unknown_name_is_not_found(gateway: Gateway, port: str) -> None:
    async with connect(getattr(gateway, port)) as channel:
        for name in ("nobody.v1.NobodyService", TEST_SERVICE.full_name.lower(), TEST_SERVICE.full_name + "x"):
            assert (await failure(check(channel, name))).code() is grpc.StatusCode.NOT_FOUND


async def test_p89_a_service_of_an_upstream(caller: Any) -> None:
    for name in (TEST_SERVICE.full_name, PROBE_SERVICE.full_name):
        assert (await check(caller, name)).status == SERVING


async def test_p90_an_unknown_service_stays_open(caller: Any) -> None:
    call = watch(caller, "nobody.v1.NobodyService")
    assert (await asyncio.wait_for(call.read(), 10)).status == SERVICE_UNKNOWN
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(call.code()), 0.2)
    call.cancel()


async def test_p90_p91_watch_says_when_an_upstream_goes_and_comes(folder: Path) -> None:
    """At once, then on every change, not buffered."""
    with (
        Probe("watched-probe", folder) as server,
        Gateway("watching", folder, configuration(server.address)) as gateway,
    ):
        learn(gateway.admin, TEST_SERVICE.full_name)
        async with connect(gateway.traffic) as channel:
            call = watch(channel, TEST_SERVICE.full_name)
            assert (await asyncio.wait_for(call.read(), 10)).status == SERVING
            server.kill()
            assert (await asyncio.wait_for(call.read(), 20)).status == NOT_SERVING
            await asyncio.to_thread(server.restart)
            assert (await asyncio.wait_for(call.read(), 20)).status == SERVING
            call.cancel()


async def test_p91_a_watch_is_cancelled_with_its_client(gateway: Gateway, admin: Admin) -> None:
    async with connect(gateway.traffic, own=True) as channel:
        calls = [watch(channel) for _ in range(20)]
        for call in calls:
            assert (await call.read()).status == SERVING
    await admin.idle()


async def test_p92_list_if_there_is_one(caller: Any) -> None:
    call = caller.unary_unary("/grpc.health.v1.Health/List")(b"", timeout=10)
    assert await call.code() in {
        grpc.StatusCode.OK,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }


@VERSIONS
async def test_p94_p95_p96_the_services_of_the_upstream(caller: Any, version: str) -> None:
    found = await services(caller, version)
    assert {TEST_SERVICE.full_name, PROBE_SERVICE.full_name} <= found
    assert not {name for name in found if name.startswith("gateway.")}


@VERSIONS
async def test_p95_the_gateway_api(gateway: Gateway, version: str) -> None:
    async with connect(gateway.admin) as channel:
        found = await services(channel, version)
    assert {f"gateway.v1.{name}Service" for name in ("Route", "Upstream", "Health", "Config", "Admin")} <= found
    assert not {name for name in found if name.startswith(("grpc.testing", "probe."))}


@VERSIONS
async def test_p97_errors_are_answers(caller: Any, version: str) -> None:
    """NOT_FOUND within the response, and the stream goes on."""
    call = reflect(caller, version)
    for request in (
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
        reflection_pb2.ServerReflectionRequest(file_by_filename="no/such.proto"),
    ):
        await call.write(request)
        answer = await call.read()
        assert answer.error_response.error_code == 5
    symbol = f"{PROBE_SERVICE.full_name}.Inspect"
    await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol))
    answer = await call.read()
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(data)
        for data in answer.file_descriptor_response.file_descriptor_proto
    ]
    assert "probe/probe.proto" in {file.name for file in files}
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_p98_options_that_are_extensions_survive(caller: Any) -> None:
    """google.api.http is there, byte for byte, whether or not the gateway knows the extension."""
    call = reflect(caller, "v1", reflection_pb2.ServerReflectionRequest(file_containing_symbol=PROBE_SERVICE.full_name))
    answer = await call.read()
    (file,) = [
        file
        for data in answer.file_descriptor_response.file_descriptor_proto
        if (file := descriptor_pb2.FileDescriptorProto.FromString(data)).name == "probe/probe.proto"
    ]
    (inspect,) = [method for method in file.service[0].method if method.name == "Inspect"]
    assert b"/v1/probe:inspect" in inspect.options.SerializeToString()


async def test_p98_every_import_is_there(caller: Any) -> None:
    """The files a client needs, by symbol and then by name."""
    call = reflect(caller, "v1")
    await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=PROBE_SERVICE.full_name))
    have: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    wanted: set[str] = set()
    while True:
        answer = await call.read()
        assert not answer.HasField("error_response"), answer
        for data in answer.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            have[file.name] = file
            wanted |= set(file.dependency)
        missing = wanted - have.keys()
        if not missing:
            break
        await call.write(reflection_pb2.ServerReflectionRequest(file_by_filename=min(missing)))
    assert {"google/api/annotations.proto", "google/api/http.proto", "google/protobuf/descriptor.proto"} <= have.keys()
    call.cancel()


@pytest.fixture(scope="module")
def halves(folder: Path) -> Iterator[tuple[Gateway, Probe, Probe]]:
    """A gateway in front of two upstreams with different services."""
    with (
        Probe("testing-only", folder, "--services", "testing") as first,
        Probe("probe-only", folder, "--services", "probe") as second,
        Gateway(
            "halves-gateway",
            folder,
            {
                "upstreams": [
                    upstream("testing", first.address, reflection={"refresh_interval": "1s"}),
                    upstream("probe", second.address, reflection={"refresh_interval": "1s"}),
                ],
                "routes": [
                    route("testing", TEST_SERVICE.full_name, "testing"),
                    route("probe", PROBE_SERVICE.full_name, "probe"),
                ],
            },
        ) as gateway,
    ):
        learn(gateway.admin, TEST_SERVICE.full_name, PROBE_SERVICE.full_name)
        yield gateway, first, second


async def test_p94_two_upstreams_are_one_list(halves: tuple[Gateway, Probe, Probe]) -> None:
    async with connect(halves[0].traffic) as channel:
        assert {TEST_SERVICE.full_name, PROBE_SERVICE.full_name} <= await services(channel)


async def test_reflection_follows_the_configuration(halves: tuple[Gateway, Probe, Probe], folder: Path) -> None:
    """An upstream made through the API appears on the traffic port, and goes with it."""
    gateway = halves[0]
    api = Admin(gateway.admin)
    with Probe("late-probe", folder, "--services", "probe") as server:
        async with connect(gateway.traffic) as channel:
            names = "bookstore.v1.BookstoreService"
            assert names not in await services(channel)
            async with backend(api, [server.address], schema=True, service="late.v1.LateService"):

                async def there() -> bool:
                    return "late.v1.LateService" in await services(channel)

                await eventually(there, within=10)

            async def gone() -> bool:
                return "late.v1.LateService" not in await services(channel)

            await eventually(gone, within=10)
    await api.channel.close()


async def test_an_upstream_without_reflection_shows_as_such(proxied: Target) -> None:
    """Calls pass although nothing is known; GetHealth says what is known."""
    from gateway.v1 import health_service_pb2

    assert proxied.gateway
    api = Admin(proxied.gateway.admin)
    health = (await api.health.GetHealth(health_service_pb2.GetHealthRequest(), timeout=10)).health
    (found,) = [entry for entry in health.upstreams if entry.upstream == "upstreams/probe"]
    known = set(found.services)
    assert (TEST_SERVICE.full_name in known) == (proxied.name == "schema")
    await api.channel.close()


async def test_health_names_what_is_wrong(gateway: Gateway, admin: Admin) -> None:
    """GetHealth: an endpoint that cannot be reached is named, with a reason."""
    from gateway.v1 import health_service_pb2

    address = f"127.0.0.1:{free_port()}"
    async with backend(admin, [address]) as made:

        async def unhealthy() -> bool:
            request = health_service_pb2.GetHealthRequest(upstream=made.upstream)
            (found,) = (await admin.health.GetHealth(request, timeout=10)).health.upstreams
            return found.state == health_service_pb2.GatewayHealth.STATE_UNHEALTHY and bool(found.reason)

        await eventually(unhealthy, within=15)
