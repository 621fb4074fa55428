"""A current value that others can follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Watch(Generic[T]):
    """Holds a value. Readers take the current one; followers are told of changes.

    A follower that is slow sees the latest value, not every value: nothing queues. All on one event loop.
    """

    __slots__ = ("_followers", "_listeners", "_value")

    def __init__(self, value: T) -> None:
        self._value = value
        self._listeners: list[Callable[[T], None]] = []
        self._followers: set[asyncio.Event] = set()

    @property
    def value(self) -> T:
        """The current value."""
        return self._value

    def set(self, value: T) -> None:
        """Make `value` current and tell everybody, also when it is equal to the one before."""
        self._value = value
        for listener in tuple(self._listeners):
            listener(value)
        for event in self._followers:
            event.set()

    def listen(self, listener: Callable[[T], None]) -> Callable[[], None]:
        """Call `listener` within each `set` from now on. Return what ends that. It must not raise."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    async def follow(self) -> AsyncGenerator[T, None]:
        """Yield the current value, then the latest one after each change, until the iterator is closed."""
        event = asyncio.Event()
        self._followers.add(event)
        try:
            while True:
                event.clear()
                yield self._value
                await event.wait()
        finally:
            self._followers.discard(event)
