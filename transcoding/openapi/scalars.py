"""JSON Schemas of single values: scalars, enums, and the messages of google.protobuf with a JSON form of their own.

They say what the codec prints and what it takes in its usual form. The ProtoJSON mapping asks readers to be more
generous (numbers in quotes, enums by number, null for nothing), which a schema for callers does not advertise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from transcoding.codec import CodecOptions, JsonValue
from transcoding.codec.enums import NULL_VALUE, names_of

Schema: TypeAlias = dict[str, JsonValue]
"""A JSON Schema (2020-12), or another object of an OpenAPI document."""

FLOAT_MAX = 3.4028235e38
"""The largest finite float of 32 bits, as it is printed."""

_BASE64 = "^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}(?:==)?|[A-Za-z0-9+/_-]{3}=?)?$"
_SPECIAL: JsonValue = {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}

_DOUBLE: Schema = {"anyOf": [{"type": "number", "format": "double"}, _SPECIAL]}
_FLOAT: Schema = {
    "anyOf": [{"type": "number", "format": "float", "minimum": -FLOAT_MAX, "maximum": FLOAT_MAX}, _SPECIAL]
}
_INT32: Schema = {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}
_UINT32: Schema = {"type": "integer", "format": "uint32", "minimum": 0, "maximum": 2**32 - 1}
_INT64: Schema = {"type": "string", "format": "int64", "pattern": "^(?:0|-?[1-9][0-9]{0,18})$"}
_UINT64: Schema = {"type": "string", "format": "uint64", "pattern": "^(?:0|[1-9][0-9]{0,19})$"}

_SCALARS: Mapping[int, Schema] = {
    FieldDescriptor.TYPE_DOUBLE: _DOUBLE,
    FieldDescriptor.TYPE_FLOAT: _FLOAT,
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64", "pattern": _BASE64},
}

_FORMS: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {
        "type": "string",
        "pattern": r"^-?[0-9]{1,12}(?:\.[0-9]{1,9})?s$",
        "description": "Seconds with up to nine decimals and an `s` behind, such as `1.5s`.",
    },
    "google.protobuf.FieldMask": {
        "type": "string",
        "pattern": r"^(?:[!-+\--^`-~]+(?:,[!-+\--^`-~]+)*)?$",
        "description": "Field paths in lowerCamelCase, with commas between them.",
    },
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {"description": "Any JSON value."},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
}

JSON_TEXT = frozenset({"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"})
"""What a query has as JSON text."""

_WRAPPERS = "google/protobuf/wrappers.proto"

KEY_PATTERNS: Mapping[int, str] = {
    FieldDescriptor.CPPTYPE_INT32: "^(?:0|-?[1-9][0-9]{0,9})$",
    FieldDescriptor.CPPTYPE_UINT32: "^(?:0|[1-9][0-9]{0,9})$",
    FieldDescriptor.CPPTYPE_INT64: "^(?:0|-?[1-9][0-9]{0,18})$",
    FieldDescriptor.CPPTYPE_UINT64: "^(?:0|[1-9][0-9]{0,19})$",
    FieldDescriptor.CPPTYPE_BOOL: "^(?:true|false)$",
}
"""The texts that keys of maps are, by kind. Keys that are texts anyway are not here."""


def scalar(field: FieldDescriptor) -> Schema:
    """Return the schema of one value of a field that is neither message nor enum."""
    return dict(_SCALARS[field.type])


def form(message: Descriptor) -> Schema | None:
    """Return the schema of a message with a JSON form of its own, or None for one that is written field by field."""
    if message.file.name == _WRAPPERS:
        return scalar(message.fields_by_name["value"])
    found = _FORMS.get(message.full_name)
    return None if found is None else dict(found)


def is_null_when_absent(message: Descriptor) -> bool:
    """Whether a response body that is this message, and not set, is null: see `Codec.print_field`."""
    return message.file.name == _WRAPPERS or message.full_name in {
        f"google.protobuf.{name}" for name in ("Value", "Timestamp", "Duration", "FieldMask")
    }


def enum_schema(enum: EnumDescriptor, options: CodecOptions) -> Schema:
    """Return the schema of an enum, as a codec with these options prints it."""
    if enum.full_name == NULL_VALUE and not options.enums_as_numbers:
        return {"type": "null"}
    if options.enums_as_numbers:
        numbers: list[JsonValue] = list(dict.fromkeys(value.number for value in enum.values))
        return {"type": "integer", "format": "int32", "enum": numbers}
    names = names_of(enum, strip_prefix=options.strip_enum_prefix)
    printed: list[JsonValue] = list(dict.fromkeys(names.printed[value.number] for value in enum.values))
    return {"type": "string", "enum": printed}


def enum_names(enum: EnumDescriptor) -> Schema:
    """Return the schema of an enum in a path or a query, where names are whole."""
    return {"type": "string", "enum": ["null"] if enum.full_name == NULL_VALUE else [v.name for v in enum.values]}
