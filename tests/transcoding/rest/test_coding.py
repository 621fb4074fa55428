from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.errors import InvalidRequest, MessageTooLarge, UnsupportedMedia
from transcoding.rest.coding import BodyDecoder

LIMIT = 1000


def decoder(coding: str) -> BodyDecoder:
    return BodyDecoder(coding, LIMIT, lambda: MessageTooLarge("too large"))


@given(st.binary(max_size=LIMIT), st.sampled_from(["gzip", "x-gzip", "GZIP", "deflate"]), st.integers(1, 7))
def test_what_was_coded_comes_back_however_it_is_cut(data: bytes, coding: str, step: int) -> None:
    coded = zlib.compress(data) if coding == "deflate" else gzip.compress(data)
    found = decoder(coding)
    assert b"".join(found.feed(coded[at : at + step]) for at in range(0, len(coded), step)) == data
    found.finish()


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_a_plain_body_is_as_it_is(coding: str) -> None:
    found = decoder(coding)
    assert found.feed(b"as it is") == b"as it is"
    found.finish()


def test_an_unknown_coding_is_refused_with_those_that_would_do() -> None:
    with pytest.raises(UnsupportedMedia, match="gzip, deflate or none"):
        decoder("br")


def test_a_bomb_is_refused() -> None:
    with pytest.raises(MessageTooLarge):
        decoder("gzip").feed(gzip.compress(b"\0" * 10_000_000))


def test_a_cut_body_is_refused() -> None:
    found = decoder("gzip")
    found.feed(gzip.compress(b"whole")[:-3])
    with pytest.raises(InvalidRequest, match="middle"):
        found.finish()


@pytest.mark.parametrize("body", [b"not gzip at all", gzip.compress(b"a") + b"more"])
def test_a_body_that_is_not_what_it_says_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="coding"):
        decoder("gzip").feed(body)
