"""Messages to bytes, with an error that says what is missing."""

from __future__ import annotations

from google.protobuf.message import EncodeError, Message

from edge.model.errors import InvalidRequest, Violation


def serialize(message: Message) -> bytes:
    """Return a request as it goes on the wire.

    Raises:
        InvalidRequest: a required field of proto2 is not set.
    """
    try:
        return message.SerializeToString()
    except EncodeError:
        missing: list[str] = message.FindInitializationErrors()  # type: ignore[attr-defined] # every class has it
        raise InvalidRequest.of([Violation(path, "it is required; set it") for path in missing]) from None
