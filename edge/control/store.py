"""Where resources made by the API are kept, revision by revision.

A store only keeps; the configurator decides what goes in. Every method may wait, and `commit` compares before it sets,
so that several gateways can share one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edge.control.changes import Change
from edge.control.resources import NO_RESOURCES, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRevision:
    """The resources of the API at one revision, and how they came to be."""

    number: int = 0
    """The number, one more than that of the revision before."""

    resources: Resources = NO_RESOURCES
    """The resources made by the API. Those of files are not here: each gateway has its own."""

    author: str = ""
    """Who made the revision."""

    summary: str = ""
    """What was done, as in `UpdateRoute routes/checkout`."""

    changes: tuple[Change, ...] = ()
    """What is different from the revision before, resources of files included."""

    time: float = 0.0
    """When it was made, in seconds since the epoch."""


class RevisionConflict(Exception):
    """Somebody else made a revision in between."""


class Store(Protocol):
    """Keeps revisions."""

    async def current(self) -> StoredRevision:
        """Return the latest revision; number 0 when there is none yet."""
        ...

    async def commit(self, revision: StoredRevision) -> None:
        """Keep a revision, durably, as the latest one.

        Raises:
            RevisionConflict: the latest revision is not the one before it; nothing was kept.
        """
        ...

    async def revision(self, number: int) -> StoredRevision | None:
        """Return a revision by its number, or None when it is not kept (any more)."""
        ...

    async def revisions(self, *, before: int | None = None, limit: int = 50) -> Sequence[StoredRevision]:
        """Return revisions, the latest first.

        Args:
            before: Only those with a smaller number. None means all.
            limit: The most to return.
        """
        ...


class MemoryStore:
    """Keeps the last revisions in the process. They share what did not change between them."""

    def __init__(self, *, keep: int = 100) -> None:
        if keep < 1:
            raise ValueError("a store keeps at least the latest revision")
        self._revisions: deque[StoredRevision] = deque([StoredRevision()], maxlen=keep)

    async def current(self) -> StoredRevision:
        """Return the latest revision."""
        return self._revisions[-1]

    async def commit(self, revision: StoredRevision) -> None:
        """Keep a revision; the oldest one may go."""
        latest = self._revisions[-1].number
        if revision.number != latest + 1:
            raise RevisionConflict(f"revision {revision.number} does not follow {latest}")
        self._revisions.append(revision)

    async def revision(self, number: int) -> StoredRevision | None:
        """Return a revision by its number."""
        return next((kept for kept in self._revisions if kept.number == number), None)

    async def revisions(self, *, before: int | None = None, limit: int = 50) -> Sequence[StoredRevision]:
        """Return revisions, the latest first."""
        fitting = [kept for kept in reversed(self._revisions) if before is None or kept.number < before]
        return fitting[:limit]
