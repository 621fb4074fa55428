"""The frames that are rare: SETTINGS, PING, GOAWAY, WINDOW_UPDATE, RST_STREAM, PRIORITY (RFC 9113 section 6)."""

from __future__ import annotations

from edge.wire.connection import Receiver
from edge.wire.frames import (
    ACK,
    DEFAULT_FRAME,
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    PING,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    SETTINGS_ACK,
    WINDOW_UPDATE,
    Http2Error,
    ping_frame,
    read_goaway,
    read_settings,
    read_word,
)
from edge.wire.sending import Rules, Turn


class Connection(Receiver):
    """A connection of either role. `ServerConnection` and `ClientConnection` add what differs."""

    __slots__ = (
        "acknowledged",
        "peer_settled",
        "peer_streams",
    )

    def __init__(self, rules: Rules, turn: Turn) -> None:
        super().__init__(rules, turn)
        self.peer_settled: bool = False
        """Whether the other side has sent its first SETTINGS."""
        self.peer_streams: int = 2**31 - 1
        """The streams the other side lets us have at once."""
        self.acknowledged: int = 0
        """How many of our SETTINGS the other side has acknowledged."""

    # === for the roles to override ===

    def on_settled(self) -> None:
        """The settings of the other side are known, or are others now."""

    def on_goaway(self, last: int, code: int, words: str) -> None:
        """The other side takes no new streams and has not worked on those above `last`."""

    def on_ping(self) -> None:
        """The other side asks whether we are there."""
        self.count_control("PING")

    def on_pong(self, payload: bytes) -> None:
        """A PING of ours was answered."""

    # === frames ===

    def on_control(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """Take one of the rare frames in."""
        if not self.peer_settled and kind != SETTINGS:
            raise Http2Error(PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if kind == WINDOW_UPDATE:
            self._window(number, payload)
        elif kind == RST_STREAM:
            self._reset(number, payload)
        elif kind == SETTINGS:
            self._settings(number, flags, payload)
        elif kind == PING:
            if number:
                raise Http2Error(PROTOCOL_ERROR, f"PING on stream {number}")
            if len(payload) != 8:
                raise Http2Error(FRAME_SIZE_ERROR, "a PING that has not 8 bytes")
            if flags & ACK:
                self.count_control("an answer to PING")
                self.on_pong(payload)
            else:
                self.on_ping()
                self.write(ping_frame(payload, ack=True))
        elif kind == GOAWAY:
            if number:
                raise Http2Error(PROTOCOL_ERROR, f"GOAWAY on stream {number}")
            if len(payload) < 8:
                raise Http2Error(FRAME_SIZE_ERROR, "a GOAWAY of fewer than 8 bytes")
            self.count_control("GOAWAY")
            last, code, words = read_goaway(payload)
            self.on_goaway(last, code, words)
        elif kind == PRIORITY:
            self._priority(number, payload)
        elif kind == PUSH_PROMISE:
            raise Http2Error(PROTOCOL_ERROR, "PUSH_PROMISE, which nobody allowed")
        else:
            self.count_control("a frame of an unknown type")

    def _window(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Http2Error(FRAME_SIZE_ERROR, "a WINDOW_UPDATE that has not 4 bytes")
        increment = read_word(payload)
        self.count_control("WINDOW_UPDATE")
        if not number:
            if not increment:
                raise Http2Error(PROTOCOL_ERROR, "a WINDOW_UPDATE of 0 on the connection")
            self.send_window += increment
            if self.send_window > LARGEST_WINDOW:
                raise Http2Error(FLOW_CONTROL_ERROR, "the window of the connection is larger than 2^31-1")
            if self.waiting:
                self.pump_window()
            return
        stream = self.streams.get(number)
        if stream is None:
            if self.is_idle(number):
                raise Http2Error(PROTOCOL_ERROR, f"WINDOW_UPDATE on stream {number}, which is idle")
        elif not increment:
            self.break_stream(stream, PROTOCOL_ERROR)
        else:
            stream.send_window += increment
            if stream.send_window > LARGEST_WINDOW:
                self.break_stream(stream, FLOW_CONTROL_ERROR)
            elif stream.queued:
                stream.pump()

    def _reset(self, number: int, payload: bytes) -> None:
        if not number:
            raise Http2Error(PROTOCOL_ERROR, "RST_STREAM on stream 0")
        if len(payload) != 4:
            raise Http2Error(FRAME_SIZE_ERROR, "a RST_STREAM that has not 4 bytes")
        stream = self.streams.get(number)
        if stream is None:
            if self.is_idle(number):
                raise Http2Error(PROTOCOL_ERROR, f"RST_STREAM on stream {number}, which is idle")
            self.count_control("RST_STREAM of a closed stream")
            return
        self.on_cancelled(stream)
        stream.leave()
        code = int.from_bytes(payload, "big")
        stream.on_reset(code, False, "")

    def _priority(self, number: int, payload: bytes) -> None:
        if not number:
            raise Http2Error(PROTOCOL_ERROR, "PRIORITY on stream 0")
        self.count_control("PRIORITY")
        if len(payload) != 5:
            stream = self.streams.get(number)
            if stream is None:
                raise Http2Error(FRAME_SIZE_ERROR, "a PRIORITY that has not 5 bytes")
            self.break_stream(stream, FRAME_SIZE_ERROR)
        elif read_word(payload) == number:
            raise Http2Error(PROTOCOL_ERROR, f"stream {number} depends on itself")

    def _settings(self, number: int, flags: int, payload: bytes) -> None:
        if number:
            raise Http2Error(PROTOCOL_ERROR, f"SETTINGS on stream {number}")
        self.count_control("SETTINGS")
        if flags & ACK:
            if payload:
                raise Http2Error(FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS with settings")
            if not self.peer_settled:
                raise Http2Error(PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self.acknowledged += 1
            return
        if len(payload) % 6:
            raise Http2Error(FRAME_SIZE_ERROR, "SETTINGS whose length is not a multiple of 6")
        window = self.peer_window
        for key, value in read_settings(payload):
            if key == INITIAL_WINDOW_SIZE:
                if value > LARGEST_WINDOW:
                    raise Http2Error(FLOW_CONTROL_ERROR, f"an initial window of {value}")
                window = value
            else:
                self._setting(key, value)
        if window != self.peer_window:
            # once, for a frame may hold thousands of them and each goes to every stream
            self._open_windows(window)
        self.write(SETTINGS_ACK)
        self.peer_settled = True
        self.on_settled()
        if self.waiting:
            self.pump()

    def _setting(self, key: int, value: int) -> None:
        if key == MAX_FRAME_SIZE:
            if not DEFAULT_FRAME <= value <= LARGEST_FRAME:
                raise Http2Error(PROTOCOL_ERROR, f"a largest frame of {value}")
            self.peer_frame = value
        elif key == HEADER_TABLE_SIZE:
            self.encoder.set_max_table_size(min(value, 4096))
        elif key == MAX_CONCURRENT_STREAMS:
            self.peer_streams = value
        elif key in (ENABLE_PUSH, ENABLE_CONNECT_PROTOCOL) and value > 1:
            raise Http2Error(PROTOCOL_ERROR, f"a setting that is 0 or 1 is {value}")

    def _open_windows(self, window: int) -> None:
        change = window - self.peer_window
        self.peer_window = window
        for stream in self.streams.values():
            stream.send_window += change
            if stream.send_window > LARGEST_WINDOW:
                raise Http2Error(FLOW_CONTROL_ERROR, "the window of a stream is larger than 2^31-1")
