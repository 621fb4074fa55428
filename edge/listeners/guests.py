"""The connections of a listener while they last, and what time asks of them.

One timer looks after all of them. Each says when it is to be looked at next, so that those that are in order cost a
comparison.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

SWEEP = 0.25
"""Seconds between two looks at the connections of a listener, so how late a limit in time may act."""

LINGER = 2.0
"""Seconds a caller has to take in what tells it that its connection is cut."""


_AGAIN = 1.0
"""Seconds to the next look at a connection after one that failed."""

_log = logging.getLogger(__name__)


class Stage:
    """What a connection is doing: arriving, or speaking one of the protocols."""

    def look(self, now: float) -> float:
        """Do what time asks for, and return when to look again.

        Args:
            now: The monotonic clock, in seconds.
        """
        raise NotImplementedError

    def drain(self, now: float) -> None:
        """End when what is under way has ended."""
        raise NotImplementedError

    def cut(self, now: float) -> None:
        """End now."""
        raise NotImplementedError


class Guest:
    """A connection, from its being accepted to its end.

    Args:
        guests: Those of its listener.
        peer: The caller, in grpc's words.
        now: The monotonic clock, in seconds.
    """

    __slots__ = ("born", "check", "guests", "key", "peer", "stage")

    def __init__(self, guests: Guests, peer: str, now: float) -> None:
        self.guests = guests
        self.peer = peer
        """The caller, in grpc's words: the other side of the socket until a PROXY header tells of another."""
        self.key: str = ""
        """What its place among the connections of its address is given back by."""
        self.born = now
        """When it was accepted, by the monotonic clock."""
        self.stage: Stage | None = None
        """What it is doing."""
        self.check = now
        """When it is to be looked at, by the monotonic clock."""

    def enter(self, stage: Stage, now: float) -> None:
        """Go on to another stage."""
        self.stage = stage
        self.check = now

    def end(self) -> None:
        """The connection is over. A second time does nothing."""
        self.stage = None
        self.guests.forget(self)


class Guests:
    """The connections of a listener.

    Args:
        gone: Is called with each that is over.
    """

    def __init__(self, gone: Callable[[Guest], None]) -> None:
        self._gone = gone
        self._all: set[Guest] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, guest: Guest) -> None:
        """Look after a connection."""
        self._all.add(guest)
        self._empty.clear()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    def forget(self, guest: Guest) -> None:
        """A connection is over. A second time does nothing."""
        if guest not in self._all:
            return
        self._all.remove(guest)
        self._gone(guest)
        if not self._all:
            self._empty.set()

    def drain(self) -> None:
        """Let every connection end when what is under way on it has ended."""
        now = time.monotonic()
        for guest in tuple(self._all):
            if guest.stage is not None:
                guest.stage.drain(now)
                guest.check = now

    def cut(self) -> None:
        """End every connection."""
        now = time.monotonic()
        for guest in tuple(self._all):
            if guest.stage is not None:
                guest.stage.cut(now)
                guest.check = now

    async def wait_empty(self) -> None:
        """Wait until there is no connection."""
        await self._empty.wait()

    def close(self) -> None:
        """Look after nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        now = time.monotonic()
        for guest in [guest for guest in self._all if guest.check <= now]:
            if guest.stage is None:
                continue
            try:
                guest.check = guest.stage.look(now)
            except Exception:
                # the limits of the others hold all the same
                guest.check = now + _AGAIN
                _log.exception("the limits of the connection of %s could not be looked after", guest.peer)
        # an idle process is not woken up
        self._timer = asyncio.get_running_loop().call_later(SWEEP, self._sweep) if self._all else None
