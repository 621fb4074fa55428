from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire.deadlines import FAR, TICK, Timed, Wheel


class Item(Timed):
    """Notes when it expires."""

    def __init__(self, notes: list[tuple[Item, float]], then: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.notes = notes
        self.then = then

    def expire(self, now: float) -> None:
        assert self.slot == -1
        self.notes.append((self, now))
        if self.then is not None:
            self.then()


class AlarmWheel(Wheel):
    """Notes what a timer would be set to."""

    def __init__(self) -> None:
        super().__init__()
        self.alarms: list[float] = []

    def sooner(self, deadline: float) -> None:
        self.alarms.append(deadline)


@given(
    start=st.floats(0, 1e6),
    due=st.lists(st.floats(0, 20), max_size=30),
    gone=st.sets(st.integers(0, 29)),
    steps=st.lists(st.floats(0.0001, 5), max_size=30),
)
def test_everything_expires_once_never_early_and_at_most_a_tick_late(
    start: float, due: list[float], gone: set[int], steps: list[float]
) -> None:
    wheel = Wheel()
    notes: list[tuple[Item, float]] = []
    wheel.advance(start)
    items = [Item(notes) for _ in due]
    for item, after in zip(items, due, strict=True):
        wheel.add(item, start + after)
    removed = {items[index] for index in gone if index < len(items)}
    for item in removed:
        wheel.remove(item)
        wheel.remove(item)
    assert len(wheel) == len(items) - len(removed)
    now = start
    for step in [*steps, 30.0]:
        now += step
        wheel.advance(now)
        for item, after in zip(items, due, strict=True):
            if start + after + 2 * TICK <= now and item not in removed:
                assert item.slot == -1
    assert len(notes) == len(items) - len(removed)
    assert {item for item, _ in notes} == set(items) - removed
    for item, at in notes:
        assert at >= start + due[items.index(item)]
    assert len(wheel) == 0


@pytest.mark.parametrize("late", [0.0, 0.5, 100.0])
def test_a_deadline_that_has_passed_expires_with_the_next_tick(late: float) -> None:
    wheel = Wheel()
    notes: list[tuple[Item, float]] = []
    wheel.advance(1000.0)
    wheel.add(Item(notes), 1000.0 - late)
    wheel.advance(1000.0)
    assert notes == []
    wheel.advance(1000.0 + 2 * TICK)
    assert len(notes) == 1


def test_one_that_expires_may_remove_another_and_add_itself_anew() -> None:
    wheel = Wheel()
    notes: list[tuple[Item, float]] = []
    items: list[Item] = []

    def then() -> None:
        for other in items:
            wheel.remove(other)
        wheel.add(notes[-1][0], 1.0)  # due already: the next tick will have it

    items.extend(Item(notes, then) for _ in range(5))
    for item in items:
        wheel.add(item, 1.0)
    wheel.advance(2.0)
    assert len(notes) == 1
    assert len(wheel) == 1
    wheel.advance(2.0 + 2 * TICK)
    assert [item for item, _ in notes] == [notes[0][0]] * 2


def test_the_alarm_is_set_for_the_first_deadline_and_moved_only_forward() -> None:
    wheel = AlarmWheel()
    wheel.advance(10.0)
    notes: list[tuple[Item, float]] = []
    items = [Item(notes) for _ in range(4)]
    for item, due in zip(items, [15.0, 12.0, 14.0, 11.0], strict=True):
        wheel.add(item, due)
    assert [round(alarm) for alarm in wheel.alarms] == [15, 12, 11]
    wheel.remove(items[3])  # the timer fires for nothing, which is cheaper than to move it
    assert len(wheel.alarms) == 3
    wheel.advance(11.01)
    wheel.rearm()
    assert round(wheel.alarms[-1]) == 12
    wheel.advance(20.0)
    wheel.rearm()
    assert (wheel.alarm, len(notes)) == (FAR, 3)


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=40))
def test_a_timer_that_keeps_to_the_alarms_misses_nothing(steps: list[tuple[float, bool]]) -> None:
    wheel = AlarmWheel()
    notes: list[tuple[Item, float]] = []
    now = 50.0
    wheel.advance(now)
    due: dict[Item, float] = {}
    for after, fires in steps:
        item = Item(notes)
        due[item] = now + after
        wheel.add(item, now + after)
        if fires and wheel.alarm != FAR:
            now = max(now, wheel.alarms[-1])
            wheel.advance(now)
            wheel.rearm()
    while wheel.alarm != FAR:
        now = max(now, wheel.alarms[-1])
        before = wheel.alarm
        wheel.advance(now + 1e-9)
        wheel.rearm()
        assert wheel.alarm == FAR or wheel.alarm > before or len(wheel)
    assert len(notes) == len(due)
    assert all(at + 1e-6 >= due[item] for item, at in notes)
