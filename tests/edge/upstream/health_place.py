"""A cluster whose endpoints are checked, and servers with and without a health service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from edge.model.config import Configuration
from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import Endpoint, EndpointAddress, EndpointState
from edge.model.resilience import GrpcProbe, HealthCheck, HttpProbe, TcpProbe
from edge.model.settings import Limits
from edge.model.upstreams import ConnectionSettings, Upstream, UpstreamProtocol
from edge.tasks import Tasks
from edge.upstream import Clusters, UpstreamCluster
from edge.wire.transport import LoopTurn

NAME = "upstreams/shop"
WAIT = 10.0

pb: Any = health_pb2
SERVING, NOT_SERVING = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING


class Server:
    """A server of grpc.aio.

    Args:
        offers: `watch` for the whole health service, `check` for one without Watch, nothing for none.
    """

    def __init__(self, offers: str = "watch") -> None:
        self.servicer = _Counting()
        self._offers = offers
        self._server: grpc.aio.Server | None = None
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = grpc.aio.server()
        if self._offers:
            handlers: Any = health_pb2_grpc.add_HealthServicer_to_server
            handlers(self.servicer if self._offers == "watch" else _CheckOnly(self.servicer), self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self, grace: float = 0.0) -> None:
        if self._server is not None:
            await self._server.stop(grace)

    async def set(self, service: str, status: Any) -> None:
        await self.servicer.set(service, status)


class _Counting(health.aio.HealthServicer):  # type: ignore[misc] # without types
    """Counts what it is asked, and can be told to be silent."""

    def __init__(self) -> None:
        super().__init__()
        self.checks: list[str] = []
        self.watches: list[str] = []
        self.watching = 0
        self.silent = False

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.checks.append(request.service)
        if self.silent:
            await asyncio.Event().wait()
        return await super().Check(request, context)

    async def Watch(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.watches.append(request.service)
        self.watching += 1
        try:
            await super().Watch(request, context)
        finally:
            self.watching -= 1


class _CheckOnly(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # without types
    """Answers UNIMPLEMENTED to Watch, as generated code does."""

    def __init__(self, servicer: Any) -> None:
        self.Check = servicer.Check


class Place:
    """A cluster, and the states its endpoints went through."""

    def __init__(self, clusters: Clusters, cluster: UpstreamCluster) -> None:
        self.clusters = clusters
        self.cluster = cluster

    @property
    def endpoint(self) -> Endpoint:
        return self.cluster.endpoints[0]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the change that makes a condition true, and for the cluster to have taken it over."""
        async with asyncio.timeout(WAIT):
            async for _ in self.clusters.changes.follow():
                if condition():
                    await asyncio.sleep(0)  # an endpoint tells its cluster in the next turn of the loop
                    return

    async def active(self) -> None:
        await self.until(lambda: all(one.state is EndpointState.ACTIVE for one in self.cluster.endpoints))

    async def unhealthy(self, words: str) -> None:
        await self.until(lambda: self.endpoint.state is EndpointState.UNHEALTHY and words in self.endpoint.reason)


def check(probe: GrpcProbe | HttpProbe | TcpProbe | None = None, **settings: Any) -> HealthCheck:
    """Return settings with short times."""
    return HealthCheck(probe=probe or GrpcProbe(), **{"interval": 0.1, "timeout": 2.0, **settings})


@asynccontextmanager
async def checked(
    addresses: Iterable[str], settings: HealthCheck | None, *, wire: bool, **more: Any
) -> AsyncIterator[Place]:
    """Run a cluster.

    Args:
        addresses: Its endpoints.
        settings: How they are checked.
        wire: Whether the wire engine reaches them.
        more: Other fields of the upstream.
    """
    upstream = Upstream(
        name=NAME,
        discovery=StaticDiscovery(endpoints=tuple(EndpointAddress(address) for address in addresses)),
        connection=ConnectionSettings(max_backoff=0.1),
        health_check=settings,
        **{"reflection": False, **more},
    )
    clusters = Clusters(Limits(), LoopTurn(asyncio.get_running_loop()) if wire else None)
    configuration = Configuration(upstreams={NAME: upstream})
    clusters.publish(configuration, clusters.prepare(configuration))
    try:
        yield Place(clusters, clusters.current[NAME])
    finally:
        await clusters.close()
        await Tasks.close_detached()


@asynccontextmanager
async def server(offers: str = "watch") -> AsyncIterator[Server]:
    """Run a server."""
    found = Server(offers)
    await found.start()
    await found.set("", SERVING)
    try:
        yield found
    finally:
        await found.stop()


@asynccontextmanager
async def http_server(status: list[int]) -> AsyncIterator[tuple[str, list[str]]]:
    """Answer every request with `status[0]`, and nothing while that is 0; yield the address and the request lines."""
    lines: list[str] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines.append(head.split(b"\r\n")[0].decode())
                if status[0]:
                    extra = b"location: /elsewhere\r\n" if status[0] == 302 else b""
                    writer.write(b"HTTP/1.1 %d X\r\n%bcontent-length: 2\r\n\r\nok" % (status[0], extra))
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}", lines
    finally:
        listening.close()
        for writer in writers:
            writer.close()


HTTP = {"protocol": UpstreamProtocol.HTTP}
