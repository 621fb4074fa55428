"""The short ways for times, durations and floats against the runtime's own."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.type_checkers import ToShortestFloat
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transcoding.codec.wellknown import read_duration, read_timestamp
from transcoding.codec.wellknown_writers import write_duration, write_timestamp
from transcoding.codec.writers import write_float

_TIMES = st.from_regex(
    r"\A[0-2٣]?\d{3,4}-?[0-3W]\d-\d{1,2}[Tt ]\d\d:?[0-6]\d:\d\d([.,]\d{0,10})?(Z|z|[+-]\d\d:?\d\d|Z\n)?\Z",
    fullmatch=True,
)
_DURATIONS = st.from_regex(r"\A[-+]?[0-9_ ]{0,13}(\.\d{0,11})?[sm]?\n?\Z", fullmatch=True)
_NANOS = st.sampled_from((0, 1, 10, 1000, 999_999, 1_000_000, 120_000_000, 999_999_999, 10**9, -1, -(10**9)))


def agrees(kind: type[Timestamp] | type[Duration], read: Callable[[object, int], Any], text: str) -> None:
    expected = kind()
    try:
        expected.FromJsonString(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 # its words are not ours
            read(text, 0)
    else:
        assert kind(**read(text, 0)) == expected


@given(_TIMES)
@example("2024-01-31T12:00:00Z")
@example("2024-01-31T12:00:00.000000001Z")
@example("0001-01-01T00:00:00Z")
@example("9999-12-31T23:59:59.999999999Z")
@example("2024-02-30T12:00:00Z")
@example("2024-01-31T24:00:00Z")
@example("2024-W05-3T12:00:00Z")
@example("2024-01-31T12:00:00Z\n")
@settings(max_examples=150, deadline=None)
def test_the_times_of_the_runtime_are_read(text: str) -> None:
    agrees(Timestamp, read_timestamp, text)


@given(_DURATIONS)
@example("-0.5s")
@example("315576000000s")
@example("99999999999.999999999s")
@example("-0s")
@settings(max_examples=150, deadline=None)
def test_the_durations_of_the_runtime_are_read(text: str) -> None:
    agrees(Duration, read_duration, text)


@given(st.integers(-62135596801, 253402300800) | st.sampled_from((0, -1, 2**62)), _NANOS)
@settings(max_examples=150, deadline=None)
def test_times_and_durations_are_written_as_the_runtime_writes_them(seconds: int, nanos: int) -> None:
    for kind, write in ((Timestamp, write_timestamp), (Duration, write_duration)):
        message = kind(seconds=seconds, nanos=nanos)
        try:
            expected = message.ToJsonString()
        except ValueError:
            with pytest.raises(ValueError):  # noqa: PT011 # its words are not ours
                write(message)
        else:
            assert write(message) == expected


@given(st.integers(0, 2**32 - 1))
@example(0x7F7FFFFF)
@example(0x00000001)
@example(0x80000000)
@settings(max_examples=200, deadline=None)
def test_floats_are_as_short_as_the_runtime_writes_them(bits: int) -> None:
    (value,) = struct.unpack("<f", struct.pack("<I", bits))
    if value - value == 0:
        assert repr(write_float(value)) == repr(ToShortestFloat(value))
    else:
        assert write_float(value) in {"NaN", "Infinity", "-Infinity"}
