"""Which names of an enum's values are read and written."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from transcoding.codec.enums import names_of


def enum(name: str, *values: str) -> EnumDescriptor:
    file = FileDescriptorProto(name="e.proto", package="e", syntax="proto3")
    made = file.enum_type.add(name=name)
    for number, value in enumerate(values):
        made.value.add(name=value, number=number)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindEnumTypeByName(f"e.{name}")


@pytest.mark.parametrize(
    ("name", "value", "short"),
    [
        ("Format", "FORMAT_HARDCOVER", "HARDCOVER"),
        ("BookFormat", "BOOK_FORMAT_HARDCOVER", "HARDCOVER"),
        ("HTTPMethod", "HTTP_METHOD_GET", "GET"),
        ("Http2Mode", "HTTP2_MODE_ON", "ON"),
        ("Format", "FORMATTED", "FORMATTED"),
        ("Format", "FORMAT_", "FORMAT_"),
        ("Format", "FORMAT_3D", "FORMAT_3D"),
        ("Format", "BOOK_FORMAT_X", "BOOK_FORMAT_X"),
    ],
)
def test_the_prefix_is_the_name_of_the_enum(name: str, value: str, short: str) -> None:
    names = names_of(enum(name, value), strip_prefix=True)
    assert names.printed[0] == short
    assert names.numbers[short] == names.numbers[value] == 0


def test_a_short_name_that_another_value_has_is_not_used() -> None:
    names = names_of(enum("Format", "FORMAT_NONE", "FORMAT_FORMAT_X", "FORMAT_X", "X"), strip_prefix=True)
    assert [names.printed[number] for number in range(4)] == ["NONE", "FORMAT_FORMAT_X", "FORMAT_X", "X"]
    assert [names.numbers[name] for name in ("FORMAT_FORMAT_X", "FORMAT_X", "X")] == [1, 2, 3]


def test_without_the_option_names_are_whole() -> None:
    names = names_of(enum("Format", "FORMAT_NONE"), strip_prefix=False)
    assert names.printed[0] == "FORMAT_NONE"
    assert "NONE" not in names.numbers


def test_numbers_without_a_name_are_written_as_they_are() -> None:
    assert names_of(enum("Format", "FORMAT_NONE"), strip_prefix=False).printed[7] == 7
