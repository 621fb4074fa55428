"""What a server has sent on a connection, and whether it was allowed to.

Expectations are questions to this state. What no server may ever send (a frame above the size we allow, DATA beyond a
window, a header block that does not decode, anything after the end of a stream, …) is noted as a violation and fails
the case, whatever it was about.
"""

from __future__ import annotations

import struct
from collections import deque

import hpack

from tests.integration.wire.frames_client import (
    ACK,
    END_HEADERS,
    END_STREAM,
    LARGEST,
    PADDED,
    PREFACE,
    PRIORITY,
    Field,
    Frame,
    Setting,
    Type,
)
from tests.integration.wire.windows import Windows

CONNECTION_FIELDS = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}


class Stream:
    """One stream as the server has answered it."""

    def __init__(self) -> None:
        self.informational: list[list[Field]] = []
        """The header blocks with a status 1xx."""
        self.headers: list[Field] | None = None
        """The header block of the answer."""
        self.trailers: list[Field] | None = None
        """The trailers."""
        self.octets = 0
        """The octets of DATA without padding."""
        self.body = bytearray()
        """The first octets of them."""
        self.frames = 0
        """The frames of DATA."""
        self.ended = False
        """Whether END_STREAM came."""
        self.reset: int | None = None
        """The code of RST_STREAM."""

    @property
    def status(self) -> str:
        """The value of `:status`, empty before it came."""
        return self.field(":status")

    def field(self, name: str) -> str:
        """Return the value of a field of the headers or trailers, empty without it."""
        for fields in (self.headers, self.trailers):
            for found, value in fields or ():
                if found == name:
                    return value
        return ""


class Seen:
    """All that came from the server, and what of it must never come."""

    def __init__(self) -> None:
        self.streams: dict[int, Stream] = {}
        self.settings: dict[int, int] = {}
        """The settings of the server."""
        self.settings_frames = 0
        """The SETTINGS frames without ACK."""
        self.acks = 0
        """The SETTINGS frames with ACK."""
        self.pongs: list[bytes] = []
        """The payloads of PING frames with ACK."""
        self.goaways: list[tuple[int, int]] = []
        """The last stream id and the code of each GOAWAY."""
        self.closed = False
        """Whether the connection was closed."""
        self.spoken = ""
        """What the server said in HTTP/1."""
        self.frames = 0
        """The frames so far."""
        self.violations: list[str] = []
        """What must never come."""
        self.windows = Windows()
        """The windows of both sides."""
        self._decoder = hpack.Decoder(max_header_list_size=1 << 20)
        self._pending: deque[dict[int, int]] = deque()
        self._largest_frame = 16384
        self._open_block: tuple[int, int, bytearray] | None = None
        self._sent = bytearray()

    def stream(self, number: int) -> Stream:
        """Return a stream, made when it is new."""
        return self.streams.setdefault(number, Stream())

    @property
    def code(self) -> int | None:
        """The code of the last GOAWAY."""
        return self.goaways[-1][1] if self.goaways else None

    def sent(self, octets: bytes) -> None:
        """Note what we sent: SETTINGS, WINDOW_UPDATE and DATA move windows. Half a frame waits for its rest."""
        self._sent += octets
        if self._sent.startswith(PREFACE):
            del self._sent[: len(PREFACE)]
        while len(self._sent) >= 9:
            high, low, kind, flags, stream = struct.unpack_from(">BHBBI", self._sent)
            size = high << 16 | low
            if len(self._sent) < 9 + size:
                return
            payload = bytes(self._sent[9 : 9 + size])
            del self._sent[: 9 + size]
            if kind == Type.SETTINGS and not flags & ACK and size % 6 == 0:
                values = dict(struct.iter_unpack(">HI", payload))
                self._pending.append(values)
                self.windows.offered(values.get(Setting.INITIAL_WINDOW_SIZE))
                self._largest_frame = max(self._largest_frame, values.get(Setting.MAX_FRAME_SIZE, 0))
            elif kind == Type.WINDOW_UPDATE and size == 4:
                self.windows.granted(stream & LARGEST, struct.unpack(">I", payload)[0])
            elif kind == Type.DATA:
                self.windows.spent(stream & LARGEST, size)

    def feed(self, frame: Frame) -> None:
        """Note a frame of the server."""
        self.frames += 1
        if self.frames == 1 and (frame.kind != Type.SETTINGS or frame.flags & ACK):
            self._violate(f"the first frame is of type {frame.kind} and not SETTINGS (9113 3.4)")
        if len(frame.payload) > self._largest_frame:
            self._violate(f"a frame of {len(frame.payload)} octets, allowed are {self._largest_frame} (9113 4.2)")
        if self._open_block and (frame.kind != Type.CONTINUATION or frame.stream != self._open_block[0]):
            self._violate(f"type {frame.kind} within a header block (9113 6.10)")
        match frame.kind:
            case Type.DATA:
                self._data(frame)
            case Type.HEADERS:
                self._headers(frame)
            case Type.CONTINUATION:
                self._continuation(frame)
            case Type.RST_STREAM:
                self._of_stream(frame, 4)
                stream = self.stream(frame.stream)
                if stream.reset is None:
                    stream.reset = struct.unpack(">I", frame.payload)[0]
            case Type.SETTINGS:
                self._settings(frame)
            case Type.PUSH_PROMISE:
                self._violate("PUSH_PROMISE from a server that does not push (9113 8.4)")
            case Type.PING:
                self._of_connection(frame, 8)
                if frame.flags & ACK:
                    self.pongs.append(frame.payload)
            case Type.GOAWAY:
                self._goaway(frame)
            case Type.WINDOW_UPDATE:
                self._window_update(frame)

    def _violate(self, words: str) -> None:
        self.violations.append(words)

    def _of_stream(self, frame: Frame, size: int | None = None) -> None:
        if frame.stream == 0 or frame.stream % 2 == 0:
            self._violate(f"type {frame.kind} on stream {frame.stream} (9113 5.1.1)")
        if size is not None and len(frame.payload) != size:
            self._violate(f"type {frame.kind} of {len(frame.payload)} octets (9113 6)")

    def _of_connection(self, frame: Frame, size: int | None = None) -> None:
        if frame.stream:
            self._violate(f"type {frame.kind} on stream {frame.stream} and not 0 (9113 6)")
        if size is not None and len(frame.payload) != size:
            self._violate(f"type {frame.kind} of {len(frame.payload)} octets (9113 6)")

    def _speaking(self, frame: Frame) -> Stream:
        stream = self.stream(frame.stream)
        if stream.ended or stream.reset is not None:
            why = "END_STREAM" if stream.ended else "RST_STREAM"
            self._violate(f"type {frame.kind} on stream {frame.stream} after {why} (9113 5.1)")
        return stream

    def _unpadded(self, frame: Frame) -> bytes:
        if not frame.flags & PADDED:
            return frame.payload
        if not frame.payload or frame.payload[0] >= len(frame.payload):
            self._violate(f"padding beyond the end of type {frame.kind} (9113 6.1)")
            return b""
        return frame.payload[1 : len(frame.payload) - frame.payload[0]]

    def _data(self, frame: Frame) -> None:
        self._of_stream(frame)
        stream = self._speaking(frame)
        if stream.headers is None:
            self._violate(f"DATA before HEADERS on stream {frame.stream} (9113 8.1)")
        if words := self.windows.received(frame.stream, len(frame.payload)):
            self._violate(words)
        payload = self._unpadded(frame)
        stream.octets += len(payload)
        stream.frames += 1
        if len(stream.body) < 65536:
            stream.body += payload
        stream.ended = bool(frame.flags & END_STREAM)

    def _headers(self, frame: Frame) -> None:
        self._of_stream(frame)
        payload = self._unpadded(frame)
        if frame.flags & PRIORITY:
            payload = payload[5:]
        self._open_block = (frame.stream, frame.flags, bytearray(payload))
        if frame.flags & END_HEADERS:
            self._block()

    def _continuation(self, frame: Frame) -> None:
        if self._open_block is None:
            self._violate("CONTINUATION without HEADERS before it (9113 6.10)")
            return
        self._open_block[2].extend(frame.payload)
        if frame.flags & END_HEADERS:
            self._block()

    def _block(self) -> None:
        assert self._open_block
        number, flags, octets = self._open_block
        self._open_block = None
        stream = self._speaking(Frame(Type.HEADERS, flags, number, b""))
        try:
            fields = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
                      for name, value in self._decoder.decode(bytes(octets), raw=True)]  # fmt: skip
        except hpack.HPACKError as error:
            self._violate(f"a header block that does not decode: {error!r} (9113 4.3)")
            return
        end = bool(flags & END_STREAM)
        self._fields(number, fields, trailers=stream.headers is not None)
        if stream.headers is not None:
            stream.trailers = fields
            if not end:
                self._violate(f"trailers of stream {number} without END_STREAM (9113 8.1)")
        elif dict(fields).get(":status", "").startswith("1"):
            stream.informational.append(fields)
            if end:
                self._violate(f"END_STREAM on a 1xx answer of stream {number} (9113 8.1)")
        else:
            stream.headers = fields
        stream.ended = end

    def _fields(self, number: int, fields: list[Field], *, trailers: bool) -> None:
        where = f"of stream {number}"
        pseudo = [name for name, _ in fields if name.startswith(":")]
        if pseudo != ([] if trailers else [":status"]):
            self._violate(f"pseudo-header fields {pseudo} {where} (9113 8.3.2)")
        elif pseudo and not fields[0][0].startswith(":"):
            self._violate(f"a pseudo-header field after a regular one {where} (9113 8.3)")
        for name, value in fields:
            if name != name.lower() or not name or any(not "!" <= c <= "~" for c in name):
                self._violate(f"field name {name!r} {where} (9113 8.2.1)")
            if name in CONNECTION_FIELDS or name == "te":
                self._violate(f"connection-specific field {name} {where} (9113 8.2.2)")
            if any(c in value for c in "\0\r\n") or value != value.strip(" \t"):
                self._violate(f"field value {value!r} of {name} {where} (9113 8.2.1)")

    def _settings(self, frame: Frame) -> None:
        self._of_connection(frame)
        if frame.flags & ACK:
            self.acks += 1
            if frame.payload:
                self._violate("a payload in the acknowledgement of SETTINGS (9113 6.5)")
            if not self._pending:
                self._violate("more acknowledgements than SETTINGS (9113 6.5)")
                return
            values = self._pending.popleft()
            self.windows.accepted(values.get(Setting.INITIAL_WINDOW_SIZE))
            if (size := values.get(Setting.HEADER_TABLE_SIZE)) is not None:
                self._decoder.max_allowed_table_size = size
            return
        self.settings_frames += 1
        if len(frame.payload) % 6:
            self._violate(f"SETTINGS of {len(frame.payload)} octets (9113 6.5)")
            return
        values = dict(struct.iter_unpack(">HI", frame.payload))
        self.settings.update(values)
        if values.get(Setting.ENABLE_PUSH, 0):
            self._violate("ENABLE_PUSH from a server (9113 6.5.2)")
        if values.get(Setting.INITIAL_WINDOW_SIZE, 0) > LARGEST:
            self._violate("INITIAL_WINDOW_SIZE above 2^31-1 (9113 6.5.2)")
        if not 16384 <= values.get(Setting.MAX_FRAME_SIZE, 16384) <= (1 << 24) - 1:
            self._violate(f"MAX_FRAME_SIZE {values[Setting.MAX_FRAME_SIZE]} (9113 6.5.2)")
        self.windows.told(values.get(Setting.INITIAL_WINDOW_SIZE))

    def _goaway(self, frame: Frame) -> None:
        self._of_connection(frame)
        if len(frame.payload) < 8:
            self._violate(f"GOAWAY of {len(frame.payload)} octets (9113 6.8)")
            return
        last, code = struct.unpack_from(">II", frame.payload)
        if self.goaways and last > self.goaways[-1][0]:
            self._violate("the last stream id of GOAWAY grew (9113 6.8)")
        self.goaways.append((last & LARGEST, code))

    def _window_update(self, frame: Frame) -> None:
        if frame.stream:
            self._of_stream(frame, 4)
        increment = struct.unpack(">I", frame.payload[:4])[0] & LARGEST
        if words := self.windows.given(frame.stream, increment):
            self._violate(words)
