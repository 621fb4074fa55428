from __future__ import annotations

import pytest
from google.protobuf import json_format

from tests.transcoding.rules.schema import new, shop, shop_message
from transcoding.rules.wellknown import filler


def filled(name: str, text: str) -> object:
    """Return the JSON of a well-known type that was set from text."""
    descriptor = shop().FindMessageTypeByName(f"google.protobuf.{name}")
    fill = filler(descriptor)
    assert fill is not None
    message = new(descriptor)
    fill(message, text)
    return json_format.MessageToDict(message)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("Timestamp", "2016-05-10T10:19:13.123Z", "2016-05-10T10:19:13.123Z"),
        ("Timestamp", "2016-05-10T10:19:13+02:30", "2016-05-10T07:49:13Z"),
        ("Timestamp", "1969-12-31T23:59:59.5-00:00", "1969-12-31T23:59:59.500Z"),
        ("Timestamp", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("Timestamp", "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
        ("Duration", "1s", "1s"),
        ("Duration", "-0.5s", "-0.500s"),
        ("Duration", "3.000000001s", "3.000000001s"),
        ("Duration", "315576000000s", "315576000000s"),
        ("FieldMask", "", ""),
        ("FieldMask", "float_value,b.c_d", "floatValue,b.cD"),
        ("FieldMask", "floatValue,b.cD", "floatValue,b.cD"),
        ("Int32Value", "-1", -1),
        ("UInt64Value", "18446744073709551615", "18446744073709551615"),
        ("BoolValue", "false", False),
        ("StringValue", '"a"', '"a"'),
        ("BytesValue", "_-", "/w=="),
        ("DoubleValue", "1.5", 1.5),
        ("Value", "null", None),
        ("Value", '"a"', "a"),
        ("Value", '[1,{"a":true}]', [1.0, {"a": True}]),
        ("Struct", '{"a":[1]}', {"a": [1.0]}),
        ("ListValue", "[]", []),
    ],
)
def test_text_sets_a_message(name: str, text: str, value: object) -> None:
    assert filled(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("Timestamp", "", "write it like `2006-01-02T15:04:05.123Z`"),
        ("Timestamp", "null", "no time of RFC 3339"),
        ("Timestamp", "123", "no time of RFC 3339"),
        ("Timestamp", "2016-05-10", "no time of RFC 3339"),
        ("Timestamp", "2016-05-10T10:19:13", "no time of RFC 3339"),
        ("Timestamp", "2016-02-30T10:19:13Z", "no time of RFC 3339"),
        ("Timestamp", "2016-05-10T10:19:60Z", "no time of RFC 3339"),
        ("Timestamp", "2016-05-10T10:19:13.1234567890Z", "no time of RFC 3339"),
        ("Timestamp", "2016-05-10T10:19:13+24:00", "no time of RFC 3339"),
        ("Timestamp", "2016-05-10T10:19:13 01:00", "write %2B for `+`"),
        ("Timestamp", "0001-01-01T00:00:00+01:00", "no time of RFC 3339"),
        ("Timestamp", "9999-12-31T23:59:59-01:00", "no time of RFC 3339"),
        ("Timestamp", "٢٠١٦-05-10T10:19:13Z", "no time of RFC 3339"),
        ("Duration", "1", "write seconds like `1.5s`"),
        ("Duration", "1h", "no duration"),
        ("Duration", "1.s", "no duration"),
        ("Duration", "315576000001s", "too long"),
        ("Duration", "-315576000000.1s", "too long"),
        ("FieldMask", "a,,b", "no field mask"),
        ("FieldMask", "a, b", "without spaces"),
        ("Int32Value", "null", "no int32"),
        ("Value", "", "no JSON for google.protobuf.Value"),
        ("Value", "text", "a text in quotes"),
        ("Value", "NaN", "no JSON"),
        ("Value", "1e999", "no JSON"),
        ("Value", '"\\ud800"', "no JSON"),
        ("Value", "[" * 5000 + "]" * 5000, "no JSON"),
        ("Value", "[" * 500 + "]" * 500, "no JSON"),
        ("Struct", "[]", "write an object"),
        ("Struct", "null", "write an object"),
        ("ListValue", "{}", "write an array"),
    ],
)
def test_what_is_no_value_is_refused_with_words(name: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        filled(name, text)
    assert words in str(refused.value)


@pytest.mark.parametrize("name", ["extra", "nothing", "place"])
def test_messages_of_fields_have_no_text(name: str) -> None:
    descriptor = shop_message("Shelf").fields_by_name[name].message_type
    assert descriptor is not None
    assert filler(descriptor) is None
