"""What is looked up about messages and enums again and again, made once.

A table grows to at most what the descriptor pool has, so nothing that callers send makes it larger.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from transcoding.codec.enums import NULL_VALUE, EnumNames, names_of
from transcoding.codec.options import CodecOptions
from transcoding.codec.scalars import PLAIN, READERS, Reader, enum_reader, read_bytes
from transcoding.codec.wellknown import VALUE


class Never:
    """The type of no JSON value."""


class Tables:
    """The tables of one pool with one set of options.

    Args:
        pool: Where types of `google.protobuf.Any` and extensions are found.
        options: How JSON is read and written.
    """

    def __init__(self, pool: DescriptorPool, options: CodecOptions) -> None:
        self.pool = pool
        self.options = options
        self._names: dict[Descriptor, Mapping[str, FieldDescriptor]] = {}
        self._enums: dict[EnumDescriptor, tuple[EnumNames, Reader]] = {}

    def fields(self, descriptor: Descriptor) -> Mapping[str, FieldDescriptor]:
        """Return the fields by all their names. Where two fields claim a name, the JSON name has it."""
        if (known := self._names.get(descriptor)) is None:
            by_name = {field.name: field for field in descriptor.fields}
            known = by_name | {json_name(field): field for field in descriptor.fields}
            self._names[descriptor] = known
        return known

    def enum(self, descriptor: EnumDescriptor) -> tuple[EnumNames, Reader]:
        """Return the names of an enum, and what reads them."""
        if (known := self._enums.get(descriptor)) is None:
            names = names_of(descriptor, strip_prefix=self.options.strip_enum_prefix)
            known = self._enums[descriptor] = (names, enum_reader(names))
        return known

    def scalar(self, field: FieldDescriptor) -> tuple[type, Reader]:
        """Return what reads one value of a field that is no message, and the type it needs no reading for."""
        if field.enum_type is not None:
            names, reader = self.enum(field.enum_type)
            return (Never if names.closed else int), reader
        if field.type == FieldDescriptor.TYPE_BYTES:
            return Never, read_bytes
        return PLAIN[field.cpp_type], READERS[field.cpp_type]

    def packed_type(self, type_url: object) -> Descriptor | None:
        """Return the message that a google.protobuf.Any holds, or None if the pool does not have it."""
        if not isinstance(type_url, str):
            return None
        try:
            return self.pool.FindMessageTypeByName(type_url.split("/")[-1])
        except (KeyError, ValueError):
            return None


def json_name(field: FieldDescriptor) -> str:
    """Return the name of a field in JSON."""
    return field.json_name


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map."""
    kind = field.message_type
    return kind is not None and bool(kind.GetOptions().map_entry)


def map_parts(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """Return key and value of a map field."""
    assert field.message_type is not None
    parts = field.message_type.fields_by_name
    return parts["key"], parts["value"]


def null_of(field: FieldDescriptor) -> object:
    """Return what a message's constructor takes for null: None, which is nothing, but for fields that hold null."""
    if field.message_type is not None and field.message_type.full_name == VALUE:
        return {"null_value": 0}
    if field.enum_type is not None and field.enum_type.full_name == NULL_VALUE:
        return 0
    return None


def message_class(descriptor: Descriptor) -> type[Message]:
    """Return the class of a message, which its pool keeps."""
    return GetMessageClass(descriptor)
