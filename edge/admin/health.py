"""gateway.v1.HealthService: how the gateway and its upstreams are, with reasons."""

# ruff: noqa: N802, ARG002 - the signatures of the RPCs
from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

from edge.admin.changes import PACE, Changes
from edge.admin.records import timestamp
from edge.admin.states import gateway_message
from edge.model.resource_errors import ResourceNotFound
from edge.model.runtime import Runtime
from edge.model.watch import Watch
from edge.servicing import answer
from gateway.v1 import health_service_pb2, health_service_pb2_grpc

ConfigError = Callable[[], "tuple[str, float] | None"]
"""Returns why the latest configuration was refused and when, in seconds since the epoch, or None when it was taken."""


class HealthService(health_service_pb2_grpc.HealthServiceServicer):
    """Shows the health of the gateway.

    Args:
        runtime: The running gateway. After a refused configuration its `changes` has to be set for watchers to see it.
        draining: Whether the gateway takes no new calls.
        config_error: Tells of the latest refused configuration.
    """

    def __init__(self, runtime: Runtime, draining: Watch[bool], config_error: ConfigError) -> None:
        self._runtime = runtime
        self._draining = draining
        self._config_error = config_error

    def _read(self, upstream: str, *, counters: bool = True) -> health_service_pb2.GatewayHealth:
        return gateway_message(
            self._runtime.snapshot.value,
            draining=self._draining.value,
            config_error=self._config_error(),
            only=upstream,
            counters=counters,
        )

    def _check(self, upstream: str) -> None:
        if upstream and upstream not in self._runtime.snapshot.value.clusters:
            raise ResourceNotFound(f"there is no upstream {upstream!r}", metadata={"resource": upstream})

    @answer
    async def GetHealth(
        self, request: health_service_pb2.GetHealthRequest, context: object
    ) -> health_service_pb2.GetHealthResponse:
        """Return the health as it is now."""
        self._check(request.upstream)
        health = self._read(request.upstream)
        health.read_time.CopyFrom(timestamp(time.time()))
        return health_service_pb2.GetHealthResponse(health=health)

    @answer
    async def WatchHealth(
        self, request: health_service_pb2.WatchHealthRequest, context: object
    ) -> AsyncIterator[health_service_pb2.WatchHealthResponse]:
        """Send the health, then again when anything but a counter has changed, at most ten times a second."""
        self._check(request.upstream)
        before = None
        with Changes(self._runtime.snapshot, self._runtime.changes, self._draining, pace=PACE) as changes:
            while True:
                known = self._read(request.upstream, counters=False)
                if known != before:
                    before = known
                    health = self._read(request.upstream)
                    health.read_time.CopyFrom(timestamp(time.time()))
                    yield health_service_pb2.WatchHealthResponse(health=health)
                await changes.wait()
