"""Why a call goes where it goes, in words for people.

The values of the call's headers and query parameters are never shown: they may be secrets. Configured values are.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edge.model.call import Call, Protocol
from edge.model.snapshot import Explanation, Match, Miss
from edge.routing.conditions import ANY_HOST_RANK, Compare, Condition, Where, call_verb, is_grpc_path, normal_host
from edge.routing.rule import DEFAULT, GrpcName, Rule
from edge.routing.template import PathTemplate, SegmentKind, split_path

_LONGEST = 200
"""The most characters of a call that are shown or compared: a caller chooses how long its path is."""

_ALIKE = 0.7
"""How alike two names have to be to be a typo of each other, 0 to 1."""


@dataclass(frozen=True, slots=True)
class _Check:
    """One condition of a rule, looked at for one call."""

    met: bool
    """Whether the call meets it."""

    words: str
    """The condition when it is met, else what is wrong."""

    likeness: float = 0.0
    """How alike the call and the unmet condition are, 0 to 1. Above 0 only for a likely typo."""


class _Question:
    """A call, taken apart once for all rules."""

    __slots__ = ("_alike", "call", "grpc", "host", "method", "path", "segments", "service", "shown")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.host = normal_host(call.host)
        self.path = call.method
        self.shown = self.path if len(self.path) <= _LONGEST else self.path[:_LONGEST] + "…"
        self.segments = split_path(self.path)
        raw = self.path.split("/")
        self.grpc = call.protocol is not Protocol.HTTP and is_grpc_path(raw)
        self.service, self.method = (raw[1], raw[2]) if self.grpc else ("", "")
        self._alike: dict[tuple[str, str], float] = {}

    def alike(self, given: str, wanted: str) -> float:
        """Return how alike two texts are when one may be a typo of the other, else 0."""
        key = (given, wanted)
        if key not in self._alike:
            # the quick ratios are upper bounds, and rule most texts out
            matcher = difflib.SequenceMatcher(None, wanted[:_LONGEST], given[:_LONGEST], autojunk=False)
            possible = matcher.real_quick_ratio() >= _ALIKE and matcher.quick_ratio() >= _ALIKE
            ratio = matcher.ratio() if possible else 0.0
            self._alike[key] = ratio if ratio >= _ALIKE else 0.0
        return self._alike[key]

    def checks(self, rule: Rule) -> Iterator[_Check]:
        """Yield the conditions of a rule, in the order in which they decide."""
        if rule.hosts:
            yield self._host(rule)
        if isinstance(rule.target, GrpcName):
            yield from self._grpc(rule.target)
        elif rule.target is not None:
            yield self._http(rule.target)
        if rule.verbs:
            yield self._verb(rule)
        for condition in rule.conditions:
            yield self._condition(condition)

    def host_rank(self, rule: Rule) -> tuple[int, int]:
        """Return how specific the best fitting host of a rule is."""
        return max((host.rank for host in rule.hosts if host.takes(self.host)), default=ANY_HOST_RANK)

    def _host(self, rule: Rule) -> _Check:
        best = max((host for host in rule.hosts if host.takes(self.host)), key=lambda host: host.rank, default=None)
        if best is not None:
            return _Check(True, f"host {best} {'takes ' + self.host if best.wildcard else 'equals'}")
        wanted = " or ".join(map(str, rule.hosts))
        given = f"is for {self.host[:_LONGEST]}" if self.host else "has no known host"
        return _Check(False, f"host {wanted} is asked for, the call {given}")

    def _grpc(self, target: GrpcName) -> Iterator[_Check]:
        if not self.grpc:
            kind = "a plain HTTP call" if self.call.protocol is Protocol.HTTP else f"for {self.shown}"
            yield _Check(False, f"a gRPC method /service/Method is asked for, the call is {kind}")
            return
        if not target.service:
            yield _Check(True, "any gRPC method")
            return
        if target.service != self.service:
            yield self._typo("service", target.service, self.service)
            return
        yield _Check(True, f"service {target.service}")
        if target.method:
            if target.method == self.method:
                yield _Check(True, f"method {target.method}")
            else:
                yield self._typo("method", target.method, self.method)

    def _typo(self, what: str, wanted: str, given: str) -> _Check:
        likeness = self.alike(given, wanted)
        hint = f"; did you mean {wanted}?" if likeness else ""
        return _Check(False, f"{what} {wanted} is asked for, the call names {given[:_LONGEST]}{hint}", likeness)

    def _http(self, template: PathTemplate) -> _Check:
        if template.takes(self.segments):
            return _Check(True, f"path {template} {'equals' if template.static else f'takes {self.shown}'}")
        if self.path.endswith("/") and template.takes(self.segments[:-1]):
            return _Check(False, f"path {template} has no slash at the end, the call has one", 1.0)
        if template.takes([*self.segments, ""]):
            return _Check(False, f"path {template} has a slash at the end, the call has none", 1.0)
        # what a wildcard would have taken is no typo
        given = self.segments[1 : _LONGEST + 1]
        guess = [
            segment.text if segment.kind is SegmentKind.STATIC else (given[at] if at < len(given) else "")
            for at, segment in enumerate(template.segments)
        ]
        if template.has_rest:
            guess[-1:] = given[len(guess) - 1 :]
        likeness = self.alike("/".join(given), "/".join(guess))
        hint = f"; did you mean /{'/'.join(guess)[:_LONGEST]}?" if likeness else ""
        return _Check(False, f"path {template} is asked for, the call is for {self.shown}{hint}", likeness)

    def _verb(self, rule: Rule) -> _Check:
        verb = call_verb(self.call)
        if verb in rule.verbs:
            return _Check(True, f"verb {verb}")
        given = f"has {verb[:_LONGEST]}" if verb else "has none"
        return _Check(False, f"verb {' or '.join(sorted(rule.verbs))} is asked for, the call {given}")

    def _condition(self, condition: Condition) -> _Check:
        if condition.holds(self.call):
            return _Check(True, str(condition))
        if condition.compare is Compare.ABSENT:
            return _Check(False, f"{condition.where.value} {condition.name} has to be absent, the call has it")
        present = Condition(condition.where, condition.name, Compare.PRESENT).holds(self.call)
        given = "another value" if present else "none"
        query = condition.where is Where.QUERY and not self.call.query
        return _Check(False, f"{condition} is asked for, the call has {'no query' if query else given}")


def explain(call: Call, rules: Sequence[Rule], match: Match | None, *, max_misses: int) -> Explanation:
    """Explain a match.

    Args:
        call: The call.
        rules: Every rule of the table.
        match: What the table found.
        max_misses: The most misses to return; the nearest ones stay. 0 or less returns none.
    """
    question = _Question(call)
    winner = _winner(rules, match)
    # with a route that asked for this very call, a name that is alike is no typo but a neighbour
    typos = winner is None or winner.target is None
    misses = sorted(
        (_miss(question, rule, winner, typos=typos) for rule in rules if rule is not winner), key=lambda pair: pair[0]
    )
    kept = max(max_misses, 0)
    return Explanation(
        match,
        _reasons(question, winner) if winner is not None else (),
        tuple(miss for _, miss in misses[:kept]),
        more_misses=max(len(misses) - kept, 0),
    )


def _winner(rules: Sequence[Rule], match: Match | None) -> Rule | None:
    if match is None:
        return None
    return next(rule for rule in rules if rule.plan is match.plan and rule.index == match.index)


def _reasons(question: _Question, winner: Rule) -> tuple[str, ...]:
    if winner.index == DEFAULT:
        return ("default route: no other route takes the call",)
    return tuple(check.words for check in question.checks(winner)) or ("takes any call",)


def _miss(
    question: _Question, rule: Rule, winner: Rule | None, *, typos: bool
) -> tuple[tuple[int, int, float, str, int], Miss]:
    """Return a miss with its place among the others: met wholly, nearness, likeness; then the name, for good order."""
    met = 0
    for check in question.checks(rule):
        if not check.met:
            likeness = check.likeness if typos else 0.0
            words = check.words if typos else check.words.partition("; did you mean ")[0]
            place = (-met, 1, -likeness, rule.route, rule.index)
            return place, Miss(rule.route, rule.index, words, met)
        met += 1
    # every condition is met, and being passed over is one step more
    met += 1
    reason = _preference(question, rule, winner) if winner is not None else ""  # what is met is never without a winner
    return (-met, 0, 0.0, rule.route, rule.index), Miss(rule.route, rule.index, reason, met)


def _preference(question: _Question, rule: Rule, winner: Rule) -> str:
    """Return why the winner is preferred to a rule that is met, too."""
    what = f"{winner.label} is preferred"
    if rule.index == DEFAULT and winner.index != DEFAULT:
        return f"{what}: a default route takes only what no other route takes"
    steps: tuple[tuple[str, Callable[[Rule], object]], ...] = (
        ("more specific by host", question.host_rank),
        (_target_words(winner), lambda one: one.target_rank),
        ("more specific by verb", lambda one: one.rank[0]),
        ("more header and query conditions", lambda one: one.rank[1]),
        ("more exact header and query conditions", lambda one: one.rank[2]),
        ("more header conditions on a prefix", lambda one: one.rank[3]),
        ("larger priority", lambda one: one.rank[4]),
    )
    for words, key in steps:
        if key(rule) != key(winner):
            return f"{what}: {words}"
    if rule.route == winner.route:
        return f"{what}: equally specific, and first in the route"
    return f"{what}: equally specific, and first by name (the call repeats a header or query parameter)"


def _target_words(winner: Rule) -> str:
    if isinstance(winner.target, PathTemplate):
        return "more specific by path"
    if isinstance(winner.target, GrpcName) and winner.target.service:
        return "more specific by method" if winner.target.method else "more specific by service"
    return "more specific by its target"
