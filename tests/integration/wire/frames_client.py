"""HTTP/2 frames as bytes, also those that no library would write, and the connection that carries them.

Header blocks are made of literals without indexing unless a case says otherwise, so that a frame means the same on
every connection and a case can be written down as data.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import struct
from collections.abc import Iterable
from dataclasses import dataclass

Field = tuple[str, str]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST = (1 << 31) - 1
"""The largest window and the largest stream id."""


class Type(enum.IntEnum):
    """The types of frames (RFC 9113 6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Code(enum.IntEnum):
    """The error codes (RFC 9113 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Setting(enum.IntEnum):
    """The settings (RFC 9113 6.5.2, RFC 8441 3)."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6
    ENABLE_CONNECT_PROTOCOL = 8


END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY = 0x20


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", *, reserved: bool = False) -> bytes:
    """Return a frame; the reserved bit before the stream id can be set."""
    return (
        struct.pack(">BHBBI", len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream | reserved << 31) + payload
    )


def padded(payload: bytes, pad: int | None) -> bytes:
    """Return a payload with this number of octets of padding, None for without."""
    return payload if pad is None else bytes((pad,)) + payload + bytes(pad)


def data(stream: int, payload: bytes = b"", *, end: bool = False, pad: int | None = None) -> bytes:
    """Return DATA."""
    flags = (END_STREAM if end else 0) | (PADDED if pad is not None else 0)
    return frame(Type.DATA, flags, stream, padded(payload, pad))


def headers(
    stream: int, block: bytes, *, end: bool = True, last: bool = True, pad: int | None = None, priority: bytes = b""
) -> bytes:
    """Return HEADERS; `last` sets END_HEADERS, `priority` is the five octets of the deprecated fields."""
    flags = (END_STREAM if end else 0) | (END_HEADERS if last else 0)
    flags |= (PADDED if pad is not None else 0) | (PRIORITY if priority else 0)
    return frame(Type.HEADERS, flags, stream, padded(priority + block, pad))


def continuation(stream: int, block: bytes = b"", *, last: bool = True) -> bytes:
    """Return CONTINUATION."""
    return frame(Type.CONTINUATION, END_HEADERS if last else 0, stream, block)


def dependency(on: int, *, exclusive: bool = False, weight: int = 16) -> bytes:
    """Return the five octets of the deprecated priority fields."""
    return struct.pack(">IB", on | exclusive << 31, weight - 1)


def priority(stream: int, on: int = 0, *, exclusive: bool = False, weight: int = 16) -> bytes:
    """Return PRIORITY."""
    return frame(Type.PRIORITY, 0, stream, dependency(on, exclusive=exclusive, weight=weight))


def rst_stream(stream: int, code: int = Code.CANCEL) -> bytes:
    """Return RST_STREAM."""
    return frame(Type.RST_STREAM, 0, stream, struct.pack(">I", code))


def settings(*values: tuple[int, int]) -> bytes:
    """Return SETTINGS."""
    return frame(Type.SETTINGS, 0, 0, b"".join(struct.pack(">HI", name, value) for name, value in values))


SETTINGS_ACK = frame(Type.SETTINGS, ACK, 0)


def ping(payload: bytes = b"conforms", *, ack: bool = False) -> bytes:
    """Return PING."""
    return frame(Type.PING, ACK if ack else 0, 0, payload)


def goaway(last: int = 0, code: int = Code.NO_ERROR, debug: bytes = b"") -> bytes:
    """Return GOAWAY."""
    return frame(Type.GOAWAY, 0, 0, struct.pack(">II", last, code) + debug)


def window_update(stream: int, increment: int) -> bytes:
    """Return WINDOW_UPDATE."""
    return frame(Type.WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def integer(value: int, bits: int, first: int = 0) -> bytes:
    """Return an integer with a prefix of `bits` bits, the octet above it from `first` (RFC 7541 5.1)."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes((first | value,))
    found = bytearray((first | limit,))
    value -= limit
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def text(value: str) -> bytes:
    """Return a string literal without Huffman code (RFC 7541 5.2)."""
    return integer(len(value), 7) + value.encode("latin-1")


def literal(name: str, value: str, first: int = 0x00) -> bytes:
    """Return a literal with a new name: 0x00 without indexing, 0x10 never indexed, 0x40 indexed (RFC 7541 6.2)."""
    return bytes((first,)) + text(name) + text(value)


def block(fields: Iterable[Field]) -> bytes:
    """Return a header block of literals without indexing."""
    return b"".join(literal(name, value) for name, value in fields)


@dataclass(frozen=True)
class Frame:
    """A frame as it was received."""

    kind: int
    """The type."""

    flags: int
    """The flags."""

    stream: int
    """The stream id without the reserved bit."""

    payload: bytes
    """What follows the nine octets."""


class Closed(Exception):
    """The other side closed the connection."""


class Spoke(Exception):
    """The other side answers in HTTP/1; the argument is what it said so far."""


class Client:
    """A connection that writes any octets and reads frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._head = b""
        self._finished = False

    @classmethod
    async def open(cls, address: str, *, source: str = "", within: float = 10.0) -> Client:
        """Connect to `host:port`, from the address `source` when there is one.

        Raises:
            OSError: nobody listens there.
        """
        host, _, port = address.rpartition(":")
        async with asyncio.timeout(within):
            local = (source, 0) if source else None
            return cls(*await asyncio.open_connection(host.strip("[]"), int(port), local_addr=local))

    async def write(self, octets: bytes, within: float = 10.0) -> None:
        """Write octets; what the other side no longer takes is lost silently, reading tells what it said.

        Raises:
            TimeoutError: the other side does not read.
        """
        if self._finished or self._writer.transport.is_closing():
            return
        with contextlib.suppress(ConnectionError):
            self._writer.write(octets)
            async with asyncio.timeout(within):
                await self._writer.drain()

    def finish(self) -> None:
        """Send FIN and go on reading; what is written from now on is lost."""
        self._finished = True
        self._writer.write_eof()

    async def skip_preface(self) -> None:
        """Read the preface of a client, whatever it is."""
        with contextlib.suppress(asyncio.IncompleteReadError):
            await self._reader.readexactly(len(PREFACE))

    async def read(self) -> Frame:
        """Return the next frame. Nothing is lost when the caller gives up and asks again.

        Raises:
            Closed: there is none.
            Spoke: it is no frame but HTTP/1.
        """
        try:
            if not self._head:
                self._head = await self._reader.readexactly(9)
            if self._head.startswith(b"HTTP/1."):
                raise Spoke((self._head + await self._reader.read(65536)).decode("latin-1"))
            high, low, kind, flags, stream = struct.unpack(">BHBBI", self._head)
            payload = await self._reader.readexactly(high << 16 | low)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Closed from error
        self._head = b""
        return Frame(kind, flags, stream & LARGEST, payload)

    async def close(self) -> None:
        """Close the connection at once."""
        self._writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
