"""Asks the endpoints of an upstream for their descriptors and remembers who answered what.

A look asks a bounded number of endpoints, the ones that waited longest first, a few at a time and with one deadline.
Answers that are equal to known ones cost a hash; the others are indexed and linked in a worker thread.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge.model.endpoint import Endpoint
from edge.model.schema import SchemaSet
from edge.tasks import Tasks
from edge.upstream.grpc_endpoint import channels_of
from edge.upstream.reflection import Answer, Head, ReflectionError, Unsupported, read_answer

_log = logging.getLogger(__name__)

MAX_ASKED = 16
"""The most endpoints a look asks."""

SOON = 1.0
"""Seconds after which a look counts what it has, when some endpoints have not answered yet."""

MAX_AT_ONCE = 4
"""The most endpoints that are asked at once."""


@dataclass(slots=True)
class Record:
    """What an endpoint said when it was asked last."""

    turn: int = 0
    """When it was asked: larger is later. Zero for one that has to be asked again."""

    schema: SchemaSet | None = None
    """Its descriptors as far as they are known, also when it could not be asked again."""

    problem: str = ""
    """Why there was no answer, in words that follow the address. Empty after one that answered."""

    unsupported: bool = False
    """Whether it does not offer reflection."""

    @property
    def heard(self) -> bool:
        """Whether it was asked and the answer, or that there is none, is known."""
        return self.schema is not None or bool(self.problem)


class Survey:
    """What is known of the endpoints that are reached.

    Args:
        name: The upstream's name, for the log.
        seconds: When a look gives up.
    """

    def __init__(self, name: str, *, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        self._turns = itertools.count(1)
        self._records: dict[Endpoint, Record] = {}
        self._limit = asyncio.Semaphore(MAX_AT_ONCE)
        self._built: dict[bytes, SchemaSet] = {}
        self._heads: dict[bytes, Head] = {}

    @property
    def records(self) -> Mapping[Endpoint, Record]:
        """The endpoints that were reached and asked when `ask` was called last."""
        return self._records

    @property
    def schemas(self) -> dict[str, SchemaSet]:
        """The descriptors that are known, by hash."""
        return {record.schema.hash: record.schema for record in self._records.values() if record.schema is not None}

    @property
    def counts(self) -> Counter[str]:
        """How many endpoints have them, by hash."""
        return Counter(record.schema.hash for record in self._records.values() if record.schema is not None)

    def forget(self, endpoints: Iterable[Endpoint]) -> None:
        """Ask these again before the others: they may have been replaced."""
        for endpoint in endpoints:
            if (record := self._records.get(endpoint)) is not None:
                record.turn = 0

    def unasked(self, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
        """Return those that were not asked since they were reached."""
        return [one for one in endpoints if (record := self._records.get(one)) is None or not record.turn]

    async def ask(self, reached: Sequence[Endpoint], *, only_new: bool) -> AsyncGenerator[None]:
        """Ask endpoints and remember the answers.

        Args:
            reached: The endpoints that can be asked. What was known of others is forgotten.
            only_new: Ask only those that were not asked since they were reached.

        Yields:
            When a conclusion may be drawn: after `SOON` if only some have answered by then, and at the end.
        """
        there = frozenset(reached)
        self._records = {endpoint: record for endpoint, record in self._records.items() if endpoint in there}
        unasked = self.unasked(reached)
        known = sorted((one for one in reached if one not in unasked), key=lambda one: self._records[one].turn)
        asked = (unasked if only_new else [*unasked, *known])[:MAX_ASKED]
        for endpoint in asked:
            # at once, so that no other look asks them too and `forget` meanwhile is not lost
            self._records.setdefault(endpoint, Record()).turn = next(self._turns)
        turns = {endpoint: self._records[endpoint].turn for endpoint in asked}
        deadline = asyncio.get_running_loop().time() + self._seconds
        tasks = Tasks()
        try:
            waiting = {
                tasks.spawn(self._ask(endpoint, deadline), name=f"ask {endpoint.address} for descriptors"): endpoint
                for endpoint in asked
            }
            for patience in (SOON, None):
                done = (await asyncio.wait(waiting, timeout=patience))[0] if waiting else ()
                for task in done:
                    endpoint = waiting.pop(task)
                    record = self._records.get(endpoint)
                    if record is not None and record.turn == turns[endpoint]:  # else it was replaced or is gone
                        await self._note(record, task.result())
                self._trim()
                if not waiting:
                    break
                if any(isinstance(task.result(), Answer) for task in done):
                    yield
        finally:
            await tasks.close()
        yield

    async def _ask(self, endpoint: Endpoint, deadline: float) -> Answer | Unsupported | str | None:
        """Return the answer of an endpoint, why there is none, or None when its turn did not come."""
        async with self._limit:
            left = deadline - asyncio.get_running_loop().time()
            channels = channels_of(endpoint.carrier)
            if channels is None:
                return "cannot be asked"
            if left <= 0:
                return None
            try:
                channel = channels.connection().channel
                # one that does not answer leaves time for others
                return await read_answer(channel, seconds=min(left, self._seconds / 2), heads=self._heads)
            except ReflectionError as error:
                return f"cannot be asked: {error}"
            except Exception as error:
                _log.exception("%s: reflection failed unexpectedly", self._name)
                return f"cannot be asked: {error!r}"

    async def _note(self, record: Record, answer: Answer | Unsupported | str | None) -> None:
        if answer is None:
            record.turn = 0
            return
        record.unsupported = isinstance(answer, Unsupported)
        record.problem = ""
        match answer:
            case Answer():
                found = self._built.get(answer.fingerprint)
                if found is None:
                    found = self._built[answer.fingerprint] = await asyncio.to_thread(answer.schema)
                record.schema = found
            case Unsupported():
                # it was replaced by something else, of which nothing is known
                record.schema = None
                record.problem = "does not offer server reflection"
            case str():
                record.problem = answer

    def _trim(self) -> None:
        """Keep what the present answers need, so that nothing grows with the number of looks."""
        schemas = [record.schema for record in self._records.values()]
        kept = {id(schema) for schema in schemas}
        self._built = {key: schema for key, schema in self._built.items() if id(schema) in kept}
        used = {data for schema in self._built.values() for data in schema.files.values()}
        self._heads = {data: head for data, head in self._heads.items() if data in used}
