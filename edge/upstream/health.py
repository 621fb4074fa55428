"""Checks the health of the endpoints of one upstream, as long as they belong to it, healthy or not.

    HealthChecks ─ Checker ─ HealthState        when, and what follows (edge.upstream.health_state, pure)
                      │    └ ServingTable       what the server says of its services (health_services, pure)
                      └─ Prober                 health_grpc over health_wire or health_aio; health_probe

Each endpoint has a timer of the loop; probes by gRPC on the wire engine have no task.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from random import random

from edge.model.endpoint import Endpoint, EndpointState, Judge
from edge.model.resilience import GrpcProbe, HealthCheck, HttpProbe
from edge.model.upstreams import Upstream
from edge.tasks import Tasks
from edge.upstream.channels import Channels
from edge.upstream.grpc_endpoint import GrpcEndpoint, channels_of
from edge.upstream.health_aio import AioHealth
from edge.upstream.health_grpc import GrpcProber
from edge.upstream.health_probe import Hearer, PlainProber, Prober, http_probe, tcp_probe
from edge.upstream.health_services import Serving, ServingTable, services_to_ask
from edge.upstream.health_state import Act, HealthState
from edge.upstream.health_wire import WireHealth
from edge.upstream.http_endpoint import HttpEndpoint

_log = logging.getLogger(__name__)


class HealthChecks:
    """The checks of one upstream. Without `health_check` in the configuration nothing is done.

    Args:
        upstream: The configuration.
        services: Returns the full names of the services that the upstream is known to offer.
        changed: Called when the verdict on endpoints, or the services one does not serve, are others; once for many.
    """

    def __init__(self, upstream: Upstream, services: Callable[[], Iterable[str]], changed: Callable[[], None]) -> None:
        self._upstream = upstream
        self._check = upstream.health_check
        self._services = services
        self._changed = changed
        self._checkers: dict[Endpoint, Checker] = {}
        self._asked: tuple[str, ...] = ()
        self._news: asyncio.Handle | None = None
        self._mute = False
        self._closed = False

    def members(self, endpoints: Iterable[Endpoint]) -> None:
        """Check these endpoints, those that are new at once, and no others."""
        if self._check is None or self._closed:
            return
        wanted = dict.fromkeys(endpoints)
        for endpoint in [endpoint for endpoint in self._checkers if endpoint not in wanted]:
            Tasks.detached(self._checkers.pop(endpoint).close(), name=f"end health checks of {endpoint.address}")
        new = [endpoint for endpoint in wanted if endpoint not in self._checkers]
        if not new:
            return
        self.learnt()
        # beside others that take calls one that may not be ready waits for its first check
        hold = any(endpoint.state is EndpointState.ACTIVE for endpoint in self._checkers)
        for endpoint in new:
            checker = Checker(endpoint, self._upstream, self._check, self._tell, self._say_mute, hold=hold)
            self._checkers[endpoint] = checker
            checker.begin(self._asked)

    def noticed(self) -> None:
        """Look at the connections, whose state may be another: what was lost or made anew is checked at once."""
        for checker in self._checkers.values():
            checker.notice()

    def learnt(self) -> None:
        """The upstream may be known to offer other services."""
        if self._check is None or self._closed:
            return
        asked = self._to_ask(self._check)
        if asked != self._asked:
            self._asked = asked
            for checker in self._checkers.values():
                checker.ask(asked)

    async def close(self) -> None:
        """Stop."""
        self._closed = True
        if self._news is not None:
            self._news.cancel()
        checkers, self._checkers = self._checkers, {}
        await asyncio.gather(*(checker.close() for checker in checkers.values()))

    def _to_ask(self, check: HealthCheck) -> tuple[str, ...]:
        return services_to_ask(check.probe.services, self._services()) if isinstance(check.probe, GrpcProbe) else ()

    def _tell(self) -> None:
        if self._news is None and not self._closed:
            self._news = asyncio.get_running_loop().call_soon(self._told)

    def _told(self) -> None:
        self._news = None
        self._changed()

    def _say_mute(self, endpoint: Endpoint) -> None:
        if not self._mute:
            self._mute = True
            _log.info(
                "%s: endpoint %s does not offer grpc.health.v1; it is checked that it answers, and nothing more",
                self._upstream.name,
                endpoint.address,
            )


class Checker(Hearer):
    """The checks of one endpoint.

    Args:
        endpoint: The endpoint.
        upstream: Its upstream.
        check: How it is checked.
        changed: Called when what calls it gets is another.
        mute: Called when it offers no health service.
        hold: Whether it gets no calls before its first check has ended.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        upstream: Upstream,
        check: HealthCheck,
        changed: Callable[[], None],
        mute: Callable[[Endpoint], None],
        *,
        hold: bool,
    ) -> None:
        self._endpoint = endpoint
        self._changed = changed
        self._mute = mute
        self._state = HealthState(check, time.monotonic())
        self._table = ServingTable(named=isinstance(check.probe, GrpcProbe) and bool(check.probe.services))
        self._prober = _prober(endpoint, upstream, check, self)
        self._connected = endpoint.connected
        self._made = _made(endpoint)
        self._timer: asyncio.TimerHandle | None = None
        self._first = ""
        self._closed = False
        endpoint.judge(Judge.HEALTH, EndpointState.UNHEALTHY if hold else EndpointState.CONNECTING, self._state.reason)

    def begin(self, services: tuple[str, ...]) -> None:
        """Check at once, then on the interval."""
        self.ask(services)
        self._tick()

    def ask(self, services: tuple[str, ...]) -> None:
        """Ask about these services from now on."""
        self._first = services[0] if services else ""
        self._table.keep(services)
        self._prober.ask(services)
        self._conclude(False)

    def notice(self) -> None:
        """Look at the connections."""
        connected, made = self._endpoint.connected, _made(self._endpoint)
        if connected == self._connected and made == self._made:
            return
        now = time.monotonic()
        if self._connected and not connected:
            self._prober.abandon()
            self._table.clear()
            words = "has not been checked since its connections were lost"
            self._state.told(words, now, random())
            self._endpoint.judge(Judge.HEALTH, EndpointState.UNHEALTHY, words)
            self._endpoint.not_serving = self._table.not_serving
        else:
            self._prober.anew()
            self._state.soon(now)
        self._connected, self._made = connected, made
        self._arm()

    async def close(self) -> None:
        """Stop. What was said of the endpoint last stays."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._changed = _nothing
        await self._prober.close()

    # === time ===

    def _tick(self) -> None:
        self._timer = None
        now = time.monotonic()
        act = self._state.act(now)
        if act is Act.PROBE or act is Act.AGAIN:
            self._prober.probe(again=act is Act.AGAIN)
        elif act is Act.GIVE_UP:
            self._prober.abandon()
            self._wrong(self._state.silent(now, random()))
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._closed:
            return
        left = max(self._state.due - time.monotonic(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(left, self._tick)

    # === what the probes come to ===

    def passed(self) -> None:
        """A probe went well."""
        if self._state.checking:
            self._prober.abandon()
            self._conclude(self._state.passed(time.monotonic(), random()))
            self._arm()

    def failed(self, words: str) -> None:
        """A probe did not go well."""
        if self._state.checking:
            self._prober.abandon()
            self._wrong(self._state.failed(words, time.monotonic(), random()))
            self._arm()

    def heard(self, service: str, status: Serving, *, asked: bool) -> None:
        """The server says how a service is."""
        state, now, first = self._state, time.monotonic(), service == self._first
        self._table.take(service, status)
        trouble = self._table.trouble
        if trouble:
            changed = state.told(f"{trouble} (grpc.health.v1)", now, random())
            if changed:
                self._wrong(changed)
        elif (state.checking if asked else state.healthy is not True) and (state.healthy is False or first):
            self._conclude(state.passed(now, random()))
        else:
            self._conclude(False)
            return
        self._arm()

    def answered(self) -> None:
        """The server is there."""
        if self._state.checking and self._table.trouble:
            self._state.told(self._state.reason, time.monotonic(), random())
            self._arm()
        else:
            self.passed()

    def mute(self) -> None:
        """The server has no health service."""
        self._mute(self._endpoint)
        self._table.clear()
        self.passed()

    def _wrong(self, changed: bool) -> None:
        state = self._state
        self._endpoint.note_error(state.latest)
        self._conclude(changed)

    def _conclude(self, changed: bool) -> None:
        """Draw the conclusions for the endpoint."""
        endpoint, state = self._endpoint, self._state
        before = endpoint.state
        if state.healthy is True:
            changed = endpoint.judge(Judge.HEALTH, None) or changed
        elif state.healthy is False:
            changed = endpoint.judge(Judge.HEALTH, EndpointState.UNHEALTHY, state.reason) or changed
        if endpoint.not_serving != self._table.not_serving:
            endpoint.not_serving = self._table.not_serving
            changed = True
        if not changed:
            return
        if endpoint.state is EndpointState.UNHEALTHY is not before:
            _log.warning("endpoint %s: %s", endpoint.address, endpoint.reason)
        elif before is EndpointState.UNHEALTHY and endpoint.state is EndpointState.ACTIVE:
            _log.info("endpoint %s: is healthy again", endpoint.address)
        self._changed()


def _prober(endpoint: Endpoint, upstream: Upstream, check: HealthCheck, hearer: Hearer) -> Prober:
    carrier, probe = endpoint.carrier, check.probe
    if isinstance(probe, HttpProbe) and isinstance(carrier, HttpEndpoint):
        return PlainProber(http_probe(probe, carrier, upstream, endpoint.address), hearer)
    if isinstance(probe, GrpcProbe):
        if isinstance(carrier, GrpcEndpoint):
            return GrpcProber(WireHealth(carrier), hearer)
        if (channels := channels_of(carrier)) is not None:
            return GrpcProber(AioHealth(channels), hearer)
    return PlainProber(tcp_probe(upstream, endpoint.address), hearer)


def _made(endpoint: Endpoint) -> int:
    """Return how often a connection was made that stands for the endpoint; those of HTTP are many."""
    carrier = endpoint.carrier
    return carrier.made if isinstance(carrier, GrpcEndpoint | Channels) else 0


def _nothing() -> None:
    pass
