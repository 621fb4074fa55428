"""gateway.v1.AdminService: what the gateway is, what it would do with a call, what calls just ended."""

# ruff: noqa: N802, ARG002 - the signatures of the RPCs
from __future__ import annotations

import os
from collections.abc import AsyncIterator

from google.api import httpbody_pb2
from google.rpc import status_pb2

from edge.admin.explain import explain_call
from edge.admin.health import ConfigError
from edge.admin.node import NodeInfo, components, resident_bytes
from edge.admin.records import finished_call, timestamp
from edge.admin.states import configured
from edge.model.call import CallFinished
from edge.model.errors import InvalidRequest, NotAvailable, Violation
from edge.model.runtime import Runtime
from edge.model.status import Code
from edge.model.watch import Watch
from edge.servicing import answer
from edge.telemetry.tap import Predicate, TapHub
from gateway.v1 import admin_service_pb2, admin_service_pb2_grpc, tap_pb2

TAP_CAPACITY = 256
"""The most records that wait for one slow reader of the tap."""


class AdminService(admin_service_pb2_grpc.AdminServiceServicer):
    """Looks into one running gateway.

    Args:
        runtime: The running gateway.
        info: What is known of the process.
        tap: Where finished calls come from.
        draining: Whether the gateway takes no new calls.
        config_error: Tells of the latest refused configuration.
    """

    def __init__(
        self, runtime: Runtime, info: NodeInfo, tap: TapHub, draining: Watch[bool], config_error: ConfigError
    ) -> None:
        self._runtime = runtime
        self._info = info
        self._tap = tap
        self._draining = draining
        self._config_error = config_error
        self._components = components()

    @answer
    async def GetServerInfo(
        self, request: admin_service_pb2.GetServerInfoRequest, context: object
    ) -> admin_service_pb2.ServerInfo:
        """Return what the gateway is and does."""
        return self._server_info()

    @answer
    async def ExplainCall(
        self, request: admin_service_pb2.ExplainCallRequest, context: object
    ) -> admin_service_pb2.ExplainCallResponse:
        """Return which route would take the call, and why."""
        return explain_call(request, self._runtime.snapshot.value, self._runtime.method, self._runtime.find)

    @answer
    async def GetOpenApi(self, request: admin_service_pb2.GetOpenApiRequest, context: object) -> httpbody_pb2.HttpBody:
        """Return what REST callers may send, and what they get."""
        return httpbody_pb2.HttpBody(content_type="application/json", data=await self._runtime.openapi(request.route))

    @answer
    async def TapCalls(
        self, request: admin_service_pb2.TapCallsRequest, context: object
    ) -> AsyncIterator[admin_service_pb2.TapCallsResponse]:
        """Say that the tap is open, then send the calls that end from then on."""
        predicate, sample = _predicate(request.filter), _sample(request.sample_percent)
        with self._tap.subscribe(predicate, sample=sample, capacity=TAP_CAPACITY) as subscription:
            yield admin_service_pb2.TapCallsResponse()
            while not request.max_calls or subscription.delivered < request.max_calls:
                call = finished_call(await subscription.next())
                yield admin_service_pb2.TapCallsResponse(call=call, dropped=subscription.dropped)

    @answer
    async def InvalidateCache(
        self, request: admin_service_pb2.InvalidateCacheRequest, context: object
    ) -> admin_service_pb2.InvalidateCacheResponse:
        """Refuse."""
        raise NotAvailable("caching responses is not available in this version yet")

    @answer
    async def DrainServer(
        self, request: admin_service_pb2.DrainServerRequest, context: object
    ) -> admin_service_pb2.ServerInfo:
        """Refuse."""
        raise NotAvailable("draining by the API is not available in this version yet; send SIGTERM to the process")

    def _server_info(self) -> admin_service_pb2.ServerInfo:
        info, snapshot = self._info, self._runtime.snapshot.value
        memory = resident_bytes()
        result = admin_service_pb2.ServerInfo(
            node_id=info.node_id,
            state=self._state(),
            version=info.version,
            components=self._components,
            start_time=timestamp(info.start_time),
            listeners=[
                admin_service_pb2.ListenerInfo(
                    name=listener.name, address=listener.address, protocol=listener.protocol, tls=listener.tls
                )
                for listener in info.listeners
            ],
            config_revision=snapshot.revision,
            active_calls=self._runtime.active_calls,
            total_calls=self._runtime.total_calls,
            resident_bytes=memory,
            protections=self._runtime.protections.counts,
            engine=info.engine,
            workers=[
                admin_service_pb2.WorkerInfo(
                    pid=os.getpid(),
                    config_revision=snapshot.revision,
                    resident_bytes=memory,
                    active_calls=self._runtime.active_calls,
                )
            ],
        )
        if configured(snapshot):
            result.config_time.CopyFrom(timestamp(snapshot.force_time))
        if (refused := self._config_error()) is not None:
            result.config_error.CopyFrom(status_pb2.Status(code=Code.INVALID_ARGUMENT, message=refused[0]))
        return result

    def _state(self) -> admin_service_pb2.ServerInfo.State:
        if self._draining.value:
            return admin_service_pb2.ServerInfo.STATE_DRAINING
        if not configured(self._runtime.snapshot.value):
            return admin_service_pb2.ServerInfo.STATE_STARTING
        return admin_service_pb2.ServerInfo.STATE_ACTIVE


def _sample(percent: float) -> float:
    if not 0.0 <= percent <= 100.0:  # false for NaN, too
        raise InvalidRequest.of([Violation("sample_percent", "must be from 0 to 100; 0 means 100")])
    return percent / 100.0 or 1.0


def _predicate(wanted: tap_pb2.TapFilter) -> Predicate | None:
    """Return whether a call fits, or None when every call does."""
    unknown = [code for code in wanted.codes if code not in Code._value2member_map_]
    if unknown:
        violation = Violation("filter.codes", f"{unknown[0]} is not a gRPC status code; they go from 0 to 16")
        raise InvalidRequest.of([violation])
    tests: list[Predicate] = []
    if wanted.route:
        tests.append(lambda finished: (plan := finished.call.plan) is not None and plan.route.name == wanted.route)
    if wanted.upstream:
        tests.append(lambda finished: (to := finished.call.upstream) is not None and to.name == wanted.upstream)
    if wanted.method_prefix:
        tests.append(lambda finished: finished.call.method.startswith(wanted.method_prefix))
    if wanted.codes:
        codes = frozenset(wanted.codes)
        tests.append(lambda finished: finished.code in codes)
    if wanted.errors_only:
        tests.append(lambda finished: finished.code is not Code.OK)
    if wanted.HasField("min_duration"):
        least = wanted.min_duration.ToTimedelta().total_seconds()
        tests.append(lambda finished: finished.duration >= least)

    def fits(finished: CallFinished) -> bool:
        return all(test(finished) for test in tests)

    return fits if tests else None
