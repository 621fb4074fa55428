"""Random legal exchanges with the h2 package in both roles: what one side says is what the other one hears."""

from __future__ import annotations

import contextlib
import random
from collections import defaultdict
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    InformationalResponseReceived,
    PingAckReceived,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import StreamClosedError
from h2.settings import SettingCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.model.counters import Protections
from edge.model.settings import Limits
from edge.wire.client import ClientConnection, ClientStream
from edge.wire.heads import AnswerHead, Field
from edge.wire.sending import Rules, Turn
from edge.wire.server import ServerConnection
from edge.wire.stream import Stream
from tests.edge.wire.support import ANSWER, PREFIX, NotingAcceptor, NotingOwner, Pipe, head

NAMES = ["x-a", "x-b", "cookie", "authorization", "user-agent", "x-bin", "accept-encoding"]
LIMITS = Limits(stream_buffer_bytes=20_000, connection_buffer_bytes=70_000)

Told = dict[int, list[tuple[Any, ...]]]
"""What was said or heard on each stream, in order; DATA in one piece."""


def tell(told: Told, stream: int, *what: Any) -> None:
    """Note what happened on a stream. DATA that follows DATA becomes one."""
    notes = told[stream]
    if what[0] == "data":
        if not what[1]:
            return
        if notes and notes[-1][0] == "data":
            notes[-1] = ("data", notes[-1][1] + what[1])
            return
    notes.append(what)


def whole_frames(data: bytes) -> list[bytes]:
    """Return frames one by one: h2 heeds a larger frame size from the next bytes on, not from the next frame."""
    found = []
    at = 0
    while at < len(data):
        end = at + 9 + int.from_bytes(data[at : at + 3], "big")
        found.append(data[at:end])
        at = end
    return found


class Answered(ClientStream):
    """A request of ours whose answer is noted."""

    def __init__(self, conn: ClientConnection, number: int, told: Told, chance: random.Random) -> None:
        super().__init__(conn, number)
        self.told = told
        self.chance = chance
        self.unread = 0

    def on_head(self, head: AnswerHead, end: bool) -> None:
        tell(self.told, self.id, "head", [*head.received])
        if end:
            tell(self.told, self.id, "end")

    def on_data(self, data: bytes, size: int, end: bool) -> None:
        tell(self.told, self.id, "data", data)
        self.unread += size
        if end:
            tell(self.told, self.id, "end")

    def on_trailers(self, head: AnswerHead) -> None:
        tell(self.told, self.id, "trailers", [*head.fields])
        tell(self.told, self.id, "end")

    def on_reset(self, code: int, unprocessed: bool, words: str) -> None:
        tell(self.told, self.id, "reset", code)


class Duo:
    """One of ours and one of h2's, joined.

    Args:
        seed: What happens.
        client: Whether ours is the client.
    """

    def __init__(self, seed: int, *, client: bool) -> None:
        self.chance = random.Random(seed)
        self.client = client
        self.now = 100.0
        self.pipe = Pipe()
        self.acceptor = NotingAcceptor(greedy=False)
        self.owner = NotingOwner()
        self.ours: ServerConnection | ClientConnection
        if client:
            self.ours = ClientConnection(Rules(LIMITS), Turn(), self.owner, PREFIX)
        else:
            self.ours = ServerConnection(Rules(LIMITS), Turn(), self.acceptor, Protections())
        self.ours.link = self.pipe
        self.theirs = H2Connection(
            H2Configuration(client_side=not client, header_encoding="latin-1", normalize_inbound_headers=False)
        )
        self.we_said: Told = defaultdict(list)
        self.we_heard: Told = defaultdict(list)
        self.they_said: Told = defaultdict(list)
        self.they_heard: Told = defaultdict(list)
        self.pongs: list[bytes] = []
        self.goodbyes: list[int] = []
        self.unread: dict[int, int] = defaultdict(int)
        """What we have taken in and given no credit for."""
        self.they_unread: dict[int, int] = defaultdict(int)
        self.they_open: set[int] = set()
        """Streams on which they may still send; of those below, we may."""
        self.we_open: set[int] = set()
        self.they_headed: set[int] = set()
        self.we_headed: set[int] = set()
        self.gone: set[int] = set()
        self.unsettled = False
        self.ours.start()
        self.theirs.initiate_connection()
        self.exchange()

    # === bytes ===

    def exchange(self) -> None:
        """Carry bytes in pieces until nobody has any."""
        for _ in range(1000):
            self.ours.turn.flush()
            data = self.pipe.take()
            theirs = self.theirs.data_to_send()
            if not data and not theirs:
                self.unsettled = False
                return
            for piece in whole_frames(data) if self.unsettled else self.cut(data):
                self.hear(self.theirs.receive_data(piece))
            for piece in self.cut(theirs):
                self.ours.receive(piece, self.now)
            if not self.client:
                self.take_notes()
            assert not self.ours.ended
        raise AssertionError("they talk without end")

    def cut(self, data: bytes) -> list[bytes]:
        if not data or self.chance.random() < 0.5:
            return [data] if data else []
        step = self.chance.choice([1, 7, 9, 1033, 5000])
        if step < 9 and len(data) > 4000:
            step = 333
        return [data[at : at + step] for at in range(0, len(data), step)]

    def take_notes(self) -> None:
        for note in self.acceptor.notes:
            kind, stream = note[:2]
            if kind == "begin":
                tell(self.we_heard, stream, "head", note[2])
                self.we_open.add(stream)
            elif kind == "data":
                tell(self.we_heard, stream, "data", note[2])
            elif kind == "trailers":
                tell(self.we_heard, stream, "trailers", note[2])
                tell(self.we_heard, stream, "end")
            else:
                tell(self.we_heard, stream, "reset", note[2])
                self.gone.add(stream)
            if kind in ("begin", "data") and note[3]:
                tell(self.we_heard, stream, "end")
        self.acceptor.notes.clear()

    def hear(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, RequestReceived | ResponseReceived):
                tell(self.they_heard, event.stream_id, "head", [tuple(field) for field in event.headers])
                if not self.client:
                    continue
                self.they_open.add(event.stream_id)
            elif isinstance(event, InformationalResponseReceived):
                pytest.fail("an answer nobody has sent")
            elif isinstance(event, DataReceived):
                tell(self.they_heard, event.stream_id, "data", event.data)
                self.they_unread[event.stream_id] += event.flow_controlled_length
            elif isinstance(event, TrailersReceived):
                tell(self.they_heard, event.stream_id, "trailers", [tuple(field) for field in event.headers])
            elif isinstance(event, StreamEnded):
                tell(self.they_heard, event.stream_id, "end")
            elif isinstance(event, StreamReset):
                tell(self.they_heard, event.stream_id, "reset", int(event.error_code))
                self.gone.add(event.stream_id)
            elif isinstance(event, PingAckReceived):
                self.pongs.append(event.ping_data)
            elif isinstance(event, ConnectionTerminated):
                self.goodbyes.append(int(event.error_code or 0))

    # === what may happen ===

    def fields(self) -> list[Field]:
        chance = self.chance
        names = [chance.choice(NAMES) for _ in range(chance.randrange(6))]
        return [(name, chance.choice(["", "v", "w" * chance.randrange(60), "x" * 900])) for name in names]

    def open(self) -> None:
        """A new request."""
        end = self.chance.random() < 0.2
        fields = head(*self.fields(), path=self.chance.choice(["/a.B/C", "/a.B/D"]))
        if self.client:
            assert isinstance(self.ours, ClientConnection)
            if not self.ours.has_room():
                return
            number = self.ours.next_id()
            stream = self.ours.streams[number] = Answered(self.ours, number, self.we_heard, self.chance)
            self.ours.send_block(number, self.ours.encoder.encode(fields), end)
            tell(self.we_said, number, "head", fields)
            self.we_open.add(number)
            self.we_headed.add(number)
            if end:
                tell(self.we_said, number, "end")
                self.we_open.discard(number)
                stream.end_out()
        else:
            number = self.theirs.get_next_available_stream_id()
            self.theirs.send_headers(number, fields, end_stream=end)
            tell(self.they_said, number, "head", fields)
            self.they_headed.add(number)
            if end:
                tell(self.they_said, number, "end")
            else:
                self.they_open.add(number)

    def we_speak(self, number: int, end: bool) -> None:
        stream = self.ours.streams.get(number)
        if stream is None or number in self.gone:
            self.we_open.discard(number)
            return
        if number not in self.we_headed:
            self.we_headed.add(number)
            fields = [*ANSWER, *self.fields()]
            stream.headed = True
            self.ours.send_block(number, self.ours.encoder.encode(fields), False)
            tell(self.we_said, number, "head", fields)
        kind = self.chance.randrange(3) if end else 0
        # h2 takes no empty DATA while a window is negative, though it is legal (RFC 9113 section 6.9.1)
        smallest = 1 if stream.queued or stream.send_window < 0 else 0
        if smallest and end and not kind:
            kind = 1
        if kind < 2:
            data = bytes([number % 256]) * self.chance.choice([smallest, 1, 100, 16_384, 16_385, 40_000])
            if data or end:
                tell(self.we_said, number, "data", data)
                stream.send_data(data, end and kind == 1)
        if end and kind != 1:
            fields = [("grpc-status", "0"), *self.fields()]
            if kind == 2:
                stream.send_end(tuple(fields))
                tell(self.we_said, number, "trailers", fields)
            else:
                stream.send_end(())
        if end:
            tell(self.we_said, number, "end")
            self.we_open.discard(number)

    def they_speak(self, number: int, end: bool) -> None:
        if number in self.gone:
            self.they_open.discard(number)
            return
        theirs = self.theirs
        if number not in self.they_headed:
            self.they_headed.add(number)
            if self.chance.random() < 0.2:
                theirs.send_headers(number, [(":status", "103"), ("link", "</a>")])
            fields = [*ANSWER, *self.fields()]
            theirs.send_headers(number, fields)
            tell(self.they_said, number, "head", fields)
        room = min(theirs.local_flow_control_window(number), theirs.max_outbound_frame_size)
        padding = self.chance.choice([None, None, 0, 10, 255])
        size = min(self.chance.choice([0, 1, 100, 16_000]), room - (0 if padding is None else padding + 1))
        if size >= 0:
            data = bytes([number % 256]) * size
            theirs.send_data(number, data, pad_length=padding)
            tell(self.they_said, number, "data", data)
        if end:
            if self.chance.random() < 0.5:
                fields = [("grpc-status", "0"), *self.fields()]
                theirs.send_headers(number, fields, end_stream=True)
                tell(self.they_said, number, "trailers", fields)
            else:
                theirs.end_stream(number)
            tell(self.they_said, number, "end")
            self.they_open.discard(number)

    def reset(self) -> None:
        number = self.chance.choice(list(self.ours.streams))
        if number in self.gone:
            return
        code = self.chance.choice([ErrorCodes.CANCEL, ErrorCodes.NO_ERROR, ErrorCodes.REFUSED_STREAM])
        self.gone.add(number)
        if self.chance.random() < 0.5 or (self.client and number not in self.they_heard):
            tell(self.we_said, number, "reset", int(code))
            self.ours.streams[number].reset(int(code))
        else:
            tell(self.they_said, number, "reset", int(code))
            with contextlib.suppress(StreamClosedError):  # its end is on its way
                self.theirs.reset_stream(number, code)

    def read(self) -> None:
        """Both sides take in what has come."""
        for number, stream in list(self.ours.streams.items()):
            if stream.held and self.chance.random() < 0.7:
                stream.consumed(self.chance.randrange(stream.held + 1))
            assert number == stream.id
        for number, size in list(self.they_unread.items()):
            if size and self.chance.random() < 0.7:
                self.they_unread[number] = 0
                self.theirs.acknowledge_received_data(size, number)

    def settle(self) -> None:
        """Their settings change. h2 takes the first acknowledgement for all that are on their way."""
        if self.unsettled:
            return
        choice = {
            SettingCodes.INITIAL_WINDOW_SIZE: self.chance.choice([0, 1, 1000, 65_535, 200_000]),
            SettingCodes.MAX_FRAME_SIZE: self.chance.choice([16_384, 20_000, 2**24 - 1]),
            SettingCodes.HEADER_TABLE_SIZE: self.chance.choice([0, 100, 4096, 65_536]),
            SettingCodes.MAX_CONCURRENT_STREAMS: self.chance.choice([3, 100]),
        }
        key = self.chance.choice(list(choice))
        if key is SettingCodes.MAX_CONCURRENT_STREAMS and not self.client:
            return  # ours pushes nothing
        self.theirs.update_settings({key: choice[key]})
        self.unsettled = True

    def ping(self) -> None:
        self.theirs.ping(self.chance.randbytes(8))
        if isinstance(self.ours, ClientConnection):
            self.ours.ping()

    def step(self) -> None:
        self.now += 0.01
        kind = self.chance.randrange(12)
        end = self.chance.random() < 0.2
        if kind == 0 and len(self.ours.streams) < 8:
            self.open()
        elif kind < 5 and self.we_open:
            self.we_speak(self.chance.choice(sorted(self.we_open)), end)
        elif kind < 8 and self.they_open:
            self.they_speak(self.chance.choice(sorted(self.they_open)), end)
        elif kind == 8 and self.ours.streams and self.chance.random() < 0.3:
            self.reset()
        elif kind == 9:
            self.settle()
        elif kind == 10 and self.chance.random() < 0.3:
            self.ping()
        else:
            self.read()
        if self.chance.random() < 0.7:
            self.exchange()

    def finish(self) -> None:
        """Let everything that was begun come to its end."""
        self.theirs.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 65_535})
        self.exchange()
        for number in sorted(self.they_open):
            self.they_speak(number, True)
            self.exchange()
            self.read_all()
        for number in sorted(self.we_open):
            self.we_speak(number, True)
            self.exchange()
            self.read_all()
        for number in list(self.ours.waiting):
            # h2 does not open a window by itself that its settings have made negative
            self.theirs.increment_flow_control_window(200_000, number)
        for _ in range(300):
            if not self.ours.waiting:
                break
            self.read_all()
        self.read_all()

    def read_all(self) -> None:
        for stream in list(self.ours.streams.values()):
            if stream.held:
                stream.consumed(stream.held)
        for number, size in list(self.they_unread.items()):
            if size:
                self.they_unread[number] = 0
                self.theirs.acknowledge_received_data(size, number)
        self.exchange()


def same(said: Told, heard: Told, gone: set[int]) -> None:
    """Check that what was said was heard. Of a stream that was cut off the beginning will do."""
    assert set(heard) <= set(said) | gone
    for number, notes in said.items():
        if number not in gone:
            assert heard[number] == notes, number
            continue
        plain = [note for note in notes if note[0] != "reset"]
        for mine, other in zip([note for note in heard[number] if note[0] != "reset"], plain, strict=False):
            if mine[0] == "data":
                assert other[1].startswith(mine[1])
            else:
                assert mine == other
        if notes and notes[-1][0] == "reset" and heard[number]:
            assert heard[number][-1] in (notes[-1], ("end",))


@pytest.mark.parametrize("client", [False, True], ids=["as server", "as client"])
@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 120))
def test_what_one_says_is_what_the_other_hears(client: bool, seed: int, steps: int) -> None:
    duo = Duo(seed, client=client)
    for _ in range(steps):
        duo.step()
    duo.finish()
    same(duo.we_said, duo.they_heard, duo.gone)
    same(duo.they_said, duo.we_heard, duo.gone)
    assert not duo.goodbyes
    assert not duo.ours.streams
    assert not duo.ours.waiting
    assert duo.ours.recv_left + duo.ours.owed == LIMITS.connection_buffer_bytes
    # what h2 thinks of our windows is what we think of them
    assert duo.theirs.outbound_flow_control_window == duo.ours.recv_left
    assert duo.ours.send_window == duo.theirs.inbound_flow_control_window


def test_a_goaway_of_ours_is_understood() -> None:
    duo = Duo(1, client=False)
    assert isinstance(duo.ours, ServerConnection)
    duo.open()
    duo.exchange()
    duo.ours.settle_drain()
    duo.ours.turn.flush()
    duo.hear(duo.theirs.receive_data(duo.pipe.take()))
    assert duo.goodbyes == [0]
    assert not duo.ours.ended
    stream: Stream = duo.ours.streams[1]
    stream.reset(8)
    assert duo.ours.ended


def test_a_goaway_of_theirs_is_understood() -> None:
    duo = Duo(1, client=True)
    assert isinstance(duo.ours, ClientConnection)
    duo.open()
    duo.exchange()
    duo.theirs.close_connection(last_stream_id=0)
    duo.ours.receive(duo.theirs.data_to_send(), duo.now)
    assert duo.owner.notes[-1] == "leaving"
    assert duo.we_heard[1] == [("reset", 0)]
    assert not duo.ours.has_room()
    assert duo.ours.ended
