"""Documents of small services, with what checks them: the meta-schema, and a validator for their parts."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import google.protobuf
import jsonschema_rs
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc
from schemathesis.specs.openapi.definitions import OPENAPI_31

from edge.model.config import Forward, Route
from edge.model.schema import SchemaSet
from edge.model.transcoding import Transcoding
from tests.transcoding.codec.schema import EDITION, MESSAGES, PROTO2, PROTO3
from transcoding.offers import compile_offers
from transcoding.openapi import document
from transcoding.rest.rule import RestRule

_META = jsonschema_rs.Draft202012Validator(OPENAPI_31)

EVERY_MESSAGE = "\n".join(
    [
        'syntax = "proto3"; package every; import "three.proto"; import "two.proto"; import "ed.proto";',
        'import "google/api/annotations.proto"; service Every {',
        *(
            f"rpc {name.replace('.', '_').title().replace('_', '')}({name}) returns ({name}) "
            f'{{ option (google.api.http) = {{ post: "/{name}" body: "*" additional_bindings '
            f'{{ get: "/{name}" }} }}; }}'
            for name in MESSAGES
        ),
        "}",
    ]
)
"""A service that takes and answers each of the codec's test messages: as a body, and as a query."""


BEYOND_SCHEMAS = re.compile(
    r"is no u?int(32|64); write a whole number from"  # the patterns of texts count digits
    r"|is no float; write a number"  # the largest float is printed as a larger number than is read
    r"|is out of range for u?int(32|64)"
    r"|is no duration; write seconds|is too long for a duration"
    r"|is no JSON for google.protobuf"  # text within a map
    r"|is no message that the schema has"  # what is in an Any
    r"|null is no (element of a list|value of the enum `NullValue`)"
)
"""What schemas allow and the codec refuses, because nobody would want to read the schema that says it."""


@cache
def compiled(*protos: tuple[str, str]) -> SchemaSet:
    """Return the schema of some files with their comments; each is a name without `.proto` and a text."""
    own = Path(google.protobuf.__file__).parent.parent.parent
    grpc_own = Path(protoc.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        for name, text in protos:
            (Path(folder) / f"{name}.proto").write_text(text)
        out = Path(folder) / "out"
        includes = [f"-I{path}" for path in (folder, own, grpc_own)]
        command = ["", *includes, "--include_imports", "--include_source_info", f"--descriptor_set_out={out}"]
        assert protoc.main([*command, *(f"{name}.proto" for name, _ in protos)]) == 0
        files = FileDescriptorSet.FromString(out.read_bytes()).file
    return SchemaSet.of([file.SerializeToString() for file in files])


def every_message() -> SchemaSet:
    """Return the schema of `EVERY_MESSAGE`."""
    return compiled(("three", PROTO3), ("two", PROTO2), ("ed", EDITION), ("every", EVERY_MESSAGE))


def of_module(file: FileDescriptor) -> SchemaSet:
    """Return the schema of a generated module, without comments."""
    found: dict[str, bytes] = {}

    def take(one: FileDescriptor) -> None:
        for imported in one.dependencies:
            take(imported)
        found.setdefault(one.name, one.serialized_pb)

    take(file)
    return SchemaSet.of(found.values())


def rules_of(schema: SchemaSet, transcoding: Transcoding | None = None, name: str = "routes/r") -> list[RestRule]:
    """Return the rules of a route for a schema."""
    route = Route(
        name=name, action=Forward(upstreams=(("upstreams/u", 1),)), transcoding=transcoding or Transcoding(openapi=True)
    )
    offers = compile_offers(route, schema)
    assert not offers.problems
    return list(offers.rules)


def described(schema: SchemaSet, transcoding: Transcoding | None = None) -> Any:
    """Return the document of a schema, once it is valid."""
    return checked(rules_of(schema, transcoding), files=schema.files.values())


def checked(rules: Iterable[RestRule], *, files: Iterable[bytes] = ()) -> Any:
    """Return the document of some rules, once it is valid."""
    made = document(rules, title="Test", version="v1", files=files)
    assert_valid(made)
    return made


def assert_valid(made: Any) -> None:
    """Check a document: by the meta-schema of OpenAPI 3.1, and what that cannot say."""
    problems = [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in _META.iter_errors(made)]
    assert problems == []
    for schema in made["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": made["jsonSchemaDialect"], **schema})
    names = set(made["components"]["schemas"])
    assert set(_references(made)) <= names
    identifiers = [operation["operationId"] for _, _, operation in operations(made)]
    assert len(identifiers) == len(set(identifiers))
    for path, _, operation in operations(made):
        parameters = operation.get("parameters", [])
        held = [parameter["name"] for parameter in parameters if parameter["in"] == "path"]
        assert sorted(held) == sorted(part.partition("}")[0] for part in path.split("{")[1:])
        places = [(parameter["in"], parameter["name"]) for parameter in parameters]
        assert len(places) == len(set(places))
        assert operation["tags"][0] in {tag["name"] for tag in made["tags"]}


def operations(made: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield path, verb and operation of all operations."""
    for path, item in made["paths"].items():
        for verb, operation in item.items():
            yield path, verb, operation


def operation(made: Any, identifier: str) -> Any:
    """Return an operation by its id."""
    (found,) = [one for _, _, one in operations(made) if one["operationId"] == identifier]
    return found


def validator(made: Any, schema: Any) -> jsonschema_rs.Draft202012Validator:
    """Return what checks values by a schema of a document."""
    return jsonschema_rs.Draft202012Validator({**schema, "components": made["components"]}, validate_formats=True)


def component(made: Any, name: str) -> jsonschema_rs.Draft202012Validator:
    """Return what checks values by a component."""
    return validator(made, {"$ref": f"#/components/schemas/{name}"})


def _references(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == "$ref" and isinstance(value, str) and "/schemas/" in value:
                yield value.removeprefix("#/components/schemas/")
            else:
                yield from _references(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _references(value)
