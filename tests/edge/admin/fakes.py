"""A gateway that does nothing, a server for the services of this package, and reflection as a client sees it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2

from edge.model.call import Call, Protocol
from edge.model.config import Configuration, Forward, Route, RouteMatch
from edge.model.counters import Protections
from edge.model.endpoint import Endpoint, EndpointAddress, EndpointState, Judge
from edge.model.errors import NoHealthyEndpoint
from edge.model.finding import HttpFinding
from edge.model.http import HttpRequest
from edge.model.schema import EMPTY_SCHEMA, Method, SchemaSet
from edge.model.snapshot import Cluster, Explanation, Match, RoutePlan, Snapshot, SourceState, UpstreamPlan
from edge.model.watch import Watch

TIMEOUT = 10.0


class FakeCluster:
    """An upstream whose state the test sets."""

    def __init__(self, name: str, *endpoints: Endpoint, schema: SchemaSet = EMPTY_SCHEMA) -> None:
        self.name = name
        self.endpoints: Sequence[Endpoint] = list(endpoints)
        self.discovery = SourceState()
        self.schema = schema
        self.schema_source = SourceState()

    def pick(self, call: Call, now: float) -> Endpoint:
        raise NoHealthyEndpoint("this is a fake")

    def release(
        self, endpoint: Endpoint, *, failed: bool | None, latency: float, now: float, began: float | None = None
    ) -> None:
        raise AssertionError("nothing is picked")

    admits = False
    breaker: tuple[str, str] | None = None

    def enter(self, call: Call) -> None:
        raise AssertionError("it admits every call")

    def leave(self, call: Call, failed: bool | None, now: float) -> None:
        raise AssertionError("it admits every call")

    def tried(self, call: Call, failed: bool, now: float) -> None:
        raise AssertionError("it admits every call")

    def put_back(self, endpoint: Endpoint) -> None:
        raise AssertionError("nothing is picked")

    def find(self, address: str) -> Endpoint | None:
        return next((one for one in self.endpoints if one.address == address), None)

    def drain(self, address: str) -> None:
        for one in self.endpoints:
            if one.address == address:
                one.judge(Judge.OPERATOR, EndpointState.DRAINING, "drained")

    def undrain(self, address: str) -> None:
        for one in self.endpoints:
            if one.address == address:
                one.judge(Judge.OPERATOR, None)

    def drop(self, address: str) -> None:
        self.endpoints = [one for one in self.endpoints if one.address != address]

    def preview(self, call: Call) -> tuple[Endpoint | None, str]:
        first = self.endpoints[0] if self.endpoints else None
        return first, f"round robin over {len(self.endpoints)} of {len(self.endpoints)} endpoints"


class FakeTable:
    """A route table that gives one explanation and remembers what it was asked."""

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation
        self.asked: list[Call] = []
        self.max_misses = 0

    def match(self, call: Call) -> Match | None:
        return self.explanation.match

    def explain(self, call: Call, *, max_misses: int = 20) -> Explanation:
        self.asked.append(call)
        self.max_misses = max_misses
        return self.explanation


class FakeRuntime:
    """A gateway whose parts the test sets."""

    def __init__(self, *clusters: Cluster, **snapshot: Any) -> None:
        self.protections = Protections()
        self.snapshot = Watch(Snapshot())
        self.changes = Watch(0)
        self.active_calls = 3
        self.total_calls = 40
        self.methods: dict[str, Method] = {}
        if clusters or snapshot:
            self.put(*clusters, **snapshot)

    def put(self, *clusters: Cluster, revision: int = 1, **snapshot: Any) -> None:
        """Put a configuration with these upstreams in force."""
        self.snapshot.set(
            Snapshot(
                configuration=Configuration(revision=revision),
                clusters={cluster.name: cluster for cluster in clusters},
                force_time=1_700_000_000.5,
                **snapshot,
            )
        )

    def changed(self) -> None:
        """Say that states have changed."""
        self.changes.set(self.changes.value + 1)

    def compile(self, configuration: Configuration) -> Snapshot:
        raise AssertionError("nothing here changes the configuration")

    async def warm(self, snapshot: Snapshot) -> None:
        raise AssertionError("nothing here changes the configuration")

    def publish(self, snapshot: Snapshot) -> None:
        raise AssertionError("nothing here changes the configuration")

    def method(self, path: str) -> Method | None:
        return self.methods.get(path)

    def find(self, request: HttpRequest) -> HttpFinding:
        return found_plain(request)

    def schema(self, name: str) -> tuple[SchemaSet, SourceState]:
        raise AssertionError("nothing here asks for schema resources")

    async def openapi(self, route: str) -> bytes:
        return f"the document of {route}".encode()

    async def refresh_schema(self, name: str) -> None:
        raise AssertionError("nothing here asks for schema resources")


def found_plain(request: HttpRequest) -> HttpFinding:
    """Return a finding that takes every HTTP request as it is, and remember nothing."""
    return HttpFinding(
        call=Call(request.path, protocol=Protocol.HTTP, host=request.host, verb=request.verb, query=request.query)
    )


def endpoint(address: str, state: EndpointState = EndpointState.ACTIVE, reason: str = "") -> Endpoint:
    """Return an endpoint in a state."""
    result = Endpoint(EndpointAddress(address))
    result.enter(state, reason)
    return result


def forward_plan(name: str, *upstreams: tuple[Cluster, int], matches: tuple[RouteMatch, ...] = (), **route: Any) -> Any:
    """Return the plan of a route that forwards."""
    return RoutePlan(
        route=Route(
            name=name,
            matches=matches,
            action=Forward(upstreams=tuple((cluster.name, weight) for cluster, weight in upstreams)),
            **route,
        ),
        upstreams=tuple(
            UpstreamPlan(name=cluster.name, weight=weight, cluster=cluster) for cluster, weight in upstreams
        ),
        max_request_bytes=1,
        max_response_bytes=1,
    )


@contextlib.asynccontextmanager
async def serving(register: Callable[[grpc.aio.Server], object]) -> AsyncIterator[grpc.aio.Channel]:
    """Start a server with the services that `register` adds, and yield a channel to it."""
    server = grpc.aio.server()
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            channel.target = f"127.0.0.1:{port}"  # type: ignore[attr-defined] # for tests that start a client
            yield channel
    finally:
        await server.stop(None)


def untyped(generated: Any) -> Any:
    """Return generated code, which has no types, as something that may be called."""
    return generated


async def following(call: Any) -> Any:
    """Return the next message of a stream."""
    return await asyncio.wait_for(call.read(), TIMEOUT)


async def until(condition: Callable[[], bool]) -> None:
    """Give the loop turns until the condition holds."""
    async with asyncio.timeout(TIMEOUT):
        while not condition():
            await asyncio.sleep(0.001)


class Reflection:
    """One reflection stream, which builds a pool from the answers."""

    def __init__(self, channel: grpc.aio.Channel, version: str = "v1") -> None:
        self.call = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )(timeout=TIMEOUT)
        self.files: dict[str, bytes] = {}

    async def ask(self, **request: Any) -> Any:
        """Send a request and return the response."""
        await self.call.write(reflection_pb2.ServerReflectionRequest(host="a.test", **request))
        response = await following(self.call)
        assert response.valid_host == "a.test"
        assert response.original_request == reflection_pb2.ServerReflectionRequest(host="a.test", **request)
        return response

    async def services(self) -> list[str]:
        """Return the names that are listed."""
        response = await self.ask(list_services="")
        return [service.name for service in response.list_services_response.service]

    async def get(self, **request: Any) -> list[str]:
        """Return the names of the files in an answer, and remember the files."""
        response = await self.ask(**request)
        assert response.HasField("file_descriptor_response"), response
        names = []
        for data in response.file_descriptor_response.file_descriptor_proto:
            name = descriptor_pb2.FileDescriptorProto.FromString(data).name
            self.files[name] = data
            names.append(name)
        return names

    def pool(self) -> descriptor_pool.DescriptorPool:
        """Return a pool of all files seen."""
        pool = descriptor_pool.DescriptorPool()
        rest = {name: descriptor_pb2.FileDescriptorProto.FromString(data) for name, data in self.files.items()}
        while rest:
            ready = [name for name, file in rest.items() if not rest.keys() & set(file.dependency)]
            for name in ready:
                pool.Add(rest.pop(name))
        return pool

    async def end(self) -> None:
        """End the stream."""
        await self.call.done_writing()
        assert await following(self.call) is grpc.aio.EOF
        assert await self.call.code() is grpc.StatusCode.OK
