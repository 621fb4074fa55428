"""The services of routes, upstreams, policies and consumers: the standard methods under their names."""

# ruff: noqa: N802, ARG002 - names and signatures are those of the generated base classes

from __future__ import annotations

from typing import Any

import grpc.aio
from google.protobuf import empty_pb2

from edge.control.configurator import Configurator
from edge.control.kinds import CONSUMER, POLICY, ROUTE, UPSTREAM
from edge.control.requests import Requests
from edge.control.standard import Standard
from edge.model.errors import NotAvailable
from edge.servicing import answer
from gateway.v1 import (
    consumer_pb2,
    consumer_service_pb2,
    consumer_service_pb2_grpc,
    policy_pb2,
    policy_service_pb2,
    policy_service_pb2_grpc,
    route_pb2,
    route_service_pb2,
    route_service_pb2_grpc,
    upstream_pb2,
    upstream_service_pb2,
    upstream_service_pb2_grpc,
)

Context = grpc.aio.ServicerContext[Any, Any]


def author_of(context: Context) -> str:
    """Return who makes a request, as far as that is known."""
    return str(context.peer())


def not_available(method: str) -> NotAvailable:
    """Return the refusal of a method that this version does not have."""
    return NotAvailable(f"{method} is not available in this version yet", metadata={"method": method})


class RouteService(route_service_pb2_grpc.RouteServiceServicer):
    """Manages routes."""

    def __init__(self, configurator: Configurator, requests: Requests) -> None:
        self._standard: Standard[route_pb2.Route] = Standard(ROUTE, configurator, requests)

    @answer
    async def GetRoute(self, request: route_service_pb2.GetRouteRequest, context: Context) -> route_pb2.Route:
        """Get a route."""
        return await self._standard.get(request)

    @answer
    async def ListRoutes(
        self, request: route_service_pb2.ListRoutesRequest, context: Context
    ) -> route_service_pb2.ListRoutesResponse:
        """List routes by name."""
        return await self._standard.list(request, route_service_pb2.ListRoutesResponse)

    @answer
    async def CreateRoute(self, request: route_service_pb2.CreateRouteRequest, context: Context) -> route_pb2.Route:
        """Create a route."""
        return await self._standard.create(request, author=author_of(context))

    @answer
    async def UpdateRoute(self, request: route_service_pb2.UpdateRouteRequest, context: Context) -> route_pb2.Route:
        """Update a route."""
        return await self._standard.update(request, author=author_of(context))

    @answer
    async def DeleteRoute(self, request: route_service_pb2.DeleteRouteRequest, context: Context) -> empty_pb2.Empty:
        """Delete a route."""
        return await self._standard.delete(request, author=author_of(context))


class UpstreamService(upstream_service_pb2_grpc.UpstreamServiceServicer):
    """Manages upstreams."""

    def __init__(self, configurator: Configurator, requests: Requests) -> None:
        self._standard: Standard[upstream_pb2.Upstream] = Standard(UPSTREAM, configurator, requests)

    @answer
    async def GetUpstream(
        self, request: upstream_service_pb2.GetUpstreamRequest, context: Context
    ) -> upstream_pb2.Upstream:
        """Get an upstream."""
        return await self._standard.get(request)

    @answer
    async def ListUpstreams(
        self, request: upstream_service_pb2.ListUpstreamsRequest, context: Context
    ) -> upstream_service_pb2.ListUpstreamsResponse:
        """List upstreams by name."""
        return await self._standard.list(request, upstream_service_pb2.ListUpstreamsResponse)

    @answer
    async def CreateUpstream(
        self, request: upstream_service_pb2.CreateUpstreamRequest, context: Context
    ) -> upstream_pb2.Upstream:
        """Create an upstream."""
        return await self._standard.create(request, author=author_of(context))

    @answer
    async def UpdateUpstream(
        self, request: upstream_service_pb2.UpdateUpstreamRequest, context: Context
    ) -> upstream_pb2.Upstream:
        """Update an upstream."""
        return await self._standard.update(request, author=author_of(context))

    @answer
    async def DeleteUpstream(
        self, request: upstream_service_pb2.DeleteUpstreamRequest, context: Context
    ) -> empty_pb2.Empty:
        """Delete an upstream."""
        return await self._standard.delete(request, author=author_of(context))


class PolicyService(policy_service_pb2_grpc.PolicyServiceServicer):
    """Manages policies."""

    def __init__(self, configurator: Configurator, requests: Requests) -> None:
        self._standard: Standard[policy_pb2.Policy] = Standard(POLICY, configurator, requests)

    @answer
    async def GetPolicy(self, request: policy_service_pb2.GetPolicyRequest, context: Context) -> policy_pb2.Policy:
        """Get a policy."""
        return await self._standard.get(request)

    @answer
    async def ListPolicies(
        self, request: policy_service_pb2.ListPoliciesRequest, context: Context
    ) -> policy_service_pb2.ListPoliciesResponse:
        """List policies by name."""
        return await self._standard.list(request, policy_service_pb2.ListPoliciesResponse)

    @answer
    async def CreatePolicy(
        self, request: policy_service_pb2.CreatePolicyRequest, context: Context
    ) -> policy_pb2.Policy:
        """Create a policy."""
        return await self._standard.create(request, author=author_of(context))

    @answer
    async def UpdatePolicy(
        self, request: policy_service_pb2.UpdatePolicyRequest, context: Context
    ) -> policy_pb2.Policy:
        """Update a policy."""
        return await self._standard.update(request, author=author_of(context))

    @answer
    async def DeletePolicy(self, request: policy_service_pb2.DeletePolicyRequest, context: Context) -> empty_pb2.Empty:
        """Delete a policy."""
        return await self._standard.delete(request, author=author_of(context))


class ConsumerService(consumer_service_pb2_grpc.ConsumerServiceServicer):
    """Manages consumers."""

    def __init__(self, configurator: Configurator, requests: Requests) -> None:
        self._standard: Standard[consumer_pb2.Consumer] = Standard(CONSUMER, configurator, requests)

    @answer
    async def GetConsumer(
        self, request: consumer_service_pb2.GetConsumerRequest, context: Context
    ) -> consumer_pb2.Consumer:
        """Get a consumer."""
        return await self._standard.get(request)

    @answer
    async def ListConsumers(
        self, request: consumer_service_pb2.ListConsumersRequest, context: Context
    ) -> consumer_service_pb2.ListConsumersResponse:
        """List consumers by name."""
        return await self._standard.list(request, consumer_service_pb2.ListConsumersResponse)

    @answer
    async def CreateConsumer(
        self, request: consumer_service_pb2.CreateConsumerRequest, context: Context
    ) -> consumer_pb2.Consumer:
        """Create a consumer."""
        return await self._standard.create(request, author=author_of(context))

    @answer
    async def UpdateConsumer(
        self, request: consumer_service_pb2.UpdateConsumerRequest, context: Context
    ) -> consumer_pb2.Consumer:
        """Update a consumer."""
        return await self._standard.update(request, author=author_of(context))

    @answer
    async def DeleteConsumer(
        self, request: consumer_service_pb2.DeleteConsumerRequest, context: Context
    ) -> empty_pb2.Empty:
        """Delete a consumer."""
        return await self._standard.delete(request, author=author_of(context))

    @answer
    async def CreateApiKey(
        self, request: consumer_service_pb2.CreateApiKeyRequest, context: Context
    ) -> consumer_service_pb2.CreateApiKeyResponse:
        """Refuse: there are no API keys yet."""
        raise not_available("gateway.v1.ConsumerService/CreateApiKey")

    @answer
    async def RevokeApiKey(
        self, request: consumer_service_pb2.RevokeApiKeyRequest, context: Context
    ) -> consumer_pb2.Consumer:
        """Refuse: there are no API keys yet."""
        raise not_available("gateway.v1.ConsumerService/RevokeApiKey")
