"""The slow way from JSON to a message: field by field as json_format goes, with the path of everything that is wrong.

It reads what the fast readers gave up on. Most of that is wrong and ends as a complaint; the rest is rare: extensions,
a field by two names, unknown fields to be reported, an Any whose content is unusual.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import EncodeError, Message

from edge.model.errors import InvalidRequest, Violation
from transcoding.codec.enums import UnknownName
from transcoding.codec.options import MAX_DEPTH, Report
from transcoding.codec.readers import has_form
from transcoding.codec.scalars import key_reader
from transcoding.codec.tables import Tables, is_map, json_name, map_parts, message_class, null_of
from transcoding.codec.wellknown import ANY, FORMS, TooDeep, is_wrapper, misform
from transcoding.codec.words import clip, entry, member, misfit, show, unknown_beside_value, unknown_field

_MOST = 10
"""How many complaints are collected before reading ends."""

_HINTS = 3
"""How many of them may have a hint."""

_NULL_ELEMENT = "null is no element of a list"
_UNFIT = (ValueError, TypeError, ArithmeticError)
_TOO_DEEP = f"more than {MAX_DEPTH} messages stand in one another"

_EXTENSION = re.compile(r"\[[a-zA-Z0-9._]*\]")


class _Enough(Exception):
    """There are as many complaints as anybody reads."""


class Walk:
    """One reading of one tree.

    Args:
        tables: The tables of the codec.
        report: Is told what is ignored, if anybody wants to know.
    """

    def __init__(self, tables: Tables, report: Report | None) -> None:
        self._tables = tables
        self._mode = tables.options.unknown_fields
        self._report = report
        self._complaints: list[Violation] = []

    def fill(self, message: Message, tree: object, path: str) -> None:
        """Merge a tree into a message.

        Raises:
            InvalidRequest: it does not fit, with up to ten violations.
        """
        try:
            self._message(message, tree, path, 0)
        except _Enough:
            pass
        except RecursionError:
            self._complaints.append(_too_deep(path))
        self._finish()

    def fill_field(self, message: Message, field: FieldDescriptor, tree: object, path: str) -> None:
        """Merge the value of one field into a message.

        Raises:
            InvalidRequest: it does not fit, with up to ten violations.
        """
        name = f"[{field.full_name}]" if field.is_extension else json_name(field)
        try:
            self._field(message, field, tree, member(path, name), 0)
        except _Enough:
            pass
        except RecursionError:
            self._complaints.append(_too_deep(path))
        self._finish()

    def _finish(self) -> None:
        if self._complaints:
            raise InvalidRequest.of(self._complaints)

    def _complain(self, path: str, description: str) -> None:
        self._complaints.append(Violation(path, description))
        if len(self._complaints) >= _MOST:
            raise _Enough

    def _unknown(self, path: str, describe: Callable[..., str]) -> None:
        """Complain, report or ignore, as the options say. Hints take long to find: only the first have one."""
        if self._mode == "refuse":
            self._complain(path, describe(hint=len(self._complaints) < _HINTS))
        elif self._mode == "report" and self._report is not None:
            self._report(path)

    def _message(self, message: Message, tree: object, path: str, depth: int) -> None:
        descriptor: Descriptor = message.DESCRIPTOR  # type: ignore[assignment] # the runtime's class has the same members
        if depth >= MAX_DEPTH:
            self._complain(path, _TOO_DEEP)
        elif is_wrapper(descriptor):
            self._set(message, descriptor.fields_by_name["value"], tree, path)
        elif descriptor.full_name in FORMS:
            self._form(message, descriptor, tree, path, depth)
        elif descriptor.full_name == ANY:
            self._any(message, tree, path, depth)
        elif isinstance(tree, dict):
            self._fields(message, descriptor, tree, path, depth)
        else:
            self._complain(path, f"{show(tree)} is no object of the fields of `{descriptor.full_name}`")

    def _form(self, message: Message, descriptor: Descriptor, tree: object, path: str, depth: int) -> None:
        try:
            arguments = FORMS[descriptor.full_name][0](tree, depth)
            message.CopyFrom(message_class(descriptor)(**arguments))  # type: ignore[arg-type] # a message's reader
        except TooDeep:
            self._complain(path, _TOO_DEEP)
        except _UNFIT:
            self._complain(path, misform(descriptor, tree))

    def _fields(self, message: Message, descriptor: Descriptor, tree: dict[str, object], path: str, depth: int) -> None:
        fields = self._tables.fields(descriptor)
        taken: dict[str, str] = {}
        for name, value in tree.items():
            place = member(path, name)
            field = fields.get(name)
            if field is None and _EXTENSION.fullmatch(name):
                field = self._extension(name)
                # also where unknown fields are none: json_format says so
                if not descriptor.is_extendable or (field is not None and field.containing_type is not descriptor):
                    self._complain(place, f"this is no extension of `{descriptor.full_name}`")
                    continue
            if field is None:
                self._unknown(place, partial(unknown_field, descriptor, name, fields))
                continue
            if value is not None and field.containing_oneof is not None:
                rival = taken.setdefault(field.containing_oneof.name, name)
                if rival != name:
                    self._complain(place, f"only one of `{clip(rival)}` and `{clip(name)}` may be set")
                    continue
            self._field(message, field, value, place, depth)

    def _extension(self, name: str) -> FieldDescriptor | None:
        """Return the extension by its name or, as for message sets, by that of the message it is declared in."""
        full = name[1:-1]
        for candidate in (full, full.rpartition(".")[0]):
            with suppress(KeyError):
                return self._tables.pool.FindExtensionByName(candidate)
        return None

    def _field(self, message: Message, field: FieldDescriptor, value: object, path: str, depth: int) -> None:
        if value is None:
            self._null(message, field, path)
        elif is_map(field):
            message.ClearField(field.name)
            self._map(getattr(message, field.name), field, value, path, depth)
        elif field.is_repeated:
            _clear(message, field)
            self._list(_get(message, field), field, value, path, depth)
        elif field.message_type is not None:
            inner = _get(message, field)
            inner.SetInParent()
            self._message(inner, value, path, depth + 1)
        else:
            self._set(message, field, value, path)

    def _null(self, message: Message, field: FieldDescriptor, path: str) -> None:
        if null_of(field) is None:
            _clear(message, field)
        elif field.is_repeated:
            self._complain(path, "null is no list; leave the field out or write []")
        elif field.message_type is not None:
            _get(message, field).null_value = 0
        else:
            self._set(message, field, 0, path)

    def _list(self, target: Any, field: FieldDescriptor, value: object, path: str, depth: int) -> None:
        if not isinstance(value, list):
            self._complain(path, f"{show(value)} is no list; write it in []")
            return
        if field.message_type is None:
            self._scalars(target, field, value, path)
            return
        for index, item in enumerate(value):
            place = f"{path}[{index}]"
            if item is None and null_of(field) is None:
                self._complain(place, _NULL_ELEMENT)
            else:
                self._message(target.add(), item, place, depth + 1)

    def _scalars(self, target: Any, field: FieldDescriptor, values: list[object], path: str) -> None:
        plain, read = self._tables.scalar(field)
        for index, item in enumerate(values):
            try:
                target.append(item if type(item) is plain else read(item, 0))
            except _UNFIT as error:
                self._unfit(field, item, f"{path}[{index}]", error)

    def _map(self, target: Any, field: FieldDescriptor, value: object, path: str, depth: int) -> None:
        if not isinstance(value, dict):
            self._complain(path, f"{show(value)} is no map; write it in {{}}")
            return
        key_field, value_field = map_parts(field)
        read_key = key_reader(key_field)
        for name, item in value.items():
            place = entry(path, name)
            try:
                key = read_key(name, depth)
                _ = key in target  # which checks the range
            except _UNFIT:
                self._complain(place, f"as a key {misfit(key_field, name)}")
                continue
            if value_field.message_type is not None:
                self._message(target[key], item, place, depth + 2)
            else:
                self._scalar(value_field, item, place, lambda made, key=key: target.__setitem__(key, made))

    def _set(self, message: Message, field: FieldDescriptor, value: object, path: str) -> None:
        if field.is_extension:
            self._scalar(field, value, path, lambda made: message.Extensions.__setitem__(field, made))  # type: ignore[index] # of this message
        else:
            self._scalar(field, value, path, lambda made: setattr(message, field.name, made))

    def _scalar(self, field: FieldDescriptor, value: object, path: str, store: Any) -> None:
        """Read a single value and store it, which is where protobuf checks ranges."""
        try:
            store(self._tables.scalar(field)[1](value, 0))
        except _UNFIT as error:
            self._unfit(field, value, path, error)

    def _unfit(self, field: FieldDescriptor, value: object, path: str, error: Exception) -> None:
        if value is None and field.is_repeated:
            self._complain(path, _NULL_ELEMENT)
        elif field.enum_type is None:
            self._complain(path, misfit(field, value))
        else:
            describe = partial(self._tables.enum(field.enum_type)[0].complaint, value)
            if isinstance(error, UnknownName):
                self._unknown(path, describe)
            else:
                self._complain(path, describe(hint=False))

    def _any(self, message: Any, tree: object, path: str, depth: int) -> None:
        if not isinstance(tree, dict):
            self._complain(path, f"{show(tree)} is no object with `@type`")
            return
        if not tree:
            return
        if "@type" not in tree:
            self._complain(path, "`@type` is missing; it says which message this is")
            return
        type_url = tree["@type"]
        descriptor = self._tables.packed_type(type_url)
        if descriptor is None:
            self._complain(member(path, "@type"), f"{show(type_url)} is no message that the schema has")
            return
        inner = message_class(descriptor)()
        rest = {name: value for name, value in tree.items() if name != "@type"}
        before = len(self._complaints)
        if has_form(descriptor):
            if "value" not in rest:
                self._complain(path, f"`value` is missing; it holds the `{descriptor.full_name}`")
                return
            for name in rest.keys() - {"value"}:
                self._unknown(member(path, name), partial(unknown_beside_value, descriptor))
            self._message(inner, rest["value"], member(path, "value"), depth + 1)
        else:
            self._message(inner, rest, path, depth + 1)
        if len(self._complaints) > before:
            return
        try:
            message.value = inner.SerializeToString()
            message.type_url = type_url
        except (EncodeError, ValueError) as error:
            self._complain(path, f"`{descriptor.full_name}` cannot be packed: {clip(str(error))}")


def _get(message: Message, field: FieldDescriptor) -> Any:
    if field.is_extension:
        return message.Extensions[field]  # type: ignore[index] # of this message
    return getattr(message, field.name)


def _clear(message: Message, field: FieldDescriptor) -> None:
    if field.is_extension:
        message.ClearExtension(field)  # type: ignore[arg-type] # of this message
    else:
        message.ClearField(field.name)


def _too_deep(path: str) -> Violation:
    return Violation(path, _TOO_DEEP)
