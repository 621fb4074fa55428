"""YAML text as a tree of nodes that know their line and column.

PyYAML's parser gives events; the tree is built here instead of by `yaml.compose`, because that recurses (deep nesting
would end the process) and follows aliases without a bound. Values stay text: the field they are for decides what they
mean. JSON is read too: YAML is a superset of it but for a few characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from edge.control.yaml_syntax import explain
from edge.model.errors import InvalidRequest, Violation

MAX_DEPTH = 32
"""The deepest nesting taken. Protobuf takes 100 messages, and a level of a Struct needs three."""

MAX_ALIASED = 100_000
"""The most nodes that aliases may repeat, so that a short text cannot become an endless one."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG = "tag:yaml.org,2002:"
_IGNORED_TAGS = frozenset(_TAG + name for name in ("int", "float", "bool", "null", "map", "seq"))
_TEXT_TAGS = frozenset({_TAG + "str", "!"})
_JSON_DIFFERENCE = re.compile(
    r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\.|[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a text."""

    line: int
    """The line, from 1."""

    column: int
    """The column, from 1."""


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A single value."""

    text: str
    """The value as written, without quotes."""

    plain: bool
    """Whether it stood there without quotes, so that it may be a number, a boolean or nothing."""

    mark: Mark
    """Where it begins."""

    substituted: bool = False
    """Whether a part of it came from the environment; it may be a secret then."""


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list of values."""

    items: tuple[Node, ...]
    """The values."""

    mark: Mark
    """Where it begins."""


@dataclass(frozen=True, slots=True)
class MapNode:
    """Keys and their values, in the order written. Keys may repeat: who reads it says so with the full path."""

    entries: tuple[tuple[ScalarNode, Node], ...]
    """The keys and values."""

    mark: Mark
    """Where it begins."""


Node = ScalarNode | ListNode | MapNode


def parse(text: str, name: str) -> tuple[Node | None, ...]:
    """Return the root of each YAML document of a text; None for an empty one.

    Args:
        text: The YAML or JSON.
        name: What violations call the text, such as the name of the file.

    Raises:
        InvalidRequest: it is not YAML, or not of the kind that is taken.
    """
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] in {"{", "["}:
        text = _JSON_DIFFERENCE.sub(_as_yaml, text)
    try:
        return _Composer(name).documents(_events(text))
    except yaml.YAMLError as error:
        description, line, column = explain(error, text)
        raise InvalidRequest.of([Violation("", description, f"{name}:{line}:{column}")]) from None
    except UnicodeEncodeError as error:  # a lone surrogate, which no UTF-8 file can hold
        before = text[: error.start]
        place = f"{name}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
        raise InvalidRequest.of([Violation("", "this character is not valid Unicode", place)]) from None


def _events(text: str) -> Iterator[Any]:
    return yaml.parse(text, Loader=_LOADER)


def _as_yaml(match: re.Match[str]) -> str:
    """Turn what JSON and YAML read differently into an escape of YAML.

    These are the pair of escapes for a character beyond U+FFFF, and what YAML forbids or takes for a line end.
    """
    high, low = match.groups()
    if high is not None:
        return f"\\U{0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00:08x}"
    return match[0] if match[0].startswith("\\") else f"\\u{ord(match[0]):04x}"


class _Open:
    """A collection whose end has not come yet."""

    __slots__ = ("anchor", "height", "is_map", "items", "mark", "size")

    def __init__(self, *, is_map: bool, anchor: str | None, mark: Mark) -> None:
        self.is_map = is_map
        self.anchor = anchor
        self.mark = mark
        self.items: list[Node] = []
        self.size = 1
        self.height = 1


class _Composer:
    """Builds the trees from the events."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int, int]] = {}
        self._aliased = 0
        self._root: Node | None = None

    def documents(self, events: Iterator[Any]) -> tuple[Node | None, ...]:
        roots: list[Node | None] = []
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._root = None
                self._anchors.clear()
            elif isinstance(event, yaml.DocumentEndEvent):
                roots.append(self._root)
            elif isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self._begin(event)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._end()
        return tuple(roots)

    def _scalar(self, event: Any) -> None:
        mark = _mark(event)
        if event.tag is not None and event.tag not in _IGNORED_TAGS | _TEXT_TAGS:
            raise self._refusal(mark, f"the tag `{_short(event.tag)}` is not taken; write a plain value")
        plain = event.style in (None, "") and event.tag not in _TEXT_TAGS
        self._add(ScalarNode(event.value, plain, mark), event.anchor, 1, 0)

    def _alias(self, event: Any) -> None:
        mark = _mark(event)
        if any(opened.anchor == event.anchor for opened in self._stack):
            raise self._refusal(mark, f"`*{_short(event.anchor)}` stands inside what it refers to")
        if event.anchor not in self._anchors:
            raise self._refusal(mark, f"`*{_short(event.anchor)}` refers to an anchor that is not there")
        node, size, height = self._anchors[event.anchor]
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise self._refusal(mark, f"aliases repeat more than {MAX_ALIASED} values")
        if len(self._stack) + height > MAX_DEPTH:
            raise self._refusal(mark, f"this is nested more than {MAX_DEPTH} levels deep")
        self._add(node, None, size, height)

    def _begin(self, event: Any) -> None:
        mark = _mark(event)
        if event.tag is not None and event.tag not in _IGNORED_TAGS:
            raise self._refusal(mark, f"the tag `{_short(event.tag)}` is not taken; leave it out")
        if len(self._stack) >= MAX_DEPTH:
            raise self._refusal(mark, f"this is nested more than {MAX_DEPTH} levels deep")
        is_map = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Open(is_map=is_map, anchor=event.anchor, mark=mark))

    def _end(self) -> None:
        done = self._stack.pop()
        node: Node
        if done.is_map:
            keys, values = done.items[::2], done.items[1::2]
            entries: list[tuple[ScalarNode, Node]] = []
            for key, value in zip(keys, values, strict=True):
                if not isinstance(key, ScalarNode):
                    raise self._refusal(key.mark, "a key has to be a single word, not a list or a mapping")
                entries.append((key, value))
            node = MapNode(tuple(entries), done.mark)
        else:
            node = ListNode(tuple(done.items), done.mark)
        self._add(node, done.anchor, done.size, done.height)

    def _add(self, node: Node, anchor: str | None, size: int, height: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, size, height)
        if not self._stack:
            self._root = node
            return
        parent = self._stack[-1]
        parent.items.append(node)
        parent.size += size
        parent.height = max(parent.height, height + 1)

    def _refusal(self, mark: Mark, description: str) -> InvalidRequest:
        return InvalidRequest.of([Violation("", description, f"{self._name}:{mark.line}:{mark.column}")])


def _mark(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"
