"""Refuses matches of different routes between which nothing decides.

Two matches can only tie when they have the same host, the same target (names of parameters apart) and the same rank.
`Rivals` holds such rules. Among them, rules that ask for different exact values of one header or parameter never
meet in one call, so a new rule is compared only with those that ask for its own values: ten thousand routes that one
header tells apart are as quickly checked as ten thousand paths.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from edge.model.errors import Violation
from edge.routing.conditions import Compare, Where
from edge.routing.rule import DEFAULT, Rule

_Name = tuple[Where, str]
_Values = tuple[str | None, ...]


class _Group:
    """Rules that have exact conditions on the same names."""

    __slots__ = ("_indexes", "_rules", "names")

    def __init__(self, names: frozenset[_Name]) -> None:
        self.names = names
        self._rules: list[tuple[Rule, dict[_Name, str]]] = []
        self._indexes: dict[tuple[_Name, ...], dict[_Values, list[Rule]]] = {}

    def add(self, rule: Rule, exact: dict[_Name, str]) -> None:
        self._rules.append((rule, exact))
        for names, index in self._indexes.items():
            index.setdefault(tuple(map(exact.get, names)), []).append(rule)

    def candidates(self, exact: dict[_Name, str]) -> list[Rule]:
        """Return the rules that agree with these values on all the names both have."""
        common = tuple(sorted(self.names & exact.keys(), key=lambda name: (name[0].value, name[1])))
        index = self._indexes.get(common)
        if index is None:
            index = self._indexes[common] = {}
            for rule, values in self._rules:
                index.setdefault(tuple(map(values.get, common)), []).append(rule)
        return index.get(tuple(map(exact.get, common)), [])


class Rivals:
    """Rules of one host, one target and one rank."""

    __slots__ = ("_groups", "_seen")

    def __init__(self) -> None:
        self._groups: dict[frozenset[_Name], _Group] = {}
        self._seen: set[tuple[object, ...]] = set()

    def add(self, rule: Rule) -> Rule | None:
        """Take in a rule. Return the first one of another route that ties with it, or None."""
        key = (rule.route, rule.verbs, frozenset(rule.conditions))
        if key in self._seen:
            # the route says it twice: whatever ties with this one ties with the one before
            return None
        self._seen.add(key)
        if any(one.excludes(another) for one, another in itertools.combinations(rule.conditions, 2)):
            # only a call that repeats a name with different values meets it: see `Condition.excludes`
            return None
        exact = {
            (condition.where, condition.name): condition.text
            for condition in rule.conditions
            if condition.compare is Compare.EXACT
        }
        tie = next(self._ties(rule, exact), None)
        names = frozenset(exact)
        self._groups.setdefault(names, _Group(names)).add(rule, exact)
        return tie

    def _ties(self, rule: Rule, exact: dict[_Name, str]) -> Iterator[Rule]:
        for group in self._groups.values():
            for other in group.candidates(exact):
                if other.route != rule.route and other.meets_with(rule):
                    yield other


def find_ties(rules: Iterable[Rule]) -> list[Violation]:
    """Return a violation for each match that ties with an earlier one of another route."""
    rivals: dict[tuple[object, ...], Rivals] = {}
    violations: list[Violation] = []
    for rule in rules:
        for host in rule.hosts or (None,):
            found = rivals.setdefault((host, _target_key(rule), rule.rank), Rivals())
            other = found.add(rule)
            if other is not None:
                violations.append(_tie(rule, other))
                break
    return violations


def _target_key(rule: Rule) -> object:
    target = rule.target
    if target is None:
        return rule.index == DEFAULT
    # a GrpcName is its own key; a shape leaves the names of parameters out
    return getattr(target, "shape", target)


def _tie(rule: Rule, other: Rule) -> Violation:
    if rule.index == DEFAULT:
        what = f"{rule.label} and {other.label} are both default routes (no matches) with priority"
        mend = "add matches to one of them, or give one a larger priority"
        return Violation(f"{rule.route}.matches", f"{what} {rule.plan.route.priority}; {mend}")
    what = f"{rule.label} and {other.label} take the same calls and are equally specific, with priority"
    mend = "make one more specific (host, method or path, verb, header, query), or give one route a larger priority"
    return Violation(f"{rule.route}.matches[{rule.index}]", f"{what} {rule.plan.route.priority}; {mend}")
