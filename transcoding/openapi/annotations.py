"""What options say of messages and fields: google.api.field_behavior, resource, resource_reference, deprecated.

Options come from a pool that may not know the extensions; parsed anew they are in this process's own terms.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from google.api import field_behavior_pb2, resource_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor, ServiceDescriptor


class Behavior(enum.Flag):
    """What a field is to callers (AIP-203)."""

    REQUIRED = enum.auto()
    """A request has to have it."""
    OUTPUT_ONLY = enum.auto()
    """The service sets it; what a request has there is ignored."""
    INPUT_ONLY = enum.auto()
    """No answer has it."""
    IMMUTABLE = enum.auto()
    """It cannot be changed after it was created."""
    IDENTIFIER = enum.auto()
    """It is the name of the resource."""


_FLAGS = {
    field_behavior_pb2.REQUIRED: Behavior.REQUIRED,
    field_behavior_pb2.OUTPUT_ONLY: Behavior.OUTPUT_ONLY,
    field_behavior_pb2.INPUT_ONLY: Behavior.INPUT_ONLY,
    field_behavior_pb2.IMMUTABLE: Behavior.IMMUTABLE,
    field_behavior_pb2.IDENTIFIER: Behavior.IDENTIFIER,
}


def behavior(field: FieldDescriptor) -> Behavior:
    """Return what a field is to callers. A `required` of proto2 is REQUIRED."""
    found = Behavior.REQUIRED if field.is_required else Behavior(0)
    for value in _field_options(field).Extensions[field_behavior_pb2.field_behavior]:
        found |= _FLAGS.get(value, Behavior(0))
    return found


def is_deprecated(descriptor: FieldDescriptor | MethodDescriptor | ServiceDescriptor | Descriptor) -> bool:
    """Whether something is there for old callers only."""
    return bool(descriptor.GetOptions().deprecated)


class Resources:
    """The resources that some services are about, by `google.api.resource`.

    Args:
        services: The services. Their files and all that these import are looked at.
    """

    def __init__(self, services: Iterable[ServiceDescriptor]) -> None:
        self._by_type: dict[str, str] = {}
        self._by_message: dict[str, str] = {}
        self._singular: dict[str, str] = {}
        for file in _files(services):
            options: Any = descriptor_pb2.FileOptions.FromString(file.GetOptions().SerializeToString())
            for definition in options.Extensions[resource_pb2.resource_definition]:
                self._take(definition, "")
            for message in _messages(file.message_types_by_name.values()):
                told: Any = descriptor_pb2.MessageOptions.FromString(message.GetOptions().SerializeToString())
                if told.HasExtension(resource_pb2.resource):
                    self._take(told.Extensions[resource_pb2.resource], message.full_name)

    def _take(self, resource: Any, message: str) -> None:
        for pattern in resource.pattern:
            self._by_type.setdefault(resource.type, pattern)
            if message:
                self._by_message.setdefault(message, pattern)
            segments = pattern.split("/")
            for collection, variable in itertools.pairwise(segments):
                if variable.startswith("{") and variable.endswith("}") and not collection.startswith("{"):
                    self._singular.setdefault(collection, variable[1:-1])

    def singular(self, collection: str) -> str:
        """Return what an element of a collection is called, as in `shelf` for `shelves`. Empty when not known."""
        return self._singular.get(collection, "")

    def pattern(self, field: FieldDescriptor) -> str:
        """Return the pattern of the resource names that a field holds. Empty when it holds none, or any."""
        options = _field_options(field)
        if options.HasExtension(resource_pb2.resource_reference):
            reference = options.Extensions[resource_pb2.resource_reference]
            if reference.type:
                return self._by_type.get(reference.type, "")
            # the parent of a resource: its pattern without the last collection and identifier
            child = self._by_type.get(reference.child_type, "")
            return "/".join(child.split("/")[:-2])
        owner = field.containing_type
        if owner is None or field.name != "name":
            return ""
        return self._by_message.get(owner.full_name, "")


def _field_options(field: FieldDescriptor) -> Any:
    return descriptor_pb2.FieldOptions.FromString(field.GetOptions().SerializeToString())


def _files(services: Iterable[ServiceDescriptor]) -> Iterator[FileDescriptor]:
    waiting: list[FileDescriptor] = [service.file for service in services]
    seen: set[str] = set()
    while waiting:
        file = waiting.pop()
        if file.name not in seen:
            seen.add(file.name)
            yield file
            waiting += file.dependencies


def _messages(found: Iterable[Descriptor]) -> Iterator[Descriptor]:
    for message in found:
        yield message
        yield from _messages(message.nested_types)
