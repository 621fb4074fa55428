"""gateway.v1.EndpointService: the endpoints of upstreams as they are, and those that register themselves."""

# ruff: noqa: N802, ARG002 - the signatures of the RPCs
from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from google.protobuf import empty_pb2

from edge.admin.changes import PACE, Changes
from edge.admin.records import timestamp
from edge.admin.states import endpoint_message, endpoint_name
from edge.model.discovery import RegistryDiscovery
from edge.model.endpoint import Endpoint, EndpointAddress
from edge.model.errors import InvalidRequest, Violation
from edge.model.registering import NotRegistered
from edge.model.resource_errors import ResourceNotFound
from edge.model.runtime import Runtime
from edge.servicing import answer
from gateway.v1 import endpoint_pb2, endpoint_service_pb2, endpoint_service_pb2_grpc

_DEFAULT_PAGE = 50
_LARGEST_PAGE = 1000


_NAME_RULE = "is required, such as upstreams/bookstore/endpoints/127.0.0.1-50051"


class Registry(Protocol):
    """What has registered itself. `EndpointRegistry` says what each of these does."""

    def create(self, upstream: str, wanted: EndpointAddress, ttl: float | None) -> EndpointAddress:
        """Register an endpoint."""
        ...

    def get(self, upstream: str, endpoint_id: str) -> EndpointAddress | None:
        """Return what is registered by this id."""
        ...

    def renew(self, upstream: str, endpoint_id: str) -> EndpointAddress:
        """Extend a lease."""
        ...

    def drain(self, upstream: str, endpoint_id: str, *, drains: bool = True) -> bool:
        """Let an endpoint get no more calls for the rest of its lease, or end that."""
        ...

    def delete(self, upstream: str, endpoint_id: str) -> EndpointAddress | None:
        """End a lease now."""
        ...

    async def told(self, upstream: str) -> None:
        """Return when the upstream knows of everything until now."""
        ...


class EndpointService(endpoint_service_pb2_grpc.EndpointServiceServicer):
    """Shows the endpoints of the upstreams in force, and registers those that do it themselves.

    Args:
        runtime: The running gateway.
        registry: Where they register.
    """

    def __init__(self, runtime: Runtime, registry: Registry) -> None:
        self._runtime = runtime
        self._registry = registry

    def _endpoints(self, upstream: str) -> Mapping[str, Endpoint]:
        """Return the endpoints by resource name, in its order. Empty when there is no such upstream."""
        cluster = self._runtime.snapshot.value.clusters.get(upstream)
        if cluster is None:
            return {}
        named = [(endpoint_name(upstream, endpoint), endpoint) for endpoint in cluster.endpoints]
        return dict(sorted(named, key=lambda pair: pair[0]))

    def _endpoint(self, upstream: str, name: str) -> Endpoint:
        endpoint = self._endpoints(upstream).get(name)
        if endpoint is None:
            raise ResourceNotFound(f"there is no endpoint {name!r}", metadata={"resource": name})
        return endpoint

    def _check_parent(self, parent: str, field: str = "parent") -> None:
        if not parent:
            raise InvalidRequest.of([Violation(field, "is required, such as upstreams/bookstore")])
        if parent not in self._runtime.snapshot.value.clusters:
            raise ResourceNotFound(f"there is no upstream {parent!r}", metadata={"resource": parent})

    @answer
    async def GetEndpoint(
        self, request: endpoint_service_pb2.GetEndpointRequest, context: object
    ) -> endpoint_pb2.Endpoint:
        """Return one endpoint."""
        if not request.name:
            raise InvalidRequest.of([Violation("name", _NAME_RULE)])
        upstream = request.name.rpartition("/endpoints/")[0]
        return _message(upstream, self._endpoint(upstream, request.name))

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
            endpoints=[_message(request.parent, endpoint) for _, endpoint in page],
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
                now = {name: _message(upstream, one, counters=False) for name, one in endpoints.items()}
                changed = [
                    _message(upstream, endpoints[name]) for name, message in now.items() if message != before.get(name)
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
        """Register an endpoint. When the answer comes it gets calls."""
        self._check_parent(request.parent)
        self._check_registry(request.parent)
        wanted = request.endpoint
        ttl = None
        if request.HasField("ttl"):
            ttl = request.ttl.seconds + request.ttl.nanos / 1e9
        made = self._registry.create(
            request.parent,
            EndpointAddress(
                wanted.address,
                weight=wanted.weight if wanted.HasField("weight") else 1,
                zone=wanted.zone,
                id=request.endpoint_id,
            ),
            ttl,
        )
        await self._registry.told(request.parent)
        return self._registered(request.parent, made)

    @answer
    async def DeleteEndpoint(
        self, request: endpoint_service_pb2.DeleteEndpointRequest, context: object
    ) -> empty_pb2.Empty:
        """Remove a registered endpoint, with the calls it has."""
        upstream, endpoint_id = self._place(request.name)
        if not request.allow_missing:
            self._check_parent(upstream, "name")
        if upstream in self._runtime.snapshot.value.clusters:
            self._check_registry(upstream)
        present = self._registry.get(upstream, endpoint_id)
        if present is None:
            if request.allow_missing:
                return empty_pb2.Empty()
            raise ResourceNotFound(
                f"{request.name} is not registered, or its lease has ended; allow_missing takes that for removed",
                metadata={"resource": request.name},
            )
        # first of all from the cluster: one that only leaves the set would finish its calls
        if (cluster := self._runtime.snapshot.value.clusters.get(upstream)) is not None:
            cluster.drop(present.address)
        self._registry.delete(upstream, endpoint_id)
        return empty_pb2.Empty()

    @answer
    async def RenewEndpoint(
        self, request: endpoint_service_pb2.RenewEndpointRequest, context: object
    ) -> endpoint_pb2.Endpoint:
        """Extend a lease. That alone is no change that is told to those who watch, as little as a counter is."""
        upstream, endpoint_id = self._place(request.name)
        self._check_parent(upstream, "name")
        self._check_registry(upstream)
        renewed = self._registry.renew(upstream, endpoint_id)
        endpoint = self._runtime.snapshot.value.clusters[upstream].find(renewed.address)
        if endpoint is not None:
            endpoint.expire_time = renewed.expire_time
        return self._registered(upstream, renewed)

    @answer
    async def DrainEndpoint(
        self, request: endpoint_service_pb2.DrainEndpointRequest, context: object
    ) -> endpoint_pb2.Endpoint:
        """Let an endpoint of any upstream finish its calls."""
        upstream, endpoint_id = self._place(request.name)
        endpoint = self._endpoint(upstream, request.name)
        # the cluster first: an operator is the reason that is shown
        self._runtime.snapshot.value.clusters[upstream].drain(endpoint.address)
        self._registry.drain(upstream, endpoint_id)
        return _message(upstream, endpoint)

    @answer
    async def UndrainEndpoint(
        self, request: endpoint_service_pb2.UndrainEndpointRequest, context: object
    ) -> endpoint_pb2.Endpoint:
        """End what DrainEndpoint began. An endpoint that its source takes away drains on, and says so."""
        upstream, endpoint_id = self._place(request.name)
        endpoint = self._endpoint(upstream, request.name)
        self._registry.drain(upstream, endpoint_id, drains=False)
        self._runtime.snapshot.value.clusters[upstream].undrain(endpoint.address)
        return _message(upstream, endpoint)

    def _check_registry(self, upstream: str) -> None:
        """Refuse what is for registered endpoints only."""
        known = self._runtime.snapshot.value.configuration.upstreams.get(upstream)
        if known is None or not isinstance(known.discovery, RegistryDiscovery):
            raise NotRegistered(
                f"the endpoints of {upstream} do not register themselves; change them where they come from, let one "
                f"finish its calls with DrainEndpoint, or give the upstream `registry: {{}}` as its discovery",
                metadata={"resource": upstream},
            )

    def _place(self, name: str) -> tuple[str, str]:
        """Return the upstream and the id of an endpoint's name."""
        upstream, found, endpoint_id = name.rpartition("/endpoints/")
        if not found or not endpoint_id:
            raise InvalidRequest.of([Violation("name", _NAME_RULE)])
        return upstream, endpoint_id

    def _registered(self, upstream: str, address: EndpointAddress) -> endpoint_pb2.Endpoint:
        """Return a registered endpoint as it is shown, also when the upstream has just gone."""
        cluster = self._runtime.snapshot.value.clusters.get(upstream)
        endpoint = cluster.find(address.address) if cluster is not None else None
        return _message(upstream, endpoint or Endpoint(address))


def _message(upstream: str, endpoint: Endpoint, *, counters: bool = True) -> endpoint_pb2.Endpoint:
    """Return an endpoint as a message with its etag, which changes with what was registered or found.

    A renewal counts every lease on, so when it ends goes with the counters.
    """
    message = endpoint_message(upstream, endpoint, counters=counters)
    if not counters:
        message.ClearField("expire_time")
    elif endpoint.expire_time is not None:
        message.expire_time.CopyFrom(timestamp(endpoint.expire_time))
    content = "\0".join((message.name, endpoint.address, str(endpoint.weight), endpoint.zone))
    message.etag = f"{zlib.crc32(content.encode()):08x}"
    return message
