from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire.frames import CANCEL, NO_ERROR
from edge.wire.translate import timeout_text
from tests.edge.wire.place import Place
from tests.edge.wire.support import ANSWER, TRAILERS, Peer, head, message

_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def timeout_of(endpoint: Peer) -> str:
    """Return the `grpc-timeout` of the request that has come, or the empty text."""
    requests = [event for event in endpoint.events() if event[0] == "headers"]
    return str(dict(requests[-1][2]).get("grpc-timeout", ""))


def seconds(text: str) -> float:
    assert len(text) <= 9, text
    return int(text[:-1]) * _UNITS[text[-1]]


def ended(caller: Peer) -> tuple[int, str]:
    """Return code and message of the call that has ended."""
    last = [event for event in caller.events() if event[0] == "headers"][-1]
    assert last[3]
    found = dict(last[2])
    return int(found["grpc-status"]), found.get("grpc-message", "")


# === time ===


def test_the_deadline_of_the_caller_goes_on_as_it_came_and_ends_the_call() -> None:
    place = Place()
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(("grpc-timeout", "1500m")), end=True)
    assert timeout_of(endpoint) == "1500m"
    place.pass_time(1.49)
    assert place.codes() == []
    place.pass_time(0.02)
    assert ended(caller) == (4, "the caller's deadline has passed")
    assert endpoint.events() == [("rst", 1, CANCEL)]
    assert place.codes() == [4]
    place.check_idle()


@pytest.mark.parametrize("answered", [False, True])
def test_the_timeout_of_a_route_ends_a_stream_and_says_so(answered: bool) -> None:
    place = Place(stream_timeout=2.0)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head())
    assert seconds(timeout_of(endpoint)) == 2.0
    if answered:
        endpoint.headers(1, ANSWER)
        endpoint.data(1, message(1))
    place.pass_time(2.01)
    code, words = ended(caller)
    assert (code, "2 s" in words, "routes/r" in words) == (4, True, True)
    assert endpoint.events() == [("rst", 1, CANCEL)]
    place.check_idle()
    place.check_credit()


@pytest.mark.parametrize(("whose", "name"), [("route", "routes/r"), ("upstream", "upstreams/u")])
def test_a_unary_call_has_the_limit_of_route_or_upstream(whose: str, name: str) -> None:
    place = Place(unary=("/a.B/C",), unary_limit=(0.5, whose), stream_timeout=100.0)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(("grpc-timeout", "5S")), end=True)
    assert seconds(timeout_of(endpoint)) == 0.5
    place.pass_time(0.51)
    code, words = ended(caller)
    assert (code, f"the {whose} timeout of {name}" in words) == (4, True)
    place.check_idle()


def test_a_stream_that_is_quiet_for_too_long_ends_and_one_that_is_not_does_not() -> None:
    place = Place(idle=1.0)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head())
    caller.headers(3, head())
    assert timeout_of(endpoint) == ""
    for number in (1, 3):
        endpoint.headers(number, ANSWER)
    for turn in range(6):
        place.pass_time(0.7)
        if turn % 2:
            caller.data(3, message(1))
        else:
            endpoint.data(3, message(1))
    assert ended(caller)[0] == 4
    assert place.codes() == [4]
    endpoint.headers(3, TRAILERS, end=True)
    assert place.codes() == [4, 0]
    place.check_idle()


def test_a_quiet_stream_with_a_limit_ends_by_whichever_comes_first() -> None:
    place = Place(idle=1.0, stream_timeout=1.5)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head())
    place.pass_time(0.9)
    caller.data(1, message(1))
    place.pass_time(0.61)
    assert "route timeout" in ended(caller)[1]
    place.check_idle()
    assert endpoint.events()[-1] == ("rst", 1, CANCEL)


def test_a_call_that_waited_for_its_connection_hands_on_what_is_left() -> None:
    place = Place()
    caller = place.caller()
    caller.headers(1, head(("grpc-timeout", "2S")), end=True)
    place.pass_time(0.75)
    left = seconds(timeout_of(place.endpoint()))
    assert 1.24 <= left <= 1.25


def test_a_deadline_of_zero_ends_at_once() -> None:
    place = Place()
    place.endpoint()
    caller = place.caller()
    caller.headers(1, head(("grpc-timeout", "0n")), end=True)
    place.pass_time(0.011)
    assert ended(caller)[0] == 4
    place.check_idle()


@given(
    digits=st.integers(0, 99_999_999),
    unit=st.sampled_from("HMSmun"),
    waited=st.floats(0.0, 50.0),
)
def test_a_timeout_never_grows_on_its_way(digits: int, unit: str, waited: float) -> None:
    place = Place()
    caller = place.caller()
    given_seconds = digits * _UNITS[unit]
    caller.headers(1, head(("grpc-timeout", f"{digits}{unit}")), end=True)
    place.time += waited
    text = timeout_of(place.endpoint())
    assert seconds(text) <= max(given_seconds - waited, 1e-9) * (1 + 1e-12) or text == f"{digits}{unit}"
    assert seconds(text) <= max(given_seconds, 1e-9)


@given(st.floats(0.0, 1e9))
def test_the_text_of_a_timeout_is_never_more_than_it(value: float) -> None:
    assert seconds(timeout_text(value)) <= max(value, 1e-9) * (1 + 1e-15)
    if value < 99_999_999:
        assert seconds(timeout_text(value)) >= value * 0.98 - 1e-8


# === sizes ===


@pytest.mark.parametrize("split", range(12))
@pytest.mark.parametrize("side", ["request", "response"])
def test_a_message_over_the_limit_is_refused_wherever_its_prefix_is_split(side: str, split: int) -> None:
    place = Place(max_request=100, max_response=100)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head())
    sender = caller if side == "request" else endpoint
    if side == "response":
        endpoint.headers(1, ANSWER)
    fits = message(100) + message(3)
    sender.data(1, fits)
    large = message(5) + message(101)
    assert place.codes() == []
    sender.data(1, large[: 5 + split])
    sender.data(1, large[5 + split :])
    code, words = ended(caller)
    assert (code, "101 bytes" in words, f"a {side} message" in words) == (8, True, True)
    assert endpoint.events()[-1] == ("rst", 1, CANCEL)
    assert place.codes() == [8]
    caller.data(1, b"late", end=True)
    place.check_idle()
    place.check_credit()


@given(
    sizes=st.lists(st.integers(0, 40), max_size=12),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=20),
    side=st.sampled_from(["request", "response"]),
)
def test_messages_are_counted_however_they_are_cut(sizes: list[int], cuts: list[int], side: str) -> None:
    place = Place(max_request=40, max_response=40)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head())
    endpoint.headers(1, ANSWER)
    data = b"".join(message(size) for size in sizes)
    sender, taker = (caller, endpoint) if side == "request" else (endpoint, caller)
    taker.events()
    at = turn = 0
    while at < len(data):
        step = cuts[turn % len(cuts)]
        sender.data(1, data[at : at + step], padding=turn % 3 - 1)
        at += step
        turn += 1
    endpoint.headers(1, TRAILERS, end=True)
    arrived = b"".join(event[2] for event in taker.events() if event[0] == "data")
    assert arrived == data
    call = place.finished[0].call
    counted = (call.request_messages, call.request_bytes, call.response_messages, call.response_bytes)
    expected = (len(sizes), sum(sizes))
    assert counted == ((*expected, 0, 0) if side == "request" else (0, 0, *expected))
    assert place.codes() == [0]
    place.check_idle()
    place.check_credit()


def test_what_comes_before_the_message_that_is_too_large_has_crossed() -> None:
    place = Place(max_response=100)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(), end=True)
    endpoint.headers(1, ANSWER)
    endpoint.data(1, message(10))
    endpoint.data(1, message(200))
    kinds = [event[0] for event in caller.events()]
    assert kinds == ["headers", "data", "headers"]
    assert place.cluster.failed == [False]


def test_a_refusal_of_a_call_whose_caller_still_sends_stops_it_without_an_error() -> None:
    place = Place(max_request=10)
    place.endpoint()
    caller = place.caller()
    caller.headers(1, head())
    caller.data(1, message(11))
    assert [event[0] for event in caller.events()] == ["headers", "rst"]
    assert caller.conn.resets == {1: None}
    caller.rst(1, NO_ERROR)
    place.check_idle()
