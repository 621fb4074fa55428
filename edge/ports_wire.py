"""The sockets of the wire engine: every listener takes every protocol.

The gateway's own services, and calls that need messages, are served by grpc.aio on unix sockets in a folder that only
this process may enter.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from edge.admin_rest import AdminRest
from edge.gateway import Gateway
from edge.listeners import EdgeServer, GrpcServer, Http2Front, ListenError, Probes
from edge.listeners.refuse import NativeOnly
from edge.listeners.tls import TlsFileError, TlsKeeper, alpn
from edge.model.discovery import StaticDiscovery
from edge.model.http import HttpHandler
from edge.model.peers import Peers
from edge.model.settings import Limits, ListenerProtocol, ListenerSettings, ListenerTls, ServerSettings
from edge.model.upstreams import ConnectionSettings, Upstream
from edge.ports import Ports
from edge.proxy.own import OwnPipeline
from edge.proxy.wire import Requests, WireEnvironment
from edge.tasks import Tasks
from edge.upstream import GrpcEndpoint

OWN_PATHS = (
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
)
"""What calls to services begin with that the gateway serves itself on every port."""


class WirePorts(Ports):
    """The sockets of the wire engine."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._folder = Path()
        self._admin: EdgeServer | None = None
        self._carriers: list[GrpcEndpoint] = []
        self._environments: list[WireEnvironment] = []
        self._tasks = Tasks()

    @property
    def admin_address(self) -> str | None:
        """The address of the gateway API, or None."""
        return self._admin.address if self._admin is not None else None

    @property
    def admin_http_address(self) -> str | None:
        """The address of the gateway API as REST, or None."""
        if self.rest is not None and self.rest.address:
            return self.rest.address
        return self.admin_address

    async def bind(self) -> None:
        """Take every address.

        Raises:
            ListenError: an address is taken or not ours, or a certificate cannot be read.
        """
        gateway, settings, limits = self.gateway, self.settings, self.settings.limits
        # a unix socket's path may have 107 bytes; only this user may enter the folder
        self._folder = Path(tempfile.mkdtemp(prefix="edge-"))
        core = GrpcServer(
            f"unix:{self._folder}/core",
            _inner(limits),
            proxied=True,
            compression_level=settings.compression_level,
        )
        self.traffic.append(core)
        carrier = self._carrier("core", core)
        assert gateway.environment is not None, "the gateway has the wire engine"
        gateway.environment.use_core(carrier, gateway.core.handed)
        own = self._own(carrier)
        probed: HttpHandler = Probes(gateway.transcoder, gateway.ready, gateway.takes_path)
        for listener in settings.listeners:
            native = listener.protocol is not ListenerProtocol.HTTP
            only = listener.protocol is ListenerProtocol.GRPC
            server = self._server(
                listener, NativeOnly() if only else probed, gateway.environment, own, OWN_PATHS, native=native
            )
            await server.bind()
            self.servers[listener.name] = server
        if settings.admin_address:
            await self._bind_admin(settings)

    async def _bind_admin(self, settings: ServerSettings) -> None:
        self.admin = GrpcServer(f"unix:{self._folder}/admin", _inner(settings.limits), proxied=False)
        carrier = self._carrier("admin", self.admin)
        self.rest = await AdminRest.make(settings, self.admin.address)
        await self.rest.bind()
        handler = Probes(self.rest.handler, self.gateway.ready)
        listener = ListenerSettings(name="admin", address=settings.admin_address, tls=settings.admin_tls)
        self._admin = self._server(listener, handler, None, self._own(carrier), (), native=True)
        await self._admin.bind()

    async def start_admin(self) -> None:
        """Serve the gateway API."""
        if self.admin is not None:
            await self.admin.start()
        if self.rest is not None:
            await self.rest.start()
        if self._admin is not None:
            await self._admin.start()

    async def start(self) -> None:
        """Take calls."""
        for core in self.traffic:
            await core.start()
        await super().start()

    async def close(self) -> None:
        """Close everything, at once."""
        for server in self.servers.values():
            await server.stop(0)
        if self._admin is not None:
            await self._admin.stop(0.5)
        await self._tasks.close()
        for environment in self._environments:
            await environment.close()
        if self.rest is not None:
            await self.rest.close()
        for carrier in self._carriers:
            await carrier.close()
        for core in self.traffic:
            await core.stop(0)
        if self.admin is not None:
            await self.admin.stop(0.5)
        if self._folder != Path():
            with contextlib.suppress(OSError):
                shutil.rmtree(self._folder)

    def _server(
        self,
        listener: ListenerSettings,
        handler: HttpHandler,
        environment: WireEnvironment | None,
        own: WireEnvironment,
        own_paths: tuple[str, ...],
        *,
        native: bool,
    ) -> EdgeServer:
        gateway, limits = self.gateway, self.settings.limits
        front2 = Http2Front(handler, limits)
        acceptor = Requests(
            environment, own, own_paths, front2.stream, max_metadata=limits.max_metadata_bytes, native=native
        )
        return EdgeServer(
            listener,
            limits,
            acceptor=acceptor,
            handler=handler,
            front2=front2,
            turn=gateway.turn,
            protections=gateway.protections,
            tls=self._tls(listener, listener.tls),
        )

    def _tls(self, listener: ListenerSettings, tls: ListenerTls | None) -> TlsKeeper | None:
        if tls is None:
            return None
        try:
            keeper = TlsKeeper(tls, alpn=alpn(listener.protocol), name=listener.name)
        except TlsFileError as error:
            raise ListenError(f"cannot listen on {listener.address} with TLS: {error}") from error
        self._tasks.spawn(keeper.run(), name=f"certificates of {listener.name}")
        return keeper

    def _carrier(self, name: str, core: GrpcServer) -> GrpcEndpoint:
        upstream = Upstream(
            name=f"upstreams/{name}",
            discovery=StaticDiscovery(endpoints=()),
            connection=ConnectionSettings(warm_up=False),
            authority="localhost",
        )
        carrier = GrpcEndpoint(upstream, core.address, _inner(self.settings.limits), None, self.gateway.turn)
        self._carriers.append(carrier)
        return carrier

    def _own(self, carrier: GrpcEndpoint) -> WireEnvironment:
        settings = self.settings
        environment = WireEnvironment(
            OwnPipeline(carrier),
            Peers(settings.trusted_proxies),
            self.gateway.wheel,
            max_metadata=settings.limits.max_metadata_bytes,
            method=lambda _: None,
        )
        self._environments.append(environment)
        return environment


def _inner(limits: Limits) -> Limits:
    """Return the limits behind the listeners, which have enforced the real ones."""
    return replace(
        limits,
        max_metadata_bytes=2 * limits.max_metadata_bytes + 4096,
        max_concurrent_streams=2**31 - 1,
        max_connection_age=None,
        max_connection_idle=None,
    )
