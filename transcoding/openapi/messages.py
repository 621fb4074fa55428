"""Messages as components of a document, each under its full name, so that they may contain themselves.

A message is described as answers have it. Where requests differ, because fields are REQUIRED there that an answer
leaves out when they hold their default, or the other way round, there is a second component `…-Input`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from transcoding.codec import JsonValue
from transcoding.codec.enums import NULL_VALUE
from transcoding.openapi.annotations import Behavior, behavior, is_deprecated
from transcoding.openapi.scalars import KEY_PATTERNS, Schema, enum_schema, form, scalar
from transcoding.openapi.style import Style, reference
from transcoding.rules.fields import is_map

ANY = "google.protobuf.Any"
STATUS = "google.rpc.Status"
STREAM_ERROR = "StreamError"

SHARED: dict[str, Schema] = {
    ANY: {
        "type": "object",
        "description": "Any message. `@type` says which one; a type with a JSON form of its own stands under `value`.",
        "properties": {"@type": {"type": "string", "description": "The type, as in `type.googleapis.com/a.v1.B`."}},
        "anyOf": [{"required": ["@type"]}, {"maxProperties": 0}],
    },
    STATUS: {
        "type": "object",
        "description": "How a call ended that failed.",
        "properties": {
            "code": {"type": "integer", "format": "int32", "description": "The code, one of google.rpc.Code."},
            "message": {"type": "string", "description": "What went wrong, for people."},
            "details": {
                "type": "array",
                "items": {"$ref": reference(ANY)},
                "description": "More, for programs, such as google.rpc.BadRequest and google.rpc.ErrorInfo.",
            },
        },
    },
    STREAM_ERROR: {
        "type": "object",
        "description": "The last element of a stream that fails after its beginning.",
        "properties": {"error": {"$ref": reference(STATUS)}},
        "required": ["error"],
        "additionalProperties": False,
    },
}
"""The components that do not depend on how a route wants its JSON."""


class Messages:
    """The components of one group of methods.

    Args:
        style: How they are written.
    """

    def __init__(self, style: Style) -> None:
        self.style = style
        self.components: dict[str, Schema] = {}
        """The components, by name. Whole after `finish`."""
        self._waiting: list[tuple[str, Descriptor, bool]] = []
        self._differs: dict[str, bool] = {}

    def finish(self) -> None:
        """Write all components that are referred to."""
        while self._waiting:
            component, descriptor, request = self._waiting.pop()
            self.components[component] = self.written_out(descriptor, request=request)

    def message(self, descriptor: Descriptor, *, request: bool) -> Schema:
        """Return the schema of a message: a reference to a component, or what stands for a well-known type."""
        name = descriptor.full_name
        if (plain := form(descriptor)) is not None:
            return plain
        if name in SHARED:
            return {"$ref": reference(name)}
        component = self.style.component(name, request=request and self._requests_differ(descriptor))
        if component not in self.components:
            # it may contain itself; and chains of messages are longer than Python's stack
            self.components[component] = {}
            self._waiting.append((component, descriptor, request))
        return {"$ref": reference(component)}

    def written_out(
        self, descriptor: Descriptor, *, request: bool, without: Collection[str] = (), optional: Collection[str] = ()
    ) -> Schema:
        """Return the schema of a message, written out.

        Args:
            descriptor: The message.
            request: Whether it is part of a request.
            without: The proto names of fields to leave out.
            optional: The proto names of fields that are not needed though they are REQUIRED.
        """
        style = self.style
        fields = [field for field in descriptor.fields if field.name not in without]
        if descriptor.is_extendable:
            fields += sorted(style.pool.FindAllExtensions(descriptor), key=lambda field: field.number)
        properties = {style.name(field): self.property(field, request=request) for field in fields}
        made: Schema = {"type": "object"}
        if description := self._description(descriptor, fields):
            made["description"] = description
        if properties:
            made["properties"] = dict(properties)
        required = [style.name(f) for f in fields if f.name not in optional and self._is_required(f, request=request)]
        if required:
            made["required"] = list(required)
        if style.strict:
            made["additionalProperties"] = False
        if is_deprecated(descriptor):
            made["deprecated"] = True
        choices: list[JsonValue] = [_choice(members) for members in self._oneofs(fields)]
        if len(choices) == 1:
            made["oneOf"] = choices[0]
        elif choices:
            made["allOf"] = [{"oneOf": choice} for choice in choices]
        return made

    def property(self, field: FieldDescriptor, *, request: bool) -> Schema:
        """Return the schema of a field, with what is to be said of it."""
        made = self.value(field, request=request)
        told = behavior(field)
        text = self.style.comments.of(field.full_name)
        if text:
            made["description"] = f"{text}\n\n{made['description']}" if "description" in made else text
        if Behavior.OUTPUT_ONLY in told:
            made["readOnly"] = True
        elif Behavior.INPUT_ONLY in told:
            made["writeOnly"] = True
        if is_deprecated(field):
            made["deprecated"] = True
        return made

    def value(self, field: FieldDescriptor, *, request: bool) -> Schema:
        """Return the schema of the value of a field: single, list or map."""
        if is_map(field) and field.message_type is not None:
            parts = field.message_type.fields_by_name
            made: Schema = {"type": "object", "additionalProperties": self.single(parts["value"], request=request)}
            if (pattern := KEY_PATTERNS.get(parts["key"].cpp_type)) is not None:
                made["propertyNames"] = {"pattern": pattern}
            return made
        if field.is_repeated:
            return {"type": "array", "items": self.single(field, request=request)}
        return self.single(field, request=request)

    def single(self, field: FieldDescriptor, *, request: bool) -> Schema:
        """Return the schema of one value of a field."""
        if field.message_type is not None:
            return self.message(field.message_type, request=request)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        return scalar(field)

    def _enum(self, enum: EnumDescriptor) -> Schema:
        if enum.full_name == NULL_VALUE and not self.style.options.enums_as_numbers:
            return enum_schema(enum, self.style.options)
        component = self.style.component(enum.full_name)
        if component not in self.components:
            made = enum_schema(enum, self.style.options)
            comments = self.style.comments
            lines = [comments.of(enum.full_name)] if comments.of(enum.full_name) else []
            values = [f"- `{value.name}`: {text}" for value in enum.values if (text := self._value_comment(value))]
            if self.style.options.enums_as_numbers:
                values = [f"- {value.number}: {self._value_comment(value) or value.name}" for value in enum.values]
            if values:
                lines.append("\n".join(values))
            if lines:
                made["description"] = "\n\n".join(lines)
            self.components[component] = made
        return {"$ref": reference(component)}

    def _value_comment(self, value: object) -> str:
        name = f"{value.type.full_name}.{value.name}"  # type: ignore[attr-defined] # an EnumValueDescriptor
        return " ".join(self.style.comments.of(name).split())

    def _description(self, descriptor: Descriptor, fields: Collection[FieldDescriptor]) -> str:
        parts = [self.style.comments.of(descriptor.full_name)]
        for members in self._oneofs(fields):
            quoted = [f"`{member}`" for member in members]
            parts.append(f"At most one of {', '.join(quoted[:-1])} and {quoted[-1]} is set.")
        return "\n\n".join(filter(None, parts))

    def _oneofs(self, fields: Iterable[FieldDescriptor]) -> list[list[str]]:
        """Return the members of each oneof that has a choice among these fields, as JSON has them."""
        found: dict[str, list[str]] = {}
        for field in fields:
            if field.containing_oneof is not None:
                found.setdefault(field.containing_oneof.full_name, []).append(self.style.name(field))
        return [members for members in found.values() if len(members) > 1]

    def _is_required(self, field: FieldDescriptor, *, request: bool) -> bool:
        if not request:
            return self.style.options.print_defaults and not field.has_presence and not field.is_extension
        told = behavior(field)
        return Behavior.REQUIRED in told and Behavior.OUTPUT_ONLY not in told

    def _requests_differ(self, descriptor: Descriptor) -> bool:
        """Whether a message, or one that it leads to, needs other fields in requests than answers always have."""
        reached = [descriptor]
        seen = {descriptor.full_name}
        for message in reached:
            known = self._differs.get(message.full_name)
            if known is False:
                continue
            if known or any(
                self._is_required(field, request=True) != self._is_required(field, request=False)
                for field in message.fields
            ):
                self._differs[descriptor.full_name] = True
                return True
            for field in message.fields:
                inner = field.message_type
                if inner is None or inner.full_name in seen or inner.full_name in SHARED or form(inner) is not None:
                    continue
                seen.add(inner.full_name)
                reached.append(inner)
        self._differs.update(dict.fromkeys(seen, False))
        return False


def _choice(members: list[str]) -> JsonValue:
    """Return the alternatives of a oneof: each of its members alone, or none."""
    each: list[JsonValue] = [{"required": [member]} for member in members]
    return [*each, {"not": {"anyOf": each}}]
