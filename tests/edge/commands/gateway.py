"""A gateway of canned answers on a real port, for the commands to talk to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
from google.api import httpbody_pb2
from google.protobuf import duration_pb2, json_format, timestamp_pb2
from google.rpc import status_pb2

from edge.model.errors import GatewayError, InvalidRequest, Violation
from edge.model.resource_errors import ResourceNotFound
from gateway.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    config_pb2,
    config_service_pb2,
    config_service_pb2_grpc,
    consumer_service_pb2,
    consumer_service_pb2_grpc,
    endpoint_pb2,
    endpoint_service_pb2,
    endpoint_service_pb2_grpc,
    health_service_pb2,
    health_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    route_service_pb2,
    route_service_pb2_grpc,
    schema_service_pb2,
    schema_service_pb2_grpc,
    tap_pb2,
    upstream_service_pb2,
    upstream_service_pb2_grpc,
)

CONFIG = json_format.ParseDict(
    {
        "name": "config",
        "revision": 7,
        "etag": "e7",
        "upstreams": [
            {
                "name": "upstreams/books",
                "static": {"endpoints": [{"address": "127.0.0.1:50051"}]},
                "origin": {"kind": "KIND_FILE", "file": "edge.yaml", "line": 4},
            },
            {"name": "upstreams/far", "dns": {"hostname": "far.example"}, "peakEwma": {}, "tls": {}},
        ],
        "routes": [
            {
                "name": "routes/books",
                "matches": [
                    {"grpc": {"service": "books.v1.Books"}},
                    {
                        "hosts": ["*.shop"],
                        "http": {"path": "/a/{id}", "methods": ["GET"]},
                        "headers": [{"name": "x", "prefix": "y"}, {"name": "z", "present": False}],
                        "query": [{"name": "q", "exact": "[red]1[/red]"}],
                    },
                ],
                "forward": {
                    "upstreams": [{"upstream": "upstreams/books", "weight": 3}, {"upstream": "upstreams/far"}],
                },
                "policies": ["policies/limit"],
                "transcoding": {},
                "timeout": "5s",
                "origin": {"kind": "KIND_API"},
                "createTime": "2025-01-31T12:00:00Z",
            },
            {"name": "routes/gone", "directResponse": {"code": 5, "message": "gone"}},
            {"name": "routes/moved", "redirect": {"host": "new.example"}, "labels": {"text": "${X}"}},
        ],
        "policies": [{"name": "policies/limit", "header": {}, "global": True, "dryRun": True}],
        "consumers": [{"name": "consumers/ann", "roles": ["admin"], "disabled": True}],
        "schemas": [{"name": "schemas/books", "reflectionUpstream": "upstreams/books"}],
    },
    config_pb2.Config(),
)


def endpoint(address: str, state: int, reason: str = "") -> endpoint_pb2.Endpoint:
    name = f"upstreams/books/endpoints/{address.replace(':', '-')}"
    return endpoint_pb2.Endpoint(name=name, address=address, state=state, reason=reason, total_calls=12)  # type: ignore[arg-type] # a number is an enum value


ENDPOINTS = [endpoint("127.0.0.1:50051", 1), endpoint("127.0.0.1:50052", 3, "connection refused")]
ENDPOINTS[0].last_error = "says NOT_SERVING"
ENDPOINTS[0].last_error_time.seconds = ENDPOINTS[0].state_time.seconds = 1_700_000_000
ENDPOINTS[0].not_serving.append("books.v1.Buy")

HEALTH = health_service_pb2.GatewayHealth(
    state=health_service_pb2.GatewayHealth.STATE_DEGRADED,
    reason="1 of 2 endpoints of upstreams/books is down",
    config_revision=7,
    upstreams=[
        health_service_pb2.UpstreamHealth(
            upstream="upstreams/books",
            state=health_service_pb2.GatewayHealth.STATE_DEGRADED,
            endpoints=ENDPOINTS,
            services=["books.v1.Books"],
            schema=health_service_pb2.SourceHealth(error="no reflection"),
            schema_versions=[
                health_service_pb2.SchemaVersion(hash="1234567890", endpoints=["10.0.0.1:1"], in_force=True),
                health_service_pb2.SchemaVersion(
                    hash="abcdefabcdef",
                    endpoints=["10.0.0.2:1"],
                    differences=["lacks books.v1.Books.Buy"],
                    harmful=True,
                ),
            ],
        )
    ],
)


OPENAPI = {"openapi": "3.1.0", "info": {"title": "Books", "version": "v1"}, "paths": {}, "x-cost": "${X}"}


class Gateway:
    """What the servicers answer, and what they were asked."""

    def __init__(self) -> None:
        self.page_size = 2
        self.requests: list[Any] = []
        self.error: GatewayError | None = None
        self.address = ""

    def asked(self, request: Any, context: grpc.ServicerContext) -> None:
        self.requests.append(request)
        if self.error is not None:
            refuse(context, self.error)

    @contextmanager
    def served(self) -> Iterator[str]:
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        port = server.add_insecure_port("127.0.0.1:0")
        for adder, servicer in _SERVICERS:
            adder(servicer(self), server)
        server.start()
        try:
            self.address = f"127.0.0.1:{port}"
            yield self.address
        finally:
            server.stop(None).wait()


def refuse(context: grpc.ServicerContext, error: GatewayError) -> NoReturn:
    status = error.status
    context.set_trailing_metadata((("grpc-status-details-bin", status.to_proto().SerializeToString()),))
    code = next(code for code in grpc.StatusCode if code.value[0] == int(status.code))
    context.abort(code, status.message)
    raise AssertionError


class _Servicer:
    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway


def _collection(module: Any, base: Any, title: str, field: str) -> Any:
    """Make the servicer of a kind of resource from the configuration."""

    def find(self: Any, request: Any, context: Any) -> Any:
        self.gateway.asked(request, context)
        for resource in getattr(CONFIG, field):
            if resource.name == request.name:
                return resource
        return refuse(context, ResourceNotFound(f"there is no {request.name}"))

    def page(self: Any, request: Any, context: Any) -> Any:
        self.gateway.asked(request, context)
        start, size = int(request.page_token or 0), self.gateway.page_size
        found = getattr(CONFIG, field)[start : start + size]
        token = str(start + size) if start + size < len(getattr(CONFIG, field)) else ""
        return getattr(module, f"List{field.capitalize()}Response")(**{field: found}, next_page_token=token)

    return type(title, (_Servicer, base), {f"Get{title}": find, f"List{field.capitalize()}": page})


class _Endpoints(_Servicer, endpoint_service_pb2_grpc.EndpointServiceServicer):
    def GetEndpoint(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        return ENDPOINTS[0]

    def ListEndpoints(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        found = ENDPOINTS if request.parent == "upstreams/books" else []
        return endpoint_service_pb2.ListEndpointsResponse(endpoints=found)

    def DrainEndpoint(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        return self._answer(request, context, endpoint_pb2.Endpoint.STATE_DRAINING)

    def UndrainEndpoint(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        return self._answer(request, context, endpoint_pb2.Endpoint.STATE_ACTIVE)

    def _answer(self, request: Any, context: Any, state: endpoint_pb2.Endpoint.State) -> Any:
        self.gateway.asked(request, context)
        for one in ENDPOINTS:
            if one.name == request.name:
                return endpoint_pb2.Endpoint(name=one.name, address=one.address, state=state)
        return refuse(context, ResourceNotFound(f"there is no endpoint {request.name}"))


class _Config(_Servicer, config_service_pb2_grpc.ConfigServiceServicer):
    def GetConfig(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        return CONFIG

    def ApplyConfig(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        self.gateway.asked(request, context)
        changes = [
            config_pb2.ResourceChange(name=route.name, kind=config_pb2.ResourceChange.KIND_UPDATED, fields=["timeout"])
            for route in request.config.routes
        ]
        config = config_pb2.Config(revision=8)
        return config_service_pb2.ApplyConfigResponse(config=config, changes=changes)


class _Health(_Servicer, health_service_pb2_grpc.HealthServiceServicer):
    def GetHealth(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        if request.upstream not in {"", "upstreams/books"}:
            refuse(context, ResourceNotFound(f"there is no {request.upstream}"))
        return health_service_pb2.GetHealthResponse(health=HEALTH)


class _Admin(_Servicer, admin_service_pb2_grpc.AdminServiceServicer):
    def GetServerInfo(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        return admin_service_pb2.ServerInfo(
            node_id="n1",
            state=admin_service_pb2.ServerInfo.STATE_ACTIVE,
            version="0.1.0",
            components={"grpcio": "1.78"},
            resident_bytes=2**20,
            listeners=[admin_service_pb2.ListenerInfo(name="traffic", address="[::]:8080", protocol="grpc")],
            workers=[admin_service_pb2.WorkerInfo(pid=5, config_revision=7)],
        )

    def ExplainCall(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        self.gateway.asked(request, context)
        miss = admin_service_pb2.ExplainCallResponse.Miss(route="routes/gone", match_index=0, reason="path differs")
        if "Books" not in request.path:
            status = status_pb2.Status(code=12, message="no route takes this call")
            return admin_service_pb2.ExplainCallResponse(match_index=-1, status=status, misses=[miss], more_misses=3)
        return admin_service_pb2.ExplainCallResponse(
            matched=True,
            route="routes/books",
            reasons=["service is books.v1.Books"],
            path_parameters={"id": "7"},
            policies=["policies/limit"],
            action="forward",
            upstreams=[
                admin_service_pb2.ExplainCallResponse.UpstreamChoice(
                    upstream="upstreams/books", percent=75, endpoint="127.0.0.1:50051", balancer="round robin"
                )
            ],
            method="/books.v1.Books/Get",
            shape="unary",
            deadlines=["5s of the route"],
        )

    def GetOpenApi(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the RPC
        self.gateway.asked(request, context)
        return httpbody_pb2.HttpBody(content_type="application/json", data=json.dumps(OPENAPI).encode())

    def TapCalls(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802 - the name of the RPC
        self.gateway.asked(request, context)
        yield admin_service_pb2.TapCallsResponse()
        for code in (0, 14):
            call = tap_pb2.FinishedCall(
                start_time=timestamp_pb2.Timestamp(seconds=1),
                duration=duration_pb2.Duration(nanos=2_500_000),
                method="/books.v1.Books/Get\x1b[31m",
                protocol="grpc",
                upstream="upstreams/books",
                endpoint="127.0.0.1:50051",
                status=status_pb2.Status(code=code, message="down" if code else ""),
                status_source="gateway",
                reason="UPSTREAM_UNREACHABLE" if code else "",
            )
            yield admin_service_pb2.TapCallsResponse(call=call, dropped=code)


_SERVICERS: list[tuple[Any, Any]] = [
    (endpoint_service_pb2_grpc.add_EndpointServiceServicer_to_server, _Endpoints),
    (config_service_pb2_grpc.add_ConfigServiceServicer_to_server, _Config),
    (health_service_pb2_grpc.add_HealthServiceServicer_to_server, _Health),
    (admin_service_pb2_grpc.add_AdminServiceServicer_to_server, _Admin),
]
for _title, _field, _module, _grpc in (
    ("Route", "routes", route_service_pb2, route_service_pb2_grpc),
    ("Upstream", "upstreams", upstream_service_pb2, upstream_service_pb2_grpc),
    ("Policy", "policies", policy_service_pb2, policy_service_pb2_grpc),
    ("Consumer", "consumers", consumer_service_pb2, consumer_service_pb2_grpc),
    ("Schema", "schemas", schema_service_pb2, schema_service_pb2_grpc),
):
    _adder = getattr(_grpc, f"add_{_title}ServiceServicer_to_server")
    _base = getattr(_grpc, f"{_title}ServiceServicer")
    _SERVICERS.append((_adder, _collection(_module, _base, _title, _field)))

INVALID = InvalidRequest.of(
    [
        Violation("config.routes[1].timeout", "is too long"),
        Violation("config.routes[0].name", "is taken"),
        Violation("revision", "is old"),
    ]
)

__all__ = ["CONFIG", "ENDPOINTS", "HEALTH", "INVALID", "Gateway"]
