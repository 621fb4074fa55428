"""Endpoints behind a DNS name, resolved again whenever the records' time is over."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from edge.discovery.backoff import backoff
from edge.discovery.base import Found
from edge.discovery.dns_client import Addresses, DnsClient, Missing, UnresolvedError
from edge.discovery.dns_records import Endpoints, address_endpoints, groups, service_endpoints, wait
from edge.model.discovery import DnsDiscovery, RecordType
from edge.model.snapshot import SourceState
from edge.model.watch import Watch
from edge.tasks import Tasks

_log = logging.getLogger(__name__)

_QUOTED = 3
"""The most problems that are told at once."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What one resolution came to."""

    endpoints: Endpoints
    """The endpoints, and what was left out."""

    ttl: float | None
    """The seconds for which they hold. None means for ever."""

    failures: tuple[str, ...] = ()
    """The questions that failed, while others were answered."""


class DnsSource:
    """Tells the endpoints behind a name.

    A resolution that fails keeps the endpoints of the last one, whatever the name server said: a name that is gone
    for a moment, while its records are replaced, must not take every endpoint away.

    Args:
        discovery: What to resolve.
        client: Who asks.
        draw: Returns a random number from 0 to 1.
    """

    def __init__(
        self, discovery: DnsDiscovery, client: DnsClient, *, draw: Callable[[], float] = random.random
    ) -> None:
        self._discovery = discovery
        self._client = client
        self._draw = draw
        self._known: dict[tuple[str, str], tuple[str, ...]] = {}
        self._tasks = Tasks()
        words = f"{discovery.hostname} has not been resolved yet"
        self.found: Watch[Found] = Watch(Found(state=SourceState(ok=False, error=words)))

    def start(self) -> None:
        """Resolve now, and again whenever the records' time is over, until this is closed."""
        self._tasks.spawn(self._follow(), name=f"DNS discovery of {self._discovery.hostname}")

    async def close(self) -> None:
        """End that."""
        await self._tasks.close()

    async def _follow(self) -> None:
        while True:
            seconds = await self.look()
            if seconds is None:
                return
            await asyncio.sleep(seconds)

    async def look(self) -> float | None:
        """Resolve once and tell what came of it. Return the seconds until the next time, or None when it is final."""
        before = self.found.value
        try:
            look = await self._resolve()
        except UnresolvedError as error:
            state = self._failed(before, str(error))
            self.found.set(replace(before, state=state))
            return backoff(state.failures, self._draw())
        problems = (*look.failures, *look.endpoints.problems)
        state = SourceState(success_time=time.time())
        if problems:
            words = self._words(problems)
            self._log(before, words)
            state = replace(state, ok=False, error=words, failures=before.state.failures + 1)
        elif before.state.failures:
            _log.info("DNS discovery of %s works again", self._discovery.hostname)
        self.found.set(Found(addresses=look.endpoints.addresses, state=state))
        seconds = wait(look.ttl, self._discovery.refresh_interval)
        if look.failures:
            again = backoff(state.failures, self._draw())
            return again if seconds is None else min(seconds, again)
        return seconds

    async def _resolve(self) -> _Look:
        discovery = self._discovery
        known: dict[tuple[str, str], tuple[str, ...]] = {}
        if discovery.record_type is RecordType.SRV:
            look = await self._services(known)
        else:
            found, failures = await self._host(discovery.hostname, known)
            look = _Look(address_endpoints(found.addresses, discovery.port), found.ttl, failures)
        if not look.endpoints.addresses:
            raise UnresolvedError("; ".join(look.endpoints.problems[:_QUOTED]), Missing.RECORDS)
        self._known = known
        return look

    async def _services(self, known: dict[tuple[str, str], tuple[str, ...]]) -> _Look:
        """Resolve SRV records: the endpoints are those of the most wanted priority of which a host has addresses."""
        answer = await self._client.services(self._discovery.hostname)
        if not answer.services:
            raise UnresolvedError("its SRV records say that the service is not there (`.`)", Missing.RECORDS)
        failures: list[str] = []
        ttl = answer.ttl
        for group in groups(answer.services):
            names = sorted({service.host for service in group})
            found = await asyncio.gather(*(self._host_or_words(name, known) for name in names))
            hosts = {}
            for name, (addresses, words) in zip(names, found, strict=True):
                failures += (f"{name}: {one}" for one in words)
                if addresses is not None:
                    hosts[name] = addresses.addresses
                    ttl = ttl if addresses.ttl is None else min(ttl, addresses.ttl)
            endpoints = service_endpoints(group, hosts)
            if endpoints.addresses:
                return _Look(endpoints, ttl, tuple(failures))
            failures += endpoints.problems
        raise UnresolvedError("; ".join(failures[:_QUOTED]), Missing.RECORDS)

    async def _host_or_words(
        self, host: str, known: dict[tuple[str, str], tuple[str, ...]]
    ) -> tuple[Addresses | None, tuple[str, ...]]:
        try:
            return await self._host(host, known)
        except UnresolvedError as error:
            return None, (str(error),)

    async def _host(
        self, host: str, known: dict[tuple[str, str], tuple[str, ...]]
    ) -> tuple[Addresses, tuple[str, ...]]:
        """Return the addresses of a host of both families, and what went wrong with one of them.

        Where a family was not answered, what it had before stays. A name server that cannot answer for one that never
        had any addresses, as some cannot for AAAA, is no failure.

        Args:
            host: The host.
            known: Takes what each family has, by host and record type.

        Raises:
            UnresolvedError: nothing is known of it.
        """
        if (local := self._client.known(host)) is not None:
            return local, ()
        answers = await asyncio.gather(self._family(host, "A"), self._family(host, "AAAA"))
        addresses: list[str] = []
        ttls: list[float] = []
        failures: list[str] = []
        errors: list[UnresolvedError] = []
        for record_type, answer in zip(("A", "AAAA"), answers, strict=True):
            if isinstance(answer, Addresses):
                addresses += answer.addresses
                known[host, record_type] = answer.addresses
                if answer.ttl is not None:
                    ttls.append(answer.ttl)
                continue
            errors.append(answer)
            last = self._known.get((host, record_type))
            if last and answer.missing in (Missing.ANSWER, Missing.SERVERS):
                addresses += last
                known[host, record_type] = last
                failures.append(f"{record_type}: {answer}")
        if ttls or (addresses and self._discovery.record_type is RecordType.SRV):
            return Addresses(tuple(addresses), min(ttls, default=None)), tuple(failures)
        if all(error.missing is not Missing.ANSWER for error in errors):
            # perhaps one that only the system knows, by mDNS or a directory
            try:
                return await self._client.of_system(host), ()
            except UnresolvedError:
                pass
        raise min(errors, key=lambda error: list(Missing).index(error.missing))

    async def _family(self, host: str, record_type: str) -> Addresses | UnresolvedError:
        try:
            return await self._client.addresses(host, record_type)
        except UnresolvedError as error:
            return error

    def _failed(self, before: Found, reason: str) -> SourceState:
        count = len(before.addresses)
        stays = f"the {count} endpoint{'s' * (count != 1)} known before stay{'s' * (count == 1)}" if count else ""
        words = self._words((reason, *([stays] if stays else ())))
        self._log(before, words)
        return replace(before.state, ok=False, error=words, failures=before.state.failures + 1)

    def _words(self, problems: Iterable[str]) -> str:
        kinds = "SRV" if self._discovery.record_type is RecordType.SRV else "A and AAAA"
        told = tuple(problems)
        more = f" and {len(told) - _QUOTED} more" if len(told) > _QUOTED else ""
        return f"DNS, {kinds} of {self._discovery.hostname}: {'; '.join(told[:_QUOTED])}{more}"

    def _log(self, before: Found, words: str) -> None:
        """Log what is wrong, once for as long as it stays the same."""
        if words != before.state.error:
            _log.warning("%s", words)
