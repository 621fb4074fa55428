"""The endpoints that have registered themselves with one upstream, each for a limited time. Pure: time is an argument.

Two clocks are passed in: the monotonic one decides when a lease ends, so that a clock that is set ends none; the
wall clock is only told to people, as `expire_time`.
"""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, replace
from typing import Final

from edge.model.addresses import address_problem
from edge.model.endpoint import EndpointAddress
from edge.model.errors import InvalidRequest, Violation
from edge.model.registering import TooManyEndpoints
from edge.model.resource_errors import ResourceExists, ResourceNotFound

DEFAULT_TTL: Final = 30.0
"""The seconds of a lease that asks for none."""

LEAST_TTL: Final = 1.0
"""The shortest lease in seconds."""

MOST_WEIGHT: Final = 1_000_000
"""The largest weight."""

MOST_ENDPOINTS: Final = 10_000
"""The most endpoints that may register with one upstream."""

_LONGEST_ZONE: Final = 100

_ID = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
_ID_RULE = "1 to 63 lower-case letters, digits, hyphens and dots, beginning and ending with a letter or digit"

_SPARE: Final = 64
"""How many entries beyond two for each lease the queue of ends may have before it is made anew."""


@dataclass(frozen=True, slots=True)
class Now:
    """One moment by both clocks."""

    monotonic: float
    """Seconds of the monotonic clock."""

    wall: float
    """Seconds since the epoch."""


@dataclass(slots=True, eq=False)
class _Lease:
    address: EndpointAddress
    ttl: float
    end: float


class Leases:
    """The registrations of one upstream.

    Args:
        upstream: The name of the upstream.
        max_ttl: The longest lease in seconds.
        most: The most endpoints.
    """

    def __init__(self, upstream: str, max_ttl: float, *, most: int = MOST_ENDPOINTS) -> None:
        self.max_ttl = max_ttl
        """The longest lease in seconds. A change of it counts from the next renewal of a lease."""
        self._upstream = upstream
        self._most = most
        self._leases: dict[str, _Lease] = {}
        self._holders: dict[str, str] = {}
        self._ends: list[tuple[float, int, _Lease]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._leases)

    @property
    def addresses(self) -> tuple[EndpointAddress, ...]:
        """What is registered, in the order in which it was."""
        return tuple(lease.address for lease in self._leases.values())

    def create(self, wanted: EndpointAddress, ttl: float | None, now: Now) -> EndpointAddress:
        """Register an endpoint.

        Args:
            wanted: What to register, with its id.
            ttl: The seconds of the lease. None means `DEFAULT_TTL`, or the longest lease where that is shorter.
            now: The time.

        Raises:
            InvalidRequest: something about it is wrong; the violations name the fields of `CreateEndpointRequest`.
            ResourceExists: the id or the address is registered already.
            TooManyEndpoints: there are as many as may be.
        """
        if violations := self._violations(wanted, ttl):
            raise InvalidRequest.of(violations)
        name = self._name(wanted.id)
        if wanted.id in self._leases:
            raise ResourceExists(
                f"{name} is registered already; renew or delete it, or take another endpoint_id",
                metadata={"resource": name},
            )
        if (holder := self._holders.get(wanted.address)) is not None:
            other = self._name(holder)
            raise ResourceExists(
                f"{wanted.address} is registered already, as {other}; renew or delete that",
                metadata={"resource": other},
            )
        if len(self._leases) >= self._most:
            raise TooManyEndpoints(
                f"{self._upstream} has {self._most} registered endpoints, which is the most it may have; "
                "delete some or wait until their leases end",
                metadata={"resource": self._upstream, "limit": str(self._most)},
            )
        seconds = min(DEFAULT_TTL, self.max_ttl) if ttl is None else ttl
        lease = _Lease(replace(wanted, expire_time=now.wall + seconds), seconds, now.monotonic + seconds)
        self._leases[wanted.id] = lease
        self._holders[wanted.address] = wanted.id
        self._queue(lease)
        return lease.address

    def renew(self, endpoint_id: str, now: Now) -> EndpointAddress:
        """Let a lease begin anew, as long as it was asked for at first.

        Raises:
            ResourceNotFound: there is no such lease, or none that may be renewed.
        """
        lease = self._leases.get(endpoint_id)
        name = self._name(endpoint_id)
        if lease is None:
            raise ResourceNotFound(
                f"{name} is not registered, or its lease has ended; register it again with CreateEndpoint",
                metadata={"resource": name},
            )
        if lease.address.draining:
            raise ResourceNotFound(
                f"{name} drains and cannot be renewed; to give it calls again take UndrainEndpoint, or delete it and "
                "register it anew",
                metadata={"resource": name},
            )
        lease.ttl = min(lease.ttl, self.max_ttl)
        # its entry in the queue of ends stays, and is put off when its time comes
        lease.end = now.monotonic + lease.ttl
        lease.address = replace(lease.address, expire_time=now.wall + lease.ttl)
        return lease.address

    def get(self, endpoint_id: str) -> EndpointAddress | None:
        """Return what is registered by this id."""
        lease = self._leases.get(endpoint_id)
        return None if lease is None else lease.address

    def drain(self, endpoint_id: str, *, drains: bool = True) -> bool:
        """Let an endpoint get no more calls for the rest of its lease, or end that; return whether it is registered."""
        lease = self._leases.get(endpoint_id)
        if lease is not None:
            lease.address = replace(lease.address, draining=drains)
        return lease is not None

    def delete(self, endpoint_id: str) -> EndpointAddress | None:
        """End a lease now; return what it was for."""
        lease = self._leases.pop(endpoint_id, None)
        if lease is None:
            return None
        del self._holders[lease.address.address]
        if len(self._ends) > 2 * len(self._leases) + _SPARE:
            self._ends = [entry for entry in self._ends if self._holds(entry[2])]
            heapq.heapify(self._ends)
        return lease.address

    def expire(self, now: float) -> list[EndpointAddress]:
        """End the leases whose time has come; return what they were for."""
        gone = []
        while self._ends and self._ends[0][0] <= now:
            lease = heapq.heappop(self._ends)[2]
            if not self._holds(lease):
                continue
            if lease.end > now:
                self._queue(lease)
                continue
            self.delete(lease.address.id)
            gone.append(lease.address)
        return gone

    @property
    def next_end(self) -> float | None:
        """When `expire` is to be called next, by the monotonic clock: no lease ends before. None means never."""
        return self._ends[0][0] if self._ends else None

    def _queue(self, lease: _Lease) -> None:
        self._count += 1
        heapq.heappush(self._ends, (lease.end, self._count, lease))

    def _holds(self, lease: _Lease) -> bool:
        return self._leases.get(lease.address.id) is lease

    def _name(self, endpoint_id: str) -> str:
        return f"{self._upstream}/endpoints/{endpoint_id}"

    def _violations(self, wanted: EndpointAddress, ttl: float | None) -> list[Violation]:
        found = []
        if not wanted.id:
            found.append(Violation("endpoint_id", f"is required: {_ID_RULE}"))
        elif not _ID.fullmatch(wanted.id):
            found.append(Violation("endpoint_id", f"`{wanted.id[:80]}` is no id, which is {_ID_RULE}"))
        if problem := address_problem(wanted.address):
            found.append(Violation("endpoint.address", problem[:300]))
        if not 1 <= wanted.weight <= MOST_WEIGHT:
            found.append(Violation("endpoint.weight", f"has to be from 1 to {MOST_WEIGHT}"))
        if len(wanted.zone) > _LONGEST_ZONE:
            found.append(Violation("endpoint.zone", f"may have at most {_LONGEST_ZONE} characters"))
        # written so that what is no number at all is refused, too
        if ttl is not None and not ttl >= LEAST_TTL:
            found.append(Violation("ttl", f"has to be at least {LEAST_TTL:g}s, and is {ttl:g}s"))
        elif ttl is not None and ttl > self.max_ttl:
            words = f"may be at most {self.max_ttl:g}s, and is {ttl:g}s; {self._upstream} sets that with `max_ttl`"
            found.append(Violation("ttl", words))
        return found
