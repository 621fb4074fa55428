"""The sockets of a gateway, whatever engine carries the calls."""

from __future__ import annotations

from typing import Protocol

from edge.admin_rest import AdminRest
from edge.gateway import Gateway
from edge.listeners import GrpcServer
from edge.model.settings import ServerSettings


class Server(Protocol):
    """What takes the calls of a listener."""

    address: str

    async def start(self) -> None:
        """Take calls."""
        ...

    async def stop(self, grace: float) -> None:
        """Take no new calls, wait for those under way, end those that are left."""
        ...


class Ports:
    """The sockets of a gateway. `AioPorts` and `WirePorts` say which there are.

    Args:
        gateway: The gateway.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.settings: ServerSettings = gateway.settings
        self.servers: dict[str, Server] = {}
        """The listeners by name."""
        self.traffic: list[GrpcServer] = []
        """Where the traffic services are served, and the calls that the core carries."""
        self.admin: GrpcServer | None = None
        """Where the gateway API is served by gRPC."""
        self.rest: AdminRest | None = None
        """Where it is served as REST."""

    @property
    def admin_address(self) -> str | None:
        """The address of the gateway API, or None."""
        raise NotImplementedError

    @property
    def admin_http_address(self) -> str | None:
        """The address of the gateway API as REST, or None."""
        raise NotImplementedError

    async def bind(self) -> None:
        """Take every address, so that a taken port shows before anything is started.

        Raises:
            ListenError: an address is taken or not ours, or a certificate cannot be read.
        """
        raise NotImplementedError

    async def start_admin(self) -> None:
        """Serve the gateway API."""
        raise NotImplementedError

    async def start(self) -> None:
        """Take calls."""
        for server in self.servers.values():
            await server.start()

    async def close(self) -> None:
        """Close everything, at once."""
        raise NotImplementedError
