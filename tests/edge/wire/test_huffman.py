from __future__ import annotations

import pytest
from hpack.exceptions import HPACKDecodingError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.wire import huffman
from edge.wire.huffman import HpackError

RFC_STRINGS = [
    # RFC 7541 C.4 and C.6
    ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
    ("no-cache", "a8eb10649cbf"),
    ("custom-key", "25a849e95ba97d7f"),
    ("custom-value", "25a849e95bb8e8b4bf"),
    ("302", "6402"),
    ("307", "640eff"),
    ("private", "aec3771a4b"),
    ("Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
    ("https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"),
    ("gzip", "9bd9ab"),
    (
        "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ),
]

THEIRS = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


@pytest.mark.parametrize(("text", "coded"), RFC_STRINGS)
def test_the_strings_of_the_rfc_both_ways(text: str, coded: str) -> None:
    assert huffman.encode(text.encode()).hex() == coded
    assert huffman.decode(bytes.fromhex(coded)) == text
    assert huffman.decode_kept(bytes.fromhex(coded)) == text


@pytest.mark.parametrize("octet", range(256))
def test_each_octet_has_the_code_of_the_rfc(octet: int) -> None:
    data = bytes((octet,)) * 9
    assert huffman.encode(data) == THEIRS.encode(data)
    assert huffman.decode(huffman.encode(data)) == chr(octet) * 9


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_what_is_encoded_is_as_hpack_does_it_and_decodes_to_the_same(data: bytes) -> None:
    coded = huffman.encode(data)
    assert coded == THEIRS.encode(data)
    assert huffman.decode(coded) == data.decode("latin-1")
    assert huffman.decode_kept(coded) == data.decode("latin-1")


@given(
    st.one_of(
        st.binary(max_size=60),
        # ends of valid strings: the padding is where decoders differ
        st.builds(lambda data, tail: huffman.encode(data) + tail, st.binary(max_size=20), st.binary(max_size=5)),
        st.builds(
            lambda data, last: huffman.encode(data)[:-1] + bytes((last,)),
            st.binary(min_size=1, max_size=9),
            st.integers(0, 255),
        ),
    )
)
@settings(deadline=None, max_examples=400)
def test_any_octets_decode_as_hpack_decodes_them_or_not_at_all(data: bytes) -> None:
    try:
        expected = decode_huffman(data)
    except HPACKDecodingError:
        with pytest.raises(HpackError):
            huffman.decode(data)
    else:
        assert huffman.decode(data) == expected.decode("latin-1")


@pytest.mark.parametrize(
    "coded",
    [
        pytest.param("ff", id="8 bits of padding and nothing else"),
        pytest.param("1fff", id="more than 7 bits after a symbol"),
        pytest.param("18", id="padding of zeros"),
        pytest.param("1e", id="padding that ends in a zero"),
        pytest.param("f1e3c2e5f23a6ba0ab90f4ffff", id="an octet of padding too much"),
        pytest.param("fffffe", id="the beginning of a long symbol"),
    ],
)
def test_padding_that_the_rfc_forbids_is_an_error(coded: str) -> None:
    with pytest.raises(HpackError, match=r"ends inside a symbol or in padding"):
        huffman.decode(bytes.fromhex(coded))


@pytest.mark.parametrize(
    "coded",
    ["fffffffc", "ffffffff", "fffffffc1f", "1fffffffe3", "ffffffffffffffff"],
)
def test_eos_in_a_string_is_an_error(coded: str) -> None:
    with pytest.raises(HpackError, match="has EOS in it"):
        huffman.decode(bytes.fromhex(coded))


@pytest.mark.parametrize("padding", range(8))
def test_up_to_seven_ones_are_padding(padding: int) -> None:
    # `0` has 5 bits: one to eight of them end at each place in an octet
    text = next("0" * count for count in range(1, 9) if -5 * count % 8 == padding)
    assert huffman.decode(huffman.encode(text.encode())) == text


def test_an_empty_string_is_one() -> None:
    assert huffman.encode(b"") == b""
    assert huffman.decode(b"") == ""


def test_what_is_remembered_is_bounded_and_stays_right() -> None:
    texts = [f"value-{number}" for number in range(3 * huffman._KEPT_STRINGS)]
    for text in texts:
        coded = huffman.encode(text.encode())
        assert huffman.decode_kept(coded) == text
        assert huffman.decode_kept(coded) == text
        assert len(huffman._kept) <= huffman._KEPT_STRINGS
    long = huffman.encode(b"a" * 1000)
    assert huffman.decode_kept(long) == "a" * 1000
    assert long not in huffman._kept


def test_a_secret_is_not_remembered() -> None:
    coded = huffman.encode(b"Bearer of-a-token-that-nobody-has")
    assert huffman.decode(coded) == "Bearer of-a-token-that-nobody-has"
    assert coded not in huffman._kept


def test_an_error_is_not_remembered_as_a_string() -> None:
    for _ in range(2):
        with pytest.raises(HpackError):
            huffman.decode_kept(b"\xff")


@given(
    st.text(st.characters(max_codepoint=126), min_size=100, max_size=300),
    st.lists(st.sampled_from("\\<{`~^|\0\xff"), max_size=3),
    st.integers(0, 4),
    st.binary(max_size=5),
    st.one_of(st.none(), st.integers(0, 255)),
)
@settings(deadline=None, max_examples=600)
def test_long_strings_decode_as_hpack_decodes_them(
    text: str, rare: list[str], cut: int, tail: bytes, last: int | None
) -> None:
    coded = huffman.encode((text + "".join(rare)).encode("latin-1"))
    data = coded[: len(coded) - cut] + tail
    if last is not None:
        data = data[:-1] + bytes((last,))
    try:
        expected = decode_huffman(data)
    except HPACKDecodingError:
        with pytest.raises(HpackError):
            huffman.decode(data)
    else:
        assert huffman.decode(data) == expected.decode("latin-1")
