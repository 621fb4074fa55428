from __future__ import annotations

import asyncio

from edge.proxy.idle import IdleTimer


async def test_it_fires_once_after_the_quiet_time() -> None:
    fired: asyncio.Queue[float] = asyncio.Queue()
    IdleTimer(asyncio.get_running_loop(), 0.01, fired.put_nowait)
    assert await asyncio.wait_for(fired.get(), 1) == 0.01


async def test_a_touch_starts_the_time_anew() -> None:
    loop = asyncio.get_running_loop()
    fired: asyncio.Queue[float] = asyncio.Queue()
    timer = IdleTimer(loop, 0.05, fired.put_nowait)
    began = loop.time()
    while loop.time() - began < 0.12:
        timer.touch()
        await asyncio.sleep(0.005)
    assert fired.empty()
    await asyncio.wait_for(fired.get(), 1)


async def test_a_cancelled_timer_never_fires() -> None:
    fired: asyncio.Queue[float] = asyncio.Queue()
    timer = IdleTimer(asyncio.get_running_loop(), 0.005, fired.put_nowait)
    timer.cancel()
    timer.cancel()
    await asyncio.sleep(0.02)
    assert fired.empty()
