"""One stream of a connection, from our side: what may still be sent and taken, and what waits to be sent.

Credit runs end to end: bytes that a stream has taken in are given back to its peer when they have left the gateway, so
whoever does not read stops the one who sends to it and nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from edge.wire.deadlines import Timed
from edge.wire.frames import END_STREAM, HEADER, NO_ERROR, rst_frame, window_frame
from edge.wire.heads import NO_NAMES, AnswerHead, Field
from edge.wire.sending import ALLOWED_EACH, PUMP_BYTES

if TYPE_CHECKING:
    from edge.wire.sending import Sender

_END: Final[tuple[Field, ...]] = ()


@mypyc_attr(allow_interpreted_subclasses=True)
class Stream(Timed):
    """A stream. What happens to it is for subclasses to override.

    Args:
        conn: The connection.
        number: The stream identifier.
    """

    __slots__ = (
        "_queue",
        "_queue_end",
        "_sensitive",
        "_sent",
        "_trailers",
        "closed",
        "conn",
        "ended_in",
        "ended_out",
        "expected",
        "headed",
        "held",
        "id",
        "owed",
        "queued",
        "recv_left",
        "send_window",
    )

    def __init__(self, conn: Sender, number: int) -> None:
        self.slot = -1
        self.conn = conn
        self.id: int = number
        self.send_window: int = conn.peer_window
        """The bytes the other side still takes on this stream."""
        self.recv_left: int = conn.rules.stream_window
        """The bytes the other side may still send."""
        self.owed: int = 0
        """What has been consumed and not been given back by WINDOW_UPDATE."""
        self.held: int = 0
        """What has been received and not been consumed."""
        self.ended_in: bool = False
        """Whether the other side has ended."""
        self.ended_out: bool = False
        """Whether we have ended, or will when the queue is empty."""
        self.closed: bool = False
        """Whether the stream is over."""
        self.headed: bool = False
        """Whether we have sent a header block."""
        self.expected: int = conn.expected
        """The bytes of DATA that `content-length` still promises, or -1."""
        self.queued: int = 0
        """The bytes that wait to be sent."""
        self._queue: list[bytes] = []
        self._sent: int = 0
        self._queue_end: bool = False
        self._trailers: tuple[Field, ...] = _END
        self._sensitive: frozenset[str] = NO_NAMES

    # === what happens ===

    def on_head(self, head: AnswerHead, end: bool) -> None:
        """An answer has begun, or with `end` is nothing but its head. Informational answers come here too."""

    def on_data(self, data: bytes, size: int, end: bool) -> None:
        """Bytes have come. `consumed` is to be called with `size`, which is larger than `data` when it was padded."""

    def on_trailers(self, head: AnswerHead) -> None:
        """The other side has ended with trailers."""

    def on_reset(self, code: int, unprocessed: bool, words: str) -> None:
        """The stream is over before its end.

        Args:
            code: The error code of HTTP/2.
            unprocessed: Whether the other side has certainly not begun to work on it.
            words: Why, for operators, when the connection ended; empty for RST_STREAM.
        """

    def on_sent(self, size: int) -> None:
        """Bytes that waited have been sent."""

    # === sending ===

    def send_data(self, data: bytes, end: bool) -> bool:
        """Send bytes; return whether all could go at once. The others wait, and `on_sent` tells when they went."""
        conn = self.conn
        size = len(data)
        if (
            not self.queued
            and size <= self.send_window
            and size <= conn.send_window
            and size <= conn.peer_frame
            and not conn.blocked
        ):
            self.send_window -= size
            conn.send_window -= size
            conn.allowance += ALLOWED_EACH
            conn.out.append(HEADER.pack(size << 8, END_STREAM if end else 0, self.id))
            conn.out.append(data)
            if not conn.dirty:
                conn.soil()
            if end:
                self.end_out()
            return True
        if end:
            self.ended_out = True
            self._queue_end = True
        if size:
            self._queue.append(data)
            self.queued += size
        conn.waiting[self.id] = self
        self.pump()
        return False

    def pump(self) -> None:
        """Send what waits on this stream, as far as windows and transport allow. The others have no room or no turn."""
        conn = self.conn
        while self.id in conn.waiting and not conn.blocked and conn.pumped < PUMP_BYTES:
            if not self.send_some():
                return

    def send_end(self, trailers: tuple[Field, ...], kept: bool = False, sensitive: frozenset[str] = NO_NAMES) -> None:
        """End with trailers, behind what waits. Without any, end with an empty DATA frame.

        Args:
            trailers: The trailers.
            kept: Whether the same tuple comes again and again, so that its block is worth keeping.
            sensitive: The names that are not to be indexed.
        """
        if not trailers:
            self.send_data(b"", True)
        elif self.queued:
            self.ended_out = True
            self._queue_end = True
            self._trailers = trailers
            self._sensitive = sensitive
        else:
            encoder = self.conn.encoder
            block = encoder.encode_kept(trailers, sensitive) if kept else encoder.encode(trailers, sensitive)
            self.conn.send_block(self.id, block, True)
            self.end_out()

    def send_some(self) -> bool:
        """Send one frame of what waits; return whether anything could be sent."""
        conn = self.conn
        room = min(self.send_window, conn.send_window, conn.peer_frame)
        if not self.queued:
            # the end alone needs no window
            conn.waiting.pop(self.id, None)
            if self._queue_end:
                self._send_last(0)
            return True
        if room <= 0:
            return False
        queue = self._queue
        first = queue[0]
        at = self._sent
        if len(first) - at > room:
            # the rest stays where it is: cutting it off each time would copy a large one again and again
            piece = first[at : at + room]
            self._sent = at + room
        else:
            piece = first[at:] if at else first
            self._sent = 0
            del queue[0]
        size = len(piece)
        self.queued -= size
        self.send_window -= size
        conn.send_window -= size
        conn.allowance += ALLOWED_EACH
        conn.pumped += size
        if self.queued:
            conn.write_data(self.id, piece, 0)
        else:
            conn.waiting.pop(self.id, None)
            ends = self._queue_end and not self._trailers
            conn.write_data(self.id, piece, END_STREAM if ends else 0)
            if self._queue_end:
                self._send_last(size)
        self.on_sent(size)
        return True

    def unsent(self) -> bool:
        """Whether something waits to be sent, if only the end."""
        return self.queued > 0 or self._queue_end

    def _send_last(self, size: int) -> None:
        self._queue_end = False
        if self._trailers:
            self.conn.send_block(self.id, self.conn.encoder.encode(self._trailers, self._sensitive), True)
        elif not size:
            self.conn.write_data(self.id, b"", END_STREAM)
        self.end_out()

    def end_out(self) -> None:
        """Note that our last frame has been sent."""
        self.ended_out = True
        if self.ended_in:
            self.leave()
        else:
            self.after_end()

    def after_end(self) -> None:
        """Our last frame has been sent, and the other side goes on."""

    # === taking ===

    def consumed(self, size: int) -> None:
        """Give back credit for bytes of `on_data` that have left the gateway."""
        self.held -= size
        if self.closed:
            return  # `leave` has given back what was held
        conn = self.conn
        conn.owed += size
        if conn.owed >= conn.credit_at:
            conn.give_credit()
        if not self.ended_in:
            self.owed += size
            if self.owed >= conn.stream_credit_at:
                self.recv_left += self.owed
                conn.write(window_frame(self.id, self.owed))
                self.owed = 0

    # === ending ===

    def reset(self, code: int = NO_ERROR) -> None:
        """End the stream with RST_STREAM. A second time, or after its end, does nothing."""
        if not self.closed:
            self.conn.write(rst_frame(self.id, code))
            self.conn.remember_reset(self.id)
            self.leave()

    def leave(self) -> None:
        """Leave the connection: the stream is over, however it ended."""
        if self.closed:
            return
        self.closed = True
        conn = self.conn
        if self.held:
            conn.owed += self.held
            if conn.owed >= conn.credit_at:
                conn.give_credit()
        if conn.waiting:
            conn.waiting.pop(self.id, None)
        if self.queued:
            self._queue.clear()
            self.queued = 0
        conn.forget(self.id)
