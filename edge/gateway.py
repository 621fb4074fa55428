"""A running gateway: the pipeline, both ways into it, and what control and admin see of it."""

from __future__ import annotations

from edge.discovery import EndpointRegistry, Sources
from edge.model.call import Call, Protocol
from edge.model.config import Configuration, HttpTarget
from edge.model.counters import Protections
from edge.model.errors import InvalidRequest, Violation
from edge.model.finding import HttpFinding
from edge.model.hints import did_you_mean
from edge.model.http import HttpRequest
from edge.model.invoke import Invoker
from edge.model.peers import Peers
from edge.model.resource_errors import ResourceNotFound
from edge.model.schema import Method, SchemaSet
from edge.model.settings import Engine, ServerSettings
from edge.model.snapshot import Snapshot, SourceState
from edge.model.watch import Watch
from edge.proxy import Dispatcher, GrpcInvoker, HttpForwarder, ProxyHandler, compile_snapshot
from edge.proxy.exchange import Core
from edge.proxy.wire import WireEnvironment
from edge.proxy.wire_invoke import WireInvoker
from edge.tasks import Tasks
from edge.telemetry.access import AccessLog
from edge.telemetry.tap import TapHub
from edge.upstream import Clusters
from edge.wire.transport import LoopTurn, LoopWheel
from transcoding import IndexKeeper, Transcoder
from transcoding.openapi import Documents


class Gateway:
    """A running gateway; the `Runtime` that control and admin see.

    Args:
        settings: What is decided at the start of the process.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.snapshot: Watch[Snapshot] = Watch(Snapshot())
        self.protections = Protections()
        self.draining = False
        """Whether no new calls are wanted."""
        self.turn = LoopTurn()
        self.wheel = LoopWheel()
        wire = settings.engine is Engine.WIRE
        self.registry = EndpointRegistry()
        """The endpoints that have registered themselves."""
        self._clusters = Clusters(settings.limits, self.turn if wire else None, Sources(self.registry))
        self.changes = self._clusters.changes
        self.dispatcher = Dispatcher(self.snapshot, max_calls=settings.limits.max_concurrent_calls)
        self.tap = TapHub()
        self.tap.on_active = self._tapped
        if settings.access_log:
            self.dispatcher.listen(AccessLog())
        peers = Peers(settings.trusted_proxies)
        self.core = core = Core(
            self.dispatcher,
            peers,
            max_metadata=settings.limits.max_metadata_bytes,
            keep_plain=settings.compression_min_bytes if settings.compression_level else 0,
        )
        self.handler = ProxyHandler(core, self._clusters.method)
        self.environment: WireEnvironment | None = None
        """What calls on the wire engine share, when that is the engine."""
        invoker: Invoker
        if wire:
            self.environment = WireEnvironment(
                self.dispatcher,
                peers,
                self.wheel,
                max_metadata=settings.limits.max_metadata_bytes,
                method=self._clusters.method,
                snapshot=self.snapshot,
                compresses=settings.compression_level > 0,
            )
            self.environment.protections = self.protections
            invoker = WireInvoker(self.environment)
        else:
            invoker = GrpcInvoker(core)
        self._clusters.on_methods = self._forget
        self._tasks = Tasks()
        self.offers = IndexKeeper(self.snapshot, self.changes, self._tasks.spawn)
        self.documents = Documents()
        self.transcoder = Transcoder(
            self.dispatcher, invoker, HttpForwarder(core), lambda: self.offers.index, self.documents
        )

    @property
    def active_calls(self) -> int:
        """The calls under way."""
        return self.dispatcher.active_calls

    @property
    def total_calls(self) -> int:
        """The calls finished since the start."""
        return self.dispatcher.total_calls

    def compile(self, configuration: Configuration) -> Snapshot:
        """Compile a configuration without putting it in force.

        Raises:
            InvalidRequest: it is wrong as a whole.
        """
        snapshot = compile_snapshot(configuration, self._clusters.prepare(configuration), self.settings.limits)
        problems = self.offers.check(snapshot)
        if violations := [Violation(f"{route.name}.transcoding", str(problem)) for route, problem in problems]:
            raise InvalidRequest.of(violations)
        return snapshot

    async def warm(self, snapshot: Snapshot) -> None:
        """Return when it is known where the new endpoints of a compiled snapshot are, or the time for that is over."""
        await self._clusters.warm(snapshot.clusters)  # type: ignore[arg-type] # made by `compile`

    def publish(self, snapshot: Snapshot) -> None:
        """Put a compiled snapshot in force."""
        self._clusters.publish(snapshot.configuration, snapshot.clusters)  # type: ignore[arg-type] # made by `compile`
        self.snapshot.set(snapshot)

    def method(self, path: str) -> Method | None:
        """Return what is known of a method by its path on the wire."""
        return self._clusters.method(path)

    def find(self, request: HttpRequest) -> HttpFinding:
        """Return what would become of an HTTP request."""
        return self.transcoder.explain(request)

    def schema(self, name: str) -> tuple[SchemaSet, SourceState]:
        """Return the descriptors of a schema resource in force, and how learning them goes."""
        return self._clusters.schema(name)

    async def openapi(self, route: str) -> bytes:
        """Return the OpenAPI document of what HTTP callers reach by REST, as JSON.

        Args:
            route: The name of the route to describe. Empty means all routes that transcode.

        Raises:
            ResourceNotFound: there is no such route.
            InvalidRequest: the route does not transcode.
        """
        index = self.offers.index
        if not route:
            return (await self.documents.of(index, tuple(index.routes))).text
        plan = index.snapshot.plans.get(route)
        if plan is None:
            raise ResourceNotFound(f"there is no {route[:200]}{did_you_mean(route, index.snapshot.plans)}")
        if plan.route.transcoding is None:
            hint = f"{route} does not transcode, so that nobody reaches it by REST; add `transcoding: {{}}` to it"
            raise InvalidRequest.of([Violation("route", hint)])
        # without a schema that is known by now there is nothing to describe yet
        return (await self.documents.of(index, (route,) if route in index.routes else ())).text

    async def refresh_schema(self, name: str) -> None:
        """Read the descriptors of a schema resource again now."""
        await self._clusters.refresh_schema(name)

    def ready(self) -> tuple[bool, str]:
        """Return whether calls may be sent here, and if not, why."""
        if self.draining:
            return False, "the gateway is draining"
        if not self.snapshot.value.force_time:
            return False, "no configuration is in force yet"
        return True, ""

    def takes_path(self, path: str) -> bool:
        """Whether a route is there for exactly this path, which then is not the gateway's own."""
        match = self.snapshot.value.table.match(Call(path, protocol=Protocol.HTTP, verb="GET"))
        if match is None or match.index < 0:
            return False
        target = match.plan.route.matches[match.index].target
        return isinstance(target, HttpTarget) and target.path == path

    async def close(self) -> None:
        """Close every connection to upstreams."""
        await self._tasks.close()
        if self.environment is not None:
            await self.environment.close()
        await self._clusters.close()
        self.registry.close()
        self.wheel.close()

    def _forget(self) -> None:
        """What is known of methods is other than before."""
        self.handler.forget()
        if self.environment is not None:
            self.environment.forget()

    def _tapped(self, active: bool) -> None:
        """Make records of finished calls only while somebody looks."""
        if active:
            self.dispatcher.listen(self.tap)
        else:
            self.dispatcher.ignore(self.tap)
