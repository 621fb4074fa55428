"""The circuit breaker's table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.resilience import CircuitBreaker
from edge.resilience.breaker import REFUSED, Breaker, BreakerState

IN_A_ROW = CircuitBreaker(failure_threshold=3, open_duration=5.0, half_open_calls=2, success_threshold=2)


def call(breaker: Breaker, failed: bool | None, now: float) -> bool:
    """Make one call; return whether it was let through."""
    ticket = breaker.admit(now)
    if ticket == REFUSED:
        return False
    breaker.settle(ticket, failed, now)
    return True


def opened(settings: CircuitBreaker = IN_A_ROW, now: float = 100.0) -> Breaker:
    breaker = Breaker(settings)
    while breaker.state is BreakerState.CLOSED:
        call(breaker, True, now)
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_does_not_let_them() -> None:
    breaker = Breaker(IN_A_ROW)
    for failed in (True, True, False, True, True):
        assert call(breaker, failed, 100.0)
    assert breaker.state is BreakerState.CLOSED
    call(breaker, True, 100.0)
    assert (breaker.state, breaker.reason) == (BreakerState.OPEN, "3 calls in a row failed")


def test_a_call_that_says_nothing_counts_for_nothing() -> None:
    breaker = Breaker(IN_A_ROW)
    for failed in (True, True, None, True):
        call(breaker, failed, 100.0)
    assert breaker.state is BreakerState.OPEN


def test_a_share_of_failures_opens_it_once_there_are_enough_calls() -> None:
    breaker = Breaker(CircuitBreaker(failure_ratio=0.5, minimum_calls=10, window=10.0))
    for _ in range(4):
        call(breaker, True, 100.0)
    for _ in range(5):
        call(breaker, False, 100.0)
    assert breaker.state is BreakerState.CLOSED
    call(breaker, True, 100.0)
    assert (breaker.state, breaker.reason) == (BreakerState.OPEN, "5 of 10 calls failed within 10 s")


def test_failures_older_than_the_window_do_not_count() -> None:
    breaker = Breaker(CircuitBreaker(failure_ratio=0.5, minimum_calls=2, window=10.0))
    call(breaker, True, 100.0)
    call(breaker, False, 120.0)
    call(breaker, False, 120.0)
    call(breaker, True, 120.0)
    assert breaker.state is BreakerState.CLOSED


def test_an_open_one_lets_nothing_through_until_its_time_is_over() -> None:
    breaker = opened()
    assert breaker.admit(100.0) == breaker.admit(104.9) == REFUSED
    assert breaker.retry_after(102.0) == pytest.approx(3.0)
    assert breaker.admit(105.0) != REFUSED
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.retry_after(105.0) == 0.0


def test_a_half_open_one_lets_so_many_through_at_once() -> None:
    breaker = opened()
    first, second = breaker.admit(105.0), breaker.admit(105.0)
    assert REFUSED not in (first, second)
    assert breaker.admit(105.0) == REFUSED
    breaker.settle(first, None, 105.1)  # its caller gave up: the place is free again
    assert breaker.admit(105.2) != REFUSED
    assert breaker.admit(105.2) == REFUSED


def test_calls_that_do_not_end_keep_others_from_trying_for_the_open_time_only() -> None:
    breaker = opened()
    streams = [breaker.admit(105.0), breaker.admit(106.0)]
    assert breaker.admit(110.9) == REFUSED
    others = [breaker.admit(111.0), breaker.admit(111.0)]
    assert REFUSED not in others
    assert breaker.admit(111.0) == REFUSED
    assert not breaker.settle(streams[0], True, 112.0), "what was begun so long ago says nothing of now"
    assert breaker.admit(112.0) == REFUSED
    breaker.settle(others[0], False, 112.0)
    assert breaker.settle(others[1], False, 112.0)
    assert breaker.state is BreakerState.CLOSED


def test_enough_successes_close_it() -> None:
    breaker = opened()
    assert call(breaker, False, 105.0)
    assert breaker.state is BreakerState.HALF_OPEN
    assert call(breaker, False, 105.0)
    assert (breaker.state, breaker.reason) == (BreakerState.CLOSED, "")
    assert call(breaker, True, 105.0)
    assert breaker.state.value == "CLOSED", "the failures from before are forgotten"


def test_one_failure_opens_it_again_for_the_whole_time() -> None:
    breaker = opened()
    assert call(breaker, True, 106.0)
    assert breaker.state is BreakerState.OPEN
    assert breaker.retry_after(106.0) == pytest.approx(5.0)


def test_calls_of_an_earlier_state_change_nothing() -> None:
    breaker = Breaker(IN_A_ROW)
    old = [breaker.admit(99.0) for _ in range(8)]
    for _ in range(3):
        call(breaker, True, 100.0)
    for ticket in old[:4]:
        assert not breaker.settle(ticket, False, 101.0)
    assert breaker.state is BreakerState.OPEN
    breaker.look(105.0)
    for ticket in old[4:]:
        assert not breaker.settle(ticket, True, 105.0)
    assert breaker.state.value == "HALF_OPEN"


def test_without_tickets_what_began_earlier_says_nothing() -> None:
    breaker = Breaker(CircuitBreaker(failure_threshold=1, open_duration=5.0))
    assert breaker.learn(True, 99.0, 100.0)
    assert not breaker.learn(False, 99.5, 101.0)
    assert breaker.look(105.0)
    assert not breaker.learn(False, 104.0, 106.0)
    assert breaker.learn(False, 105.5, 106.0)
    assert breaker.state is BreakerState.CLOSED


@given(st.lists(st.tuples(st.floats(0.0, 4.0), st.sampled_from([True, False, None]), st.integers(0, 3)), max_size=80))
def test_whatever_happens_no_more_probes_are_out_than_may_be_and_it_never_gets_stuck(
    steps: list[tuple[float, bool | None, int]],
) -> None:
    breaker = Breaker(IN_A_ROW)
    now = 50.0
    out: list[int] = []
    for pause, failed, index in steps:
        now += pause
        state = breaker.state
        ticket = breaker.admit(now)
        if state is BreakerState.CLOSED:
            assert ticket != REFUSED
        if ticket != REFUSED:
            out.append(ticket)
        if breaker.state is BreakerState.HALF_OPEN:
            assert sum(one == max(out, default=0) for one in out) <= 2
        if out and index < len(out):
            breaker.settle(out.pop(index), failed, now)
    for ticket in out:
        breaker.settle(ticket, None, now)
    now += 5.0
    for _ in range(4):
        ticket = breaker.admit(now)
        assert ticket != REFUSED
        breaker.settle(ticket, False, now)
    assert breaker.state is BreakerState.CLOSED
