"""gzip of single messages, with a bound."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoding.compression import (
    BadCompressionError,
    DecompressedTooLargeError,
    accepts_gzip,
    compress,
    decompress,
)


@given(st.binary(max_size=5000))
def test_what_is_compressed_comes_back(data: bytes) -> None:
    assert decompress(compress(data), len(data)) == data
    assert gzip.decompress(compress(data)) == data
    assert decompress(gzip.compress(data), 5000) == data


def test_nothing_stands_for_nothing() -> None:
    assert decompress(b"", 10) == b""


def test_a_message_at_the_limit_passes_and_one_beyond_it_does_not() -> None:
    packed = compress(b"x" * 1000)
    assert decompress(packed, 1000) == b"x" * 1000
    with pytest.raises(DecompressedTooLargeError):
        decompress(packed, 999)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(1 << 26))
    assert len(bomb) < 1 << 17
    with pytest.raises(DecompressedTooLargeError):
        decompress(bomb, 1 << 16)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"plain text", "it is no gzip: incorrect header check"),
        (zlib.compress(b"zlib is not gzip"), "it is no gzip"),
        (gzip.compress(b"cut off")[:-3], "cut short"),
        (gzip.compress(b"cut off")[:10], "cut short"),
        (gzip.compress(b"one") + b"more", "4 bytes follow"),
        (gzip.compress(b"one") + gzip.compress(b"two"), "bytes follow"),
        (gzip.compress(b"checksum")[:-8] + b"\0" * 8, "it is no gzip: incorrect data check"),
    ],
)
def test_what_is_wrong_with_the_bytes_is_said(data: bytes, why: str) -> None:
    with pytest.raises(BadCompressionError, match=why):
        decompress(data, 1000)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_end_in_bytes_or_in_one_of_the_two_errors(data: bytes) -> None:
    for tried in (data, compress(b"head")[:10] + data):
        try:
            assert len(decompress(tried, 100)) <= 100
        except (BadCompressionError, DecompressedTooLargeError):
            continue


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("br, gzip", True),
        ("GZIP", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0.5, br", True),
        ("*", True),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("x-gzip2", False),
        (";;,,=", False),
    ],
)
def test_gzip_is_found_in_a_list_of_encodings(accepted: str, expected: bool) -> None:
    assert accepts_gzip(accepted) is expected
