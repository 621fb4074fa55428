"""Adds the gateway API's services to a server."""

from __future__ import annotations

import grpc.aio

from edge.control.config_service import ConfigService
from edge.control.configurator import Configurator
from edge.control.requests import Requests
from edge.control.schema_service import SchemaService
from edge.control.services import ConsumerService, PolicyService, RouteService, UpstreamService
from edge.model.runtime import Runtime
from gateway.v1 import (
    config_service_pb2_grpc,
    consumer_service_pb2_grpc,
    policy_service_pb2_grpc,
    route_service_pb2_grpc,
    schema_service_pb2_grpc,
    upstream_service_pb2_grpc,
)


def register(
    server: grpc.aio.Server, configurator: Configurator, runtime: Runtime, requests: Requests | None = None
) -> Requests:
    """Add the services that read and change the configuration.

    Args:
        server: The server, not started yet.
        configurator: Changes the configuration.
        runtime: The running gateway.
        requests: Remembers answers by request id. A new one when None.

    Returns:
        The memory of requests, which has to be closed after the server.
    """
    requests = requests or Requests()
    route_service_pb2_grpc.add_RouteServiceServicer_to_server(RouteService(configurator, requests), server)  # type: ignore[no-untyped-call]
    upstream_service_pb2_grpc.add_UpstreamServiceServicer_to_server(UpstreamService(configurator, requests), server)  # type: ignore[no-untyped-call]
    policy_service_pb2_grpc.add_PolicyServiceServicer_to_server(PolicyService(configurator, requests), server)  # type: ignore[no-untyped-call]
    consumer_service_pb2_grpc.add_ConsumerServiceServicer_to_server(ConsumerService(configurator, requests), server)  # type: ignore[no-untyped-call]
    schema_service_pb2_grpc.add_SchemaServiceServicer_to_server(SchemaService(configurator, requests, runtime), server)  # type: ignore[no-untyped-call]
    config_service_pb2_grpc.add_ConfigServiceServicer_to_server(ConfigService(configurator, requests), server)  # type: ignore[no-untyped-call]
    return requests
