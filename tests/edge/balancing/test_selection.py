from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from edge.balancing import Selection
from edge.model.balancing import BalancerSettings, LoadBalancing, RoundRobinSettings
from edge.model.endpoint import Endpoint, EndpointState, Judge
from tests.edge.balancing.makes import EVERY, HEADER, endpoint, endpoints, keyed

each = pytest.mark.parametrize("settings", [pytest.param(one, id=name) for name, one in EVERY.items()])


def selection(those: list[Endpoint], settings: BalancerSettings | None = None, **options: object) -> Selection:
    made = Selection(
        settings or RoundRobinSettings(),
        LoadBalancing(**options),  # type: ignore[arg-type]
        source=random.Random(5).random,
    )
    made.update(those)
    return made


def picks(made: Selection, count: int = 1000) -> Counter[Endpoint | None]:
    return Counter(made.pick(keyed(key), 0.0) for key in range(count))


@each
def test_only_usable_endpoints_are_chosen(settings: BalancerSettings) -> None:
    those = [endpoint(number, up=number % 2 == 0) for number in range(6)]
    made = selection(those, settings)
    assert set(picks(made)) == {one for one in those if one.state is EndpointState.ACTIVE}
    assert "over 3 of 6 endpoints" in made.words
    made.update([])
    assert made.pick(keyed(0), 0.0) is None
    assert made.preview(keyed(0), 0.0) is None
    made.settle(those[0], failed=False, latency=0.1, now=0.0)


def test_a_weight_of_zero_counts_as_one() -> None:
    those = [endpoint(0, weight=0), endpoint(1, weight=1)]
    assert set(picks(selection(those, EVERY["weighted"])).values()) == {500}


@each
def test_the_own_zone_gets_every_call_while_enough_of_it_is_usable(settings: BalancerSettings) -> None:
    those = [endpoint(number, zone="a" if number < 10 else "b", up=number >= 3) for number in range(20)]
    made = selection(those, settings, zone="a", spill_over=0.7)
    assert {one.zone for one in picks(made) if one} == {"a"}
    assert made.words.endswith("over 17 of 20 endpoints; zone a: 7 of 10")


@each
def test_below_the_share_calls_spill_over(settings: BalancerSettings) -> None:
    those = [endpoint(number, zone="a" if number < 10 else "b", up=number >= 5) for number in range(20)]
    made = selection(those, settings, zone="a", spill_over=0.8)
    found = picks(made, 4000)
    local = sum(count for one, count in found.items() if one is not None and one.zone == "a")
    assert local / 4000 == pytest.approx(0.5 / 0.8, abs=0.03)
    assert "zone a: 5 of 10, 38% spill over" in made.words


def test_keys_stay_on_their_side_of_a_spill() -> None:
    those = [endpoint(number, zone="a" if number < 10 else "b", up=number >= 5) for number in range(20)]
    made = selection(those, HEADER, zone="a", spill_over=0.8)
    first = [made.pick(keyed(key), 0.0) for key in range(100)]
    assert {one.zone for one in first if one} == {"a", "b"}
    assert [made.preview(keyed(key), 0.0) for key in range(100)] == first
    assert [made.pick(keyed(key), 0.0) for key in range(100)] == first


@pytest.mark.parametrize("up", [False, None])
def test_without_anybody_in_the_own_zone_the_others_serve(up: bool | None) -> None:
    those = [endpoint(0, zone="b"), *([] if up is None else [endpoint(1, zone="a", up=up)])]
    assert set(picks(selection(those, zone="a"))) == {those[0]}


@each
def test_a_full_or_tried_zone_spills_over(settings: BalancerSettings) -> None:
    near, far = endpoint(0, zone="a"), endpoint(1, zone="b")
    made = selection([near, far], settings, zone="a")
    call = keyed(0)
    assert made.pick(call, 0.0) is near
    call.tried = near
    assert made.pick(call, 0.0) is far
    call.tried, near.max_active = None, 0
    assert made.pick(call, 0.0) is far
    far.max_active = 0
    assert made.pick(call, 0.0) is None


@each
def test_in_a_panic_health_is_ignored_but_not_what_cannot_be_reached(settings: BalancerSettings) -> None:
    those = endpoints(10)
    for one in those[:6]:
        one.judge(Judge.HEALTH, EndpointState.UNHEALTHY, "NOT_SERVING")
    those[0].enter(EndpointState.UNHEALTHY, "connection refused")
    those[9].judge(Judge.OPERATOR, EndpointState.DRAINING, "drained")
    made = selection(those, settings, panic_threshold=0.5)
    assert made.panic
    assert set(picks(made)) == set(those[1:9])
    assert "over 8 of 10 endpoints; panic: only 3 are usable, so health is ignored" in made.words
    those[5].judge(Judge.HEALTH, None)
    those[4].judge(Judge.HEALTH, None)
    assert not selection(those, settings, panic_threshold=0.5).panic
    made.update(those)
    assert set(picks(made)) == set(those[4:9])


def test_there_is_no_panic_when_it_would_help_nobody() -> None:
    those = [endpoint(0, up=False), endpoint(1, up=False), endpoint(2)]
    made = selection(those, panic_threshold=0.9)
    assert not made.panic
    assert set(picks(made)) == {those[2]}


@each
@limits(max_examples=25, deadline=None)
@given(states=st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=6))
def test_any_sequence_of_changes_leaves_only_usable_ones(settings: BalancerSettings, states: list[list[bool]]) -> None:
    those = [endpoint(number, zone="ab"[number % 2]) for number in range(6)]
    made = selection(those, settings, zone="a", slow_start=5.0)
    for step, ups in enumerate(states):
        for one, up in zip(those, ups, strict=True):
            one.enter(EndpointState.ACTIVE if up else EndpointState.UNHEALTHY)
        made.update(those)
        usable = {one for one in those if one.state is EndpointState.ACTIVE}
        for key in range(10):
            picked = made.pick(keyed(key), step * 0.01)
            assert picked in usable if usable else picked is None
