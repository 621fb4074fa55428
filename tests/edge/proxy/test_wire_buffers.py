from __future__ import annotations

import asyncio

import pytest

from edge.proxy.wire_buffers import Bell


async def test_a_ring_wakes_everybody_who_waits() -> None:
    bell = Bell()
    waiting = [asyncio.ensure_future(bell.wait()) for _ in range(3)]  # noqa: TID251 - awaited below
    await asyncio.sleep(0)
    bell.ring()
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)


async def test_one_who_is_cancelled_does_not_take_the_others_with_it() -> None:
    bell = Bell()
    first, second = (asyncio.ensure_future(bell.wait()) for _ in range(2))  # noqa: TID251 - awaited below
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    bell.ring()
    async with asyncio.timeout(5):
        await second


async def test_a_ring_is_not_kept() -> None:
    bell = Bell()
    bell.ring()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await bell.wait()
