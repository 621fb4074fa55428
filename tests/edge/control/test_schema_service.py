"""What is learnt of a schema, and reading it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2

from edge.model.schema import SchemaSet
from edge.model.snapshot import SourceState
from gateway.v1 import schema_pb2, schema_service_pb2, upstream_service_pb2

Create = schema_service_pb2.CreateSchemaRequest
Get = schema_service_pb2.GetSchemaRequest
Refresh = schema_service_pb2.RefreshSchemaRequest


def file(service: str) -> descriptor_pb2.FileDescriptorProto:
    made = descriptor_pb2.FileDescriptorProto(name="a.proto", package="t", syntax="proto3")
    made.service.add(name=service)
    return made


def descriptor_set(service: str) -> bytes:
    return descriptor_pb2.FileDescriptorSet(file=[file(service)]).SerializeToString()


@pytest.fixture
async def learnt(api: Any, build: Any) -> Any:
    await api.upstreams.CreateUpstream(
        upstream_service_pb2.CreateUpstreamRequest(upstream_id="books", upstream=build.upstream())
    )
    schema = schema_pb2.Schema(reflection_upstream="upstreams/books")
    return await api.schemas.CreateSchema(Create(schema_id="a", schema=schema))


async def test_an_uploaded_schema_shows_its_services(api: Any) -> None:
    schema = schema_pb2.Schema(file_descriptor_set=descriptor_set("Books"), services=["ignored"], hash="ignored")
    made = await api.schemas.CreateSchema(Create(schema_id="a", schema=schema))
    assert list(made.services) == ["t.Books"]
    assert len(made.hash) == 64
    listed = await api.schemas.ListSchemas(schema_service_pb2.ListSchemasRequest())
    assert list(listed.schemas) == [made]
    assert not api.configurator.resources.get("schemas/a").services


async def test_what_reflection_learnt_and_how_it_goes_is_shown(api: Any, learnt: Any) -> None:
    assert (list(learnt.services), learnt.hash) == ([], "")
    descriptors = SchemaSet.of([file("Books").SerializeToString()])
    api.runtime.schemas["schemas/a"] = (descriptors, SourceState(ok=False, error="unreachable", success_time=5.0))
    shown = await api.schemas.GetSchema(Get(name="schemas/a"))
    assert (list(shown.services), shown.hash) == (["t.Books"], descriptors.hash)
    assert (shown.refresh_time.seconds, shown.refresh_error) == (5, "unreachable")
    assert shown.etag == learnt.etag


async def test_refreshing_asks_the_runtime(api: Any, build: Any, learnt: Any) -> None:
    assert (await api.schemas.RefreshSchema(Refresh(name="schemas/a"))).name == "schemas/a"
    assert api.runtime.refreshed == ["schemas/a"]
    failed = await build.failure(api.schemas.RefreshSchema(Refresh(name="schemas/b")))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")


async def test_refreshing_reads_a_file_again(api: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.binpb"
    path.write_bytes(descriptor_set("Books"))
    schema = schema_pb2.Schema(file=str(path))
    await api.schemas.CreateSchema(Create(schema_id="a", schema=schema))
    path.write_bytes(descriptor_set("Films"))
    refreshed = await api.schemas.RefreshSchema(Refresh(name="schemas/a"))
    assert (list(refreshed.services), refreshed.refresh_error) == (["t.Films"], "")
    path.write_bytes(b"junk")
    refreshed = await api.schemas.RefreshSchema(Refresh(name="schemas/a"))
    assert list(refreshed.services) == ["t.Films"]
    assert "no serialized google.protobuf.FileDescriptorSet" in refreshed.refresh_error
    path.write_bytes(descriptor_set("Films"))
    assert not (await api.schemas.RefreshSchema(Refresh(name="schemas/a"))).refresh_error


async def test_validating_a_schema_that_is_not_there_shows_it(api: Any) -> None:
    schema = schema_pb2.Schema(file_descriptor_set=descriptor_set("Books"))
    made = await api.schemas.CreateSchema(Create(schema_id="a", schema=schema, validate_only=True))
    assert made.name == "schemas/a"
