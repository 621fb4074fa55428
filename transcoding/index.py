"""What HTTP callers can reach under one configuration: rules by path, methods by name.

    snapshot ─┐
              ├─ offers per route and schema (kept) ─ Index ─ one reference, swapped
    schemas ──┘

`IndexKeeper` follows both. A change of the configuration is indexed at once, so that the next call finds it; a schema
that was learnt is compiled in a worker thread first.
"""

from __future__ import annotations

import asyncio
import difflib
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from edge.model.config import Route
from edge.model.schema import SchemaError, SchemaSet
from edge.model.snapshot import Snapshot
from edge.model.upstreams import UpstreamProtocol
from edge.model.watch import Watch
from transcoding.offer import Offer
from transcoding.offers import RouteOffers, check_offers, compile_offers
from transcoding.rest.rule import RestRule
from transcoding.rules.binding import Problem
from transcoding.rules.matcher import Matcher

_log = logging.getLogger(__name__)

_COMPARED = 100
"""The most templates that a path nobody takes is compared with: each may take 50 µs, and anybody may ask."""

_LONGEST = 100
"""The most characters of a path that are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """What HTTP callers can reach. Immutable."""

    snapshot: Snapshot = field(default_factory=Snapshot)
    """The configuration."""

    rules: Matcher[RestRule] = field(default_factory=lambda: Matcher(()))
    """The rules by verb and path."""

    methods: Mapping[str, tuple[Offer, ...]] = field(default_factory=dict)
    """The methods by path on the wire, each as often as a route offers it."""

    routes: Mapping[str, tuple[RouteOffers, ...]] = field(default_factory=dict)
    """What each route offers, by its name: one entry for each schema of its upstreams."""

    problems: tuple[str, ...] = ()
    """The rules of learnt schemas that are not served, with the reasons, for people."""

    plain: bool = False
    """Whether a route leads to an upstream that speaks plain HTTP, or answers by itself."""

    def nearest(self, path: str) -> str:
        """Return the template that is most like a path, or the empty text."""
        rules = (rule for offers in self.routes.values() for offered in offers for rule in offered.rules)
        templates = {str(rule.binding.template): None for rule in itertools.islice(rules, _COMPARED)}
        found = difflib.get_close_matches(path[:_LONGEST], templates, n=1, cutoff=0.6)
        return found[0] if found else ""


_AT_ONCE = 200
"""The most methods that are compiled at once when a schema was learnt, in some twenty milliseconds. Whoever hears of
it, by health or reflection, can then call its methods."""

_Key = tuple[str, str]
"""The name of a route and the hash of a schema."""

_Wanted = Mapping[_Key, tuple[Route, SchemaSet]]


class IndexKeeper:
    """Keeps an index of the configuration in force.

    Args:
        snapshot: The configuration in force.
        changes: Counts changes of schemas, among others.
        spawn: Runs a coroutine in the background and owns it; `name` is what it is called.
    """

    def __init__(self, snapshot: Watch[Snapshot], changes: Watch[int], spawn: Callable[..., object]) -> None:
        self.index = Index()
        self._snapshot = snapshot
        self._spawn = spawn
        self._kept: dict[_Key, RouteOffers] = {}
        self._checked: dict[_Key, RouteOffers] = {}
        self._schemas: tuple[str, ...] = ()
        self._told: frozenset[str] = frozenset()
        self._busy = False
        snapshot.listen(self._configured)
        changes.listen(self._learnt)

    def check(self, snapshot: Snapshot) -> Iterator[tuple[Route, Problem]]:
        """Yield what is wrong with the rules of routes whose schema is part of a configuration, before it is in force.

        Rules that are learnt by reflection cannot be refused: they are left out, with a warning. What is compiled here
        is not compiled again when the configuration comes into force.
        """
        self._checked = {}
        upstreams = snapshot.configuration.upstreams
        for plan in snapshot.plans.values():
            for upstream in plan.upstreams if plan.route.transcoding is not None else ():
                if upstream.protocol is not UpstreamProtocol.GRPC or not upstreams[upstream.name].schema:
                    continue
                schema = upstream.cluster.schema
                key = (plan.route.name, schema.hash)
                kept = self._kept.get(key)
                try:
                    offered = kept if _fits(kept, plan.route) else compile_offers(plan.route, schema)
                except SchemaError:
                    continue  # the schema has been refused for that
                self._checked[key] = offered
                for problem in check_offers(offered, schema):
                    yield plan.route, problem

    def _configured(self, snapshot: Snapshot) -> None:
        """Index a configuration that is in force from now on."""
        self._swap(snapshot, _wanted(snapshot))

    def _learnt(self, _: int) -> None:
        """Index the schemas that were learnt, once they are compiled. Most changes are of other things."""
        snapshot = self._snapshot.value
        if self._busy or _schemas(snapshot) == self._schemas:
            return
        wanted = _wanted(snapshot)
        missing = self._missing(wanted)
        if sum(len(schema.methods) for _, schema in missing.values()) > _AT_ONCE:
            self._busy = True
            self._spawn(self._compile(missing), name="compile transcoding rules")
        else:
            self._swap(snapshot, wanted)

    async def _compile(self, missing: _Wanted) -> None:
        try:
            self._kept.update(await asyncio.to_thread(_compile_all, missing))
        finally:
            self._busy = False
        self._learnt(0)  # perhaps something more was learnt meanwhile

    def _missing(self, wanted: _Wanted) -> _Wanted:
        return {
            key: (route, schema) for key, (route, schema) in wanted.items() if not _fits(self._kept.get(key), route)
        }

    def _swap(self, snapshot: Snapshot, wanted: _Wanted) -> None:
        self._kept.update((key, found) for key, found in self._checked.items() if key in wanted)
        self._checked = {}
        made = _compile_all(self._missing(wanted))
        self._kept = {key: made.get(key) or self._kept[key] for key in wanted}
        self._schemas = _schemas(snapshot)
        self.index = _build(snapshot, self._kept)
        problems = frozenset(self.index.problems)
        for problem in sorted(problems - self._told):
            _log.warning("%s", problem)
        self._told = problems


def _fits(offered: RouteOffers | None, route: Route) -> TypeGuard[RouteOffers]:
    """Whether offers are those of a route, whatever else became of it since they were compiled."""
    if offered is None:
        return False
    before = offered.route
    return before.transcoding == route.transcoding and before.matches == route.matches


def _schemas(snapshot: Snapshot) -> tuple[str, ...]:
    """Return what is known of the upstreams, for comparison."""
    return tuple(cluster.schema.hash for cluster in snapshot.clusters.values())


def _wanted(snapshot: Snapshot) -> _Wanted:
    """Return what has to be compiled for a configuration with the schemas that are known now."""
    wanted: dict[_Key, tuple[Route, SchemaSet]] = {}
    for plan in snapshot.plans.values():
        if plan.route.transcoding is None:
            continue
        for upstream in plan.upstreams:
            schema = upstream.cluster.schema
            if upstream.protocol is UpstreamProtocol.GRPC and schema.files:
                wanted[plan.route.name, schema.hash] = (plan.route, schema)
    return wanted


def _compile_all(missing: _Wanted) -> dict[_Key, RouteOffers]:
    made = {}
    for key, (route, schema) in missing.items():
        try:
            made[key] = compile_offers(route, schema)
        except SchemaError as error:
            _log.warning("%s: %s", route.name, error)
            made[key] = RouteOffers(route, (), (), ())
    return made


def _build(snapshot: Snapshot, kept: Mapping[_Key, RouteOffers]) -> Index:
    routes: dict[str, tuple[RouteOffers, ...]] = {}
    methods: dict[str, tuple[Offer, ...]] = {}
    problems: list[str] = []
    for (route, _), offered in kept.items():
        routes[route] = (*routes.get(route, ()), offered)
        problems += [f"{route}: {problem}" for problem in offered.problems]
        for offer in offered.offers:
            methods[offer.method.path] = (*methods.get(offer.method.path, ()), offer)
    return Index(
        snapshot=snapshot,
        rules=Matcher(
            (rule.binding.verb, rule.binding.template, rule) for offered in kept.values() for rule in offered.rules
        ),
        methods=methods,
        routes=routes,
        problems=tuple(problems),
        plain=any(
            not plan.upstreams or any(upstream.protocol is UpstreamProtocol.HTTP for upstream in plan.upstreams)
            for plan in snapshot.plans.values()
        ),
    )
