from __future__ import annotations

import math

import pytest
from google.protobuf import struct_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from tests.transcoding.rules.schema import pool_of, shop_message
from transcoding.rules.text import Read, Scalar, quoted, reader

SIZED = [f"{prefix}{size}" for prefix in ("int", "uint", "sint", "fixed", "sfixed") for size in (32, 64)]
TYPES = ("double", "float", "bool", "string", "bytes", *SIZED)


def all_types() -> FileDescriptorProto:
    file = FileDescriptorProto(name="types.proto", package="types", syntax="proto2")
    message = file.message_type.add(name="All")
    for number, name in enumerate(TYPES, 1):
        kind = FieldDescriptorProto.Type.Value(f"TYPE_{name.upper()}")
        message.field.add(name=name, number=number, type=kind, label=FieldDescriptorProto.LABEL_OPTIONAL)
    closed = file.enum_type.add(name="Closed")
    closed.value.add(name="ONE", number=1)
    kind = FieldDescriptorProto.TYPE_ENUM
    message.field.add(name="enum", number=99, type=kind, type_name=".types.Closed", label=1)
    return file


FIELDS = pool_of([all_types()]).FindMessageTypeByName("types.All").fields_by_name


def of(name: str) -> Read:
    return reader(FIELDS[name])


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int32", "-2147483648", -(2**31)),
        ("sint32", "2147483647", 2**31 - 1),
        ("sfixed32", "007", 7),
        ("uint32", "4294967295", 2**32 - 1),
        ("fixed32", "-0", 0),
        ("int64", "-9223372036854775808", -(2**63)),
        ("sint64", "9223372036854775807", 2**63 - 1),
        ("sfixed64", "1", 1),
        ("uint64", "18446744073709551615", 2**64 - 1),
        ("fixed64", "18446744073709551615", 2**64 - 1),
        ("bool", "true", True),
        ("bool", "false", False),
        ("double", "-1.5e-3", -0.0015),
        ("double", ".5", 0.5),
        ("double", "1.", 1.0),
        ("double", "-Infinity", -math.inf),
        ("float", "3.4028235e38", 3.4028235e38),
        ("float", "Infinity", math.inf),
        ("string", "", ""),
        ("string", '"quoted"', '"quoted"'),
        ("bytes", "", b""),
        ("bytes", "aGk", b"hi"),
        ("bytes", "aGk=", b"hi"),
        ("bytes", "-_-_", b"\xfb\xff\xbf"),
        ("bytes", "+/+/", b"\xfb\xff\xbf"),
        ("enum", "ONE", 1),
        ("enum", "1", 1),
    ],
)
def test_text_is_read_as_proto3_json_writes_it(kind: str, text: str, value: Scalar) -> None:
    assert of(kind)(text) == value


@pytest.mark.parametrize("kind", ["float", "double"])
def test_nan_is_a_number(kind: str) -> None:
    value = of(kind)("NaN")
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("int32", "", "`` is no int32; write a decimal integer"),
        ("int32", "abc", "`abc` is no int32"),
        ("int32", "1.0", "no int32"),
        ("int32", "1_0", "no int32"),
        ("int32", "٣", "no int32"),
        ("int32", "+1", "no int32"),
        ("int32", " 1", "write %2B for `+`"),
        ("int32", "1\n", "no int32"),
        ("int32", "2147483648", "out of range for int32; it holds -2147483648 to 2147483647"),
        ("uint32", "-1", "out of range for uint32"),
        ("int64", "9" * 5000, "out of range for int64"),
        ("uint64", "18446744073709551616", "out of range for uint64"),
        ("bool", "True", "write `true` or `false`"),
        ("bool", "1", "`1` is no bool"),
        ("double", "nan", "`nan` is no number"),
        ("double", "inf", "no number"),
        ("double", "1e", "no number"),
        ("double", "0x1", "no number"),
        ("double", "1e400", "out of range for double"),
        ("float", "3.4028236e38", "out of range for float"),
        ("bytes", "a", "the length is wrong"),
        ("bytes", "aGk==", "the length is wrong"),
        ("bytes", "aG k", "write %2B for `+`"),
        ("bytes", "oops{", "no base64"),
        ("enum", "one", "did you mean `ONE`?"),
        ("enum", "", "no value of types.Closed"),
        ("enum", "2", "`2` is no number of types.Closed, which is a closed enum; known are 1"),
        ("enum", "99999999999", "out of range"),
    ],
)
def test_what_is_no_value_is_refused_with_words(kind: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        of(kind)(text)
    assert words in str(refused.value)


def test_an_open_enum_keeps_numbers_it_does_not_know() -> None:
    assert reader(shop_message("Shelf").fields_by_name["theme"])("99") == 99


def test_null_is_a_null_value() -> None:
    field = struct_pb2.Value.DESCRIPTOR.fields_by_name["null_value"]
    assert reader(field)("null") == reader(field)("NULL_VALUE") == 0


def test_a_message_has_no_reader() -> None:
    with pytest.raises(ValueError, match="is a message"):
        reader(shop_message("Shelf").fields_by_name["place"])


def test_long_and_unprintable_values_are_quoted_short_and_escaped() -> None:
    assert quoted("x" * 1000) == f"`{'x' * 60}…`"
    assert quoted("a\nb") == "'a\\nb'"
