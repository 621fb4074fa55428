"""A real server and channel over a small fake of the running gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from edge.control.configurator import Configurator
from edge.control.register import register
from edge.control.store import MemoryStore
from edge.model.config import Configuration
from edge.model.counters import Protections
from edge.model.finding import HttpFinding
from edge.model.http import HttpRequest
from edge.model.schema import EMPTY_SCHEMA, Method, SchemaSet
from edge.model.snapshot import Snapshot, SourceState
from edge.model.watch import Watch
from gateway.v1 import (
    config_pb2,
    config_service_pb2_grpc,
    consumer_service_pb2_grpc,
    policy_service_pb2_grpc,
    route_pb2,
    route_service_pb2_grpc,
    schema_service_pb2_grpc,
    upstream_pb2,
    upstream_service_pb2_grpc,
)


class FakeRuntime:
    def __init__(self) -> None:
        self.protections = Protections()
        self.snapshot = Watch(Snapshot())
        self.changes = Watch(0)
        self.active_calls = 0
        self.total_calls = 0
        self.check: Callable[[Configuration], None] = lambda _: None
        self.schemas: dict[str, tuple[SchemaSet, SourceState]] = {}
        self.refreshed: list[str] = []
        self.warmed: list[int] = []
        self.published: list[int] = []
        self.compiled = 0

    def compile(self, configuration: Configuration) -> Snapshot:
        self.compiled += 1
        self.check(configuration)
        return Snapshot(configuration=configuration)

    async def warm(self, snapshot: Snapshot) -> None:
        assert snapshot.revision not in self.published
        self.warmed.append(snapshot.revision)

    def publish(self, snapshot: Snapshot) -> None:
        assert self.warmed[-1:] == [snapshot.revision], "what is new is looked for first"
        self.published.append(snapshot.revision)
        self.snapshot.set(snapshot)

    def method(self, path: str) -> Method | None:
        return None

    def schema(self, name: str) -> tuple[SchemaSet, SourceState]:
        if name not in self.snapshot.value.configuration.schemas:
            raise KeyError(name)
        files = self.snapshot.value.configuration.schemas[name].files
        return self.schemas.get(name, (SchemaSet.of(files) if files else EMPTY_SCHEMA, SourceState()))

    def find(self, request: HttpRequest) -> HttpFinding:
        raise AssertionError("nothing here asks what becomes of requests")

    async def openapi(self, route: str) -> bytes:
        raise AssertionError("nothing here asks for documents")

    async def refresh_schema(self, name: str) -> None:
        self.refreshed.append(name)


@dataclass
class Failure:
    """A failed call as a caller reads it."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    violations: dict[str, str] = field(default_factory=dict)


async def failure(call: Any) -> Failure:
    """Return how a call failed. Each failure has to have an ErrorInfo of ours."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    status = rpc_status.from_call(_Trailers(error))
    assert status is not None, f"no details: {error}"
    assert status.message == error.details()
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert info.domain == "gateway.internal"
    for detail in status.details[1:]:
        detail.Unpack(bad_request)
    return Failure(
        error.code(),
        error.details() or "",
        info.reason,
        dict(info.metadata),
        {violation.field: violation.description for violation in bad_request.field_violations},
    )


class _Trailers:
    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code
        self.details = error.details
        self._trailers = error.trailing_metadata()

    def trailing_metadata(self) -> list[Any]:
        return list(self._trailers)


class Api:
    """The services, by stubs, and what is behind them."""

    def __init__(self, channel: grpc.aio.Channel, configurator: Configurator, runtime: FakeRuntime) -> None:
        self.configurator = configurator
        self.runtime = runtime
        self.channel = channel
        self.routes: Any = route_service_pb2_grpc.RouteServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
        self.upstreams: Any = upstream_service_pb2_grpc.UpstreamServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
        self.policies: Any = policy_service_pb2_grpc.PolicyServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
        self.consumers: Any = consumer_service_pb2_grpc.ConsumerServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
        self.schemas: Any = schema_service_pb2_grpc.SchemaServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
        self.config: Any = config_service_pb2_grpc.ConfigServiceStub(channel)  # type: ignore[no-untyped-call]  # generated


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def configurator(runtime: FakeRuntime, store: MemoryStore) -> AsyncIterator[Configurator]:
    made = Configurator(runtime, store)
    await made.set_declared(config_pb2.GatewayConfig())
    yield made
    await made.close()


@pytest.fixture
async def api(configurator: Configurator, runtime: FakeRuntime) -> AsyncIterator[Api]:
    server = grpc.aio.server()
    requests = register(server, configurator, runtime)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Api(channel, configurator, runtime)
    await server.stop(None)
    await requests.close()


def upstream(name: str = "upstreams/books", address: str = "127.0.0.1:50051", **fields: Any) -> upstream_pb2.Upstream:
    made = upstream_pb2.Upstream(name=name, **fields)
    made.static.endpoints.add(address=address)
    return made


def route(name: str = "routes/books", to: str = "upstreams/books", **fields: Any) -> route_pb2.Route:
    made = route_pb2.Route(name=name, **fields)
    made.forward.upstreams.add(upstream=to)
    if not made.matches:
        made.matches.add().grpc.service = f"v1.{name.partition('/')[2].title().replace('-', '')}"
    return made


@dataclass
class Build:
    """What tests make resources with; a fixture, since test modules cannot import each other."""

    upstream: Callable[..., upstream_pb2.Upstream] = upstream
    route: Callable[..., route_pb2.Route] = route
    failure: Callable[[Any], Any] = failure

    @staticmethod
    def config(*resources: Message) -> config_pb2.GatewayConfig:
        found = config_pb2.GatewayConfig()
        for resource in resources:
            collection = {"Policy": "policies"}.get(type(resource).__name__, type(resource).__name__.lower() + "s")
            getattr(found, collection).append(resource)
        return found


@pytest.fixture
def build() -> Build:
    return Build()
