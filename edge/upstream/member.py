"""A member of an upstream: an endpoint, what reaches it, and the tasks that watch it."""

from __future__ import annotations

from collections.abc import Callable

from edge.model.endpoint import Endpoint, EndpointAddress
from edge.model.settings import Limits
from edge.model.upstreams import Upstream, UpstreamProtocol
from edge.tasks import Tasks
from edge.upstream.channels import Channels, credentials
from edge.upstream.grpc_endpoint import GrpcEndpoint
from edge.upstream.http_dial import tls_context
from edge.upstream.http_endpoint import HttpEndpoint
from edge.wire.sending import Turn

Carrier = Channels | GrpcEndpoint | HttpEndpoint
"""What reaches an endpoint."""


class Member:
    """An endpoint with the tasks that watch it."""

    __slots__ = ("carrier", "endpoint", "tasks")

    def __init__(self, found: EndpointAddress, carrier: Carrier) -> None:
        self.carrier = carrier
        """What its connections are made by."""
        self.endpoint = Endpoint(found, carrier)
        """Its state."""
        self.endpoint.update(found)
        self.tasks = Tasks()
        """What watches it."""

    async def close(self) -> None:
        """End its tasks and its connections, whatever is under way."""
        await self.tasks.close()
        await self.carrier.close()


def carriers(upstream: Upstream, limits: Limits, turn: Turn | None) -> Callable[[str], Carrier]:
    """Return what makes the carrier of an address, by what the endpoints speak and which engine there is."""
    if upstream.protocol is UpstreamProtocol.HTTP:
        context = tls_context(upstream)
        return lambda address: HttpEndpoint(upstream, address, context)
    tls = credentials(upstream)
    if turn is None:
        return lambda address: Channels(upstream, address, limits, tls)
    context = tls_context(upstream, ("h2",))
    return lambda address: GrpcEndpoint(upstream, address, limits, context, turn, credentials=tls)
