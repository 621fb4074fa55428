"""Messages that have no JSON form, which is nothing the caller of the gateway could mend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from edge.model.errors import GatewayError
from edge.model.status import Code
from transcoding.codec.tables import is_map
from transcoding.codec.words import clip, entry, member


class Unprintable(GatewayError):
    """A message from an upstream cannot be written as JSON. The message says which field and why."""

    code = Code.INTERNAL
    reason = "INTERNAL"


def locate(message: Message, write: Callable[[Message, FieldDescriptor], object]) -> str:
    """Return the path of the first field that `write` does not write, or the empty text.

    Args:
        message: A message that could not be written.
        write: Writes one field of a message, and raises where it cannot.
    """
    for field, value in message.ListFields():
        try:
            write(message, field)
        except Exception:  # whatever made the whole fail
            return _within(field, value, write)
    return ""


def _within(field: FieldDescriptor, value: Any, write: Callable[[Message, FieldDescriptor], object]) -> str:
    """Return the path of a field that cannot be written, as far into it as can be said."""
    items: list[tuple[str, object]] = [(field.name, value)]
    if is_map(field):
        items = [(entry(field.name, str(key)), item) for key, item in value.items()]
    elif field.is_repeated:
        items = [(f"{field.name}[{index}]", item) for index, item in enumerate(value)]
    for place, item in items:
        if isinstance(item, Message) and not item.DESCRIPTOR.full_name.startswith("google.protobuf."):
            inner = locate(item, write)
            if inner:
                return member(place, inner)
    return clip(items[0][0] if len(items) == 1 else field.name)
