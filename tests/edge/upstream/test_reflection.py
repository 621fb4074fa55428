"""The reflection client against real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

from edge.model.schema import Shape
from edge.upstream.reflection import METHODS, ReflectionError, Unsupported, read_schema
from gateway.v1 import route_service_pb2

SERVICE = "gateway.v1.RouteService"


@pytest.fixture
async def server() -> AsyncIterator[grpc.aio.Server]:
    made = grpc.aio.server()
    yield made
    await made.stop(0)


async def read(server: grpc.aio.Server) -> object:
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        return await read_schema(channel, seconds=5)


async def test_every_file_that_is_needed_comes_and_infrastructure_does_not_count(server: grpc.aio.Server) -> None:
    reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server)
    schema = await read(server)
    assert list(schema.services) == [SERVICE]  # type: ignore[attr-defined]
    assert schema.methods[f"/{SERVICE}/GetRoute"].shape is Shape.UNARY  # type: ignore[attr-defined]
    pool = descriptor_pool.DescriptorPool()
    missing = dict(schema.files)  # type: ignore[attr-defined]
    while missing:  # a pool takes a file when it has its imports
        added = [name for name, data in missing.items() if _add(pool, data)]
        assert added, f"imports are missing for {sorted(missing)}"
        for name in added:
            del missing[name]
    assert (
        pool.FindServiceByName(SERVICE).full_name
        == route_service_pb2.DESCRIPTOR.services_by_name["RouteService"].full_name
    )


def _add(pool: descriptor_pool.DescriptorPool, data: bytes) -> bool:
    try:
        pool.AddSerializedFile(data)
    except TypeError:
        return False
    return True


async def test_a_server_without_reflection_is_no_failure(server: grpc.aio.Server) -> None:
    assert isinstance(await read(server), Unsupported)


@pytest.mark.parametrize("answer", [b"\xff\xff\xff", None])
async def test_nonsense_is_a_failure_that_says_so(server: grpc.aio.Server, answer: bytes | None) -> None:
    async def talk(request_iterator: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        async for request in request_iterator:
            question = reflection_pb2.ServerReflectionRequest.FromString(request)
            if question.HasField("list_services"):
                reply = reflection_pb2.ServerReflectionResponse()
                reply.list_services_response.service.add(name="a.B")
                yield reply.SerializeToString()
            elif answer is not None:
                reply = reflection_pb2.ServerReflectionResponse()
                reply.file_descriptor_response.file_descriptor_proto.append(answer)
                yield reply.SerializeToString()
            else:
                return

    handler: Any = grpc.stream_stream_rpc_method_handler(talk)
    service, method = METHODS[0].strip("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    with pytest.raises(ReflectionError):
        await read(server)
