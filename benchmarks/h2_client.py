"""HTTP/2 over a plain socket for the load generators: frames, and a caller of unary gRPC calls.

The caller is a peer as real ones are: it indexes what they index, keeps to the windows it is given, and looks at the
status of every answer. It is no library: what a proxy may not do is an error here.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32
HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 1, 3, 4
MOST = 2**31 - 1
"""The largest window."""

DEADLINE = 30.0
"""Seconds without a byte after which a connection counts as dead."""

_READ = 256 * 1024
_CREDIT_AFTER = 2**20
_MEANINGS = 64
"""How many header blocks of answers are remembered."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return the bytes of a frame (RFC 9113 section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def settings(values: dict[int, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(
        SETTINGS, 0, 0, b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in values.items())
    )


def read_settings(payload: bytes) -> dict[int, int]:
    """Return what a SETTINGS frame says."""
    return {
        int.from_bytes(payload[at : at + 2], "big"): int.from_bytes(payload[at + 2 : at + 6], "big")
        for at in range(0, len(payload), 6)
    }


class Frames:
    """Cuts what was received into frames.

    Args:
        skip: The bytes before the first frame: those of the preface at a server.
    """

    def __init__(self, skip: int = 0) -> None:
        self._rest = b""
        self._skip = skip

    def feed(self, data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield kind, flags, stream and payload without padding of each whole frame."""
        data = self._rest + data
        at, size = self._skip, len(data)
        while size - at >= 9:
            end = at + 9 + int.from_bytes(data[at : at + 3], "big")
            if end > size:
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : at + 9], "big") & MOST
            payload = data[at + 9 : end]
            if kind in (DATA, HEADERS):
                if flags & PADDED:
                    payload = payload[1 : len(payload) - payload[0]]
                if kind == HEADERS and flags & PRIORITY:
                    payload = payload[5:]
            at = end
            yield kind, flags, stream, payload
        self._skip = max(at - size, 0)
        self._rest = data[at:]


@dataclass(slots=True)
class Answer:
    """What came for one call so far."""

    headers: dict[str, str] = field(default_factory=dict)
    """Headers and trailers."""

    size: int = 0
    """Bytes of DATA."""

    body: bytes = b""
    """The last piece of DATA."""


class Client:
    """One connection that makes unary calls.

    Args:
        port: Where to, on 127.0.0.1.
        stream_window: The bytes of each answer that may come; no stream is given more than these.
    """

    def __init__(self, port: int, *, stream_window: int = MOST) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open: dict[int, Answer] = {}
        """The calls that have not ended, by stream."""
        self._authority = f"127.0.0.1:{port}"
        self._encoder = hpack.Encoder()
        self._decoder = hpack.Decoder()
        self._meanings: dict[bytes, dict[str, str]] = {}
        self._prepared = False
        self._frames = Frames()
        self._next = 1
        self._credit = 65_535
        self._received = 0
        self._block = b""
        self._ends = False
        hello = settings({2: 0, INITIAL_WINDOW_SIZE: stream_window})
        self._out = [PREFACE, hello, frame(WINDOW_UPDATE, 0, 0, (MOST - 65_535).to_bytes(4, "big"))]

    def fileno(self) -> int:
        """Return the number of the socket, for a selector."""
        return self.socket.fileno()

    def call(self, path: str, message: bytes, headers: Sequence[tuple[str, str]] = ()) -> int:
        """Begin a call with the next flush, and return its stream.

        The path is a literal that is not indexed, every other header is indexed, as nghttp2 and grpc do.

        Args:
            path: The path, of less than 127 octets.
            message: The request in its gRPC frame. It has to be small: it is sent at once.
            headers: More headers.

        Raises:
            RuntimeError: the proxy gave no credit for the message.
        """
        stream, sent = self._encode(path, message, headers)
        self.begin(stream, sent, len(message))
        return stream

    def prepare(
        self, calls: Sequence[tuple[str, Sequence[tuple[str, str]]]], message: bytes
    ) -> list[tuple[int, bytes]]:
        """Return the streams of calls and what is sent for them by `begin`, in this order and before any other call.

        Encoding headers that all differ takes longer than what a proxy does with them. It is not to wait for that.

        Args:
            calls: Their paths and headers.
            message: The request of each in its gRPC frame.
        """
        self._prepared = True
        return [self._encode(path, message, headers) for path, headers in calls]

    def begin(self, stream: int, sent: bytes, size: int) -> None:
        """Begin a call with the next flush.

        Args:
            stream: Its stream.
            sent: Its frames.
            size: The bytes of its message.

        Raises:
            RuntimeError: the proxy gave no credit for the message.
        """
        if self._credit < size:
            raise RuntimeError("the proxy does not give back the credit of the connection")
        self._credit -= size
        self._out.append(sent)
        self.open[stream] = Answer()

    def _encode(self, path: str, message: bytes, headers: Sequence[tuple[str, str]]) -> tuple[int, bytes]:
        stream = self._next
        self._next += 2
        encode = self._encoder.encode
        block = encode([(":method", "POST"), (":scheme", "http")]) + b"\x04" + bytes((len(path),)) + path.encode()
        block += encode(
            [(":authority", self._authority), ("te", "trailers"), ("content-type", "application/grpc"), *headers]
        )
        return stream, frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, message)

    def flush(self) -> None:
        """Send what waits."""
        if self._out:
            self.socket.sendall(b"".join(self._out))
            self._out.clear()

    def receive(self) -> list[tuple[int, Answer]]:
        """Read once and return the calls that ended well by it.

        Raises:
            RuntimeError: a call failed, or the proxy ended the connection.
            TimeoutError: nothing came.
        """
        data = self.socket.recv(_READ)
        if not data:
            raise RuntimeError(f"the proxy closed the connection with {len(self.open)} calls open")
        ended = []
        for kind, flags, stream, payload in self._frames.feed(data):
            if kind == DATA:
                self._take(len(payload))
                answer = self.open[stream]
                answer.size += len(payload)
                answer.body = payload
                if flags & END_STREAM:
                    ended.append(self._end(stream))
            elif kind in (HEADERS, CONTINUATION):
                self._block += payload
                self._ends = bool(flags & END_STREAM) if kind == HEADERS else self._ends
                if flags & END_HEADERS:
                    self.open[stream].headers.update(self._decode(self._block))
                    self._block = b""
                    if self._ends:
                        ended.append(self._end(stream))
            else:
                self._control(kind, flags, stream, payload)
        return ended

    def _decode(self, block: bytes) -> dict[str, str]:
        """Return what a block says. The same bytes say the same until the table changes."""
        fields = self._meanings.get(block)
        if fields is None:
            table = self._decoder.header_table
            before = list(table.dynamic_entries)
            fields = dict(self._decoder.decode(block))  # type: ignore[arg-type] # text
            if before != list(table.dynamic_entries):
                self._meanings.clear()
            elif len(self._meanings) < _MEANINGS:
                self._meanings[block] = fields
        return fields

    def _end(self, stream: int) -> tuple[int, Answer]:
        answer = self.open.pop(stream)
        if answer.headers.get(":status") != "200" or answer.headers.get("grpc-status") != "0":
            raise RuntimeError(f"a call is answered with {answer.headers}")
        return stream, answer

    def _take(self, size: int) -> None:
        self._received += size
        if self._received >= _CREDIT_AFTER:
            self._out.append(frame(WINDOW_UPDATE, 0, 0, self._received.to_bytes(4, "big")))
            self._received = 0

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            table = read_settings(payload).get(HEADER_TABLE_SIZE, 4096)
            if table < 4096 and self._prepared:
                raise RuntimeError(f"calls were prepared for a header table of 4096 bytes; the proxy allows {table}")
            if table < 4096:
                self._encoder.header_table_size = table
            self._out.append(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self._out.append(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE and not stream:
            self._credit += int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            raise RuntimeError(f"the proxy ends the connection: {payload[4:]!r}")
        elif kind == RST_STREAM and stream in self.open:
            raise RuntimeError(f"the proxy resets a call with {int.from_bytes(payload, 'big')}")
