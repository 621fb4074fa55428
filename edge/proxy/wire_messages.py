"""Messages in DATA, each behind 5 bytes (gRPC doc/PROTOCOL-HTTP2.md), and their compression (doc/compression.md)."""

from __future__ import annotations

import zlib
from struct import Struct
from typing import Final

from edge.model.call import Call
from edge.model.errors import GatewayError, ResponseTooLarge, UpstreamProtocolError
from edge.model.refusals import too_large
from edge.wire.stream import Stream

ACCEPTED: Final = "identity,deflate,gzip"
"""The encodings of messages that are understood, as `grpc-accept-encoding` lists them."""

PIECE: Final = 16_384
"""The most bytes that are queued in one piece: what is sent of a larger one is cut off it again and again."""

_PREFIX: Final = Struct(">BI")

_WINDOWS: Final = {"gzip": 31, "deflate": 15}
"""zlib's word for the header and the largest window of each encoding; deflate is zlib's format (RFC 1950)."""

_LEVEL: Final = 1
"""The loop waits while a message is compressed: level 1 takes a third of the time of 6 and a tenth more bytes."""


def send_message(stream: Stream, message: bytes, end: bool, encoding: str = "") -> None:
    """Send a message, or queue what the windows do not take.

    Args:
        stream: Where it goes.
        message: The message.
        end: Whether it is the last one.
        encoding: What `grpc-encoding` of the request says, `gzip` or `deflate`; empty for no compression.
    """
    flag = 0
    if encoding:
        packed = zlib.compress(message, _LEVEL, _WINDOWS[encoding])
        if len(packed) < len(message):
            flag, message = 1, packed
    size = len(message)
    prefix = _PREFIX.pack(flag, size)
    if size <= PIECE - 5:
        stream.send_data(prefix + message, end)
        return
    at = PIECE - 5
    stream.send_data(prefix + message[:at], False)
    while at < size:
        piece = message[at : at + PIECE]
        at += PIECE
        stream.send_data(piece, end and at >= size)


class MessageReader:
    """Puts the messages of an answer together.

    Args:
        call: The call, for what refusals say.
        limit: The largest message, in bytes without its prefix.
    """

    __slots__ = ("_buffer", "_call", "_compressed", "_left", "_limit", "_prefix")

    def __init__(self, call: Call, limit: int) -> None:
        self._call = call
        self._limit = limit
        self._prefix = b""
        self._left = 0
        self._compressed = False
        self._buffer = bytearray()

    @property
    def whole(self) -> bool:
        """Whether the last message is whole."""
        return not self._left and not self._prefix

    def take(self, data: bytes, found: list[tuple[bytes, bool]]) -> None:
        """Take the next bytes in.

        Args:
            data: The bytes.
            found: Gets the messages that are whole now, each with whether it is compressed; also when this raises.

        Raises:
            ResponseTooLarge: a message is larger than the limit.
            UpstreamProtocolError: the flag of a message is none.
        """
        at = 0
        end = len(data)
        if self._left:
            at = min(self._left, end)
            self._buffer += data if at == end else data[:at]
            self._left -= at
            if self._left:
                return
            found.append((bytes(self._buffer), self._compressed))
            self._buffer = bytearray()
        elif self._prefix:
            data = self._prefix + data
            end = len(data)
            self._prefix = b""
        while end - at >= 5:
            flag, size = _PREFIX.unpack_from(data, at)
            if size > self._limit:
                raise too_large("response", size, self._call)
            if flag > 1:
                raise _broken(self._call, f"begins a message with the flag {flag}, which gRPC does not have")
            at += 5
            if end - at < size:
                self._compressed = flag == 1
                self._buffer += data[at:]
                self._left = size - (end - at)
                return
            found.append((data[at : at + size], flag == 1))
            at += size
        self._prefix = data[at:]


def decompressed(message: bytes, encoding: str, limit: int, call: Call) -> bytes:
    """Return a message whose compressed flag is set. No bytes at all stand for none.

    Args:
        message: What came.
        encoding: What `grpc-encoding` said.
        limit: The most bytes there may be in it. Not many more are ever held.
        call: The call, for what refusals say.

    Raises:
        ResponseTooLarge: there are more.
        UpstreamProtocolError: the encoding is not one we know, or the message is not in it.
    """
    window = _WINDOWS.get(encoding)
    if window is None:
        said = f"with {encoding[:40]!r}" if encoding else "without saying how"
        raise _broken(call, f"compresses messages {said}, and was offered {ACCEPTED}")
    if not message:
        return b""
    stream = zlib.decompressobj(window)
    try:
        plain = stream.decompress(message, limit + 1)
    except zlib.error:
        raise _broken(call, f"sent a message that is not the {encoding} it should be") from None
    if len(plain) > limit:
        counted = too_large("response", limit + 1, call)
        named = {key: value for key, value in counted.metadata.items() if key != "messageBytes"}
        raise ResponseTooLarge(
            f"a response message is larger, once decompressed, than the {limit} bytes that {named['limit']} allows",
            metadata=named,
        )
    if not stream.eof or stream.unused_data:
        raise _broken(call, f"sent a message whose {encoding} stream is cut, or followed by something")
    return plain


def _broken(call: Call, what: str) -> GatewayError:
    name = call.upstream.name if call.upstream is not None else ""
    return UpstreamProtocolError(f"upstream {name} {what}", metadata={"upstream": name})
