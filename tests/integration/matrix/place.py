"""The gateway of the matrix: routes for one service, told apart by `x-case`, and the upstream behind them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from gateway.v1 import route_pb2, route_service_pb2
from tests.integration.matrix.outcome import SHAPES, Addresses
from tests.integration.matrix.peer import answer
from tests.support.gateway import Admin, Gateway, descriptor
from tests.support.processes import free_port
from tests.support.raw_peer import RawServer

SERVICE = "matrix.v1.Matrix"
SECONDS = 1.5
"""The time limit of the route `late`, and of callers."""
BYTES = 1000
"""The size limit of the route `small`."""

RULES = [{"selector": f"{SERVICE}.{shape}", "post": f"/rest/{shape}", "body": "*"} for shape in SHAPES]


@contextlib.asynccontextmanager
async def place(folder: Path) -> AsyncIterator[tuple[Gateway, Addresses]]:
    """Run the gateway and the upstream."""
    async with RawServer(answer) as server:
        gateway = Gateway("matrix-gateway", folder)
        try:
            await asyncio.to_thread(gateway.start)
            admin = Admin(gateway.admin)
            await configure(admin, server.address)
            await admin.channel.close()
            yield gateway, (gateway.traffic, gateway.http)
        finally:
            await asyncio.to_thread(gateway.stop)


async def configure(admin: Admin, address: str) -> None:
    """Make routes for the cases `plain`, `late`, `small`, `down` and `direct`."""
    schema = {"schema": "schemas/matrix", "reflection": {"disabled": True}}
    await admin.create_schema("matrix", descriptor(SERVICE))
    await admin.create_upstream("matrix", address, **schema)
    await admin.create_upstream("down", f"127.0.0.1:{free_port()}", **schema)
    seconds = f"{SECONDS}s"
    await _route(admin, "plain", "matrix")
    await _route(admin, "late", "matrix", timeout=seconds, stream_timeout=seconds)
    await _route(admin, "small", "matrix", max_request_message_bytes=BYTES, max_response_message_bytes=BYTES)
    await _route(admin, "down", "down")
    answered = {"code": 7, "message": "geschlossen: „heute“"}
    await _route(admin, "direct", "matrix", direct_response=answered)


async def _route(admin: Admin, name: str, upstream: str, **more: Any) -> None:
    selects = {"headers": [{"name": "x-case", "exact": name}]}
    if "direct_response" in more:
        # such a route has no schema, so it takes whatever comes
        fields = {"matches": [selects], "transcoding": {}, **more}
        found = json_format.ParseDict(fields, route_pb2.Route())
        request = route_service_pb2.CreateRouteRequest(route_id=name, route=found)
        await admin.routes.CreateRoute(request, timeout=20)
        return
    matches = [{"grpc": {"service": SERVICE}, **selects}]
    await admin.create_route(name, SERVICE, upstream, transcoding={"rules": RULES}, matches=matches, **more)
