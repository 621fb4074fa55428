"""What a kind of resource is: read from the annotations of the protos, so that nothing is said twice.

The generic methods, the conversion and the store know kinds only by this description.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.api import field_behavior_pb2, resource_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.v1 import consumer_pb2, policy_pb2, route_pb2, schema_pb2, upstream_pb2

ID_PATTERN = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""The last segment of a resource name (AIP-122)."""

ID_RULE = "1 to 63 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen"
"""`ID_PATTERN` in words."""

_OWN_PACKAGE = "gateway.v1"
"""Only messages of this package are looked into for references; others may be recursive."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A place where one resource names another."""

    path: str
    """The path of the field within the resource, as in `forward.upstreams[0].upstream`."""

    collection: str
    """The collection of the resource that is meant."""

    name: str
    """What the field holds."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of resource."""

    collection: str
    """The first segment of its names and its field in a configuration, as in `routes`."""

    singular: str
    """Its field in the requests of its service, as in `route`."""

    message: type[Message]
    """The message."""

    output_only: frozenset[str]
    """The fields callers cannot change. What they send in them is ignored."""

    reference_paths: tuple[tuple[tuple[FieldDescriptor, ...], str], ...]
    """The fields that name other resources, each with the collection meant."""

    @property
    def id_field(self) -> str:
        """The field of the create request that holds the last segment of the name."""
        return f"{self.singular}_id"

    def name(self, identifier: str) -> str:
        """Return the resource name."""
        return f"{self.collection}/{identifier}"

    def owns(self, name: str) -> bool:
        """Whether `name` is a well-formed name of this kind."""
        collection, slash, identifier = name.partition("/")
        return collection == self.collection and bool(slash) and ID_PATTERN.fullmatch(identifier) is not None

    def references(self, message: Message) -> Iterator[Reference]:
        """Yield what the resource names, in the order of its fields. Empty references are left out."""
        for path, collection in self.reference_paths:
            for place, name in _values(message, path):
                yield Reference(place, collection, name)


def _values(message: Any, path: Sequence[FieldDescriptor], prefix: str = "") -> Iterator[tuple[str, str]]:
    field, rest = path[0], path[1:]
    place = f"{prefix}.{field.name}" if prefix else field.name
    if field.is_repeated:
        entries = [(f"{place}[{index}]", entry) for index, entry in enumerate(getattr(message, field.name))]
    elif rest and not message.HasField(field.name):
        return
    else:
        entries = [(place, getattr(message, field.name))]
    for entry_place, entry in entries:
        if rest:
            yield from _values(entry, rest, entry_place)
        elif entry:
            yield entry_place, entry


def _reference_paths(
    descriptor: Any, before: tuple[FieldDescriptor, ...] = ()
) -> Iterator[tuple[tuple[FieldDescriptor, ...], str]]:
    for field in descriptor.fields:
        path = (*before, field)
        reference = field.GetOptions().Extensions[resource_pb2.resource_reference]
        if reference.type:
            yield path, reference.type
        elif (nested := field.message_type) is not None and nested.file.package == _OWN_PACKAGE:
            if nested.GetOptions().map_entry or nested in {step.message_type for step in before}:
                continue
            yield from _reference_paths(nested, path)


def _resource(message: type[Message]) -> Any:
    return message.DESCRIPTOR.GetOptions().Extensions[resource_pb2.resource]


def _kinds(*messages: type[Message]) -> Mapping[str, Kind]:
    collections = {_resource(message).type: str(_resource(message).plural) for message in messages}
    kinds = {}
    for message in messages:
        output_only = frozenset(
            field.name
            for field in message.DESCRIPTOR.fields
            if field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        )
        references = tuple((path, collections[type_]) for path, type_ in _reference_paths(message.DESCRIPTOR))
        resource = _resource(message)
        kinds[resource.plural] = Kind(resource.plural, resource.singular, message, output_only, references)
    return kinds


KINDS = _kinds(upstream_pb2.Upstream, route_pb2.Route, policy_pb2.Policy, consumer_pb2.Consumer, schema_pb2.Schema)
"""Every kind by its collection, in the order of `gateway.v1.Config`."""

UPSTREAM = KINDS["upstreams"]
ROUTE = KINDS["routes"]
POLICY = KINDS["policies"]
CONSUMER = KINDS["consumers"]
SCHEMA = KINDS["schemas"]


def kind_of(name: str) -> Kind | None:
    """Return the kind a resource name belongs to by its collection, or None."""
    return KINDS.get(name.partition("/")[0])
