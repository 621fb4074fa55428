"""Frames of HTTP/2 (RFC 9113 sections 4 and 6): numbers, and what is needed to write them."""

from __future__ import annotations

from struct import Struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins with (RFC 9113 section 3.4)."""

HEADER: Final = Struct(">IBI")
"""A frame header: length and type in one word, flags, stream."""

# types of frames (RFC 9113 section 6)
DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

# flags
END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY_FLAG: Final = 0x20

# error codes (RFC 9113 section 7)
NO_ERROR: Final = 0x0
PROTOCOL_ERROR: Final = 0x1
INTERNAL_ERROR: Final = 0x2
FLOW_CONTROL_ERROR: Final = 0x3
SETTINGS_TIMEOUT: Final = 0x4
STREAM_CLOSED: Final = 0x5
FRAME_SIZE_ERROR: Final = 0x6
REFUSED_STREAM: Final = 0x7
CANCEL: Final = 0x8
COMPRESSION_ERROR: Final = 0x9
CONNECT_ERROR: Final = 0xA
ENHANCE_YOUR_CALM: Final = 0xB
INADEQUATE_SECURITY: Final = 0xC
HTTP_1_1_REQUIRED: Final = 0xD

# settings (RFC 9113 section 6.5.2, RFC 8441)
HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6
ENABLE_CONNECT_PROTOCOL: Final = 0x8

DEFAULT_WINDOW: Final = 65_535
DEFAULT_FRAME: Final = 16_384
LARGEST_WINDOW: Final = 2**31 - 1
LARGEST_FRAME: Final = 2**24 - 1

_SETTING: Final = Struct(">HI")
_WORD: Final = Struct(">I")
_TWO_WORDS: Final = Struct(">II")

ERROR_NAMES: Final = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)


class Http2Error(Exception):
    """The other side has broken the rules in a way that ends the connection.

    Args:
        code: The error code of the GOAWAY.
        words: What was wrong, for the debug data of the GOAWAY.
        protection: The protection that acted, if one did: its name in `edge.model.counters`.
    """

    def __init__(self, code: int, words: str, protection: str = "") -> None:
        super().__init__(words)
        self.code = code
        self.words = words
        self.protection = protection


def error_name(code: int) -> str:
    """Return the name of an error code, or its number in words when it has none."""
    return ERROR_NAMES[code] if code < len(ERROR_NAMES) else f"error {code}"


def settings_frame(pairs: list[tuple[int, int]]) -> bytes:
    """Return a SETTINGS frame."""
    payload = b"".join([_SETTING.pack(key, value) for key, value in pairs])
    return HEADER.pack((len(payload) << 8) | SETTINGS, 0, 0) + payload


SETTINGS_ACK: Final = HEADER.pack(SETTINGS, ACK, 0)


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Return the settings of a SETTINGS frame whose length is a multiple of 6."""
    return [(key, value) for key, value in _SETTING.iter_unpack(payload)]


def read_word(payload: bytes) -> int:
    """Return the four bytes of a frame as a number of 31 bits."""
    number: int = _WORD.unpack_from(payload)[0]
    return number & 0x7FFFFFFF


def rst_frame(stream: int, code: int) -> bytes:
    """Return a RST_STREAM frame."""
    return HEADER.pack((4 << 8) | RST_STREAM, 0, stream) + _WORD.pack(code)


def window_frame(stream: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame."""
    return HEADER.pack((4 << 8) | WINDOW_UPDATE, 0, stream) + _WORD.pack(increment)


def ping_frame(payload: bytes, *, ack: bool) -> bytes:
    """Return a PING frame with its 8 bytes."""
    return HEADER.pack((8 << 8) | PING, ACK if ack else 0, 0) + payload


def goaway_frame(last: int, code: int, words: str = "") -> bytes:
    """Return a GOAWAY frame."""
    payload = _TWO_WORDS.pack(last, code) + words.encode("utf-8", "replace")
    return HEADER.pack((len(payload) << 8) | GOAWAY, 0, 0) + payload


def read_goaway(payload: bytes) -> tuple[int, int, str]:
    """Return the last stream, the error code and the debug data of a GOAWAY frame of at least 8 bytes."""
    last, code = _TWO_WORDS.unpack_from(payload)
    return last & 0x7FFFFFFF, code, payload[8:].decode("utf-8", "replace")
