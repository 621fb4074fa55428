"""The messages and enums of a corpus file as the files protoc would have made of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from tests.corpus.cases import Json

_NAMES = "double float int64 uint64 int32 fixed64 fixed32 bool string bytes uint32 sfixed32 sfixed64 sint32 sint64"
SCALARS = {name: FieldDescriptorProto.Type.Value(f"TYPE_{name.upper()}") for name in _NAMES.split()}
"""The scalar types by the names of the proto language."""

GOOGLE = ("google.protobuf", "google.api", "google.rpc", "google.type")
"""The packages that types of Google's may come from."""


class Schemas:
    """The types that cases name.

    Args:
        schemas: The `schemas` of a corpus file.

    Raises:
        ValueError: a type is not known, or two packages need one another.
    """

    def __init__(self, schemas: Json) -> None:
        self.messages: Json = schemas["messages"]
        self.enums: Json = schemas["enums"]
        self._needs: dict[str, set[str]] = {}
        made: dict[str, FileDescriptorProto] = {}
        for name in (*self.messages, *self.enums):
            package = self.package(name)
            made.setdefault(package, FileDescriptorProto(name=file_name(package), package=package, syntax="proto3"))
        for package, file in made.items():
            self._needs[package] = set()
            self._fill(file, package)
        self.files: tuple[FileDescriptorProto, ...] = tuple(made[package] for package in self._ordered())
        """The files, each after what it imports, without the google ones."""

    def package(self, name: str) -> str:
        """Return the package of a type of the file: what is left without its own name and those it is nested in."""
        parent = name.rpartition(".")[0]
        return self.package(parent) if parent in self.messages else parent

    def home(self, name: str) -> str:
        """Return the name of the file that defines a type.

        Raises:
            ValueError: nothing defines it.
        """
        if name in self.messages or name in self.enums:
            return file_name(self.package(name))
        return google_file(name).name

    def is_enum(self, name: str) -> bool:
        """Whether a type is an enum."""
        if name in self.enums or name in self.messages:
            return name in self.enums
        return name in {f"{enum.full_name}" for enum in google_file(name).enum_types_by_name.values()}

    def _fill(self, file: FileDescriptorProto, package: str) -> None:
        needs = self._needs[package]
        for name, fields in self.messages.items():
            if self.package(name) == package and name.rpartition(".")[0] not in self.messages:
                file.message_type.append(self._message(name, fields, needs))
        for name, values in self.enums.items():
            if self.package(name) == package and name.rpartition(".")[0] not in self.messages:
                file.enum_type.append(enum(name, values))
        needs.discard(file.name)
        file.dependency.extend(sorted(needs))

    def _message(self, full: str, raw: Json, needs: set[str]) -> DescriptorProto:
        found = DescriptorProto(name=full.rpartition(".")[2])
        for field in raw["fields"]:
            self._field(found, full, field, needs)
        # the oneof that stands for proto3's `optional` comes after all others
        for made in found.field:
            if made.proto3_optional:
                made.oneof_index = len(found.oneof_decl)
                found.oneof_decl.add(name=f"_{made.name}")
        for name, fields in self.messages.items():
            if name.rpartition(".")[0] == full:
                found.nested_type.append(self._message(name, fields, needs))
        for name, values in self.enums.items():
            if name.rpartition(".")[0] == full:
                found.enum_type.append(enum(name, values))
        for option, value in raw.get("options", {}).items():
            setattr(found.options, option, value)
        return found

    def _field(self, message: DescriptorProto, full: str, raw: Json, needs: set[str]) -> None:
        made = message.field.add(name=raw["name"], number=raw["number"], label=FieldDescriptorProto.LABEL_OPTIONAL)
        made.json_name = raw.get("json_name") or camel(raw["name"])
        if "map" in raw:
            entry = message.nested_type.add(name=entry_name(raw["name"]))
            entry.options.map_entry = True
            for number, name in ((1, "key"), (2, "value")):
                part = {"name": name, "number": number, "type": raw["map"][name]}
                self._field(entry, "", part, needs)
            made.label = FieldDescriptorProto.LABEL_REPEATED
            made.type = FieldDescriptorProto.TYPE_MESSAGE
            made.type_name = f".{full}.{entry.name}"
            return
        self._type(made, raw["type"], needs)
        match raw.get("label"):
            case "repeated":
                made.label = FieldDescriptorProto.LABEL_REPEATED
            case "optional":
                made.proto3_optional = True
        if "oneof" in raw:
            names = [oneof.name for oneof in message.oneof_decl]
            if raw["oneof"] not in names:
                message.oneof_decl.add(name=raw["oneof"])
                names.append(raw["oneof"])
            made.oneof_index = names.index(raw["oneof"])

    def _type(self, field: FieldDescriptorProto, name: str, needs: set[str]) -> None:
        if name in SCALARS:
            field.type = SCALARS[name]
            return
        needs.add(self.home(name))
        enumerated = self.is_enum(name)
        field.type = FieldDescriptorProto.TYPE_ENUM if enumerated else FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{name}"

    def _ordered(self) -> Iterator[str]:
        homes = {file_name(package): package for package in self._needs}
        waiting = {package: {homes[f] for f in needs if f in homes} for package, needs in self._needs.items()}
        while waiting:
            ready = [package for package, needs in waiting.items() if not needs & waiting.keys()]
            if not ready:
                raise ValueError(f"packages need one another: {', '.join(sorted(waiting))}")
            for package in ready:
                del waiting[package]
            yield from ready


def enum(full: str, values: dict[str, int]) -> EnumDescriptorProto:
    """Return an enum of names and numbers; proto3 wants the zero first."""
    found = EnumDescriptorProto(name=full.rpartition(".")[2])
    for name, number in sorted(values.items(), key=lambda pair: pair[1] != 0):
        found.value.add(name=name, number=number)
    if len(set(values.values())) < len(values):
        found.options.allow_alias = True
    return found


def file_name(package: str) -> str:
    """Return the name of the file of a package."""
    return f"{package.replace('.', '/')}.proto"


def camel(name: str) -> str:
    """Return the JSON name protoc gives a field."""
    found = ""
    upper = False
    for letter in name:
        if letter == "_":
            upper = True
        else:
            found += letter.upper() if upper else letter
            upper = False
    return found


def entry_name(name: str) -> str:
    """Return the name protoc gives the entry message of a map field."""
    found = camel(name)
    return f"{found[:1].upper()}{found[1:]}Entry"


def google_file(name: str) -> FileDescriptor:
    """Return the file that defines a type of Google's.

    Raises:
        ValueError: no installed package defines it.
    """
    pool = descriptor_pool.Default()
    try:
        return pool.FindFileContainingSymbol(name)
    except KeyError:
        _import_google()
    try:
        return pool.FindFileContainingSymbol(name)
    except KeyError:
        raise ValueError(f"no type {name}") from None


def _import_google() -> None:
    """Import what googleapis-common-protos and protobuf bring, which puts it into the default pool."""
    for name in GOOGLE:
        package = importlib.import_module(name)
        for module in pkgutil.iter_modules(package.__path__, f"{name}."):
            if module.name.endswith("_pb2"):
                importlib.import_module(module.name)


def with_imports(files: Iterable[FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Return files and everything of Google's that they import, each after what it imports."""
    found: dict[str, FileDescriptorProto] = {}
    own = {file.name: file for file in files}

    def take(name: str) -> None:
        if name in found:
            return
        if name in own:
            file = own[name]
        else:
            file = FileDescriptorProto()
            imported(name).CopyToProto(file)
        for needed in file.dependency:
            take(needed)
        found[name] = file

    for name in own:
        take(name)
    return list(found.values())


def imported(name: str) -> FileDescriptor:
    """Return an installed file of Google's by its name."""
    pool = descriptor_pool.Default()
    try:
        return pool.FindFileByName(name)
    except KeyError:
        importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
        return pool.FindFileByName(name)
