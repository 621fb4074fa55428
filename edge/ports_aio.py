"""The sockets of the engine grpc.aio: gRPC and HTTP have listeners of their own."""

from __future__ import annotations

from edge.admin_rest import AdminRest
from edge.listeners import GrpcServer, HttpServer
from edge.model.settings import ListenerProtocol
from edge.ports import Ports


class AioPorts(Ports):
    """The sockets of the engine grpc.aio."""

    @property
    def admin_address(self) -> str | None:
        """The address of the gateway API, or None."""
        return self.admin.address if self.admin is not None else None

    @property
    def admin_http_address(self) -> str | None:
        """The address of the gateway API as REST, or None."""
        return self.rest.address if self.rest is not None else None

    async def bind(self) -> None:
        """Take every address.

        Raises:
            ListenError: an address is taken or not ours.
        """
        settings, limits = self.settings, self.settings.limits
        for listener in settings.listeners:
            if listener.protocol is ListenerProtocol.HTTP:
                server = HttpServer(listener.address, limits, self.gateway.transcoder)
                await server.bind()
                self.servers[listener.name] = server
            else:
                aio = GrpcServer(listener.address, limits, proxied=True, compression_level=settings.compression_level)
                self.servers[listener.name] = aio
                self.traffic.append(aio)
        if settings.admin_address:
            self.admin = GrpcServer(settings.admin_address, limits, proxied=False)
            if settings.admin_http_address:
                self.rest = await AdminRest.make(settings, self.admin.address)
                await self.rest.bind()

    async def start_admin(self) -> None:
        """Serve the gateway API."""
        if self.admin is not None:
            await self.admin.start()
        if self.rest is not None:
            await self.rest.start()

    async def close(self) -> None:
        """Close everything, at once."""
        for server in self.servers.values():
            await server.stop(0)
        if self.rest is not None:
            await self.rest.close()
        if self.admin is not None:
            await self.admin.stop(0.5)
