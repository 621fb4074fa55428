"""Nodes become a protobuf message, along its descriptor. What does not fit is collected, not raised one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from edge.control.yaml_fields import VALUE, expected, fields_of, is_secret, needs_content, takes_null, takes_text
from edge.control.yaml_nodes import ListNode, MapNode, Mark, Node, ScalarNode
from edge.control.yaml_scalars import Unfit, found, is_null, printable, read_key, read_scalar
from edge.control.yaml_substitute import BadReference, substitute
from edge.control.yaml_wellknown import SCALARS, read_plain
from edge.model.errors import InvalidRequest, Violation
from edge.model.hints import did_you_mean

MAX_VIOLATIONS = 50
"""The most violations collected from one text."""

OutputOnly = Literal["refuse", "ignore"]
"""What happens to fields that only the gateway sets."""

_STRUCT, _LIST = "google.protobuf.Struct", "google.protobuf.ListValue"
_ANY = "google.protobuf.Any"


class _TooMany(Exception):
    """As many violations as are collected have been found."""


class MessageReader:
    """Reads one document into one message.

    Args:
        name: What violations call the text, such as the name of the file.
        environment: The variables that values may refer to.
        output_only: What happens to fields that only the gateway sets.
        refused: Keys of the outermost mapping that are not taken, and what to do about them.
    """

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        *,
        output_only: OutputOnly = "refuse",
        refused: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._environment = environment
        self._output_only = output_only
        self._refused = refused or {}
        self._violations: list[Violation] = []

    def read(self, node: Node | None, message: Any) -> None:
        """Read a document into an empty message.

        Raises:
            InvalidRequest: something does not fit; the violations say what.
        """
        try:
            if node is not None and not is_null(node):
                self._content(node, message, "", secret=False)
        except _TooMany:
            self._violations.append(Violation("", f"only the first {MAX_VIOLATIONS} mistakes are shown"))
        if self._violations:
            raise InvalidRequest.of(self._violations)

    def _add(self, path: str, mark: Mark, description: str) -> None:
        if len(self._violations) >= MAX_VIOLATIONS:
            raise _TooMany
        self._violations.append(Violation(path, description, f"{self._name}:{mark.line}:{mark.column}"))

    def _unfit(self, path: str, node: Node, secret: bool, fitting: str, hint: str = "") -> None:
        mend = f"; {hint}" if hint else ""
        self._add(path, node.mark, f"expected {fitting}, found {found(node, secret=secret)}{mend}")

    def _resolve(self, node: Node, path: str) -> Node | None:
        """Return the node with its references to the environment resolved; None when one cannot be."""
        if not isinstance(node, ScalarNode):
            return node
        try:
            return substitute(node, self._environment)
        except BadReference as error:
            self._add(path, node.mark, str(error))
            return None

    def _entries(self, node: MapNode, path: str) -> Iterator[tuple[ScalarNode, Node]]:
        """Yield the keys and values; a key that was there before is reported and left out."""
        seen: dict[str, Mark] = {}
        for key, value in node.entries:
            if key.text == "<<" and key.plain:
                self._add(path, key.mark, "merge keys (`<<`) are not taken; use an alias for a whole value")
            elif (first := seen.setdefault(key.text, key.mark)) is not key.mark:
                inner = _join(path, printable(key.text))
                self._add(inner, key.mark, f"`{printable(key.text)}` is given twice, first in line {first.line}")
            else:
                yield key, value

    def _message(self, node: Node, message: Any, path: str, *, secret: bool) -> None:
        if not isinstance(node, MapNode):
            self._unfit(path, node, secret, "a mapping")
            return
        fields = fields_of(message.DESCRIPTOR)
        given: dict[str, tuple[str, Mark]] = {}
        for key, value in self._entries(node, path):
            field = fields.get(key.text)
            if not path and key.text in self._refused:
                self._add(key.text, key.mark, self._refused[key.text])
                continue
            if field is None:
                words = printable(key.text)
                hint = did_you_mean(key.text, [f.descriptor.name for f in fields.values() if not f.output_only])
                self._add(_join(path, words), key.mark, f"unknown key `{words}`{hint}")
                continue
            name = field.descriptor.name
            inner = _join(path, name)
            if field.output_only:
                if self._output_only == "refuse":
                    self._add(inner, key.mark, f"`{key.text}` is set by the gateway; remove it")
                continue
            if is_null(value) and not takes_null(field.descriptor):
                if needs_content(field.descriptor) and isinstance(value, ScalarNode) and not value.text:
                    self._add(inner, key.mark, f"nothing follows `{key.text}:`; write `{key.text}: {{}}` or remove it")
                continue
            if (choice := field.oneof or name) in given:
                other, mark = given[choice]
                if other == name:
                    self._add(inner, key.mark, f"`{name}` is given twice, first in line {mark.line}")
                else:
                    self._add(inner, key.mark, f"only one of `{other}` (line {mark.line}) and `{name}` may be given")
                continue
            given[choice] = (name, key.mark)
            self._field(field.descriptor, value, message, inner, secret=secret or is_secret(name))

    def _field(self, field: FieldDescriptor, node: Node, message: Any, path: str, *, secret: bool) -> None:
        resolved = self._resolve(node, path)
        if resolved is None or (resolved is not node and is_null(resolved) and not takes_text(field)):
            return
        if (kind := field.message_type) is not None and kind.GetOptions().map_entry:
            self._map(kind, resolved, getattr(message, field.name), path, secret=secret)
        elif field.is_repeated:
            self._list(field, resolved, message, path, secret=secret)
        elif field.message_type is not None:
            target = getattr(message, field.name)
            target.SetInParent()
            self._content(resolved, target, path, secret=secret)
        else:
            value = self._value(field, resolved, path, secret=secret)
            if value is not None:
                setattr(message, field.name, value)

    def _list(self, field: FieldDescriptor, node: Node, message: Any, path: str, *, secret: bool) -> None:
        if not isinstance(node, ListNode):
            self._unfit(path, node, secret, "a list", "write `- ` before each value")
            return
        values = getattr(message, field.name)
        for index, item in enumerate(node.items):
            inner = f"{path}[{index}]"
            resolved = self._resolve(item, inner)
            if resolved is None:
                continue
            if field.message_type is not None:
                self._content(resolved, values.add(), inner, secret=secret)
            elif (value := self._value(field, resolved, inner, secret=secret)) is not None:
                values.append(value)

    def _map(self, entry: Descriptor, node: Node, values: Any, path: str, *, secret: bool) -> None:
        if not isinstance(node, MapNode):
            self._unfit(path, node, secret, "a mapping")
            return
        key_field, value_field = (entry.fields_by_name[name] for name in ("key", "value"))
        for key, item in self._entries(node, path):
            inner = f'{path}["{printable(key.text)}"]'
            hidden = secret or is_secret(key.text)
            resolved = self._resolve(item, inner)
            try:
                name = read_key(key_field, key)
            except Unfit as error:
                self._unfit(inner, key, hidden, f"{error.expected} as key", error.hint)
                continue
            if resolved is None:
                continue
            if value_field.message_type is not None:
                self._content(resolved, values[name], inner, secret=hidden)
            elif (value := self._value(value_field, resolved, inner, secret=hidden)) is not None:
                values[name] = value

    def _content(self, node: Node, message: Any, path: str, *, secret: bool) -> None:
        """Read the content of a message, in the form its type has in JSON."""
        kind = message.DESCRIPTOR.full_name
        if kind in SCALARS:
            if not isinstance(node, ScalarNode) or is_null(node):
                self._unfit(path, node, secret, "a single value")
                return
            try:
                SCALARS[kind](node, message)
            except Unfit as error:
                self._unfit(path, node, secret, error.expected, error.hint)
        elif kind in {VALUE, _STRUCT, _LIST}:
            self._free(node, message, path, secret=secret)
        elif kind == _ANY:
            self._add(path, node.mark, "a message of any type cannot be given in a file")
        else:
            self._message(node, message, path, secret=secret)

    def _free(self, node: Node, message: Any, path: str, *, secret: bool) -> None:
        """Read a value that may be anything JSON can hold."""
        kind = message.DESCRIPTOR.full_name
        if kind == _STRUCT or (kind == VALUE and isinstance(node, MapNode)):
            if not isinstance(node, MapNode):
                self._unfit(path, node, secret, "a mapping")
                return
            target = message if kind == _STRUCT else message.struct_value
            target.SetInParent()
            for key, item in self._entries(node, path):
                inner = _join(path, printable(key.text))
                if (resolved := self._resolve(item, inner)) is not None:
                    self._free(resolved, target.fields[key.text], inner, secret=secret or is_secret(key.text))
        elif kind == _LIST or isinstance(node, ListNode):
            if not isinstance(node, ListNode):
                self._unfit(path, node, secret, "a list")
                return
            target = message if kind == _LIST else message.list_value
            target.SetInParent()
            for index, item in enumerate(node.items):
                inner = f"{path}[{index}]"
                if (resolved := self._resolve(item, inner)) is not None:
                    self._free(resolved, target.values.add(), inner, secret=secret)
        elif isinstance(node, ScalarNode):
            try:
                read_plain(node, message)
            except Unfit as error:
                self._unfit(path, node, secret, error.expected, error.hint)

    def _value(self, field: FieldDescriptor, node: Node, path: str, *, secret: bool) -> Any:
        """Return a single value, or None when it does not fit, which has been reported."""
        if not isinstance(node, ScalarNode):
            self._unfit(path, node, secret, expected(field))
            return None
        if is_null(node) and not (node.substituted and takes_text(field)):
            if field.enum_type is not None and field.enum_type.full_name == "google.protobuf.NullValue":
                return 0
            self._unfit(path, node, secret, expected(field))
            return None
        try:
            return read_scalar(field, node)
        except Unfit as error:
            self._unfit(path, node, secret, error.expected, error.hint)
            return None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
