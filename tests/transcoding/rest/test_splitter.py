from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.errors import InvalidRequest, MessageTooLarge
from transcoding.rest.splitter import JsonSplitter

LIMIT = 1 << 20

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
containers = st.lists(json_values, max_size=4) | st.dictionaries(st.text(max_size=5), json_values, max_size=4)


def split(pieces: list[bytes], *, array: bool = True, limit: int = LIMIT) -> list[Any]:
    splitter = JsonSplitter(array=array, limit=limit, too_large=lambda: MessageTooLarge("too large"))
    found = [value for piece in pieces for value in splitter.feed(piece)]
    found += splitter.finish()
    return [json.loads(value) for value in found]


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@given(st.lists(json_values, max_size=6), st.lists(st.integers(0, 10_000), max_size=8), st.sampled_from([None, 2]))
def test_an_array_gives_its_values_however_it_is_cut(values: list[Any], cuts: list[int], indent: int | None) -> None:
    data = json.dumps(values, indent=indent).encode()
    assert split(chunks(data, cuts)) == values


@given(
    st.lists(containers, max_size=6),
    st.lists(st.integers(0, 10_000), max_size=8),
    st.sampled_from([b"\n", b"", b" ", b"\r\n", b"\n\x1e"]),
)
def test_a_sequence_gives_its_values_however_it_is_cut(values: list[Any], cuts: list[int], between: bytes) -> None:
    data = b"".join(json.dumps(value).encode() + between for value in values)
    assert split(chunks(data, cuts), array=False) == values


@given(st.lists(st.integers() | st.booleans(), min_size=1, max_size=5))
def test_scalars_one_a_line_are_values(values: list[Any]) -> None:
    assert split([b"\n".join(json.dumps(value).encode() for value in values)], array=False) == values


@given(st.binary(max_size=60), st.booleans(), st.lists(st.integers(0, 60), max_size=4))
def test_no_bytes_do_anything_but_split_or_be_refused(data: bytes, array: bool, cuts: list[int]) -> None:
    splitter = JsonSplitter(array=array, limit=40, too_large=lambda: MessageTooLarge("too large"))
    try:
        found = [value for piece in chunks(data, cuts) for value in splitter.feed(piece)]
        found += splitter.finish()
    except (InvalidRequest, MessageTooLarge):
        return
    assert sum(map(len, found)) <= len(data)


@pytest.mark.parametrize(
    "body", [b"[1 2]", b"[,1]", b"[1,,2]", b"[1,]", b"[1]2", b"[1", b"[", b'["a', b'[{"a":1}', b"[1,"]
)
def test_an_array_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="array"):
        split([body])


@pytest.mark.parametrize("body", [b'{"a":1', b'"a', b'{"a":"'])
def test_a_sequence_that_ends_in_the_middle_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="middle"):
        split([body])


def test_a_body_of_nothing_has_no_values() -> None:
    assert split([b"", b" \n "]) == []


def test_a_value_is_refused_before_it_is_held_whole() -> None:
    splitter = JsonSplitter(array=True, limit=1000, too_large=lambda: MessageTooLarge("too large"))
    assert list(splitter.feed(b'["' + b"x" * 600)) == []
    with pytest.raises(MessageTooLarge):
        list(splitter.feed(b"x" * 600))


def test_values_come_as_soon_as_they_are_whole() -> None:
    splitter = JsonSplitter(array=True, limit=LIMIT, too_large=lambda: MessageTooLarge("too large"))
    assert list(splitter.feed(b'[{"a":1},{"b"')) == [b'{"a":1}']
    assert list(splitter.feed(b":2}")) == [b'{"b":2}']
    assert list(splitter.feed(b"]")) == []
    assert list(splitter.finish()) == []
