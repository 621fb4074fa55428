"""The client's side of a connection: calls go out on new streams, answers come in."""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr

from edge.wire.control import Connection
from edge.wire.frames import (
    CANCEL,
    DEFAULT_WINDOW,
    ENABLE_PUSH,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    LARGEST_WINDOW,
    MAX_HEADER_LIST_SIZE,
    NO_ERROR,
    PREFACE,
    PROTOCOL_ERROR,
    Http2Error,
    ping_frame,
    settings_frame,
    window_frame,
)
from edge.wire.heads import AnswerHead, Field
from edge.wire.sending import Rules, Sender, Turn
from edge.wire.stream import Stream

MAX_KEPT_HEADS: Final = 256
"""Header blocks that are kept for a connection, decoded, of each kind."""

WINDOWS_AHEAD: Final = 15
"""How many times the window of a connection may wait for callers that do not read, beyond the window itself. All calls
to an endpoint share its connection, and the callers of some must not stop those of others."""

LONGEST_KEPT_HEAD: Final = 2048
"""The bytes of a header block that is kept. What is longer would mostly be there to fill the memory."""

_LAST_ID: Final = 2**31 - 1

KEEPALIVE_PING: Final = b"edgeping"


@mypyc_attr(allow_interpreted_subclasses=True)
class Owner:
    """Who keeps a client's connection. For the gateway to override."""

    def on_settled(self, conn: ClientConnection) -> None:
        """The endpoint has sent its settings: it is there, or lets more or fewer streams be open."""

    def on_room(self, conn: ClientConnection) -> None:
        """A stream has ended on a connection that was full."""

    def on_leaving(self, conn: ClientConnection) -> None:
        """The endpoint takes no new streams on the connection, or it has ended."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ClientStream(Stream):
    """A call to an endpoint."""

    __slots__ = ("answered",)

    def __init__(self, conn: Sender, number: int) -> None:
        Stream.__init__(self, conn, number)
        self.answered: bool = False
        """Whether the head of the answer has come."""

    def on_oversized(self) -> None:
        """The stream is over, because the metadata of its answer is larger than the limit."""
        self.on_reset(
            CANCEL, False, "the metadata of the answer is larger than server.limits.max_metadata_bytes allows"
        )


class ClientConnection(Connection):
    """A connection to an endpoint.

    Args:
        rules: The limits.
        turn: Where it says that there is something to write.
        owner: Who keeps it.
        prefix: The fields that every request begins with: method, scheme and authority.
    """

    __slots__ = (
        "_heads",
        "_heads_generation",
        "_next_id",
        "_trailers",
        "full",
        "leaving",
        "owner",
        "ponged",
        "prefix",
    )

    def __init__(self, rules: Rules, turn: Turn, owner: Owner, prefix: tuple[Field, ...]) -> None:
        super().__init__(rules, turn)
        self.expected = 0
        self.most_ahead = WINDOWS_AHEAD * rules.connection_window
        self.owner = owner
        self.prefix = prefix
        """What every request begins with."""
        self.leaving: bool = False
        """Whether no new streams may be opened."""
        self.full: bool = False
        """Whether somebody waits for a stream to end."""
        self.ponged: bool = True
        """Whether the last PING was answered, or something else has come since."""
        self._next_id: int = 1
        self._heads: dict[bytes, AnswerHead] = {}
        self._trailers: dict[bytes, AnswerHead] = {}
        self._heads_generation: int = 0

    def start(self) -> None:
        """Send what a client begins with."""
        rules = self.rules
        self.write(
            PREFACE
            + settings_frame(
                [
                    (HEADER_TABLE_SIZE, 4096),
                    (ENABLE_PUSH, 0),
                    (INITIAL_WINDOW_SIZE, min(rules.stream_window, LARGEST_WINDOW)),
                    (MAX_HEADER_LIST_SIZE, rules.max_list),
                ]
            )
        )
        if rules.connection_window > DEFAULT_WINDOW:
            self.write(window_frame(0, rules.connection_window - DEFAULT_WINDOW))

    def has_room(self) -> bool:
        """Whether a new stream can be opened."""
        return not self.leaving and not self.ended and len(self.streams) < self.peer_streams

    def next_id(self) -> int:
        """Return the number for a new stream. `has_room` comes before, `add` after."""
        number = self._next_id
        self._next_id = number + 2
        if self._next_id >= _LAST_ID:
            self.leaving = True
            self.owner.on_leaving(self)
        return number

    def is_idle(self, number: int) -> bool:
        """Whether a stream has not been opened yet. Even ones never are: nobody lets the endpoint push."""
        return number >= self._next_id or not number & 1

    def ping(self) -> None:
        """Ask whether the endpoint is still there. `ponged` tells."""
        self.ponged = False
        self.write(ping_frame(KEEPALIVE_PING, ack=False))

    def on_pong(self, payload: bytes) -> None:
        """A PING of ours was answered."""
        self.ponged = True

    # === answers ===

    def on_block(self, number: int, block: bytes, end: bool) -> None:
        """A whole header block has come: the head of an answer or its trailers."""
        stream = self.streams.get(number)
        if stream is None or stream.ended_in or not isinstance(stream, ClientStream):
            self._late_block(number, block)
            return
        if self.decoder.generation != self._heads_generation:
            # what the same bytes meant before, they may not mean any more
            self._heads_generation = self.decoder.generation
            self._heads.clear()
            self._trailers.clear()
        kept = self._trailers if stream.answered else self._heads
        head = kept.get(block)
        if head is None:
            head = self._read(block, kept, trailers=stream.answered)
        if head.oversized:
            stream.reset(CANCEL)
            stream.on_oversized()
        elif head.malformed:
            self.break_stream(stream, PROTOCOL_ERROR, head.malformed)
        elif stream.answered:
            if not end:
                self.break_stream(stream, PROTOCOL_ERROR, "trailers that do not end the stream")
                return
            if stream.expected > 0:
                self.break_stream(stream, PROTOCOL_ERROR, "the body is shorter than its content-length")
                return
            stream.ended_in = True
            stream.on_trailers(head)
            if stream.ended_out and not stream.unsent():
                stream.leave()
        elif head.status < 200:
            self.count_control("an informational answer")
            if end or head.status == 101:
                self.break_stream(stream, PROTOCOL_ERROR, "an informational answer that ends the stream")
        else:
            stream.answered = True
            if end:
                stream.ended_in = True
            else:
                stream.expected = head.content_length
            stream.on_head(head, end)
            if end and stream.ended_out and not stream.unsent():
                stream.leave()

    def _read(self, block: bytes, kept: dict[bytes, AnswerHead], *, trailers: bool) -> AnswerHead:
        if not self.peer_settled:
            raise Http2Error(PROTOCOL_ERROR, "the first frame is not SETTINGS")
        decoder = self.decoder
        fields = self.decode(block)
        head = AnswerHead(fields, decoder.sensitive, trailers=trailers)
        if decoder.generation == self._heads_generation and not decoder.too_large and len(block) <= LONGEST_KEPT_HEAD:
            if len(kept) >= MAX_KEPT_HEADS:
                kept.clear()
            kept[block] = head
            head.kept = True
        if decoder.too_large:
            head.oversized = True
        return head

    def _late_block(self, number: int, block: bytes) -> None:
        """A header block for a stream that takes none; it is decoded to stay in step with the endpoint."""
        self.decode(block)
        if not self.peer_settled:
            raise Http2Error(PROTOCOL_ERROR, "the first frame is not SETTINGS")
        self.stray_frame(number, "HEADERS")

    # === ends ===

    def on_settled(self) -> None:
        """The settings of the endpoint are known, or are others now."""
        self.owner.on_settled(self)

    def forget(self, number: int) -> None:
        """A stream is over."""
        self.streams.pop(number, None)
        if self.full:
            self.owner.on_room(self)
        if self.leaving and not self.streams and not self.ended:
            self.ended = True
            if not self.dirty:
                self.soil()

    def on_goaway(self, last: int, code: int, words: str) -> None:
        """The endpoint takes no new streams; those above `last` it has not begun to work on."""
        self.retire()
        self.drop_streams(code, f"the endpoint ended the connection: {words}" if words else "", above=last)

    def retire(self) -> None:
        """Open no new streams, and end when those under way have ended."""
        if not self.leaving:
            self.leaving = True
            self.owner.on_leaving(self)
            if not self.streams and not self.ended:
                self.ended = True
                if not self.dirty:
                    self.soil()

    def on_failure(self, error: Http2Error) -> None:
        """The endpoint broke the rules."""
        self.leaving = True
        self.owner.on_leaving(self)

    def lost(self, words: str) -> None:
        """The connection is gone. Before its first frame the endpoint has not begun to work on anything."""
        self.ended = True
        if not self.leaving:
            self.leaving = True
            self.owner.on_leaving(self)
        if self.peer_settled:
            self.drop_streams(NO_ERROR, words)
        else:
            self.drop_streams(NO_ERROR, words, above=0)
