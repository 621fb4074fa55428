"""The messages of google.protobuf with a JSON form of their own, written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, TypeAlias

from transcoding.codec.options import JsonValue

_Writer: TypeAlias = Callable[[Any], JsonValue]

_EPOCH = date(1970, 1, 1).toordinal()
_TWO = [f"{number:02d}" for number in range(60)]
_FIRST, _LAST = -62135596800, 253402300799
_BILLION = 1_000_000_000


def write_timestamp(message: Any) -> JsonValue:
    """Return the time in UTC with 0, 3, 6 or 9 digits of fraction.

    Raises:
        ValueError: it is not within the years 1 to 9999.
    """
    seconds, nanos = message.seconds, message.nanos
    if not (_FIRST <= seconds <= _LAST and 0 <= nanos < _BILLION):
        raise ValueError(f"a time of {seconds} s and {nanos} ns is out of range")
    days, rest = divmod(seconds, 86400)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    text = f"{_date(days)}T{_TWO[hour]}:{_TWO[minute]}:{_TWO[second]}"
    return f"{text}{_fraction(nanos)}Z" if nanos else f"{text}Z"


@lru_cache(maxsize=1024)
def _date(days: int) -> str:
    """Return the date so many days after the epoch. Calls of a day have most times of that day."""
    return date.fromordinal(_EPOCH + days).isoformat()


def write_duration(message: Any) -> JsonValue:
    """Return seconds with 0, 3, 6 or 9 digits of fraction.

    Raises:
        ValueError: the runtime does not take it for a duration.
    """
    seconds, nanos = message.seconds, message.nanos
    if 0 <= seconds < 10**10 and 0 <= nanos < _BILLION:
        return f"{seconds}{_fraction(nanos)}s"
    text: str = message.ToJsonString()
    return text


def _fraction(nanos: int) -> str:
    if not nanos:
        return ""
    if nanos % 1000:
        return f".{nanos:09d}"
    if nanos % 1_000_000:
        return f".{nanos // 1000:06d}"
    return f".{nanos // 1_000_000:03d}"


def write_field_mask(message: Any) -> JsonValue:
    """Return the paths in lowerCamelCase.

    Raises:
        ValueError: a path has no such form.
    """
    text: str = message.ToJsonString()
    return text


def write_value(message: Any) -> JsonValue:
    """Return the value; one that is not set is null.

    Raises:
        ValueError: it is a number that JSON does not have.
    """
    kind = message.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    value: Any = getattr(message, kind)
    if kind == "struct_value":
        return write_struct(value)
    if kind == "list_value":
        return write_list(value)
    if kind == "number_value" and not math.isfinite(value):
        raise ValueError(f"a google.protobuf.Value cannot be {value}")
    plain: JsonValue = value
    return plain


def write_struct(message: Any) -> JsonValue:
    """Return the object."""
    return {key: write_value(value) for key, value in message.fields.items()}


def write_list(message: Any) -> JsonValue:
    """Return the list."""
    return [write_value(value) for value in message.values]


WRITERS: Mapping[str, _Writer] = {
    "google.protobuf.Timestamp": write_timestamp,
    "google.protobuf.Duration": write_duration,
    "google.protobuf.FieldMask": write_field_mask,
    "google.protobuf.Value": write_value,
    "google.protobuf.Struct": write_struct,
    "google.protobuf.ListValue": write_list,
}
"""What writes each. Any and the wrappers are not here: they need to know other messages."""
