"""A wheel of deadlines: one timer for all calls instead of one for each."""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr

TICK: Final = 0.005
"""Seconds between two slots, so the most a deadline is late but for the loop's own lateness."""


FAR: Final = 2**62
"""The slot of an alarm that is not set."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Timed:
    """Something that has to end in time."""

    __slots__ = ("slot",)

    def __init__(self) -> None:
        self.slot: int = -1
        """Where it is in the wheel, or -1."""

    def expire(self, now: float) -> None:
        """Called when its time has come. It is not in the wheel any more."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Wheel:
    """Keeps deadlines in slots of `TICK` seconds. Adding and removing take the same time however many there are."""

    def __init__(self) -> None:
        self._slots: dict[int, set[Timed]] = {}
        self._done: int = 0
        self.alarm: int = FAR
        """The slot that `sooner` was last called for. Whoever owns the timer sets it to `FAR` when that fires."""

    def sooner(self, deadline: float) -> None:
        """Called when something is due before the alarm that is set. For whoever owns the timer to override."""

    def __len__(self) -> int:
        return sum([len(slot) for slot in self._slots.values()])

    def add(self, item: Timed, deadline: float) -> None:
        """Let `item` expire at `deadline`, by the monotonic clock in seconds. It must not be in the wheel."""
        number = int(deadline / TICK) + 1
        if number <= self._done:
            number = self._done + 1
        item.slot = number
        slot = self._slots.get(number)
        if slot is None:
            self._slots[number] = {item}
        else:
            slot.add(item)
        if number < self.alarm:
            self.alarm = number
            self.sooner(number * TICK)

    def remove(self, item: Timed) -> None:
        """Let `item` not expire."""
        number = item.slot
        if number < 0:
            return
        item.slot = -1
        slot = self._slots.get(number)
        if slot is not None:
            slot.discard(item)
            if not slot:
                del self._slots[number]

    def advance(self, now: float) -> None:
        """Expire whatever is due at `now`."""
        reached = int(now / TICK)
        if reached <= self._done:
            return
        if reached - self._done > len(self._slots):
            due = sorted([number for number in self._slots if number <= reached])
        else:
            due = [number for number in range(self._done + 1, reached + 1) if number in self._slots]
        self._done = reached
        for number in due:
            slot = self._slots.pop(number, None)
            if slot is None:
                continue
            for item in tuple(slot):
                # one that expires may remove others
                if item.slot == number:
                    item.slot = -1
                    item.expire(now)

    def rearm(self) -> None:
        """Set the alarm anew after it fired and `advance` was called."""
        self.alarm = FAR
        if self._slots:
            self.alarm = min(self._slots)
            self.sooner(self.alarm * TICK)
