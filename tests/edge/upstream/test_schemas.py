"""Keeping descriptors current, against real servers that come in versions, break, and stop describing themselves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2

from edge.model.config import Configuration, Schema
from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import EndpointAddress
from edge.model.schema import SchemaVersion
from edge.model.settings import Limits
from edge.model.upstreams import ConnectionSettings, Upstream
from edge.tasks import Tasks
from edge.upstream import Clusters, UpstreamCluster, schema_survey, schemas
from edge.upstream.reflection import METHODS
from edge.wire.transport import LoopTurn
from tests.support.shop import SHOP, ShopServer, shop_file

NAME = "upstreams/shop"
V1 = shop_file("Get", "List")
V2 = shop_file("Get", "List", "Buy")


@pytest.fixture(params=["grpc.aio", "wire"])
async def clusters(request: pytest.FixtureRequest) -> AsyncIterator[Clusters]:
    turn = LoopTurn(asyncio.get_running_loop()) if request.param == "wire" else None
    made = Clusters(Limits(), turn)
    yield made
    await made.close()
    await Tasks.close_detached()


@pytest.fixture
async def shops() -> AsyncIterator[Callable[[], ShopServer]]:
    async with contextlib.AsyncExitStack() as stack:

        def make() -> ShopServer:
            made = ShopServer()
            stack.push_async_callback(made.stop)
            return made

        yield make


def publish(clusters: Clusters, *servers: ShopServer, interval: float = 600.0) -> UpstreamCluster:
    upstream = Upstream(
        name=NAME,
        discovery=StaticDiscovery(endpoints=tuple(EndpointAddress(server.address) for server in servers)),
        connection=ConnectionSettings(max_backoff=0.1),
        reflection_interval=interval,
    )
    wanted = Configuration(upstreams={NAME: upstream})
    clusters.publish(wanted, clusters.prepare(wanted))
    return clusters.current[NAME]


async def until(clusters: Clusters, condition: Callable[[], bool]) -> None:
    """Wait for the change that makes `condition` true."""
    async with asyncio.timeout(15):
        async for _ in clusters.changes.follow():
            if condition():
                return


def methods(cluster: UpstreamCluster) -> list[str]:
    return sorted(path.rpartition("/")[2] for path in cluster.schema.methods)


def versions(cluster: UpstreamCluster) -> list[tuple[tuple[str, ...], bool, tuple[str, ...]]]:
    return [(one.endpoints, one.in_force, one.differences) for one in cluster.schema_source.versions]


async def test_a_restart_with_one_more_method_is_noticed_by_itself(
    clusters: Clusters, shops: Callable[[], ShopServer]
) -> None:
    server = await shops().start(V1)
    told: list[bool] = []
    clusters.on_methods = lambda: told.append(clusters.method(f"/{SHOP}/Buy") is not None)
    cluster = publish(clusters, server)
    await until(clusters, lambda: methods(cluster) == ["Get", "List"])
    before = cluster.schema
    await server.start(V2)
    await until(clusters, lambda: methods(cluster) == ["Buy", "Get", "List"])
    assert told == [False, True]
    assert cluster.schema_source.ok
    assert cluster.schema.pool().FindServiceByName(SHOP).methods_by_name["Buy"].name == "Buy"
    assert list(before.methods) == [f"/{SHOP}/Get", f"/{SHOP}/List"], "streams that began before keep theirs"


async def test_a_service_that_begins_to_be_served_from_the_same_files_is_noticed(
    clusters: Clusters, shops: Callable[[], ShopServer]
) -> None:
    file = shop_file("Get")
    file.service.add(name="Later")
    offered = ["shop.v1.Shop"]
    server = await shops().start_with(scripted({"shop/v1/shop.proto": file}, lambda: offered))
    cluster = publish(clusters, server)
    await until(clusters, lambda: list(cluster.schema.services) == [SHOP])
    offered.append("shop.v1.Later")
    await cluster.refresh_schema()
    assert sorted(cluster.schema.services) == ["shop.v1.Later", SHOP]


async def test_a_change_without_a_reconnection_is_noticed_on_the_interval(
    clusters: Clusters, shops: Callable[[], ShopServer]
) -> None:
    file = shop_file("Get")
    file.service.add(name="Later")
    offered = [SHOP]
    server = await shops().start_with(scripted({"shop/v1/shop.proto": file}, lambda: offered))
    cluster = publish(clusters, server, interval=0.05)
    await until(clusters, lambda: list(cluster.schema.services) == [SHOP])
    offered.append("shop.v1.Later")
    keeper = cluster._keeper
    assert keeper is not None
    async with asyncio.timeout(10):
        while sorted(cluster.schema.services) != ["shop.v1.Later", SHOP]:
            keeper.wake()  # endpoints that come and go put nothing off
            await asyncio.sleep(0.01)


async def test_v1alpha_alone_is_enough(clusters: Clusters, shops: Callable[[], ShopServer]) -> None:
    cluster = publish(clusters, await shops().start(V1, v1=False))
    await until(clusters, lambda: methods(cluster) == ["Get", "List"])
    assert cluster.schema_source.ok


async def test_two_versions_are_shown_and_the_one_with_more_methods_counts(
    clusters: Clusters, shops: Callable[[], ShopServer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edge.upstream")
    old, older, new = await shops().start(V1), await shops().start(V1), await shops().start(V2)
    cluster = publish(clusters, old, older, new)
    await until(clusters, lambda: sum(len(one.endpoints) for one in cluster.schema_source.versions) == 3)
    assert methods(cluster) == ["Buy", "Get", "List"]
    assert versions(cluster) == [
        ((new.address,), True, ()),
        (tuple(sorted((old.address, older.address))), False, (f"lacks {SHOP}.Buy",)),
    ]
    assert [one.harmful for one in cluster.schema_source.versions] == [False, True]
    assert cluster.schema_source.ok
    await cluster.refresh_schema()

    await old.start(V2)
    await older.start(V2)
    await until(clusters, lambda: len(cluster.schema_source.versions[0].endpoints) == 3)
    assert len(cluster.schema_source.versions) == 1
    words = [record.message for record in caplog.records if "descriptors" in record.message]
    assert len(words) == 2, words
    assert words[0].startswith(f"{NAME}: its endpoints have 2 versions of the descriptors: ")
    assert words[0].endswith(f" lacks {SHOP}.Buy")
    assert words[1] == f"{NAME}: its endpoints have the same descriptors again"


async def test_a_version_goes_with_its_last_endpoint(clusters: Clusters, shops: Callable[[], ShopServer]) -> None:
    old, new = await shops().start(V1), await shops().start(V2)
    cluster = publish(clusters, old, new)
    await until(clusters, lambda: len(cluster.schema_source.versions) == 2)
    await new.stop()
    await until(clusters, lambda: versions(cluster) == [((old.address,), True, ())])
    assert methods(cluster) == ["Get", "List"]
    await old.stop()
    await until(clusters, lambda: all(endpoint.reason.startswith("cannot") for endpoint in cluster.endpoints))
    assert methods(cluster) == ["Get", "List"], "nobody is there, and nothing is forgotten"


async def test_reflection_that_goes_away_keeps_what_was_learnt_and_says_so(
    clusters: Clusters, shops: Callable[[], ShopServer]
) -> None:
    server = await shops().start(V1)
    cluster = publish(clusters, server)
    await until(clusters, lambda: cluster.schema_source.ok and bool(cluster.schema.files))
    learnt = cluster.schema
    await server.start()
    await until(clusters, lambda: not cluster.schema_source.ok)
    assert cluster.schema is learnt
    state = cluster.schema_source
    assert state.error == "the upstream does not offer server reflection any more, the last descriptors stay"
    assert state.success_time is not None
    assert state.failures == 1
    await server.start(V2)
    await until(clusters, lambda: cluster.schema_source.ok)
    assert methods(cluster) == ["Buy", "Get", "List"]


async def test_reflection_that_was_never_there_is_no_failure(
    clusters: Clusters, shops: Callable[[], ShopServer]
) -> None:
    cluster = publish(clusters, await shops().start())
    await until(clusters, lambda: "does not offer" in cluster.schema_source.error)
    assert cluster.schema_source.ok
    assert cluster.schema_source.success_time is None


async def test_one_endpoint_without_reflection_does_not_spoil_the_others(
    clusters: Clusters, shops: Callable[[], ShopServer]
) -> None:
    blind, seeing = await shops().start(), await shops().start(V1)
    cluster = publish(clusters, blind, seeing)
    await until(clusters, lambda: len(cluster.schema_source.versions) == 2)
    assert cluster.schema_source.ok
    assert versions(cluster) == [
        ((seeing.address,), True, ()),
        ((blind.address,), False, ("does not offer server reflection",)),
    ]


def scripted(
    files: dict[str, descriptor_pb2.FileDescriptorProto | bytes], offered: Callable[[], list[str]]
) -> Callable[[grpc.aio.Server], None]:
    """Return what adds a reflection that lists `offered` and answers a symbol with the file of its name."""

    async def talk(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        async for request in requests:
            question = reflection_pb2.ServerReflectionRequest.FromString(request)
            reply = reflection_pb2.ServerReflectionResponse()
            if question.HasField("list_services"):
                for name in offered():
                    reply.list_services_response.service.add(name=name)
            else:
                name = (
                    question.file_by_filename
                    or f"shop/v1/{question.file_containing_symbol.split('.')[-1].lower()}.proto"
                )
                found = files.get(
                    name if name in files else "shop/v1/shop.proto" if not question.file_by_filename else ""
                )
                if found is None:
                    reply.error_response.error_code = 5
                    reply.error_response.error_message = f"{name} is not here"
                else:
                    data = found if isinstance(found, bytes) else found.SerializeToString()
                    reply.file_descriptor_response.file_descriptor_proto.append(data)
            yield reply.SerializeToString()

    return lambda server: serve_reflection(server, talk)


def serve_reflection(server: grpc.aio.Server, talk: Any) -> None:
    service, method = METHODS[0].strip("/").split("/")
    handler: Any = grpc.stream_stream_rpc_method_handler(talk)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))


def needing(file: descriptor_pb2.FileDescriptorProto, imported: str) -> descriptor_pb2.FileDescriptorProto:
    """Return a file that uses a message of another one."""
    made = descriptor_pb2.FileDescriptorProto()
    made.CopyFrom(file)
    made.dependency.append(imported)
    made.message_type[0].field.add(
        name="gone", number=9, type="TYPE_MESSAGE", type_name=".gone.Gone", label="LABEL_OPTIONAL"
    )
    return made


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"shop/v1/shop.proto": b"\xff\xff"}, "its descriptor does not parse"),
        ({}, "the endpoint cannot describe it: shop/v1/shop.proto is not here"),
        ({"shop/v1/shop.proto": needing(V2, "gone.proto")}, "its import gone.proto is missing"),
        ({"shop/v1/shop.proto": shop_file("Get", service="Other")}, "the endpoint describes something else"),
    ],
)
async def test_half_an_answer_keeps_the_last_good_descriptors(
    clusters: Clusters, shops: Callable[[], ShopServer], broken: dict[str, Any], words: str
) -> None:
    server = await shops().start(V1)
    cluster = publish(clusters, server)
    await until(clusters, lambda: cluster.schema_source.ok and bool(cluster.schema.files))
    learnt = cluster.schema
    await server.start_with(scripted(broken, lambda: [SHOP]))
    await until(clusters, lambda: not cluster.schema_source.ok)
    assert cluster.schema is learnt
    error = cluster.schema_source.error
    assert error.startswith(f"the upstream cannot describe any more {SHOP} (")
    assert words in error
    assert error.endswith("the last descriptors stay")


async def test_a_service_that_does_not_link_does_not_take_the_others_down(
    clusters: Clusters, shops: Callable[[], ShopServer]
) -> None:
    files: dict[str, Any] = {
        "shop/v1/shop.proto": V1,
        "shop/v1/stock.proto": needing(shop_file("Count", service="Stock"), "gone.proto"),
    }
    server = await shops().start_with(scripted(files, lambda: [SHOP, "shop.v1.Stock"]))
    cluster = publish(clusters, server)
    await until(clusters, lambda: bool(cluster.schema.files))
    assert cluster.schema.pool().FindServiceByName(SHOP).full_name == SHOP
    assert list(cluster.schema.broken) == ["shop.v1.Stock"]
    assert methods(cluster) == ["Count", "Get", "List"], "as bytes its calls go through all the same"
    state = cluster.schema_source
    assert not state.ok
    assert state.success_time is not None
    assert "shop.v1.Stock (shop/v1/stock.proto does not link: its import gone.proto is missing" in state.error


async def test_a_look_asks_a_bounded_number_in_turn_and_parses_nothing_twice(
    clusters: Clusters, shops: Callable[[], ShopServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_survey, "MAX_ASKED", 2)
    servers = [await shops().start(V1) for _ in range(3)]
    cluster = publish(clusters, *servers)
    await until(clusters, lambda: [len(one.endpoints) for one in cluster.schema_source.versions] == [3])
    learnt = cluster.schema
    keeper = cluster._keeper
    assert keeper is not None
    before = [server.looks for server in servers]
    for _ in range(3):
        await keeper.look()
    assert [server.looks - looks for server, looks in zip(servers, before, strict=True)] == [2, 2, 2]
    assert cluster.schema is learnt
    assert len(keeper._survey._built) == 1
    assert len(keeper._survey._heads) == 1


async def test_endpoints_that_come_one_by_one_are_asked_once_each(
    clusters: Clusters, shops: Callable[[], ShopServer]
) -> None:
    servers = [await shops().start(V1) for _ in range(4)]
    cluster = publish(clusters, *servers)
    await until(clusters, lambda: [len(one.endpoints) for one in cluster.schema_source.versions] == [4])
    assert [server.looks for server in servers] == [1, 1, 1, 1]


async def hang(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
    """Take questions and never answer."""
    async for request in requests:
        await asyncio.Event().wait()
        yield request


async def test_an_endpoint_that_does_not_answer_does_not_hold_up_the_others(
    clusters: Clusters, shops: Callable[[], ShopServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_survey, "SOON", 0.05)
    monkeypatch.setattr(schemas, "LOOK_TIMEOUT", 4.0)
    hanging = await shops().start_with(lambda server: serve_reflection(server, hang))
    good = await shops().start(V1)
    cluster = publish(clusters, hanging, good)
    begin = asyncio.get_running_loop().time()
    await until(clusters, lambda: methods(cluster) == ["Get", "List"])
    assert asyncio.get_running_loop().time() - begin < 1.8
    assert cluster.schema_source.ok
    await until(clusters, lambda: len(cluster.schema_source.versions) == 2)
    assert versions(cluster)[1] == (
        (hanging.address,),
        False,
        ("cannot be asked: DEADLINE_EXCEEDED: Deadline Exceeded",),
    )
    assert cluster.schema_source.ok


async def test_an_endpoint_whose_turn_did_not_come_is_asked_in_the_next_look(
    clusters: Clusters, shops: Callable[[], ShopServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_survey, "MAX_AT_ONCE", 1)
    monkeypatch.setattr(schemas, "LOOK_TIMEOUT", 0.2)
    hanging = [await shops().start_with(lambda server: serve_reflection(server, hang)) for _ in range(3)]
    good = await shops().start(V1)
    cluster = publish(clusters, *hanging, good)
    await until(clusters, lambda: methods(cluster) == ["Get", "List"])
    assert cluster.schema_source.ok


async def test_given_descriptors_are_linked_when_the_configuration_is_prepared(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Schema(name="schemas/given", files=(V1.SerializeToString(),))
    upstream = Upstream(
        name=NAME, discovery=StaticDiscovery(endpoints=(EndpointAddress("127.0.0.1:1"),)), schema=given.name
    )
    wanted = Configuration(upstreams={NAME: upstream}, schemas={given.name: given})
    prepared = clusters.prepare(wanted)
    with monkeypatch.context() as patched:
        patched.setattr("edge.model.linking.link", unlinkable)
        clusters.publish(wanted, prepared)
        cluster = clusters.current[NAME]
        assert cluster.schema.pool().FindServiceByName(SHOP).full_name == SHOP
        again = replace(wanted, upstreams={NAME: replace(upstream, timeout=3.0)})
        clusters.publish(again, clusters.prepare(again))
    assert clusters.current[NAME] is cluster
    assert clusters.schema(given.name)[0] is cluster.schema


def unlinkable(_: object) -> Iterator[SchemaVersion]:
    raise AssertionError("linked again")
