"""Single values out of JSON, as `google.protobuf.json_format` reads them.

Each reader takes the JSON value and the depth (which scalars ignore: readers of messages have the same form) and raises
ValueError or TypeError when the value does not fit. Ranges of integers are left to protobuf, which checks them anyway.
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from google.protobuf.descriptor import FieldDescriptor as Field

from transcoding.codec.enums import EnumNames, UnknownName

Reader: TypeAlias = Callable[[object, int], object]
"""Makes what the constructor of a message takes for a field out of a JSON value that stands `depth` messages deep."""

_FLOAT_MAX = float.fromhex("0x1.fffffep+127")
_LEAST = -(2.0**63)
"""As a float it may be the least int64, or a smaller integer that was cut to a float."""

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}", re.ASCII)
_STANDARD = str.maketrans("-_", "+/")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BOOLEANS = {"true": True, "false": False}


def read_integer(value: object, _depth: int = 0) -> int:
    """Read a whole number: `7`, `7.0`, `"7"`, `"7e2"`; whatever `int` takes in quotes but spaces."""
    if isinstance(value, str):
        if " " in value:
            raise ValueError(value)
        try:
            return int(value)
        except ValueError:
            return _whole(float(value))
    if isinstance(value, bool):
        raise TypeError(value)
    if isinstance(value, float):
        if value == _LEAST:
            raise ValueError(value)
        return _whole(value)
    if isinstance(value, int):
        return value
    raise TypeError(value)


def _whole(value: float) -> int:
    if not value.is_integer():
        raise ValueError(value)
    return int(value)


def read_double(value: object, _depth: int = 0) -> float:
    """Read a number, also in quotes, `"NaN"`, `"Infinity"`; true and false are 1 and 0, as json_format has them."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(value)
    if value == "nan" or not isinstance(value, str | int | float):
        raise ValueError(value)
    return float(value)


def read_float(value: object, depth: int = 0) -> float:
    """Read a number of single precision: like a double, but a number beyond its range is refused."""
    if isinstance(value, float) and abs(value) > _FLOAT_MAX:
        raise ValueError(value)
    return read_double(value, depth)


def read_bool(value: object, _depth: int = 0) -> bool:
    """Read true or false."""
    if value is True or value is False:
        return value
    raise TypeError(value)


def read_string(value: object, _depth: int = 0) -> str:
    """Read a text. Halves of surrogate pairs are refused: UTF-8 has none."""
    if not isinstance(value, str):
        raise TypeError(value)
    if _SURROGATE.search(value):
        raise ValueError(value)
    return value


def read_bytes(value: object, _depth: int = 0) -> bytes:
    """Read base64 in the standard or the URL-safe alphabet, padded or not."""
    if not isinstance(value, str) or not _BASE64.fullmatch(value):
        raise ValueError(value)
    return binascii.a2b_base64(value.translate(_STANDARD) + "==")


def _read_bool_key(value: object, _depth: int = 0) -> bool:
    if not isinstance(value, str) or value not in _BOOLEANS:
        raise ValueError(value)
    return _BOOLEANS[value]


def enum_reader(names: EnumNames) -> Reader:
    """Return what reads the values of an enum: names, and numbers also in quotes or with a fraction."""
    numbers = names.numbers

    def read_enum(value: object, _depth: int = 0) -> int:
        try:
            return numbers[value]
        except (KeyError, TypeError):
            return other(value)

    def other(value: object) -> int:
        if not isinstance(value, str | int | float):
            raise TypeError(value)
        try:
            number = int(value)
        except ValueError:
            raise UnknownName(value) from None
        if names.closed and number not in numbers:
            raise ValueError(value)
        return number

    return read_enum


PLAIN: Mapping[int, type] = {
    Field.CPPTYPE_INT32: int,
    Field.CPPTYPE_UINT32: int,
    Field.CPPTYPE_INT64: int,
    Field.CPPTYPE_UINT64: int,
    Field.CPPTYPE_DOUBLE: float,
    Field.CPPTYPE_FLOAT: int,
    Field.CPPTYPE_BOOL: bool,
    Field.CPPTYPE_STRING: str,
}
"""The type of JSON value that the constructor of a message takes as it is, by the kind of field. Not for bytes."""

READERS: Mapping[int, Reader] = {
    Field.CPPTYPE_INT32: read_integer,
    Field.CPPTYPE_UINT32: read_integer,
    Field.CPPTYPE_INT64: read_integer,
    Field.CPPTYPE_UINT64: read_integer,
    Field.CPPTYPE_DOUBLE: read_double,
    Field.CPPTYPE_FLOAT: read_float,
    Field.CPPTYPE_BOOL: read_bool,
    Field.CPPTYPE_STRING: read_string,
}
"""The readers of what is neither enum nor bytes nor message."""


def key_reader(field: Field) -> Reader:
    """Return what reads the keys of a map, which are texts in JSON."""
    return _read_bool_key if field.cpp_type == Field.CPPTYPE_BOOL else READERS[field.cpp_type]
