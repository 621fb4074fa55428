"""JSON texts: what is one, what is none, and keys that stand twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.model.errors import InvalidRequest
from transcoding.codec.text import load


def refusal(data: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        load(data)
    (violation,) = caught.value.violations
    assert violation.field == ""
    return violation.description


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "there is no JSON: the text is empty"),
        (b"  ", "the text is no JSON: input data is empty, on line 1 in column 1"),
        (b"Invalid", "on line 1 in column 1"),
        (b'{"a":1\n,}', "on line 2 in column 1"),
        (b'{"name" : 1]', "on line 1 in column 12"),
        (b'{ "theme" : "Children" }EXTRA', "unexpected content after document, on line 1 in column 25"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"NaN", "the text is no JSON"),
        (b"[Infinity]", "the text is no JSON"),
        (b"1e999", "number is infinity"),
        (b"01", "the text is no JSON"),
        (b"'a'", "the text is no JSON"),
        (b'"\\ud800"', "no low surrogate"),
        (b'"\t"', "control character"),
        (b'{\n"a": "\xff"}', "the JSON is not in UTF-8, on line 2 at byte 8"),
        (b'"\xed\xa0\x80"', "not in UTF-8"),
        (b"[" * 5000, "the JSON is nested too deeply"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(data: bytes, said: str) -> None:
    assert said in refusal(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a" :1, "a"\n: 2}',
        b'[{"b":{"a":1,"a":{"x":2}}}]',
        b'{"a":"\\u003a","a":"x"}',
        b'{"a":"\\u003A:","a":":"}',
        b'{"a":":","a":"\\":"}',
        b'{"\\u0061":1,"a":2}',
        b'{"a":' + b"[" * 300 + b"]" * 300 + b',"a":1}',
    ],
)
def test_a_key_that_stands_twice_is_refused_by_its_name(data: bytes) -> None:
    assert refusal(data) == "the key `a` stands twice in an object"


def test_a_long_key_is_quoted_in_part() -> None:
    key = b'"' + b"k" * 1000 + b'"'
    assert len(refusal(b"{" + key + b":1," + key + b":2}")) < 120


def test_deep_json_that_the_check_for_keys_cannot_read_is_refused() -> None:
    assert refusal(b'{"a":' * 1020 + b"1" + b"}" * 1020) == "the JSON is nested too deeply"


@pytest.mark.parametrize(
    ("data", "tree"),
    [
        (b' { "a" : [ 1 , -0 , 1.5e3 , true , null ] } ', {"a": [1, 0, 1500.0, True, None]}),
        (b'{"a":{"a":1},"b":{"a":2}}', {"a": {"a": 1}, "b": {"a": 2}}),
        (b'{"a":"\\u003a","b":"\\u003A"}', {"a": ":", "b": ":"}),
        (b'{"a:":"\\":","":0}', {"a:": '":', "": 0}),
        ('"é😀\\ud83d\\ude00"'.encode(), "é😀😀"),
        (b"18446744073709551615", 2**64 - 1),
        (b"[]", []),
    ],
)
def test_json_is_read(data: bytes, tree: Any) -> None:
    assert load(data) == tree


_KEYS = st.sampled_from(("a", ":", '":', "é", "\\u003a", "\\u0061", '\\"'))
_SPACE = st.sampled_from(("", " ", "\n", "\t "))


@st.composite
def texts(draw: st.DrawFn, depth: int = 2) -> str:
    """Return objects with few keys in many spellings, so that many stand twice."""
    if depth == 0:
        return draw(st.sampled_from(("1", '":"', '"\\u003a"', "[]", '"a:b"')))
    members = []
    for _ in range(draw(st.integers(0, 3))):
        key = draw(_KEYS).replace('":', '\\":')
        members.append(f'"{key}"{draw(_SPACE)}:{draw(_SPACE)}{draw(texts(depth=depth - 1))}')
    return "{" + f"{draw(_SPACE)},".join(members) + "}"


@given(texts())
@settings(max_examples=200, deadline=None)
def test_keys_that_stand_twice_are_always_seen(text: str) -> None:
    twice: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in found]
        twice.extend(key for key in keys if keys.count(key) > 1)
        return dict(found)

    tree = json.loads(text, object_pairs_hook=pairs)
    if twice:
        assert "stands twice" in refusal(text.encode())
    else:
        assert load(text.encode()) == tree


@given(st.binary(max_size=60) | st.text('{}[]",:0123456789.eE+-truefalsn \\ud8\n', max_size=40).map(str.encode))
@example(b"20000000000000000001")
@settings(max_examples=300, deadline=None)
def test_bytes_are_json_for_us_only_if_they_are_for_python(data: bytes) -> None:
    try:
        tree = load(data)
    except InvalidRequest:
        return
    assert tree == json.loads(data, parse_int=_integer)


def _integer(text: str) -> float:
    number = int(text)
    return number if -(2**63) <= number < 2**64 else float(text)
