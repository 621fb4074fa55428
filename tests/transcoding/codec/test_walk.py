"""What is said about JSON that does not fit: where, what, and how to mend it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.model.errors import InvalidRequest
from tests.transcoding.codec.schema import MESSAGES, descriptor, new, pool
from transcoding.codec import Codec, CodecOptions

CODEC = Codec(pool())


def refusals(name: str, tree: Any, codec: Codec = CODEC) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        codec.parse(descriptor(name), json.dumps(tree).encode())
    assert caught.value.code.name == "INVALID_ARGUMENT"
    return [(found.field, found.description) for found in caught.value.violations]


ONE = [
    ("three.Small", {"pageCount": "abc"}, "pageCount", "`abc` is no int32; write a whole number from -2147483648 to"),
    ("three.Small", {"page_count": 1.5}, "page_count", "`1.5` is no int32"),
    ("three.Small", {"pageCount": 2**31}, "pageCount", "`2147483648` is no int32"),
    ("three.Small", {"pageCount": True}, "pageCount", "`true` is no int32"),
    ("three.Small", {"pageCount": []}, "pageCount", "a list is no int32"),
    ("three.Small", {"pageCount": "1 "}, "pageCount", "`1 ` is no int32"),
    ("three.Small", {"big": -(2**63) - 1}, "big", "`-9.223372036854776e+18` is no int64"),
    ("three.Small", {"big": "9223372036854775808"}, "big", "`9223372036854775808` is no int64"),
    ("three.Small", {"theme": 1234}, "theme", "`1234` is no string; put it in quotes"),
    ("three.Small", {"theme": {}}, "theme", "an object is no string"),
    ("three.Small", {"ok": "true"}, "ok", "`true` is no bool; write true or false"),
    ("three.Small", {"ok": 1}, "ok", "`1` is no bool"),
    ("three.Small", {"d": "abc"}, "d", '`abc` is no double; write a number, "NaN", "Infinity" or "-Infinity"'),
    ("three.Small", {"d": "nan"}, "d", "`nan` is no double"),
    ("three.Small", {"f": 3.5e38}, "f", "`3.5e+38` is no float"),
    ("three.Small", {"data": "oops{"}, "data", "`oops{` is no base64"),
    ("three.Small", {"data": "Y"}, "data", "`Y` is no base64"),
    ("three.Small", {"data": "YQ===="}, "data", "`YQ====` is no base64"),
    ("three.Small", {"data": "Y=Q="}, "data", "`Y=Q=` is no base64"),
    ("three.Small", {"data": 1}, "data", "`1` is no base64"),
    (
        "three.Small",
        {"color": "color_red"},
        "color",
        "`color_red` is no value of the enum `Color`; did you mean `COLOR_RED`?",
    ),
    ("three.Small", {"color": "COLOR_RDE"}, "color", "did you mean `COLOR_RED`?"),
    ("three.Small", {"color": 2**31}, "color", "`2147483648` is no value of the enum `Color`"),
    ("three.Small", {"color": None, "colour": 1}, "colour", "unknown field of `three.Small`; did you mean `color`?"),
    ("three.Small", {"Theme": "x"}, "Theme", "unknown field of `three.Small`; did you mean `theme`?"),
    ("three.Small", {"books": {}}, "books", "an object is no list; write it in []"),
    ("three.Small", {"books": [{}, None]}, "books[1]", "null is no element of a list"),
    ("three.Small", {"books": [{}, {}, {"pageCount": "x"}]}, "books[2].pageCount", "`x` is no int32"),
    ("three.Small", {"byName": []}, "byName", "a list is no map; write it in {}"),
    ("three.Small", {"byName": {"a.b": {"x": 1}}}, 'byName["a.b"].x', "unknown field"),
    ("three.Small", {"byName": {"a": None}}, 'byName["a"]', "null is no object of the fields of `three.Small`"),
    ("three.Small", {"at": "yesterday"}, "at", "`yesterday` is no time; write it like `2024-01-31T12:00:00Z`"),
    ("three.Small", {"at": {"seconds": 1}}, "at", "an object is no time"),
    ("three.Small", {"child": {"child": {"child": []}}}, "child.child.child", "a list is no object of the fields"),
    ("three.Small", "", "", "the empty text is no object of the fields of `three.Small`"),
    ("three.Small", [], "", "a list is no object"),
    ("three.Small", None, "", "null is no object"),
    ("three.Small", 7, "", "`7` is no object"),
    ("three.Keys", {"fInt32": {"x": "a"}}, 'fInt32["x"]', "as a key `x` is no int32"),
    ("three.Keys", {"fInt32": {"2147483648": "a"}}, 'fInt32["2147483648"]', "as a key `2147483648` is no int32"),
    ("three.Keys", {"small": {"2147483648": {}}}, 'small["2147483648"]', "as a key `2147483648` is no int32"),
    ("three.Keys", {"fBool": {"True": "a"}}, 'fBool["True"]', "as a key `True` is no bool"),
    ("three.Keys", {"fInt32": {"1": 5}}, 'fInt32["1"]', "`5` is no string"),
    ("three.Lists", {"fInt32": [1, "x"]}, "fInt32[1]", "`x` is no int32"),
    ("three.Lists", {"fString": ["a", None]}, "fString[1]", "null is no element of a list"),
    ("three.Choices", {"aText": "x", "aNumber": 1}, "aNumber", "only one of `aText` and `aNumber` may be set"),
    ("three.Choices", {"maybe": 1, "Maybe": 2}, "Maybe", "unknown field"),
    ("three.WellKnown", {"fDuration": "1"}, "fDuration", "`1` is no duration; write seconds like `1.5s`"),
    ("three.WellKnown", {"fDuration": "999999999999s"}, "fDuration", "`999999999999s` is no duration"),
    ("three.WellKnown", {"fFieldmask": "a_b"}, "fFieldmask", "`a_b` is no field mask"),
    ("three.WellKnown", {"fStruct": []}, "fStruct", "a list is no JSON object"),
    ("three.WellKnown", {"fListvalue": {}}, "fListvalue", "an object is no JSON list"),
    ("three.WellKnown", {"fInt32value": "x"}, "fInt32value", "`x` is no int32"),
    ("three.WellKnown", {"fInt32value": {"value": 1}}, "fInt32value", "an object is no int32"),
    ("three.WellKnown", {"fEmpty": {"a": 1}}, "fEmpty.a", "unknown field of `google.protobuf.Empty`"),
    ("three.WellKnown", {"fAny": []}, "fAny", "a list is no object with `@type`"),
    ("three.WellKnown", {"fAny": {"theme": "x"}}, "fAny", "`@type` is missing"),
    (
        "three.WellKnown",
        {"fAny": {"@type": "x/no.Such"}},
        "fAny.@type",
        "`x/no.Such` is no message that the schema has",
    ),
    ("three.WellKnown", {"fAny": {"@type": 5}}, "fAny.@type", "`5` is no message that the schema has"),
    ("three.WellKnown", {"fAny": {"@type": "x/three.Small", "theme": 1}}, "fAny.theme", "`1` is no string"),
    ("three.WellKnown", {"fAny": {"@type": "x/google.protobuf.Duration"}}, "fAny", "`value` is missing"),
    (
        "three.WellKnown",
        {"fAny": {"@type": "x/google.protobuf.Duration", "value": "1s", "more": 1}},
        "fAny.more",
        "unknown field beside `value` of `google.protobuf.Duration`",
    ),
    ("three.WellKnown", {"fAny": {"@type": "x/two.Inner"}}, "fAny", "`two.Inner` cannot be packed"),
    ("three.WellKnown", {"fNullvalue": "MONKEY"}, "fNullvalue", "`MONKEY` is no value of the enum `NullValue`"),
    ("google.protobuf.Int32Value", None, "", "null is no int32"),
    ("two.Old", {"shut": 7}, "shut", "`7` is no value of the enum `Shut`"),
    ("two.Old", {"[two.number_ext]": "x"}, "[two.number_ext]", "`x` is no int32"),
    ("two.Old", {"[two.no_such]": 1}, "[two.no_such]", "unknown field of `two.Old`"),
    ("three.Small", {"[two.number_ext]": 1}, "[two.number_ext]", "this is no extension of `three.Small`"),
]


@pytest.mark.parametrize(("name", "tree", "field", "said"), ONE)
def test_what_does_not_fit_is_refused_with_its_path(name: str, tree: Any, field: str, said: str) -> None:
    ((path, description),) = refusals(name, tree)
    assert path == field
    assert said in description


def test_several_mistakes_are_told_at_once() -> None:
    tree = {"pageCount": "x", "colour": 1, "child": {"theme": 5}, "books": [1]}
    assert [path for path, _ in refusals("three.Small", tree)] == ["pageCount", "colour", "child.theme", "books[0]"]


def test_ten_mistakes_are_enough() -> None:
    found = refusals("three.Small", {f"colour{number}": 1 for number in range(50)})
    assert len(found) == 10
    assert ["did you mean `color`?" in description for _, description in found] == [True] * 3 + [False] * 7


def test_long_values_and_names_are_quoted_in_part() -> None:
    tree = {"pageCount": "9" * 10_000, "n" * 10_000: 1, "byName": {"k" * 10_000: 1}}
    for path, description in refusals("three.Small", tree):
        assert len(path) < 80
        assert len(description) < 250


def test_what_is_quoted_can_be_printed() -> None:
    ((path, description),) = refusals("three.Small", {"a\n\x1b`": 1})
    assert path == "a���"
    assert description.isprintable()


def test_a_path_goes_before_those_of_the_violations() -> None:
    with pytest.raises(InvalidRequest) as caught:
        CODEC.parse_tree(descriptor("three.Small"), {"books": [{"x": 1}]}, path="shelf")
    assert caught.value.violations[0].field == "shelf.books[0].x"
    assert caught.value.message.startswith("shelf.books[0].x: unknown field")


def test_half_surrogates_in_a_tree_are_refused() -> None:
    for tree, said in (
        ({"theme": "\ud800"}, "half of a surrogate pair"),
        ({"byName": {"\ud800": {}}}, "half of a surrogate pair"),
        ({"\ud800": 1}, "unknown field"),
        ({"data": "\udfff"}, "is no base64"),
        ({"color": "\udfff"}, "is no value of the enum"),
        ({"at": "\udfff"}, "is no time"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            CODEC.parse_tree(descriptor("three.Small"), tree)  # type: ignore[arg-type] # a tree of JSON
        assert said in caught.value.message
        assert caught.value.message.encode()
    for struct in ({"a": "\ud800"}, {"\ud800": 1}, {"a": [{"b": "\ud800"}]}):
        with pytest.raises(InvalidRequest, match="characters that are whole"):
            CODEC.parse_tree(descriptor("google.protobuf.Struct"), struct)  # type: ignore[arg-type] # a tree of JSON


DEEP = [
    ("three.Small", '{"child":', "{}", "}", 99),
    ("three.Small", '{"books":[', "{}", "]}", 99),
    ("three.Small", '{"byName":{"k":', "{}", "}}", 49),
    ("google.protobuf.Struct", '{"k":', "1", "}", 33),
    ("google.protobuf.ListValue", "[", "1", "]", 50),
    ("google.protobuf.Value", "[", "1", "]", 49),
    ("three.WellKnown", '"fAny":{"@type":"x/three.WellKnown",', '"fNullvalue":null', "}", 49),
]


@pytest.mark.parametrize(("name", "opening", "middle", "closing", "most"), DEEP)
def test_nesting_has_a_limit(name: str, opening: str, middle: str, closing: str, most: int) -> None:
    def text(depth: int) -> bytes:
        if "@type" in opening:
            return ("{" + opening * depth + middle + closing * depth + "}").encode()
        return (opening * depth + middle + closing * depth).encode()

    kind = descriptor(name)
    message = CODEC.parse(kind, text(most))
    if "@type" not in opening:
        assert new(name).FromString(message.SerializeToString()) == message
    for depth in (most + 2, 100, 300, 450):
        with pytest.raises(InvalidRequest) as caught:
            CODEC.parse(kind, text(depth))
        assert "stand in one another" in caught.value.message or "nested too deeply" in caught.value.message


def test_unknown_fields_are_reported_by_their_paths_and_left_out() -> None:
    codec = Codec(pool(), CodecOptions(unknown_fields="report"))
    seen: list[str] = []
    tree = {"theme": "x", "colour": 1, "books": [{"y": {"z": 1}}], "color": "NO_SUCH", "byName": {"k": {"q": 1}}}
    message = codec.parse(descriptor("three.Small"), json.dumps(tree).encode(), report=seen.append)
    assert seen == ["colour", "books[0].y", "color", 'byName["k"].q']
    expected = new("three.Small", theme="x")
    expected.books.add()
    expected.by_name["k"].SetInParent()
    assert message == expected


@pytest.mark.parametrize("mode", ["report", "ignore"])
def test_unknown_fields_do_not_hide_what_is_wrong(mode: Any) -> None:
    codec = Codec(pool(), CodecOptions(unknown_fields=mode))
    tree = {"colour": 1, "pageCount": "x"}
    assert refusals("three.Small", tree, codec)[0][0] == "pageCount"


@given(st.sampled_from(MESSAGES), st.binary(max_size=50))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_message_or_an_invalid_request(name: str, data: bytes) -> None:
    try:
        message = CODEC.parse(descriptor(name), data)
    except InvalidRequest as refusal:
        str(refusal).encode()  # which says that it has no half surrogates
        return
    CODEC.print(message)


_TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_tree_is_a_field_or_an_invalid_request(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(MESSAGES))
    field = data.draw(st.sampled_from(list(descriptor(name).fields)))
    message, tree = new(name), data.draw(_TREES)
    paths: list[str] = []
    try:
        CODEC.merge_field(message, field, tree)
    except InvalidRequest as refusal:
        str(refusal).encode()  # which says that it has no half surrogates
        paths = [found.field for found in refusal.violations]
    assert all(path.startswith(field.json_name) for path in paths)
    assert new(name).FromString(message.SerializePartialToString()) is not None
