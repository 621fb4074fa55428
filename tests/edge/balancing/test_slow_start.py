from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.balancing import Selection
from edge.balancing.slow_start import LEAST_PERCENT, next_step, percent_of
from edge.model.balancing import BalancerSettings, LoadBalancing
from tests.edge.balancing.makes import EVERY, HEADER, endpoints, keyed


@given(st.lists(st.floats(-1, 100), min_size=2), st.floats(0.1, 50))
def test_the_share_only_grows(ages: list[float], duration: float) -> None:
    shares = [percent_of(age, duration) for age in sorted(ages)]
    assert all(one <= other for one, other in pairwise(shares))
    assert all(LEAST_PERCENT <= share <= 100 for share in shares)
    assert percent_of(duration, duration) == 100
    assert percent_of(0.0, duration) == LEAST_PERCENT


EASED = [name for name in EVERY if name not in ("ring", "Maglev", "bounded")]


@pytest.mark.parametrize("settings", [pytest.param(EVERY[name], id=name) for name in EASED])
def test_a_new_endpoint_is_eased_in(settings: BalancerSettings) -> None:
    those = endpoints(4)
    for one in those:
        one.since = 0.0
    those[3].since = 1000.0
    selection = Selection(settings, LoadBalancing(slow_start=100.0), source=random.Random(5).random)
    selection.update(those)

    def share(now: float) -> float:
        picked = Counter(selection.pick(keyed(0), now) for _ in range(2000))
        return picked[those[3]] / 2000

    shares = [share(now) for now in (1000.0, 1025.0, 1050.0, 1075.0, 1100.0)]
    assert all(one <= other + 0.02 for one, other in pairwise(shares))
    assert shares[0] < 0.09
    assert shares[-1] == pytest.approx(0.25, abs=0.04)


def test_the_weights_are_looked_at_in_steps_and_then_no_more() -> None:
    those = endpoints(2)
    those[0].since, those[1].since = 0.0, 90.0
    assert next_step(those, 50.0, 100.0) == 101.0
    assert next_step(those, 50.0, 140.0) == inf


def test_keys_do_not_move_because_an_endpoint_is_new() -> None:
    those = endpoints(4)
    eased = Selection(HEADER, LoadBalancing(slow_start=1e12))
    plain = Selection(HEADER, LoadBalancing())
    eased.update(those)
    plain.update(those)
    assert [eased.pick(keyed(key), 0.0) for key in range(50)] == [plain.pick(keyed(key), 0.0) for key in range(50)]
