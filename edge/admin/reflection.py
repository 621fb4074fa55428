"""grpc.reflection.v1 and v1alpha over several schemas at once, so that one address describes every upstream.

Each schema stays consistent by itself, also when two upstreams have different files of one name: a symbol is answered
from the schema that owns it, with the imports of that schema; a file name is answered from the schema that answered
last on the stream. A service belongs to the first schema that offers it, anything else to the schema that answered last
when it knows it, or else to the first that does.

The messages of both versions are the same on the wire, so one set of classes, that of v1alpha, serves both names.
"""

# ruff: noqa: N802, ARG002 - the signatures of the RPCs
from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2

from edge.admin.descriptors import WELL_KNOWN, IndexCache, SchemaIndex
from edge.model.schema import SchemaSet
from edge.model.status import Code
from edge.servicing import answer

V1ALPHA: Final = "grpc.reflection.v1alpha"
V1: Final = "grpc.reflection.v1"


def _reflection_schema() -> SchemaSet:
    """Return the files of both versions; v1 is v1alpha under its own package and file name."""
    alpha = reflection_pb2.DESCRIPTOR.serialized_pb
    final = descriptor_pb2.FileDescriptorProto.FromString(alpha)
    final.name = final.name.replace("v1alpha", "v1")
    final.package = V1
    fields = [field for message in final.message_type for field in message.field]
    for field in (field for field in fields if field.type_name):
        field.type_name = field.type_name.replace(f".{V1ALPHA}.", f".{V1}.")
    for method in final.service[0].method:
        method.input_type = method.input_type.replace(f".{V1ALPHA}.", f".{V1}.")
        method.output_type = method.output_type.replace(f".{V1ALPHA}.", f".{V1}.")
    return SchemaSet.of([final.SerializeToString(), alpha])


REFLECTION_SCHEMA: Final = _reflection_schema()
"""The reflection service itself, in both versions."""


class _Missing(Exception):
    """What was asked for is not known. The text says what."""


class _Stream:
    """What one stream has been sent, which decides what its next answers leave out and where they come from."""

    __slots__ = ("_indexes", "last", "sent")

    def __init__(self, indexes: IndexCache) -> None:
        self._indexes = indexes
        self.sent: set[bytes] = set()
        """The files. By content: two schemas may have different files of one name."""
        self.last: SchemaSet | None = None
        """The schema that answered last."""

    def index(self, schema: SchemaSet) -> SchemaIndex:
        """Return the index of a schema."""
        return self._indexes.index(schema)

    def order(self, schemas: Sequence[SchemaSet]) -> Iterator[tuple[SchemaSet, SchemaIndex]]:
        """Yield the schemas in the order in which they are asked: the last one, all others, google/protobuf."""
        # by hash: after a change of the configuration the same content may be another object
        last = self.last.hash if self.last is not None else ""
        ordered = [one for one in schemas if one.hash == last] + [one for one in schemas if one.hash != last]
        for schema in (*ordered, WELL_KNOWN):
            yield schema, self.index(schema)

    def send(self, schema: SchemaSet, index: SchemaIndex, name: str) -> Any:
        """Return a file, always and first, as clients expect, then the imports that the stream has not seen."""
        self.last = schema
        files = list(index.with_imports(name))
        new = [data for data in files[1:] if data not in self.sent]
        self.sent.update(files)
        return reflection_pb2.FileDescriptorResponse(file_descriptor_proto=[files[0], *new])


class ReflectionServicer:
    """Answers reflection.

    Args:
        source: Returns the schemas in order of precedence, each time anew, so that they may change at run time. Their
            `services` are what is listed.
    """

    def __init__(self, source: Callable[[], Sequence[SchemaSet]]) -> None:
        self._source = source
        self._indexes = IndexCache()

    @answer
    async def ServerReflectionInfo(self, requests: AsyncIterator[Any], context: object) -> AsyncIterator[Any]:
        """Answer one request after the other. One that fails is answered with an error, and the stream goes on."""
        stream = _Stream(self._indexes)
        async for request in requests:
            yield self._answer(stream, request)

    def _answer(self, stream: _Stream, request: Any) -> Any:
        response = reflection_pb2.ServerReflectionResponse(valid_host=request.host, original_request=request)
        schemas = [schema for schema in self._source() if schema.files]
        self._indexes.make_room(len(schemas) + 1)
        kind = request.WhichOneof("message_request")
        try:
            if kind == "list_services":
                names = sorted({name for schema in schemas for name in schema.services})
                response.list_services_response.service.extend(
                    reflection_pb2.ServiceResponse(name=name) for name in names
                )
            elif kind == "file_containing_symbol":
                answer = _by_symbol(stream, schemas, request.file_containing_symbol)
                response.file_descriptor_response.CopyFrom(answer)
            elif kind == "file_by_filename":
                answer = _by_filename(stream, schemas, request.file_by_filename)
                response.file_descriptor_response.CopyFrom(answer)
            elif kind == "file_containing_extension":
                asked = request.file_containing_extension
                answer = _by_extension(stream, schemas, asked.containing_type, asked.extension_number)
                response.file_descriptor_response.CopyFrom(answer)
            elif kind == "all_extension_numbers_of_type":
                name = request.all_extension_numbers_of_type
                response.all_extension_numbers_response.base_type_name = name
                numbers = _extension_numbers(stream, schemas, name)
                response.all_extension_numbers_response.extension_number.extend(numbers)
            else:
                response.error_response.error_code = Code.INVALID_ARGUMENT
                response.error_response.error_message = "the request asks for nothing that is known here"
        except _Missing as missing:
            response.error_response.error_code = Code.NOT_FOUND
            response.error_response.error_message = str(missing)
        return response


def _by_symbol(stream: _Stream, schemas: Sequence[SchemaSet], name: str) -> Any:
    symbol = name.removeprefix(".").replace("/", ".")
    # A file that describes a service may also be imported by schemas that do not offer it.
    for schema in schemas:
        if symbol in schema.services or symbol.rpartition(".")[0] in schema.services:
            index = stream.index(schema)
            if (file := index.defining(symbol)) is not None:
                return stream.send(schema, index, file)
    for schema, index in stream.order(schemas):
        if (file := index.defining(symbol)) is not None:
            return stream.send(schema, index, file)
    raise _Missing(f"symbol {name!r} is not known")


def _by_filename(stream: _Stream, schemas: Sequence[SchemaSet], name: str) -> Any:
    for schema, index in stream.order(schemas):
        if name in schema.files:
            return stream.send(schema, index, name)
    raise _Missing(f"file {name!r} is not known")


def _by_extension(stream: _Stream, schemas: Sequence[SchemaSet], name: str, number: int) -> Any:
    for schema, index in stream.order(schemas):
        if (file := index.extending(name.removeprefix("."), number)) is not None:
            return stream.send(schema, index, file)
    raise _Missing(f"extension {number} of {name!r} is not known")


def _extension_numbers(stream: _Stream, schemas: Sequence[SchemaSet], name: str) -> list[int]:
    symbol = name.removeprefix(".")
    known = False
    numbers: set[int] = set()
    for _, index in stream.order(schemas):
        known = known or index.defining(symbol) is not None
        numbers.update(index.extension_numbers(symbol))
    if not known and not numbers:
        raise _Missing(f"message {name!r} is not known")
    return sorted(numbers)


def add_reflection(server: grpc.aio.Server, source: Callable[[], Sequence[SchemaSet]]) -> None:
    """Serve reflection under both names. Handlers are asked in order: add one that takes everything after this."""
    servicer = ReflectionServicer(source)
    handlers = {
        "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
            servicer.ServerReflectionInfo,
            request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
    }
    for package in (V1, V1ALPHA):
        name = f"{package}.ServerReflection"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
        server.add_registered_method_handlers(name, handlers)
