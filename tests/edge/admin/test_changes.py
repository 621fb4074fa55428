from __future__ import annotations

import asyncio
import time

import pytest

from edge.admin.changes import Changes
from edge.admin.node import resident_bytes
from edge.model.watch import Watch
from tests.edge.admin.fakes import TIMEOUT


async def test_changes_before_the_wait_make_one_wake() -> None:
    numbers, texts = Watch(0), Watch("")
    with Changes(numbers, texts) as changes:
        numbers.set(1)
        numbers.set(2)
        texts.set("a")
        await asyncio.wait_for(changes.wait(), TIMEOUT)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(changes.wait(), 0.01)
        asyncio.get_running_loop().call_soon(texts.set, "b")
        await asyncio.wait_for(changes.wait(), TIMEOUT)
    assert not numbers._listeners
    assert not texts._listeners


async def test_wakes_keep_their_distance_and_nothing_is_lost_meanwhile() -> None:
    watch = Watch(0)
    with Changes(watch, pace=0.05) as changes:
        began = time.monotonic()
        for number in range(1, 4):
            watch.set(number)
            await asyncio.wait_for(changes.wait(), TIMEOUT)
        assert time.monotonic() - began >= 0.14


def test_the_process_knows_its_memory() -> None:
    assert resident_bytes() > 1_000_000
