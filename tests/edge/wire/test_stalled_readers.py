"""Readers that stall hold the windows of their streams, and the connection that they share with others goes on."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.model.settings import Limits
from edge.wire.client import WINDOWS_AHEAD
from edge.wire.frames import CANCEL, DEFAULT_WINDOW, INITIAL_WINDOW_SIZE
from tests.edge.wire.place import Place
from tests.edge.wire.support import ANSWER, TRAILERS, Peer, head, message

STREAM = 10_000
WINDOW = 65_535
LIMITS = Limits(stream_buffer_bytes=STREAM, connection_buffer_bytes=WINDOW, max_concurrent_streams=1000)
LEG = STREAM - 1000
"""What a stalled stream is sent: less than its window, so that no credit of its own is due."""


class Counting(Peer):
    """A peer that counts what it may send on the connection."""

    room = DEFAULT_WINDOW

    def got_window(self, stream: int, size: int) -> None:
        if not stream:
            self.room += size
            assert self.room <= WINDOW, "more credit than there is"

    def send(self, stream: int, data: bytes) -> bool:
        """Send bytes if the connection's window lets them all go; return whether it did."""
        self.listen()
        if len(data) > self.room:
            return False
        self.room -= len(data)
        self.data(stream, data)
        self.listen()
        return True


def stall(place: Place, endpoint: Counting, count: int) -> tuple[Peer, int]:
    """Have a caller not read the answers of some calls; return it, and how many of them the window let come."""
    caller = place.caller((INITIAL_WINDOW_SIZE, 0))
    came = 0
    for number in range(1, 2 * count, 2):
        caller.headers(number, head(), end=True)
        place.flush()
        endpoint.headers(number, ANSWER)
        came += endpoint.send(number, message(LEG - 5))
    return caller, came


def answered(place: Place, endpoint: Counting, caller: Peer, number: int, leg: int, size: int) -> bool:
    """Make a call whose caller reads at once; return whether all of the answer has come."""
    caller.headers(number, head(), end=True)
    place.flush()
    endpoint.headers(leg, ANSWER)
    answer = message(size)
    got = b""
    for at in range(0, len(answer), 5000):
        if not endpoint.send(leg, answer[at : at + 5000]):
            return False
        events = caller.events()
        got += b"".join(event[2] for event in events if event[0] == "data")
        caller.window(0, 5000)
        caller.window(number, 5000)
    endpoint.headers(leg, TRAILERS, end=True)
    return got == answer and caller.events()[-1] == ("headers", number, TRAILERS, True)


@pytest.mark.parametrize("stalled", [4, 7, 40, 100])
def test_calls_whose_callers_do_not_read_leave_the_others_of_their_connection_alone(stalled: int) -> None:
    place = Place(LIMITS, peer_class=Counting)
    endpoint = cast("Counting", place.endpoint())
    _, came = stall(place, endpoint, stalled)
    assert came == stalled
    other = place.caller()
    for turn in range(5):
        assert answered(place, endpoint, other, 2 * turn + 1, 2 * (stalled + turn) + 1, 100_000)


def test_what_waits_for_callers_of_one_endpoint_is_bounded() -> None:
    place = Place(LIMITS, peer_class=Counting)
    endpoint = cast("Counting", place.endpoint())
    most = WINDOW * (1 + WINDOWS_AHEAD)
    caller, came = stall(place, endpoint, 200)
    assert came == most // LEG
    assert sum(stream.held for stream in endpoint.conn.streams.values()) <= most
    # whatever is read makes room for as much
    other = place.caller()
    assert not answered(place, endpoint, other, 1, 401, 10_000)
    for number in range(1, 21, 2):
        caller.rst(number, CANCEL)
    assert answered(place, endpoint, other, 3, 403, 50_000)


def test_credit_given_ahead_is_not_given_again() -> None:
    place = Place(LIMITS, peer_class=Counting)
    endpoint = cast("Counting", place.endpoint())
    caller, _ = stall(place, endpoint, 50)
    assert endpoint.conn.owed < -WINDOW
    for number in range(1, 100, 2):
        caller.rst(number, CANCEL)
    endpoint.listen()
    place.check_idle()
    place.check_credit()
    assert endpoint.room == endpoint.conn.recv_left <= WINDOW


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["open", "send", "read", "cut"]), st.integers(0, 60), st.integers(1, 9000))))
def test_the_windows_agree_whatever_is_read(steps: list[tuple[str, int, int]]) -> None:
    place = Place(LIMITS, peer_class=Counting)
    endpoint = cast("Counting", place.endpoint())
    caller = place.caller((INITIAL_WINDOW_SIZE, 0))
    caller.window(0, 2**30)
    rooms: dict[int, int] = {}
    number = 1
    for what, which, size in steps:
        streams = list(rooms)
        if what == "open" or not streams:
            caller.headers(number, head(), end=True)
            place.flush()
            endpoint.headers(number, ANSWER)
            rooms[number] = STREAM
            number += 2
            continue
        chosen = streams[which % len(streams)]
        if what == "send" and rooms[chosen] >= size >= 5 and endpoint.send(chosen, message(size - 5)):
            rooms[chosen] -= size
        elif what == "read":
            caller.window(chosen, size)
        elif what == "cut":
            caller.rst(chosen, CANCEL)
            del rooms[chosen]
        endpoint.listen()
        conn = endpoint.conn
        held = sum(stream.held for stream in conn.streams.values())
        assert not conn.ended
        assert conn.recv_left + conn.owed + held == WINDOW
        assert endpoint.room == conn.recv_left
        assert conn.recv_left >= WINDOW // 2 or held > WINDOW * WINDOWS_AHEAD


@pytest.mark.parametrize("stalled", [3, 4, 5, 6])
def test_an_endpoint_that_does_not_read_leaves_the_rest_of_its_callers_window_to_other_calls(stalled: int) -> None:
    """More than half of the window is held: what is left goes round among the others."""
    place = Place(LIMITS, endpoints=2, peer_class=Counting)
    stopped, other = place.endpoint(0, (INITIAL_WINDOW_SIZE, 0)), place.endpoint(1)
    caller = cast("Counting", place.caller())
    for number in range(1, 2 * stalled, 2):
        place.cluster.picks = 0
        caller.headers(number, head())
        assert caller.send(number, message(LEG - 5))
    assert len(stopped.conn.waiting) == stalled
    last = 2 * stalled + 1
    caller.headers(last, head())
    other.window(0, 2**30)
    request = message(200_000)
    got = b""
    for at in range(0, len(request), 1000):
        assert caller.send(last, request[at : at + 1000]), f"stopped after {at} bytes"
        got += b"".join(event[2] for event in other.events() if event[0] == "data")
        other.window(1, 1000)
    assert got == request
    assert caller.conn.recv_left + sum(stream.held for stream in caller.conn.streams.values()) <= WINDOW
