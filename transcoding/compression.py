"""gzip (RFC 1952), one message at a time, with a bound on what comes out."""

from __future__ import annotations

import zlib

GZIP = "gzip"
SUPPORTED = (GZIP, "identity")
"""The encodings that are understood, the preferred one first."""

SUPPORTED_WORDS = ", ".join(SUPPORTED)
"""The same, as a header and a sentence list them."""

LEAST_COMPRESSED = 1024
"""The smallest message in bytes that is worth compressing: below, the answer is one packet either way."""

_WINDOW = 31
"""zlib's word for a gzip header and the largest window."""

_LEVEL = 1
"""The loop waits while a message is compressed: level 1 takes a third of the time of 6 and a tenth more bytes."""


class DecompressedTooLargeError(Exception):
    """A message is larger than allowed once decompressed."""


class BadCompressionError(Exception):
    """Bytes that are no gzip stream; the text says why, beginning in lower case."""


def compress(data: bytes) -> bytes:
    """Return bytes as one gzip member."""
    return zlib.compress(data, _LEVEL, _WINDOW)


def decompress(data: bytes, limit: int) -> bytes:
    """Return what one gzip member holds. No bytes at all stand for none: there was nothing to compress.

    Args:
        data: The member.
        limit: The most bytes there may be in it. Not many more are ever held.

    Raises:
        DecompressedTooLargeError: there are more.
        BadCompressionError: it is no gzip, it is cut, or something follows it. RFC 1952 lets members follow each other,
            but no compressor of messages writes that, and thousands of empty ones would cost much and say nothing.
    """
    if not data:
        return b""
    stream = zlib.decompressobj(_WINDOW)
    try:
        plain = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise BadCompressionError(f"it is no gzip: {_reason(error)}") from None
    if len(plain) > limit:
        raise DecompressedTooLargeError
    if not stream.eof:
        raise BadCompressionError("its gzip stream is cut short")
    if stream.unused_data:
        raise BadCompressionError(f"{len(stream.unused_data)} bytes follow its gzip stream")
    return plain


def accepts_gzip(accepted: str) -> bool:
    """Return whether a list of encodings, with or without quality values, has gzip in it.

    Args:
        accepted: The value of `accept-encoding` (RFC 9110 section 12.5.3) or `connect-accept-encoding`.
    """
    if GZIP not in accepted and "*" not in accepted and "GZIP" not in accepted.upper():
        return False
    found: dict[str, bool] = {}
    for part in accepted.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        found[name] = not any(_is_zero(parameter) for parameter in parameters)
    return found.get(GZIP, found.get("*", False))


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and not value.strip().strip("0.")


def _reason(error: zlib.error) -> str:
    """Return zlib's words without its numbers: `Error -3 while decompressing data: incorrect header check`."""
    return str(error).rpartition(": ")[2]
