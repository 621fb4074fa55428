from __future__ import annotations

import pytest

from transcoding.rules.escapes import BadEscape, decode, decode_but_slashes, decode_bytes, decode_form


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("", ""),
        ("abc", "abc"),
        ("a%20b", "a b"),
        ("%25zz", "%zz"),
        ("%2520", "%20"),
        ("%e4%b8%96", "世"),
        ("世%20", "世 "),
        ("a+b", "a+b"),
        ("%00", "\0"),
        # raw bytes as `surrogateescape` hands them over: the two bytes of é
        ("\udcc3\udca9", "é"),
    ],
)
def test_a_text_is_decoded_once(text: str, decoded: str) -> None:
    assert decode(text) == decoded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("%", "'%' is no percent-escape; write %25"),
        ("a%2", "'%2' is no percent-escape"),
        ("%zz", "'%zz' is no percent-escape"),
        ("%\n1", "no percent-escape"),
        ("%ff", "the byte %FF is no UTF-8"),
        ("a%c3", "the byte %C3 is no UTF-8"),
        ("%ed%a0%80", "no UTF-8"),
        ("\udcff", "the byte %FF is no UTF-8"),
        ("\ud800", "half of a surrogate pair"),
    ],
)
def test_what_is_no_text_is_refused_with_words(text: str, words: str) -> None:
    with pytest.raises(BadEscape) as refused:
        decode(text)
    assert words in str(refused.value)


def test_bytes_need_not_be_utf_8() -> None:
    assert decode_bytes("a%ff\udcfe") == b"a\xff\xfe"


def test_plus_is_a_space_in_a_form() -> None:
    assert decode_form("a+b%2Bc") == "a b+c"


def test_escaped_slashes_stay_as_they_were_sent() -> None:
    assert decode_but_slashes("a%2Fb%2fc%20%252F%41") == "a%2Fb%2fc %2FA"
    with pytest.raises(BadEscape):
        decode_but_slashes("%2F%")
