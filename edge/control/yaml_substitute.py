"""Environment variables in the values of a file: `${NAME}`, `${NAME:-default}`, and `$${` for a literal `${`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from edge.control.yaml_nodes import ScalarNode

_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?")


class BadReference(Exception):
    """A reference to the environment that cannot be resolved. Its text says why and how to mend it."""


def substitute(node: ScalarNode, environment: Mapping[str, str]) -> ScalarNode:
    """Return the value with its references resolved. One without references is returned as it is.

    Raises:
        BadReference: a variable is not set and has no default, or `${` begins no reference.
    """
    if "${" not in node.text:
        return node
    found = False

    def value(match: re.Match[str]) -> str:
        nonlocal found
        if match[0] == "$${":
            return "${"
        name, default = match.groups()
        if name is None:
            raise BadReference(
                "`${` begins no reference; write `${NAME}` or `${NAME:-default}`, or `$${` for the text `${`"
            )
        found = True
        if (current := environment.get(name)) is not None and (current or default is None):
            return current
        if default is None:
            raise BadReference(
                f"the environment variable {name} is not set; set it, or give a default as in `${{{name}:-value}}`"
            )
        return default

    text = _REFERENCE.sub(value, node.text)
    return replace(node, text=text, substituted=found)


def escape(text: str) -> str:
    """Return what has to stand in a file for `text` to be read."""
    return text.replace("${", "$${")
