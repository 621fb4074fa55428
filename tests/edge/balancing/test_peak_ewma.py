from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.balancing.draw import Draw
from edge.balancing.peak_ewma import PeakEwma
from edge.model.balancing import PeakEwmaSettings
from edge.model.call import Call
from edge.model.endpoint import Endpoint
from tests.edge.balancing.makes import endpoints

CALL = Call("/a/B")


def made(those: list[Endpoint]) -> PeakEwma:
    return PeakEwma(those, Draw([1] * len(those)), PeakEwmaSettings(default_rtt=0.03, decay=10.0))


@given(st.lists(st.floats(0.001, 10), min_size=1, max_size=20), st.floats(0.001, 10))
def test_the_average_lies_between_what_was_measured(latencies: list[float], last: float) -> None:
    (one,) = those = endpoints(1)
    balancer = made(those)
    for second, latency in enumerate([*latencies, last]):
        balancer.settle(one, failed=False, latency=latency, now=float(second))
    assert min(*latencies, last) - 1e-9 <= one.latency <= max(*latencies, last) + 1e-9
    assert one.latency >= last - 1e-9, "a peak counts at once"


def test_the_faster_one_of_two_is_taken_until_it_has_more_to_do() -> None:
    fast, slow = those = endpoints(2)
    balancer = made(those)
    balancer.settle(fast, failed=False, latency=0.01, now=0.0)
    balancer.settle(slow, failed=False, latency=0.05, now=0.0)
    fast.active, slow.active = 3, 1
    assert {balancer.pick(CALL, 0.0) for _ in range(20)} == {fast}  # 4 x 0.01 < 2 x 0.05
    fast.active = 11
    assert {balancer.pick(CALL, 0.0) for _ in range(20)} == {slow}


def test_an_endpoint_that_fails_quickly_attracts_nothing() -> None:
    good, bad = those = endpoints(2)
    balancer = made(those)
    for second in range(50):
        balancer.settle(good, failed=False, latency=0.01, now=float(second))
        balancer.settle(bad, failed=True, latency=0.0001, now=float(second))
    assert bad.latency == 0.03
    assert balancer.pick(CALL, 50.0) is good


def test_a_slow_endpoint_gets_another_try_and_one_only() -> None:
    good, slow = those = endpoints(2)
    balancer = made(those)
    balancer.settle(slow, failed=False, latency=1.0, now=0.0)
    balancer.settle(good, failed=False, latency=0.01, now=0.0)
    assert balancer.pick(CALL, 1.0) is good
    balancer.settle(good, failed=False, latency=0.01, now=100.0)
    assert balancer.pick(CALL, 100.0) is slow
    slow.active += 1
    assert {balancer.pick(CALL, 100.0) for _ in range(20)} == {good}


def test_what_was_learnt_outlives_a_change_of_the_set() -> None:
    fast, slow, new = endpoints(3)
    balancer = made([fast, slow])
    balancer.settle(slow, failed=False, latency=1.0, now=0.0)
    other = balancer.replaced([slow, new], [1, 1])
    assert other.cost(slow, 0.0) == pytest.approx(1.0)
    assert other.cost(new, 0.0) == pytest.approx(0.03)
