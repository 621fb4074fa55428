"""Where in a message the conversion is, and what is wrong there.

Paths are relative to the resource; `Places` puts in front where the resource itself is: `routes[2]` in a file,
`config.routes[2]` in ApplyConfig, `route` in a request about one, `routes/checkout` when it is elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edge.model.errors import Violation

Locate = Callable[[str], str]
"""Finds the place of a field path in a file, as `file:line:column`, or returns an empty text."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a resource."""

    path: str
    """The path of the field within the resource. Empty for the resource as a whole."""

    description: str
    """What is wrong and how to mend it."""


class Scope:
    """A place in a message. All scopes of one message collect into one list."""

    __slots__ = ("path", "problems")

    def __init__(self, path: str = "", problems: list[Problem] | None = None) -> None:
        self.path = path
        """The path from the resource to here."""
        self.problems: list[Problem] = [] if problems is None else problems
        """What was refused, here and in every other scope of the message."""

    def field(self, name: str) -> Scope:
        """Return the scope of a field."""
        return Scope(join(self.path, name), self.problems)

    def index(self, index: int) -> Scope:
        """Return the scope of an entry of a repeated field."""
        return Scope(f"{self.path}[{index}]", self.problems)

    def key(self, key: str) -> Scope:
        """Return the scope of an entry of a map."""
        return Scope(f'{self.path}["{key}"]', self.problems)

    def refuse(self, description: str) -> None:
        """Note that something is wrong here."""
        self.problems.append(Problem(self.path, description))


def join(prefix: str, path: str) -> str:
    """Return one path of two."""
    if not prefix or not path:
        return prefix or path
    return prefix + path if path.startswith("[") else f"{prefix}.{path}"


def locate_nearest(locate: Locate, path: str) -> str:
    """Return the place of a field, or of the nearest one around it that is in the file."""
    while path:
        if place := locate(path):
            return place
        cut = max(path.rfind("."), path.rfind("["))
        path = path[:cut] if cut > 0 else ""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where each resource stands in what somebody wrote."""

    prefixes: Mapping[str, str] = field(default_factory=dict)
    """The path of a resource in a request or a file, by its name. One that is not here goes by its name."""

    locate: Locate | None = None
    """Finds a path in the file. None when there is no file."""

    others: Places | None = None
    """Where to look for resources that are not in `prefixes`."""

    def violation(self, name: str, problem: Problem) -> Violation:
        """Return what is wrong with a resource, by its full path."""
        prefix = self.prefixes.get(name)
        if prefix is not None:
            path = join(prefix, problem.path)
            source = locate_nearest(self.locate, path) if self.locate else ""
            return Violation(path, problem.description, source)
        if self.others is None:
            return Violation(join(name, problem.path), problem.description)
        # the reader of this request did not write that resource: its name says more than an index in another file
        source = self.others.violation(name, problem).source
        return Violation(join(name, problem.path), problem.description, source)

    def violations(self, name: str, problems: Sequence[Problem]) -> list[Violation]:
        """Return all that is wrong with a resource."""
        return [self.violation(name, problem) for problem in problems]

    def replace(self, violation: Violation) -> Violation:
        """Return a violation whose path begins with the name of a resource with the path that is meant instead."""
        collection, slash, rest = violation.field.partition("/")
        if not slash:
            return violation
        cut = next((index for index, letter in enumerate(rest) if letter in ".["), len(rest))
        path = rest[cut:].removeprefix(".")
        return self.violation(f"{collection}/{rest[:cut]}", Problem(path, violation.description))


NOWHERE = Places()
"""Every resource goes by its name."""
