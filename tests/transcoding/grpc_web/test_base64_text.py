"""Base64 in pieces, split anywhere (statements W4 to W7)."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.http_exchange import split
from transcoding.grpc_web.base64_text import BadBase64Error, Base64Decoder

PARTS = st.lists(st.binary(min_size=1, max_size=20), max_size=6)
CUTS = st.lists(st.integers(0, 200), max_size=10)


def decoded(*pieces: bytes) -> bytes:
    decoder = Base64Decoder()
    found = b"".join(decoder.feed(piece) for piece in pieces)
    decoder.end()
    return found


def test_pieces_are_padded_each_for_itself() -> None:
    expected = bytes.fromhex("00000000050a03666f6f") + bytes.fromhex("8000000010") + b"grpc-status: 0\r\n"
    assert decoded(b"AAAAAAUKA2Zvbw==gAAAABBncnBjLXN0YXR1czogMA0K") == expected
    assert decoded(b"AAAAAAUKA2Zvb4AAAAAQZ3JwYy1zdGF0dXM6IDANCg==") == expected


@given(PARTS, CUTS)
def test_any_split_of_any_pieces_gives_the_same_bytes(parts: list[bytes], cuts: list[int]) -> None:
    text = b"".join(b64encode(part) for part in parts)
    assert decoded(*split(text, cuts)) == b"".join(parts)


@given(st.binary(max_size=100), st.integers(1, 30), CUTS)
def test_line_ends_do_not_count(data: bytes, width: int, cuts: list[int]) -> None:
    text = b64encode(data)
    lines = b"\r\n".join(text[place : place + width] for place in range(0, len(text), width)) + b"\n"
    assert decoded(*split(lines, cuts)) == data


@pytest.mark.parametrize(
    "text",
    [b"****", b"AA=A", b"A===", b"=AAA", b"====", b"AAAA====", b"AA-_", b"AAAA AAAA", "ÄÖÜß".encode(), b"AB==C=="],
)
def test_what_is_no_base64_is_refused_whole_or_byte_by_byte(text: bytes) -> None:
    with pytest.raises(BadBase64Error):
        decoded(text)
    with pytest.raises(BadBase64Error):
        decoded(*(text[place : place + 1] for place in range(len(text))))


@pytest.mark.parametrize("text", [b"A", b"AA", b"AAA", b"AAAAAA", b"AA="])
def test_a_text_that_ends_within_a_group_is_refused(text: bytes) -> None:
    with pytest.raises(BadBase64Error, match="of the 4 characters of a group"):
        decoded(text)


def test_where_it_is_wrong_is_said() -> None:
    with pytest.raises(BadBase64Error, match="behind the first 3 decoded bytes: only base64 data is allowed"):
        decoded(b"AAAA", b"****")


@given(st.binary(max_size=60), CUTS)
def test_arbitrary_text_gives_bytes_or_the_error_however_it_is_split(text: bytes, cuts: list[int]) -> None:
    def outcome(*pieces: bytes) -> bytes | None:
        try:
            return decoded(*pieces)
        except BadBase64Error:
            return None

    assert outcome(text) == outcome(*split(text, cuts))
