"""A configuration compiled for look-ups, and what its parts promise each other.

A snapshot is made off the hot path, validated whole and put in force by swapping one reference. A call takes it once
and sees no other until it ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge.model.call import Call
from edge.model.cluster import Cluster as Cluster
from edge.model.cluster import SourceState as SourceState
from edge.model.config import Configuration, CorsPolicy, DirectResponse, Forward, HeaderChange, Redirect, Route
from edge.model.resilience import DEFAULT_RETRY, NO_TIMEOUT, HedgeRule, RetryRule, TimeoutRule
from edge.model.upstreams import UpstreamProtocol


@dataclass(frozen=True, slots=True)
class Match:
    """A route that takes a call."""

    plan: RoutePlan
    """What happens to the call."""

    index: int
    """The index of the route's match that is met, or -1 for a default route."""

    parameters: Mapping[str, str]
    """What the path bound."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A route, or one of its matches, that does not take a call."""

    route: str
    """The name of the route."""

    index: int
    """The index of the match, or -1 for a default route."""

    reason: str
    """The condition that is not met, or the route that is preferred, for people."""

    nearness: int
    """How many conditions were met before; larger is nearer."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which route takes a call and why, and why the others do not."""

    match: Match | None
    """The route that takes the call."""

    reasons: tuple[str, ...]
    """Why it does, one condition each, for people."""

    misses: tuple[Miss, ...]
    """The others, the nearest first."""

    more_misses: int = 0
    """How many others were left out."""


class RouteTable(Protocol):
    """Finds the route of a call."""

    def match(self, call: Call) -> Match | None:
        """Return the most specific match, or None. Does not change the call."""
        ...

    def explain(self, call: Call, *, max_misses: int = 20) -> Explanation:
        """Return the same match with its reasons. Slow: it looks at every route."""
        ...


class Admission(Protocol):
    """A policy compiled for the calls of a route, which looks at metadata only."""

    name: str
    """The resource name of the policy."""

    def admit(self, call: Call) -> Awaitable[None] | None:
        """Let the call go on, perhaps with other metadata.

        Returns:
            None when the call was admitted at once, else what has to be awaited before it goes on.

        Raises:
            GatewayError: the call is refused.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamPlan:
    """An upstream as a route uses it."""

    name: str
    """`upstreams/…`."""

    weight: int
    """Its share of the route's calls."""

    cluster: Cluster
    """Its live endpoints."""

    protocol: UpstreamProtocol = UpstreamProtocol.GRPC
    """What its endpoints speak."""

    guarded: bool = False
    """Whether it has a circuit breaker or limits: `enter` and `leave` of the cluster have to be called."""

    timeout: float | None = None
    """The most seconds a unary call may take. None means no limit of the upstream."""

    unary_limit: tuple[float | None, str] = (None, "route")
    """The smaller limit in seconds of route and upstream for unary calls, and whose it is: `route` or `upstream`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePlan:
    """Everything a call needs to know of its route, resolved when the configuration changed."""

    route: Route
    """The route."""

    admissions: tuple[Admission, ...] = ()
    """The policies, in the order in which they run."""

    response_changes: tuple[HeaderChange, ...] = ()
    """What is done to the initial metadata of answers, in order."""

    cors: CorsPolicy | None = None
    """Which scripts may call. None leaves them to the browser, which lets none."""

    needs_messages: bool = False
    """Whether messages are looked at or compressed anew, so that forwarding frames will not do."""

    uncompressed: bool = False
    """Whether an upstream wants messages that are not compressed, whatever the caller does."""

    upstreams: tuple[UpstreamPlan, ...] = ()
    """Where calls go. Empty for a route that answers by itself."""

    guarded: bool = False
    """Whether an upstream has a circuit breaker or limits, so that calls have to ask before they go on to it."""

    single: UpstreamPlan | None = None
    """The upstream when there is just one with a weight, which spares the draw."""

    max_request_bytes: int
    """The largest message of a caller."""

    max_response_bytes: int
    """The largest message of an upstream."""

    retry: RetryRule = DEFAULT_RETRY
    """When calls are tried again."""

    hedge: HedgeRule | None = None
    """When further attempts are sent before the first has ended; `retry` is for calls that cannot have that then."""

    timeout: TimeoutRule = NO_TIMEOUT
    """The time limits that policies set."""

    timeout_policy: str = ""
    """The name of the policy that sets them, for words."""

    paced: bool = field(init=False, default=False)
    """Whether attempts have a time of their own: a limit for each, or one after which the next is sent."""

    stream_limit: tuple[float | None, str] = field(init=False, default=(None, "route"))
    """The limit in seconds for streaming calls, and whose it is: `route` or `policy`."""

    stream_idle: float | None = field(init=False, default=None)
    """The most seconds a streaming call may go without a message."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "paced", self.hedge is not None or self.retry.per_try_timeout is not None)
        put(self, "stream_limit", self.smallest(self.route.stream_timeout, "route"))
        idle = (self.route.stream_idle_timeout, self.timeout.stream_idle_timeout)
        put(self, "stream_idle", min((limit for limit in idle if limit is not None), default=None))

    def smallest(self, seconds: float | None, whose: str) -> tuple[float | None, str]:
        """Return the smaller one of a limit and the policies', and whose it is."""
        policy = self.timeout.timeout
        if policy is not None and (seconds is None or policy < seconds):
            return policy, "policy"
        return seconds, whose

    @property
    def action(self) -> Forward | DirectResponse | Redirect:
        """What happens to a selected call."""
        return self.route.action


class _NoRoutes:
    """The table of an empty configuration."""

    def match(self, call: Call) -> Match | None:  # noqa: ARG002 - the protocol's signature
        return None

    def explain(self, call: Call, *, max_misses: int = 20) -> Explanation:  # noqa: ARG002 - the protocol's signature
        return Explanation(None, (), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One compiled configuration."""

    configuration: Configuration = field(default_factory=Configuration)
    """What it was compiled from."""

    table: RouteTable = field(default_factory=_NoRoutes)
    """Finds the route of a call."""

    plans: Mapping[str, RoutePlan] = field(default_factory=dict)
    """The plan of each route, by its name."""

    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    """The live endpoints of each upstream, by its name."""

    force_time: float = 0.0
    """When it came into force, in seconds since the epoch."""

    @property
    def revision(self) -> int:
        """The number of the configuration's revision."""
        return self.configuration.revision
