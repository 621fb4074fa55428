"""The half of a connection that receives: bytes in, what they mean to streams out (RFC 9113 sections 4 to 6).

Both roles share it. A rule that is broken for the whole connection raises `Http2Error` inside and ends it with GOAWAY;
one that is broken for a stream ends that with RST_STREAM.
"""

from __future__ import annotations

from typing import Final

from edge.wire.blocks import Blocks
from edge.wire.frames import (
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    DEFAULT_FRAME,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEADER,
    HEADERS,
    PADDED,
    PRIORITY_FLAG,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
    Http2Error,
    error_name,
    rst_frame,
)
from edge.wire.hpack_decoder import HpackError
from edge.wire.sending import Rules, Turn
from edge.wire.stream import Stream

_EMPTY: Final = b""


class Receiver(Blocks):
    """What a connection needs to receive. `Connection` adds the frames that are rare.

    Args:
        rules: The limits.
        turn: Where it says that there is something to write.
    """

    __slots__ = (
        "_data_end",
        "_data_left",
        "_data_stream",
        "_rest",
        "last_id",
    )

    def __init__(self, rules: Rules, turn: Turn) -> None:
        super().__init__(rules, turn)
        self.last_id: int = 0
        """The last stream that the other side has opened."""
        self._rest: bytes = _EMPTY
        # a DATA frame of which a part is still to come
        self._data_left: int = 0
        self._data_stream: int = 0
        self._data_end: bool = False

    # === for the roles to override ===

    def on_control(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """A frame has come that is neither DATA nor HEADERS nor CONTINUATION."""
        raise NotImplementedError

    def is_idle(self, number: int) -> bool:
        """Whether a stream has not been opened yet by the one whose it is."""
        raise NotImplementedError

    def on_cancelled(self, stream: Stream) -> None:
        """The other side has reset a stream, or made us do it."""

    def on_failure(self, error: Http2Error) -> None:
        """The connection has ended because the other side broke the rules."""
        raise NotImplementedError

    # === bytes ===

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes in.

        Args:
            data: The bytes.
            now: The monotonic clock, in seconds.
        """
        self.now = now
        if self.ended:
            return
        try:
            self._receive(data)
            if self.recv_left < self.credit_low and not self.ended:
                self.give_credit()
        except Http2Error as error:
            self.fail(error)
        except HpackError as fault:
            self.fail(Http2Error(COMPRESSION_ERROR, str(fault)))

    def fail(self, error: Http2Error) -> None:
        """End the connection, because the other side broke the rules."""
        if self.ended:
            return
        self.send_goaway(self.last_id, error.code, error.words)
        self.ended = True
        self.on_failure(error)
        self.drop_streams(error.code, f"the connection ended: {error_name(error.code)}, {error.words}")

    def drop_streams(self, code: int, words: str, *, above: int = -1) -> None:
        """End every stream, or those above a number, which the other side has certainly not begun to work on."""
        for stream in list(self.streams.values()):
            if stream.id > above:
                stream.leave()
                stream.on_reset(code, above >= 0, words)

    def _receive(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
            self._rest = _EMPTY
        at = 0
        size = len(data)
        if self._data_left:
            at = self._go_on(data, size)
        streams = self.streams
        unpack = HEADER.unpack_from
        while size - at >= 9:
            word, flags, number = unpack(data, at)
            length = word >> 8
            kind = word & 0xFF
            start = at + 9
            end = start + length
            if end > size:
                if length > DEFAULT_FRAME:
                    raise Http2Error(FRAME_SIZE_ERROR, f"a frame of {length} bytes is larger than {DEFAULT_FRAME}")
                if kind == DATA and not flags & PADDED and size - start >= 1024 and not self.block_stream:
                    self._begin_data(number, data[start:size], length, flags)
                    return
                break
            if kind == DATA:
                stream = streams.get(number)
                if stream is None or flags & PADDED or not length or self.block_stream or length > DEFAULT_FRAME:
                    self._unusual_data(number, data[start:end], flags)
                elif stream.ended_in:
                    self._stray(number, length)
                else:
                    stream.recv_left -= length
                    self.recv_left -= length
                    if stream.recv_left < 0 or self.recv_left < 0:
                        self._overflow(stream, length)
                    elif 0 <= stream.expected < length:
                        self._wrong_length(stream, length)
                    else:
                        if stream.expected > 0:
                            stream.expected -= length
                        stream.held += length
                        if flags & END_STREAM:
                            if stream.expected > 0:
                                self._wrong_length(stream, 0)
                            else:
                                stream.ended_in = True
                                stream.on_data(data[start:end], length, True)
                                if stream.ended_out and not stream.unsent():
                                    stream.leave()
                        else:
                            stream.on_data(data[start:end], length, False)
            elif kind == HEADERS and flags & END_HEADERS and not flags & (PADDED | PRIORITY_FLAG):
                if self.block_stream or length > DEFAULT_FRAME:
                    self.take_headers(number, data[start:end], flags)
                else:
                    self.on_block(number & 0x7FFFFFFF, data[start:end], flags & END_STREAM != 0)
            elif kind == HEADERS:
                self.take_headers(number, data[start:end], flags)
            elif kind == CONTINUATION:
                self.take_continuation(number, data[start:end], flags)
            else:
                if self.block_stream:
                    raise Http2Error(PROTOCOL_ERROR, "a frame between the parts of a header block")
                if length > DEFAULT_FRAME:
                    raise Http2Error(FRAME_SIZE_ERROR, f"a frame of {length} bytes is larger than {DEFAULT_FRAME}")
                self.on_control(kind, flags, number & 0x7FFFFFFF, data[start:end])
            at = end
            if self.ended:
                return
        if at < size:
            self._rest = data[at:] if at else data

    # === DATA ===

    def _unusual_data(self, number: int, payload: bytes, flags: int) -> None:
        if self.block_stream:
            raise Http2Error(PROTOCOL_ERROR, "DATA between the parts of a header block")
        length = len(payload)
        number &= 0x7FFFFFFF
        if not number:
            raise Http2Error(PROTOCOL_ERROR, "DATA on stream 0")
        if length > DEFAULT_FRAME:
            raise Http2Error(FRAME_SIZE_ERROR, f"DATA of {length} bytes is larger than {DEFAULT_FRAME}")
        padding = 0
        if flags & PADDED:
            if not length:
                raise Http2Error(FRAME_SIZE_ERROR, "padded DATA without its length of padding")
            padding = payload[0] + 1
            if padding > length:
                raise Http2Error(PROTOCOL_ERROR, "the padding is longer than the frame")
            payload = payload[1 : length - padding + 1]
        if len(payload) == 0 and not flags & END_STREAM:
            self.count_control("empty DATA")
        stream = self.streams.get(number)
        if stream is None or stream.ended_in:
            self._stray(number, length)
            return
        self._take_data(stream, payload, length, flags & END_STREAM != 0)

    def _take_data(self, stream: Stream, payload: bytes, size: int, end: bool) -> None:
        """Account for DATA of which `size` bytes count, and hand it on."""
        stream.recv_left -= size
        self.recv_left -= size
        if stream.recv_left < 0 or self.recv_left < 0:
            self._overflow(stream, size)
            return
        if stream.expected >= 0:
            if len(payload) > stream.expected or (end and len(payload) < stream.expected):
                self._wrong_length(stream, size)
                return
            stream.expected -= len(payload)
        stream.held += size
        if end:
            stream.ended_in = True
        stream.on_data(payload, size, end)
        if end and stream.ended_out and not stream.unsent():
            stream.leave()

    def _begin_data(self, number: int, payload: bytes, length: int, flags: int) -> None:
        """Hand on the part of a DATA frame that has come, so that large frames are not gathered first."""
        number &= 0x7FFFFFFF
        if not number:
            raise Http2Error(PROTOCOL_ERROR, "DATA on stream 0")
        size = len(payload)
        self._data_left = length - size
        self._data_stream = number
        self._data_end = flags & END_STREAM != 0
        if number in self.streams:
            self._data_part(payload, size, False)
        else:
            self._stray(number, size)

    def _go_on(self, data: bytes, size: int) -> int:
        """Hand on the next part of a DATA frame; return where it ends."""
        left = self._data_left
        if size < left:
            self._data_left = left - size
            self._data_part(data, size, False)
            return size
        self._data_left = 0
        self._data_part(data if size == left else data[:left], left, self._data_end)
        return left

    def _data_part(self, payload: bytes, size: int, end: bool) -> None:
        if not size:
            return
        stream = self.streams.get(self._data_stream)
        if stream is None:
            self._discard(size)  # what there is to say was said when the frame began
        elif stream.ended_in:
            self._stray(self._data_stream, size)
        else:
            self._take_data(stream, payload, size, end)

    def _overflow(self, stream: Stream, size: int) -> None:
        if self.recv_left < 0:
            raise Http2Error(FLOW_CONTROL_ERROR, "more DATA than the window of the connection allows")
        self.owed += size
        self.break_stream(stream, FLOW_CONTROL_ERROR)

    def _wrong_length(self, stream: Stream, size: int) -> None:
        self.owed += size
        self.break_stream(stream, PROTOCOL_ERROR)

    def _stray(self, number: int, size: int) -> None:
        """DATA for a stream that takes none."""
        self._discard(size)
        self.stray_frame(number, "DATA")

    def _discard(self, size: int) -> None:
        """Give back at once what nobody takes."""
        self.recv_left -= size
        self.owed += size
        if self.recv_left < 0:
            raise Http2Error(FLOW_CONTROL_ERROR, "more DATA than the window of the connection allows")
        if self.owed >= self.credit_at:
            self.give_credit()

    def stray_frame(self, number: int, kind: str) -> None:
        """A frame has come for a stream that is over. After our RST_STREAM it means nothing."""
        if self.is_idle(number):
            raise Http2Error(PROTOCOL_ERROR, f"{kind} on stream {number}, which is idle")
        stream = self.streams.get(number)
        if stream is not None:
            self.break_stream(stream, STREAM_CLOSED)
        elif number not in self.resets:
            self.write(rst_frame(number, STREAM_CLOSED))
            self.count_control("a frame on a closed stream")

    def break_stream(self, stream: Stream, code: int, words: str = "") -> None:
        """End a stream because the other side broke the rules."""
        self.on_cancelled(stream)  # it can have our resets as cheaply as its own (CVE-2025-8671)
        stream.reset(code)
        stream.on_reset(code, False, words or f"the other side broke the rules: {error_name(code)}")
