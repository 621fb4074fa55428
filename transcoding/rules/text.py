"""Text as values of scalar and enum fields: what stands in a path or a query, as proto3 JSON writes it in a string.

Integers are decimal, booleans `true` and `false`, bytes base64 in either alphabet with or without padding, enums a name
or a number. Sources: the ProtoJSON page of protobuf.dev, and google/api/http.proto, which leaves the form of query
values to it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import TypeAlias

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from edge.model.hints import did_you_mean
from transcoding.codec.enums import names_of

Scalar: TypeAlias = bool | int | float | str | bytes
"""A value of a field that is no message."""

Read: TypeAlias = Callable[[str], Scalar]
"""Turns text into a value. Raises ValueError with a description: what is wrong and how to mend it."""

SHOWN = 60
"""The most characters of a value that an error quotes."""

_INTEGER = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BASE64 = re.compile(r"([A-Za-z0-9+/_-]*)(={0,2})")
_MOST_DIGITS = 40
"""More than any integer field holds; Python refuses to read thousands of them."""

_FLOAT_LIMIT = 3.4028235677973366e38
"""The least magnitude that rounds to infinity as a 32-bit float."""

_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_BOOLS = {"true": True, "false": False}


def quoted(text: str) -> str:
    """Return a value as errors quote it: printable and not too long."""
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return f"`{shown}`" if shown.isprintable() else ascii(shown)


def reader(field: FieldDescriptor, *, strip_prefix: bool = False) -> Read:
    """Return what reads values of a scalar or enum field.

    Args:
        field: The field.
        strip_prefix: Whether enum values are known by their names without the enum's prefix too.

    Raises:
        ValueError: the field is a message.
    """
    if field.enum_type is not None:
        return _enum_reader(field.enum_type, strip_prefix=strip_prefix)
    try:
        return _READERS[field.type]
    except KeyError:
        raise ValueError(f"{field.full_name} is a message") from None


def readable(field: FieldDescriptor) -> bool:
    """Whether a field is a scalar or an enum, repeated or not."""
    return field.message_type is None


def _integer_reader(name: str, least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"{quoted(text)} is no {name}; write a decimal integer{_plus(text)}")
        value = int(text) if len(text) <= _MOST_DIGITS else None
        if value is None or not least <= value <= most:
            raise ValueError(f"{quoted(text)} is out of range for {name}; it holds {least} to {most}")
        return value

    return read


def _read_bool(text: str) -> bool:
    value = _BOOLS.get(text)
    if value is None:
        raise ValueError(f"{quoted(text)} is no bool; write `true` or `false`")
    return value


def _read_double(text: str) -> float:
    special = _FLOATS.get(text)
    if special is not None:
        return special
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{quoted(text)} is no number; write one, or `NaN`, `Infinity`, `-Infinity`{_plus(text)}")
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{quoted(text)} is out of range for double; write `Infinity` if that is meant")
    return value


def _read_float(text: str) -> float:
    value = _read_double(text)
    if abs(value) >= _FLOAT_LIMIT and text not in _FLOATS:
        raise ValueError(f"{quoted(text)} is out of range for float; write `Infinity` if that is meant")
    return value


def _read_bytes(text: str) -> bytes:
    found = _BASE64.fullmatch(text)
    if found is None:
        raise ValueError(f"{quoted(text)} is no base64; use the standard or the URL-safe alphabet{_plus(text)}")
    digits, padding = found.groups()
    wanted = -len(digits) % 4
    if wanted == 3 or (padding and len(padding) != wanted):
        raise ValueError(f"{quoted(text)} is no base64: the length is wrong; leave nothing out at its end but padding")
    return base64.b64decode(digits.replace("-", "+").replace("_", "/") + "=" * wanted, validate=True)


def _read_string(text: str) -> str:
    return text


def _enum_reader(enum: EnumDescriptor, *, strip_prefix: bool) -> Read:
    known = names_of(enum, strip_prefix=strip_prefix).numbers
    names = {name: number for name, number in known.items() if isinstance(name, str)}
    if enum.full_name == "google.protobuf.NullValue":
        names["null"] = 0
    numbers = frozenset(names.values())
    closed = enum.is_closed

    def read(text: str) -> int:
        number = names.get(text)
        if number is not None:
            return number
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"{quoted(text)} is no value of {enum.full_name}{did_you_mean(text, names)}")
        value = _read_int32(text)
        if closed and value not in numbers:
            raise ValueError(f"{quoted(text)} is no number of {enum.full_name}, which is a closed enum{_all(names)}")
        return value

    return read


def _all(names: dict[str, int]) -> str:
    known = sorted(set(names.values()))[:12]
    return f"; known are {', '.join(map(str, known))}"


def _plus(text: str) -> str:
    return "; write %2B for `+`, which is a space in a query" if " " in text else ""


_read_int32 = _integer_reader("int32", -(2**31), 2**31 - 1)
_read_int64 = _integer_reader("int64", -(2**63), 2**63 - 1)
_read_uint32 = _integer_reader("uint32", 0, 2**32 - 1)
_read_uint64 = _integer_reader("uint64", 0, 2**64 - 1)

_READERS: dict[int, Read] = {
    FieldDescriptor.TYPE_DOUBLE: _read_double,
    FieldDescriptor.TYPE_FLOAT: _read_float,
    FieldDescriptor.TYPE_INT32: _read_int32,
    FieldDescriptor.TYPE_SINT32: _read_int32,
    FieldDescriptor.TYPE_SFIXED32: _read_int32,
    FieldDescriptor.TYPE_INT64: _read_int64,
    FieldDescriptor.TYPE_SINT64: _read_int64,
    FieldDescriptor.TYPE_SFIXED64: _read_int64,
    FieldDescriptor.TYPE_UINT32: _read_uint32,
    FieldDescriptor.TYPE_FIXED32: _read_uint32,
    FieldDescriptor.TYPE_UINT64: _read_uint64,
    FieldDescriptor.TYPE_FIXED64: _read_uint64,
    FieldDescriptor.TYPE_BOOL: _read_bool,
    FieldDescriptor.TYPE_STRING: _read_string,
    FieldDescriptor.TYPE_BYTES: _read_bytes,
}
