"""One binding of a method as an operation."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.descriptor import FieldDescriptor

from transcoding.codec import JsonValue
from transcoding.openapi.annotations import Behavior, behavior, is_deprecated
from transcoding.openapi.comments import first_sentence, words
from transcoding.openapi.examples import Examples
from transcoding.openapi.messages import Messages
from transcoding.openapi.parameters import Parameters
from transcoding.openapi.paths import ExpandedPath
from transcoding.openapi.responses import BINARY, error_references, success
from transcoding.openapi.scalars import Schema
from transcoding.openapi.style import Style
from transcoding.rest.rule import RestRule


@dataclass(frozen=True, slots=True)
class Planned:
    """An operation that a document will have."""

    rule: RestRule
    """The rule it describes."""

    path: ExpandedPath
    """Its path."""

    operation_id: str
    """Its name, unique in the document."""

    tag: str
    """The service, as the document calls it."""


class Operations:
    """Makes the operations of one group of methods.

    Args:
        style: How they are written.
    """

    def __init__(self, style: Style) -> None:
        self.messages = Messages(style)
        self._style = style
        self._examples = Examples(style)
        self._parameters = Parameters(self.messages, self._examples)

    def of(self, planned: Planned) -> Schema:
        """Return an operation; the components it needs are added to `messages`."""
        rule = planned.rule
        method = rule.binding.method
        summary, description = first_sentence(self._style.comments.of(method.full_name))
        made: Schema = {
            "operationId": planned.operation_id,
            "tags": [planned.tag],
            "summary": summary or words(method.name),
        }
        notes = [description] if description else []
        if rule.offer.streams_requests:
            notes.append("The request is a stream of messages: one JSON value after the other, or a JSON array.")
        if notes:
            made["description"] = "\n\n".join(notes)
        parameters = self._parameters.of(rule, planned.path)
        if parameters:
            made["parameters"] = list(parameters)
        body = self._body(rule)
        if body is not None:
            made["requestBody"] = body
        made["responses"] = {"200": success(rule, self.messages, self._examples), **error_references()}
        if is_deprecated(method) or is_deprecated(method.containing_service):
            made["deprecated"] = True
        made["x-grpc-method"] = rule.offer.method.path
        return made

    def _body(self, rule: RestRule) -> Schema | None:
        binding = rule.binding
        if binding.body is None:
            return None
        if rule.body_is_raw:
            return {"content": {"*/*": {"schema": {**BINARY}}}}
        required = True
        if isinstance(binding.body, FieldDescriptor):
            schema, example = self._field_body(rule, binding.body)
            required = Behavior.REQUIRED in behavior(binding.body)
        else:
            schema, example = self._whole_body(rule)
            required = "required" in schema or self._has_required(rule)
        if rule.offer.streams_requests:
            content: Schema = {
                "application/json": {"schema": {"type": "array", "items": schema}, "example": [example]},
                "application/x-ndjson": {"schema": schema, "example": example},
            }
        else:
            content = {"application/json": {"schema": schema, "example": example}}
        return {"content": content, "required": True} if required else {"content": content}

    def _whole_body(self, rule: RestRule) -> tuple[Schema, JsonValue]:
        """Return the body that is the request but for what the path has."""
        binding = rule.binding
        message = binding.method.input_type
        bound = {variable.field_path[0] for variable in binding.template.variables if len(variable.field_path) == 1}
        nested = {variable.field_path[0] for variable in binding.template.variables} - bound
        example = self._examples.message(message, request=True, without=bound)
        if bound or nested:
            return self.messages.written_out(message, request=True, without=bound, optional=nested), example
        return self.messages.message(message, request=True), example

    def _has_required(self, rule: RestRule) -> bool:
        return any(Behavior.REQUIRED in behavior(field) for field in rule.binding.method.input_type.fields) and not (
            rule.binding.template.variables
        )

    def _field_body(self, rule: RestRule, field: FieldDescriptor) -> tuple[Schema, JsonValue]:
        """Return the body that is one field of the request. With a PATCH it has what is to be changed and no more."""
        binding = rule.binding
        partial = binding.verb == "PATCH"
        message = field.message_type
        bound = {
            variable.field_path[1]
            for variable in binding.template.variables
            if variable.field_path[0] == field.name and len(variable.field_path) > 1
        }
        if message is None or field.is_repeated or not bound:
            return self.messages.value(field, request=not partial), self._examples.field(field, request=True)
        example = self._examples.message(message, request=True, without=bound)
        clashes = not partial and any(
            inner.name in bound and Behavior.REQUIRED in behavior(inner) for inner in message.fields
        )
        if clashes:
            return self.messages.written_out(message, request=True, without=bound), example
        return self.messages.message(message, request=not partial), example
