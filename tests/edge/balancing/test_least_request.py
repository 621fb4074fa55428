from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edge.balancing.draw import Draw
from edge.balancing.least_request import LeastRequest
from edge.model.balancing import LeastRequestSettings
from edge.model.call import Call
from tests.edge.balancing.makes import endpoints, scripted

CALL = Call("/a/B")
UNIT = st.floats(0, 1, exclude_max=True)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), min_size=2, max_size=9), UNIT, UNIT, st.booleans())
def test_of_two_the_strictly_worse_one_is_never_taken(
    loads: list[tuple[int, int]], one: float, two: float, weighted: bool
) -> None:
    those = endpoints(len(loads))
    for endpoint, (active, _) in zip(those, loads, strict=True):
        endpoint.active = active
    weights = [weight if weighted else 1 for _, weight in loads]
    pair = Draw(weights, scripted(one, two, two, two)).pair()
    made = LeastRequest(those, Draw(weights, scripted(one, two, two, two)), LeastRequestSettings())
    picked = made.pick(CALL, 0.0)
    index = those.index(picked) if picked is not None else -1
    assert index in pair
    other = pair[0] if index == pair[1] else pair[1]
    assert those[index].active / weights[index] <= those[other].active / weights[other]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_a_full_scan_takes_one_with_the_fewest(loads: list[int]) -> None:
    those = endpoints(len(loads))
    for endpoint, active in zip(those, loads, strict=True):
        endpoint.active = active
    picked = LeastRequest(those, Draw([1] * len(loads)), LeastRequestSettings(full_scan=True)).pick(CALL, 0.0)
    assert picked is not None
    assert picked.active == min(loads)


def test_a_full_scan_of_idle_endpoints_does_not_always_take_the_first() -> None:
    those = endpoints(4)
    made = LeastRequest(those, Draw([1] * 4, scripted(0.0, 0.3, 0.6, 0.9)), LeastRequestSettings(full_scan=True))
    assert [made.pick(CALL, 0.0) for _ in range(4)] == those


@given(st.lists(st.integers(1, 100), min_size=1, max_size=9), UNIT, UNIT)
def test_a_pair_is_of_two_different_ones(weights: list[int], one: float, two: float) -> None:
    first, second = Draw(weights, scripted(one, two, two, two)).pair()
    assert 0 <= first < len(weights)
    assert 0 <= second < len(weights)
    assert (first != second) == (len(weights) > 1)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=9))
def test_draws_follow_the_weights_exactly(weights: list[int]) -> None:
    """Numbers spread evenly, so many that none lies where two indices meet, draw each index as its weight says."""
    count = len(weights) * sum(weights)
    draw = Draw(weights, scripted(*((index + 0.5) / count for index in range(count))))
    drawn = Counter(draw.one() for _ in range(count))
    assert [drawn[index] for index in range(len(weights))] == [weight * len(weights) for weight in weights]
