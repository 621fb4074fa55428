"""A model of flow control: callers and endpoints that read and write as they like, and count every byte they may."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.model.settings import Limits
from edge.wire import frames
from edge.wire.connection import Receiver
from edge.wire.frames import CANCEL
from tests.edge.wire.place import Place
from tests.edge.wire.support import ANSWER, TRAILERS, Peer, head, message

STREAM_WINDOW = 2000
CONNECTION_WINDOW = 65_535


class Counting(Peer):
    """A peer that keeps to our windows and checks that we keep to its own."""

    def __init__(self, conn: Receiver, clock: Callable[[], float]) -> None:
        super().__init__(conn, clock)
        self.room = frames.DEFAULT_WINDOW
        """What we still take on the connection; of each stream below."""
        self.rooms: dict[int, int] = {}
        self.open = frames.DEFAULT_WINDOW
        """What it still takes on the connection; of each stream below."""
        self.opens: dict[int, int] = {}
        self.initial = frames.DEFAULT_WINDOW
        self.got: dict[int, bytearray] = {}
        self.ended: set[int] = set()
        self.over: set[int] = set()

    # === what we may send to it ===

    def begin(self, stream: int) -> None:
        self.opens.setdefault(stream, self.initial)
        self.rooms.setdefault(stream, STREAM_WINDOW)
        self.got.setdefault(stream, bytearray())

    def set_initial(self, window: int) -> None:
        for stream in self.opens:
            self.opens[stream] += window - self.initial
        self.initial = window
        self.say(frames.settings_frame([(frames.INITIAL_WINDOW_SIZE, window)]))

    def read(self, stream: int, size: int) -> None:
        """Take `size` bytes more on a stream and on the connection."""
        self.open += size
        self.window(0, size)
        if stream not in self.over:
            self.opens[stream] += size
            self.window(stream, size)

    def took_data(self, stream: int, size: int) -> None:
        self.begin(stream)
        self.opens[stream] -= size
        self.open -= size
        assert size == 0 or self.opens[stream] >= 0, "more than the window of the stream"
        assert self.open >= 0, "more than the window of the connection"

    def got_window(self, stream: int, size: int) -> None:
        if stream:
            self.begin(stream)
            self.rooms[stream] += size
            assert self.rooms[stream] <= STREAM_WINDOW, "more credit than there is"
        else:
            self.room += size
            assert self.room <= CONNECTION_WINDOW, "more credit than there is"

    def hear(self) -> None:
        for event in self.all_events():
            if event[0] == "data":
                self.got[event[1]] += event[2]
            if event[0] == "headers":
                self.begin(event[1])
            if event[0] in ("data", "headers") and event[3]:
                self.ended.add(event[1])
            if event[0] == "rst":
                self.over.add(event[1])

    # === what it sends ===

    def send(self, stream: int, data: bytes, at: int, most: int, end: bool) -> int:
        """Send a part of `data` from `at` on, as far as the windows allow; return how far it came."""
        size = min(len(data) - at, most, self.rooms[stream], self.room)
        if size <= 0 and not (at == len(data) and end):
            return at
        self.rooms[stream] -= size
        self.room -= size
        self.data(stream, data[at : at + size], end and at + size == len(data))
        return at + size


class Talk:
    """A call with what each side has to say."""

    def __init__(self, number: int, request: bytes, answer: bytes) -> None:
        self.number = number
        self.request, self.answer = request, answer
        self.sent = self.answered = 0
        self.request_over = self.answer_over = self.headed = False


class World:
    """Callers, an endpoint, and calls between them."""

    def __init__(self, seed: int, callers: int, streams: int) -> None:
        self.random = random.Random(seed)
        limits = Limits(stream_buffer_bytes=STREAM_WINDOW, connection_buffer_bytes=CONNECTION_WINDOW)
        self.place = Place(limits, peer_class=Counting)
        self.endpoint = cast("Counting", self.place.endpoint())
        self.callers = [cast("Counting", self.place.caller()) for _ in range(callers)]
        self.talks: dict[tuple[int, int], Talk] = {}
        self.upstream: dict[int, tuple[int, int]] = {}
        for index, caller in enumerate(self.callers):
            for number in range(1, 2 * streams, 2):
                request = message(self.random.randrange(12_000), bytes([65 + number % 26]))
                answer = message(self.random.randrange(12_000), bytes([97 + number % 26]))
                self.talks[index, number] = Talk(number, request, answer)
                caller.begin(number)
                caller.headers(number, head(("x-who", f"{index}-{number}")))
                self.note_requests()
        self.place.flush()

    def note_requests(self) -> None:
        for event in self.endpoint.all_events():
            if event[0] == "headers":
                who = dict(event[2])["x-who"].split("-")
                self.upstream[event[1]] = (int(who[0]), int(who[1]))
                self.endpoint.begin(event[1])

    def peers(self) -> list[Counting]:
        return [*self.callers, self.endpoint]

    def ask(self, key: tuple[int, int], most: int) -> None:
        """Let a caller send."""
        talk = self.talks[key]
        caller = self.callers[key[0]]
        if not talk.request_over and talk.number not in caller.over:
            talk.sent = caller.send(talk.number, talk.request, talk.sent, most, True)
            talk.request_over = talk.sent == len(talk.request)

    def answer(self, leg: int, most: int) -> None:
        """Let the endpoint send."""
        talk = self.talks[self.upstream[leg]]
        if talk.answer_over or leg in self.endpoint.over:
            return
        if not talk.headed:
            talk.headed = True
            self.endpoint.headers(leg, ANSWER)
        talk.answered = self.endpoint.send(leg, talk.answer, talk.answered, most, False)
        if talk.answered == len(talk.answer):
            talk.answer_over = True
            self.endpoint.headers(leg, TRAILERS, end=True)

    def check(self) -> None:
        """Check what has to hold at any time."""
        for peer in self.peers():
            peer.hear()
            conn = peer.conn
            assert not conn.ended, "a connection has ended"
            held = 0
            for stream in conn.streams.values():
                assert 0 <= stream.held <= STREAM_WINDOW
                assert stream.queued <= STREAM_WINDOW
                held += stream.held
            assert held <= CONNECTION_WINDOW
            assert conn.recv_left + conn.owed + held == CONNECTION_WINDOW
            assert set(conn.waiting) <= set(conn.streams)

    def step(self) -> None:
        """Something happens."""
        chance = self.random
        kind = chance.randrange(10)
        peer = chance.choice(self.peers())
        if kind < 3:
            self.ask(chance.choice(list(self.talks)), chance.randrange(1, 3000))
        elif kind < 6:
            self.answer(chance.choice(list(self.upstream)), chance.randrange(1, 3000))
        elif kind < 8:
            peer.read(chance.choice(list(peer.opens)), chance.randrange(1, 3000))
        elif kind == 8:
            peer.set_initial(chance.choice([0, 1, 100, 5000, 70_000]))
        elif peer.conn.blocked:
            peer.conn.unblock()
        else:
            peer.conn.blocked = True

    def finish(self) -> None:
        """Let everybody read and write: then everything has to come to its end."""
        for peer in self.peers():
            peer.conn.unblock()
            peer.set_initial(65_535)
        for _ in range(60):
            for peer in self.peers():
                peer.hear()
                for stream in list(peer.opens):
                    if peer.opens[stream] < 20_000 or peer.open < 20_000:
                        peer.read(stream, 20_000)
            for key in self.talks:
                self.ask(key, 3000)
            for leg in self.upstream:
                self.answer(leg, 3000)
            self.place.time += 1.0
            self.check()
            if not any(peer.conn.streams for peer in self.peers()):
                return

    def check_ends(self) -> None:
        """Check that everything has arrived, and that nothing is left."""
        codes = self.place.codes()
        assert codes == [0] * len(self.talks)
        for leg, (index, number) in self.upstream.items():
            talk = self.talks[index, number]
            caller = self.callers[index]
            assert bytes(caller.got[number]) == talk.answer
            assert number in caller.ended
            request = bytes(self.endpoint.got[leg])
            if leg in self.endpoint.ended:
                assert request == talk.request
            else:
                # the answer was there first, so the rest interests nobody
                assert talk.request.startswith(request)
                assert leg in self.endpoint.over
        self.place.check_idle()
        self.place.check_credit()


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), callers=st.integers(1, 3), streams=st.integers(1, 5), steps=st.integers(0, 300))
def test_whoever_reads_and_writes_as_they_like(seed: int, callers: int, streams: int, steps: int) -> None:
    world = World(seed, callers, streams)
    for turn in range(steps):
        world.step()
        if turn % 10 == 0:
            world.place.time += 0.5
        world.check()
    world.finish()
    world.check_ends()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 150))
def test_streams_that_are_cut_off_leave_no_credit_behind(seed: int, steps: int) -> None:
    world = World(seed, 2, 4)
    for _ in range(steps):
        world.step()
        world.check()
    cut = {key: world.random.choice(["caller", "endpoint", "no"]) for key in world.talks}
    for leg, key in world.upstream.items():
        caller = world.callers[key[0]]
        if cut[key] == "caller" and key[1] in caller.conn.streams:
            caller.rst(key[1], CANCEL)
            caller.over.add(key[1])
        elif cut[key] == "endpoint" and leg in world.endpoint.conn.streams:
            world.endpoint.rst(leg, CANCEL)
            world.endpoint.over.add(leg)
        world.check()
    world.finish()
    assert len(world.place.codes()) == len(world.talks)
    world.place.check_idle()
    world.place.check_credit()


@pytest.mark.parametrize("how", ["stream", "transport"])
def test_a_reader_that_stops_stops_its_own_sender_and_nobody_else(how: str) -> None:
    world = World(1, 2, 3)
    stopped, other = world.callers
    if how == "transport":
        stopped.conn.blocked = True
    else:
        stopped.set_initial(0)
    for _ in range(30):
        for key in world.talks:
            world.ask(key, 3000)
        for leg in world.upstream:
            world.answer(leg, 3000)
        for peer in (other, world.endpoint):
            for stream in list(peer.opens):
                peer.read(stream, 3000)
        world.place.time += 1.0
        world.check()
    assert not other.conn.streams
    assert all(bytes(other.got[number]) == world.talks[1, number].answer for number in (1, 3, 5))
    assert all(not stopped.got[number] for number in (1, 3, 5))
    assert all(waits.queued <= STREAM_WINDOW for waits in stopped.conn.streams.values())
    world.finish()
    world.check_ends()


def test_a_window_that_opens_by_little_is_shared() -> None:
    world = World(2, 1, 4)
    caller = world.callers[0]
    caller.open = 0
    caller.conn.send_window = 0
    for _ in range(20):
        for leg in world.upstream:
            world.answer(leg, 3000)
    caller.hear()
    assert len(caller.conn.waiting) == 4
    for _ in range(8):
        caller.open += 100
        caller.window(0, 100)
        caller.hear()
    assert [len(got) for got in caller.got.values()] == [200] * 4


def test_a_window_of_one_stream_moves_it_and_not_the_others() -> None:
    world = World(3, 1, 3)
    caller = world.callers[0]
    caller.set_initial(0)
    for _ in range(20):
        for leg in world.upstream:
            world.answer(leg, 3000)
    caller.hear()
    caller.opens[3] += 50
    caller.window(3, 50)
    caller.hear()
    assert {number: len(got) for number, got in caller.got.items()} == {1: 0, 3: 50, 5: 0}


def test_an_end_without_bytes_needs_no_window() -> None:
    world = World(4, 1, 1)
    caller = world.callers[0]
    caller.set_initial(0)
    world.endpoint.headers(1, ANSWER)
    world.endpoint.headers(1, TRAILERS, end=True)
    caller.hear()
    assert 1 in caller.ended


def test_a_blocked_transport_keeps_the_end_back_until_it_is_free() -> None:
    place = Place()
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head())
    endpoint.events()
    endpoint.conn.blocked = True
    caller.data(1, b"", end=True)
    assert endpoint.events() == []
    endpoint.conn.unblock()
    assert endpoint.events() == [("data", 1, b"", True)]
    assert not endpoint.conn.waiting


def test_large_answers_leave_in_portions_with_all_their_bytes() -> None:
    place = Place(Limits(stream_buffer_bytes=2**20))
    endpoint, caller = place.endpoint(), place.caller((frames.INITIAL_WINDOW_SIZE, 2**24))
    caller.window(0, 2**24)
    caller.headers(1, head(), end=True)
    endpoint.headers(1, ANSWER)
    caller.conn.blocked = True
    answer = message(2**20 - 5)
    for at in range(0, len(answer), 16_384):
        endpoint.data(1, answer[at : at + 16_384])
    endpoint.headers(1, TRAILERS, end=True)
    caller.events()
    caller.conn.unblock()
    assert 256 * 1024 <= sum(map(len, caller.conn.out)) < 300 * 1024
    events = caller.events()
    assert b"".join(event[2] for event in events if event[0] == "data") == answer
    assert events[-1] == ("headers", 1, TRAILERS, True)
    place.check_idle()
