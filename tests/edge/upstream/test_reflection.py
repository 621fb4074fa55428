"""The reflection client against real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_reflection.v1alpha import reflection, reflection_pb2

from edge.model.schema import Shape
from edge.upstream.reflection import METHODS, Answer, ReflectionError, Unsupported, read_answer
from gateway.v1 import route_service_pb2 as route_service_pb2  # its files are what the server describes
from tests.support.shop import SHOP, shop_file

SERVICE = "gateway.v1.RouteService"


@pytest.fixture
async def server() -> AsyncIterator[grpc.aio.Server]:
    made = grpc.aio.server()
    yield made
    await made.stop(0)


async def read(server: grpc.aio.Server) -> Answer | Unsupported:
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        return await read_answer(channel, seconds=5)


async def test_every_file_that_is_needed_comes_and_infrastructure_does_not_count(server: grpc.aio.Server) -> None:
    reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server)
    answer = await read(server)
    assert isinstance(answer, Answer)
    schema = answer.schema()
    assert list(schema.services) == [SERVICE]
    assert schema.methods[f"/{SERVICE}/GetRoute"].shape is Shape.UNARY
    assert not schema.linked.broken
    assert schema.pool().FindServiceByName(SERVICE).methods_by_name["GetRoute"].input_type.name == "GetRouteRequest"


async def test_a_server_without_reflection_is_no_failure(server: grpc.aio.Server) -> None:
    assert isinstance(await read(server), Unsupported)


async def test_nobody_there_is_a_failure_with_the_status() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        with pytest.raises(ReflectionError, match=r"UNAVAILABLE: .*Connection refused"):
            await read_answer(channel, seconds=5)


def serve(server: grpc.aio.Server, talk: Any) -> None:
    handler: Any = grpc.stream_stream_rpc_method_handler(talk)
    service, method = METHODS[0].strip("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))


def listing(*names: str) -> bytes:
    reply = reflection_pb2.ServerReflectionResponse()
    for name in names:
        reply.list_services_response.service.add(name=name)
    return bytes(reply.SerializeToString())


def describing(*files: bytes) -> bytes:
    reply = reflection_pb2.ServerReflectionResponse()
    reply.file_descriptor_response.file_descriptor_proto.extend(files)
    return bytes(reply.SerializeToString())


def refusing(code: int, message: str) -> bytes:
    reply = reflection_pb2.ServerReflectionResponse()
    reply.error_response.error_code = code
    reply.error_response.error_message = message
    return bytes(reply.SerializeToString())


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([], "the reflection stream ended early"),
        ([listing("a.B")], "the reflection stream ended early"),
        ([b"\xff\xff"], "what came is no ServerReflectionResponse"),
        ([refusing(7, "not you")], "the services are not listed: not you"),
        ([refusing(7, "")], "the services are not listed: error 7"),
        ([describing()], "the services are not listed: an answer of another kind"),
    ],
)
async def test_nonsense_is_a_failure_that_says_so(server: grpc.aio.Server, answers: list[bytes], words: str) -> None:
    async def talk(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        for answer in answers:
            await anext(requests)
            yield answer

    serve(server, talk)
    with pytest.raises(ReflectionError, match=words):
        await read(server)


async def test_a_status_in_the_middle_is_a_failure_with_its_words(server: grpc.aio.Server) -> None:
    async def talk(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        await anext(requests)
        yield listing("a.B")
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no more")

    serve(server, talk)
    with pytest.raises(ReflectionError, match="PERMISSION_DENIED: no more"):
        await read(server)


async def test_one_service_that_cannot_be_described_does_not_spoil_the_others(server: grpc.aio.Server) -> None:
    good = shop_file("Get").SerializeToString()
    asked = []

    async def talk(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        replies = {
            "": listing(SHOP, "a.Refused", "a.Garbage", "shop.v1.Wrong"),
            SHOP: describing(good),
            "a.Refused": refusing(5, "unknown symbol"),
            "a.Garbage": describing(b"\xff"),
            "shop.v1.Wrong": describing(good),
        }
        async for request in requests:
            asked.append(reflection_pb2.ServerReflectionRequest.FromString(request).file_containing_symbol)
            yield replies[asked[-1]]

    serve(server, talk)
    answer = await read(server)
    assert isinstance(answer, Answer)
    assert answer.lacking == {
        "a.Refused": "the endpoint cannot describe it: unknown symbol",
        "a.Garbage": "its descriptor does not parse",
        "shop.v1.Wrong": "the endpoint describes something else",
    }
    schema = answer.schema()
    assert list(schema.services) == [SHOP]
    assert schema.broken == answer.lacking
    assert schema.pool().FindServiceByName(SHOP).full_name == SHOP


async def test_a_service_that_came_with_another_one_is_not_asked_for(server: grpc.aio.Server) -> None:
    file = shop_file("Get")
    file.service.add(name="Zoo")
    asked = []

    async def talk(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        async for request in requests:
            asked.append(reflection_pb2.ServerReflectionRequest.FromString(request).file_containing_symbol)
            yield describing(file.SerializeToString()) if asked[-1] else listing(SHOP, "shop.v1.Zoo")

    serve(server, talk)
    answer = await read(server)
    assert isinstance(answer, Answer)
    assert sorted(answer.schema().services) == [SHOP, "shop.v1.Zoo"]
    assert asked == ["", SHOP]


async def test_a_well_known_import_that_the_server_does_not_have_is_added(server: grpc.aio.Server) -> None:
    file = shop_file("Get")
    file.dependency.append("google/api/annotations.proto")

    async def talk(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        async for request in requests:
            question = reflection_pb2.ServerReflectionRequest.FromString(request)
            if question.HasField("list_services"):
                yield listing(SHOP)
            elif question.file_containing_symbol:
                yield describing(file.SerializeToString())
            else:
                yield refusing(5, "no such file")

    serve(server, talk)
    answer = await read(server)
    assert isinstance(answer, Answer)
    assert {"google/api/http.proto", "google/protobuf/descriptor.proto"} < answer.files.keys()
    assert not answer.schema().broken


def test_equal_answers_have_equal_fingerprints_and_others_not() -> None:
    one, two = {"a": b"x", "b": b"y"}, {"b": b"y", "a": b"x"}
    assert Answer.of(one, ["s", "t"], {}).fingerprint == Answer.of(two, ["t", "s"], {}).fingerprint
    others = [
        Answer.of(one, [], {}),
        Answer.of({"a": b"x"}, [], {}),
        Answer.of(one, ["s"], {}),
        Answer.of(one, ["s"], {"s": "w"}),
    ]
    assert len({answer.fingerprint for answer in others}) == len(others)
