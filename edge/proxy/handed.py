"""Calls that the wire engine has admitted and that need messages, on their way to the core in the same process.

The call itself stays here and is found again by a name that nobody can guess; so peer, authority, TLS identity and what
policies did are handed over, and nothing is done twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from edge.model.call import Call
from edge.wire.names import HANDED

MOST = 4096
"""Calls that wait to be taken, at most twice as many. More than this many at once are looked through for dead ones."""


class HandedCalls:
    """The calls that were handed over and not taken yet."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def give(self, call: Call) -> str:
        """Keep a call; return the name by which it is found."""
        if len(self._calls) >= MOST:
            # those that ended before the core saw them
            self._calls = {name: kept for name, kept in self._calls.items() if not kept.settled}
        name = secrets.token_hex(16)
        call.admitted = True
        self._calls[name] = call
        return name

    def take(self, metadata: Iterable[tuple[str, str | bytes]]) -> Call | None:
        """Return the call that the metadata names, once."""
        for key, value in metadata:
            if key == HANDED and isinstance(value, str):
                return self._calls.pop(value, None)
        return None
