"""Keeps the descriptors of one upstream current, off the path of calls.

Looks at once when an endpoint is reached, again when one is reached anew, on an interval, and when asked to. A look
that fails keeps the last good descriptors and shows why.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace

from edge.model.endpoint import Endpoint
from edge.model.schema import EMPTY_SCHEMA, SchemaSet
from edge.model.snapshot import SourceState
from edge.upstream.channels import Channels
from edge.upstream.reflection import ReflectionError, Unsupported, read_schema

_log = logging.getLogger(__name__)

LOOK_TIMEOUT = 10.0
"""Seconds one look may take."""

RETRY_INTERVAL = 1.0
"""Seconds before another look after one that failed; doubles up to the interval."""


class SchemaKeeper:
    """The descriptors of one upstream, learnt by reflection.

    Args:
        name: The upstream's name, for the log.
        interval: Seconds between two looks, give or take a tenth.
        endpoint: Returns an endpoint to ask, another one for each number of failures, or None when none is reached.
        changed: Called after each look that changed the descriptors or how learning them goes.
    """

    def __init__(
        self, name: str, *, interval: float, endpoint: Callable[[int], Endpoint | None], changed: Callable[[], None]
    ) -> None:
        self._name = name
        self._interval = interval
        self._endpoint = endpoint
        self._changed = changed
        self._wake = asyncio.Event()
        self.schema: SchemaSet = EMPTY_SCHEMA
        self.state = SourceState(error="not asked yet")

    def wake(self) -> None:
        """Look soon: an endpoint was reached."""
        self._wake.set()

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            pause = RETRY_INTERVAL
            while True:
                await self.look()
                pause = self._interval if self.state.ok else min(pause * 2, self._interval)
                try:
                    async with asyncio.timeout(pause * random.uniform(0.9, 1.1)):
                        await self._wake.wait()
                    break
                except TimeoutError:
                    continue

    async def look(self) -> None:
        """Read the descriptors once, and put them in force when they are others."""
        endpoint = self._endpoint(self.state.failures)
        if endpoint is None or not isinstance(endpoint.carrier, Channels):
            self._fail("no endpoint can be asked")
            return
        try:
            answer = await read_schema(endpoint.carrier.connection().channel, seconds=LOOK_TIMEOUT)
        except ReflectionError as error:
            self._fail(f"endpoint {endpoint.address}: {error}")
            return
        except Exception as error:
            _log.exception("%s: reflection failed unexpectedly", self._name)
            self._fail(f"endpoint {endpoint.address}: {error!r}")
            return
        if isinstance(answer, Unsupported):
            self._settle(self.schema, SourceState(error="the upstream does not offer server reflection"))
            return
        if answer.hash != self.schema.hash:
            _log.info("%s: learnt %d services by reflection", self._name, len(answer.services))
        self._settle(answer, SourceState(success_time=time.time()))

    def _fail(self, error: str) -> None:
        state = replace(self.state, ok=False, error=error, failures=self.state.failures + 1)
        if self.state.ok:
            _log.warning("%s: reflection failed, the last descriptors stay in force: %s", self._name, error)
        self._settle(self.schema, state)

    def _settle(self, schema: SchemaSet, state: SourceState) -> None:
        before = self.schema, self.state
        # the same content keeps the same object, so that whoever follows sees no change
        self.schema = schema if schema.hash != self.schema.hash else self.schema
        self.state = state
        if self.schema is not before[0] or (state.ok, state.error) != (before[1].ok, before[1].error):
            self._changed()
