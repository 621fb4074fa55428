"""The responses of a document: errors by name, which all operations share, and what a call that succeeds gets."""

from __future__ import annotations

from dataclasses import dataclass

from transcoding.codec import JsonValue
from transcoding.openapi.examples import Examples
from transcoding.openapi.messages import STATUS, STREAM_ERROR, Messages
from transcoding.openapi.scalars import Schema, is_null_when_absent
from transcoding.openapi.style import reference
from transcoding.rest.rule import RestRule

BINARY: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}
"""The bytes of a HttpBody in a request."""


@dataclass(frozen=True, slots=True)
class _Error:
    """One of the errors that every call may end with."""

    name: str
    """The name of its component."""
    description: str
    """When that is."""
    code: int
    """The google.rpc.Code of the example."""
    message: str
    """The message of the example."""
    header: str = ""
    """A header that the answer may have."""
    about: str = ""
    """What the header says."""


_RETRY = ("Retry-After", "The seconds after which to try again.")

_ERRORS = {
    "400": _Error("BadRequest", "The request is wrong; `details` name the fields.", 3, "unknown field"),
    "401": _Error(
        "Unauthenticated", "Credentials are missing or wrong.", 16, "no token", "WWW-Authenticate", "What to present."
    ),
    "403": _Error("PermissionDenied", "The caller may not do that.", 7, "not allowed"),
    "404": _Error("NotFound", "There is no such thing, or no such path.", 5, "there is no such thing"),
    "409": _Error("Conflict", "It exists already, or was changed meanwhile.", 10, "the etag is stale"),
    "429": _Error("ResourceExhausted", "Too many calls, or a quota is used up.", 8, "too many calls", *_RETRY),
    "500": _Error("Internal", "Something failed that the caller cannot mend.", 13, "the service failed"),
    "503": _Error("Unavailable", "The service cannot be reached now.", 14, "no healthy endpoint", *_RETRY),
    "504": _Error("DeadlineExceeded", "The answer took too long.", 4, "the deadline of the route has passed"),
    "default": _Error("Error", "Any other error, as `google.rpc.Status`.", 12, "not implemented"),
}
"""The errors by HTTP status. `Status.code` tells those apart that share one."""


def error_components() -> dict[str, Schema]:
    """Return the errors as components of a document, by name."""
    return {error.name: _component(error) for error in _ERRORS.values()}


def error_references() -> Schema:
    """Return the errors as the responses of an operation, by HTTP status."""
    return {status: {"$ref": f"#/components/responses/{error.name}"} for status, error in _ERRORS.items()}


def _component(error: _Error) -> Schema:
    example: JsonValue = {"code": error.code, "message": error.message, "details": []}
    made: Schema = {
        "description": error.description,
        "content": {"application/json": {"schema": {"$ref": reference(STATUS)}, "example": example}},
    }
    if error.header:
        made["headers"] = {error.header: {"description": error.about, "schema": {"type": "string"}}}
    return made


def success(rule: RestRule, messages: Messages, examples: Examples) -> Schema:
    """Return the response of a call that succeeds."""
    binding = rule.binding
    if rule.response_is_raw:
        return {
            "description": "The data, with a content type of their own.",
            # no schema: those among the answers that are JSON would have to fit it
            "content": {"*/*": {}},
        }
    field = binding.response_body
    if field is None:
        schema = messages.message(binding.method.output_type, request=False)
        example = examples.message(binding.method.output_type, request=False)
    else:
        schema = messages.value(field, request=False)
        example = examples.field(field, request=False)
        kind = field.message_type
        if kind is not None and not field.is_repeated and is_null_when_absent(kind):
            schema = {"anyOf": [schema, {"type": "null"}]}
    if rule.offer.streams_responses:
        return _stream(schema, example)
    return {"description": "OK", "content": {"application/json": {"schema": schema, "example": example}}}


def _stream(schema: Schema, example: JsonValue) -> Schema:
    """Return the response of a stream, in the forms that `Accept` chooses from; without a wish it is the first."""
    element: Schema = {"anyOf": [schema, {"$ref": reference(STREAM_ERROR)}]}
    return {
        "description": "The messages as they come: one JSON value a line, events, a JSON array, or a JSON text "
        'sequence. A stream that fails after its beginning ends with `{"error": google.rpc.Status}`.',
        "content": {
            "application/x-ndjson": {"schema": element, "example": example},
            "text/event-stream": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "array", "items": element}, "example": [example]},
            "application/json-seq": {"schema": element},
        },
    }
