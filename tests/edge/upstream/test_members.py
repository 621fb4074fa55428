"""Members of an upstream that an operator drains, and what becomes of their connections meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest

from edge.model.endpoint import EndpointState, Judge
from edge.upstream.http_dial import ConnectFailedError
from edge.upstream.http_endpoint import HttpEndpoint
from tests.edge.upstream.health_place import HTTP, Place, checked

ACTIVE, UNHEALTHY, DRAINING, EJECTED = (
    EndpointState.ACTIVE,
    EndpointState.UNHEALTHY,
    EndpointState.DRAINING,
    EndpointState.EJECTED,
)


@dataclass
class Backend:
    """A server that can be stopped and started on its port."""

    port: int
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]


def grpc_backend() -> Backend:
    running: list[grpc.aio.Server] = []

    async def start() -> None:
        server = grpc.aio.server()
        found.port = server.add_insecure_port(f"127.0.0.1:{found.port}")
        await server.start()
        running.append(server)

    async def stop() -> None:
        if running:
            await running.pop().stop(0)

    found = Backend(0, start, stop)
    return found


def http_backend() -> Backend:
    running: list[asyncio.Server] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    async def start() -> None:
        running.append(await asyncio.start_server(serve, "127.0.0.1", found.port))
        found.port = running[-1].sockets[0].getsockname()[1]

    async def stop() -> None:
        for writer in writers:
            writer.transport.abort()
        if running:
            server = running.pop()
            server.close()
            await server.wait_closed()

    found = Backend(0, start, stop)
    return found


@asynccontextmanager
async def reached(kind: str) -> AsyncIterator[tuple[Backend, Place]]:
    """Run a backend, and a cluster that is connected to it."""
    backend = http_backend() if kind == "http" else grpc_backend()
    await backend.start()
    more: dict[str, Any] = dict(HTTP) if kind == "http" else {}
    try:
        async with checked([f"127.0.0.1:{backend.port}"], None, wire=kind != "grpc.aio", **more) as place:
            await place.active()
            yield backend, place
    finally:
        await backend.stop()


async def lost(place: Place) -> None:
    """Wait until the gateway knows that nobody is there."""
    carrier = place.endpoint.carrier
    if isinstance(carrier, HttpEndpoint):  # nothing is noticed of connections that nobody uses
        carrier._close_idle()
        with pytest.raises(ConnectFailedError):
            await carrier.request("GET", "/", ())
    async with asyncio.timeout(10):
        while place.endpoint.connected:
            await asyncio.sleep(0.005)


KINDS = pytest.mark.parametrize("kind", ["grpc.aio", "wire", "http"])


@KINDS
async def test_one_that_went_while_it_drained_is_not_taken_for_there(kind: str) -> None:
    async with reached(kind) as (backend, place):
        address = place.endpoint.address
        place.cluster.drain(address)
        await backend.stop()
        await lost(place)
        assert place.endpoint.state is DRAINING
        place.cluster.undrain(address)
        assert (place.endpoint.state, place.endpoint.reason) == (UNHEALTHY, "cannot be reached: Connection refused")
        await backend.start()
        await place.active()


@KINDS
async def test_one_that_was_restarted_while_it_drained_gets_calls_at_once(kind: str) -> None:
    async with reached(kind) as (backend, place):
        address = place.endpoint.address
        place.cluster.drain(address)
        await backend.stop()
        await lost(place)
        await backend.start()
        async with asyncio.timeout(10):
            while not place.endpoint.connected:
                await asyncio.sleep(0.005)
        assert place.endpoint.state is DRAINING
        place.cluster.undrain(address)
        assert place.endpoint.state is ACTIVE


@KINDS
async def test_one_that_was_ejected_and_went_is_not_taken_for_there_when_it_may_come_back(kind: str) -> None:
    async with reached(kind) as (backend, place):
        place.endpoint.judge(Judge.OUTLIER, EJECTED, "fails")
        await backend.stop()
        await lost(place)
        place.endpoint.judge(Judge.OUTLIER, None)
        assert place.endpoint.state is UNHEALTHY
        place.endpoint.judge(Judge.OUTLIER, EJECTED, "fails")
        await backend.start()
        async with asyncio.timeout(10):
            while not place.endpoint.connected:
                await asyncio.sleep(0.005)
        place.endpoint.judge(Judge.OUTLIER, None)
        assert place.endpoint.state is ACTIVE


async def test_nobody_is_drained_or_dropped_who_is_not_there() -> None:
    async with checked(["127.0.0.1:1"], None, wire=True) as place:
        await place.until(lambda: place.endpoint.state is UNHEALTHY)
        for act in (place.cluster.drain, place.cluster.undrain, place.cluster.drop):
            act("127.0.0.1:2")
        assert place.cluster.find("127.0.0.1:2") is None
        assert place.endpoint.state is UNHEALTHY
