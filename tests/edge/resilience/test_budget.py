"""The budget of retries: a share of the calls, and a few in any case, whenever it is looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.resilience.budget import LEAST_PER_SECOND, WINDOW, RetryBudget

LEAST = int(LEAST_PER_SECOND * WINDOW)


class Calls:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        return self.count


def taken(budget: RetryBudget, share: float, now: float, wanted: int = 10_000) -> int:
    """Take as many as there are at one time."""
    count = 0
    while count < wanted and budget.take(share, now):
        count += 1
    return count


def test_without_traffic_there_are_a_few() -> None:
    budget = RetryBudget(Calls(), 100.0)
    assert taken(budget, 0.2, 100.0) == LEAST
    assert LEAST - 1 <= taken(budget, 0.2, 100.0 + 20 * WINDOW) <= LEAST


def test_a_share_of_the_calls_of_the_window() -> None:
    calls = Calls()
    budget = RetryBudget(calls, 0.0)
    calls.count = 100_000  # a thousand a second
    found = taken(budget, 0.2, 100.0)
    assert found == pytest.approx(0.2 * 1000 * WINDOW + LEAST, rel=0.01)


def test_retries_are_no_calls() -> None:
    calls = Calls()
    budget = RetryBudget(calls, 0.0)
    # every attempt fails and is tried again: nothing but retries, which must not feed themselves
    granted = 0
    for step in range(1, 2001):
        if budget.take(1.0, step * 0.05):
            granted += 1
            calls.count += 1
    assert granted <= LEAST + LEAST_PER_SECOND * 100.0 * 1.01


def test_endpoints_that_leave_take_their_calls_along() -> None:
    calls = Calls()
    calls.count = 1000
    budget = RetryBudget(calls, 0.0)
    calls.count = 0
    assert taken(budget, 0.0, 1.0) == LEAST


@given(
    steps=st.lists(st.tuples(st.floats(0, 30), st.integers(0, 500), st.integers(0, 50)), max_size=40),
    share=st.floats(0.01, 1.0),
)
def test_retries_never_exceed_share_and_least(steps: list[tuple[float, int, int]], share: float) -> None:
    calls = Calls()
    budget = RetryBudget(calls, 0.0)
    now = granted = total = 0.0
    for elapsed, fresh, wanted in steps:
        now += elapsed
        total += fresh
        calls.count += fresh
        found = taken(budget, share, now, wanted)
        granted += found
        calls.count += found
        # what is older than the window fades, so a share of all is the most that can be
        assert granted <= share * total + LEAST + LEAST_PER_SECOND * now * 1.05 + share * total * 0.05 + 1
