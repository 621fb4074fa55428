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


@dataclass(frozen=True, slots=True)
class EndpointAddress:
    """One address a discovery source has found."""

    address: str
    """Host and port, as in `10.0.0.1:50051`, or `unix:/path`."""

    weight: int = 1
    """The share of calls relative to the other endpoints."""

    zone: str = ""
    """Where it is. Empty when that is not known."""


class Endpoint:
    """The live state of one address: who may use it, and what it is doing.

    Counters change with every call, so this is a plain slotted class. Everything happens on one event loop.
    """

    __slots__ = ("active", "address", "carrier", "failed", "reason", "state", "state_time", "total", "weight", "zone")

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
        self.active: int = 0
        """The calls under way."""
        self.total: int = 0
        """The calls finished."""
        self.failed: int = 0
        """The calls of these that failed for a reason of the endpoint."""

    def enter(self, state: EndpointState, reason: str = "") -> bool:
        """Change the state; return whether it or its reason is another now."""
        if state is self.state and reason == self.reason:
            return False
        if state is not self.state:
            self.state = state
            self.state_time = time.time()
        self.reason = reason
        return True

    @property
    def id(self) -> str:
        """The last segment of the resource name: the address with what a name may not hold replaced."""
        return "".join(letter if letter.isalnum() or letter in ".-_" else "-" for letter in self.address)
