"""A radix tree over the segments of paths.

Each node has edges to the nodes beneath it: by a run of static segments (runs that do not branch are one edge, so a
look-up hops over `/api/v1/users` at once), by one segment of any text, and by the rest. What belongs to a template is
its leaf.

A search walks the most specific edge first (static, single, rest) and comes back to the others later, so leaves come
out the most specific first and the caller stops at the first one it can use. Each node is visited at most once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from edge.routing.template import PathTemplate, SegmentKind

T = TypeVar("T")

_REST = -1


class _Edge(Generic[T]):
    """A run of static segments and the node it leads to."""

    __slots__ = ("length", "node", "run")

    def __init__(self, run: list[str], node: _Node[T]) -> None:
        self.run = run
        self.length = len(run)
        self.node = node


class _Node(Generic[T]):
    """A place between two segments."""

    __slots__ = ("edges", "leaf", "rest", "single")

    def __init__(self) -> None:
        self.edges: dict[str, _Edge[T]] = {}
        """The runs by their first segment: no two runs of a node share it."""
        self.single: _Node[T] | None = None
        self.leaf: T | None = None
        """What belongs to the template that ends here."""
        self.rest: T | None = None
        """What belongs to the template that takes the rest from here."""


class RadixTree(Generic[T]):
    """Finds the leaves of the templates that take a path, the most specific first."""

    __slots__ = ("_root", "_size")

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def insert(self, template: PathTemplate, leaf: T) -> T:
        """Return the leaf of a template; `leaf` becomes it when there is none. Names of parameters do not count."""
        node = self._root
        run: list[str] = []
        for segment in template.segments:
            if segment.kind is SegmentKind.STATIC:
                run.append(segment.text)
                continue
            node = self._descend(node, run)
            run = []
            if segment.kind is SegmentKind.REST:
                if node.rest is None:
                    node.rest = leaf
                    self._size += 1
                return node.rest
            if node.single is None:
                node.single = _Node()
            node = node.single
        node = self._descend(node, run)
        if node.leaf is None:
            node.leaf = leaf
            self._size += 1
        return node.leaf

    @staticmethod
    def _descend(node: _Node[T], run: list[str]) -> _Node[T]:
        """Return the node at the end of a run of static segments, made when there is none."""
        while run:
            edge = node.edges.get(run[0])
            if edge is None:
                end: _Node[T] = _Node()
                node.edges[run[0]] = _Edge(run, end)
                return end
            common = 1
            while common < min(len(run), edge.length) and run[common] == edge.run[common]:
                common += 1
            if common < edge.length:
                middle: _Node[T] = _Node()
                middle.edges[edge.run[common]] = _Edge(edge.run[common:], edge.node)
                edge = node.edges[run[0]] = _Edge(run[:common], middle)
            node, run = edge.node, run[common:]
        return node

    def find(self, path: Sequence[str]) -> Iterator[T]:
        """Yield the leaves that take a path, as `split_path` returns it, the most specific first."""
        count = len(path)
        if count < 2 or path[0]:
            return
        node = self._root
        at = 1
        pending: list[tuple[_Node[T], int]] = []
        while True:
            if node.rest is not None:
                # the least specific of all that lies beneath this node, so it goes in first and comes out last
                pending.append((node, _REST))
            if at == count:
                if node.leaf is not None:
                    yield node.leaf
            else:
                segment = path[at]
                edge = node.edges.get(segment)
                single = node.single
                if single is not None and segment:
                    pending.append((single, at + 1))
                if edge is not None and (edge.length == 1 or path[at : at + edge.length] == edge.run):
                    node = edge.node
                    at += edge.length
                    continue
            while pending:
                node, at = pending.pop()
                if at != _REST:
                    break
                if node.rest is not None:
                    yield node.rest
            else:
                return
