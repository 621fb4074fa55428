from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.call import Call, CallFinished, StatusSource
from edge.model.status import Code
from edge.telemetry.tap import TapHub

TIMEOUT = 10.0


def finished(method: str = "/s/M", code: Code = Code.OK) -> CallFinished:
    return CallFinished(Call(method), code, "", StatusSource.UPSTREAM, 0.0)


async def test_it_is_active_only_while_somebody_listens_and_says_so_once() -> None:
    hub = TapHub()
    told: list[bool] = []
    hub.on_active = told.append
    hub(finished())
    assert hub.active is False
    with hub.subscribe(), hub.subscribe() as second:
        second.close()
        second.close()
        assert told == [True]
    assert told == [True, False]


async def test_each_subscriber_gets_what_it_wants_in_order() -> None:
    hub = TapHub()
    everything, errors = hub.subscribe(), hub.subscribe(lambda record: record.code is not Code.OK)
    records = [finished("/s/A"), finished("/s/B", Code.NOT_FOUND)]
    for record in records:
        hub(record)
    assert [await everything.next(), await everything.next()] == records
    assert await errors.next() is records[1]
    assert (errors.matched, errors.queued, errors.dropped) == (1, 0, 0)


async def test_a_waiting_reader_is_woken_and_a_cancelled_one_loses_nothing() -> None:
    hub = TapHub()
    with hub.subscribe() as subscription:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(subscription.next(), 0.001)
        record = finished()
        asyncio.get_running_loop().call_soon(hub, record)
        assert await asyncio.wait_for(subscription.next(), TIMEOUT) is record


async def test_a_slow_reader_misses_records_which_are_counted_and_others_do_not() -> None:
    hub = TapHub()
    slow, roomy = hub.subscribe(capacity=2), hub.subscribe(capacity=10)
    for number in range(5):
        hub(finished(f"/s/{number}"))
    assert (slow.queued, slow.dropped) == (2, 3)
    assert (roomy.queued, roomy.dropped) == (5, 0)
    assert (await slow.next()).call.method == "/s/0"


async def test_a_filter_that_fails_is_reported_once_and_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    hub = TapHub()
    bad = hub.subscribe(lambda record: 1 // 0 == 1)
    good = hub.subscribe()
    hub(finished())
    hub(finished())
    assert (bad.matched, good.matched) == (0, 2)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_sample_takes_about_its_share() -> None:
    chances = iter([0.0, 0.2, 0.25, 0.9])
    hub = TapHub(chance=lambda: next(chances))
    subscription = hub.subscribe(sample=0.25)
    for _ in range(4):
        hub(finished())
    assert subscription.matched == 2


@pytest.mark.parametrize("wrong", [{"sample": 0.0}, {"sample": 1.1}, {"sample": float("nan")}, {"capacity": 0}])
async def test_what_is_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TapHub().subscribe(**wrong)  # type: ignore[arg-type] # wrong on purpose


@given(
    capacity=st.integers(1, 5),
    sample=st.sampled_from([0.3, 1.0]),
    steps=st.lists(st.sampled_from(["wanted", "unwanted", "read", "close"]), max_size=60),
    seed=st.randoms(use_true_random=False),
)
def test_never_more_queued_than_capacity_and_no_call_unaccounted(
    capacity: int, sample: float, steps: list[str], seed: random.Random
) -> None:
    async def run() -> None:
        hub = TapHub(chance=seed.random)
        subscription = hub.subscribe(lambda record: record.call.method == "wanted", sample=sample, capacity=capacity)
        offered = read = 0
        for step in steps:
            if step == "close":
                subscription.close()
            elif step == "read":
                if subscription.queued:
                    await subscription.next()
                    read += 1
            else:
                offered += step == "wanted" and hub.active
                hub(finished(step))
            assert subscription.queued <= capacity
            assert subscription.delivered == read
            assert subscription.delivered + subscription.queued + subscription.dropped == subscription.matched
            assert subscription.matched == offered if sample == 1.0 else subscription.matched <= offered
        while subscription.queued:
            await subscription.next()
        assert subscription.delivered + subscription.dropped == subscription.matched

    asyncio.run(run())
