from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.balancing.maglev import filled
from edge.balancing.ring import ARCS, Ring
from edge.model.balancing import ConsistentHashSettings, KeySource
from edge.model.call import Call
from tests.edge.balancing.makes import BOUNDED, HEADER, MAGLEV, balancer, endpoint, endpoints, homes, keyed

KEYS = 400
RING = [3, 0, 0, 2, 0, 1, 0, 1, 2, 3, 0, 2]
TABLE = [0, 2, 3, 4, 3, 1, 0, 4, 2, 0, 0, 2]
KINDS = pytest.mark.parametrize("kind", [pytest.param(HEADER, id="ring"), pytest.param(MAGLEV, id="Maglev")])
SETS = st.sets(st.integers(0, 30), min_size=1, max_size=20)


@settings(deadline=None, max_examples=60)
@given(before=SETS, after=SETS, weight=st.sampled_from([1, 3, 8]))
def test_on_a_ring_keys_move_only_from_who_went_and_to_who_came(before: set[int], after: set[int], weight: int) -> None:
    everyone = [endpoint(number, weight=weight) for number in range(31)]
    names = [one.address for one in everyone]
    made = balancer(HEADER, [everyone[index] for index in sorted(before)])
    old = homes(made, KEYS)
    those = [everyone[index] for index in sorted(after)]
    new = homes(made.replaced(those, [weight] * len(those)), KEYS)
    came, gone = {names[index] for index in after - before}, {names[index] for index in before - after}
    for key, address in old.items():
        assert new[key] == address or address in gone or new[key] in came
    assert new == homes(balancer(HEADER, those), KEYS), "a mended ring is the ring of a gateway that starts now"


@pytest.mark.parametrize("seed", range(4))
@KINDS
def test_no_more_keys_move_than_expected(kind: ConsistentHashSettings, seed: int) -> None:
    rest = random.Random(seed)
    everyone = endpoints(41)
    rest.shuffle(everyone)
    old = homes(balancer(kind, everyone[:40]), 4000)
    more = homes(balancer(kind, everyone), 4000)
    fewer = homes(balancer(kind, everyone[:39]), 4000)
    # a fortieth of the keys has to move; a ring gives the one who comes or goes a little more or less than that, and
    # Maglev moves a few keys between others, too
    assert sum(old[key] != more[key] for key in old) <= 4000 / 40 * 2
    assert sum(old[key] != fewer[key] for key in old) <= 4000 / 40 * 2
    others = sum(old[key] != fewer[key] for key in old if old[key] != everyone[39].address)
    assert others == 0 if kind is HEADER else others <= 4000 * 0.02


@KINDS
def test_gateways_that_learn_the_endpoints_in_another_order_agree(kind: ConsistentHashSettings) -> None:
    here = [endpoint(number, weight=1 + number % 3) for number in range(12)]
    there = [endpoint(number, weight=1 + number % 3) for number in reversed(range(12))]
    assert homes(balancer(kind, here), KEYS) == homes(balancer(kind, there), KEYS)


def test_keys_stay_where_they_were_with_earlier_versions() -> None:
    """Other numbers here would mean that an upgrade moves the keys of everybody."""
    those = endpoints(5)
    numbers = {one.address: number for number, one in enumerate(those)}
    assert [numbers[address] for address in homes(balancer(HEADER, those), 12).values()] == RING
    assert [numbers[address] for address in homes(balancer(MAGLEV, those), 12).values()] == TABLE


def test_shares_are_nearly_the_same() -> None:
    shares = Counter(filled([one.address for one in endpoints(100)], [1] * 100)).values()
    assert max(shares) - min(shares) <= 2
    ring = Counter(homes(balancer(HEADER, endpoints(10)), 20_000).values())
    assert max(ring.values()) <= 1.3 * 2000


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12))
@settings(deadline=None, max_examples=20)
def test_the_share_of_a_maglev_table_is_the_weight(weights: list[int]) -> None:
    counts = Counter(filled([one.address for one in endpoints(len(weights))], weights))
    size = sum(counts.values())
    for index, weight in enumerate(weights):
        assert abs(counts[index] - size * weight / sum(weights)) <= 1 + len(weights)


def order(address: str, size: int) -> Iterator[int]:
    seed = int.from_bytes(blake2b(address.encode(), digest_size=16).digest(), "big")
    return ((seed + turn * (1 + (seed >> 64) % (size - 1))) % size for turn in range(size))


@pytest.mark.parametrize("weights", [[1] * 7, [1, 2, 3, 4, 5], [7, 100, 33]])
def test_the_short_way_to_the_last_places_fills_the_table_of_the_paper(weights: list[int]) -> None:
    addresses = [one.address for one in endpoints(len(weights))]
    free = 16_381
    orders = [order(address, free) for address in addresses]
    table, taken = [-1] * free, [0] * len(weights)
    for now in count(1):
        for index, weight in enumerate(weights):
            if free and now * weight >= max(weights) * (taken[index] + 1):
                table[next(place for place in orders[index] if table[place] < 0)] = index
                taken[index] += 1
                free -= 1
        if not free:
            break
    assert filled(addresses, weights) == table


def test_points_follow_the_weight_in_every_part_of_the_ring() -> None:
    light, heavy, half = endpoint(0, weight=4), endpoint(1, weight=12), endpoint(2, weight=2)
    ring = Ring([light, heavy, half], [4, 12, 2])
    assert ring.points[heavy] == 3 * ring.points[light] == 6 * ring.points[half]
    assert ring.points[light] in (ARCS // 2, ARCS)


@given(st.integers(1, 12), st.lists(st.integers(0, 5), min_size=1, max_size=120))
@settings(deadline=None)
def test_nobody_gets_more_than_the_bound(size: int, keys: list[int]) -> None:
    those = endpoints(size)
    made = balancer(BOUNDED, those)
    for total, key in enumerate(keys, start=1):
        chosen = made.pick(keyed(key), 0.0)
        assert chosen is not None
        chosen.active += 1
        assert chosen.active <= ceil(1.25 * total / size)


def test_within_the_bound_a_key_stays_at_home() -> None:
    those = endpoints(4)
    home = homes(balancer(HEADER, those), 1)[0]
    made = balancer(BOUNDED, those)
    for one in those:
        one.active = 10
    assert {made.pick(keyed(0), 0.0)} == {one for one in those if one.address == home}


def test_a_table_before_goes_on_for_a_moment_without_who_went() -> None:
    everyone = endpoints(6)
    made = balancer(MAGLEV, everyone)
    old = {key: made.pick(keyed(key), 10.0) for key in range(200)}
    those = everyone[:4]
    made = made.replaced(those, [1] * 4)
    for key, chosen in old.items():
        now = made.pick(keyed(key), 10.01)
        assert now is chosen if chosen in those else now in those
    new = balancer(MAGLEV, those)
    assert all(made.pick(keyed(key), 10.1) is new.pick(keyed(key), 0.0) for key in old)


def test_calls_without_key_go_to_any() -> None:
    those = endpoints(3)
    made = balancer(HEADER, those)
    random.seed(3)
    assert {made.pick(Call("/a/B"), 0.0) for _ in range(200)} == set(those)
    peers = balancer(ConsistentHashSettings(source=KeySource.PEER_ADDRESS), those)
    assert len({peers.pick(Call("/a/B", peer="10.0.0.1:123"), 0.0) for _ in range(50)}) == 1
