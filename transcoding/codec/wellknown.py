"""The messages of google.protobuf with a JSON form of their own, read as what their constructors take.

What is not of the usual form is left to the runtime's `FromJsonString`, so that exactly that is accepted which
json_format accepts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from google.protobuf.descriptor import Descriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from transcoding.codec.options import MAX_DEPTH
from transcoding.codec.scalars import Reader, read_string
from transcoding.codec.words import show

ANY = "google.protobuf.Any"
STRUCT = "google.protobuf.Struct"
VALUE = "google.protobuf.Value"

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z", re.ASCII)
_DURATION = re.compile(r"(-?)(\d{1,11})(?:\.(\d{1,9}))?s", re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_TO_SECONDS = len("1970-01-01T00:00:00")


class TooDeep(ValueError):
    """More than MAX_DEPTH messages stand in one another."""


def is_wrapper(descriptor: Descriptor) -> bool:
    """Whether it is a google.protobuf.…Value of one scalar."""
    return bool(descriptor.file.name == "google/protobuf/wrappers.proto")


def read_timestamp(value: object, _depth: int) -> dict[str, object]:
    """Read a time of RFC 3339, as in `2024-01-31T12:00:00.5Z`."""
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        other = Timestamp()
        other.FromJsonString(value)  # type: ignore[arg-type] # it says itself that it wants a text
        return {"seconds": other.seconds, "nanos": other.nanos}
    passed = datetime.fromisoformat(value[:_TO_SECONDS]) - _EPOCH
    seconds = passed.days * 86400 + passed.seconds
    if len(value) == _TO_SECONDS + 1:
        return {"seconds": seconds}
    return {"seconds": seconds, "nanos": _nanos(value[_TO_SECONDS + 1 : -1])}


def read_duration(value: object, _depth: int) -> dict[str, object]:
    """Read seconds, as in `1.5s`."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        other = Duration()
        other.FromJsonString(value)  # type: ignore[arg-type] # it says itself that it wants a text
        return {"seconds": other.seconds, "nanos": other.nanos}
    sign = -1 if match[1] else 1
    return {"seconds": sign * int(match[2]), "nanos": sign * _nanos(match[3])}


def _nanos(digits: str | None) -> int:
    return int(digits.ljust(9, "0")) if digits else 0


def read_field_mask(value: object, _depth: int) -> dict[str, object]:
    """Read paths in lowerCamelCase, separated by commas."""
    mask = FieldMask()
    mask.FromJsonString(value)  # type: ignore[arg-type] # it says itself that it wants a text
    return {"paths": list(mask.paths)}


def read_value(value: object, depth: int) -> dict[str, object]:
    """Read any JSON value."""
    if isinstance(value, str):
        made: dict[str, object] = {"string_value": read_string(value)}
    elif value is None:
        made = {"null_value": 0}
    elif isinstance(value, bool):
        made = {"bool_value": value}
    elif isinstance(value, int | float):
        made = {"number_value": value}
    elif isinstance(value, dict):
        return {"struct_value": read_struct(value, depth + 1)}
    elif isinstance(value, list):
        return {"list_value": read_list(value, depth + 1)}
    else:
        raise TypeError(value)
    if depth >= MAX_DEPTH:
        raise TooDeep
    return made


def read_list(value: object, depth: int) -> dict[str, object]:
    """Read a list of any values."""
    if not isinstance(value, list):
        raise TypeError(value)
    if depth >= MAX_DEPTH:
        raise TooDeep
    return {"values": [read_value(item, depth + 1) for item in value]}


def read_struct(value: object, depth: int) -> dict[str, object]:
    """Read an object of any values, as a field of type Struct takes it: as it is."""
    if not isinstance(value, dict):
        raise TypeError(value)
    if depth >= MAX_DEPTH:
        raise TooDeep
    for key, item in value.items():
        read_string(key)
        kind = type(item)
        if kind is dict or kind is list or depth + 2 >= MAX_DEPTH:
            read_value(item, depth + 2)
        elif kind is str:
            read_string(item)
    return value


def read_struct_itself(value: object, depth: int) -> dict[str, object]:
    """Read an object of any values, as the constructor of Struct takes it (and an entry of a map)."""
    if not isinstance(value, dict):
        raise TypeError(value)
    return {"fields": {read_string(key): read_value(item, depth + 2) for key, item in value.items()}}


FORMS: Mapping[str, tuple[Reader, str]] = {
    "google.protobuf.Timestamp": (read_timestamp, "is no time; write it like `2024-01-31T12:00:00Z`"),
    "google.protobuf.Duration": (read_duration, "is no duration; write seconds like `1.5s`"),
    "google.protobuf.FieldMask": (read_field_mask, "is no field mask; write paths in lowerCamelCase like `a,b.cD`"),
    STRUCT: (read_struct_itself, "is no JSON object of characters that are whole"),
    VALUE: (read_value, "is no JSON value of characters that are whole"),
    "google.protobuf.ListValue": (read_list, "is no JSON list of characters that are whole"),
}
"""What reads each message as its constructor takes it, and what is said of values that do not fit. Any is not here."""


def misform(descriptor: Descriptor, value: object) -> str:
    """Return why `value` is no such message, and what would be."""
    return f"{show(value)} {FORMS[descriptor.full_name][1]}"
