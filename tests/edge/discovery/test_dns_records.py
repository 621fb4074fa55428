from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.discovery.dns_records import (
    MOST_ENDPOINTS,
    Service,
    address_endpoints,
    groups,
    service_endpoints,
    wait,
)


@pytest.mark.parametrize(
    ("ttl", "interval", "seconds"),
    [
        (30.0, None, 30.0),
        (0.0, None, 1.0),
        (86400.0, None, 3600.0),
        (300.0, 5.0, 5.0),
        (3.0, 5.0, 3.0),
        (86400.0, 7200.0, 3600.0),
        (None, 5.0, None),
    ],
)
def test_when_a_name_is_resolved_again(ttl: float | None, interval: float | None, seconds: float | None) -> None:
    assert wait(ttl, interval) == seconds


def test_addresses_of_both_families_are_sorted_whatever_the_order_of_the_answer() -> None:
    answer = ["::2", "10.0.0.10", "10.0.0.9", "::1", "10.0.0.9"]
    expected = ["10.0.0.9:80", "10.0.0.10:80", "[::1]:80", "[::2]:80"]
    for seed in range(5):
        random.Random(seed).shuffle(answer)
        assert [one.address for one in address_endpoints(answer, 80).addresses] == expected


def test_addresses_nobody_can_be_called_at_are_left_out_and_said() -> None:
    found = address_endpoints(["0.0.0.0", "10.0.0.1", "ff02::1"], 80)
    assert [one.address for one in found.addresses] == ["10.0.0.1:80"]
    assert found.problems == [
        "0.0.0.0 is no address that calls can be sent to and is left out; mend the records",
        "ff02::1 is no address that calls can be sent to and is left out; mend the records",
    ]


def test_more_endpoints_than_there_may_be_are_cut_and_said() -> None:
    found = address_endpoints((f"10.0.{n // 256}.{n % 256}" for n in range(1, MOST_ENDPOINTS + 3)), 80)
    assert len(found.addresses) == MOST_ENDPOINTS
    assert found.problems == [f"2 endpoints beyond the {MOST_ENDPOINTS} are left out"]


def test_srv_records_come_by_priority() -> None:
    low, high, other = Service(20, 1, 80, "c"), Service(10, 1, 80, "b"), Service(10, 5, 80, "a")
    assert groups([low, high, other, high]) == [[other, high], [low]]


def test_the_weight_of_a_record_is_shared_by_the_addresses_of_its_host() -> None:
    group = [Service(1, 10, 80, "a"), Service(1, 10, 81, "b"), Service(1, 0, 82, "c"), Service(1, 7, 83, "gone")]
    hosts = {"a": ["10.0.0.1", "10.0.0.2"], "b": ["10.0.0.3", "10.0.0.4", "10.0.0.5"], "c": ["10.0.0.6"]}
    found = {one.address: one.weight for one in service_endpoints(group, hosts).addresses}
    assert found == {
        "10.0.0.1:80": 30,
        "10.0.0.2:80": 30,
        "10.0.0.3:81": 20,
        "10.0.0.4:81": 20,
        "10.0.0.5:81": 20,
        "10.0.0.6:82": 6,
    }


def test_all_weights_of_zero_are_equal() -> None:
    group = [Service(1, 0, 80, "a"), Service(1, 0, 80, "b")]
    assert {one.weight for one in service_endpoints(group, {"a": ["10.0.0.1"], "b": ["10.0.0.2"]}).addresses} == {1}


def test_an_endpoint_that_two_records_name_has_the_weight_of_both() -> None:
    group = [Service(1, 2, 80, "a"), Service(1, 3, 80, "b")]
    (one,) = service_endpoints(group, {"a": ["10.0.0.1"], "b": ["10.0.0.1"]}).addresses
    assert one.weight == 5


def test_port_zero_is_left_out_and_said() -> None:
    found = service_endpoints([Service(1, 1, 0, "a")], {"a": ["10.0.0.1"]})
    assert (found.addresses, found.problems) == (
        (),
        ["10.0.0.1 comes with port 0 and is left out; mend the SRV records"],
    )


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(1, 4)), min_size=1, max_size=6))
def test_hosts_have_the_shares_of_their_records(records: list[tuple[int, int]]) -> None:
    group = [Service(1, weight, 1000 + index, f"h{index}") for index, (weight, _) in enumerate(records)]
    hosts = {f"h{i}": [f"10.{i}.0.{n}" for n in range(1, count + 1)] for i, (_, count) in enumerate(records)}
    found = service_endpoints(group, hosts).addresses
    total = sum(one.weight for one in found)
    for index, (weight, count) in enumerate(records):
        mine = [one.weight for one in found if one.address.endswith(f":{1000 + index}")]
        assert (len(mine), len(set(mine))) == (count, 1)
        assert Fraction(sum(mine), total) == Fraction(weight or 1, sum(w or 1 for w, _ in records))
