"""Sliding counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.resilience.window import Window

STEPS = st.lists(st.tuples(st.floats(0.0, 3.0), st.booleans()), max_size=60)


@given(STEPS)
def test_it_counts_what_is_nine_tenths_old_and_nothing_older_than_the_window(steps: list[tuple[float, bool]]) -> None:
    window = Window(10.0)
    now = 1000.0
    seen: list[tuple[float, bool]] = []
    for pause, failed in steps:
        now += pause
        window.add(failed, now)
        seen.append((now, failed))
        surely = [failed for when, failed in seen if now - when < 9.0 - 1e-6]
        perhaps = [failed for when, failed in seen if now - when <= 10.0 + 1e-6]
        assert len(surely) <= window.calls <= len(perhaps)
        assert sum(surely) <= window.failed <= sum(perhaps)


def test_a_clock_that_was_read_earlier_counts_all_the_same() -> None:
    window = Window(10.0)
    window.add(True, 100.0)
    window.add(True, 99.0)
    assert (window.calls, window.failed) == (2, 2)


def test_a_long_pause_forgets_everything() -> None:
    window = Window(1.0)
    for _ in range(50):
        window.add(True, 5.0)
    window.forget(1e6)
    assert (window.calls, window.failed) == (0, 0)
