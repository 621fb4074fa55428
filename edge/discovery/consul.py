"""The healthy instances of a Consul service, followed by blocking queries.

Source: the HTTP API of Consul, "Blocking Queries": an answer has an index; a query with that index is held until there
is another or the time is over. An index that goes backwards or is not positive begins anew.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from random import random
from typing import Final
from urllib.parse import quote

from edge.discovery.backoff import backoff
from edge.discovery.base import Found
from edge.discovery.consul_instances import Instances, instances
from edge.discovery.http_json import Answer, HttpJson, UnreachableError
from edge.model.discovery import ConsulDiscovery
from edge.model.snapshot import SourceState
from edge.model.watch import Watch
from edge.tasks import Tasks

_log = logging.getLogger(__name__)

HELD: Final = 60.0
"""The seconds Consul holds a query while nothing changes. It adds up to a sixteenth of that by itself."""

PACE: Final = 0.1
"""The least seconds between two queries, however fast the index moves."""

_MAX_WORDS: Final = 300


class ConsulError(Exception):
    """Consul has answered, but not with what was asked for. The message says why, and how to mend it."""


class ConsulSource:
    """Follows one service.

    Args:
        discovery: What to follow.
        held: The seconds Consul holds a query.
        draw: Returns a random number from 0 to 1, for the pauses after failures.
    """

    def __init__(self, discovery: ConsulDiscovery, *, held: float = HELD, draw: Callable[[], float] = random) -> None:
        self.found: Watch[Found] = Watch(
            Found(state=SourceState(ok=False, error=f"Consul at {discovery.address} has not answered yet"))
        )
        self._discovery = discovery
        self._held = held
        self._draw = draw
        self._client = HttpJson(discovery.address)
        self._tasks = Tasks()
        self._index = 0

    def start(self) -> None:
        """Begin to follow it."""
        self._tasks.spawn(self._run(), name=f"Consul service {self._discovery.service}")

    async def close(self) -> None:
        """End that."""
        await self._tasks.close()
        await self._client.close()

    async def _run(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                entries = await self._ask()
            except (UnreachableError, ConsulError) as error:
                failures += 1
                self._index = 0  # the next answer comes at once
                self._failed(str(error), failures)
                await asyncio.sleep(backoff(failures, self._draw()))
                continue
            if failures:
                _log.info("Consul service %s: followed again", self._discovery.service)
            failures = 0
            if entries is not None:
                self._take(entries)
            await asyncio.sleep(max(began + PACE - time.monotonic(), 0.0))

    async def _ask(self) -> Instances | None:
        """Return the instances, or None when nothing has changed since the answer before."""
        discovery = self._discovery
        query: dict[str, str] = {}
        if discovery.datacenter:
            query["dc"] = discovery.datacenter
        if self._index:
            query["index"] = str(self._index)
            query["wait"] = f"{self._held:g}s"
        answer = await self._client.request(
            f"/v1/health/service/{quote(discovery.service, safe='')}",
            query,
            headers=token_header(discovery.token_file),
            deadline=self._held * 17 / 16 + 10.0,
        )
        check(answer, f"the service {discovery.service}")
        if not isinstance(answer.body, list):
            raise ConsulError(f"{self._client.server} does not answer as Consul does; is `consul.address` right?")
        before, self._index = self._index, _index(answer)
        if self._index < before:
            self._index = 0  # the servers were restored: begin anew
        if before and self._index == before:
            return None
        return instances(answer.body, discovery.tags)

    def _take(self, known: Instances) -> None:
        words = ""
        if not known.addresses:
            service, tags = self._discovery.service, ", ".join(self._discovery.tags)
            words = f"Consul knows no healthy instance of {service}" + (f" with the tags {tags}" if tags else "")
            if known.critical:
                words += f"; {known.critical} fail their checks"
        words = "; ".join((*((words,) if words else ()), *known.others))[:_MAX_WORDS]
        self.found.set(
            Found(
                addresses=known.addresses,
                state=SourceState(ok=not words, error=words, success_time=time.time()),
            )
        )

    def _failed(self, words: str, failures: int) -> None:
        """Keep what was found, and say that it may be old."""
        before = self.found.value
        if before.state.error != words:
            _log.warning("Consul service %s: %s", self._discovery.service, words)
        state = SourceState(ok=False, error=words, success_time=before.state.success_time, failures=failures)
        self.found.set(Found(addresses=before.addresses, state=state))


def token_header(token_file: str) -> dict[str, str]:
    """Return the header with the ACL token of a file, read anew each time as tokens rotate.

    Raises:
        ConsulError: the file cannot be read.
    """
    if not token_file:
        return {}
    try:
        token = Path(token_file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConsulError(f"the token file {token_file} cannot be read: {why}") from None
    if not token or not token.isascii() or any(letter.isspace() for letter in token):
        raise ConsulError(f"the token file {token_file} holds no token")
    return {"X-Consul-Token": token}


def check(answer: Answer, what: str) -> None:
    """Raise if Consul has refused.

    Args:
        answer: The answer.
        what: What was asked for, for people.

    Raises:
        ConsulError: the status is not 2xx.
    """
    if answer.status < 300:
        return
    if answer.status in (401, 403):
        words = f"Consul does not allow it: the ACL token needs `read` for {what} and for nodes (`token_file`)"
    elif answer.status == 500:
        words = "Consul cannot answer: it has no leader, or does not know the datacenter"
    else:
        words = f"Consul answered with HTTP {answer.status}"
    raise ConsulError(words)


def _index(answer: Answer) -> int:
    text = answer.headers.get("X-Consul-Index", "")
    return int(text) if text.isdigit() else 0
