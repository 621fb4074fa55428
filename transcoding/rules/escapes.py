"""Percent-escapes of paths and queries (RFC 3986 section 2.1), decoded strictly."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_SLASH = re.compile(r"(%2[Ff])")


class BadEscape(ValueError):
    """A text holds something that is no percent-escape, or escapes that are no UTF-8. The message says which."""


def plain(text: str) -> bool:
    """Whether a text is what it decodes to."""
    return "%" not in text and text.isascii()


def decode(text: str) -> str:
    """Return a text with its escapes decoded, once.

    Args:
        text: The text as it was sent. Bytes beyond ASCII may stand in it as they are: as characters, or as the
            surrogates that Python's `surrogateescape` makes of bytes that are no UTF-8.

    Raises:
        BadEscape: a `%` is not followed by two hexadecimal digits, or the bytes are no UTF-8.
    """
    if plain(text):
        return text
    try:
        return decode_bytes(text).decode()
    except UnicodeDecodeError as error:
        found = error.object[error.start : error.start + 1].hex().upper()
        raise BadEscape(f"the byte %{found} is no UTF-8; encode text as UTF-8 before percent-encoding it") from None


def decode_bytes(text: str) -> bytes:
    """Return the bytes that a text with escapes stands for.

    Raises:
        BadEscape: a `%` is not followed by two hexadecimal digits, or a surrogate stands for no byte.
    """
    if (bad := _BAD_ESCAPE.search(text)) is not None:
        raise BadEscape(f"{bad.group()!a} is no percent-escape; write %25 for a percent sign")
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadEscape("half of a surrogate pair is no text; encode text as UTF-8") from None
    return unquote_to_bytes(raw)


def decode_form(text: str) -> str:
    """Return a name or value of a query decoded as HTML forms encode it: `+` is a space.

    Raises:
        BadEscape: as `decode`.
    """
    return decode(text.replace("+", " ") if "+" in text else text)


def decode_but_slashes(text: str) -> str:
    """Return a text with all escapes decoded but those of `/`, which stay as they were sent.

    Raises:
        BadEscape: as `decode`.
    """
    if plain(text):
        return text
    pieces = _SLASH.split(text)
    return "".join(piece if number % 2 else decode(piece) for number, piece in enumerate(pieces))
