"""Descriptor sets: read, completed, linked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from edge.control.conversion.whole import convert
from edge.control.resources import Resources
from edge.model.errors import InvalidRequest
from edge.model.schema import SchemaSet
from gateway.v1 import route_service_pb2, schema_pb2


def file(name: str, *imports: str, uses: str = "") -> descriptor_pb2.FileDescriptorProto:
    made = descriptor_pb2.FileDescriptorProto(name=name, package="t", syntax="proto3", dependency=imports)
    message = made.message_type.add(name="M" + name[0].upper())
    if uses:
        message.field.add(name="a", number=1, type="TYPE_MESSAGE", type_name=uses, label="LABEL_OPTIONAL")
    return made


def set_of(*files: descriptor_pb2.FileDescriptorProto) -> bytes:
    return descriptor_pb2.FileDescriptorSet(file=files).SerializeToString()


def files_of(data: bytes) -> list[str]:
    schema = schema_pb2.Schema(name="schemas/a", file_descriptor_set=data)
    found = convert(Resources([schema]), revision=1).schemas["schemas/a"]
    return [descriptor_pb2.FileDescriptorProto.FromString(content).name for content in found.files]


def refused(data: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        files_of(data)
    (violation,) = caught.value.violations
    assert violation.field == "schemas/a.file_descriptor_set"
    return violation.description


def test_each_file_comes_after_its_imports() -> None:
    assert files_of(set_of(file("a.proto", "b.proto", uses=".t.MB"), file("b.proto"))) == ["b.proto", "a.proto"]


def test_well_known_imports_may_be_left_out() -> None:
    made = file("a.proto", "google/protobuf/timestamp.proto", uses=".google.protobuf.Timestamp")
    assert files_of(set_of(made)) == ["google/protobuf/timestamp.proto", "a.proto"]
    found = files_of(set_of(file("a.proto", "google/api/annotations.proto", "google/rpc/status.proto")))
    assert found[-1] == "a.proto"
    assert {"google/api/http.proto", "google/protobuf/descriptor.proto", "google/protobuf/any.proto"} < set(found)


def test_the_gateways_own_api_is_a_schema() -> None:
    collected: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def collect(descriptor: Any) -> None:
        if descriptor.name not in collected:
            for imported in descriptor.dependencies:
                collect(imported)
            collected[descriptor.name] = descriptor_pb2.FileDescriptorProto.FromString(descriptor.serialized_pb)

    collect(route_service_pb2.DESCRIPTOR)
    schema = schema_pb2.Schema(name="schemas/a", file_descriptor_set=set_of(*collected.values()))
    files = convert(Resources([schema]), revision=1).schemas["schemas/a"].files
    assert "gateway.v1.RouteService" in SchemaSet.of(files).services


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "holds no files"),
        (b"\xff\xff", "is no serialized google.protobuf.FileDescriptorSet"),
        (set_of(file("a.proto", "b.proto")), "imports are missing: `b.proto` (imported by `a.proto`)"),
        (set_of(file("a.proto", "google/api/none.proto")), "imports are missing: `google/api/none.proto`"),
        (set_of(file("a.proto", "google/../os.proto")), "imports are missing"),
        (set_of(file("a.proto", *(f"x{n}.proto" for n in range(9)))), "and 4 more; make the set with"),
        (set_of(file("a.proto", "b.proto"), file("b.proto", "a.proto")), "import each other in a circle"),
        (set_of(file("a.proto"), file("a.proto")), "holds `a.proto` twice"),
        (set_of(file("a.proto", uses=".t.None")), "do not fit together"),
    ],
)
def test_what_is_wrong_with_a_set_is_said(data: bytes, words: str) -> None:
    assert words in refused(data)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.binpb"
    path.write_bytes(set_of(file("a.proto")))
    schema = schema_pb2.Schema(name="schemas/a", file=str(path))
    assert len(convert(Resources([schema]), revision=1).schemas["schemas/a"].files) == 1


@pytest.mark.parametrize(
    ("path", "words"), [("/none", "No such file"), ("", "cannot be read"), ("/", "Is a directory"), ("a\0b", "no path")]
)
def test_a_file_that_cannot_be_read_is_named_by_its_field(path: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        convert(Resources([schema_pb2.Schema(name="schemas/a", file=path)]), revision=1)
    (violation,) = caught.value.violations
    assert violation.field == "schemas/a.file"
    assert words in violation.description


def test_reflection_needs_an_upstream_that_is_there() -> None:
    for name, words in (("", "is missing"), ("upstreams/none", "there is no `upstreams/none`")):
        with pytest.raises(InvalidRequest) as caught:
            convert(Resources([schema_pb2.Schema(name="schemas/a", reflection_upstream=name)]), revision=1)
        (violation,) = caught.value.violations
        assert violation.field == "schemas/a.reflection_upstream"
        assert words in violation.description
