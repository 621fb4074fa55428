from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from edge.balancing.make import words_of
from edge.model.balancing import BalancerSettings
from tests.edge.balancing.makes import EVERY, WEIGHTS, balancer, endpoint, endpoints, keyed

each = pytest.mark.parametrize("settings", [pytest.param(one, id=name) for name, one in EVERY.items()])


@each
@options(max_examples=25, deadline=None)
@given(weights=WEIGHTS, full=st.sets(st.integers(0, 7)), tried=st.integers(0, 7), key=st.integers(0, 99))
def test_a_pick_is_a_member_that_has_room_and_was_not_tried(
    settings: BalancerSettings, weights: list[int], full: set[int], tried: int, key: int
) -> None:
    those = [endpoint(number, weight=weight) for number, weight in enumerate(weights)]
    for index in full:
        if index < len(those):
            those[index].max_active = those[index].active = 3
    call = keyed(key)
    call.tried = those[tried] if tried < len(those) else None
    made = balancer(settings, those)
    free = {one for one in those if one.active < one.max_active}
    allowed = (free - {call.tried}) or free
    for _ in range(5):
        seen = made.preview(call, 0.0)
        picked = made.pick(call, 0.0)
        if allowed:
            assert picked in allowed
            assert seen in allowed
        else:
            assert picked is None
            assert seen is None


@each
@options(max_examples=25, deadline=None)
@given(before=st.sets(st.integers(0, 9), min_size=1), after=st.sets(st.integers(0, 9), min_size=1))
def test_another_set_is_chosen_from_at_once(settings: BalancerSettings, before: set[int], after: set[int]) -> None:
    everyone = endpoints(10)
    made = balancer(settings, [everyone[index] for index in before])
    for key in range(3):
        made.pick(keyed(key), 0.0)
    those = [everyone[index] for index in after]
    made = made.replaced(those, [1] * len(those))
    for key in range(20):
        assert made.pick(keyed(key), 0.0) in those


@each
def test_calls_that_stay_under_way_are_shared_by_weight(settings: BalancerSettings) -> None:
    random.seed(7)
    those = [endpoint(number, weight=weight) for number, weight in enumerate((1, 1, 2, 4))]
    made = balancer(settings, those)
    picked: Counter[str] = Counter()
    for key in range(4000):
        chosen = made.pick(keyed(key), 0.0)
        assert chosen is not None
        chosen.active += 1
        picked[chosen.address] += 1
    for one in those:
        # a ring of four endpoints is no more even than this
        assert picked[one.address] == pytest.approx(4000 * one.weight / 8, rel=0.35)


@each
def test_people_are_told_which_it_is(settings: BalancerSettings) -> None:
    assert words_of(settings) in {
        "round robin",
        "weighted round robin",
        "random",
        "least request of 2",
        "least request of 5",
        "least request of all",
        "peak EWMA",
        "ring hash of key",
        "Maglev hash of key",
        "ring hash of key, at most 1.25 times the average",
    }
