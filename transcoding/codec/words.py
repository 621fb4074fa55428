"""How values of callers are quoted in complaints: short, and printable."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor import FieldDescriptor as Field

from edge.model.hints import did_you_mean

_LONGEST = 60
_INTEGERS = {
    Field.CPPTYPE_INT32: ("int32", "-2147483648 to 2147483647"),
    Field.CPPTYPE_UINT32: ("uint32", "0 to 4294967295"),
    Field.CPPTYPE_INT64: ("int64", "-9223372036854775808 to 9223372036854775807"),
    Field.CPPTYPE_UINT64: ("uint64", "0 to 18446744073709551615"),
}


def clip(text: str) -> str:
    """Return a text of at most 60 characters without control characters, half surrogates and backquotes."""
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return "".join(char if char.isprintable() and char != "`" else "�" for char in short)


def show(value: object) -> str:
    """Return what a complaint calls a value: the value itself if it is a scalar, otherwise what it is."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, str):
        return f"`{clip(value)}`" if value else "the empty text"
    return f"`{clip(repr(value))}`"


def member(path: str, name: str) -> str:
    """Return the path of a field of what is at `path`."""
    return f"{path}.{clip(name)}" if path else clip(name)


def entry(path: str, key: str) -> str:
    """Return the path of an entry of the map at `path`."""
    return f'{path}["{clip(key)}"]'


def misfit(field: Field, value: object) -> str:
    """Return why `value` does not fit a scalar field that is no enum, and what would."""
    kind = field.cpp_type
    if kind in _INTEGERS:
        name, values = _INTEGERS[kind]
        return f"{show(value)} is no {name}; write a whole number from {values}"
    if kind in {Field.CPPTYPE_DOUBLE, Field.CPPTYPE_FLOAT}:
        name = "double" if kind == Field.CPPTYPE_DOUBLE else "float"
        return f'{show(value)} is no {name}; write a number, "NaN", "Infinity" or "-Infinity"'
    if kind == Field.CPPTYPE_BOOL:
        return f"{show(value)} is no bool; write true or false"
    if field.type == Field.TYPE_BYTES:
        return f"{show(value)} is no base64"
    if isinstance(value, str):
        return f"{show(value)} holds half of a surrogate pair, which is no character"
    if isinstance(value, int | float):
        return f"{show(value)} is no string; put it in quotes"
    return f"{show(value)} is no string"


def unknown_field(descriptor: Descriptor, name: str, known: Iterable[str], *, hint: bool) -> str:
    """Return what is said of a field that a message does not have.

    Args:
        descriptor: The message.
        name: The field's name.
        known: The names that the message has.
        hint: Whether to look for the one that was perhaps meant, which takes a while.
    """
    return f"unknown field of `{descriptor.full_name}`{did_you_mean(name, known) if hint else ''}"


def unknown_beside_value(descriptor: Descriptor, *, hint: bool) -> str:  # noqa: ARG001 # no name would be right
    """Return what is said of a field beside `value` in a packed message with a JSON form of its own."""
    return f"unknown field beside `value` of `{descriptor.full_name}`"
