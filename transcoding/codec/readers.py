"""The fast way from JSON to a message: one closure per message type, made once, that builds constructor arguments.

The constructor does the rest natively: it makes nested messages, checks ranges and takes plain values as they are. A
reader that meets anything unusual, right or wrong, raises; then `transcoding.codec.walk` reads the whole again, slowly,
and knows what json_format does in that case or where exactly the mistake is.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dc_field
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Error, Message

from transcoding.codec.options import MAX_DEPTH
from transcoding.codec.scalars import Reader, key_reader
from transcoding.codec.tables import Never, Tables, is_map, json_name, map_parts, message_class, null_of
from transcoding.codec.wellknown import ANY, FORMS, STRUCT, is_wrapper, read_struct

_Plan: TypeAlias = dict[str, tuple[str, type, Reader]]
"""By each name of a field: the argument of the constructor, the type that needs no reading, and the reader."""

_PACKED_VALUE = {"@type", "value"}

UNUSUAL = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, Error)
"""What readers and constructors raise: never the last word, see `transcoding.codec.walk`."""


class Unusual(ValueError):
    """Something that only the slow way knows how to read."""


@dataclass(slots=True)
class _Making:
    """Readers that are being made."""

    readers: dict[Descriptor, Reader] = dc_field(default_factory=dict)
    plans: list[tuple[Descriptor, _Plan, dict[str, object]]] = dc_field(default_factory=list)
    """What is still to be filled: the plan of a message, and what null stands for."""


class Readers:
    """The readers of one pool's messages. Each is made with all it needs when it is first asked for."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._ready: dict[Descriptor, Reader] = {}
        self._makers: dict[Descriptor, tuple[type[Message], Reader]] = {}

    def arguments(self, descriptor: Descriptor) -> Reader:
        """Return what reads a message as arguments of its constructor."""
        if (reader := self._ready.get(descriptor)) is None:
            making = _Making()
            reader = self._message(descriptor, making)
            while making.plans:
                self._fill(*making.plans.pop(), making)
            # only whole readers are seen by other threads
            self._ready |= making.readers
        return reader

    def make(self, descriptor: Descriptor, tree: object, depth: int = 0) -> Message:
        """Return the message. Raises any of UNUSUAL when it needs the slow way."""
        try:
            cls, reader = self._makers[descriptor]
        except KeyError:
            cls, reader = self._makers[descriptor] = message_class(descriptor), self.arguments(descriptor)
        return cls(**reader(tree, depth))  # type: ignore[arg-type] # what readers of messages return

    def _message(self, descriptor: Descriptor, making: _Making) -> Reader:
        known = self._ready.get(descriptor) or making.readers.get(descriptor)
        if known is not None:
            return known
        if is_wrapper(descriptor):
            reader = self._wrapper(descriptor)
        elif descriptor.full_name in FORMS:
            reader = FORMS[descriptor.full_name][0]
        elif descriptor.full_name == ANY:
            reader = self._any()
        else:
            reader = self._regular(descriptor, making)
        making.readers[descriptor] = reader
        return reader

    def _regular(self, descriptor: Descriptor, making: _Making) -> Reader:
        plan: _Plan = {}
        nulls: dict[str, object] = {}
        oneofs = [{field.name for field in oneof.fields} for oneof in descriptor.oneofs if len(oneof.fields) > 1]
        ignore = self._tables.options.unknown_fields == "ignore"

        def read_message(tree: object, depth: int) -> dict[str, object]:
            if type(tree) is not dict or depth >= MAX_DEPTH:
                raise Unusual
            arguments: dict[str, object] = {}
            inner = depth + 1
            for name, value in tree.items():
                argument, plain, reader = plan[name]
                if type(value) is plain:
                    arguments[argument] = value
                elif value is None:
                    arguments[argument] = nulls[argument]
                else:
                    arguments[argument] = reader(value, inner)
            if len(arguments) != len(tree):  # a field by two of its names
                raise Unusual
            for members in oneofs:
                if len(members & arguments.keys()) > 1:
                    raise Unusual
            return arguments

        def read_message_of_known(tree: object, depth: int) -> dict[str, object]:
            if type(tree) is not dict:
                raise Unusual
            return read_message({name: tree[name] for name in tree if name in plan or name[:1] == "["}, depth)

        # filled later, because messages contain themselves, and not by recursion, because schemas may be large
        making.plans.append((descriptor, plan, nulls))
        return read_message_of_known if ignore else read_message

    def _fill(self, descriptor: Descriptor, plan: _Plan, nulls: dict[str, object], making: _Making) -> None:
        for field in descriptor.fields:
            plan[field.name] = (field.name, *self._field(field, making))
            nulls[field.name] = null_of(field)
        for field in descriptor.fields:
            plan[json_name(field)] = (field.name, *self._field(field, making))

    def _field(self, field: FieldDescriptor, making: _Making) -> tuple[type, Reader]:
        if is_map(field):
            return Never, self._map(field, making)
        plain, reader = self._single(field, making)
        return (Never, _list_reader(plain, reader)) if field.is_repeated else (plain, reader)

    def _single(self, field: FieldDescriptor, making: _Making) -> tuple[type, Reader]:
        if field.message_type is None:
            return self._tables.scalar(field)
        if field.message_type.full_name == STRUCT:
            return Never, read_struct
        return Never, self._message(field.message_type, making)

    def _map(self, field: FieldDescriptor, making: _Making) -> Reader:
        key, value = map_parts(field)
        read_key = key_reader(key)
        if value.message_type is None:
            plain, read_item = self._tables.scalar(value)
        else:
            plain, read_item = Never, self._message(value.message_type, making)

        def read_map(tree: object, depth: int) -> dict[object, object]:
            if type(tree) is not dict:
                raise Unusual
            inner = depth + 1
            items = {
                read_key(name, inner): item if type(item) is plain else read_item(item, inner)
                for name, item in tree.items()
            }
            if len(items) != len(tree):  # a key in two spellings
                raise Unusual
            return items

        return read_map

    def _wrapper(self, descriptor: Descriptor) -> Reader:
        _, reader = self._tables.scalar(descriptor.fields_by_name["value"])

        def read_wrapper(value: object, depth: int) -> dict[str, object]:
            if depth >= MAX_DEPTH:
                raise Unusual
            return {"value": reader(value, depth)}

        return read_wrapper

    def _any(self) -> Reader:
        def read_any(tree: object, depth: int) -> dict[str, object]:
            if type(tree) is not dict or depth >= MAX_DEPTH:
                raise Unusual
            if not tree:
                return {}
            type_url = tree["@type"]
            descriptor = self._tables.packed_type(type_url)
            if descriptor is None:
                raise Unusual
            if has_form(descriptor):
                if tree.keys() != _PACKED_VALUE:
                    raise Unusual
                inner = tree["value"]
            else:
                inner = {name: value for name, value in tree.items() if name != "@type"}
            message = self.make(descriptor, inner, depth + 1)
            return {"type_url": type_url, "value": message.SerializeToString()}

        return read_any


def has_form(descriptor: Descriptor) -> bool:
    """Whether the message has a JSON form of its own, and stands under `value` within a google.protobuf.Any."""
    return is_wrapper(descriptor) or descriptor.full_name in FORMS or descriptor.full_name == ANY


def _list_reader(plain: type, reader: Reader) -> Reader:
    def read_list(tree: object, depth: int) -> list[object]:
        if type(tree) is not list:
            raise Unusual
        return [item if type(item) is plain else reader(item, depth) for item in tree]

    return read_list
