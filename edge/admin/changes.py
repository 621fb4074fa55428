"""Waiting for any of several watches to change, no more often than somebody wants to hear of it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from edge.model.watch import Watch

PACE = 0.1
"""Seconds between two updates of a stream that shows states: ten a second are more than a person can follow."""


class Changes:
    """Wakes one reader after changes of any of the watches, from its making until it is closed.

    Changes while the reader is busy are not lost and not queued: they make one wake.

    Args:
        watches: What to follow.
        pace: The least seconds between two wakes. Without changes nothing sleeps.
    """

    __slots__ = ("_changed", "_ends", "_next", "_pace")

    def __init__(self, *watches: Watch[Any], pace: float = 0.0) -> None:
        self._changed = asyncio.Event()
        self._pace = pace
        self._next = asyncio.get_running_loop().time() + pace
        self._ends = [watch.listen(self._wake) for watch in watches]

    def _wake(self, value: object) -> None:  # noqa: ARG002 - the signature of a listener
        self._changed.set()

    async def wait(self) -> None:
        """Return after the next change, or at once when there was one since the last return."""
        await self._changed.wait()
        loop = asyncio.get_running_loop()
        if (early := self._next - loop.time()) > 0:
            await asyncio.sleep(early)
        self._next = loop.time() + self._pace
        self._changed.clear()

    def close(self) -> None:
        """Stop following."""
        for end in self._ends:
            end()

    def __enter__(self) -> Changes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
