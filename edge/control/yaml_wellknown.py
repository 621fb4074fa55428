"""The messages of google.protobuf that have a form of their own in JSON: durations, times, masks, free values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from edge.control.yaml_nodes import ScalarNode
from edge.control.yaml_scalars import Unfit, read_scalar, read_text, untyped

_DURATION = re.compile(r"([-+]?)([0-9]{1,12}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(ms|us|ns|s|m|h|d|)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_DURATION = 315_576_000_000


def read_duration(node: ScalarNode, message: Any) -> None:
    """Read a duration: `30s`, `1.5s`, and `250ms` as a convenience.

    Raises:
        Unfit: it is something else.
    """
    expected = "a duration such as 30s, 1.5s or 250ms"
    match = _DURATION.fullmatch(node.text)
    if match is None:
        raise Unfit(expected)
    sign, amount, unit = match.groups()
    try:
        value = Decimal(sign + amount)
    except InvalidOperation:
        raise Unfit(expected) from None
    if unit == "ms":
        value /= 1000
    elif unit != "s":
        seconds = value * _UNITS.get(unit, 1)
        mend = f"write {seconds.normalize():f}s" if unit not in {"us", "ns"} and not node.substituted else ""
        raise Unfit(expected, mend)
    nanos = int(value * 10**9)
    if abs(nanos) > _LONGEST_DURATION * 10**9:
        raise Unfit(f"a duration of at most {_LONGEST_DURATION}s")
    message.FromNanoseconds(nanos)


def read_timestamp(node: ScalarNode, message: Timestamp) -> None:
    """Read a time such as `2025-01-31T12:00:00Z`.

    Raises:
        Unfit: it is something else.
    """
    try:
        message.FromJsonString(node.text)
    except (ValueError, OverflowError, TypeError):
        raise Unfit("a time such as 2025-01-31T12:00:00Z") from None


def read_field_mask(node: ScalarNode, message: FieldMask) -> None:
    """Read field paths, separated by commas.

    Raises:
        Unfit: it is something else.
    """
    try:
        message.FromJsonString(read_text(node))
    except ValueError:
        raise Unfit("field paths in lowerCamelCase, separated by commas") from None


def read_wrapper(node: ScalarNode, message: Any) -> None:
    """Read what stands for a `google.protobuf.…Value` of one scalar.

    Raises:
        Unfit: it is something else.
    """
    message.value = read_scalar(message.DESCRIPTOR.fields_by_name["value"], node)


SCALARS: Mapping[str, Callable[[ScalarNode, Any], None]] = {
    "google.protobuf.Duration": read_duration,
    "google.protobuf.Timestamp": read_timestamp,
    "google.protobuf.FieldMask": read_field_mask,
    **{
        f"google.protobuf.{kind}Value": read_wrapper
        for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
    },
}
"""The readers of messages that are a single value in JSON."""


def read_plain(node: ScalarNode, message: Any) -> None:
    """Read a single value into a `google.protobuf.Value`.

    Raises:
        Unfit: JSON cannot hold it.
    """
    value = untyped(node)
    if value is None:
        message.null_value = 0
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise Unfit("a number JSON can hold")
        message.number_value = value
    else:
        message.string_value = read_text(replace(node, plain=False))
