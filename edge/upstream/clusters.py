"""All clusters. A change of the configuration keeps those whose upstream did not change, with channels and counters."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from edge.discovery import Sources
from edge.model.config import Configuration
from edge.model.schema import Method, SchemaSet
from edge.model.settings import Limits
from edge.model.snapshot import SourceState
from edge.model.upstreams import Upstream
from edge.model.watch import Watch
from edge.tasks import Tasks
from edge.upstream.cluster import UpstreamCluster
from edge.wire.sending import Turn

WARM_UP = 5.0
"""The most seconds that a configuration waits, before it comes into force, for where its new endpoints are."""


class Clusters:
    """Makes, keeps and retires clusters.

    Args:
        limits: The limits of the gateway.
        turn: Who writes for the wire engine. None means that grpc.aio reaches gRPC endpoints.
        sources: Makes the sources of endpoints. None means some of its own.
    """

    def __init__(self, limits: Limits, turn: Turn | None = None, sources: Sources | None = None) -> None:
        self.changes: Watch[int] = Watch(0)
        self._limits = limits
        self._turn = turn
        self._sources = Sources() if sources is None else sources
        self._drained: dict[str, set[str]] = {}
        self._current: dict[str, UpstreamCluster] = {}
        self._warming: tuple[UpstreamCluster, ...] = ()
        self._retired: set[UpstreamCluster] = set()
        self._closed = False
        self._methods: dict[str, Method] = {}
        self._schemas: dict[str, SchemaSet] = {}
        self._prepared: dict[str, SchemaSet] = {}
        self._reflected: dict[str, str] = {}
        self.on_methods: Callable[[], None] = lambda: None
        """Called when what is known of methods may be other than before."""

    @property
    def current(self) -> Mapping[str, UpstreamCluster]:
        """The clusters in force, by upstream name."""
        return self._current

    def prepare(self, configuration: Configuration) -> dict[str, UpstreamCluster]:
        """Return the clusters of a configuration: those in force where nothing changed, else new ones, not started."""
        schemas = self._schema_sets(configuration)
        return {
            name: self._keep_or_make(upstream, schemas, configuration)
            for name, upstream in configuration.upstreams.items()
        }

    def _keep_or_make(
        self, upstream: Upstream, schemas: Mapping[str, SchemaSet], configuration: Configuration
    ) -> UpstreamCluster:
        given = schemas.get(upstream.schema)
        described = configuration.schemas.get(upstream.schema)
        borrows = described is not None and described.reflection_upstream not in ("", upstream.name)
        present = self._current.get(upstream.name)
        if (
            present is not None
            and _live(present.upstream) == _live(upstream)
            and (present.given_schema and present.given_schema.hash) == (given and given.hash)
            and (present.borrowed_schema is not None) == borrows
        ):
            return present
        borrowed = partial(self._borrow, upstream.schema) if borrows else None
        return UpstreamCluster(
            upstream,
            limits=self._limits,
            schema=given,
            borrowed=borrowed,
            changed=self._changed,
            turn=self._turn,
            sources=self._sources,
            drained=self._drained.setdefault(upstream.name, set()),
        )

    def _schema_sets(self, configuration: Configuration) -> dict[str, SchemaSet]:
        """Return the schemas that have files, linked, the same objects where the files are the same."""
        found = {}
        for schema in configuration.schemas.values():
            if schema.files:
                known = (self._prepared.get(schema.name), self._schemas.get(schema.name))
                same = (one for one in known if one is not None and tuple(one.files.values()) == schema.files)
                found[schema.name] = next(same, None) or SchemaSet.of(schema.files)
                _ = found[schema.name].broken  # links it now and not in a call
        self._prepared = found
        return found

    async def warm(self, clusters: Mapping[str, UpstreamCluster], within: float = WARM_UP) -> None:
        """Start the new clusters, and return when discovery of each has found something or failed.

        So the first calls are not refused while nobody knows yet where they should go, and those of an upstream that
        looks elsewhere from now on go where they went before. `publish` comes next.

        Args:
            clusters: What `prepare` returned.
            within: The most seconds to wait.
        """
        self._warming = tuple(one for one in clusters.values() if self._current.get(one.name) is not one)
        for cluster in self._warming:
            self._start(cluster)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within), contextlib.aclosing(self.changes.follow()) as changes:
                async for _ in changes:
                    if self._closed or all(cluster.discovery.attempted for cluster in self._warming):
                        return

    def _start(self, cluster: UpstreamCluster) -> None:
        former = self._current.get(cluster.name)
        same = former is not None and former.upstream.discovery == cluster.upstream.discovery
        cluster.start(former.found if former is not None and same else None)

    def publish(self, configuration: Configuration, clusters: Mapping[str, UpstreamCluster]) -> None:
        """Put clusters in force, started if `warm` has not done so, and retire those that are not any more."""
        if self._closed:
            return
        for cluster in clusters.values():
            if self._current.get(cluster.name) is not cluster:
                self._start(cluster)
        before = self._current
        self._warming = ()
        self._current = dict(clusters)
        self._schemas = self._schema_sets(configuration)
        self._reflected = {
            schema.name: schema.reflection_upstream
            for schema in configuration.schemas.values()
            if schema.reflection_upstream
        }
        kept = frozenset(clusters.values())
        self._sources.keep(configuration.upstreams)
        self._drained = {name: drained for name, drained in self._drained.items() if name in clusters}
        for cluster in before.values():
            if cluster not in kept:
                self._retired.add(cluster)
                successor = self._current.get(cluster.name)
                if successor is not None and successor.upstream.protocol is not cluster.upstream.protocol:
                    successor = None
                Tasks.detached(cluster.close(successor), name=f"retire {cluster.name}")
        self._retired = {cluster for cluster in self._retired if not cluster.idle}
        self._changed()

    async def close(self) -> None:
        """Close every connection of every cluster. Nothing comes into force after that."""
        self._closed = True
        self.changes.set(self.changes.value + 1)  # who waits in `warm` need not any more
        clusters = {*self._current.values(), *self._retired, *self._warming}
        await asyncio.gather(*(cluster.abort() for cluster in clusters))
        self._current = {}
        self._retired = set()
        self._warming = ()

    def method(self, path: str) -> Method | None:
        """Return what is known of a method, or None when nothing is or upstreams disagree on its shape."""
        return self._methods.get(path)

    def schema(self, name: str) -> tuple[SchemaSet, SourceState]:
        """Return the descriptors of a schema resource and how learning them goes.

        Raises:
            LookupError: no such schema is in force.
        """
        upstream = self._reflected.get(name)
        if upstream is not None:
            cluster = self._current.get(upstream)
            if cluster is None:
                return SchemaSet(), SourceState(ok=False, error=f"there is no {upstream}")
            return cluster.schema, cluster.schema_source
        return self._schemas[name], SourceState()

    def _borrow(self, name: str) -> tuple[SchemaSet, SourceState]:
        """Return the same for an upstream that may be started before its schema is in force."""
        try:
            return self.schema(name)
        except LookupError:
            return SchemaSet(), SourceState(ok=False, error=f"{name} is not in force yet")

    async def refresh_schema(self, name: str) -> None:
        """Read the descriptors of a schema resource again now."""
        cluster = self._current.get(self._reflected.get(name, ""))
        if cluster is not None:
            await cluster.refresh_schema()

    def _changed(self) -> None:
        methods: dict[str, Method] = {}
        disputed: set[str] = set()
        for cluster in self._current.values():
            for path, method in cluster.schema.methods.items():
                if methods.setdefault(path, method).shape is not method.shape:
                    disputed.add(path)
        for path in disputed:
            del methods[path]
        if methods != self._methods:
            self._methods = methods
            for cluster in self._current.values():
                cluster.lent()
            self.on_methods()
        self.changes.set(self.changes.value + 1)


def _live(upstream: Upstream) -> Upstream:
    """Return the upstream without what the cluster does not depend on, for comparison."""
    return replace(upstream, timeout=None)
