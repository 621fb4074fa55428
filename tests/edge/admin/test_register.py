from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from edge.admin.descriptors import own_schema
from edge.admin.node import NodeInfo
from edge.admin.register import register_admin, register_traffic
from edge.discovery import EndpointRegistry
from edge.telemetry.tap import TapHub
from gateway.v1 import admin_service_pb2, endpoint_service_pb2, health_service_pb2
from tests.edge.admin.fakes import TIMEOUT, FakeCluster, FakeRuntime, Reflection, endpoint, serving, untyped

STANDARD = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]


def status(channel: grpc.aio.Channel, service: str) -> Any:
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT)


async def test_the_admin_server_has_the_gateway_api_reflection_and_health() -> None:
    runtime = FakeRuntime(FakeCluster("upstreams/a", endpoint("h:1")))

    def register(server: grpc.aio.Server) -> None:
        servicers.append(register_admin(server, runtime, NodeInfo(), TapHub(), lambda: None, EndpointRegistry()))

    servicers: list[Any] = []
    async with serving(register) as channel:
        services = await Reflection(channel).services()
        assert set(STANDARD) <= set(services)
        assert {f"gateway.v1.{name}Service" for name in ("Admin", "Config", "Route", "Health")} <= set(services)
        for name in (*services, "", "upstreams/a"):
            assert (await status(channel, name)).status == health_pb2.HealthCheckResponse.SERVING
        for module, service, method, request in (
            (admin_service_pb2, "AdminService", "GetServerInfo", admin_service_pb2.GetServerInfoRequest()),
            (health_service_pb2, "HealthService", "GetHealth", health_service_pb2.GetHealthRequest()),
            (
                endpoint_service_pb2,
                "EndpointService",
                "ListEndpoints",
                endpoint_service_pb2.ListEndpointsRequest(parent="upstreams/a"),
            ),
        ):
            call: Any = channel.unary_unary(f"/{module.DESCRIPTOR.package}.{service}/{method}")
            assert await call(untyped(request).SerializeToString(), timeout=TIMEOUT)
        servicers[0].drain()
        info: Any = channel.unary_unary(
            "/gateway.v1.AdminService/GetServerInfo",
            response_deserializer=admin_service_pb2.ServerInfo.FromString,
        )
        answer: Any = await info(b"", timeout=TIMEOUT)
        assert answer.state == admin_service_pb2.ServerInfo.STATE_DRAINING


class Everything(grpc.GenericRpcHandler):
    """Takes every method, as the proxy does."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def proxied(request: bytes, context: Any) -> bytes:
            return b"proxied"

        return grpc.unary_unary_rpc_method_handler(untyped(proxied))


async def test_the_traffic_server_has_the_services_of_the_upstreams_in_force_and_leaves_the_rest_to_the_proxy() -> None:
    runtime = FakeRuntime()

    def register(server: grpc.aio.Server) -> None:
        register_traffic(server, runtime)
        server.add_generic_rpc_handlers((Everything(),))

    async with serving(register) as channel:
        stream = Reflection(channel)
        assert await stream.services() == STANDARD
        # an upstream lists its own health service, too
        schema = own_schema([admin_service_pb2, health_pb2])
        runtime.put(FakeCluster("upstreams/a", endpoint("h:1"), schema=schema), FakeCluster("upstreams/b"))
        assert await stream.services() == ["gateway.v1.AdminService", *STANDARD]
        await stream.get(file_containing_symbol="gateway.v1.AdminService")
        await stream.end()
        assert (await status(channel, "gateway.v1.AdminService")).status == health_pb2.HealthCheckResponse.SERVING
        call: Any = channel.unary_unary("/gateway.v1.AdminService/GetServerInfo")
        assert await call(b"", timeout=TIMEOUT) == b"proxied"
