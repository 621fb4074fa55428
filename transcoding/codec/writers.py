"""From messages to JSON trees: one table per message type, made when it is first asked for.

`ListFields` gives what is set; the table says by field descriptor what it is called and what becomes of its value.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Callable
from math import copysign, isfinite, isnan
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from transcoding.codec.options import JsonValue
from transcoding.codec.readers import has_form
from transcoding.codec.tables import Tables, is_map, json_name, map_parts, message_class
from transcoding.codec.wellknown import ANY, is_wrapper
from transcoding.codec.wellknown_writers import WRITERS
from transcoding.codec.words import show

Writer: TypeAlias = Callable[[Any], JsonValue]
"""Makes the JSON of a message, a list, a map or a single value. Raises ValueError where there is none."""

_FEW = 12
"""Up to how many fields a message is asked for each of them."""


_Plan: TypeAlias = list[tuple[str, str, bool, bool, Writer | None]]
"""Of each field: its attribute, its name in JSON, if HasField knows it, if it may be minus zero, its writer."""

_SINGLE = struct.Struct("<f")
_FLOATS = frozenset({FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE})
_INT64 = frozenset({FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64})


def write_double(value: float) -> JsonValue:
    """Return a number, or the texts that stand for what JSON has no numbers for."""
    if isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def write_float(value: float) -> JsonValue:
    """Return the shortest number that is `value` in single precision."""
    if not isfinite(value):
        return write_double(value)
    for precision in (6, 7, 8):
        short = float(f"{value:.{precision}g}")
        try:
            if _SINGLE.unpack(_SINGLE.pack(short))[0] == value:
                return short
        except OverflowError:  # rounded up beyond the largest
            continue
    return float(f"{value:.9g}")


def write_bytes(value: bytes) -> JsonValue:
    """Return standard base64 with padding."""
    return binascii.b2a_base64(value, newline=False).decode()


class Writers:
    """The writers of one pool's messages."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._ready: dict[Descriptor, Writer] = {}
        self._plans: dict[Descriptor, _Plan] = {}
        self._listed: dict[Descriptor, dict[FieldDescriptor, tuple[str, Writer | None]]] = {}

    def warm(self, descriptor: Descriptor) -> None:
        """Make all that writing a message needs."""
        waiting, seen = [descriptor], {descriptor}
        while waiting:
            kind = waiting.pop()
            self.message(kind)
            if kind in self._plans:
                self._plan(kind)
            if (listed := self._listed.get(kind)) is not None:
                listed.update({field: (self.name(field), self.field(field)) for field in kind.fields})
            inner = {field.message_type for field in kind.fields if field.message_type is not None} - seen
            seen |= inner
            waiting += inner

    def message(self, descriptor: Descriptor) -> Writer:
        """Return what writes a message."""
        if (writer := self._ready.get(descriptor)) is None:
            if is_wrapper(descriptor):
                writer = self._wrapper(descriptor)
            elif descriptor.full_name == ANY:
                writer = self._any
            else:
                writer = WRITERS.get(descriptor.full_name) or self._regular(descriptor)
            self._ready[descriptor] = writer
        return writer

    def field(self, field: FieldDescriptor) -> Writer | None:
        """Return what writes the value of a field, or None where the value is its own JSON."""
        if is_map(field):
            return self._map(field)
        single = self._single(field)
        if not field.is_repeated:
            return single
        return _write_plain_list if single is None else _list_writer(single)

    def name(self, field: FieldDescriptor) -> str:
        """Return what a field is called."""
        if field.is_extension:
            return f"[{field.full_name}]"
        return field.name if self._tables.options.proto_field_names else json_name(field)

    def default(self, field: FieldDescriptor) -> JsonValue:
        """Return the JSON of a field that is not set: the empty list or map, or the default of the field."""
        if is_map(field):
            return {}
        if field.is_repeated:
            return []
        writer = self._single(field)
        value: JsonValue = field.default_value
        return value if writer is None else writer(value)

    def _regular(self, descriptor: Descriptor) -> Writer:
        if len(descriptor.fields) <= _FEW and not descriptor.is_extendable:
            return self._asking(descriptor)
        return self._listing(descriptor)

    def _asking(self, descriptor: Descriptor) -> Writer:
        """Return what writes a message of few fields: asking for each costs less than having those set listed."""
        plan = self._plans[descriptor] = []
        print_defaults = self._tables.options.print_defaults

        def write_message(message: Message) -> JsonValue:
            if not plan:
                self._plan(descriptor)
            has = message.HasField
            tree: dict[str, JsonValue] = {}
            for argument, name, known, signed, writer in plan:
                if known:
                    if not has(argument):
                        continue
                    value = getattr(message, argument)
                else:
                    value = getattr(message, argument)
                    # minus zero is set, though it is as false as zero
                    if not value and not print_defaults and (not signed or copysign(1, value) > 0):
                        continue
                tree[name] = value if writer is None else writer(value)
            return tree

        return write_message

    def _plan(self, descriptor: Descriptor) -> None:
        """Fill the plan of a message. Not when its writer is made, because messages contain themselves."""
        self._plans[descriptor][:] = [
            (field.name, self.name(field), field.has_presence, _is_signed(field), self.field(field))
            for field in sorted(descriptor.fields, key=lambda field: field.number)
        ]

    def _listing(self, descriptor: Descriptor) -> Writer:
        """Return what writes a message of many fields, most of which are not set."""
        table = self._listed[descriptor] = {}
        defaults: dict[str, FieldDescriptor] = {}
        if self._tables.options.print_defaults:
            defaults = {self.name(field): field for field in descriptor.fields if not field.has_presence}

        def write_message(message: Message) -> JsonValue:
            tree: dict[str, JsonValue] = {}
            for field, value in message.ListFields():
                try:
                    name, writer = table[field]
                except KeyError:
                    name, writer = table[field] = self.name(field), self.field(field)
                tree[name] = value if writer is None else writer(value)
            if defaults:
                for name, field in defaults.items():
                    if name not in tree:
                        tree[name] = self.default(field)
            return tree

        return write_message

    def _single(self, field: FieldDescriptor) -> Writer | None:
        """Return what writes one value of a field, or None where the value is its own JSON."""
        kind = field.cpp_type
        if field.message_type is not None:
            return self.message(field.message_type)
        if field.enum_type is not None:
            return None if self._tables.options.enums_as_numbers else self._enum(field)
        if kind in _INT64:
            return str
        if kind == FieldDescriptor.CPPTYPE_DOUBLE:
            return write_double
        if kind == FieldDescriptor.CPPTYPE_FLOAT:
            return write_float
        return write_bytes if field.type == FieldDescriptor.TYPE_BYTES else None

    def _enum(self, field: FieldDescriptor) -> Writer:
        assert field.enum_type is not None
        names, _ = self._tables.enum(field.enum_type)
        return names.printed.__getitem__

    def _map(self, field: FieldDescriptor) -> Writer:
        key_field, value_field = map_parts(field)
        writer = self._single(value_field)
        if key_field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            if writer is None:
                return dict
            write = writer
            return lambda items: {key: write(value) for key, value in items.items()}
        key_text = _bool_text if key_field.cpp_type == FieldDescriptor.CPPTYPE_BOOL else str
        if writer is None:
            return lambda items: {key_text(key): value for key, value in items.items()}
        return lambda items: {key_text(key): writer(value) for key, value in items.items()}

    def _wrapper(self, descriptor: Descriptor) -> Writer:
        writer = self._single(descriptor.fields_by_name["value"])
        if writer is None:
            return lambda message: message.value
        return lambda message: writer(message.value)

    def _any(self, message: Any) -> JsonValue:
        if not message.ListFields():
            return {}
        descriptor = self._tables.packed_type(message.type_url)
        if descriptor is None:
            raise ValueError(f"{show(message.type_url)} is no message that the schema has")
        inner = message_class(descriptor)()
        inner.ParseFromString(message.value)
        tree = self.message(descriptor)(inner)
        if has_form(descriptor):
            return {"@type": message.type_url, "value": tree}
        assert isinstance(tree, dict)
        return {"@type": message.type_url, **tree}


def _is_signed(field: FieldDescriptor) -> bool:
    return field.cpp_type in _FLOATS and not field.is_repeated


def _bool_text(value: bool) -> str:
    return "true" if value else "false"


def _write_plain_list(items: Any) -> JsonValue:
    plain: list[JsonValue] = items[:]  # faster than iterating
    return plain


def _list_writer(writer: Writer) -> Writer:
    return lambda items: [writer(item) for item in items[:]]
