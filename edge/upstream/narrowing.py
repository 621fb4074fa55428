"""Which endpoints get the calls of which method, where not all do.

    by health        an endpoint that says NOT_SERVING of a service gets no calls of its methods
    by reflection    a method goes to endpoints whose descriptors have it, as long as one of those takes calls

During a rolling upgrade that adds a method, its calls go to endpoints of the new version, all others to both. Endpoints
of which nothing is known come second. A method that no descriptors have goes to everybody: schemas may be incomplete.

Computed when something has changed; while nothing is narrowed a call costs the test of one attribute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge.balancing import Selection
from edge.model.balancing import BalancerSettings, LoadBalancing
from edge.model.endpoint import USABLE, Endpoint
from edge.model.schema import SchemaSet

Pattern = tuple[frozenset[str], frozenset[str]]
"""The hashes of the descriptors that have a method, and of those that may have it."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """Where the calls of some methods go."""

    selection: Selection
    """Chooses among the endpoints that get them."""

    words: str
    """Which ones do not, for people."""

    refusal: str = ""
    """Why a call is refused, in words that follow `upstreams/… is not available: `. Empty while one takes calls."""

    service: str = ""
    """The service that does not serve. Empty when it is not that."""


class Narrowing:
    """The methods of one upstream that not all endpoints get.

    Args:
        settings: How an endpoint is chosen.
        options: Which endpoints are preferred and how new ones are eased in.
    """

    def __init__(self, settings: BalancerSettings, options: LoadBalancing) -> None:
        self.active = False
        """Whether any method is narrowed."""
        self._settings = settings
        self._options = options
        self._known: dict[Endpoint, SchemaSet | None] = {}
        self._hashes: frozenset[str] = frozenset()
        self._patterns: dict[Pattern, list[str]] = {}
        self._methods: dict[str, Narrow] = {}
        self._services: dict[str, Narrow] = {}
        self._selections: dict[tuple[Endpoint, ...], Selection] = {}

    def find(self, method: str) -> Narrow | None:
        """Return where the calls of a method go by its path, or None when every endpoint gets them."""
        found = self._methods.get(method)
        if found is None and self._services:
            found = self._services.get(service_of(method))
        return found

    def learn(self, offered: Mapping[Endpoint, SchemaSet | None]) -> None:
        """Take over what endpoints offer. `update` comes next.

        Args:
            offered: The descriptors of the endpoints that were asked; None for one that offers no reflection. What was
                known of others stays, for as long as they are members.
        """
        self._known.update(offered)
        schemas = {schema.hash: schema for schema in self._known.values() if schema is not None}
        if schemas.keys() != self._hashes:
            self._hashes = frozenset(schemas)
            self._patterns = patterns(schemas)

    def update(self, endpoints: Sequence[Endpoint]) -> None:
        """Take over the endpoints, or what has changed about them."""
        if self._known:
            gone = self._known.keys() - set(endpoints)
            if gone:
                self._known = {one: schema for one, schema in self._known.items() if one not in gone}
                self.learn({})
        silent = frozenset().union(*(endpoint.not_serving for endpoint in endpoints)) if endpoints else frozenset()
        if not silent and not self._patterns:
            if self.active:
                self.active = False
                self._methods, self._services, self._selections = {}, {}, {}
            return
        before, self._selections = self._selections, {}
        self._services = {service: self._by_health(service, endpoints, before) for service in silent}
        self._methods = {}
        for pattern, methods in self._patterns.items():
            narrows: dict[str, Narrow | None] = {}
            for method in methods:
                service = service_of(method)
                service = service if service in silent else ""
                if service not in narrows:
                    narrows[service] = self._by_reflection(pattern, service, endpoints, before)
                if (narrow := narrows[service]) is not None:
                    self._methods[method] = narrow
        self.active = bool(self._methods or self._services)

    def _by_health(
        self, service: str, endpoints: Sequence[Endpoint], before: Mapping[tuple[Endpoint, ...], Selection]
    ) -> Narrow:
        serving = [endpoint for endpoint in endpoints if service not in endpoint.not_serving]
        out = len(endpoints) - len(serving)
        refusal = ""
        if not serving:
            refusal = f"none of its {len(endpoints)} endpoints serves {service}, as their health service says"
        elif not _usable(serving):
            refusal = (
                f"{out} of its {len(endpoints)} endpoints {_verb(out)} not serve {service}, as their health service "
                "says, and the others take no calls"
            )
        words = f"{out} of {len(endpoints)} endpoints left out that {_verb(out)} not serve {service}"
        return Narrow(self._select(serving, before), words, refusal, service)

    def _by_reflection(
        self,
        pattern: Pattern,
        service: str,
        endpoints: Sequence[Endpoint],
        before: Mapping[tuple[Endpoint, ...], Selection],
    ) -> Narrow | None:
        """Return where the methods of a pattern go, or None when that does not depend on descriptors."""
        having, maybe = pattern
        serving = [endpoint for endpoint in endpoints if not service or service not in endpoint.not_serving]
        sure: list[Endpoint] = []
        unsure: list[Endpoint] = []
        for endpoint in serving:
            schema = self._known.get(endpoint)
            if schema is None or schema.hash in maybe:
                unsure.append(endpoint)
            elif schema.hash in having:
                sure.append(endpoint)
        chosen = sure if _usable(sure) or not _usable(unsure) else unsure
        if not chosen:
            return None
        count, out = len(endpoints), len(endpoints) - len(chosen)
        refusal = ""
        if not _usable(chosen):
            refusal = (
                f"only {len(chosen)} of its {count} endpoints {_offer(len(chosen))} the method, and none takes calls"
            )
        words = f"{out} of {count} endpoints left out that {_verb(out)} not offer the method"
        if service:
            words += f", or {_verb(out)} not serve {service}"
        return Narrow(self._select(chosen, before), words, refusal)

    def _select(self, endpoints: Sequence[Endpoint], before: Mapping[tuple[Endpoint, ...], Selection]) -> Selection:
        """Return the selection over some endpoints, the same as before where they are the same."""
        key = tuple(endpoints)
        found = self._selections.get(key)
        if found is None:
            found = before.get(key) or Selection(self._settings, self._options)
            found.update(key)
            self._selections[key] = found
        return found


def patterns(schemas: Mapping[str, SchemaSet]) -> dict[Pattern, list[str]]:
    """Return the methods that some descriptors lack, by which ones have them.

    Args:
        schemas: The descriptors by hash.
    """
    found: dict[Pattern, list[str]] = {}
    if len(schemas) < 2:
        return found
    for method in sorted(set().union(*(schema.methods for schema in schemas.values()))):
        service = service_of(method)
        having = frozenset(digest for digest, schema in schemas.items() if method in schema.methods)
        maybe = frozenset(digest for digest, schema in schemas.items() if service in schema.lacking) - having
        if len(having) + len(maybe) < len(schemas):
            found.setdefault((having, maybe), []).append(method)
    return found


def service_of(method: str) -> str:
    """Return the service of a method by its path."""
    return method[1 : method.rfind("/")]


def _usable(endpoints: Iterable[Endpoint]) -> bool:
    return any(endpoint.state in USABLE for endpoint in endpoints)


def _verb(count: int) -> str:
    return "does" if count == 1 else "do"


def _offer(count: int) -> str:
    return "offers" if count == 1 else "offer"
