"""A gRPC endpoint as the wire engine reaches it, with the states it went through, and servers to reach."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import grpc
import grpc.aio
import trustme

from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import Endpoint, EndpointAddress, EndpointState
from edge.model.settings import Limits
from edge.model.upstreams import ConnectionSettings, Upstream, UpstreamTls
from edge.tasks import Tasks
from edge.upstream.channels import credentials
from edge.upstream.grpc_endpoint import GrpcEndpoint
from edge.upstream.http_dial import tls_context
from edge.wire.transport import LoopTurn
from tests.support.raw_peer import RawServer, RawStream
from tests.support.wire_caller import WAIT, WireCall


class Place:
    """An endpoint that is watched.

    Args:
        address: Host and port, or `unix:/path`.
        warm_up: Whether to connect at once.
        tls: TLS to it.
        authority: The `:authority`.
        settings: How connections are made and kept.
    """

    def __init__(
        self,
        address: str,
        *,
        warm_up: bool = True,
        tls: UpstreamTls | None = None,
        authority: str = "",
        settings: dict[str, Any],
    ) -> None:
        self.upstream = Upstream(
            name="upstreams/a",
            discovery=StaticDiscovery(endpoints=()),
            connection=ConnectionSettings(warm_up=warm_up, **{"max_backoff": 0.1, **settings}),
            tls=tls,
            authority=authority,
        )
        self.carrier = GrpcEndpoint(
            self.upstream,
            address,
            Limits(),
            tls_context(self.upstream, ("h2",)),
            LoopTurn(asyncio.get_running_loop()),
            credentials=credentials(self.upstream),
        )
        self.endpoint = Endpoint(EndpointAddress(address), self.carrier)
        self.states: list[tuple[EndpointState, str]] = []
        """What `changed` was called for."""
        self._news = asyncio.Event()
        self._tasks = Tasks()
        self.carrier.watch(self.endpoint, self._changed, self._tasks, connect=warm_up)

    def _changed(self) -> None:
        self.states.append((self.endpoint.state, self.endpoint.reason))
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the change that makes a condition true."""
        async with asyncio.timeout(WAIT):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def becomes(self, state: EndpointState) -> None:
        await self.until(lambda: self.endpoint.state is state)

    async def made(self, count: int) -> None:
        """Wait until so many connections have been made."""
        await self.until(lambda: self.carrier.made >= count)

    def call(self, message: bytes = b"", *, path: str = "/t/Echo", more: bool = False) -> WireCall:
        return WireCall(self.carrier, path, message, more=more)

    async def close(self) -> None:
        await self._tasks.close()
        await self.carrier.close()


@asynccontextmanager
async def place(
    address: str, *, warm_up: bool = True, tls: UpstreamTls | None = None, authority: str = "", **settings: Any
) -> AsyncIterator[Place]:
    found = Place(address, warm_up=warm_up, tls=tls, authority=authority, settings=settings)
    try:
        yield found
    finally:
        await found.close()


async def echo(stream: RawStream) -> None:
    """Answer with the request."""
    await stream.finished()
    if stream.ended:
        await stream.respond([bytes(stream.data[5:])])


class TlsRawServer(RawServer):
    """A raw server behind TLS."""

    def __init__(self, issued: trustme.LeafCert, alpn: list[str]) -> None:
        super().__init__(echo)
        self.names: list[str] = []
        """The server names that callers asked for."""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(self._context)
        if alpn:
            self._context.set_alpn_protocols(alpn)
        self._context.sni_callback = lambda _socket, name, _context: self.names.append(name)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._context)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self


class _Echo(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        async def answer(request: bytes, context: Any) -> bytes:
            return request

        return grpc.unary_unary_rpc_method_handler(answer)


@asynccontextmanager
async def grpc_server(address: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """Run a server of grpc.aio that answers with the request; yield its address."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Echo(),))
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield address if address.startswith("unix:") else f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@asynccontextmanager
async def bytes_server(answer: bytes, *, close: bool = False) -> AsyncIterator[tuple[str, list[float]]]:
    """Answer whoever connects and sends something with these bytes.

    Yields:
        The address, and when the connections came.
    """
    writers: list[asyncio.StreamWriter] = []
    times: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        times.append(asyncio.get_running_loop().time())
        with contextlib.suppress(ConnectionError):
            await reader.read(1024)
            writer.write(answer)
            while not close and await reader.read(65536):
                pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", times
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
