"""Native calls that are tried again: which, when, with what, and never after anything of an answer went on (A6)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.model.resilience import NO_RETRY, HedgeRule, RetryRule
from edge.model.status import Code
from edge.wire.frames import CANCEL, INTERNAL_ERROR, REFUSED_STREAM
from tests.edge.wire.place import IDEMPOTENT, Place
from tests.edge.wire.support import ANSWER, TRAILERS, Event, Peer, head, message
from tests.edge.wire.test_forward_replay import Handing, body, has_ended, lose

ANY = RetryRule(any_method=True, initial_backoff=0.1, max_backoff=0.1)
UNAVAILABLE = [*ANSWER, ("grpc-status", "14"), ("grpc-message", "busy")]


def entry(events: list[Event], name: str) -> list[str]:
    return [value for event in events if event[0] == "headers" for key, value in event[2] if key == name]


def request(*fields: tuple[str, str], path: str = "/a.B/C") -> list[tuple[str, str]]:
    return [(name, path if name == ":path" else value) for name, value in head(*fields)]


def test_a_failed_attempt_is_followed_by_another_one_elsewhere_after_a_pause() -> None:
    place = Place(endpoints=2, retry=ANY)
    first, second, caller = place.endpoint(0), place.endpoint(1), place.caller()
    caller.headers(1, head(("x-a", "b")))
    caller.data(1, message(10), end=True)
    sent = first.events()
    first.headers(1, UNAVAILABLE, end=True)
    assert caller.events() == []
    place.pass_time(0.07)
    assert second.events() == []
    place.pass_time(0.06)
    again = second.events()
    assert body(again) == body(sent)
    assert has_ended(again)
    assert entry(again, "grpc-previous-rpc-attempts") == ["1"]
    assert entry(sent, "grpc-previous-rpc-attempts") == []
    assert entry(again, "x-a") == ["b"]
    assert entry(again, "x-request-id") == entry(sent, "x-request-id")
    second.headers(1, [*ANSWER, *TRAILERS], end=True)
    assert place.codes() == [0]
    assert place.finished[0].call.attempts == 2
    assert place.cluster.failed == [True, False]
    place.check_idle()
    place.check_credit()


def test_the_last_answer_goes_to_the_caller_as_it_is() -> None:
    place = Place(retry=ANY)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(), end=True)
    for number in (1, 3, 5):
        assert entry(endpoint.events(), ":path") == ["/a.B/C"]
        endpoint.headers(number, [*UNAVAILABLE, ("x-n", str(number))], end=True)
        place.pass_time(0.2)
    (event,) = caller.events()
    assert ("x-n", "5") in event[2]
    assert place.codes() == [14]
    assert place.cluster.failed == [True, True, True]
    place.check_idle()


@pytest.mark.parametrize(
    ("rule", "path", "code", "tried"),
    [
        (RetryRule(), "/a.B/C", 14, False),
        (RetryRule(), IDEMPOTENT, 14, True),
        (RetryRule(), IDEMPOTENT, 10, False),
        (RetryRule(codes=frozenset({Code.ABORTED})), IDEMPOTENT, 10, True),
        (RetryRule(codes=frozenset({Code.ABORTED})), IDEMPOTENT, 14, False),
        (NO_RETRY, IDEMPOTENT, 14, False),
        (RetryRule(buffer_bytes=10), IDEMPOTENT, 14, False),
    ],
)
def test_rule_and_method_decide(rule: RetryRule, path: str, code: int, tried: bool) -> None:
    place = Place(endpoints=2, retry=rule)
    first, second, caller = place.endpoint(0), place.endpoint(1), place.caller()
    caller.headers(1, request(path=path))
    caller.data(1, message(10), end=True)
    first.headers(1, [*ANSWER, ("grpc-status", str(code))], end=True)
    place.pass_time(0.1)
    assert bool(second.events()) == tried
    assert place.codes() == ([] if tried else [code])


@pytest.mark.parametrize("way", ["lost", "reset", "http 503"])
def test_whatever_an_attempt_fails_by(way: str) -> None:
    place = Place(endpoints=2, retry=RetryRule(any_method=True, codes=frozenset({Code.UNAVAILABLE, Code.INTERNAL})))
    first, second, caller = place.endpoint(0), place.endpoint(1), place.caller()
    caller.headers(1, head(), end=True)
    first.events()
    if way == "lost":
        lose(first)
    elif way == "reset":
        first.rst(1, INTERNAL_ERROR)
    else:
        first.headers(1, [(":status", "503"), ("content-type", "text/html")])
    place.pass_time(0.1)
    assert second.events()
    second.headers(1, [*ANSWER, *TRAILERS], end=True)
    assert place.codes() == [0]
    assert place.cluster.failed == [True, False]
    place.check_idle()


def test_a_connection_that_is_not_to_be_had_sends_any_call_elsewhere_at_once() -> None:
    place = Place(endpoints=2)
    second, caller = place.endpoint(1), place.caller()
    caller.headers(1, head(), end=True)
    place.carriers[0].give_up()
    assert entry(second.events(), ":path") == ["/a.B/C"]
    second.headers(1, [*ANSWER, *TRAILERS], end=True)
    assert place.codes() == [0]
    assert place.cluster.failed == [True, False]
    place.check_idle()


def test_without_an_elsewhere_a_call_that_may_not_be_repeated_fails() -> None:
    place = Place()
    caller = place.caller()
    caller.headers(1, head(), end=True)
    place.carriers[0].give_up()
    assert place.codes() == [14]
    assert place.finished[0].call.reason == "UPSTREAM_UNREACHABLE"
    place.check_idle()


@pytest.mark.parametrize(("pushback", "wait"), [("500", 0.5), ("0", 0.0), ("-1", None), ("soon", None)])
def test_a_server_may_say_when(pushback: str, wait: float | None) -> None:
    place = Place(endpoints=2, retry=ANY)
    first, second, caller = place.endpoint(0), place.endpoint(1), place.caller()
    caller.headers(1, head(), end=True)
    first.headers(1, [*UNAVAILABLE, ("grpc-retry-pushback-ms", pushback)], end=True)
    if wait is None:
        # whoever called has to obey it too
        assert ("grpc-retry-pushback-ms", pushback) in caller.events()[0][2]
        assert place.codes() == [14]
        place.check_idle()
        return
    if wait:
        place.pass_time(0.49)
        assert second.events() == []
        place.pass_time(0.02)
    assert second.events()


def test_a_pause_that_passes_the_deadline_is_not_begun() -> None:
    place = Place(retry=RetryRule(any_method=True, initial_backoff=1.0, max_backoff=1.0))
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(("grpc-timeout", "500m")), end=True)
    endpoint.headers(1, UNAVAILABLE, end=True)
    assert place.codes() == [14]
    place.check_idle()


def test_the_time_that_is_left_goes_along() -> None:
    place = Place(retry=ANY)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(("grpc-timeout", "1S")), end=True)
    endpoint.events()
    place.pass_time(0.5)
    endpoint.headers(1, UNAVAILABLE, end=True)
    place.pass_time(0.125)
    (left,) = entry(endpoint.events(), "grpc-timeout")
    assert left in ("374m", "375m")
    place.pass_time(0.4)
    assert place.codes() == [4]
    place.check_idle()


def test_a_caller_that_leaves_ends_the_pause_at_once() -> None:
    place = Place(retry=ANY)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(), end=True)
    endpoint.events()
    endpoint.headers(1, UNAVAILABLE, end=True)
    caller.rst(1, CANCEL)
    assert place.codes() == [1]
    place.check_idle()
    place.pass_time(1.0)
    assert endpoint.events() == []


def test_what_comes_during_the_pause_goes_with_the_next_attempt() -> None:
    place = Place(retry=ANY)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head())
    caller.data(1, message(5))
    endpoint.events()
    endpoint.headers(1, UNAVAILABLE, end=True)
    assert [event[0] for event in endpoint.events()] == ["rst"]
    caller.data(1, message(7), end=True)
    place.pass_time(0.2)
    again = endpoint.events()
    assert body(again) == message(5) + message(7)
    assert has_ended(again)
    endpoint.headers(3, [*ANSWER, *TRAILERS], end=True)
    assert place.codes() == [0]
    place.check_idle()
    place.check_credit()


def test_attempts_of_the_callers_own_library_are_counted_on() -> None:
    place = Place(retry=ANY)
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(("grpc-previous-rpc-attempts", "2")), end=True)
    assert entry(endpoint.events(), "grpc-previous-rpc-attempts") == ["2"]
    endpoint.headers(1, UNAVAILABLE, end=True)
    place.pass_time(0.2)
    assert entry(endpoint.events(), "grpc-previous-rpc-attempts") == ["3"]


def test_what_never_left_does_not_count_as_an_attempt_of_the_rule() -> None:
    place = Place(retry=RetryRule(any_method=True, max_attempts=2))
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(), end=True)
    endpoint.rst(1, REFUSED_STREAM)
    assert entry(endpoint.events()[-1:], "grpc-previous-rpc-attempts") == []
    endpoint.headers(3, UNAVAILABLE, end=True)
    place.pass_time(0.1)
    assert entry(endpoint.events(), "grpc-previous-rpc-attempts") == ["1"]


def test_an_attempt_that_takes_too_long_is_given_up_for_another_one() -> None:
    place = Place(endpoints=2, retry=RetryRule(any_method=True, per_try_timeout=0.5, max_attempts=2))
    first, second, caller = place.endpoint(0), place.endpoint(1), place.caller()
    caller.headers(1, head(), end=True)
    first.events()
    place.pass_time(0.51)
    assert first.events() == [("rst", 1, CANCEL)]
    place.pass_time(0.1)
    assert second.events()
    place.pass_time(0.51)
    assert second.events() == [("rst", 1, CANCEL)]
    (event,) = caller.events()
    assert ("grpc-status", "4") in event[2]
    assert "per-try" in dict(event[2])["grpc-message"]
    assert place.codes() == [4]
    assert place.cluster.failed == [True, True]
    place.check_idle()


def test_an_attempt_that_is_answered_has_the_time_of_the_call() -> None:
    place = Place(retry=RetryRule(any_method=True, per_try_timeout=0.5))
    endpoint, caller = place.endpoint(), place.caller()
    caller.headers(1, head(), end=True)
    endpoint.headers(1, ANSWER)
    place.pass_time(2.0)
    endpoint.data(1, message(1))
    endpoint.headers(1, TRAILERS, end=True)
    assert place.codes() == [0]
    assert body(caller.events()) == message(1)
    place.check_idle()


def test_an_upstream_without_budget_gets_no_retries() -> None:
    place = Place(retry=ANY)
    endpoint, caller = place.endpoint(), place.caller()
    number = 1
    for stream in range(1, 121, 2):
        caller.headers(stream, head(), end=True)
        while place.dispatcher.active_calls:
            endpoint.headers(number, [*UNAVAILABLE, ("grpc-retry-pushback-ms", "0")], end=True)
            number += 2
    # thirty retries for a start, and by then nothing is known of how many calls there are
    assert place.codes() == [14] * 60
    assert sum(finished.call.attempts - 1 for finished in place.finished) == 30


def test_a_core_that_has_the_call_tries_again_by_itself() -> None:
    place = Handing(retry=ANY)
    place.has_core = True
    core, caller = place.endpoint(), place.caller()
    caller.headers(1, head(), end=True)
    core.headers(1, UNAVAILABLE, end=True)
    assert place.codes() == [14]
    place.check_idle()


HEDGE = HedgeRule(delay=0.1, max_attempts=3)


def hedged(path: str = IDEMPOTENT) -> tuple[Place, list[Peer], Peer]:
    place = Place(endpoints=3, hedge=HEDGE)
    endpoints = [place.endpoint(number) for number in range(3)]
    caller = place.caller()
    caller.headers(1, request(path=path))
    caller.data(1, message(10), end=True)
    return place, endpoints, caller


def test_the_first_answer_counts_and_the_other_attempts_are_cancelled() -> None:
    place, (first, second, third), caller = hedged()
    sent = first.events()
    place.pass_time(0.11)
    again = second.events()
    assert body(again) == body(sent)
    place.pass_time(0.11)
    assert entry(third.events(), "grpc-previous-rpc-attempts") == ["2"]
    second.headers(1, ANSWER)
    assert first.events() == [("rst", 1, CANCEL)]
    assert third.events() == [("rst", 1, CANCEL)]
    second.data(1, message(3))
    second.headers(1, TRAILERS, end=True)
    assert body(caller.events()) == message(3)
    assert place.codes() == [0]
    assert place.finished[0].call.attempts == 3
    assert place.finished[0].call.endpoint is place.cluster.endpoints[1]
    assert place.cluster.failed == [False, False, False]
    place.check_idle()
    place.check_credit()


def test_a_failed_attempt_is_followed_by_the_next_at_once_and_the_last_failure_is_the_answer() -> None:
    place, (first, second, third), caller = hedged()
    first.headers(1, UNAVAILABLE, end=True)
    assert second.events()
    place.pass_time(0.11)
    assert third.events()
    second.headers(1, UNAVAILABLE, end=True)
    assert caller.events() == []
    third.headers(1, [*UNAVAILABLE, ("x-last", "1")], end=True)
    assert ("x-last", "1") in caller.events()[0][2]
    assert place.codes() == [14]
    assert place.cluster.failed == [True, True, True]
    place.check_idle()


def test_an_answer_that_is_final_ends_the_others() -> None:
    place, (first, second, _), caller = hedged()
    place.pass_time(0.11)
    second.events()
    first.headers(1, [*ANSWER, ("grpc-status", "5")], end=True)
    assert second.events() == [("rst", 1, CANCEL)]
    assert ("grpc-status", "5") in caller.events()[0][2]
    place.check_idle()


def test_a_caller_that_leaves_ends_all_attempts() -> None:
    place, (first, second, _), caller = hedged()
    place.pass_time(0.11)
    first.events()
    second.events()
    caller.rst(1, CANCEL)
    assert [first.events(), second.events()] == [[("rst", 1, CANCEL)]] * 2
    assert place.codes() == [1]
    place.check_idle()


@pytest.mark.parametrize("pushback", ["-1", "1000"])
def test_a_server_may_ask_for_no_further_attempts_or_later_ones(pushback: str) -> None:
    place, (first, second, third), caller = hedged()
    place.pass_time(0.11)
    second.headers(1, [*UNAVAILABLE, ("grpc-retry-pushback-ms", pushback)], end=True)
    place.pass_time(0.9)
    assert third.events() == []
    place.pass_time(0.2)
    assert bool(third.events()) == (pushback == "1000")
    first.headers(1, [*ANSWER, *TRAILERS], end=True)
    assert place.codes() == [0]
    assert caller.events()
    place.check_idle()


def test_only_idempotent_methods_are_sent_ahead() -> None:
    place, (_, second, _), _ = hedged("/a.B/C")
    place.pass_time(1.0)
    assert second.events() == []


WAYS = ["status", "lost", "reset", "refused", "late try", "unreachable", "head", "part", "whole"]


@settings(max_examples=150, deadline=None)
@given(
    ways=st.lists(st.sampled_from(WAYS), min_size=1, max_size=6),
    pieces=st.lists(st.integers(0, 200), min_size=1, max_size=4),
    early=st.integers(0, 4),
    hedge=st.booleans(),
)
def test_nothing_reaches_the_caller_twice_wherever_attempts_fail(
    ways: list[str], pieces: list[int], early: int, hedge: bool
) -> None:
    """Each attempt gets the whole request; the caller gets one head, one beginning of one answer, and one end."""
    rule = RetryRule(any_method=True, max_attempts=5, per_try_timeout=0.5, codes=frozenset({Code.UNAVAILABLE}))
    count = len(ways)
    place = (
        Place(endpoints=count, hedge=HedgeRule(delay=0.4, max_attempts=5))
        if hedge
        else Place(endpoints=count, retry=rule)
    )
    endpoints = [place.endpoint(number) if way != "unreachable" else None for number, way in enumerate(ways)]
    caller = place.caller()
    caller.headers(1, request(path=IDEMPOTENT))
    waiting = [message(size) for size in pieces]
    total = b"".join(waiting)
    for index, piece in enumerate(waiting[:early]):
        caller.data(1, piece, end=index == len(waiting) - 1)
    answers: list[bytes] = []
    fed = min(early, len(waiting))
    for _ in range(3 * count + 8):
        acted = False
        for number, (endpoint, way) in enumerate(zip(endpoints, ways, strict=True)):
            if endpoint is None:
                acted = bool(place.carriers[number].waiters) or acted
                place.carriers[number].give_up()
                continue
            for event in (events := endpoint.events()):
                if event[0] != "headers":
                    continue
                acted = True
                stream = event[1]
                sent = body([other for other in events if other[1] == stream])
                assert total.startswith(sent)
                assert len(sent) == sum(len(piece) for piece in waiting[:fed])
                mine = b"%d" % number * 3
                if way == "status":
                    endpoint.headers(stream, UNAVAILABLE, end=True)
                elif way == "lost":
                    lose(endpoint)
                    endpoints[number] = place.endpoint(number)
                elif way in ("reset", "refused"):
                    endpoint.rst(stream, REFUSED_STREAM if way == "refused" else 7)
                elif way in ("head", "part", "whole"):
                    if stream not in endpoint.conn.streams:
                        continue  # cancelled meanwhile
                    endpoint.headers(stream, ANSWER)
                    answers.append(mine if way != "head" else b"")
                    if way != "head":
                        endpoint.data(stream, message(3)[:5] + mine)
                    if way == "whole":
                        endpoint.headers(stream, TRAILERS, end=True)
                    else:
                        endpoint.rst(stream, 7)
        if not place.dispatcher.active_calls:
            break
        if fed < len(waiting):
            caller.data(1, waiting[fed], end=fed == len(waiting) - 1)
            for endpoint in endpoints:
                if endpoint is not None:
                    for event in endpoint.events():
                        # either the piece alone, or a whole new attempt with everything
                        assert event[0] != "data" or total.find(event[2]) >= 0
            fed += 1
        if not acted:
            place.pass_time(0.6)
    found = caller.events()
    if place.dispatcher.active_calls:
        caller.rst(1, CANCEL)
    assert len(place.finished) == 1
    heads = [event for event in found if event[0] == "headers" and (":status", "200") in event[2]]
    assert len(heads) <= 1
    assert len([event for event in found if event[0] in ("headers", "data") and event[3]]) <= 1
    got = body(found)
    assert not got or got[5:] in answers
    place.check_idle()
    place.check_credit()
