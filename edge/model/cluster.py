"""The live endpoints of an upstream, as everybody but `edge.upstream` sees them."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edge.model.call import Call
from edge.model.endpoint import Endpoint
from edge.model.schema import SchemaSet, SchemaVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """How learning from somewhere goes: endpoints from discovery, descriptors from reflection."""

    ok: bool = True
    """Whether the latest attempt worked."""

    error: str = ""
    """What went wrong, for people."""

    success_time: float | None = None
    """When an attempt last worked, in seconds since the epoch. None when none did."""

    failures: int = 0
    """The failed attempts since then."""

    versions: tuple[SchemaVersion, ...] = ()
    """Which endpoints have which descriptors, those in force first. Empty for whatever else is learnt."""

    @property
    def attempted(self) -> bool:
        """Whether an attempt has ended, well or not."""
        return self.success_time is not None or self.failures > 0


class Cluster(Protocol):
    """The live endpoints of an upstream."""

    name: str
    """`upstreams/…`."""

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Every endpoint, whether it takes calls or not."""
        ...

    @property
    def discovery(self) -> SourceState:
        """How learning the endpoints goes."""
        ...

    @property
    def schema(self) -> SchemaSet:
        """The descriptors in force; empty when none are known. The last good ones stay when learning fails."""
        ...

    @property
    def schema_source(self) -> SourceState:
        """How learning the descriptors goes."""
        ...

    @property
    def admits(self) -> bool:
        """Whether `enter` and `leave` have to be called: there is a circuit breaker or a limit. It never changes."""
        ...

    def enter(self, call: Call) -> Awaitable[None] | None:
        """Let a call go on to the upstream; `leave` ends that, also when this raises.

        Returns:
            None when it may go on, else what has to be awaited first.

        Raises:
            CircuitOpen: the circuit breaker is open.
            ConcurrencyLimited: as many calls are under way, and wait, as may.
        """
        ...

    def leave(self, call: Call, failed: bool | None, now: float) -> None:
        """Let go of a call that is over. The arguments are those of `release`."""
        ...

    def tried(self, call: Call, failed: bool, now: float) -> None:
        """Learn how an attempt ended that does not end its call, for which `enter` was called."""
        ...

    @property
    def breaker(self) -> tuple[str, str] | None:
        """The state of the circuit breaker, as `OPEN`, and why it is not closed. None when there is none."""
        ...

    def pick(self, call: Call, now: float) -> Endpoint:
        """Lease an endpoint to the call and count it as active there. `release` ends the lease.

        Raises:
            NoHealthyEndpoint: none takes calls.
        """
        ...

    def release(
        self, endpoint: Endpoint, *, failed: bool | None, latency: float, now: float, began: float | None = None
    ) -> None:
        """End a lease.

        Args:
            endpoint: What `pick` returned.
            failed: Whether the call failed for a reason of the endpoint. None when it says nothing, such as one that
                its caller gave up.
            latency: Seconds the call took, a stream until its first message.
            now: The monotonic clock in seconds.
            began: When the attempt began, by the same clock. None means that it took no longer than `latency`.
        """
        ...

    def put_back(self, endpoint: Endpoint) -> None:
        """End a lease that was not used: nothing is learnt from it."""
        ...

    def find(self, address: str) -> Endpoint | None:
        """Return the endpoint with this address."""
        ...

    def drain(self, address: str) -> None:
        """Let an endpoint finish its calls and get no new ones, for as long as its address is one of the upstream."""
        ...

    def undrain(self, address: str) -> None:
        """Let an endpoint that an operator drains get calls again."""
        ...

    def drop(self, address: str) -> None:
        """End an endpoint at once, with its calls, whether its source has said so yet or not."""
        ...

    def preview(self, call: Call) -> tuple[Endpoint | None, str]:
        """Return the endpoint the next call would get and how it is chosen, in words. Changes nothing."""
        ...
