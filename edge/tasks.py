"""Tasks with an owner.

`asyncio.create_task` keeps no reference to its task, which may then vanish in the middle, and nobody hears of its
failure. A `Tasks` keeps its tasks, logs what they fail with, and cancels and awaits them when it is closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

_log = logging.getLogger(__name__)


class Tasks:
    """The background tasks of one owner."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coroutine: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run `coroutine` until it ends or this is closed. A failure is logged under `name`."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background task %s failed", task.get_name(), exc_info=error)

    @classmethod
    def detached(cls, coroutine: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run a short `coroutine` that outlives its caller, such as a close. The process owns it."""
        return _PROCESS.spawn(coroutine, name=name)

    @classmethod
    async def close_detached(cls) -> None:
        """Wait for what was detached; the last thing a process does."""
        await asyncio.gather(*tuple(_PROCESS._tasks), return_exceptions=True)

    async def close(self) -> None:
        """Cancel every task and wait until all have ended."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


_PROCESS = Tasks()
