"""Bytes that nobody would send: nothing is raised, nothing grows, and the connection lives or says GOAWAY."""

from __future__ import annotations

import random

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.model.settings import Limits
from edge.wire import frames
from edge.wire.client import ClientConnection
from edge.wire.connection import Receiver
from edge.wire.frames import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PREFACE, PRIORITY_FLAG
from tests.edge.wire.place import Place
from tests.edge.wire.support import ANSWER, TRAILERS, Event, Peer, frame, head, message

LIMITS = Limits(stream_buffer_bytes=5000, connection_buffer_bytes=65_535, max_control_frames=200)
CALLS = 3


def conversation(chance: random.Random, *, server: bool) -> list[bytes]:
    """Return frames of a caller, or of an endpoint, that are mostly right."""
    encoder = hpack.Encoder()
    found = [frames.settings_frame([(chance.randrange(1, 9), chance.choice([0, 1, 16_384, 65_535, 2**31 - 1]))])]
    streams = [1, 3, 5, 7]
    for _ in range(chance.randrange(1, 25)):
        stream = chance.choice(streams)
        kind = chance.randrange(10)
        end = chance.choice([0, 0, END_STREAM])
        if kind < 3:
            fields = chance.choice([head(("x-a", "b" * chance.randrange(50))), ANSWER, TRAILERS, [(":status", "103")]])
            block = encoder.encode(fields)
            if chance.random() < 0.4:
                block = mutated(chance, block)
            if chance.random() < 0.3:
                cut = chance.randrange(len(block) + 1)
                found.append(frame(HEADERS, end, stream, block[:cut]))
                found.append(frame(CONTINUATION, END_HEADERS, stream, block[cut:]))
            else:
                flags = END_HEADERS | end | chance.choice([0, 0, PADDED, PRIORITY_FLAG])
                found.append(frame(HEADERS, flags, stream, block))
        elif kind < 6:
            data = chance.choice([b"", message(10), message(3000), b"\0\xff\xff\xff\xff", chance.randbytes(20)])
            found.append(frame(DATA, end | chance.choice([0, 0, PADDED]), stream, data))
        elif kind == 6:
            found.append(frames.window_frame(chance.choice([0, *streams]), chance.choice([0, 1, 70_000, 2**31 - 1])))
        elif kind == 7:
            found.append(frames.rst_frame(stream, chance.randrange(16)))
        elif kind == 8:
            found.append(frames.settings_frame([(chance.randrange(9), chance.choice([0, 1, 100, 2**24, 2**32 - 1]))]))
        else:
            payload = chance.randbytes(chance.choice([0, 4, 5, 6, 8, 8, 20]))
            found.append(frame(chance.randrange(12), chance.randrange(256), chance.choice([0, *streams]), payload))
    if chance.random() < 0.1:
        found.append(frames.goaway_frame(chance.choice([0, 3, 2**31 - 1]), 0, "bye"))
    assert found[0], server
    return found


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Return bytes with a few of them changed, added or gone."""
    found = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(found) + 1)
        kind = chance.randrange(3)
        if kind == 0:
            found[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            found[at:at] = chance.randbytes(chance.randrange(4))
        else:
            del found[at : at + chance.randrange(1, 10)]
    return bytes(found)


def stream_of_bytes(seed: int, *, server: bool) -> bytes:
    chance = random.Random(seed)
    pieces = conversation(chance, server=server)
    for _ in range(chance.choice([0, 0, 1, 2])):
        at = chance.randrange(1, len(pieces)) if len(pieces) > 1 else 0
        pieces[at] = mutated(chance, pieces[at])
    return b"".join(pieces)


def cut(data: bytes, steps: list[int]) -> list[bytes]:
    found = []
    at = turn = 0
    while at < len(data):
        step = steps[turn % len(steps)]
        found.append(data[at : at + step])
        at += step
        turn += 1
    return found


def check_bounds(conn: Receiver) -> None:
    """Check that nothing is kept beyond what limits allow."""
    held = sum(stream.held for stream in conn.streams.values())
    assert held <= LIMITS.connection_buffer_bytes + conn.most_ahead
    assert conn.recv_left + conn.owed + held == LIMITS.connection_buffer_bytes or conn.ended
    assert all(stream.held <= LIMITS.stream_buffer_bytes for stream in conn.streams.values())
    assert all(stream.queued <= LIMITS.stream_buffer_bytes for stream in conn.streams.values())
    assert len(conn._rest) <= 9 + frames.DEFAULT_FRAME
    assert conn._block_size <= conn.rules.max_block
    assert len(conn.resets) <= 2 * conn.rules.max_streams + 64
    assert len(conn.streams) <= conn.rules.max_streams


class Target:
    """A connection in a gateway, with calls under way, and how it fares."""

    def __init__(self, *, server: bool) -> None:
        self.server = server
        self.place = Place(LIMITS)
        self.other = self.place.endpoint() if server else self.place.caller()
        self.peer: Peer
        if server:
            self.peer = self.place.caller(greet=False)
        else:
            self.peer = self.place.endpoint(greet=False)
            for number in range(1, 2 * CALLS, 2):
                self.other.headers(number, head(), end=number == 3)
        self.conn = self.peer.conn

    def feed(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self.peer.say(piece)
            check_bounds(self.conn)
            check_bounds(self.other.conn)
            if self.server and self.other.conn.streams:
                self.other.listen()

    def outcome(self) -> tuple[bool, list[Event], list[int]]:
        """Return whether the connection lives, its GOAWAY, and how calls have ended."""
        events = self.peer.all_events()
        goodbyes = [event for event in events if event[0] == "goaway"]
        if self.conn.ended:
            assert goodbyes or (not self.server and not self.conn.streams), "it ended without a word"
            assert not self.conn.streams
            assert self.peer.pipe.closed
        else:
            held = sum(stream.held for stream in self.conn.streams.values())
            assert self.conn.recv_left + self.conn.owed + held == LIMITS.connection_buffer_bytes
        # whatever one side sends, the connection to the other one is none the worse
        assert not self.other.conn.ended
        assert not any(event[0] == "goaway" for event in self.other.all_events())
        return not self.conn.ended, [event[:3] for event in goodbyes], sorted(self.place.codes())

    def leave(self) -> None:
        """End everything, and check that nothing is left."""
        for conn in (self.conn, self.other.conn):
            conn.lost("the test is over")  # type: ignore[attr-defined]
        self.place.carriers[0].give_up()
        self.place.check_idle()


@pytest.mark.parametrize("server", [True, False], ids=["server", "client"])
@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**48), steps=st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_frames_that_are_nearly_right(server: bool, seed: int, steps: list[int]) -> None:
    data = stream_of_bytes(seed, server=server)
    outcomes = []
    for pieces in ([data], cut(data, [1]), cut(data, steps)):
        target = Target(server=server)
        target.feed([PREFACE] if server else [])
        target.feed(pieces)
        outcomes.append(target.outcome())
        target.leave()
        assert len(target.place.finished) == target.place.dispatcher.total_calls
    # how the bytes were cut makes no difference
    assert outcomes[0] == outcomes[1] == outcomes[2]


@pytest.mark.parametrize("server", [True, False], ids=["server", "client"])
@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300), settled=st.booleans(), steps=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_bytes_that_are_nothing(server: bool, data: bytes, settled: bool, steps: list[int]) -> None:
    outcomes = []
    for pieces in ([data], cut(data, steps)):
        target = Target(server=server)
        target.feed([PREFACE] if server else [])
        target.feed([frames.settings_frame([])] if settled else [])
        target.feed(pieces)
        outcomes.append(target.outcome())
        target.leave()
    assert outcomes[0] == outcomes[1]


@settings(max_examples=100, deadline=None)
@given(data=st.binary(min_size=1, max_size=100))
def test_bytes_instead_of_a_preface(data: bytes) -> None:
    fresh = Target(server=True)
    fresh.feed(cut(data, [7]))
    lives, goodbyes, _ = fresh.outcome()
    assert lives is PREFACE.startswith(data[: len(PREFACE)])
    assert lives or goodbyes == [("goaway", 0, frames.PROTOCOL_ERROR)]


@settings(max_examples=200, deadline=None)
@given(block=st.binary(max_size=200), again=st.binary(max_size=60))
def test_header_blocks_that_are_nothing(block: bytes, again: bytes) -> None:
    for server in (True, False):
        target = Target(server=server)
        target.feed([PREFACE] if server else [])
        target.feed([frames.settings_frame([])])
        for number, piece in ((1, block), (3, again), (5, block)):
            target.feed([frame(HEADERS, END_HEADERS, number, piece)])
        target.outcome()
        target.leave()


def test_header_blocks_of_many_kinds_do_not_fill_the_memory() -> None:
    target = Target(server=True)
    target.feed([PREFACE, frames.settings_frame([])])
    encoder = hpack.Encoder()
    number = 1
    for size in range(1, 60):
        fields = head(("x-long", "v" * (15_000 + size)))
        block = b"".join(encoder.encode([(name, value, True)]) for name, value in fields)
        target.feed([frame(HEADERS, END_HEADERS | END_STREAM, number, block[:16_000])])
        number += 2
        if target.conn.ended:
            break
        for stream in list(target.conn.streams.values()):
            stream.reset(frames.CANCEL)
            stream.on_reset(frames.CANCEL, False, "")
    heads = target.conn._heads  # type: ignore[attr-defined]
    assert sum(map(len, heads)) <= 256 * 2048


def test_random_ends_of_a_connection_leave_nothing() -> None:
    for seed in range(60):
        chance = random.Random(seed)
        data = stream_of_bytes(seed, server=False)
        target = Target(server=False)
        target.feed([data[: chance.randrange(len(data) + 1)]])
        assert isinstance(target.conn, ClientConnection)
        target.leave()
