from __future__ import annotations

import asyncio
import logging

import pytest

from edge.tasks import Tasks


async def test_closing_cancels_and_waits() -> None:
    tasks = Tasks()
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    tasks.spawn(work(), name="work")
    await asyncio.sleep(0)
    await tasks.close()
    assert ended == ["cleaned up"]
    assert len(tasks) == 0


async def test_a_failure_is_logged_under_the_name(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks()

    async def fail() -> None:
        raise ValueError("on purpose")

    with caplog.at_level(logging.ERROR):
        task = tasks.spawn(fail(), name="the failing one")
        await asyncio.wait([task])
        await asyncio.sleep(0)
    assert "the failing one" in caplog.text
    assert "on purpose" in caplog.text
