"""Keeps the descriptors of one upstream current, off the path of calls.

Looks at once when an endpoint is reached, again when one is reached anew, on an interval, and when asked to. A look
asks many endpoints, since they may have different versions, and takes the answers apart in worker threads. A look that
fails keeps the last good descriptors and shows why.

A look ends in one of four ways:

    agreed      every endpoint that is known has the same descriptors, and they are in force
    disagreed   `versions.choose` has put one of them in force; the others are shown
    spoilt      the descriptors that would count have lost services which those in force describe: these stay
    failed      nobody answered: what was in force stays
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from edge.model.endpoint import Endpoint
from edge.model.schema import EMPTY_SCHEMA, SchemaSet, SchemaVersion
from edge.model.snapshot import SourceState
from edge.tasks import Tasks
from edge.upstream.schema_survey import Survey
from edge.upstream.versions import choose, differences, harmful, quoted, spoils

_log = logging.getLogger(__name__)

LOOK_TIMEOUT = 10.0
"""Seconds one look may take."""

RETRY_INTERVAL = 1.0
"""Seconds before another look after one that failed; doubles up to the interval."""

_MOST_LOOKS = 4
"""The most looks at once."""


class SchemaKeeper:
    """The descriptors of one upstream, learnt by reflection.

    Args:
        name: The upstream's name, for the log.
        interval: Seconds between two looks, give or take a tenth.
        endpoints: Returns the endpoints that are reached.
        changed: Called after each look that changed the descriptors or how learning them goes.
    """

    def __init__(
        self, name: str, *, interval: float, endpoints: Callable[[], Sequence[Endpoint]], changed: Callable[[], None]
    ) -> None:
        self._name = name
        self._interval = interval
        self._endpoints = endpoints
        self._changed = changed
        self._survey = Survey(name, seconds=LOOK_TIMEOUT)
        self._compared: dict[tuple[str, str], tuple[str, ...]] = {}
        self._disagreed = False
        self._concluding = asyncio.Lock()
        self._news = False
        self._stirred = asyncio.Event()
        self.schema: SchemaSet = EMPTY_SCHEMA
        self.state = SourceState(error="not asked yet")

    @property
    def offered(self) -> Mapping[Endpoint, SchemaSet | None]:
        """The descriptors of each endpoint that was asked since it was reached; None where there are none to be had."""
        return {one: record.schema for one, record in self._survey.records.items() if record.heard}

    def wake(self, reached: Iterable[Endpoint] = ()) -> None:
        """Look soon at what has changed: endpoints came or went.

        Args:
            reached: The endpoints that are new or came back, and may offer something else now.
        """
        self._survey.forget(reached)
        self._news = True
        self._stirred.set()

    async def run(self) -> None:
        """Look again and again until cancelled: at what is new when woken, at all on the interval.

        A look at what is new neither waits for another look, which an endpoint that hangs may draw out, nor puts off
        the next look at all.
        """
        loop = asyncio.get_running_loop()
        looks = Tasks()
        pause = RETRY_INTERVAL
        await self._stirred.wait()
        due = loop.time()
        try:
            while True:
                self._stirred.clear()
                now = loop.time()
                regular = now >= due
                if regular or (self._news and len(looks) < _MOST_LOOKS):
                    self._news = False
                    if regular:
                        due = now + self._interval * random.uniform(0.9, 1.1)
                    look = looks.spawn(self.look(only_new=not regular), name=f"reflection look of {self._name}")
                    look.add_done_callback(lambda _: self._stirred.set())
                elif not looks:
                    if self._survey.unasked(self._endpoints()):
                        due = min(due, now + RETRY_INTERVAL)
                    elif not self.state.ok:
                        due = min(due, now + min(pause, self._interval) * random.uniform(0.9, 1.1))
                        pause = min(pause * 2, self._interval)
                    else:
                        pause = RETRY_INTERVAL
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._stirred.wait()
        finally:
            await looks.close()

    async def look(self, *, only_new: bool = False) -> None:
        """Ask endpoints for their descriptors, and put in force what follows from the answers.

        Args:
            only_new: Leave out the endpoints that were asked since they were reached.
        """
        reached = self._endpoints()
        if only_new and not reached:
            return  # the last one went away, which its state says already
        failures = self.state.failures + 1
        async with contextlib.aclosing(self._survey.ask(reached, only_new=only_new)) as looking:
            async for _ in looking:
                async with self._concluding:
                    schema, state = self._conclude()
                    versions = await self._versions(schema)
                    self._tell(versions)
                    if not state.ok:
                        state = replace(state, failures=failures)
                    self._settle(schema, replace(state, versions=versions))

    def _conclude(self) -> tuple[SchemaSet, SourceState]:
        """Return the descriptors that count from now on, and how learning them goes."""
        records = {endpoint: record for endpoint, record in self._survey.records.items() if record.heard}
        if not records and self._survey.records:
            return self.schema, self.state  # another look is asking
        if not records:
            return self._failed("no endpoint can be asked")
        if all(record.unsupported for record in records.values()):
            if self.state.success_time is None:
                return self.schema, SourceState(error="the upstream does not offer server reflection")
            return self._failed("the upstream does not offer server reflection any more, the last descriptors stay")
        if all(record.problem for record in records.values()):
            problems = [f"endpoint {one.address} {record.problem}" for one, record in records.items()]
            return self._failed(quoted(problems, 1))
        chosen = choose(self._survey.schemas, self._survey.counts, self.schema.hash)
        if lost := spoils(chosen, self.schema):
            reasons = quoted([f"{name} ({chosen.broken[name]})" for name in lost])
            return self._failed(f"the upstream cannot describe any more {reasons}, the last descriptors stay")
        if chosen.hash != self.schema.hash:
            _log.info("%s: learnt %d services by reflection", self._name, len(chosen.services))
        if chosen.broken:
            reasons = quoted([f"{name} ({why})" for name, why in sorted(chosen.broken.items())])
            error = f"the upstream cannot describe {reasons}"
            if self.state.error != error:
                _log.warning("%s: %s", self._name, error)
            return chosen, SourceState(ok=False, error=error, success_time=time.time())
        return chosen, SourceState(success_time=time.time())

    def _failed(self, error: str) -> tuple[SchemaSet, SourceState]:
        if self.state.ok:
            _log.warning("%s: reflection failed: %s", self._name, error)
        return self.schema, replace(self.state, ok=False, error=error)

    async def _versions(self, schema: SchemaSet) -> tuple[SchemaVersion, ...]:
        """Return who has which descriptors, those in force first."""
        addresses: dict[str, list[str]] = {}
        unknown = []
        for endpoint, record in self._survey.records.items():
            if record.schema is not None:
                addresses.setdefault(record.schema.hash, []).append(endpoint.address)
            elif record.problem:
                unknown.append(
                    SchemaVersion(hash="", endpoints=(endpoint.address,), differences=(record.problem,)),
                )
        others = {digest: other for digest, other in self._survey.schemas.items() if digest != schema.hash}
        compared: dict[tuple[str, str], tuple[str, ...]] = {}
        for digest, other in others.items():
            key = digest, schema.hash
            if key in self._compared:
                compared[key] = self._compared[key]
            else:
                compared[key] = await asyncio.to_thread(differences, other, schema)
        self._compared = compared
        found = [
            SchemaVersion(
                hash=digest,
                endpoints=tuple(sorted(having)),
                in_force=digest == schema.hash,
                differences=compared.get((digest, schema.hash), ()),
                harmful=digest in others and harmful(others[digest], schema),
            )
            for digest, having in addresses.items()
        ]
        return (
            *sorted(found, key=lambda one: (not one.in_force, -len(one.endpoints), one.endpoints)),
            *sorted(unknown, key=lambda one: one.endpoints),
        )

    def _tell(self, versions: Sequence[SchemaVersion]) -> None:
        """Log once when the endpoints begin to disagree, and once when they agree again."""
        known = [version for version in versions if version.hash]
        if len(known) > 1 and not self._disagreed:
            words = "; ".join(version.words() for version in known if not version.in_force)
            _log.warning("%s: its endpoints have %d versions of the descriptors: %s", self._name, len(known), words)
        elif len(known) == 1 and self._disagreed:
            _log.info("%s: its endpoints have the same descriptors again", self._name)
        if known:
            self._disagreed = len(known) > 1

    def _settle(self, schema: SchemaSet, state: SourceState) -> None:
        before = self.schema, self.state
        # the same content keeps the same object, so that whoever follows sees no change
        self.schema = schema if schema.hash != self.schema.hash else self.schema
        self.state = state
        shown = state.ok, state.error, state.versions
        if self.schema is not before[0] or shown != (before[1].ok, before[1].error, before[1].versions):
            self._changed()
