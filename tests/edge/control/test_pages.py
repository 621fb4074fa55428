"""Pages of lists."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.control.conversion.scope import Scope
from edge.control.pages import page

NAMES = [f"routes/r{number:04}" for number in range(1200)]


def take(names: list[str], size: int = 0, token: str = "", context: str = "routes") -> tuple[list[str], str]:
    scope = Scope()
    found, following = page(names, size=size, token=token, context=context, scope=scope)
    assert not scope.problems
    return list(found), following


def test_a_page_has_fifty_names_unless_said_otherwise() -> None:
    assert take(NAMES)[0] == NAMES[:50]


def test_a_page_has_a_thousand_names_at_most() -> None:
    found, token = take(NAMES, 5000)
    assert found == NAMES[:1000]
    assert take(NAMES, 5000, token) == (NAMES[1000:], "")


def test_the_last_page_has_no_token() -> None:
    assert take(NAMES[:3], 3) == (NAMES[:3], "")
    assert take([], 3) == ([], "")


def test_a_token_shows_no_name() -> None:
    assert "routes" not in take(NAMES, 1)[1]


GOOD = take(NAMES, 1)[1]


@pytest.mark.parametrize(
    "token",
    ["x", "!", GOOD[:-1], GOOD + "A", "A" + GOOD[1:], "ä", " ", GOOD + "=", base64.b64encode(b"\xff" * 30).decode()],
)
def test_a_token_that_was_not_given_is_refused(token: str) -> None:
    scope = Scope()
    assert page(NAMES, size=1, token=token, context="routes", scope=scope) == ((), "")
    assert [problem.path for problem in scope.problems] == ["page_token"]


def test_a_token_of_another_list_is_refused() -> None:
    scope = Scope()
    page(NAMES, size=1, token=GOOD, context="policies", scope=scope)
    assert [problem.path for problem in scope.problems] == ["page_token"]


def test_a_negative_size_is_refused() -> None:
    scope = Scope()
    page(NAMES, size=-1, token="", context="routes", scope=scope)
    assert [problem.path for problem in scope.problems] == ["page_size"]


NAME = st.text("abcdef", min_size=1, max_size=3)


@given(
    stable=st.sets(NAME),
    steps=st.lists(st.tuples(st.sets(NAME), st.sets(NAME)), max_size=10),
    size=st.integers(1, 4),
)
def test_what_is_there_all_the_time_is_seen_exactly_once(
    stable: set[str], steps: list[tuple[set[str], set[str]]], size: int
) -> None:
    passing: set[str] = set()
    changes = iter(steps)
    seen: list[str] = []
    token = ""
    while True:
        added, removed = next(changes, (set(), set()))
        passing = (passing | added) - removed
        found, token = take(sorted(stable | passing), size, token)
        seen += found
        if not token:
            break
    assert sorted(set(seen) & stable) == sorted(name for name in seen if name in stable) == sorted(stable)
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen)
