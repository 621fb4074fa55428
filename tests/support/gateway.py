"""The gateway as a process, and its API as tests use it."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, json_format

from gateway.v1 import (
    admin_service_pb2,
    health_service_pb2,
    route_pb2,
    route_service_pb2,
    schema_pb2,
    schema_service_pb2,
    upstream_pb2,
    upstream_service_pb2,
)
from tests.support.engine import AIO
from tests.support.processes import Process, python
from tests.support.raw_peer import Handler, RawServer
from tests.support.rpc import ROOMY, Stub, eventually

_numbers = itertools.count(1)


class Gateway(Process):
    """A gateway of its own with a configuration file.

    Args:
        name: What it is called in reports; unique within the folder.
        folder: Where its files go.
        configuration: What edge.yaml holds besides the sockets.
    """

    def __init__(self, name: str, folder: Path, configuration: dict[str, Any] | None = None) -> None:
        self.file = folder / f"{name}.yaml"
        super().__init__(name, python("edge.cli", "serve", "--config", str(self.file)), folder)
        self.write(configuration or {})

    def write(self, configuration: dict[str, Any]) -> None:
        """Write edge.yaml."""
        server = {
            "listeners": [
                {"name": "traffic", "address": "127.0.0.1:0"},
                {"name": "http", "address": "127.0.0.1:0", "protocol": "HTTP"},
            ],
            "admin": {"address": "127.0.0.1:0", **({"http_address": "127.0.0.1:0"} if AIO else {})},
            "drain_timeout": "5s",
            **({"engine": "GRPC_AIO"} if AIO else {}),
            **configuration.get("server", {}),
        }
        # JSON is YAML
        self.file.write_text(json.dumps({**configuration, "server": server}, indent=2))

    @property
    def traffic(self) -> str:
        """The address of the port for callers."""
        return str(self.ready["listeners"]["traffic"])

    @property
    def http(self) -> str:
        """The address of the port for HTTP callers."""
        return str(self.ready["listeners"]["http"])

    @property
    def admin(self) -> str:
        """The address of the gateway API by gRPC."""
        return str(self.ready["admin"])

    @property
    def admin_http(self) -> str:
        """The address of the gateway API as REST."""
        return str(self.ready["admin_http"])


def static(*addresses: str, **more: Any) -> dict[str, Any]:
    """Return the fields of an upstream with these endpoints, as edge.yaml has them."""
    return {"static": {"endpoints": [{"address": address} for address in addresses]}, **more}


def upstream(name: str, *addresses: str, **more: Any) -> dict[str, Any]:
    """Return an upstream as edge.yaml has it."""
    return {"name": f"upstreams/{name}", **static(*addresses, **more)}


def route(name: str, service: str, *upstreams: str, **more: Any) -> dict[str, Any]:
    """Return a route for a service as edge.yaml has it."""
    return {
        "name": f"routes/{name}",
        "matches": [{"grpc": {"service": service}}],
        "forward": {"upstreams": [{"upstream": f"upstreams/{target}", "weight": 1} for target in upstreams]},
        **more,
    }


class Admin:
    """The gateway API of a gateway."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=ROOMY)
        self.routes = _stub(self.channel, route_service_pb2, "RouteService")
        self.upstreams = _stub(self.channel, upstream_service_pb2, "UpstreamService")
        self.schemas = _stub(self.channel, schema_service_pb2, "SchemaService")
        self.server = _stub(self.channel, admin_service_pb2, "AdminService")
        self.health = _stub(self.channel, health_service_pb2, "HealthService")

    async def create_upstream(self, name: str, *addresses: str, **more: Any) -> None:
        """Create an upstream from fields as edge.yaml has them."""
        found = json_format.ParseDict(static(*addresses, **more), upstream_pb2.Upstream())
        request = upstream_service_pb2.CreateUpstreamRequest(upstream_id=name, upstream=found)
        await self.upstreams.CreateUpstream(request, timeout=20)

    async def create_route(self, name: str, service: str, *upstreams: str, **more: Any) -> None:
        """Create a route from fields as edge.yaml has them."""
        fields = route(name, service, *upstreams, **more)
        del fields["name"]
        found = json_format.ParseDict(fields, route_pb2.Route())
        request = route_service_pb2.CreateRouteRequest(route_id=name, route=found)
        await self.routes.CreateRoute(request, timeout=20)

    async def create_schema(self, name: str, *files: descriptor_pb2.FileDescriptorProto) -> None:
        """Create a schema from descriptors."""
        found = schema_pb2.Schema(file_descriptor_set=descriptor_pb2.FileDescriptorSet(file=files).SerializeToString())
        request = schema_service_pb2.CreateSchemaRequest(schema_id=name, schema=found)
        await self.schemas.CreateSchema(request, timeout=20)

    async def delete(self, *names: str) -> None:
        """Delete resources by name, in this order."""
        for name in names:
            match name.partition("/")[0]:
                case "routes":
                    await self.routes.DeleteRoute(route_service_pb2.DeleteRouteRequest(name=name), timeout=20)
                case "upstreams":
                    await self.upstreams.DeleteUpstream(
                        upstream_service_pb2.DeleteUpstreamRequest(name=name), timeout=20
                    )
                case "schemas":
                    await self.schemas.DeleteSchema(schema_service_pb2.DeleteSchemaRequest(name=name), timeout=20)

    async def info(self) -> admin_service_pb2.ServerInfo:
        """Return what the gateway is and does."""
        found = await self.server.GetServerInfo(admin_service_pb2.GetServerInfoRequest(), timeout=20)
        assert isinstance(found, admin_service_pb2.ServerInfo)
        return found

    async def idle(self, within: float = 10) -> None:
        """Wait until no call is under way."""

        async def quiet() -> bool:
            return (await self.info()).active_calls == 0

        await eventually(quiet, within=within, what="no active call")

    async def knows(self, *services: str, within: float = 20) -> None:
        """Wait until the gateway has learnt that its upstreams offer these services."""

        async def learnt() -> bool:
            answer = await self.health.GetHealth(health_service_pb2.GetHealthRequest(), timeout=20)
            found = {service for health in answer.health.upstreams for service in health.services}
            return found.issuperset(services)

        await eventually(learnt, within=within, what=f"the gateway knows {', '.join(services)}")


def _stub(channel: grpc.aio.Channel, module: Any, service: str) -> Stub:
    return Stub(channel, module.DESCRIPTOR.services_by_name[service])


class Backend:
    """An upstream of a gateway for the time of a test, with a service of its own.

    Its methods are `Unary`, `ClientStream`, `ServerStream` and `Bidi`, all of `Blob` with the bytes field `data` = 1.
    """

    def __init__(self, service: str, name: str) -> None:
        self.service = service
        """The full service name."""
        self.upstream = f"upstreams/{name}"
        """The name of the upstream."""
        self.route = f"routes/{name}"
        """The name of the route."""
        self.server: RawServer
        """The server, when it is a raw one."""

    def path(self, method: str) -> str:
        """Return the path of a method."""
        return f"/{self.service}/{method}"


@contextlib.asynccontextmanager
async def backend(
    admin: Admin,
    addresses: Iterable[str],
    *,
    schema: bool = False,
    upstream_fields: dict[str, Any] | None = None,
    route_fields: dict[str, Any] | None = None,
    service: str = "",
) -> AsyncIterator[Backend]:
    """Create an upstream, a route and, when wanted, a schema; delete them at the end."""
    name = f"t{next(_numbers)}"
    made = Backend(service or f"raw.{name}.Raw", name)
    fields = dict(upstream_fields or {})
    clean: Sequence[str] = (made.route, made.upstream)
    if schema:
        await admin.create_schema(name, descriptor(made.service))
        fields["schema"] = f"schemas/{name}"
        clean = (*clean, f"schemas/{name}")
    else:
        fields.setdefault("reflection", {"disabled": True})
    await admin.create_upstream(name, *addresses, **fields)
    await admin.create_route(name, made.service, name, **(route_fields or {}))
    try:
        yield made
    finally:
        await admin.delete(*clean)


@contextlib.asynccontextmanager
async def raw_backend(
    admin: Admin, handler: Handler, *, settings: dict[int, int] | None = None, **more: Any
) -> AsyncIterator[Backend]:
    """Create an upstream that is answered by `handler`."""
    async with (
        RawServer(handler, settings=settings) as server,
        backend(admin, [server.address], **more) as made,
    ):
        made.server = server
        yield made


def descriptor(service: str) -> descriptor_pb2.FileDescriptorProto:
    """Return the file that defines a service with a method of each shape."""
    package, _, name = service.rpartition(".")
    file = descriptor_pb2.FileDescriptorProto(name=f"{package.replace('.', '/')}.proto", package=package)
    file.syntax = "proto3"
    message = file.message_type.add(name="Blob")
    message.field.add(
        name="data",
        number=1,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        json_name="data",
    )
    found = file.service.add(name=name)
    for method, client, server in SHAPES:
        found.method.add(
            name=method,
            input_type=f".{package}.Blob",
            output_type=f".{package}.Blob",
            client_streaming=client,
            server_streaming=server,
        )
    return file


SHAPES = (
    ("Unary", False, False),
    ("ClientStream", True, False),
    ("ServerStream", False, True),
    ("Bidi", True, True),
)
