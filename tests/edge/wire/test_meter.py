from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire.meter import Meter
from tests.edge.wire.support import message


@given(sizes=st.lists(st.integers(0, 300), max_size=10), cuts=st.lists(st.integers(1, 200), min_size=1, max_size=10))
def test_messages_and_their_bytes_are_counted_however_they_are_cut(sizes: list[int], cuts: list[int]) -> None:
    meter = Meter(300)
    data = b"".join(message(size) for size in sizes)
    messages = inside = at = turn = 0
    while at < len(data):
        step = cuts[turn % len(cuts)]
        inside += meter.take(data[at : at + step])
        messages += meter.messages
        at += step
        turn += 1
        # whole is said exactly between messages
        ends = [sum(size + 5 for size in sizes[: index + 1]) for index in range(len(sizes))]
        assert meter.whole is (min(at, len(data)) in ends)
    assert (messages, inside, meter.over) == (len(sizes), sum(sizes), -1)
    assert meter.whole


@pytest.mark.parametrize("split", range(6))
@pytest.mark.parametrize("size", [101, 2**32 - 1])
def test_a_message_over_the_limit_is_named_as_soon_as_its_prefix_is_there(split: int, size: int) -> None:
    meter = Meter(100)
    prefix = b"\1" + size.to_bytes(4, "big")
    meter.take(message(100) + prefix[:split])
    assert meter.over == (size if split == 5 else -1)
    if split < 5:
        meter.take(prefix[split:] + b"abc")
    assert meter.over == size


def test_what_fits_exactly_fits() -> None:
    meter = Meter(100)
    assert meter.take(message(100)) == 100
    assert (meter.over, meter.messages, meter.whole) == (-1, 1, True)


def test_nothing_is_nothing() -> None:
    meter = Meter(0)
    assert meter.take(b"") == 0
    assert meter.take(message(0) * 3) == 0
    assert (meter.messages, meter.whole, meter.over) == (3, True, -1)
