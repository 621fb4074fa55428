"""The half of a connection that sends: windows of the other side, what waits for them, and what goes out next.

What is to be sent is gathered in `out` and written once in a turn of the loop by whoever owns the transport.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from edge.model.settings import Limits
from edge.wire.frames import (
    CONTINUATION,
    DATA,
    DEFAULT_FRAME,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEADER,
    HEADERS,
    LARGEST_WINDOW,
    goaway_frame,
    window_frame,
)
from edge.wire.hpack_encoder import Encoder

if TYPE_CHECKING:
    from edge.wire.stream import Stream

ALLOWED_EACH: Final = 4
"""The control frames that each DATA or answer allows the other side: grpc opens both windows up to twice a message."""

PUMP_BYTES: Final = 256 * 1024
"""The most bytes that leave the queues of a connection before they are written."""


class Rules:
    """The limits of a connection, from the gateway's settings.

    Args:
        limits: The limits.
    """

    def __init__(self, limits: Limits) -> None:
        self.stream_window: int = max(limits.stream_buffer_bytes, 1)
        """The bytes of a stream that may wait here."""
        self.connection_window: int = max(limits.connection_buffer_bytes, DEFAULT_WINDOW)
        """The bytes of all streams together."""
        self.max_streams: int = limits.max_concurrent_streams
        # what is a little over is refused by whoever knows the call, with the words and the status for it
        self.max_list: int = 2 * limits.max_metadata_bytes + 1024
        self.max_headers: int = limits.max_headers
        self.max_block: int = max(8 * limits.max_metadata_bytes, 128 * 1024)
        """The bytes of a header block on the wire, beyond which the connection ends."""
        self.max_premature_resets: int = limits.max_premature_resets
        self.max_control_frames: int = limits.max_control_frames


@mypyc_attr(allow_interpreted_subclasses=True)
class Link:
    """The transport of a connection. For whoever owns the loop to override."""

    def write(self, pieces: list[bytes]) -> None:
        """Write pieces, in order."""
        raise NotImplementedError

    def close(self) -> None:
        """Close when everything is written."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Turn:
    """The connections that have something to write in this turn of the loop."""

    def __init__(self) -> None:
        self.dirty: list[Sender] = []

    def add(self, conn: Sender) -> None:
        """Note a connection. The first one of a turn calls `schedule`."""
        self.dirty.append(conn)
        if len(self.dirty) == 1:
            self.schedule()

    def flush(self) -> None:
        """Write what there is."""
        while self.dirty:
            dirty = self.dirty
            self.dirty = []
            for conn in dirty:
                conn.dirty = False
                link = conn.link
                pieces = conn.out
                conn.out = []
                if link is None:
                    continue
                if pieces:
                    link.write(pieces)
                if conn.pumped:
                    conn.written()
                if conn.ended and not conn.dirty:
                    link.close()

    def schedule(self) -> None:
        """Make sure that the connections are written soon. For whoever owns the transports to override."""


class Sender:
    """What a connection needs to send.

    Args:
        rules: The limits.
        turn: Where it says that there is something to write.
    """

    __slots__ = (
        "allowance",
        "blocked",
        "credit_at",
        "credit_low",
        "dirty",
        "encoder",
        "ended",
        "expected",
        "goaway_last",
        "link",
        "most_ahead",
        "now",
        "out",
        "owed",
        "peer_frame",
        "peer_window",
        "pumped",
        "recv_left",
        "resets",
        "rules",
        "send_window",
        "stream_credit_at",
        "streams",
        "turn",
        "waiting",
    )

    def __init__(self, rules: Rules, turn: Turn) -> None:
        self.rules = rules
        self.turn = turn
        self.streams: dict[int, Stream] = {}
        self.encoder = Encoder()
        self.now: float = 0.0
        """The monotonic clock, in seconds, as of the last bytes that came."""
        self.link: Link | None = None
        """The transport."""
        self.out: list[bytes] = []
        """What is to be written."""
        self.dirty: bool = False
        """Whether the turn knows of it."""
        self.blocked: bool = False
        """Whether the transport has as much as it should have; DATA waits then."""
        self.ended: bool = False
        """Whether nothing more is read; the transport closes when `out` is written."""
        self.send_window: int = DEFAULT_WINDOW
        """The bytes the other side still takes on all streams."""
        self.peer_window: int = DEFAULT_WINDOW
        """What the other side takes on a new stream."""
        self.peer_frame: int = DEFAULT_FRAME
        """The largest frame the other side takes."""
        self.expected: int = -1
        """What a new stream is still promised of DATA: nothing is known, or 0 when a head has to come first."""
        self.recv_left: int = rules.connection_window
        """The bytes the other side may still send on all streams."""
        self.owed: int = 0
        """What has been consumed and not been given back by WINDOW_UPDATE; below 0, what was given ahead of that."""
        self.most_ahead: int = 0
        """The bytes that may be given back though they are still held for readers that are slow."""
        self.credit_at: int = rules.connection_window // 2
        """From how much in `owed` on credit is given."""
        self.credit_low: int = rules.connection_window // 2
        """Below how much in `recv_left` credit is given as soon as it makes a difference."""
        self.stream_credit_at: int = max(rules.stream_window // 2, 1)
        self.waiting: dict[int, Stream] = {}
        """The streams whose DATA waits for a window or for the transport."""
        self.pumped: int = 0
        """The bytes that left the queues and are not written yet."""
        self.allowance: int = 0
        """The control frames that what was sent entitles the other side to."""
        self.goaway_last: int = LARGEST_WINDOW
        """The last stream that GOAWAY named."""
        self.resets: dict[int, None] = {}
        """Streams we have reset, whose late frames mean nothing; the latest ones."""

    def soil(self) -> None:
        """Let the turn know that there is something to write."""
        self.dirty = True
        self.turn.add(self)

    def write(self, piece: bytes) -> None:
        """Send a whole frame."""
        self.out.append(piece)
        if not self.dirty:
            self.soil()

    def write_data(self, number: int, piece: bytes, flags: int) -> None:
        """Send a DATA frame whose windows have been seen to."""
        self.out.append(HEADER.pack((len(piece) << 8) | DATA, flags, number))
        if piece:
            self.out.append(piece)
        if not self.dirty:
            self.soil()

    def send_block(self, number: int, block: bytes, end: bool) -> None:
        """Send a header block in as many frames as it takes."""
        self.allowance += ALLOWED_EACH
        size = len(block)
        flags = END_STREAM if end else 0
        if size <= self.peer_frame:
            self.out.append(HEADER.pack((size << 8) | HEADERS, flags | END_HEADERS, number) + block)
        else:
            most = self.peer_frame
            self.out.append(HEADER.pack((most << 8) | HEADERS, flags, number) + block[:most])
            at = most
            while at < size:
                piece = block[at : at + most]
                at += most
                last = END_HEADERS if at >= size else 0
                self.out.append(HEADER.pack((len(piece) << 8) | CONTINUATION, last, number) + piece)
        if not self.dirty:
            self.soil()

    def pump(self) -> None:
        """Send what waits, one frame of each stream in turn, as far as windows and transport allow."""
        while self.waiting and not self.blocked and self.pumped < PUMP_BYTES:
            moved = False
            for number, stream in list(self.waiting.items()):
                if stream.send_some():
                    moved = True
                    if number in self.waiting:
                        # behind the others, for a window that opens by little at a time is everybody's in turn
                        del self.waiting[number]
                        self.waiting[number] = stream
            if not moved:
                return

    def pump_window(self) -> None:
        """Send what waits after the connection's window has opened. What needs no window has gone before."""
        for number, stream in list(self.waiting.items()):
            if self.blocked or self.pumped >= PUMP_BYTES or self.send_window <= 0:
                return
            stream.send_some()
            if number in self.waiting:
                del self.waiting[number]
                self.waiting[number] = stream
        self.pump()

    def written(self) -> None:
        """To be called when `out` has been handed to the transport."""
        self.pumped = 0
        if self.waiting and not self.blocked:
            self.pump()

    def unblock(self) -> None:
        """To be called when the transport takes bytes again."""
        self.blocked = False
        self.pump()

    def give_credit(self) -> None:
        """Give back what has been consumed of the connection's window, when it is much or the window is nearly used up.

        In the second case what readers have not taken yet is given back as well, up to `most_ahead`: the windows of
        their streams stop who sends to them, and the others go on.
        """
        left = self.recv_left
        credit = self.owed
        if left < self.credit_low:
            credit = min(self.rules.connection_window - left, credit + self.most_ahead)
        if credit >= max(left, 1) or credit >= self.credit_low:
            self.recv_left = left = left + credit
            self.owed -= credit
            self.write(window_frame(0, credit))
        self.credit_at = self.credit_low if left >= self.credit_low else max(left, 1) - self.most_ahead

    def send_goaway(self, last: int, code: int, words: str = "") -> None:
        """Say that no new streams are taken behind `last`, which never grows (RFC 9113 section 6.8)."""
        self.goaway_last = min(last, self.goaway_last)
        self.write(goaway_frame(self.goaway_last, code, words))

    def remember_reset(self, number: int) -> None:
        """Remember a stream that we have reset."""
        resets = self.resets
        resets[number] = None
        if len(resets) > 2 * self.rules.max_streams + 64:
            del resets[next(iter(resets))]

    def forget(self, number: int) -> None:
        """A stream is over."""
        self.streams.pop(number, None)
