"""Calls under way and calls that wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.resilience.gate import Gate


def test_so_many_are_let_through_and_the_first_that_waits_goes_first() -> None:
    gate: Gate[str] = Gate(1, 2)
    went: list[str] = []
    assert gate.enter("a")
    assert not gate.enter("b")
    assert gate.wait("b", lambda: went.append("b"))
    assert gate.wait("c", lambda: went.append("c"))
    assert not gate.wait("d", lambda: went.append("d")), "as many wait as may"
    assert not gate.leave("a")
    assert went == ["b"]
    assert not gate.enter("e"), "c waits before it"
    assert gate.leave("c"), "it was waiting"
    gate.leave("b")
    assert went == ["b"]
    assert gate.enter("e")


def test_without_room_to_wait_nobody_does() -> None:
    gate: Gate[str] = Gate(1, 0)
    gate.enter("a")
    assert not gate.wait("b", lambda: None)


def test_leaving_twice_gives_one_place() -> None:
    gate: Gate[str] = Gate(1, 0)
    gate.enter("a")
    gate.leave("a")
    gate.leave("a")
    assert gate.enter("b")
    assert not gate.enter("c")


@given(st.integers(1, 4), st.integers(0, 4), st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=100))
def test_never_more_than_may_and_nobody_waits_while_there_is_room(
    most: int, pending: int, steps: list[tuple[bool, int]]
) -> None:
    gate: Gate[int] = Gate(most, pending)
    inside: set[int] = set()
    waiting: list[int] = []

    def go(key: int) -> None:
        assert key == waiting.pop(0)
        inside.add(key)

    for comes, key in steps:
        if comes and key not in inside and key not in waiting:
            if gate.enter(key):
                inside.add(key)
            else:
                waiting.append(key)
                if not gate.wait(key, lambda key=key: go(key)):  # type: ignore[misc]
                    waiting.pop()
        elif not comes:
            inside.discard(key)
            if gate.leave(key):
                waiting.remove(key)
        assert (gate.active, gate.pending) == (len(inside), len(waiting))
        assert len(inside) <= most
        assert len(waiting) <= pending
        assert not waiting or len(inside) == most
