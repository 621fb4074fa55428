"""gateway.v1.EndpointService: the endpoints of upstreams, as far as they can be seen; registering comes later."""

# ruff: noqa: N802, ARG002 - the signatures of the RPCs
from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from google.protobuf import empty_pb2

from edge.admin.changes import PACE, Changes
from edge.admin.states import endpoint_message, endpoint_name
from edge.model.endpoint import Endpoint
from edge.model.errors import InvalidRequest, NotAvailable, ResourceNotFound, Violation
from edge.model.runtime import Runtime
from edge.servicing import answer
from gateway.v1 import endpoint_pb2, endpoint_service_pb2, endpoint_service_pb2_grpc

_DEFAULT_PAGE = 50
_LARGEST_PAGE = 1000


def _not_available() -> NotAvailable:
    return NotAvailable("registering endpoints is not available in this version yet")


class EndpointService(endpoint_service_pb2_grpc.EndpointServiceServicer):
    """Shows the endpoints of the upstreams in force."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def _endpoints(self, upstream: str) -> Mapping[str, Endpoint]:
        """Return the endpoints by resource name, in its order. Empty when there is no such upstream."""
        cluster = self._runtime.snapshot.value.clusters.get(upstream)
        if cluster is None:
            return {}
        named = [(endpoint_name(upstream, endpoint), endpoint) for endpoint in cluster.endpoints]
        return dict(sorted(named, key=lambda pair: pair[0]))

    def _check_parent(self, parent: str) -> None:
        if not parent:
            raise InvalidRequest.of([Violation("parent", "is required, such as upstreams/bookstore")])
        if parent not in self._runtime.snapshot.value.clusters:
            raise ResourceNotFound(f"there is no upstream {parent!r}", metadata={"resource": parent})

    @answer
    async def GetEndpoint(
        self, request: endpoint_service_pb2.GetEndpointRequest, context: object
    ) -> endpoint_pb2.Endpoint:
        """Return one endpoint."""
        if not request.name:
            violation = Violation("name", "is required, such as upstreams/bookstore/endpoints/127.0.0.1-50051")
            raise InvalidRequest.of([violation])
        upstream = request.name.rpartition("/endpoints/")[0]
        endpoint = self._endpoints(upstream).get(request.name)
        if endpoint is None:
            raise ResourceNotFound(f"there is no endpoint {request.name!r}", metadata={"resource": request.name})
        return endpoint_message(upstream, endpoint)

    @answer
    async def ListEndpoints(
        self, request: endpoint_service_pb2.ListEndpointsRequest, context: object
    ) -> endpoint_service_pb2.ListEndpointsResponse:
        """Return a page. Its token is the last name on it, so endpoints that come and go shift no page."""
        self._check_parent(request.parent)
        violations = []
        if request.page_size < 0:
            violations.append(Violation("page_size", "must not be negative"))
        if request.page_token and not request.page_token.startswith(f"{request.parent}/endpoints/"):
            violations.append(Violation("page_token", "is not the token of a previous page of this upstream"))
        if violations:
            raise InvalidRequest.of(violations)
        size = min(request.page_size or _DEFAULT_PAGE, _LARGEST_PAGE)
        rest = [pair for pair in self._endpoints(request.parent).items() if pair[0] > request.page_token]
        page = rest[:size]
        return endpoint_service_pb2.ListEndpointsResponse(
            endpoints=[endpoint_message(request.parent, endpoint) for _, endpoint in page],
            next_page_token=page[-1][0] if len(rest) > size else "",
        )

    @answer
    async def WatchEndpoints(
        self, request: endpoint_service_pb2.WatchEndpointsRequest, context: object
    ) -> AsyncIterator[endpoint_service_pb2.WatchEndpointsResponse]:
        """Send all endpoints, then what changed. A counter alone is no change. The stream survives its upstream."""
        self._check_parent(request.parent)
        upstream = request.parent
        before: dict[str, endpoint_pb2.Endpoint] = {}
        first = True
        with Changes(self._runtime.snapshot, self._runtime.changes, pace=PACE) as changes:
            while True:
                endpoints = self._endpoints(upstream)
                now = {name: endpoint_message(upstream, one, counters=False) for name, one in endpoints.items()}
                changed = [
                    endpoint_message(upstream, endpoints[name])
                    for name, message in now.items()
                    if message != before.get(name)
                ]
                removed = [name for name in before if name not in now]
                before = now
                if first or changed or removed:
                    first = False
                    yield endpoint_service_pb2.WatchEndpointsResponse(changed=changed, removed=removed, synced=True)
                await changes.wait()

    @answer
    async def CreateEndpoint(
        self, request: endpoint_service_pb2.CreateEndpointRequest, context: object
    ) -> endpoint_pb2.Endpoint:
        """Refuse."""
        raise _not_available()

    @answer
    async def DeleteEndpoint(
        self, request: endpoint_service_pb2.DeleteEndpointRequest, context: object
    ) -> empty_pb2.Empty:
        """Refuse."""
        raise _not_available()

    @answer
    async def RenewEndpoint(
        self, request: endpoint_service_pb2.RenewEndpointRequest, context: object
    ) -> endpoint_pb2.Endpoint:
        """Refuse."""
        raise _not_available()

    @answer
    async def DrainEndpoint(
        self, request: endpoint_service_pb2.DrainEndpointRequest, context: object
    ) -> endpoint_pb2.Endpoint:
        """Refuse."""
        raise _not_available()
