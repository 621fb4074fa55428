"""A small service in several versions, on real servers that describe themselves by reflection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection

from edge.admin.reflection import add_reflection
from edge.model.schema import SchemaSet

SHOP = "shop.v1.Shop"


def shop_file(
    *methods: str, fields: Sequence[str] = ("id",), service: str = "Shop"
) -> descriptor_pb2.FileDescriptorProto:
    """Return shop/v1/SERVICE.proto, whose unary methods take and answer an Item with these string fields."""
    name = service.lower()
    file = descriptor_pb2.FileDescriptorProto(name=f"shop/v1/{name}.proto", package="shop.v1", syntax="proto3")
    message = file.message_type.add(name=f"{service}Item")
    for number, field in enumerate(fields, 1):
        message.field.add(name=field, number=number, type="TYPE_STRING", label="LABEL_OPTIONAL")
    made = file.service.add(name=service)
    for method in methods:
        made.method.add(name=method, input_type=f".shop.v1.{service}Item", output_type=f".shop.v1.{service}Item")
    return file


class ShopServer:
    """A server on loopback that can be stopped and started again, as another version, on the same port.

    It answers every call with its request.
    """

    def __init__(self) -> None:
        self.port = 0
        self.looks = 0
        """How often it was asked for its descriptors."""
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    async def start(self, *files: descriptor_pb2.FileDescriptorProto, v1: bool = True) -> ShopServer:
        """Serve these files, or none at all, without reflection then.

        Args:
            files: What it describes; all their services are offered.
            v1: Whether to serve reflection as v1 and v1alpha, or as v1alpha only.
        """
        if not files:
            return await self.start_with(lambda _: None)
        if v1:
            schema = SchemaSet.of([file.SerializeToString() for file in files])
            return await self.start_with(lambda server: add_reflection(server, lambda: [schema]))
        pool = descriptor_pool.DescriptorPool()
        names = [f"{file.package}.{service.name}" for file in files for service in file.service]
        for file in files:
            pool.Add(file)
        return await self.start_with(
            lambda server: reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server, pool=pool)
        )

    async def start_with(self, reflect: Callable[[grpc.aio.Server], object]) -> ShopServer:
        """Serve what `reflect` adds to the server."""
        await self.stop()
        server = grpc.aio.server(interceptors=[_Counter(self)], options=[("grpc.so_reuseport", 0)])
        reflect(server)
        server.add_generic_rpc_handlers((_Echo(),))
        self.port = server.add_insecure_port(f"127.0.0.1:{self.port}")
        await server.start()
        self._server = server
        return self

    async def stop(self) -> None:
        """Close every connection at once."""
        if self._server is not None:
            await self._server.stop(0)
            self._server = None


class _Echo(grpc.GenericRpcHandler):
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        if not handler_call_details.method.startswith("/shop."):
            return None

        async def echo(request: bytes, _: object) -> bytes:
            return request

        return grpc.unary_unary_rpc_method_handler(echo)


class _Counter(grpc.aio.ServerInterceptor):
    def __init__(self, server: ShopServer) -> None:
        self._server = server

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        self._server.looks += "ServerReflectionInfo" in handler_call_details.method
        return await continuation(handler_call_details)
