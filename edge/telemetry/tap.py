"""The tap: records of finished calls for whoever asks, while nobody who is slow can hold up a call.

Each subscriber has a bounded queue. A record that does not fit is dropped and counted; for every subscriber

    matched == delivered + queued + dropped

holds at any time. Without subscribers `TapHub.active` is False, and `TapHub.on_active` has told whoever settles calls
that nobody needs records.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from types import TracebackType

from edge.model.call import CallFinished

_log = logging.getLogger(__name__)

Predicate = Callable[[CallFinished], bool]
"""Whether a subscriber wants to see a call."""


class Subscription:
    """The queue of one subscriber, between the hub that fills it and the one reader that empties it."""

    __slots__ = (
        "_arrived",
        "_capacity",
        "_chance",
        "_failed",
        "_hub",
        "_predicate",
        "_queue",
        "_sample",
        "delivered",
        "dropped",
        "matched",
    )

    def __init__(
        self, hub: TapHub, predicate: Predicate | None, sample: float, capacity: int, chance: Callable[[], float]
    ) -> None:
        self._hub = hub
        self._predicate = predicate
        self._sample = sample
        self._capacity = capacity
        self._chance = chance
        self._queue: deque[CallFinished] = deque()
        self._arrived = asyncio.Event()
        self._failed = False
        self.matched: int = 0
        """The calls that were wanted and in the sample."""
        self.delivered: int = 0
        """The calls of these the reader got."""
        self.dropped: int = 0
        """The calls of these that were lost because the queue was full."""

    @property
    def queued(self) -> int:
        """The calls that wait for the reader."""
        return len(self._queue)

    def offer(self, finished: CallFinished) -> None:
        """Queue the record if it is wanted and there is room."""
        try:
            if self._predicate is not None and not self._predicate(finished):
                return
        except Exception:
            # The caller settles a call: it can do nothing about a bad predicate, and one report is enough.
            if not self._failed:
                self._failed = True
                _log.exception("the filter of a tap failed; calls it fails for are left out")
            return
        if self._sample < 1.0 and self._chance() >= self._sample:
            return
        self.matched += 1
        if len(self._queue) >= self._capacity:
            self.dropped += 1
            return
        self._queue.append(finished)
        self._arrived.set()

    async def next(self) -> CallFinished:
        """Return the next record, once there is one. Only one reader may wait."""
        while not self._queue:
            self._arrived.clear()
            await self._arrived.wait()
        self.delivered += 1
        return self._queue.popleft()

    def close(self) -> None:
        """Take no more records. What is queued can still be read."""
        self._hub.remove(self)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class TapHub:
    """Hands finished calls to subscribers. It never blocks and never raises. All on one event loop.

    Args:
        chance: Returns a number from 0 to below 1; decides what is in a sample.
    """

    __slots__ = ("_chance", "_subscriptions", "active", "on_active")

    def __init__(self, *, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._subscriptions: tuple[Subscription, ...] = ()
        self.active: bool = False
        """Whether there is a subscriber. Without one, calling the hub does nothing."""
        self.on_active: Callable[[bool], None] | None = None
        """Called with True when the first subscriber comes, and with False when the last one has gone."""

    def __call__(self, finished: CallFinished) -> None:
        """Offer the record to every subscriber."""
        for subscription in self._subscriptions:
            subscription.offer(finished)

    def subscribe(
        self, predicate: Predicate | None = None, *, sample: float = 1.0, capacity: int = 256
    ) -> Subscription:
        """Return a queue of the calls from now on. Close it to end that.

        Args:
            predicate: Which calls are wanted. None means all.
            sample: About which share of these, above 0 and at most 1.
            capacity: The most records that wait for the reader.

        Raises:
            ValueError: the share or the capacity is out of range.
        """
        if not 0.0 < sample <= 1.0:
            raise ValueError(f"sample is {sample}, not above 0 and at most 1")
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, not at least 1")
        subscription = Subscription(self, predicate, sample, capacity, self._chance)
        self._set((*self._subscriptions, subscription))
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription. Doing it again does nothing."""
        self._set(tuple(other for other in self._subscriptions if other is not subscription))

    def _set(self, subscriptions: tuple[Subscription, ...]) -> None:
        self._subscriptions = subscriptions
        active = bool(subscriptions)
        if active is not self.active:
            self.active = active
            if self.on_active is not None:
                self.on_active(active)
