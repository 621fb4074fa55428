"""A call that certainly never reached a server is tried again elsewhere, with all of its bytes and each once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.model.call import Call
from edge.model.settings import Limits
from edge.model.snapshot import RoutePlan
from edge.wire import frames
from edge.wire.carrier import Carrier
from edge.wire.frames import CANCEL, REFUSED_STREAM
from edge.wire.request_head import RequestHead
from tests.edge.wire.place import Place
from tests.edge.wire.support import ANSWER, TRAILERS, Event, Peer, head, message


def body(events: list[Event]) -> bytes:
    return b"".join(event[2] for event in events if event[0] == "data")


def has_ended(events: list[Event]) -> bool:
    return any(event[0] in ("headers", "data") and event[3] for event in events)


def refuse(endpoint: Peer) -> None:
    endpoint.rst(1, REFUSED_STREAM)


def go_away(endpoint: Peer) -> None:
    endpoint.say(frames.goaway_frame(0, frames.NO_ERROR))


def lose(endpoint: Peer) -> None:
    endpoint.conn.lost("the connection was closed")  # type: ignore[attr-defined]


WAYS: list[tuple[str, Callable[[Peer], None]]] = [("refused", refuse), ("goaway", go_away), ("lost early", lose)]


@pytest.mark.parametrize(("name", "way"), WAYS, ids=[name for name, _ in WAYS])
@pytest.mark.parametrize("whole", [True, False])
def test_a_call_that_was_not_begun_goes_elsewhere(name: str, way: Callable[[Peer], None], whole: bool) -> None:
    place = Place(endpoints=2)
    first = place.endpoint(0, greet=name != "lost early")
    second, caller = place.endpoint(1), place.caller()
    caller.headers(1, head(("x-a", "b")))
    caller.data(1, message(10), end=whole)
    sent = first.events()
    way(first)
    again = second.events()
    assert again == sent
    if not whole:
        caller.data(1, message(3), end=True)
        assert second.events() == [("data", 1, message(3), True)]
    second.headers(1, [*ANSWER, *TRAILERS], end=True)
    assert place.codes() == [0]
    assert place.finished[0].call.attempts == 2
    assert place.cluster.failed == [False, False]
    place.check_idle()
    place.check_credit()


def test_a_call_below_the_last_id_of_a_goaway_stays() -> None:
    place = Place(endpoints=2)
    first, second, caller = place.endpoint(0), place.endpoint(1), place.caller()
    caller.headers(1, head(), end=True)
    caller.headers(3, head(), end=True)  # the second endpoint's
    caller.headers(5, head(), end=True)
    assert [event[1] for event in first.events()] == [1, 3]
    second.events()
    first.say(frames.goaway_frame(1, frames.NO_ERROR))
    assert [event[1] for event in second.events()] == [3]
    first.headers(1, [*ANSWER, *TRAILERS], end=True)
    assert place.codes() == [0]
    assert first.conn.ended


def test_a_connection_lost_after_its_settings_is_not_tried_again() -> None:
    place = Place(endpoints=2)
    first, second, caller = place.endpoint(0), place.endpoint(1), place.caller()
    caller.headers(1, head(), end=True)
    first.events()
    lose(first)
    assert second.events() == []
    assert place.codes() == [14]


@pytest.mark.parametrize("way", [refuse, go_away])
def test_nothing_is_tried_again_after_the_head_of_an_answer(way: Callable[[Peer], None]) -> None:
    place = Place(endpoints=2)
    first, second, caller = place.endpoint(0), place.endpoint(1), place.caller()
    caller.headers(1, head(), end=True)
    first.headers(1, ANSWER)
    way(first)
    assert second.events() == []
    assert place.codes() == [14]
    place.check_idle()


@pytest.mark.parametrize("when", ["as it comes", "while it waits"])
def test_more_than_is_kept_is_not_tried_again(when: str) -> None:
    place = Place(endpoints=2)
    second = place.endpoint(1)
    first = place.endpoint(0, (frames.INITIAL_WINDOW_SIZE, 2**20)) if when == "as it comes" else None
    caller = place.caller()
    caller.headers(1, head())
    for _ in range(5):
        caller.data(1, message(16_000))
    if first is None:
        first = place.endpoint(0, (frames.INITIAL_WINDOW_SIZE, 2**20))
    first.window(0, 2**20)
    assert len(body(first.events())) == 5 * 16_005
    refuse(first)
    assert second.events() == []
    assert place.codes() == [14]
    place.check_idle()


def test_a_caller_that_left_meanwhile_is_not_tried_again() -> None:
    place = Place(endpoints=2)
    first, second, caller = place.endpoint(0), place.endpoint(1), place.caller()
    caller.headers(1, head(), end=True)
    caller.rst(1, CANCEL)
    refuse(first)
    assert second.events() == []
    assert place.codes() == [1]
    place.check_idle()


@settings(max_examples=60)
@example(pieces=[9, 9, 9], windows=[13, 4, 30, 2], ways=[0, 2, 1], after=[1, 1, 1])
@given(
    pieces=st.lists(st.integers(0, 900), min_size=1, max_size=8),
    windows=st.lists(st.integers(0, 1500), min_size=4, max_size=4),
    ways=st.lists(st.integers(0, 2), min_size=0, max_size=3),
    after=st.lists(st.integers(0, 3), min_size=3, max_size=3),
)
def test_bytes_arrive_once_and_credit_is_given_once_wherever_it_is_cut(
    pieces: list[int], windows: list[int], ways: list[int], after: list[int]
) -> None:
    # the caller's window is smaller than what it sends, so that credit lost or given twice shows
    place = Place(Limits(stream_buffer_bytes=70_000), endpoints=4, caller_limits=Limits(stream_buffer_bytes=1000))
    caller = place.caller()
    caller.headers(1, head())
    waiting = [message(size) for size in pieces]
    total = b"".join(waiting)
    window = 1000
    at = 0

    def send(up_to: int) -> None:
        # as much as the window allows, in pieces
        nonlocal at, window
        window += sum(event[2] for event in caller.all_events() if event[0] == "window" and event[1] == 1)
        end = min(at + window, up_to, len(total))
        while at < end:
            step = min(end - at, 400)
            caller.data(1, total[at : at + step], end=at + step == len(total))
            at += step
            window -= step

    endpoints: list[Peer] = []
    for index, way in enumerate([*ways, -1]):
        early = way == 2
        endpoint = place.endpoint(index, (frames.INITIAL_WINDOW_SIZE, windows[index]), greet=not early)
        endpoints.append(endpoint)
        for _ in range(after[index] if index < 3 else 1):
            send(at + 1 + len(total) // 3)
        if way >= 0:
            [refuse, go_away, lose][way](endpoint)
    last = endpoints[-1]
    found = last.events()
    for _ in range(200):
        if has_ended(found):
            break
        send(len(total))
        last.window(1, 97)
        found += last.events()
    assert body(found) == total
    assert has_ended(found)
    stream = caller.conn.streams[1]
    assert stream.held == 0
    assert caller.conn.recv_left + caller.conn.owed == caller.conn.rules.connection_window
    last.headers(1, [*ANSWER, *TRAILERS], end=True)
    assert place.codes() == [0]
    assert place.finished[0].call.request_bytes == sum(pieces)
    place.check_idle()
    place.check_credit()


class Handing(Place):
    """A place whose calls all need messages, so that they go to the core, which is endpoint 0."""

    def core_for(self, call: Call, plan: RoutePlan, head: RequestHead) -> tuple[Carrier, str] | None:
        return self.carriers[0], "its-name"


def test_a_call_that_is_handed_over_carries_its_name_and_its_answer_is_left_as_it_is() -> None:
    place = Handing()
    place.has_core = True
    core, caller = place.endpoint(), place.caller()
    caller.headers(1, head(("edge-call", "forged")), end=True)
    names = [value for name, value in core.events()[0][2] if name == "edge-call"]
    assert names == ["its-name"]
    core.headers(1, [*ANSWER, ("x-a", "b"), *TRAILERS], end=True)
    assert caller.events() == [("headers", 1, [*ANSWER, ("x-a", "b"), *TRAILERS], True)]
    place.check_idle()


def test_a_core_that_refuses_streams_is_not_asked_for_ever() -> None:
    place = Handing()
    place.has_core = True
    core, caller = place.endpoint(), place.caller()
    caller.headers(1, head(), end=True)
    asked: list[int] = []
    while len(asked) < 20 and (events := core.events()):
        asked.append(events[0][1])
        core.rst(events[0][1], REFUSED_STREAM)
    assert asked == [1, 3, 5, 7]
    assert place.codes() == [14]
    assert caller.events()[-1][0] == "headers"
    place.check_idle()
