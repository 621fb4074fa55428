"""Which of our services each server has: both reflection and grpc.health.v1, the admin server the gateway API too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final

import grpc.aio
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from edge.admin.admin import AdminService
from edge.admin.descriptors import own_schema
from edge.admin.endpoints import EndpointService, Registry
from edge.admin.grpc_health import HealthServicer, ServingStates
from edge.admin.health import ConfigError, HealthService
from edge.admin.node import NodeInfo
from edge.admin.reflection import REFLECTION_SCHEMA, add_reflection
from edge.model.runtime import Runtime
from edge.model.schema import SchemaSet
from edge.model.watch import Watch
from edge.telemetry.tap import TapHub
from gateway.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    config_service_pb2,
    consumer_service_pb2,
    endpoint_service_pb2,
    endpoint_service_pb2_grpc,
    health_service_pb2,
    health_service_pb2_grpc,
    policy_service_pb2,
    route_service_pb2,
    schema_service_pb2,
    upstream_service_pb2,
)

ERROR_DETAILS: Final = own_schema((error_details_pb2, status_pb2))
"""What the details of statuses are made of, so that clients can print them. Last: an upstream's own come first."""

GATEWAY_API: Final[tuple[ModuleType, ...]] = (
    admin_service_pb2,
    config_service_pb2,
    consumer_service_pb2,
    endpoint_service_pb2,
    health_service_pb2,
    policy_service_pb2,
    route_service_pb2,
    schema_service_pb2,
    upstream_service_pb2,
)
"""The generated modules of the services on the admin server."""


def register_admin(
    server: grpc.aio.Server,
    runtime: Runtime,
    info: NodeInfo,
    tap: TapHub,
    config_error: ConfigError,
    registry: Registry,
) -> HealthServicer:
    """Add the services of this package, reflection of the whole gateway API, and grpc.health.v1 to the admin server.

    Args:
        server: The server, not started yet.
        runtime: The running gateway.
        info: What is known of the process.
        tap: Where finished calls come from.
        config_error: Tells of the latest refused configuration. `runtime.changes` is to be set when its answer changes.
        registry: Where endpoints register.

    Returns:
        What is to be told, before the server is stopped, that the gateway drains.
    """
    draining = Watch(False)
    admin = AdminService(runtime, info, tap, draining, config_error)
    health = HealthService(runtime, draining, config_error)
    _add(admin_service_pb2_grpc.add_AdminServiceServicer_to_server, admin, server)
    _add(endpoint_service_pb2_grpc.add_EndpointServiceServicer_to_server, EndpointService(runtime, registry), server)
    _add(health_service_pb2_grpc.add_HealthServiceServicer_to_server, health, server)
    own = (own_schema((*GATEWAY_API, health_pb2)), REFLECTION_SCHEMA)
    shown = (*own, ERROR_DETAILS)
    add_reflection(server, lambda: shown)
    return _add_health(server, runtime, draining, own)


def register_traffic(server: grpc.aio.Server, runtime: Runtime) -> HealthServicer:
    """Add reflection, merged from the upstreams in force, and grpc.health.v1 to a traffic server.

    The server asks its handlers in the order in which they were added: call this before the proxy is added.

    Args:
        server: The server, not started yet.
        runtime: The running gateway.

    Returns:
        What is to be told, before the server is stopped, that the gateway drains.
    """
    own = (own_schema((health_pb2,)), REFLECTION_SCHEMA)

    def merged() -> Sequence[SchemaSet]:
        clusters = runtime.snapshot.value.clusters
        return [*own, *(clusters[name].schema for name in sorted(clusters)), ERROR_DETAILS]

    add_reflection(server, merged)
    return _add_health(server, runtime, Watch(False), own)


def _add(add: Callable[[Any, Any], None], servicer: object, server: grpc.aio.Server) -> None:
    add(servicer, server)  # generated, without types


def _add_health(
    server: grpc.aio.Server, runtime: Runtime, draining: Watch[bool], own: Sequence[SchemaSet]
) -> HealthServicer:
    names = [name for schema in own for name in schema.services]
    servicer = HealthServicer(ServingStates(runtime, draining, names))
    _add(health_pb2_grpc.add_HealthServicer_to_server, servicer, server)
    return servicer
