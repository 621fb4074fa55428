from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.discovery.leases import Leases, Now
from edge.model.endpoint import EndpointAddress
from edge.model.errors import InvalidRequest
from edge.model.registering import TooManyEndpoints
from edge.model.resource_errors import ResourceExists, ResourceNotFound

NAME = "upstreams/shop"


def at(seconds: float) -> Now:
    return Now(seconds, 1_000_000.0 + seconds)


def address(endpoint_id: str, where: str = "10.0.0.1:80", weight: int = 1, zone: str = "") -> EndpointAddress:
    return EndpointAddress(where, weight, zone, id=endpoint_id)


def test_a_lease_ends_unless_it_is_renewed() -> None:
    leases = Leases(NAME, 60.0)
    made = leases.create(address("a"), 10.0, at(0))
    assert (made.id, made.expire_time) == ("a", 1_000_010.0)
    assert leases.expire(9.9) == []
    assert leases.renew("a", at(9.9)).expire_time == pytest.approx(1_000_019.9)
    assert leases.expire(19.8) == []
    assert [one.id for one in leases.expire(19.9)] == ["a"]
    assert (leases.addresses, leases.next_end) == ((), None)
    with pytest.raises(ResourceNotFound, match=r"endpoints/a is not registered, or its lease has ended; register it"):
        leases.renew("a", at(20))


def test_without_a_ttl_a_lease_has_thirty_seconds_or_the_most() -> None:
    assert Leases(NAME, 60.0).create(address("a"), None, at(0)).expire_time == 1_000_030.0
    assert Leases(NAME, 5.0).create(address("a"), None, at(0)).expire_time == 1_000_005.0


def test_a_smaller_most_counts_from_the_next_renewal() -> None:
    leases = Leases(NAME, 60.0)
    leases.create(address("a"), 60.0, at(0))
    leases.max_ttl = 5.0
    assert leases.expire(59.0) == []
    assert leases.renew("a", at(59.0)).expire_time == 1_000_064.0


@pytest.mark.parametrize(
    ("wanted", "ttl", "field", "words"),
    [
        (address(""), None, "endpoint_id", "is required: 1 to 63"),
        (address("A"), None, "endpoint_id", "`A` is no id"),
        (address("-a"), None, "endpoint_id", "`-a` is no id"),
        (address("a" * 64), None, "endpoint_id", "is no id"),
        (address("a", ""), None, "endpoint.address", "an address is missing"),
        (address("a", "10.0.0.1"), None, "endpoint.address", "`10.0.0.1` has no port"),
        (address("a", "10.0.0.999:80"), None, "endpoint.address", "is no host name and no IP address"),
        (address("a", "::1:80"), None, "endpoint.address", "an IPv6 address goes in brackets"),
        (address("a", weight=0), None, "endpoint.weight", "has to be from 1 to 1000000"),
        (address("a", zone="z" * 101), None, "endpoint.zone", "may have at most 100 characters"),
        (address("a"), 0.5, "ttl", "has to be at least 1s, and is 0.5s"),
        (address("a"), -1.0, "ttl", "has to be at least 1s, and is -1s"),
        (address("a"), float("nan"), "ttl", "has to be at least 1s"),
        (address("a"), 61.0, "ttl", "may be at most 60s, and is 61s; upstreams/shop sets that with `max_ttl`"),
    ],
)
def test_what_is_wrong_is_refused_by_field(wanted: EndpointAddress, ttl: float | None, field: str, words: str) -> None:
    leases = Leases(NAME, 60.0)
    with pytest.raises(InvalidRequest) as caught:
        leases.create(wanted, ttl, at(0))
    (violation,) = caught.value.violations
    assert violation.field == field
    assert words in violation.description
    assert len(leases) == 0


def test_an_id_and_an_address_are_registered_once() -> None:
    leases = Leases(NAME, 60.0)
    leases.create(address("a", "10.0.0.1:80"), None, at(0))
    with pytest.raises(ResourceExists, match="endpoints/a is registered already; renew or delete it"):
        leases.create(address("a", "10.0.0.2:80"), None, at(0))
    with pytest.raises(ResourceExists, match=r"10.0.0.1:80 is registered already, as upstreams/shop/endpoints/a"):
        leases.create(address("b", "10.0.0.1:80"), None, at(0))
    assert leases.delete("a") is not None
    leases.create(address("b", "10.0.0.1:80"), None, at(0))


def test_there_are_only_so_many() -> None:
    leases = Leases(NAME, 60.0, most=2)
    for number in (1, 2):
        leases.create(address(f"e{number}", f"10.0.0.{number}:80"), None, at(0))
    with pytest.raises(TooManyEndpoints, match="has 2 registered endpoints, which is the most"):
        leases.create(address("e3", "10.0.0.3:80"), None, at(0))


def test_one_that_drains_is_not_renewed_until_it_is_registered_anew() -> None:
    leases = Leases(NAME, 60.0)
    leases.create(address("a"), 10.0, at(0))
    assert leases.drain("a")
    assert leases.addresses[0].draining
    with pytest.raises(
        ResourceNotFound,
        match="drains and cannot be renewed; to give it calls again take UndrainEndpoint, or delete it",
    ):
        leases.renew("a", at(1))
    leases.delete("a")
    assert not leases.create(address("a"), 10.0, at(2)).draining
    assert not leases.drain("b")


def test_what_comes_and_goes_leaves_nothing_behind() -> None:
    leases = Leases(NAME, 60.0)
    for _ in range(1000):
        leases.create(address("a"), 60.0, at(0))
        leases.delete("a")
    assert len(leases._ends) < 100


class Machine(RuleBasedStateMachine):
    """Against a dictionary: a lease is there exactly until its last renewal and its ttl are over."""

    def __init__(self) -> None:
        super().__init__()
        self.leases = Leases(NAME, 60.0)
        self.now = 0.0
        self.ends: dict[str, tuple[float, float]] = {}

    @rule(number=st.integers(0, 5), ttl=st.integers(1, 60))
    def create(self, number: int, ttl: int) -> None:
        try:
            self.leases.create(address(f"e{number}", f"10.0.0.{number}:80"), ttl, at(self.now))
        except ResourceExists:
            assert f"e{number}" in self.ends
        else:
            assert f"e{number}" not in self.ends
            self.ends[f"e{number}"] = (self.now + ttl, ttl)

    @rule(number=st.integers(0, 5))
    def renew(self, number: int) -> None:
        name = f"e{number}"
        try:
            self.leases.renew(name, at(self.now))
        except ResourceNotFound:
            assert name not in self.ends
        else:
            self.ends[name] = (self.now + self.ends[name][1], self.ends[name][1])

    @rule(number=st.integers(0, 5))
    def delete(self, number: int) -> None:
        assert (self.leases.delete(f"e{number}") is None) == (self.ends.pop(f"e{number}", None) is None)

    @rule(seconds=st.integers(0, 40))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        gone = {one.id for one in self.leases.expire(self.now)}
        assert gone == {name for name, (end, _) in self.ends.items() if end <= self.now}
        for name in gone:
            del self.ends[name]

    @invariant()
    def the_timer_is_never_late(self) -> None:
        assert {one.id for one in self.leases.addresses} == set(self.ends)
        if self.ends:
            assert self.leases.next_end is not None
            assert self.leases.next_end <= min(end for end, _ in self.ends.values())


TestLeases = Machine.TestCase
TestLeases.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
