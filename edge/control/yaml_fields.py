"""What the reader of messages has to know of a field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

VALUE = "google.protobuf.Value"
"""The message that holds anything JSON can hold."""

_SECRET_WORDS = ("token", "secret", "password", "key", "credential", "jwks", "authorization", "cookie", "url")


@dataclass(frozen=True, slots=True)
class Field:
    """What is known of a field of a message."""

    descriptor: FieldDescriptor
    """The field."""

    output_only: bool
    """Whether only the gateway sets it."""

    oneof: str
    """The oneof it belongs to, or empty."""


@lru_cache(maxsize=1024)
def fields_of(message: Descriptor) -> Mapping[str, Field]:
    """Return the fields of a message by each name they may have: that of the proto and that of JSON."""
    fields: dict[str, Field] = {}
    for descriptor in message.fields:
        behavior = descriptor.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        oneof = descriptor.containing_oneof
        real = oneof is not None and not oneof.name.startswith("_")
        field = Field(descriptor, field_behavior_pb2.OUTPUT_ONLY in behavior, oneof.name if oneof and real else "")
        fields[descriptor.name] = fields[descriptor.json_name] = field
    return fields


def is_secret(name: str) -> bool:
    """Whether values under this name may be secret and are not repeated in messages."""
    word = name.lower()
    return not word.endswith("_file") and any(secret in word for secret in _SECRET_WORDS)


def takes_null(field: FieldDescriptor) -> bool:
    """Whether null is a value of the field and not its absence."""
    if field.is_repeated:
        return False
    kind = field.message_type or field.enum_type
    return kind is not None and kind.full_name in {VALUE, "google.protobuf.NullValue"}


def takes_text(field: FieldDescriptor) -> bool:
    """Whether any text is a value of the field."""
    return field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES} and not field.is_repeated


def needs_content(field: FieldDescriptor) -> bool:
    """Whether an empty value would quietly lose what was meant, as in `round_robin:`."""
    return field.message_type is not None and not field.is_repeated


def expected(field: FieldDescriptor) -> str:
    """Return what fits the field, in words."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return "a text"
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "true or false"
    return "a name" if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM else "a number"
