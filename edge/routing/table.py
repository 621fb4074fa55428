"""The route table: finds the most specific match of a call.

What decides, in this order:

    host       exact, then `*.` suffix (the longer one first), then any
    target     grpc service and method, grpc service, any grpc; http path, by segment: text, one, end, rest; none
    verb       given, then any
    conditions on headers and query: more of them; then more exact ones; then more prefixes
    priority   the larger one
    default    routes without matches take what is left, the larger priority first

`build` refuses two routes between which nothing of that decides. A `grpc` target takes calls of every protocol but
plain HTTP whose path is `/service/Method`. Such a call may also be taken by an `http` target, with that path and verb
POST, but any `grpc` target of the same host is preferred to it: who writes `grpc` means methods, who writes a path,
places.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge.model.call import Call
from edge.model.errors import InvalidRequest, Violation
from edge.model.snapshot import Explanation, Match, RoutePlan
from edge.routing.explain import explain
from edge.routing.hosts import HostIndex
from edge.routing.rule import DEFAULT, Rule, compile_rules
from edge.routing.ties import find_ties


class RadixRouteTable:
    """An immutable `RouteTable`. Make one with `build`."""

    __slots__ = ("_any", "_default", "_hosts", "_rules")

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Index rules that do not tie; `build` is the way in."""
        self._rules = tuple(rules)
        """Every rule, in the order of the configuration."""
        index = HostIndex()
        defaults = []
        for rule in self._rules:
            if rule.index == DEFAULT:
                defaults.append(rule)
            else:
                index.add(rule)
        index.freeze()
        self._any = index.any
        self._hosts = index if index.specific else None
        """None when no rule asks for a host: then nobody looks at hosts."""
        default = min(defaults, key=lambda rule: rule.order, default=None)
        self._default = default.fixed if default is not None else None

    @classmethod
    def build(cls, plans: Iterable[RoutePlan]) -> RadixRouteTable:
        """Compile the routes. What it costs grows with the number of matches, not with its square.

        Raises:
            InvalidRequest: a match is wrong, or two routes tie; there is a violation for each.
        """
        rules: list[Rule] = []
        violations: list[Violation] = []
        for plan in plans:
            compiled, found = compile_rules(plan)
            rules += compiled
            violations += found
        violations += find_ties(rules)
        if violations:
            raise InvalidRequest.of(violations)
        return cls(rules)

    def __len__(self) -> int:
        """Return the number of matches, default routes included."""
        return len(self._rules)

    def match(self, call: Call) -> Match | None:
        """Return the most specific match, or None. Does not change the call; any text will do."""
        found = self._any.match(call) if self._hosts is None else self._hosts.match(call)
        return self._default if found is None else found

    def explain(self, call: Call, *, max_misses: int = 20) -> Explanation:
        """Return the same match with its reasons, and why the others do not take the call. Slow."""
        return explain(call, self._rules, self.match(call), max_misses=max_misses)
