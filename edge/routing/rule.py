"""One match of a route, compiled: what a call has to meet and how specific that is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.model.call import NO_PARAMETERS, Call
from edge.model.config import GrpcTarget, HttpTarget, RouteMatch, ValueMatch
from edge.model.errors import Violation
from edge.model.snapshot import Match, RoutePlan
from edge.routing.conditions import (
    Compare,
    Condition,
    HostPattern,
    Where,
    call_verb,
    compile_condition,
    expand_verbs,
    parse_host,
)
from edge.routing.template import PathTemplate, parse_template

DEFAULT = -1
"""The index of the match of a route without any."""


@dataclass(frozen=True, slots=True)
class GrpcName:
    """What a `grpc` target asks for."""

    service: str
    """The full service name. Empty means any."""

    method: str
    """The method name. Empty means any."""


class Rule:
    """One match of a route, or the whole of a default route. Immutable once made."""

    __slots__ = (
        "bare",
        "binds",
        "conditions",
        "fixed",
        "free",
        "hosts",
        "index",
        "plan",
        "rank",
        "rest_binds",
        "route",
        "target",
        "target_rank",
        "verbs",
    )

    def __init__(
        self,
        plan: RoutePlan,
        index: int,
        *,
        hosts: Iterable[HostPattern] = (),
        target: GrpcName | PathTemplate | None = None,
        verbs: frozenset[str] = frozenset(),
        conditions: Iterable[Condition] = (),
    ) -> None:
        self.plan = plan
        self.index = index
        """The index of the match, or DEFAULT."""
        self.route = plan.route.name
        self.hosts = tuple(dict.fromkeys(hosts))
        """The hosts. Empty means any."""
        self.target = target
        self.verbs = verbs
        """The verbs, HEAD included where GET is. Empty means any."""
        self.conditions = tuple(dict.fromkeys(conditions))
        """The conditions on headers, then those on the query. One written twice counts once."""
        self.free = not verbs and not self.conditions
        """Whether host and target are all there is to meet."""
        self.target_rank = _target_rank(target, index)
        """How specific the target is: comparable between rules that take one call."""
        compares = [condition.compare for condition in self.conditions]
        self.bare = (
            1 if verbs else 0,
            len(compares),
            compares.count(Compare.EXACT),
            compares.count(Compare.PREFIX),
        )
        """How specific it is apart from host and target."""
        self.rank = (*self.bare, plan.route.priority)
        """What decides between rules of one host and one target; the larger one wins."""
        self.binds = target.parameters if isinstance(target, PathTemplate) else ()
        """The parameters of one segment: name and position in the split path."""
        self.rest_binds = target.rest_parameter if isinstance(target, PathTemplate) else ""
        """The parameter of the rest. Empty when there is none."""
        self.fixed = None if self.binds or self.rest_binds else Match(plan, index, NO_PARAMETERS)
        """The match, made once, when it binds nothing."""

    @property
    def label(self) -> str:
        """The rule for people, as in `routes/checkout matches[0]`."""
        return self.route if self.index == DEFAULT else f"{self.route} matches[{self.index}]"

    @property
    def order(self) -> tuple[int, int, int, int, int, str, int]:
        """The place among rules of one host and one target, the first one first. Ends in what is always different."""
        given, count, exact, prefix, priority = self.rank
        return (-given, -count, -exact, -prefix, -priority, self.route, self.index)

    def accepts(self, call: Call) -> bool:
        """Return whether verb, headers and query of a call fit; host and target are the table's to look up."""
        if self.verbs and call_verb(call) not in self.verbs:
            return False
        for condition in self.conditions:  # noqa: SIM110 - `all` makes a generator for every call
            if not condition.holds(call):
                return False
        return True

    def bind(self, path: list[str]) -> Match:
        """Return the match with the parameters of a path that fits, as `split_path` returns it."""
        if self.fixed is not None:
            return self.fixed
        parameters = {name: path[position] for name, position in self.binds}
        if self.rest_binds and isinstance(self.target, PathTemplate):
            parameters[self.rest_binds] = "/".join(path[len(self.target.segments) :])
        return Match(self.plan, self.index, parameters)

    def meets_with(self, other: Rule) -> bool:
        """Return whether one call can meet both, given that it meets host and target of both.

        Calls that repeat a header or parameter with different values do not count, see `Condition.excludes`.
        """
        if self.verbs and other.verbs and not self.verbs & other.verbs:
            return False
        return not any(mine.excludes(theirs) for mine in self.conditions for theirs in other.conditions)


def compile_rules(plan: RoutePlan) -> tuple[list[Rule], list[Violation]]:
    """Compile the matches of a route. A match with violations makes no rule."""
    route = plan.route
    if not route.matches:
        return [Rule(plan, DEFAULT)], []
    rules: list[Rule] = []
    violations: list[Violation] = []
    for index, match in enumerate(route.matches):
        field = f"{route.name}.matches[{index}]"
        found: list[Violation] = []
        hosts = _hosts(match.hosts, field, found)
        conditions = _conditions(Where.HEADER, match.headers, f"{field}.headers", found)
        conditions += _conditions(Where.QUERY, match.query, f"{field}.query", found)
        target, verbs = _target(match, field, found)
        if found:
            violations += found
        else:
            rules.append(Rule(plan, index, hosts=hosts, target=target, verbs=verbs, conditions=conditions))
    return rules, violations


def _target_rank(target: GrpcName | PathTemplate | None, index: int) -> tuple[int, ...]:
    if isinstance(target, GrpcName):
        return (5 if target.method else 4 if target.service else 3,)
    if isinstance(target, PathTemplate):
        return (2, *target.rank)
    return (0,) if index == DEFAULT else (1,)


def _target(
    match: RouteMatch, field: str, found: list[Violation]
) -> tuple[GrpcName | PathTemplate | None, frozenset[str]]:
    target = match.target
    if isinstance(target, HttpTarget):
        try:
            return parse_template(target.path), expand_verbs(target.methods)
        except ValueError as error:
            found.append(Violation(f"{field}.http.path", str(error)))
    elif isinstance(target, GrpcTarget):
        for part, name in (("service", target.service), ("method", target.method)):
            if "/" in name:
                hint = "write the service as `package.Service` and the method by its name alone"
                found.append(Violation(f"{field}.grpc.{part}", f"{name!r} has a `/`; {hint}"))
        if target.method and not target.service:
            hint = "add `service`, or leave `method` out"
            found.append(Violation(f"{field}.grpc.method", f"{target.method!r} needs a service; {hint}"))
        return GrpcName(target.service, target.method), frozenset()
    return None, frozenset()


def _hosts(hosts: Iterable[str], field: str, found: list[Violation]) -> list[HostPattern]:
    patterns: list[HostPattern] = []
    for position, host in enumerate(hosts):
        try:
            patterns.append(parse_host(host))
        except ValueError as error:
            found.append(Violation(f"{field}.hosts[{position}]", str(error)))
    return patterns


def _conditions(where: Where, matches: Iterable[ValueMatch], field: str, found: list[Violation]) -> list[Condition]:
    conditions: list[Condition] = []
    for position, match in enumerate(matches):
        try:
            conditions.append(compile_condition(where, match))
        except ValueError as error:
            found.append(Violation(f"{field}[{position}]", str(error)))
    return conditions
