"""The parameters of an operation: what the path holds, and the fields that may stand in the query."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from transcoding.openapi.annotations import Behavior, behavior, is_deprecated
from transcoding.openapi.examples import Examples, segment
from transcoding.openapi.messages import Messages
from transcoding.openapi.paths import ExpandedPath, PathParameter
from transcoding.openapi.scalars import JSON_TEXT, KEY_PATTERNS, Schema, enum_names, form, scalar
from transcoding.rest.rule import RestRule
from transcoding.rules.binding import Binding
from transcoding.rules.fields import Field, Table, Tables

_DEEPEST = 3
"""How many names a query parameter has at most, as in `book.author.name`. The gateway takes deeper ones, too."""


class Parameters:
    """Makes the parameters of the operations of one group of methods.

    Args:
        messages: The components of the group.
        examples: Its examples.
    """

    def __init__(self, messages: Messages, examples: Examples) -> None:
        self._messages = messages
        self._examples = examples
        self._style = messages.style
        self._tables = Tables()

    def of(self, rule: RestRule, path: ExpandedPath) -> list[Schema]:
        """Return the parameters of a rule, those of the path first."""
        found = [self._in_path(path, parameter) for parameter in path.parameters]
        if rule.binding.body != "*":
            found += self._in_query(rule)
        return found

    def _in_path(self, path: ExpandedPath, parameter: PathParameter) -> Schema:
        variable, target = parameter.variable, parameter.target
        made: Schema = {"name": parameter.name, "in": "path", "required": True}
        notes: list[str] = []
        if variable is None or target is None:
            notes.append("A segment of the path that no field holds.")
            made["schema"] = {"type": "string", "minLength": 1}
            made["example"] = "segment"
        elif variable.end - variable.start > 1:
            pattern = path.pattern(variable)
            notes.append(f"A part of `{variable.name}`, which is `{pattern}`.")
            made["schema"] = {"type": "string", "minLength": 1}
            made["example"] = segment(parameter.name.rpartition(".")[2])
        else:
            if text := self._style.comments.of(target.full_name):
                notes.append(text)
            elif parameter.name != variable.name:
                notes.append(f"The field `{variable.name}`.")
            value = self._value(target)
            if value.get("type") == "string" and "enum" not in value and "pattern" not in value:
                value["minLength"] = 1
            made["schema"] = value
            example = self._examples.text(target)
            made["example"] = (
                segment(variable.field_path[-1]) if "/" in str(example) and not parameter.rest else example
            )
        if parameter.rest:
            notes.append("It takes the rest of the path, with as many segments as there are (`**`).")
            made["x-multi-segment"] = True
        if notes:
            made["description"] = "\n\n".join(notes)
        return made

    def _in_query(self, rule: RestRule) -> Iterator[Schema]:
        binding = rule.binding
        message = binding.method.input_type
        taken = _taken(binding)
        yield from self._fields(message, self._tables.of(message), taken, (), "", "", binding)

    def _fields(
        self,
        message: Descriptor,
        table: Table,
        taken: frozenset[str],
        within: tuple[str, ...],
        prefix: str,
        shown: str,
        binding: Binding,
    ) -> Iterator[Schema]:
        """Yield the parameters of the fields of a message.

        Args:
            message: The message.
            table: How its fields are read.
            taken: The fields and oneofs that the path or the body sets already, by proto names.
            within: The messages around it, so that none is entered twice.
            prefix: What goes before the proto names.
            shown: What goes before the names in JSON.
            binding: The rule.
        """
        for descriptor in message.fields:
            field = table.own[descriptor.name]
            path = f"{prefix}{field.name}"
            if path in taken or (field.oneof and f"{prefix}{field.oneof}" in taken):
                continue
            if Behavior.OUTPUT_ONLY in behavior(descriptor):
                continue
            name = f"{shown}{self._style.name(descriptor)}"
            if field.table is None:
                if field.read is not None or field.fill is not None:
                    yield self._parameter(descriptor, field, name, top=not prefix, binding=binding)
                continue
            inner = descriptor.message_type
            assert inner is not None, "it has a table"
            around = (*within, message.full_name)
            if len(around) < _DEEPEST and inner.full_name not in around:
                yield from self._fields(inner, field.table, taken, around, f"{path}.", f"{name}.", binding)

    def _parameter(
        self, descriptor: FieldDescriptor, field: Field, name: str, *, top: bool, binding: Binding
    ) -> Schema:
        made: Schema = {"name": name, "in": "query"}
        text = self._style.comments.of(descriptor.full_name)
        if top and descriptor.name == "update_mask" and binding.verb == "PATCH":
            text = f"{text}\n\nWithout it, the fields that the body mentions are meant.".strip()
        if field.oneof:
            text = f"{text}\n\nOne of the oneof `{field.oneof}`, of which one can be set.".strip()
        if text:
            made["description"] = text
        if top and Behavior.REQUIRED in behavior(descriptor):
            made["required"] = True
        if is_deprecated(descriptor):
            made["deprecated"] = True
        if field.key is not None and descriptor.message_type is not None:
            value = descriptor.message_type.fields_by_name["value"]
            made["style"] = "deepObject"
            made["explode"] = True
            entries: Schema = {"type": "object", "additionalProperties": self._value(value)}
            key = descriptor.message_type.fields_by_name["key"]
            if (pattern := KEY_PATTERNS.get(key.cpp_type)) is not None:
                entries["propertyNames"] = {"pattern": pattern}
            made["schema"] = entries
        elif field.repeated:
            made["style"] = "form"
            made["explode"] = True
            made["schema"] = {"type": "array", "items": self._value(descriptor)}
        elif descriptor.message_type is not None and descriptor.message_type.full_name in JSON_TEXT:
            made["content"] = {"application/json": {"schema": form(descriptor.message_type) or {}}}
        else:
            made["schema"] = self._value(descriptor)
            if top and descriptor.name != "page_token":
                made["example"] = self._examples.text(descriptor)
        return made

    def _value(self, field: FieldDescriptor) -> Schema:
        """Return the schema of one value of a field in a path or a query."""
        if field.enum_type is not None:
            return enum_names(field.enum_type)
        if field.message_type is not None:
            if field.message_type.full_name in JSON_TEXT:
                return {"type": "string", "contentMediaType": "application/json"}
            found = form(field.message_type)
            assert found is not None, "a message that is read from text has a form of its own"
            return found
        return scalar(field)


def _taken(binding: Binding) -> frozenset[str]:
    """Return the fields and oneofs that path and body set."""
    found: set[str] = set()
    body = binding.body
    if not isinstance(body, str | None):
        found.add(body.name)
        if body.containing_oneof is not None and len(body.containing_oneof.fields) > 1:
            found.add(body.containing_oneof.name)
    for variable in binding.template.variables:
        found.add(variable.name)
        message = binding.method.input_type
        for number, name in enumerate(variable.field_path):
            field = message.fields_by_name[name]
            if field.containing_oneof is not None and len(field.containing_oneof.fields) > 1:
                found.add(".".join((*variable.field_path[:number], field.containing_oneof.name)))
            if field.message_type is not None:
                message = field.message_type
    return frozenset(found)
