"""The query of a unary GET."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.errors import InvalidRequest
from transcoding.connect.query import UnaryQuery, is_connect_query


@pytest.mark.parametrize(
    ("query", "codec", "compression", "message"),
    [
        ("connect=v1&encoding=json&message=%7B%22name%22%3A%22Buf%22%7D", "json", "", b'{"name":"Buf"}'),
        ("message=%7B%7D&encoding=json", "json", "", b"{}"),
        ("encoding=json&message=%C3%A9+%F0%9F%93%9A", "json", "", "é 📚".encode()),
        ("encoding=proto&message=CgNmb28&base64=1", "proto", "", b"\x0a\x03foo"),
        ("encoding=proto&message=-_8%3D&base64=1", "proto", "", b"\xfb\xff"),
        ("encoding=proto&message=%2B/8=&base64=1", "proto", "", b"\xfb\xff"),
        ("encoding=proto&message=AQ&base64=2", "proto", "", b"AQ"),
        ("encoding=proto&message=&base64=1&other=x", "proto", "", b""),
        ("encoding=proto&message=&compression=gzip", "proto", "gzip", b""),
        ("encoding=json&message=1&message=2", "json", "", b"1"),
        ("encoding=json&message=%FF%00", "json", "", b"\xff\x00"),
    ],
)
def test_what_a_query_says(query: str, codec: str, compression: str, message: bytes) -> None:
    assert is_connect_query(query)
    assert UnaryQuery.of(query) == UnaryQuery(codec, compression, message)


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("connect=v1&message=x", "query encoding", "it is missing"),
        ("connect=v1&encoding=json", "query message", "it is missing"),
        ("connect=v2&encoding=json&message=x", "query connect", "send `v1`"),
        ("encoding=json&message=%21&base64=1", "query message", "no URL-safe base64"),
        ("encoding=json&message=A&base64=1", "query message", "no URL-safe base64"),
        ("encoding=json&message=%E9%E9&base64=1", "query message", "no URL-safe base64"),
        ("encoding=json&message=1&" + "a=1&" * 100, "query", "more than 100 parameters"),
    ],
)
def test_what_is_wrong_with_a_query_is_said(query: str, field: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        UnaryQuery.of(query)
    (violation,) = caught.value.violations
    assert violation.field == field
    assert words in violation.description


@given(st.text(max_size=60))
def test_any_query_is_read_or_refused(text: str) -> None:
    for query in (text, f"encoding=json&base64=1&message={text}", f"encoding=json&message={text}"):
        is_connect_query(query)
        try:
            UnaryQuery.of(query)
        except InvalidRequest:
            continue
