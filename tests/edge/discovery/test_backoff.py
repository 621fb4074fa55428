from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.discovery.backoff import backoff


def test_it_doubles_up_to_the_most() -> None:
    assert [backoff(failures, 0.0, least=1.0, most=10.0) for failures in (1, 2, 3, 4, 5, 6)] == [1, 2, 4, 8, 10, 10]


def test_the_draw_takes_up_to_a_half() -> None:
    assert backoff(3, 1.0, least=1.0, most=60.0) == pytest.approx(2.0)


@given(failures=st.integers(0, 10**9), draw=st.floats(0, 1), least=st.floats(0.01, 10), more=st.floats(1, 1000))
def test_it_stays_within_half_the_least_and_the_most(failures: int, draw: float, least: float, more: float) -> None:
    assert least / 2 <= backoff(failures, draw, least=least, most=least * more) <= least * more * (1 + 1e-9)
