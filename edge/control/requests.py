"""Requests that are sent again (AIP-155): a `request_id` gets its first answer once more.

Only answers are remembered, not failures: after one the same request may well succeed. While the first one is under way
the others wait for it, and they share what comes of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from edge.model.errors import InvalidRequest, Violation
from edge.tasks import Tasks

T = TypeVar("T")

FIELD = "request_id"
"""The field of every request that can be repeated."""


@dataclass(slots=True)
class _Entry:
    fingerprint: bytes
    outcome: asyncio.Task[Any]


class Requests:
    """Remembers answers for a while.

    Args:
        most: The most answers; the oldest one goes.
        ttl: Seconds after which an answer is forgotten.
        clock: Seconds of any clock that only goes forward.
    """

    def __init__(self, *, most: int = 10_000, ttl: float = 3600.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._ttl = ttl
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._answers: OrderedDict[str, float] = OrderedDict()
        self._tasks = Tasks()

    def __len__(self) -> int:
        return len(self._entries)

    async def once(self, method: str, request: Any, execute: Callable[[], Awaitable[T]]) -> T:
        """Execute a request, or return the answer it got before.

        Requests without id are executed each time, and so are those that only validate, which change nothing.

        Args:
            method: The name of the method.
            request: A message with a `request_id`.
            execute: Does what is asked. Once begun it goes on, also when all who wait for it go away.

        Raises:
            InvalidRequest: the id is no UUID of version 4, or belongs to a different request.
        """
        request_id: str = request.request_id
        if not request_id:
            return await execute()
        if not _is_uuid4(request_id):
            raise _invalid("has to be a random UUID of version 4, as in `5b4cdf5e-0a4f-4d5e-9f3a-2b1c0d9e8f7a`")
        if request.validate_only:
            return await execute()
        request_id = request_id.lower()
        self._forget_old()
        fingerprint = _fingerprint(method, request)
        entry = self._entries.get(request_id)
        if entry is not None and entry.fingerprint != fingerprint:
            raise _invalid("was used for a different request before; take a new one")
        if entry is None:
            outcome = self._tasks.spawn(self._outcome(request_id, execute), name=f"{method} {request_id}")
            entry = self._entries[request_id] = _Entry(fingerprint, outcome)
        answer: T | _Failure = await asyncio.shield(entry.outcome)
        if isinstance(answer, _Failure):
            raise answer.error
        return answer

    async def _outcome(self, request_id: str, execute: Callable[[], Awaitable[T]]) -> T | _Failure:
        try:
            answer = await execute()
        except Exception as error:
            del self._entries[request_id]
            return _Failure(error)
        self._answers[request_id] = self._clock()
        return answer

    def _forget_old(self) -> None:
        """Forget answers that are too old or too many. What is under way stays; the oldest answer comes first."""
        now = self._clock()
        while self._answers and (
            len(self._answers) >= self._most or now - next(iter(self._answers.values())) > self._ttl
        ):
            request_id, _ = self._answers.popitem(last=False)
            del self._entries[request_id]

    async def close(self) -> None:
        """End what is under way."""
        await self._tasks.close()


@dataclass(frozen=True, slots=True)
class _Failure:
    error: Exception


def _is_uuid4(text: str) -> bool:
    try:
        found = uuid.UUID(text)
    except ValueError:
        return False
    return str(found) == text.lower() and found.version == 4


def _fingerprint(method: str, request: Message) -> bytes:
    return hashlib.sha256(method.encode() + b"\0" + request.SerializeToString(deterministic=True)).digest()


def _invalid(description: str) -> InvalidRequest:
    return InvalidRequest.of([Violation(FIELD, description)])
