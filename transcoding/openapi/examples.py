"""Examples: always the same for the same descriptors, true to their schema, and taken by the codec."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from transcoding.codec import JsonValue
from transcoding.codec.enums import NULL_VALUE, names_of
from transcoding.openapi.annotations import Behavior, behavior, is_deprecated
from transcoding.openapi.comments import words
from transcoding.openapi.scalars import form
from transcoding.openapi.style import Style
from transcoding.rules.fields import is_map

_DEEPEST = 3
"""Messages within messages beyond this are left out of an example."""

_FORMAT = re.compile(r"Format: `?([a-z][A-Za-z0-9_/{}~.-]*\{[^ `]*)`?")
"""How comments tell the pattern of a resource name."""

_VARIABLE = re.compile(r"\{([^}=]+)[^}]*\}")

_FORMS: Mapping[str, JsonValue] = {
    "google.protobuf.Timestamp": "2026-01-31T12:00:00Z",
    "google.protobuf.Duration": "1.5s",
    "google.protobuf.Struct": {"key": "value"},
    "google.protobuf.Value": "value",
    "google.protobuf.ListValue": ["value"],
    "google.protobuf.Any": {},
    "google.rpc.Status": {"code": 5, "message": "there is no such thing", "details": []},
}

_TEXTS: Mapping[str, str] = {
    "email": "ann@example.com",
    "url": "https://example.com/",
    "uri": "https://example.com/",
    "host": "example.com",
    "hostname": "example.com",
    "address": "127.0.0.1:50051",
    "etag": "abc123",
    "language_code": "en",
    "currency_code": "EUR",
    "region_code": "DE",
}

_NUMBERS: Mapping[str, int] = {"page_size": 50, "year": 2026, "port": 8080, "weight": 100, "percent": 50}

_INTEGERS = frozenset({FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32})
_LONG = frozenset({FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64})
_FLOATS = frozenset({FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE})


def segment(variable: str) -> str:
    """Return an example of an identifier within a resource name."""
    return f"{variable.replace('_', '-')}-1"


class Examples:
    """Makes the examples of one group of methods.

    Args:
        style: How JSON is written.
    """

    def __init__(self, style: Style) -> None:
        self._style = style

    def message(self, descriptor: Descriptor, *, request: bool, without: Collection[str] = ()) -> JsonValue:
        """Return an example of a message.

        Args:
            descriptor: The message.
            request: Whether it is part of a request.
            without: The proto names of fields to leave out.
        """
        return self._message(descriptor, request, (), without)

    def field(self, field: FieldDescriptor, *, request: bool) -> JsonValue:
        """Return an example of the value of a field."""
        return self._field(field, request, ())

    def text(self, field: FieldDescriptor) -> JsonValue:
        """Return an example of one value of a field in a path or a query, where names of enums are whole."""
        enum = field.enum_type
        if enum is not None and enum.full_name != NULL_VALUE:
            return _chosen(enum)
        return "null" if enum is not None else self._single(field, True, ())

    def _message(
        self, descriptor: Descriptor, request: bool, within: tuple[str, ...], without: Collection[str] = ()
    ) -> JsonValue:
        plain = form(descriptor)
        if descriptor.full_name in _FORMS:
            return _FORMS[descriptor.full_name]
        if plain is not None:
            if descriptor.full_name == "google.protobuf.FieldMask":
                return "name"
            return self._scalar(descriptor.fields_by_name["value"], "value")
        made: dict[str, JsonValue] = {}
        inner = (*within, descriptor.full_name)
        oneofs: set[str] = set()
        for field in descriptor.fields:
            if field.name in without:
                continue
            if not self._is_shown(field, request, inner):
                if not request and self._style.options.print_defaults and not field.has_presence:
                    made[self._style.name(field)] = {} if is_map(field) else []
                continue
            oneof = field.containing_oneof
            if oneof is not None:
                if oneof.full_name in oneofs:
                    continue
                oneofs.add(oneof.full_name)
            if _is_mask(field):
                made[self._style.name(field)] = self._mask(descriptor)
            else:
                made[self._style.name(field)] = self._field(field, request, inner)
        return made

    def _is_shown(self, field: FieldDescriptor, request: bool, within: tuple[str, ...]) -> bool:
        told = behavior(field)
        if request and Behavior.REQUIRED in told and Behavior.OUTPUT_ONLY not in told:
            return True
        if (is_deprecated(field) or field.name == "page_token") and request:
            return False
        if request and (Behavior.OUTPUT_ONLY in told or Behavior.IDENTIFIER in told):
            return False
        if _holds_nulls(field):
            return False
        message = field.message_type
        if message is None:
            return True
        if is_map(field):
            message = message.fields_by_name["value"].message_type
            if message is None:
                return True
        if form(message) is not None:
            return True
        return len(within) < _DEEPEST and message.full_name not in within

    def _field(self, field: FieldDescriptor, request: bool, within: tuple[str, ...]) -> JsonValue:
        if is_map(field) and field.message_type is not None:
            parts = field.message_type.fields_by_name
            key = self._scalar(parts["key"], "key")
            text = ("true" if key else "false") if isinstance(key, bool) else str(key)
            return {text: self._single(parts["value"], request, within)}
        value = self._single(field, request, within)
        return [value] if field.is_repeated else value

    def _single(self, field: FieldDescriptor, request: bool, within: tuple[str, ...]) -> JsonValue:
        if field.message_type is not None:
            # REQUIRED messages within themselves have no end; neither has anything that would fit them
            if within.count(field.message_type.full_name) > 1 or len(within) > 2 * _DEEPEST:
                return {}
            return self._message(field.message_type, request, within)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and field.type != FieldDescriptor.TYPE_BYTES:
            return self._text(field)
        return self._scalar(field, field.name)

    def _enum(self, enum: EnumDescriptor) -> JsonValue:
        if enum.full_name == NULL_VALUE and not self._style.options.enums_as_numbers:
            return None
        number = enum.values_by_name[_chosen(enum)].number
        if self._style.options.enums_as_numbers:
            return number
        return names_of(enum, strip_prefix=self._style.options.strip_enum_prefix).printed[number]

    def _text(self, field: FieldDescriptor) -> str:
        pattern = self._style.resources.pattern(field)
        if not pattern and (found := _FORMAT.search(self._style.comments.of(field.full_name))):
            pattern = found[1].rstrip(".,")
        if pattern and pattern != "*":
            return _VARIABLE.sub(lambda variable: segment(variable[1]), pattern)
        return str(self._scalar(field, field.name))

    def _scalar(self, field: FieldDescriptor, name: str) -> JsonValue:
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return True
        if kind in _INTEGERS:
            return _NUMBERS.get(name, 1)
        if kind in _LONG:
            return str(_NUMBERS.get(name, 1))
        if kind in _FLOATS:
            return float(_NUMBERS.get(name, 1.5))
        if field.type == FieldDescriptor.TYPE_BYTES:
            return "ZXhhbXBsZQ=="
        if name.endswith("_id"):
            return segment(name.removesuffix("_id"))
        return _TEXTS.get(name) or words(name)

    def _mask(self, descriptor: Descriptor) -> str:
        """Return a mask of the first field that can be changed of the resource beside it."""
        for beside in descriptor.fields:
            if beside.message_type is None or beside.is_repeated or form(beside.message_type) is not None:
                continue
            for field in beside.message_type.fields:
                if not behavior(field) & (Behavior.OUTPUT_ONLY | Behavior.IDENTIFIER | Behavior.IMMUTABLE):
                    return str(field.json_name)
        return "name"


def _is_mask(field: FieldDescriptor) -> bool:
    message = field.message_type
    return message is not None and message.full_name == "google.protobuf.FieldMask" and not field.is_repeated


def _holds_nulls(field: FieldDescriptor) -> bool:
    """Whether a field is a list or map of NullValue, which is written as a list of null and then not read."""
    if is_map(field) and field.message_type is not None:
        field = field.message_type.fields_by_name["value"]
    elif not field.is_repeated:
        return False
    return field.enum_type is not None and field.enum_type.full_name == NULL_VALUE


def _chosen(enum: EnumDescriptor) -> str:
    """Return the first value that means something."""
    return str(next((value.name for value in enum.values if value.number), enum.values[0].name))
