"""grpc.health.v1.Health: the plain yes or no, of the gateway itself and of what it forwards to.

    ""                          the gateway: a configuration is in force and it is not draining
    bookstore.v1.BookService    an endpoint of an upstream that offers the service takes calls
    upstreams/bookstore         an endpoint of the upstream takes calls

An upstream offers a service when its descriptors say so or when a route sends the service there. The gateway itself
stays SERVING while upstreams are down: taking it out of rotation would only spread their trouble. Why something does
not serve is in gateway.v1.HealthService.
"""

# ruff: noqa: N802, ARG002 - the signatures of the RPCs
from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, TypeAlias

from grpc_health.v1 import health_pb2

from edge.admin.changes import Changes
from edge.admin.states import configured, usable
from edge.model.config import Forward, GrpcTarget
from edge.model.errors import Draining
from edge.model.resource_errors import ResourceNotFound
from edge.model.runtime import Runtime
from edge.model.snapshot import Cluster, RoutePlan, Snapshot
from edge.model.watch import Watch
from edge.servicing import answer

Response: TypeAlias = Any
"""A message of grpc.health.v1, whose package has no types."""

Answers = Mapping[str, "tuple[RoutePlan, ...]"]
"""The routes that take the calls of a service, by its full name."""


class ServingStates:
    """Answers whether something serves, from the snapshot in force and the live endpoints.

    Args:
        runtime: The running gateway.
        draining: Whether the gateway takes no new calls; then nothing serves.
        own: The full names of the services the gateway answers itself.
    """

    def __init__(self, runtime: Runtime, draining: Watch[bool], own: Iterable[str] = ()) -> None:
        self._runtime = runtime
        self._draining = draining
        self._own = frozenset(own)
        self._routed: tuple[Snapshot | None, Answers] = None, {}

    def serving(self, name: str) -> bool | None:
        """Return whether `name` serves, or None when there is no such thing."""
        snapshot = self._runtime.snapshot.value
        answers = self._answers(snapshot, name)
        return answers if answers is None else answers and not self._draining.value

    @property
    def draining(self) -> bool:
        """Whether the gateway takes no new calls."""
        return self._draining.value

    def drain(self) -> None:
        """Let nothing serve any more."""
        self._draining.set(True)

    def names(self) -> list[str]:
        """Return everything that is known, in order."""
        snapshot = self._runtime.snapshot.value
        found = {"", *self._own, *snapshot.clusters, *self._routes(snapshot)}
        for cluster in snapshot.clusters.values():
            found.update(cluster.schema.services)
        return sorted(found)

    def changes(self) -> Changes:
        """Follow everything that may change an answer."""
        return Changes(self._runtime.snapshot, self._runtime.changes, self._draining)

    def _answers(self, snapshot: Snapshot, name: str) -> bool | None:
        if not name:
            return configured(snapshot)
        if name in self._own:
            return True
        if name in snapshot.clusters:
            return usable(snapshot.clusters[name])
        routes = self._routes(snapshot).get(name, ())
        offering = [cluster for cluster in snapshot.clusters.values() if name in cluster.schema.services]
        if not routes and not offering:
            return None
        return any(map(usable, offering)) or any(map(_takes_calls, routes))

    def _routes(self, snapshot: Snapshot) -> Answers:
        """Index the routes by service, once for each snapshot."""
        if self._routed[0] is not snapshot:
            found: dict[str, tuple[RoutePlan, ...]] = {}
            for plan in snapshot.plans.values():
                targets = (match.target for match in plan.route.matches)
                for service in {one.service for one in targets if isinstance(one, GrpcTarget) and one.service}:
                    found[service] = (*found.get(service, ()), plan)
            self._routed = snapshot, found
        return self._routed[1]


def _takes_calls(plan: RoutePlan) -> bool:
    if not isinstance(plan.action, Forward):
        return True  # the gateway answers by itself
    clusters: list[Cluster] = [upstream.cluster for upstream in plan.upstreams if upstream.weight > 0]
    return any(map(usable, clusters))


def _status(serving: bool | None) -> int:
    status: Any = health_pb2.HealthCheckResponse
    if serving is None:
        return int(status.SERVICE_UNKNOWN)
    return int(status.SERVING if serving else status.NOT_SERVING)


class HealthServicer:
    """Serves `ServingStates`. `List` is called only where the installed grpcio-health-checking has it.

    Args:
        states: Where the answers come from.
    """

    def __init__(self, states: ServingStates) -> None:
        self._states = states

    def drain(self) -> None:
        """Turn everything to NOT_SERVING, for good: the gateway is about to stop."""
        self._states.drain()

    @answer
    async def Check(self, request: Any, context: object) -> Response:
        """Return the status. An unknown name is NOT_FOUND."""
        serving = self._states.serving(request.service)
        if serving is None:
            raise ResourceNotFound(f"nothing here is called {request.service!r}", metadata={"service": request.service})
        return health_pb2.HealthCheckResponse(status=_status(serving))

    @answer
    async def Watch(self, request: Any, context: object) -> AsyncIterator[Response]:
        """Send the status at once, then when it is another. An unknown name may become known later.

        A gateway that drains ends the stream after NOT_SERVING: it would hold up the end for the whole drain timeout.
        """
        before = None
        with self._states.changes() as changes:
            while True:
                status = _status(self._states.serving(request.service))
                if status != before:
                    before = status
                    yield health_pb2.HealthCheckResponse(status=status)
                if self._states.draining:
                    raise Draining("the gateway is shutting down")
                await changes.wait()

    @answer
    async def List(self, request: Any, context: object) -> Response:
        """Return the status of everything that is known."""
        response = health_pb2.HealthListResponse()
        for name in self._states.names():
            response.statuses[name].status = _status(self._states.serving(name))
        return response
