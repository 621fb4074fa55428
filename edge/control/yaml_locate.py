"""Finds the place of a field by its path. The tree is walked when asked, so a large file keeps no table of places."""

from __future__ import annotations

import re

from edge.control.yaml_nodes import ListNode, MapNode, Mark, Node, ScalarNode

_STEP = re.compile(r'\.?([^.\[\]"]+)|\[([0-9]+)\]|\["?([^\]"]*)"?\]')


def find(root: Node | None, field_path: str) -> Mark:
    """Return the place of a field, or of the nearest field around it that is there.

    A single value is where it stands, a list or a mapping is where its key stands.
    """
    if root is None:
        return Mark(1, 1)
    node, mark = root, root.mark
    for name, index, key in _STEP.findall(field_path):
        if index and isinstance(node, ListNode):
            if int(index[:9]) >= len(node.items):
                return mark
            node = node.items[int(index[:9])]
            mark = node.mark
        elif isinstance(node, MapNode):
            for written, value in node.entries:
                if written.text in {name or key or index, _camel(name)}:
                    node = value
                    mark = value.mark if isinstance(value, ScalarNode) and value.text else written.mark
                    break
            else:
                return mark
        else:
            return mark
    return mark


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)
