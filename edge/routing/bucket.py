"""The rules of one host and one target, in the order in which they are tried."""

from __future__ import annotations

from edge.model.call import Call
from edge.routing.conditions import Compare, Where, values_of
from edge.routing.rule import Rule

_FEW = 8
"""Up to so many rules are tried one after the other, which is as quick as looking them up."""


class Bucket:
    """Finds the first rule a call meets. `add` all, `freeze`, then `first`.

    Rules that an exact header or query value tells apart, as one route for each tenant, are looked up by that value:
    what a call costs does not grow with their number.
    """

    __slots__ = ("_indexes", "_others", "_rules", "sure")

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._indexes: dict[tuple[Where, str], dict[str, list[tuple[int, Rule]]]] = {}
        """By what an exact condition looks at, then by its value: rules with their place."""
        self._others: list[tuple[int, Rule]] = []
        """The rules without an exact condition, with their place."""
        self.sure: Rule | None = None
        """The first rule when it takes any call that gets here. Spares the call to `first`."""

    def __bool__(self) -> bool:
        return bool(self._rules)

    def add(self, rule: Rule) -> None:
        """Take in a rule."""
        self._rules.append(rule)

    def freeze(self) -> None:
        """Put the rules in order."""
        self._rules.sort(key=lambda rule: rule.order)
        if self._rules and self._rules[0].free:
            self.sure = self._rules[0]
        if len(self._rules) <= _FEW:
            return
        for place, rule in enumerate(self._rules):
            exact = next((each for each in rule.conditions if each.compare is Compare.EXACT), None)
            if exact is None:
                self._others.append((place, rule))
            else:
                index = self._indexes.setdefault((exact.where, exact.name), {})
                index.setdefault(exact.text, []).append((place, rule))

    def first(self, call: Call) -> Rule | None:
        """Return the first rule whose verb, headers and query a call meets, or None."""
        if not self._indexes:
            for rule in self._rules:
                if rule.free or rule.accepts(call):
                    return rule
            return None
        candidates = self._others.copy()
        for (where, name), index in self._indexes.items():
            for value in values_of(where, name, call):
                candidates += index.get(value, ())
        candidates.sort(key=_place)
        for _, rule in candidates:
            if rule.free or rule.accepts(call):
                return rule
        return None


def _place(candidate: tuple[int, Rule]) -> int:
    return candidate[0]
