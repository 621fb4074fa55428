from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.balancing.weighted import WeightedRoundRobin
from edge.model.call import Call
from edge.model.endpoint import Endpoint
from tests.edge.balancing.makes import WEIGHTS, endpoints

CALL = Call("/a/B")


def turns(made: WeightedRoundRobin, count: int) -> list[Endpoint]:
    picked = [made.pick(CALL, 0.0) for _ in range(count)]
    return [one for one in picked if one is not None]


@given(WEIGHTS, st.integers(1, 9))
def test_each_cycle_gives_everybody_exactly_his_weight(weights: list[int], factor: int) -> None:
    those = endpoints(len(weights))
    made = WeightedRoundRobin(those, [weight * factor for weight in weights])
    for _ in range(3):
        cycle = Counter(turns(made, sum(weights)))
        counts = [cycle[one] for one in those]
        assert [count * sum(weights) for count in counts] == [weight * sum(counts) for weight in weights]


@given(WEIGHTS)
@example([1, 5, 3, 21, 12])  # without looking ahead at the end of a cycle, too many turns of one are left
@example([1, 4, 6, 15, 26])
@example([5, 28, 3, 4, 16])
@example([2, 29, 6, 20, 1])
def test_nobody_gets_two_turns_in_a_row_who_has_no_more_than_half(weights: list[int]) -> None:
    those = endpoints(len(weights))
    half = {one for one, weight in zip(those, weights, strict=True) if 2 * weight <= sum(weights)}
    picked = turns(WeightedRoundRobin(those, weights), 3 * sum(weights))
    assert all(one is not other or one not in half for one, other in pairwise(picked))


@given(WEIGHTS, st.integers(0, 100))
def test_turns_are_spread_over_the_cycle(weights: list[int], upto: int) -> None:
    """At no point has anybody had many more or fewer turns than his share so far."""
    those = endpoints(len(weights))
    cycle = sum(weights)
    picked = Counter(turns(WeightedRoundRobin(those, weights), upto))
    for one, weight in zip(those, weights, strict=True):
        assert abs(picked[one] - upto * weight / cycle) <= 1 + len(weights) / 2


@given(WEIGHTS, WEIGHTS, st.integers(0, 100))
def test_another_set_goes_on_as_far_in_its_cycle(before: list[int], after: list[int], taken: int) -> None:
    everyone = endpoints(8)
    made = WeightedRoundRobin(everyone[: len(before)], before)
    turns(made, taken)
    those = everyone[: len(after)]
    made = made.replaced(those, after)
    first = turns(made, sum(after) * 2)
    assert set(first) == set(those)
    # what is left of the cycle, then whole ones: some cut gives everybody his weight
    counts = [Counter(first[cut : cut + sum(after)]) for cut in range(sum(after))]
    assert any(all(count[one] == weight for one, weight in zip(those, after, strict=True)) for count in counts)


def test_a_preview_is_what_the_next_pick_gives_and_changes_nothing() -> None:
    made = WeightedRoundRobin(endpoints(4), [5, 3, 1, 1])
    for _ in range(30):
        expected = made.preview(CALL, 0.0)
        assert made.preview(CALL, 0.0) is expected
        assert made.pick(CALL, 0.0) is expected


def test_many_different_weights_are_exact_too() -> None:
    weights = list(range(1, 301))
    those = endpoints(300)
    picked = turns(WeightedRoundRobin(those, weights), sum(weights))
    counted = Counter(picked)
    assert [counted[one] for one in those] == weights
    assert all(one is not other for one, other in pairwise(picked))


@pytest.mark.parametrize(("weights", "order"), [((2, 1, 1), "abac"), ((5, 1, 1), "abaaaca"), ((1, 1, 1), "abc")])
def test_the_order_of_small_ones(weights: tuple[int, ...], order: str) -> None:
    those = endpoints(len(weights))
    names = dict(zip(those, "abc", strict=True))
    assert "".join(names[one] for one in turns(WeightedRoundRobin(those, weights), len(order))) == order
