"""Text as values of the well-known types that proto3 JSON writes as one value: Timestamp, FieldMask, wrappers, ….

Struct, Value and ListValue take JSON text. The HTTP rule itself maps only primitive fields to the query; these are what
every peer accepts besides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from transcoding.rules.text import quoted, reader

Fill: TypeAlias = Callable[[Message, str], None]
"""Sets a message from text. Raises ValueError with a description: what is wrong and how to mend it."""

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
_DURATION = re.compile(r"(-?)(\d{1,15})(?:\.(\d{1,9}))?s", re.ASCII)
_LONGEST_DURATION = 315_576_000_000
"""Seconds, google/protobuf/duration.proto."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CAPITAL = re.compile(r"[A-Z]")
_WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)


def filler(message: Descriptor) -> Fill | None:
    """Return what sets messages of a type from text, or None for a type that is written field by field."""
    if message.full_name in _WRAPPERS:
        return _wrapper_filler(message)
    return _FILLERS.get(message.full_name)


def _wrapper_filler(message: Descriptor) -> Fill:
    read = reader(message.fields_by_name["value"])

    def fill(wrapper: Message, text: str) -> None:
        setattr(wrapper, "value", read(text))  # noqa: B010 # the class is made from a descriptor
        wrapper.SetInParent()

    return fill


def _fill_timestamp(message: Message, text: str) -> None:
    found = _TIMESTAMP.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        date, time, fraction, sign, hours, minutes = found.groups()
        moment = datetime.fromisoformat(f"{date}T{time}+00:00") - _offset(sign, hours, minutes)
    except (ValueError, OverflowError):
        plus = "; write %2B for `+`, which is a space in a query" if " " in text else ""
        raise ValueError(
            f"{quoted(text)} is no time of RFC 3339; write it like `2006-01-02T15:04:05.123Z`{plus}"
        ) from None
    span = moment - _EPOCH
    _set_time(message, span.days * 86_400 + span.seconds, _nanos(fraction))


def _offset(sign: str | None, hours: str, minutes: str) -> timedelta:
    if sign is None:
        return timedelta()
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return offset if sign == "+" else -offset


def _fill_duration(message: Message, text: str) -> None:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{quoted(text)} is no duration; write seconds like `1.5s`")
    sign, seconds, fraction = found.groups()
    nanos = _nanos(fraction)
    if int(seconds) + (nanos > 0) > _LONGEST_DURATION:
        raise ValueError(f"{quoted(text)} is too long for a duration; it holds at most {_LONGEST_DURATION} s")
    factor = -1 if sign else 1
    _set_time(message, factor * int(seconds), factor * nanos)


def _nanos(fraction: str | None) -> int:
    return int(fraction.ljust(9, "0")) if fraction else 0


def _set_time(message: Message, seconds: int, nanos: int) -> None:
    setattr(message, "seconds", seconds)  # noqa: B010 # the class is made from a descriptor
    setattr(message, "nanos", nanos)  # noqa: B010
    message.SetInParent()


def _fill_field_mask(message: Message, text: str) -> None:
    paths = text.split(",") if text else []
    if any(not path or path != path.strip() for path in paths):
        raise ValueError(f"{quoted(text)} is no field mask; write field paths joined by commas, without spaces")
    # a path with `_` in it is one of proto names, which may have capitals too
    getattr(message, "paths").extend(path if "_" in path else _CAPITAL.sub(_snake, path) for path in paths)  # noqa: B009
    message.SetInParent()


def _snake(found: re.Match[str]) -> str:
    return f"_{found.group().lower()}"


def _fill_json(message: Message, text: str) -> None:
    what = message.DESCRIPTOR.name
    try:
        json_format.ParseDict(orjson.loads(text), message)
    except (orjson.JSONDecodeError, json_format.ParseError, RecursionError):
        wanted = _JSON_KINDS[what]
        raise ValueError(f"{quoted(text)} is no JSON for google.protobuf.{what}; write {wanted}") from None
    message.SetInParent()


_JSON_KINDS = {
    "Value": 'a JSON value, a text in quotes: `"text"`',
    "Struct": 'an object: `{"key":"value"}`',
    "ListValue": "an array: `[1,2]`",
}

_FILLERS: Mapping[str, Fill] = {
    "google.protobuf.Timestamp": _fill_timestamp,
    "google.protobuf.Duration": _fill_duration,
    "google.protobuf.FieldMask": _fill_field_mask,
    "google.protobuf.Value": _fill_json,
    "google.protobuf.Struct": _fill_json,
    "google.protobuf.ListValue": _fill_json,
}
