"""Headers to metadata and back, and the caller's deadline."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.errors import InvalidRequest
from edge.model.http import HttpRequest, KeptHeaders
from transcoding.headers import (
    _KINDS,
    accepts,
    caller_deadline,
    decode_binary,
    encode_binary,
    from_metadata,
    media_type,
    percent_encode,
    request_metadata,
    to_metadata,
)


def request(*headers: tuple[str, str]) -> HttpRequest:
    return HttpRequest("POST", "/a.B/C", headers, started=100.0)


def test_metadata_passes_in_its_order_and_what_belongs_to_the_connection_does_not() -> None:
    headers = [
        *(("host", "a"), ("content-type", "b"), ("x-a", "1"), ("connection", "close"), ("grpc-timeout", "1S")),
        *(
            ("authorization", "Bearer t"),
            ("x-a", "2"),
            ("connect-timeout-ms", "5"),
            ("bad name", "x"),
            ("te", "trailers"),
        ),
    ]
    assert to_metadata(headers) == [("x-a", "1"), ("authorization", "Bearer t"), ("x-a", "2")]


def test_names_beyond_those_that_are_remembered_are_told_apart_as_well() -> None:
    names = [f"x-{number}{end}" for number in range(3000) for end in ("", "-bin", " ")]
    for _ in range(2):
        found = to_metadata([(name, "QQ") for name in names])
        assert found == [(name, b"A" if name.endswith("-bin") else "QQ") for name in names if name[-1] != " "]
    assert len(_KINDS) <= 1024


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("AQID", [b"\1\2\3"]),
        ("AQ", [b"\1"]),
        ("AQ==", [b"\1"]),
        ("AQ, Ag==", [b"\1", b"\2"]),
        ("", [b""]),
        ("no base64!", []),
        ("A", []),
        ("\xe9", []),
        ("AQ,\xff,Ag", [b"\1", b"\2"]),
    ],
)
def test_binary_metadata_is_decoded_once_padded_or_not(value: str, expected: list[bytes]) -> None:
    assert to_metadata([("x-data-bin", value)]) == [("x-data-bin", data) for data in expected]


@given(st.binary(max_size=50))
def test_binary_values_come_back(value: bytes) -> None:
    text = encode_binary(value)
    assert "=" not in text
    assert decode_binary(text) == value


def test_metadata_of_an_answer_becomes_headers_but_for_what_would_lie_about_the_answer() -> None:
    metadata: list[tuple[str, str | bytes]] = [
        ("x-a", "1"),
        ("x-b-bin", b"\xff"),
        ("content-length", "5"),
        ("grpc-status", "0"),
        ("trailer", "x"),
    ]
    assert from_metadata(metadata) == [("x-a", "1"), ("x-b-bin", "/w")]
    assert from_metadata(metadata, "trailer-") == [("trailer-x-a", "1"), ("trailer-x-b-bin", "/w")]


@given(st.text(max_size=40))
def test_a_percent_encoded_message_is_printable_ascii_and_comes_back(message: str) -> None:
    encoded = percent_encode(message)
    assert encoded.isascii()
    assert not encoded or encoded.isprintable()
    assert unquote(encoded) == message


def test_what_a_message_cannot_hold_does_not_fail_it() -> None:
    assert percent_encode("a\ud800b") == "a?b"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        ([("grpc-timeout", "500m")], 0.5),
        ([("grpc-timeout", "2H")], 7200),
        ([("grpc-timeout", "7n")], 7e-9),
        ([("connect-timeout-ms", "1500")], 1.5),
        ([("x-server-timeout", "2.5")], 2.5),
        ([("request-timeout", "30")], 30),
        ([("connect-timeout-ms", "5000"), ("grpc-timeout", "1S"), ("request-timeout", "3")], 1),
    ],
)
def test_the_earliest_deadline_counts(headers: list[tuple[str, str]], seconds: float | None) -> None:
    assert caller_deadline(request(*headers)) == (None if seconds is None else 100.0 + seconds)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grpc-timeout", "5"),
        ("grpc-timeout", "123456789S"),
        ("grpc-timeout", "-1S"),
        ("connect-timeout-ms", "1.5"),
        ("connect-timeout-ms", "12345678901"),
        ("connect-timeout-ms", ""),
        ("request-timeout", "soon"),
        ("x-server-timeout", "1e3"),
        ("request-timeout", "\u0661"),
    ],
)
def test_a_deadline_that_is_none_is_refused_by_its_header(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        caller_deadline(request((name, value)))
    assert caught.value.violations[0].field == f"header {name}"


def test_the_media_type_is_without_parameters_and_in_lower_case() -> None:
    assert media_type(request(("content-type", " Application/JSON ; charset=utf-8"))) == "application/json"
    assert media_type(request()) == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        ("a/b", ["a/b"]),
        ("a/b;q=0.5, C/D, e/f;q=0.9", ["c/d", "e/f", "a/b"]),
        ("a/b, c/d", ["a/b", "c/d"]),
        ("a/b;q=0, c/d;q=nan, e/f;q=x, g/h;q=1;v=2", ["g/h"]),
        (",,;q=1,", []),
    ],
)
def test_accepted_types_come_in_the_order_of_preference(value: str, expected: list[str]) -> None:
    assert list(accepts(request(("accept", value)))) == expected


def test_what_is_known_of_kept_headers_is_found_out_once() -> None:
    kept = KeptHeaders((("content-type", "Application/JSON; a=b"), ("x-a", "1"), ("request-timeout", "2")))
    first, second = (HttpRequest("GET", "/", kept.pairs, kept=kept, started=started) for started in (10.0, 20.0))
    assert request_metadata(first) == tuple(to_metadata(kept.pairs))
    assert request_metadata(second) is request_metadata(first)
    assert (media_type(first), kept.media) == ("application/json", "application/json")
    assert (caller_deadline(first), caller_deadline(second)) == (12.0, 22.0)
    assert second.header("x-a") == "1"


def test_kept_headers_without_a_deadline() -> None:
    kept = KeptHeaders((("x-a", "1"),))
    request = HttpRequest("GET", "/", kept.pairs, kept=kept)
    assert (caller_deadline(request), caller_deadline(request), kept.timed) == (None, None, False)
