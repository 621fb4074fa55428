from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edge.balancing import RoundRobin
from edge.model.call import Call
from edge.model.endpoint import Endpoint, EndpointAddress

CALL = Call("/a/B")


def endpoints(count: int) -> list[Endpoint]:
    return [Endpoint(EndpointAddress(f"127.0.0.1:{port}")) for port in range(count)]


@given(st.integers(1, 20), st.integers(0, 100), st.integers(1, 5))
def test_every_endpoint_gets_the_same_share_of_whole_cycles(count: int, start: int, cycles: int) -> None:
    balancer = RoundRobin(endpoints(count), start=start)
    picked = Counter(balancer.pick(CALL, 0.0) for _ in range(count * cycles))
    assert set(picked.values()) == {cycles}
    assert len(picked) == count


def test_a_preview_is_what_the_next_pick_gives_and_changes_nothing() -> None:
    balancer = RoundRobin(endpoints(3))
    for _ in range(7):
        expected = balancer.preview(CALL, 0.0)
        assert balancer.preview(CALL, 0.0) is expected
        assert balancer.pick(CALL, 0.0) is expected


def test_another_set_goes_on_where_the_old_one_was() -> None:
    everyone = endpoints(4)
    balancer = RoundRobin(everyone)
    balancer.pick(CALL, 0.0)
    following = balancer.preview(CALL, 0.0)
    assert balancer.replaced([everyone[0], everyone[1], everyone[3]]).pick(CALL, 0.0) is following
    assert balancer.replaced([everyone[2], everyone[3]]).pick(CALL, 0.0) in everyone[2:]
