"""Finds what belongs to a verb and a path, by path templates.

A trie of segments for each custom verb and one for templates without: the walk goes along literals first, then `*`,
then `**`, so what it finds is in order of preference. Decisions where google/api/http.proto is silent:

- `*` takes one segment that is not empty; `**` takes any, empty ones and none at all too;
- a slash at the end counts: `/a` and `/a/` differ;
- a raw `:` in the last segment begins a verb when a template with that verb takes the path, and is text for templates
  without verb besides. An escaped colon is always text;
- a path with a bad escape or with bytes that are no UTF-8 is refused when a template takes it by a wildcard. A literal
  compares the decoded bytes, whatever they are;
- dot segments are text. Whoever reads HTTP may resolve or refuse them before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from edge.model.errors import InvalidRequest, Violation
from transcoding.rules.escapes import BadEscape, decode, decode_but_slashes, decode_bytes, plain
from transcoding.rules.template import PathTemplate, SegmentKind

T = TypeVar("T")

ANY_VERB = "*"
"""The HTTP verb of what takes every verb: `custom: {kind: "*"}`."""

COMMON_VERBS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""What `Matcher.verbs` says of a path that takes every verb."""

_REST = -1
"""Marks a node of which what is pending is its `**`."""

_NO_TEXT = chr(0xD800)
"""Begins what stands for a segment with a bad escape: no decoded literal begins with it."""


class Candidate(Generic[T]):
    """What a verb and a path may mean. It is made for every request, so it is a plain slotted class."""

    __slots__ = ("value", "variables")

    def __init__(self, value: T, variables: dict[str, str]) -> None:
        self.value: T = value
        """What was registered."""
        self.variables: dict[str, str] = variables
        """The decoded text of the variables by field path, `book.name`."""


class _Entry(Generic[T]):
    """One template that was registered."""

    __slots__ = ("captures", "value", "wildcards")

    def __init__(self, template: PathTemplate, value: T) -> None:
        self.value = value
        # positions are one more than in the template: a path that is split at slashes begins with an empty piece;
        # where `**` ends is known for each path only
        self.captures: tuple[tuple[str, int, int | None, bool], ...] = tuple(
            (
                variable.name,
                variable.start + 1,
                None if template.segments[variable.end - 1].kind is SegmentKind.DOUBLE_STAR else variable.end + 1,
                variable.multi,
            )
            for variable in template.variables
        )
        captured = {number for variable in template.variables for number in range(variable.start, variable.end)}
        self.wildcards = tuple(
            slice(number + 1, None if segment.kind is SegmentKind.DOUBLE_STAR else number + 2)
            for number, segment in enumerate(template.segments)
            if segment.kind is not SegmentKind.LITERAL and number not in captured
        )
        """Where wildcards outside variables are: what they take has to be text all the same."""

    def plain(self, pieces: list[str]) -> Candidate[T]:
        """Return what a path without escapes means."""
        return Candidate(
            self.value,
            {
                name: "/".join(pieces[start:end]) if multi else pieces[start]
                for name, start, end, multi in self.captures
            },
        )

    def decoded(self, pieces: list[str]) -> Candidate[T]:
        """Return what any path means.

        Raises:
            InvalidRequest: a segment under a wildcard or within a variable is no text.
        """
        try:
            for wildcard in self.wildcards:
                for piece in pieces[wildcard]:
                    decode(piece)
            variables = {
                name: "/".join(map(decode_but_slashes, pieces[start:end])) if multi else decode(pieces[start])
                for name, start, end, multi in self.captures
            }
        except BadEscape as error:
            raise InvalidRequest.of([Violation("path", str(error))]) from None
        return Candidate(self.value, variables)


class _Leaf(Generic[T]):
    """What was registered for one shape of templates."""

    __slots__ = ("any", "verbs")

    def __init__(self) -> None:
        self.verbs: dict[str, tuple[_Entry[T], ...]] = {}
        """The entries by HTTP verb, those for any verb after them."""
        self.any: tuple[_Entry[T], ...] = ()

    def add(self, verb: str, entry: _Entry[T]) -> None:
        own = len(self.any)
        if verb == ANY_VERB:
            self.any = (*self.any, entry)
            self.verbs = {name: (*entries, entry) for name, entries in self.verbs.items()}
        else:
            entries = self.verbs.get(verb, self.any)
            split = len(entries) - own
            self.verbs[verb] = (*entries[:split], entry, *entries[split:])


class _Node(Generic[T]):
    """A place between two segments of templates."""

    __slots__ = ("leaf", "literals", "rest", "star")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.star: _Node[T] | None = None
        self.leaf: _Leaf[T] | None = None
        """What belongs to the templates that end here."""
        self.rest: _Leaf[T] | None = None
        """What belongs to the templates that take everything from here."""


class Matcher(Generic[T]):
    """An immutable table of templates.

    Args:
        entries: HTTP verb (`*` for any), template and value, in order of registration.
    """

    __slots__ = ("_plain", "_verbs")

    def __init__(self, entries: Iterable[tuple[str, PathTemplate, T]]) -> None:
        self._plain: _Node[T] = _Node()
        self._verbs: dict[str, _Node[T]] = {}
        for verb, template, value in entries:
            root = self._verbs.setdefault(template.verb, _Node()) if template.verb else self._plain
            _leaf(root, template).add(verb, _Entry(template, value))

    def candidates(self, verb: str, path: str) -> list[Candidate[T]]:
        """Return what a request may mean, the best first.

        A template with the path's custom verb comes before one without; then literals before `*` before `**`, segment
        by segment; then the HTTP verb itself before any verb; then the order of registration. HEAD means GET where
        nothing is registered for HEAD.

        Args:
            verb: The HTTP verb, as it was sent.
            path: The path as it was sent, with its escapes, without query.

        Raises:
            InvalidRequest: a template takes the path, but a segment under a wildcard holds a bad escape or no UTF-8.
        """
        unescaped = plain(path)
        found = self._find(path, unescaped)
        if verb == "HEAD" and not any("HEAD" in leaf.verbs for leaf, _ in found):
            verb = "GET"
        if unescaped:
            return [entry.plain(pieces) for leaf, pieces in found for entry in leaf.verbs.get(verb, leaf.any)]
        return [entry.decoded(pieces) for leaf, pieces in found for entry in leaf.verbs.get(verb, leaf.any)]

    def verbs(self, path: str) -> tuple[str, ...]:
        """Return the HTTP verbs with which some template takes a path, sorted: what `Allow` says (RFC 9110 10.2.1).

        HEAD is among them where GET is. All common verbs are there when any verb is taken. Empty for an unknown path.
        """
        leaves = [leaf for leaf, _ in self._find(path, plain(path))]
        found = {verb for leaf in leaves for verb in leaf.verbs}
        if any(leaf.any for leaf in leaves):
            found.update(COMMON_VERBS)
        if "GET" in found:
            found.add("HEAD")
        return tuple(sorted(found))

    def _find(self, path: str, unescaped: bool) -> list[tuple[_Leaf[T], list[str]]]:
        """Return the leaves that take a path, the best first, with the path's pieces as they were sent.

        Args:
            path: The path.
            unescaped: Whether it is `plain`.
        """
        pieces = path.split("/")
        if len(pieces) < 2 or pieces[0]:
            return []
        keys = pieces if unescaped else [_key(piece) for piece in pieces]
        found: list[tuple[_Leaf[T], list[str]]] = []
        if ":" in pieces[-1] and self._verbs:
            last, _, verb = pieces[-1].rpartition(":")
            root = self._verbs.get(_key(verb))
            if root is not None:
                _walk(root, [*keys[:-1], _key(last)], [*pieces[:-1], last], found)
        _walk(self._plain, keys, pieces, found)
        return found


def _leaf(node: _Node[T], template: PathTemplate) -> _Leaf[T]:
    """Return the leaf of a template, made when there is none."""
    for segment in template.segments:
        if segment.kind is SegmentKind.DOUBLE_STAR:
            node.rest = node.rest or _Leaf()
            return node.rest
        if segment.kind is SegmentKind.STAR:
            node.star = node.star or _Node()
            node = node.star
        else:
            node = node.literals.setdefault(segment.text, _Node())
    node.leaf = node.leaf or _Leaf()
    return node.leaf


def _key(piece: str) -> str:
    """Return what a segment is compared with literals by."""
    if plain(piece):
        return piece
    try:
        return decode_bytes(piece).decode("utf-8", "surrogateescape")
    except BadEscape:
        return _NO_TEXT + piece


def _walk(node: _Node[T], keys: list[str], pieces: list[str], found: list[tuple[_Leaf[T], list[str]]]) -> None:
    """Append the leaves beneath a root that take a path, the best first. No node is visited twice.

    Args:
        node: The root.
        keys: What lies between the slashes, as literals are compared.
        pieces: The same as it was sent.
        found: Where the leaves go.
    """
    # `/` is a path of no segments: the piece behind its slash is none
    count = 1 if len(keys) == 2 and not keys[1] else len(keys)
    at = 1
    pending: list[tuple[_Node[T], int]] = []
    while True:
        if node.rest is not None:
            # the worst of all that lies beneath this node, so it goes in first and comes out last
            pending.append((node, _REST))
        if at == count:
            if node.leaf is not None:
                found.append((node.leaf, pieces))
        else:
            key = keys[at]
            if node.star is not None and key:
                pending.append((node.star, at + 1))
            literal = node.literals.get(key)
            if literal is not None:
                node = literal
                at += 1
                continue
        while pending:
            node, at = pending.pop()
            if at != _REST:
                break
            if node.rest is not None:
                found.append((node.rest, pieces))
        else:
            return
