"""The server's side of a connection: requests come in, a stream object is made for each, answers go out."""

from __future__ import annotations

from typing import Final

from edge.model.call import TlsIdentity
from edge.model.counters import Protections
from edge.wire.acceptor import Acceptor
from edge.wire.control import Connection
from edge.wire.frames import (
    DEFAULT_WINDOW,
    ENHANCE_YOUR_CALM,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    LARGEST_WINDOW,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    NO_ERROR,
    PREFACE,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
    Http2Error,
    ping_frame,
    rst_frame,
    settings_frame,
    window_frame,
)
from edge.wire.heads import AnswerHead
from edge.wire.request_head import RequestHead
from edge.wire.request_shape import Shapes
from edge.wire.sending import Rules, Turn
from edge.wire.stream import Stream

MAX_KEPT_HEADS: Final = 256
"""Header blocks that are kept for a connection, decoded."""

LONGEST_KEPT_HEAD: Final = 2048
"""The bytes of a header block that is kept. What is longer would mostly be there to fill the memory."""

MAX_PINGS: Final = 10
"""The most PINGs in a second between which a caller was sent nothing."""

_DRAIN_PING: Final = b"edgedrn!"


class ServerConnection(Connection):
    """A connection of a caller.

    Args:
        rules: The limits.
        turn: Where it says that there is something to write.
        acceptor: Who takes the requests.
        protections: Where acts against floods are counted.
        peer: The other side, in grpc's words, as in `ipv4:127.0.0.1:40404`.
        tls: Who the caller is by its certificate, or None.
        scheme: `http` or `https`.
    """

    __slots__ = (
        "_allowed",
        "_final",
        "_heads",
        "_heads_generation",
        "_pinged",
        "_pings",
        "_preface",
        "_premature",
        "_shapes",
        "acceptor",
        "draining",
        "idle_since",
        "peer",
        "protections",
        "scheme",
        "tls",
        "total",
    )

    def __init__(
        self,
        rules: Rules,
        turn: Turn,
        acceptor: Acceptor,
        protections: Protections,
        *,
        peer: str = "",
        tls: TlsIdentity | None = None,
        scheme: str = "http",
    ) -> None:
        super().__init__(rules, turn)
        self.acceptor = acceptor
        self.protections = protections
        self.peer = peer
        self.tls = tls
        self.scheme = scheme
        self.draining: bool = False
        """Whether the other side was told to open no new streams."""
        self.total: int = 0
        """The requests so far."""
        self.idle_since: float = 0.0
        """When the last stream ended, by the monotonic clock in seconds."""
        self._final: bool = False
        self._premature: int = 0
        self._pings: int = 0
        self._pinged: float = 0.0
        self._allowed: int = 0
        self._preface: bytes = PREFACE
        self._heads: dict[bytes, RequestHead] = {}
        self._heads_generation: int = 0
        self._shapes = Shapes()

    def start(self) -> None:
        """Send what a server begins with. The preface of the caller is still to be received."""
        rules = self.rules
        self.write(
            settings_frame(
                [
                    (HEADER_TABLE_SIZE, 4096),
                    (MAX_CONCURRENT_STREAMS, rules.max_streams),
                    (INITIAL_WINDOW_SIZE, min(rules.stream_window, LARGEST_WINDOW)),
                    (MAX_HEADER_LIST_SIZE, rules.max_list),
                ]
            )
        )
        if rules.connection_window > DEFAULT_WINDOW:
            self.write(window_frame(0, rules.connection_window - DEFAULT_WINDOW))

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes in, the preface first."""
        preface = self._preface
        if preface:
            got = data[: len(preface)]
            if not preface.startswith(got):
                self.fail(Http2Error(PROTOCOL_ERROR, "the connection does not begin with the preface of HTTP/2"))
                return
            self._preface = preface[len(got) :]
            data = data[len(got) :]
            if not data:
                return
        super().receive(data, now)

    def is_idle(self, number: int) -> bool:
        """Whether a stream has not been opened yet. The even ones never are: they would be ours."""
        return number > self.last_id or not number & 1

    # === requests ===

    def on_block(self, number: int, block: bytes, end: bool) -> None:
        """A whole header block has come: a request or its trailers."""
        if number <= self.last_id or not number & 1 or not self.peer_settled:
            self._late_block(number, block, end)
            return
        if self.decoder.generation != self._heads_generation:
            # what the same bytes meant before, they may not mean any more
            self._heads_generation = self.decoder.generation
            self._heads.clear()
        head = self._heads.get(block)
        if head is None:
            head = self._read(block)
        self.last_id = number
        self.total += 1
        # callers open the window of each new stream before anything is sent on it
        self.allowance += 2
        if head.malformed:
            self._refuse(number, head)
            return
        if len(self.streams) >= self.rules.max_streams or self._final:
            if not self._final:
                self.protections.act(
                    "stream_limit", self.peer, "a stream was refused (server.limits.max_concurrent_streams)"
                )
            self.write(rst_frame(number, REFUSED_STREAM))
            self.remember_reset(number)
            return
        stream = self.acceptor.stream(self, number, head)
        self.streams[number] = stream
        if end:
            stream.ended_in = True
            if head.content_length > 0:
                self.break_stream(stream, PROTOCOL_ERROR)
                return
        else:
            stream.expected = head.content_length
        stream.begin(head, end)

    def _read(self, block: bytes) -> RequestHead:
        decoder = self.decoder
        fields = self.decode(block)
        head = self._shapes.read(fields, decoder)
        heads = self._heads
        if decoder.generation == self._heads_generation and not decoder.too_large and len(block) <= LONGEST_KEPT_HEAD:
            if len(heads) >= MAX_KEPT_HEADS:
                heads.clear()
            heads[block] = head
            head.kept = True
        if decoder.too_large:
            head.malformed = head.malformed or "its header list is larger than allowed"
            head.oversized = True
        return head

    def _refuse(self, number: int, head: RequestHead) -> None:
        """Answer a request that is malformed, or whose header list is too large."""
        if not head.oversized:
            self.write(rst_frame(number, PROTOCOL_ERROR))
            self.remember_reset(number)
            return
        rules = self.rules
        self.protections.act(
            "header_count" if self.decoder.too_many else "header_list",
            self.peer,
            f"a request has more headers than server.limits.max_metadata_bytes ({rules.max_list} bytes) or "
            f"server.limits.max_headers ({rules.max_headers}) allows",
        )
        self.send_block(number, self.encoder.encode(self.acceptor.oversized(head)), True)
        self.write(rst_frame(number, NO_ERROR))
        self.remember_reset(number)

    def _late_block(self, number: int, block: bytes, end: bool) -> None:
        """A header block that opens no stream: trailers, or a mistake."""
        if not self.peer_settled:
            raise Http2Error(PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if not number & 1:
            raise Http2Error(PROTOCOL_ERROR, f"HEADERS on stream {number}, which callers do not open")
        fields = self.decode(block)
        stream = self.streams.get(number)
        if stream is None:
            if number not in self.resets:
                raise Http2Error(STREAM_CLOSED, f"HEADERS on stream {number}, which is closed")
        elif stream.ended_in:
            self.break_stream(stream, STREAM_CLOSED)
        elif not end:
            self.break_stream(stream, PROTOCOL_ERROR, "trailers that do not end the stream")
        else:
            head = AnswerHead(fields, self.decoder.sensitive, trailers=True)
            if head.malformed or stream.expected > 0:
                self.break_stream(stream, PROTOCOL_ERROR, head.malformed)
                return
            stream.ended_in = True
            stream.on_trailers(head)
            if stream.ended_out and not stream.unsent():
                stream.leave()

    # === ends ===

    def forget(self, number: int) -> None:
        """A stream is over; the connection too, when it drains and this was the last one."""
        streams = self.streams
        streams.pop(number, None)
        if not streams:
            self.idle_since = self.now
            if self._final and not self.ended:
                self.ended = True
                if not self.dirty:
                    self.soil()

    def on_cancelled(self, stream: Stream) -> None:
        """Count streams that are reset before they were answered (CVE-2023-44487)."""
        if stream.headed:
            return
        self._premature += 1
        if self._premature > self.rules.max_premature_resets and self._premature * 2 >= self.total:
            raise Http2Error(
                ENHANCE_YOUR_CALM, f"{self._premature} of {self.total} streams were reset unanswered", "rapid_reset"
            )

    def on_failure(self, error: Http2Error) -> None:
        """Count what a protection has ended."""
        if error.protection:
            self.protections.act(error.protection, self.peer, f"the connection was ended: {error.words}")

    def drain(self) -> None:
        """Let the caller open no new streams, and end the connection when those under way have ended.

        The caller may be opening some at this moment, so it is told in two steps (RFC 9113 section 6.8).
        """
        if not self.draining and not self.ended:
            self.draining = True
            self.send_goaway(LARGEST_WINDOW, NO_ERROR)
            self.write(ping_frame(_DRAIN_PING, ack=False))

    def on_ping(self) -> None:
        """Count pings: a caller that sends one after the other and nothing else is told so as gRPC does (A8)."""
        if self.now - self._pinged >= 1.0 or self.allowance != self._allowed:
            self._pinged = self.now
            self._allowed = self.allowance
            self._pings = 0
        self._pings += 1
        if self._pings > MAX_PINGS:
            raise Http2Error(ENHANCE_YOUR_CALM, "too_many_pings", "control_flood")
        super().on_ping()

    def on_pong(self, payload: bytes) -> None:
        """The caller has read that the connection drains."""
        if payload == _DRAIN_PING and self.draining:
            self.settle_drain()

    def settle_drain(self) -> None:
        """Take no new streams from now on."""
        if self._final or self.ended:
            return
        self._final = True
        self.send_goaway(self.last_id, NO_ERROR)
        if not self.streams:
            self.ended = True

    def lost(self, words: str) -> None:
        """The caller is gone."""
        self.ended = True
        self.drop_streams(NO_ERROR, words)
