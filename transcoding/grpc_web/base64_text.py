"""The base64 of `application/grpc-web-text`, which comes in pieces that are padded each for itself.

Source: gRPC doc/PROTOCOL-WEB.md: "the stream is base64-encoded … in pieces", so padding may stand anywhere between two
groups of four, and a read may end within a group.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64

_LINE_ENDS = b"\r\n"
_EARLY = "padding stands where a character is due"


class BadBase64Error(ValueError):
    """Text that is no base64; the message says where and why, beginning in lower case."""


class Base64Decoder:
    """Decodes text that comes in pieces of any size. Line ends, as the tool `base64` writes them, do not count."""

    __slots__ = ("_decoded", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._decoded = 0

    def feed(self, text: bytes) -> bytes:
        """Return what the next piece adds. Up to three characters are kept until their group is whole.

        Raises:
            BadBase64Error: it holds something that is no base64.
        """
        text = self._rest + text.translate(None, _LINE_ENDS)
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        if b"=" in self._rest[:2]:
            raise self._bad(_EARLY)
        if b"=" not in text:
            return self._decode(text[:whole])
        parts = []
        begin = 0
        while begin < whole:
            padding = text.find(b"=", begin, whole)
            end = whole if padding < 0 else padding // 4 * 4 + 4
            if padding >= 0 and (padding % 4 < 2 or text[padding:end].strip(b"=")):
                raise self._bad(_EARLY)  # not everything of this is an error for binascii
            parts.append(self._decode(text[begin:end]))
            begin = end
        return b"".join(parts)

    def end(self) -> None:
        """Say that the text has ended.

        Raises:
            BadBase64Error: it ended within a group of four.
        """
        if self._rest:
            raise self._bad(f"the text ends after {len(self._rest)} of the 4 characters of a group; pad it with `=`")

    def _decode(self, text: bytes) -> bytes:
        try:
            decoded = a2b_base64(text, strict_mode=True)
        except Base64Error as error:
            raise self._bad(str(error)[:1].lower() + str(error)[1:]) from None
        self._decoded += len(decoded)
        return decoded

    def _bad(self, why: str) -> BadBase64Error:
        return BadBase64Error(f"the base64 is wrong behind the first {self._decoded} decoded bytes: {why}")
