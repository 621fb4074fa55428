"""Undoes the content coding of a request's body, piece by piece, with a bound on what comes out."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from edge.model.errors import GatewayError, InvalidRequest, UnsupportedMedia, Violation

_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's words for the formats of RFC 9110 section 8.4.1."""


class BodyDecoder:
    """Undoes one body.

    Args:
        coding: `content-encoding` of the request.
        limit: The most bytes of one piece when it is undone.
        too_large: Makes the refusal of a larger one.

    Raises:
        UnsupportedMedia: the coding is not known.
    """

    __slots__ = ("_limit", "_plain", "_stream", "_too_large")

    def __init__(self, coding: str, limit: int, too_large: Callable[[], GatewayError]) -> None:
        name = coding.strip().lower()
        self._plain = name in ("", "identity")
        if not self._plain and name not in _WINDOW:
            raise UnsupportedMedia(
                f"content-encoding `{name[:40]}` is not known; send gzip, deflate or none",
                metadata={"contentEncoding": name[:40]},
            )
        self._stream = zlib.decompressobj(_WINDOW.get(name, 31))
        self._limit = limit
        self._too_large = too_large

    def feed(self, data: bytes) -> bytes:
        """Return what a piece of the body is.

        Raises:
            InvalidRequest: it is not what the coding says.
            GatewayError: it is too large.
        """
        if self._plain:
            return data
        try:
            found = self._stream.decompress(data, self._limit)
        except zlib.error:
            raise InvalidRequest.of([_violation("is not of the coding that content-encoding names")]) from None
        if self._stream.unconsumed_tail:
            raise self._too_large()
        if self._stream.unused_data:
            raise InvalidRequest.of([_violation("goes on behind the end of its coding")])
        return found

    def finish(self) -> None:
        """Take the end of the body.

        Raises:
            InvalidRequest: it came too early.
        """
        if not self._plain and not self._stream.eof:
            raise InvalidRequest.of([_violation("ends in the middle of its coding")])


def _violation(problem: str) -> Violation:
    return Violation("body", f"it {problem}; send it whole, or without content-encoding")
