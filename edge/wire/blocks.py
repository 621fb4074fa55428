"""Header blocks as they come: in one frame or several, padded, with priority (RFC 9113 sections 4.3, 6.2, 6.10)."""

from __future__ import annotations

from typing import Final

from edge.wire.frames import (
    DEFAULT_FRAME,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    PADDED,
    PRIORITY_FLAG,
    PROTOCOL_ERROR,
    Http2Error,
)
from edge.wire.heads import Field
from edge.wire.hpack_decoder import Decoder
from edge.wire.sending import Rules, Sender, Turn

MAX_CONTINUATIONS: Final = 128
"""The most CONTINUATION frames of a header block."""

MOST_ALLOWED: Final = 64 * 1024
"""The most control frames that what was sent in one second entitles the other side to in the next."""


class Blocks(Sender):
    """Puts header blocks together, and counts the frames that cost the other side little.

    Args:
        rules: The limits.
        turn: Where it says that there is something to write.
    """

    __slots__ = (
        "_block",
        "_block_flags",
        "_block_size",
        "_control_since",
        "block_stream",
        "control",
        "decoder",
    )

    def __init__(self, rules: Rules, turn: Turn) -> None:
        super().__init__(rules, turn)
        self.decoder = Decoder(max_list_size=rules.max_list, max_fields=rules.max_headers)
        self.control: int = 0
        """The control frames in this second."""
        self.block_stream: int = 0
        """The stream whose header block is not whole yet, or 0."""
        self._control_since: float = 0.0
        self._block: list[bytes] = []
        self._block_size: int = 0
        self._block_flags: int = 0

    def on_block(self, number: int, block: bytes, end: bool) -> None:
        """A whole header block has come. For the roles to override."""
        raise NotImplementedError

    def take_headers(self, number: int, payload: bytes, flags: int) -> None:
        """HEADERS with padding or priority, or without the end of its block."""
        if self.block_stream:
            raise Http2Error(PROTOCOL_ERROR, "HEADERS between the parts of a header block")
        number &= 0x7FFFFFFF
        length = len(payload)
        if length > DEFAULT_FRAME:
            raise Http2Error(FRAME_SIZE_ERROR, f"HEADERS of {length} bytes are larger than {DEFAULT_FRAME}")
        first = 0
        last = length
        if flags & PADDED:
            if not length:
                raise Http2Error(FRAME_SIZE_ERROR, "padded HEADERS without the length of padding")
            first = 1
            last = length - payload[0]
        if flags & PRIORITY_FLAG:
            if length - first < 5:
                raise Http2Error(FRAME_SIZE_ERROR, "HEADERS without the priority they announce")
            if int.from_bytes(payload[first : first + 4], "big") & 0x7FFFFFFF == number:
                raise Http2Error(PROTOCOL_ERROR, f"stream {number} depends on itself")
            first += 5
        if first > last:
            raise Http2Error(PROTOCOL_ERROR, "the padding is longer than the frame")
        if not number:
            raise Http2Error(PROTOCOL_ERROR, "HEADERS on stream 0")
        block = payload[first:last]
        if flags & END_HEADERS:
            self.on_block(number, block, flags & END_STREAM != 0)
            return
        self._block = [block]
        self._block_size = len(block)
        self.block_stream = number
        self._block_flags = flags

    def take_continuation(self, number: int, payload: bytes, flags: int) -> None:
        """Take the next part of a header block."""
        number &= 0x7FFFFFFF
        if not self.block_stream or number != self.block_stream:
            raise Http2Error(PROTOCOL_ERROR, "CONTINUATION without the header block it continues")
        if len(payload) > DEFAULT_FRAME:
            raise Http2Error(FRAME_SIZE_ERROR, f"CONTINUATION of {len(payload)} bytes")
        self._block.append(payload)
        self._block_size += len(payload)
        if self._block_size > self.rules.max_block or len(self._block) > MAX_CONTINUATIONS:
            raise Http2Error(ENHANCE_YOUR_CALM, "a header block without end", "continuation_flood")
        if flags & END_HEADERS:
            block = b"".join(self._block)
            self._block = []
            self.block_stream = 0
            self.on_block(number, block, self._block_flags & END_STREAM != 0)

    def decode(self, block: bytes) -> list[Field]:
        """Return the fields of a header block.

        Raises:
            HpackError: it breaks the rules of HPACK, which ends the connection.
        """
        return self.decoder.decode(block)

    # === floods ===

    def count_control(self, what: str) -> None:
        """Count a frame that costs the other side little.

        Raises:
            Http2Error: there have been too many in a second.
        """
        if self.now - self._control_since >= 1.0:
            self._control_since = self.now
            # what was sent late in one second is answered in the next
            self.allowance = min(max(self.allowance - self.control, 0), MOST_ALLOWED)
            self.control = 0
        self.control += 1
        if self.control - self.allowance > self.rules.max_control_frames:
            raise Http2Error(ENHANCE_YOUR_CALM, f"too many control frames, the last one {what}", "control_flood")
