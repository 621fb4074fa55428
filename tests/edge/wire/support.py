"""Peers of the wire engine without sockets or clocks: bytes in, bytes out, time as a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import hpack

from edge.model.counters import Protections
from edge.model.settings import Limits
from edge.wire import frames
from edge.wire.acceptor import Acceptor, ServerStream
from edge.wire.client import ClientConnection, Owner
from edge.wire.connection import Receiver
from edge.wire.heads import Field
from edge.wire.request_head import RequestHead
from edge.wire.sending import Link, Rules, Turn
from edge.wire.server import ServerConnection

Event = tuple[Any, ...]
"""What a frame says: its kind, its stream, and what else there is to it."""

PREFIX: tuple[Field, ...] = ((":method", "POST"), (":scheme", "http"), (":authority", "endpoint:1"))

GRPC: list[Field] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/a.B/C"),
    (":authority", "shop.example.com:8080"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]
"""The head of a call."""

ANSWER: list[Field] = [(":status", "200"), ("content-type", "application/grpc")]
TRAILERS: list[Field] = [("grpc-status", "0")]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return any frame, right or wrong."""
    return frames.HEADER.pack((len(payload) << 8) | kind, flags, stream) + payload


def message(size: int, fill: bytes = b"m") -> bytes:
    """Return a gRPC message with its prefix."""
    return b"\0" + size.to_bytes(4, "big") + fill * size


def head(*more: Field, path: str = "/a.B/C") -> list[Field]:
    """Return the head of a call with more fields."""
    return [*((name, path if name == ":path" else value) for name, value in GRPC), *more]


class Pipe(Link):
    """What a connection has written."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.closed = False

    def write(self, pieces: list[bytes]) -> None:
        assert not self.closed, "written to after it was closed"
        for piece in pieces:
            self.data += piece

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        data = bytes(self.data)
        self.data.clear()
        return data


class Peer:
    """The other side of one connection, which may say anything. It understands every frame it is sent.

    Args:
        conn: Our connection.
        clock: Returns the time.
    """

    def __init__(self, conn: Receiver, clock: Callable[[], float] = lambda: 100.0) -> None:
        self.conn = conn
        self.pipe = Pipe()
        conn.link = self.pipe
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.decoder.max_header_list_size = 2**20
        self.never_indexed: set[str] = set()
        self._clock = clock
        self._rest = b""
        self._preface = frames.PREFACE if isinstance(conn, ClientConnection) else b""
        self._block = b""
        self._block_head: tuple[int, bool] = (0, False)
        self._events: list[Event] = []

    # === what it says ===

    def say(self, *pieces: bytes) -> None:
        self.conn.receive(b"".join(pieces), self._clock())

    def greet(self, *settings: tuple[int, int]) -> None:
        """Say what its role begins with."""
        preface = frames.PREFACE if isinstance(self.conn, ServerConnection) else b""
        self.say(preface, frames.settings_frame(list(settings)))

    def block(self, fields: Iterable[Any]) -> bytes:
        return bytes(self.encoder.encode(list(fields), huffman=False))

    def headers(self, stream: int, fields: Iterable[Any], end: bool = False) -> None:
        flags = frames.END_HEADERS | (frames.END_STREAM if end else 0)
        self.say(frame(frames.HEADERS, flags, stream, self.block(fields)))

    def data(self, stream: int, data: bytes, end: bool = False, padding: int = -1) -> None:
        flags = frames.END_STREAM if end else 0
        if padding >= 0:
            flags |= frames.PADDED
            data = bytes([padding]) + data + bytes(padding)
        self.say(frame(frames.DATA, flags, stream, data))

    def rst(self, stream: int, code: int) -> None:
        self.say(frames.rst_frame(stream, code))

    def window(self, stream: int, size: int) -> None:
        self.say(frames.window_frame(stream, size))

    # === what it hears ===

    def events(self) -> list[Event]:
        """Return what came since the last time. SETTINGS, their ACK and WINDOW_UPDATE are left out."""
        return [event for event in self.all_events() if event[0] not in ("settings", "settings ack", "window")]

    def all_events(self) -> list[Event]:
        self.listen()
        found = self._events
        self._events = []
        return found

    def listen(self) -> None:
        """Read what was written."""
        self.conn.turn.flush()
        data = self._rest + self.pipe.take()
        if data and self._preface:
            assert data.startswith(self._preface)
            data = data[len(self._preface) :]
            self._preface = b""
        at = 0
        while len(data) - at >= 9:
            word, flags, stream = frames.HEADER.unpack_from(data, at)
            end = at + 9 + (word >> 8)
            if end > len(data):
                break
            self._frame(word & 0xFF, flags, stream, data[at + 9 : end])
            at = end
        self._rest = data[at:]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        assert not self._block or kind == frames.CONTINUATION, "a header block was interrupted"
        note = self._events.append
        if kind == frames.DATA:
            self.took_data(stream, len(payload))
            note(("data", stream, payload, bool(flags & frames.END_STREAM)))
        elif kind in (frames.HEADERS, frames.CONTINUATION):
            if kind == frames.HEADERS:
                self._block_head = (stream, bool(flags & frames.END_STREAM))
            self._block += payload
            if flags & frames.END_HEADERS:
                fields = self.decoder.decode(self._block, raw=True)
                self._block = b""
                self.never_indexed = {str(entry[0], "latin-1") for entry in fields if not entry.indexable}
                texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
                note(("headers", self._block_head[0], texts, self._block_head[1]))
        elif kind == frames.RST_STREAM:
            note(("rst", stream, int.from_bytes(payload, "big")))
        elif kind == frames.SETTINGS:
            note(("settings ack",) if flags & frames.ACK else ("settings", dict(frames.read_settings(payload))))
        elif kind == frames.PING:
            note(("ping", payload, bool(flags & frames.ACK)))
        elif kind == frames.GOAWAY:
            note(("goaway", *frames.read_goaway(payload)))
        elif kind == frames.WINDOW_UPDATE:
            self.got_window(stream, frames.read_word(payload))
            note(("window", stream, frames.read_word(payload)))
        else:
            raise AssertionError(f"a frame of type {kind}")

    def took_data(self, stream: int, size: int) -> None:
        """DATA has come; for subclasses that count."""

    def got_window(self, stream: int, size: int) -> None:
        """Credit has come; for subclasses that count."""


# === the server's side ===


class Noting(ServerStream):
    """A request whose events are noted. The test answers it."""

    def __init__(self, conn: ServerConnection, number: int, notes: list[Event], *, greedy: bool) -> None:
        super().__init__(conn, number)
        self.notes = notes
        self.greedy = greedy

    def begin(self, head: RequestHead, end: bool) -> None:
        self.notes.append(("begin", self.id, list(head.received), end))

    def on_data(self, data: bytes, size: int, end: bool) -> None:
        self.notes.append(("data", self.id, data, end))
        if self.greedy:
            self.consumed(size)

    def on_trailers(self, head: Any) -> None:
        self.notes.append(("trailers", self.id, list(head.fields)))

    def on_reset(self, code: int, unprocessed: bool, words: str) -> None:
        self.notes.append(("reset", self.id, code))


class NotingAcceptor(Acceptor):
    """Makes `Noting` streams.

    Args:
        greedy: Whether they consume whatever comes at once.
    """

    def __init__(self, *, greedy: bool = True) -> None:
        self.notes: list[Event] = []
        self.greedy = greedy

    def stream(self, conn: ServerConnection, number: int, head: RequestHead) -> ServerStream:
        return Noting(conn, number, self.notes, greedy=self.greedy)

    def oversized(self, head: RequestHead) -> tuple[Field, ...]:
        return ((":status", "431"),)


class Served:
    """A server's connection and its caller.

    Args:
        limits: The limits.
        greedy: Whether requests are consumed at once.
        greeted: Whether the caller has said its preface and SETTINGS.
    """

    def __init__(self, limits: Limits | None = None, *, greedy: bool = True, greeted: bool = True) -> None:
        self.now = 100.0
        self.protections = Protections()
        self.acceptor = NotingAcceptor(greedy=greedy)
        self.conn = ServerConnection(
            Rules(limits or Limits()), Turn(), self.acceptor, self.protections, peer="ipv4:198.51.100.7:4711"
        )
        self.caller = Peer(self.conn, lambda: self.now)
        self.conn.start()
        if greeted:
            self.caller.greet()
            self.caller.events()

    def notes(self) -> list[Event]:
        found = list(self.acceptor.notes)
        self.acceptor.notes.clear()
        return found

    def stream(self, number: int) -> Noting:
        return cast("Noting", self.conn.streams[number])

    def goaway(self) -> tuple[int, str] | None:
        """Return code and words of the last GOAWAY since the last look."""
        found = [event for event in self.caller.events() if event[0] == "goaway"]
        return (found[-1][2], found[-1][3]) if found else None


# === the client's side ===


class NotingOwner(Owner):
    """Notes what a connection says of itself."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def on_settled(self, conn: ClientConnection) -> None:
        self.notes.append("settled")

    def on_room(self, conn: ClientConnection) -> None:
        self.notes.append("room")

    def on_leaving(self, conn: ClientConnection) -> None:
        self.notes.append("leaving")
