"""One address of an upstream, with what the gateway thinks of it. The balancers choose among these."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass


class EndpointState(enum.Enum):
    """What the gateway thinks of an endpoint. The values are those of `gateway.v1.Endpoint.State`, without prefix."""

    ACTIVE = "ACTIVE"
    CONNECTING = "CONNECTING"
    UNHEALTHY = "UNHEALTHY"
    EJECTED = "EJECTED"
    DRAINING = "DRAINING"


USABLE = frozenset({EndpointState.ACTIVE, EndpointState.CONNECTING})
"""The states in which an endpoint receives calls. While CONNECTING they wait for the connection."""

NO_LIMIT = 2**31 - 1
"""More calls than an endpoint ever has under way."""


@dataclass(frozen=True, slots=True)
class EndpointAddress:
    """One address a discovery source has found."""

    address: str
    """Host and port, as in `10.0.0.1:50051`, or `unix:/path`."""

    weight: int = 1
    """The share of calls relative to the other endpoints."""

    zone: str = ""
    """Where it is. Empty when that is not known."""

    id: str = ""
    """The last segment of the resource name. Empty means that it is made from the address."""

    draining: bool = False
    """Whether the source says that it is about to go: it finishes its calls and gets no new ones."""

    expire_time: float | None = None
    """When its registration ends, in seconds since the epoch. None where nothing is registered."""

    labels: tuple[tuple[str, str], ...] = ()
    """What else the source says of it, for people."""


class Judge(enum.Enum):
    """Who may keep calls from an endpoint, besides its connections, in the order in which they are believed."""

    OPERATOR = "an operator"
    SOURCE = "discovery"
    HEALTH = "health check"
    BREAKER = "circuit breaker"
    OUTLIER = "outlier detection"


class Endpoint:
    """The live state of one address: who may use it, and what it is doing.

    Its state is what the strictest of several says: its connections, which `enter`, and whoever has a verdict by
    `judge`. Counters change with every call, so this is a plain slotted class. Everything happens on one event loop.
    """

    __slots__ = (
        "_connected",
        "_given_id",
        "_verdicts",
        "active",
        "address",
        "carrier",
        "expire_time",
        "failed",
        "last_error",
        "last_error_time",
        "latency",
        "latency_time",
        "max_active",
        "not_serving",
        "reason",
        "since",
        "state",
        "state_time",
        "total",
        "weight",
        "zone",
    )

    def __init__(self, address: EndpointAddress, carrier: object = None) -> None:
        self.address: str = address.address
        """Host and port."""
        self.weight: int = address.weight
        """The share of calls relative to the other endpoints."""
        self.zone: str = address.zone
        """Where it is."""
        self.carrier: object = carrier
        """What the engine needs to reach it: channels or connections. Opaque to everybody else."""
        self.state: EndpointState = EndpointState.CONNECTING
        """What the gateway thinks of it."""
        self.reason: str = "not reached yet"
        """Why it is in its state, for people."""
        self.state_time: float = time.time()
        """Since when, in seconds since the epoch."""
        self.since: float = time.monotonic()
        """When it was last taken into the choice, by the monotonic clock: slow start counts from here."""
        self.active: int = 0
        """The calls under way."""
        self.max_active: int = NO_LIMIT
        """The most calls under way it may have. Balancers pass over an endpoint that has them."""
        self.total: int = 0
        """The calls finished."""
        self.failed: int = 0
        """The calls of these that failed for a reason of the endpoint."""
        self.latency: float = -1.0
        """The latency in seconds that a balancer which measures has learnt. Negative means that nothing is known."""
        self.latency_time: float = 0.0
        """When it learnt it, by the monotonic clock."""
        self.last_error: str = ""
        """What went wrong the last time: with its connections, a probe or a call. Stays when it has recovered."""
        self.last_error_time: float | None = None
        """When, in seconds since the epoch."""
        self.not_serving: frozenset[str] = frozenset()
        """The services it says it does not serve, while it serves others."""
        self.expire_time: float | None = address.expire_time
        """When its registration ends, in seconds since the epoch. None where nothing is registered."""
        self._given_id = address.id
        self._connected: tuple[EndpointState, str] = (self.state, self.reason)
        self._verdicts: dict[Judge, tuple[EndpointState, str]] = {}

    def enter(self, state: EndpointState, reason: str = "") -> bool:
        """Say how its connections are; return whether its state or the reason is another now."""
        self._connected = (state, reason)
        if state is EndpointState.UNHEALTHY:
            self.note_error(reason)
        return self._settle()

    def judge(self, judge: Judge, state: EndpointState | None, reason: str = "") -> bool:
        """Keep calls from it, or with None let them come again as far as this judge is concerned.

        Returns:
            Whether its state or the reason is another now.
        """
        if state is None:
            self._verdicts.pop(judge, None)
        else:
            self._verdicts[judge] = (state, reason)
        return self._settle()

    def verdict(self, judge: Judge) -> tuple[EndpointState, str] | None:
        """Return what a judge says, or None when it lets calls come."""
        return self._verdicts.get(judge)

    @property
    def connected(self) -> bool:
        """Whether there is a connection, whatever the judges say."""
        return self._connected[0] is EndpointState.ACTIVE

    @property
    def reachable(self) -> bool:
        """Whether only judges of its health keep calls from it, if anybody does: who is in panic may try it."""
        return self.state is not EndpointState.DRAINING and self._connected[0] in USABLE

    def note_error(self, words: str) -> None:
        """Remember what went wrong."""
        self.last_error = words
        self.last_error_time = time.time()

    def update(self, address: EndpointAddress) -> bool:
        """Take over what a source says anew of the same address; return whether anything is another now."""
        before = (self.weight, self.zone, self._given_id, self.expire_time)
        self.weight, self.zone = address.weight, address.zone
        self._given_id, self.expire_time = address.id, address.expire_time
        leaving = EndpointState.DRAINING if address.draining else None
        changed = self.judge(Judge.SOURCE, leaving, "its source says that it is about to go" if leaving else "")
        return changed or before != (self.weight, self.zone, self._given_id, self.expire_time)

    def _settle(self) -> bool:
        """Let the strictest win; of equals the first judge."""
        state, reason = self._connected
        verdicts = self._verdicts
        if verdicts:
            for judge in Judge:
                verdict = verdicts.get(judge)
                if verdict is not None and _STRICTNESS[verdict[0]] > _STRICTNESS[state]:
                    state, reason = verdict
        if state is self.state and reason == self.reason:
            return False
        if state is not self.state:
            if state in USABLE and self.state not in USABLE:
                self.since = time.monotonic()
            self.state = state
            self.state_time = time.time()
        self.reason = reason
        return True

    @property
    def id(self) -> str:
        """The last segment of the resource name: as given, or the address with what a name may not hold replaced."""
        if self._given_id:
            return self._given_id
        return "".join(letter if letter.isalnum() or letter in ".-_" else "-" for letter in self.address)


_STRICTNESS = {
    EndpointState.ACTIVE: 0,
    EndpointState.CONNECTING: 1,
    EndpointState.EJECTED: 2,
    EndpointState.UNHEALTHY: 3,
    EndpointState.DRAINING: 4,
}
"""Of several states the one with the larger number holds."""
