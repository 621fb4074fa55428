"""How faults of endpoints are noticed and kept from callers, as validated, frozen values.

Durations are in seconds, shares are fractions of 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from edge.model.status import Code

PREVIOUS_ATTEMPTS: Final = "grpc-previous-rpc-attempts"
"""The entry that tells an endpoint how many attempts there were before (gRPC proposal A6)."""

PUSHBACK: Final = "grpc-retry-pushback-ms"
"""The entry of trailers by which a server says when to try again, or not to (gRPC proposal A6)."""

REFUSED: Final = -1.0
"""The pushback of a server that wants no further attempt."""

_LONGEST_PUSHBACK: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcProbe:
    """Ask `grpc.health.v1`, by Watch where the endpoint has it."""

    services: tuple[str, ...] = ()
    """The services to ask about; `""` is the whole server. Empty asks about the server and every service known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """Send a GET."""

    path: str
    """The path to get."""

    statuses: frozenset[int] = frozenset()
    """The statuses that count as healthy. Empty means 200 to 299."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpProbe:
    """Make a TCP connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """How endpoints are probed."""

    probe: GrpcProbe | HttpProbe | TcpProbe = field(default_factory=GrpcProbe)
    """What is done."""

    interval: float = 10.0
    """Seconds between two probes, give or take 10 %."""

    timeout: float = 2.0
    """Seconds after which a probe has failed."""

    unhealthy_threshold: int = 2
    """The failures in a row that take an endpoint out."""

    healthy_threshold: int = 1
    """The successes in a row that bring an endpoint back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierDetection:
    """When a failing endpoint is set aside (Envoy "outlier detection", gRFC A50)."""

    consecutive_failures: int = 0
    """The failures in a row that do it. 0 means that they do not."""

    failure_ratio: float = 0.0
    """The share of failed calls that does it. 0 means that it does not."""

    latency_factor: float = 0.0
    """How many times the median latency of the upstream does it. 0 means that it does not."""

    interval: float = 10.0
    """The time over which calls are counted."""

    base_ejection: float = 30.0
    """The time an endpoint is set aside, times the number of times in a row."""

    max_ejection: float = 0.5
    """The share of endpoints that may be set aside at once; one always may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """When an upstream or an endpoint is left alone because calls to it fail."""

    failure_threshold: int = 0
    """The failures in a row that open it. 0 means that they do not."""

    failure_ratio: float = 0.0
    """The share of failed calls that opens it. 0 means that it does not."""

    window: float = 10.0
    """The time over which calls are counted."""

    minimum_calls: int = 20
    """The calls within the window below which the share does not count."""

    open_duration: float = 5.0
    """The time it stays open before it lets probes through."""

    half_open_calls: int = 1
    """The calls let through at once while half open."""

    success_threshold: int = 1
    """The successes that close it."""

    per_endpoint: bool = False
    """Whether each endpoint has one of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyLimits:
    """How much is sent to an upstream at once."""

    max_calls: int = 0
    """The most calls under way. 0 means no limit."""

    max_pending_calls: int = 0
    """The most calls that wait for one of these to end. 0 means none: a call over the limit fails at once."""

    max_calls_per_endpoint: int = 0
    """The most calls under way to one endpoint. 0 means no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """When a call is tried again (gRFC A6). Only before anything of an answer reached the caller."""

    max_attempts: int = 3
    """The most attempts, the first one included. 1 means that calls are not tried again."""

    codes: frozenset[Code] = frozenset({Code.UNAVAILABLE})
    """The codes that are worth another attempt."""

    initial_backoff: float = 0.025
    """The wait before the second attempt, times a random factor of 0.8 to 1.2."""

    max_backoff: float = 1.0
    """The longest wait."""

    backoff_multiplier: float = 2.0
    """The factor by which the wait grows."""

    per_try_timeout: float | None = None
    """The time one attempt may take. None means what the call has left."""

    budget: float = 0.2
    """The share of an upstream's calls that may be retries."""

    buffer_bytes: int = 65536
    """The most bytes of a request that are kept for another attempt."""

    any_method: bool = False
    """Whether methods that are not idempotent are tried again too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeRule:
    """When a further attempt is sent before the first has ended (gRFC A6 "hedging"). Idempotent methods only."""

    delay: float
    """The wait before each further attempt."""

    max_attempts: int = 2
    """The most attempts, the first one included."""

    @property
    def in_turn(self) -> RetryRule:
        """The rule for calls that have no attempts beside each other: one after another, when one has failed."""
        return RetryRule(max_attempts=self.max_attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutRule:
    """When calls end that take too long. The smallest limit of caller, route, policy and upstream counts."""

    timeout: float | None = None
    """The most seconds a call may take, unary or not. None means no limit."""

    stream_idle_timeout: float | None = None
    """The most seconds a stream may go without a message. None means no limit."""


NO_TIMEOUT: Final = TimeoutRule()
"""No limit."""

DEFAULT_RETRY: Final = RetryRule()
"""What holds where no policy says otherwise."""

NO_RETRY: Final = RetryRule(max_attempts=1)
"""The rule by which nothing is tried again."""


def pushback_seconds(text: str | None) -> float | None:
    """Return what `grpc-retry-pushback-ms` asks for, in seconds.

    Args:
        text: Its value, or None when the server has not sent it.

    Returns:
        None when there is none, `REFUSED` when it is negative or no number of 32 bits (A6, "Pushback").
    """
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > _LONGEST_PUSHBACK:
        return REFUSED
    return int(text) / 1000.0


def attempts_before(metadata: Iterable[tuple[str, str | bytes]], retries: int) -> str:
    """Return `grpc-previous-rpc-attempts` for an endpoint: the attempts of the caller's own library and ours.

    Args:
        metadata: What the caller sent.
        retries: How often we have tried.
    """
    for name, value in metadata:
        if name == PREVIOUS_ATTEMPTS and isinstance(value, str) and value.isascii() and value.isdigit():
            return str(min(int(value[:9]) + retries, 2**31 - 1))
    return str(retries)
