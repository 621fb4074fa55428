"""How many calls are under way to an upstream, and who waits for one of them to end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Gate(Generic[K]):
    """Lets so many calls through at once; some more wait, the first that came goes first.

    Args:
        max_calls: The most calls under way.
        max_pending: The most calls that wait.
    """

    def __init__(self, max_calls: int, max_pending: int) -> None:
        self._max_calls = max_calls
        self._max_pending = max_pending
        self._waiting: OrderedDict[K, Callable[[], None]] = OrderedDict()
        self._inside: set[K] = set()

    @property
    def active(self) -> int:
        """The calls under way."""
        return len(self._inside)

    @property
    def pending(self) -> int:
        """The calls that wait."""
        return len(self._waiting)

    def enter(self, key: K) -> bool:
        """Let a call through if there is room for it and nobody waits before it."""
        if len(self._inside) >= self._max_calls or self._waiting:
            return False
        self._inside.add(key)
        return True

    def wait(self, key: K, go: Callable[[], None]) -> bool:
        """Let a call wait that was not let through.

        Args:
            key: The call.
            go: Called when it is its turn; it is under way then.

        Returns:
            False when as many wait as may.
        """
        if len(self._waiting) >= self._max_pending:
            return False
        self._waiting[key] = go
        return True

    def leave(self, key: K) -> bool:
        """Let go of a call, whether it is under way or waits, and let the next one through.

        Returns:
            Whether it was waiting.
        """
        if self._waiting.pop(key, None) is not None:
            return True
        if key in self._inside:
            self._inside.remove(key)
            while self._waiting and len(self._inside) < self._max_calls:
                following, go = self._waiting.popitem(last=False)
                self._inside.add(following)
                go()
        return False
