"""All resources together: each converted, or taken from the time before when it did not change, then the references."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from edge.control.conversion.availability import check_available, refused
from edge.control.conversion.gather import name_problem
from edge.control.conversion.plain import plain_http
from edge.control.conversion.policies import convert_consumer, convert_policy
from edge.control.conversion.policies_resilience import one_kind_of_attempts
from edge.control.conversion.routes import convert_route
from edge.control.conversion.schemas import convert_schema
from edge.control.conversion.scope import NOWHERE, Places, Problem, Scope
from edge.control.conversion.upstreams import convert_upstream
from edge.control.kinds import CONSUMER, KINDS, POLICY, ROUTE, SCHEMA, UPSTREAM, Kind, Reference, kind_of
from edge.control.resources import Resources
from edge.model.config import Configuration, Schema
from edge.model.errors import InvalidRequest, Violation
from edge.model.hints import nearest
from edge.model.upstreams import Upstream

_CONVERT: Mapping[Kind, Callable[[Any, Scope], Any]] = {
    UPSTREAM: convert_upstream,
    ROUTE: convert_route,
    POLICY: convert_policy,
    CONSUMER: convert_consumer,
    SCHEMA: convert_schema,
}

_HINTS = 20
"""The most dangling references that get a hint, which takes a comparison with every name."""


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of one resource."""

    source: Message
    """The resource. The same object means that nothing has to be done again."""

    model: Any
    """Its value for the model. It means something only without problems."""

    problems: tuple[Problem, ...]
    """What is wrong with it, seen by itself."""

    references: tuple[Reference, ...]
    """The resources it names."""


def convert(resources: Resources, *, revision: int, places: Places = NOWHERE) -> Configuration:
    """Convert all resources.

    Raises:
        InvalidRequest: something is wrong; the violations say all that is.
    """
    return Converter().convert(resources, revision=revision, places=places).configuration


@dataclass(frozen=True, slots=True)
class Conversion:
    """A configuration, and what may be reused of it."""

    configuration: Configuration
    """The configuration."""

    converted: Mapping[str, Converted]
    """What became of each resource, by name."""


class Converter:
    """Converts again and again, and does only what is new since the conversion that was kept last."""

    def __init__(self) -> None:
        self._converted: Mapping[str, Converted] = {}

    def convert(
        self,
        resources: Resources,
        *,
        revision: int,
        places: Places = NOWHERE,
        violations: Sequence[Violation] = (),
        fresh: AbstractSet[str] = frozenset(),
    ) -> Conversion:
        """Convert all resources.

        Args:
            resources: The resources.
            revision: The number the configuration gets.
            places: Where the resources stand in what somebody wrote.
            violations: What is known to be wrong already.
            fresh: The names of resources to convert anew although they did not change: files they read may have.

        Raises:
            InvalidRequest: something is wrong; the violations say all that is.
        """
        converted: dict[str, Converted] = {}
        models: dict[str, dict[str, Any]] = {collection: {} for collection in KINDS}
        found = list(violations)
        for kind in KINDS.values():
            for name, message in resources.of(kind).items():
                known = self._converted.get(name)
                if known is None or known.source is not message or name in fresh:
                    known = _converted(message, kind)
                converted[name] = known
                models[kind.collection][name] = known.model
                if known.problems:
                    found += places.violations(name, known.problems)
        found += _dangling(converted, resources, places)
        configuration = Configuration(revision=revision, **models)
        if not found:
            found += _cycles(configuration, places)
            found += plain_http(configuration, places)
            found += one_kind_of_attempts(configuration, places)
        if found:
            raise InvalidRequest.of(found)
        return Conversion(configuration, converted)

    def keep(self, conversion: Conversion) -> None:
        """Reuse this conversion from now on. One that is not in force is not kept: it may have read other files."""
        self._converted = conversion.converted

    def users(self, name: str, resources: Resources) -> list[str]:
        """Return the sorted names of the resources that name this one."""
        users = set()
        for message in resources:
            known = self._converted.get(message.name)
            kind = kind_of(message.name)
            if known is not None and known.source is message:
                references: Any = known.references
            else:
                references = kind.references(message) if kind else ()
            if any(reference.name == name for reference in references):
                users.add(message.name)
        return sorted(users)


def reads_files(message: Any) -> bool:
    """Whether the conversion of a resource reads files, which may change while the resource stays the same."""
    return (isinstance(message, UPSTREAM.message) and message.HasField("tls")) or (
        isinstance(message, SCHEMA.message) and message.HasField("file")
    )


def _converted(message: Any, kind: Kind) -> Converted:
    scope = Scope()
    if problem := name_problem(message.name, kind):
        scope.field("name").refuse(problem)
    check_available(message, scope)
    # one complaint for each field: what is refused as a whole is not looked into
    silent = refused(scope)
    details = Scope()
    model = _CONVERT[kind](message, details)
    problems = [*scope.problems, *(problem for problem in details.problems if not _within(problem.path, silent))]
    return Converted(message, model, tuple(problems), tuple(kind.references(message)))


def _within(path: str, paths: frozenset[str]) -> bool:
    return any(path == outer or path.startswith((f"{outer}.", f"{outer}[")) for outer in paths)


def _dangling(converted: Mapping[str, Converted], resources: Resources, places: Places) -> list[Violation]:
    violations: list[Violation] = []
    for name, result in converted.items():
        silent: frozenset[str] | None = None
        for reference in result.references:
            if reference.name in converted and reference.name.startswith(reference.collection):
                continue
            if silent is None:
                silent = frozenset(p.path for p in result.problems)
            if _within(reference.path, silent):
                continue
            kind = KINDS[reference.collection]
            hint = _hint(reference.name, kind, resources) if len(violations) < _HINTS else ""
            violations.append(places.violation(name, Problem(reference.path, _dangling_words(reference, kind) + hint)))
    return violations


def _dangling_words(reference: Reference, kind: Kind) -> str:
    if kind.owns(reference.name):
        return f"there is no `{reference.name}`"
    return f"`{reference.name[:100]}` is no name of {_article(kind.singular)}, as in `{kind.name('example')}`"


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _hint(name: str, kind: Kind, resources: Resources) -> str:
    identifiers = {known.partition("/")[2] for known in resources.of(kind)}
    best = nearest(name.rpartition("/")[2], identifiers)
    return f"; did you mean `{kind.name(best)}`?" if best else ""


def _cycles(configuration: Configuration, places: Places) -> list[Violation]:
    """Refuse upstreams whose schema is learnt, in one or more steps, from themselves."""
    violations = []
    for name, upstream in configuration.upstreams.items():
        way = [name]
        step: Upstream | None = upstream
        while step is not None and step.schema:
            schema: Schema = configuration.schemas[step.schema]
            way += [schema.name, schema.reflection_upstream]
            step = configuration.upstreams.get(schema.reflection_upstream)
            if schema.reflection_upstream in way[:-1]:
                break
        if len(way) > 1 and way[-1] == name:
            words = (
                f"{' → '.join(way)} is a circle; leave `schema` empty, then the upstream itself is asked by reflection"
            )
            violations.append(places.violation(name, Problem("schema", words)))
    return violations
