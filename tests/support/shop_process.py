"""A shop as a process, with reflection and `grpc.health.v1`, that says of each answer who gave it.

python -m tests.support.shop_process --ready-file PATH [--name a] [--port 0] [--methods Get,Buy] [--no-health]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from edge.admin.reflection import add_reflection
from edge.model.schema import SchemaSet
from tests.support.processes import Process, python
from tests.support.rpc import connect
from tests.support.shop import SHOP, shop_file

TILL = "shop.v1.Till"
"""Another service of it, with the method Pay."""

WHO = "x-shop"
"""The metadata of an answer that names the server."""

_SET = "/control.Control/Set"


class Shop(Process):
    """The process, as tests see it."""

    def __init__(self, name: str, folder: Path, *, methods: str = "Get", health: bool = True) -> None:
        self._health = health
        super().__init__(name, [], folder)
        self.arguments = self._command(methods, 0)

    def _command(self, methods: str, port: int) -> list[str]:
        options = ["--name", self.name, "--port", str(port), "--methods", methods]
        return python("tests.support.shop_process", *options, *(() if self._health else ("--no-health",)))

    @property
    def address(self) -> str:
        """Host and port."""
        return str(self.ready["address"])

    def restart(self, methods: str = "Get", *, kill: bool = True) -> None:
        """Start it again on the same port, maybe as another version, after it was killed or has finished its calls."""
        if kill:
            self.kill()
        else:
            self.stop()
        self.arguments = self._command(methods, int(self.address.rpartition(":")[2]))
        self.start()

    async def set(self, service: str, *, serving: bool) -> None:
        """Let it say of a service that it serves or does not."""
        async with connect(self.address, own=True) as channel:
            await channel.unary_unary(_SET)(f"{service}={int(serving)}".encode(), timeout=20)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, name: str, methods: set[str], servicer: Any) -> None:
        self._name = name
        self._methods = {f"/{SHOP}/{method}" for method in methods} | {f"/{TILL}/Pay"}
        self._servicer = servicer

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method: Any = handler_call_details.method
        if method == _SET:
            return grpc.unary_unary_rpc_method_handler(self._set)
        return grpc.unary_unary_rpc_method_handler(self._echo) if method in self._methods else None

    async def _echo(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata(((WHO, self._name),))
        return request

    async def _set(self, request: bytes, _: Any) -> bytes:
        service, _, serving = request.decode().partition("=")
        statuses: Any = health_pb2.HealthCheckResponse
        await self._servicer.set(service, statuses.SERVING if int(serving) else statuses.NOT_SERVING)
        return b""


async def _main(options: argparse.Namespace) -> None:
    methods = options.methods.split(",")
    schema = SchemaSet.of(
        [shop_file(*methods).SerializeToString(), shop_file("Pay", service="Till").SerializeToString()]
    )
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    servicer: Any = health.aio.HealthServicer()
    if not options.no_health:
        add: Any = health_pb2_grpc.add_HealthServicer_to_server
        add(servicer, server)
    add_reflection(server, lambda: [schema])
    server.add_generic_rpc_handlers((_Handlers(options.name, set(methods), servicer),))
    statuses: Any = health_pb2.HealthCheckResponse
    for service in ("", SHOP, TILL):
        await servicer.set(service, statuses.SERVING)
    port = server.add_insecure_port(f"127.0.0.1:{options.port}")
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    options.ready_file.write_text(json.dumps({"address": f"127.0.0.1:{port}"}))
    await stop.wait()
    await server.stop(10)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ready-file", type=Path, required=True)
    parser.add_argument("--name", default="shop")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--methods", default="Get")
    parser.add_argument("--no-health", action="store_true")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
