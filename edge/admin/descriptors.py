"""Finding things in a `SchemaSet`: which file defines a symbol or an extension, and what a file imports.

An index is made once for each content and kept, bounded, by its hash; asking costs look-ups.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, Final

from google.protobuf import (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)

from edge.model.schema import SchemaSet

_WELL_KNOWN_MODULES: Final[tuple[ModuleType, ...]] = (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)


class SchemaIndex:
    """Where everything is that the files of a set define. All names are full names without leading dot.

    Args:
        files: Serialized `FileDescriptorProto`s by file name.
    """

    __slots__ = ("_extensions", "_files", "_imports", "_symbols")

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._imports: dict[str, tuple[str, ...]] = {}
        self._symbols: dict[str, str] = {}
        self._extensions: dict[str, dict[int, str]] = {}
        for name, data in files.items():
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            self._imports[name] = tuple(file.dependency)
            for symbol in _symbols(file):
                self._symbols.setdefault(symbol, name)
            for extended, number in _extensions(file):
                self._extensions.setdefault(extended, {}).setdefault(number, name)

    def file(self, name: str) -> bytes | None:
        """Return a file by its name, or one of google/protobuf that the set lacks, or None."""
        return self._files[name] if name in self._files else WELL_KNOWN.files.get(name)

    def defining(self, symbol: str) -> str | None:
        """Return the name of the file that defines a symbol, or None."""
        return self._symbols.get(symbol)

    def extending(self, symbol: str, number: int) -> str | None:
        """Return the name of the file that defines an extension of a message by its number, or None."""
        return self._extensions.get(symbol, {}).get(number)

    def extension_numbers(self, symbol: str) -> Iterable[int]:
        """Return the numbers of the extensions of a message."""
        return self._extensions.get(symbol, {}).keys()

    def with_imports(self, name: str) -> Iterator[bytes]:
        """Yield a file and everything it imports, the file first, each once. What is not to be had is left out."""
        seen = {name}
        rest = [name]
        for current in rest:
            data = self.file(current)
            if data is None:
                continue
            yield data
            imports = self._imports[current] if current in self._imports else _WELL_KNOWN_IMPORTS[current]
            rest.extend(one for one in imports if one not in seen)
            seen.update(imports)


def _symbols(file: descriptor_pb2.FileDescriptorProto) -> Iterator[str]:
    """Yield the full names of everything a file defines."""
    scope = f"{file.package}." if file.package else ""
    for service in file.service:
        yield scope + service.name
        yield from (f"{scope}{service.name}.{method.name}" for method in service.method)
    for message in file.message_type:
        yield from _message_symbols(scope, message)
    for enum in file.enum_type:
        yield from _enum_symbols(scope, enum)
    yield from (scope + extension.name for extension in file.extension)


def _message_symbols(scope: str, message: descriptor_pb2.DescriptorProto) -> Iterator[str]:
    name = scope + message.name
    yield name
    inner = f"{name}."
    yield from (inner + field.name for field in message.field)
    yield from (inner + oneof.name for oneof in message.oneof_decl)
    yield from (inner + extension.name for extension in message.extension)
    for nested in message.nested_type:
        yield from _message_symbols(inner, nested)
    for enum in message.enum_type:
        yield from _enum_symbols(inner, enum)


def _enum_symbols(scope: str, enum: descriptor_pb2.EnumDescriptorProto) -> Iterator[str]:
    """Yield the enum and its values under both names in use: beside the enum, as in C++, and within it."""
    yield scope + enum.name
    for value in enum.value:
        yield scope + value.name
        yield f"{scope}{enum.name}.{value.name}"


def _extensions(holder: Any) -> Iterator[tuple[str, int]]:
    """Yield the extended message and the number of each extension of a file or message, nested ones too."""
    for extension in holder.extension:
        yield extension.extendee.removeprefix("."), extension.number
    messages = holder.nested_type if isinstance(holder, descriptor_pb2.DescriptorProto) else holder.message_type
    for message in messages:
        yield from _extensions(message)


class IndexCache:
    """The indexes of the sets asked for last, by the hash of their content.

    Args:
        capacity: The most indexes that are kept.
    """

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._indexes: OrderedDict[str, SchemaIndex] = OrderedDict()

    def __len__(self) -> int:
        return len(self._indexes)

    def make_room(self, count: int) -> None:
        """Make sure that `count` indexes can be kept at once: else each request over that many would make them anew."""
        self._capacity = max(self._capacity, count)

    def index(self, schema: SchemaSet) -> SchemaIndex:
        """Return the index of a set; the same one for the same content, as long as it is kept."""
        found = self._indexes.get(schema.hash)
        if found is None:
            found = self._indexes[schema.hash] = SchemaIndex(schema.files)
            if len(self._indexes) > self._capacity:
                self._indexes.popitem(last=False)
        else:
            self._indexes.move_to_end(schema.hash)
        return found


def own_schema(modules: Iterable[ModuleType]) -> SchemaSet:
    """Return the files of generated modules with everything they import, and the services of these modules only."""
    found: dict[str, bytes] = {}
    offered = []
    rest = []
    for module in modules:
        rest.append(module.DESCRIPTOR)
        offered += [service.full_name for service in module.DESCRIPTOR.services_by_name.values()]
    for file in rest:
        if file.name not in found:
            found[file.name] = file.serialized_pb
            rest.extend(file.dependencies)
    return SchemaSet.of(found.values(), offered=offered)


WELL_KNOWN: Final = own_schema(_WELL_KNOWN_MODULES)
"""The google/protobuf files, which many servers leave out of their answers because every client has them."""

_WELL_KNOWN_IMPORTS: Final = {
    name: tuple(descriptor_pb2.FileDescriptorProto.FromString(data).dependency)
    for name, data in WELL_KNOWN.files.items()
}
