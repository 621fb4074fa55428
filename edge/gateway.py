"""A running gateway: the pipeline, both ways into it, and what control and admin see of it."""

from __future__ import annotations

from edge.model.config import Configuration
from edge.model.errors import InvalidRequest, ResourceNotFound, Violation
from edge.model.finding import HttpFinding
from edge.model.hints import did_you_mean
from edge.model.http import HttpRequest
from edge.model.schema import Method, SchemaSet
from edge.model.settings import ServerSettings
from edge.model.snapshot import Snapshot, SourceState
from edge.model.watch import Watch
from edge.proxy import Dispatcher, GrpcInvoker, HttpForwarder, ProxyHandler, compile_snapshot
from edge.proxy.exchange import Core
from edge.proxy.metadata import Peers
from edge.tasks import Tasks
from edge.telemetry.access import AccessLog
from edge.telemetry.tap import TapHub
from edge.upstream import Clusters
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
        self._clusters = Clusters(settings.limits)
        self.changes = self._clusters.changes
        self.dispatcher = Dispatcher(self.snapshot, max_calls=settings.limits.max_concurrent_calls)
        self.tap = TapHub()
        self.tap.on_active = self._tapped
        if settings.access_log:
            self.dispatcher.listen(AccessLog())
        core = Core(
            self.dispatcher,
            Peers(settings.trusted_proxies),
            max_metadata=settings.limits.max_metadata_bytes,
            keep_plain=settings.compression_min_bytes if settings.compression_level else 0,
        )
        self.handler = ProxyHandler(core, self._clusters.method)
        self._clusters.on_methods = self.handler.forget
        self._tasks = Tasks()
        self.offers = IndexKeeper(self.snapshot, self.changes, self._tasks.spawn)
        self.documents = Documents()
        self.transcoder = Transcoder(
            self.dispatcher, GrpcInvoker(core), HttpForwarder(core), lambda: self.offers.index, self.documents
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

    async def close(self) -> None:
        """Close every connection to upstreams."""
        await self._tasks.close()
        await self._clusters.close()

    def _tapped(self, active: bool) -> None:
        """Make records of finished calls only while somebody looks."""
        if active:
            self.dispatcher.listen(self.tap)
        else:
            self.dispatcher.ignore(self.tap)
