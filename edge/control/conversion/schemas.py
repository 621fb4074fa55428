"""Schemas: proto → model, with descriptor sets read, completed and linked."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import DecodeError

from edge.control.conversion.scope import Scope
from edge.model.config import Schema
from edge.model.linking import add_well_known, in_order
from gateway.v1 import schema_pb2

_LARGEST = 64 * 1024 * 1024
"""The most bytes of a descriptor set."""

_MISSING_SHOWN = 5


def convert_schema(schema: schema_pb2.Schema, scope: Scope) -> Schema:
    """Return the schema for the model. It means something only when nothing was refused."""
    match schema.WhichOneof("source"):
        case "file_descriptor_set":
            files = _files(schema.file_descriptor_set, scope.field("file_descriptor_set"))
            return Schema(name=schema.name, files=files)
        case "file":
            return Schema(name=schema.name, files=_read(schema.file, scope.field("file")))
        case "reflection_upstream":
            if not schema.reflection_upstream:
                scope.field("reflection_upstream").refuse("the name of an upstream is missing")
            return Schema(name=schema.name, reflection_upstream=schema.reflection_upstream)
        case _:
            scope.field("source").refuse(
                "the schema comes from nowhere; add `file`, `file_descriptor_set` or `reflection_upstream`"
            )
            return Schema(name=schema.name)


def _read(path: str, scope: Scope) -> tuple[bytes, ...]:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        scope.refuse(f"the file cannot be read: {error.strerror}")
    except ValueError:
        scope.refuse("the file cannot be read: it is no path of a file")
    else:
        return _files(data, scope)
    return ()


def _files(data: bytes, scope: Scope) -> tuple[bytes, ...]:
    """Return the files of a descriptor set with the well-known ones they import, each after its imports."""
    if len(data) > _LARGEST:
        scope.refuse(f"a descriptor set may have at most {_LARGEST} bytes")
        return ()
    try:
        listed = descriptor_pb2.FileDescriptorSet.FromString(data).file
    except DecodeError:
        scope.refuse("is no serialized google.protobuf.FileDescriptorSet, as `buf build -o` or `protoc -o` writes it")
        return ()
    if not listed:
        scope.refuse("the descriptor set holds no files")
        return ()
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    for file in listed:
        if file.name in files:
            scope.refuse(f"the descriptor set holds `{file.name}` twice")
        files[file.name] = file
    missing = add_well_known(files)
    if missing:
        rest = f" and {len(missing) - _MISSING_SHOWN} more" if len(missing) > _MISSING_SHOWN else ""
        shown = ", ".join(f"`{name}` (imported by `{by}`)" for name, by in missing[:_MISSING_SHOWN])
        scope.refuse(f"imports are missing: {shown}{rest}; make the set with `--include_imports`")
        return ()
    ordered = in_order(files)
    if len(ordered) < len(files):
        scope.refuse("its files import each other in a circle")
        return ()
    pool = descriptor_pool.DescriptorPool()
    serialized = tuple(file.SerializeToString(deterministic=True) for file in ordered.values())
    try:
        for content in serialized:
            pool.AddSerializedFile(content)
    except (TypeError, ValueError) as error:
        scope.refuse(f"the descriptors do not fit together: {str(error)[:300]}")
        return ()
    return serialized
