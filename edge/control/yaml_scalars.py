"""Single values of a file, read as the field they are for asks.

The rules are those of the protobuf JSON mapping, on YAML 1.2's idea of what an unquoted value is: `yes` is a text, not
a boolean, and `1_000` is not a number.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from edge.control.yaml_nodes import ListNode, MapNode, Mark, Node, ScalarNode
from edge.model.hints import nearest

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_BASED = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_EVERYWHERE_A_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]*([eE][-+][0-9]+)?)?")
_SPECIAL = {"nan": math.nan, "infinity": math.inf, "inf": math.inf, "-infinity": -math.inf, "-inf": -math.inf}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOAT_MAX = 3.4028234663852886e38
_LONGEST_NUMBER = 400
_LONGEST_ECHO = 60
_NOWHERE = Mark(0, 0)


class Unfit(Exception):
    """A value that does not fit its field.

    Args:
        expected: What would fit.
        hint: How to mend it, or empty.
    """

    def __init__(self, expected: str, hint: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.hint = hint


def is_null(node: Node) -> bool:
    """Whether nothing, `null` or `~` stands there."""
    return isinstance(node, ScalarNode) and node.plain and node.text in _NULLS


def looks_special(text: str) -> bool:
    """Whether an unquoted `text` is read as something else than a text."""
    return text in _NULLS or text in _BOOLEANS or isinstance(untyped(ScalarNode(text, True, _NOWHERE)), float)


def untyped(node: ScalarNode) -> str | float | bool | None:
    """Return a value as YAML 1.2 and JSON read it when nothing says what it is for."""
    text = node.text
    if not node.plain:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if len(text) <= _LONGEST_NUMBER:
        if _FLOAT.fullmatch(text):
            return float(text)
        if _BASED.fullmatch(text):
            return _float(int(text, 0))
        if text.lower().lstrip("+-") in {".inf", ".nan"}:
            return float(text.lower().replace(".", ""))
    return text


def read_scalar(field: FieldDescriptor, node: ScalarNode) -> Any:
    """Return a value for a field that holds a number, a boolean, an enum, a text or bytes.

    Raises:
        Unfit: it is something else.
    """
    kind = field.cpp_type
    if kind in _RANGES:
        return _integer(node, *_RANGES[kind])
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return _boolean(node)
    if field.enum_type is not None:
        return _enum(field.enum_type, node)
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return _number(node, math.inf)
    if kind == FieldDescriptor.CPPTYPE_FLOAT:
        return _number(node, _FLOAT_MAX)
    return _bytes(node) if field.type == FieldDescriptor.TYPE_BYTES else read_text(node)


def read_text(node: ScalarNode) -> str:
    """Return a text.

    Raises:
        Unfit: it is a number or a boolean without quotes, or not Unicode.
    """
    text = node.text
    if node.plain and not node.substituted and (text in _BOOLEANS or _EVERYWHERE_A_NUMBER.fullmatch(text)):
        raise Unfit("a text", "put it in quotes")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unfit("a text", "it is not valid Unicode") from None
    return text


def read_key(field: FieldDescriptor, node: ScalarNode) -> Any:
    """Return the key of a map, which is a text in JSON whatever its type.

    Raises:
        Unfit: it does not fit.
    """
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return node.text
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _boolean(ScalarNode(node.text, True, node.mark))
    return read_scalar(field, node)


def found(node: Node, *, secret: bool) -> str:
    """Return what stands at a node, in words. Values that may be secret or are long are not repeated."""
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    if is_null(node):
        return "nothing"
    value = untyped(node)
    kind = "text" if isinstance(value, str) else "value" if isinstance(value, bool) else "number"
    if secret or node.substituted or len(node.text) > _LONGEST_ECHO:
        return f"a {kind}" + (" from the environment" if node.substituted else "")
    return f"the {kind} `{printable(node.text)}`"


def printable(text: str) -> str:
    """Return a text on one line, without control characters, shortened to what fits a message."""
    line = "".join(char if char.isprintable() else char.encode("unicode_escape", "replace").decode() for char in text)
    return line if len(line) <= _LONGEST_ECHO else f"{line[: _LONGEST_ECHO - 1]}…"


def _boolean(node: ScalarNode) -> bool:
    if (node.plain or node.substituted) and node.text in {"true", "false"}:
        return node.text == "true"
    word = node.text.lower()
    hint = "write true" if word in {"true", "yes", "on", "1"} else ""
    hint = "write false" if word in {"false", "no", "off", "0"} else hint
    raise Unfit("true or false", f"{hint} without quotes" if hint and not node.plain else hint)


def _integer(node: ScalarNode, low: int, high: int) -> int:
    text = node.text.strip() if node.plain else node.text
    value: int | None = None
    if len(text) <= _LONGEST_NUMBER:
        if _INTEGER.fullmatch(text):
            value = int(text)
        elif node.plain and _BASED.fullmatch(text):
            value = int(text, 0)
        elif _FLOAT.fullmatch(text) and (number := float(text)).is_integer():
            value = int(number)
    if value is None:
        plain = text.replace("_", "").lstrip("0")
        hint = f"write {plain}" if _INTEGER.fullmatch(plain) and len(plain) < 20 else ""
        raise Unfit("a whole number", "" if node.substituted else hint)
    if not low <= value <= high:
        raise Unfit(f"a whole number from {low} to {high}")
    return value


def _number(node: ScalarNode, high: float) -> float:
    text = node.text
    if len(text) <= _LONGEST_NUMBER:
        if _FLOAT.fullmatch(text):
            value = float(text)
            if not abs(value) <= high or math.isinf(value):
                raise Unfit("a number that is not that large")
            return value
        if (word := text.lower().lstrip("+").replace(".", "", 1)) in _SPECIAL:
            return _SPECIAL[word]
        if node.plain and _BASED.fullmatch(text):
            return _float(int(text, 0))
    raise Unfit("a number")


def _enum(enum: EnumDescriptor, node: ScalarNode) -> int:
    text = node.text
    if _INTEGER.fullmatch(text) and len(text) < 12:
        if (number := int(text)) in enum.values_by_number:
            return number
        raise Unfit(f"one of {_choices(enum)}")
    word, prefix = text.upper().replace("-", "_"), enum_prefix(enum)
    for name in (text, word, prefix + word):
        if name in enum.values_by_name:
            return int(enum.values_by_name[name].number)
    if node.substituted or len(text) > _LONGEST_ECHO:
        raise Unfit(f"one of {_choices(enum)}")
    best = nearest(text, [name.removeprefix(prefix) for name in enum.values_by_name])
    raise Unfit(f"one of {_choices(enum)}", f"did you mean {best}?" if best else "")


def _choices(enum: EnumDescriptor) -> str:
    prefix = enum_prefix(enum)
    names = [value.name.removeprefix(prefix) for value in enum.values if value.number != 0] or list(enum.values_by_name)
    return ", ".join(names[:20])


def enum_prefix(enum: EnumDescriptor) -> str:
    """Return what the names of an enum's values begin with, as in `LEVEL_`; empty when they do not."""
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", enum.name).upper() + "_"
    return prefix if all(name.startswith(prefix) for name in enum.values_by_name) else ""


def _bytes(node: ScalarNode) -> bytes:
    text = "".join(node.text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Unfit("bytes in base64") from None


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
