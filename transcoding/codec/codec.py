"""The codec of one descriptor pool: JSON text to messages and back."""

from __future__ import annotations

import json
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from transcoding.codec.errors import Unprintable, locate
from transcoding.codec.options import CodecOptions, JsonValue, Report
from transcoding.codec.readers import UNUSUAL, Readers
from transcoding.codec.tables import Tables, is_map, json_name, message_class
from transcoding.codec.text import load
from transcoding.codec.walk import Walk
from transcoding.codec.wellknown import is_wrapper
from transcoding.codec.words import clip
from transcoding.codec.writers import Writers

_DEFAULTS = CodecOptions()
_EMPTY: dict[str, JsonValue] = {"google.protobuf.ListValue": []}
_NULL = frozenset(f"google.protobuf.{name}" for name in ("Value", "Timestamp", "Duration", "FieldMask"))


class Codec:
    """Reads and writes the messages of one descriptor pool as JSON, with one set of options.

    What it makes for a message type it keeps, so it grows to at most what the pool has. It may be used by several
    threads.

    Args:
        pool: Has the messages, what `google.protobuf.Any` holds, and the extensions.
        options: How JSON is read and written.
    """

    def __init__(self, pool: DescriptorPool, options: CodecOptions = _DEFAULTS) -> None:
        self.pool = pool
        """Has the messages."""
        self.options = options
        """How JSON is read and written."""
        self._tables = Tables(pool, options)
        self._readers = Readers(self._tables)
        self._writers = Writers(self._tables)

    def warm(self, descriptor: Descriptor) -> None:
        """Make all that reading and writing a message needs, so that the first call does not wait for it."""
        self._readers.arguments(descriptor)
        self._writers.warm(descriptor)

    def load(self, data: bytes) -> JsonValue:
        """Return the tree of a JSON text (RFC 8259, UTF-8).

        Raises:
            InvalidRequest: it is none, with line and column; or an object has a key twice.
        """
        return load(data)

    def parse(self, descriptor: Descriptor, data: bytes, *, report: Report | None = None) -> Message:
        """Return the message that a JSON text says.

        Args:
            descriptor: The message's type.
            data: The JSON text, in UTF-8. Empty is no JSON.
            report: Is told the path of each unknown field, when the options say so.

        Raises:
            InvalidRequest: it is no JSON or does not fit, with the paths of up to ten fields.
        """
        tree = load(data)
        try:
            return self._readers.make(descriptor, tree)
        except UNUSUAL:
            return self._slowly(descriptor, tree, "", report)

    def parse_tree(
        self, descriptor: Descriptor, tree: JsonValue, *, path: str = "", report: Report | None = None
    ) -> Message:
        """Return the message that a JSON tree says.

        Args:
            descriptor: The message's type.
            tree: The tree, as `load` returns it.
            path: What goes before the paths of violations.
            report: Is told the path of each unknown field, when the options say so.

        Raises:
            InvalidRequest: it does not fit, with the paths of up to ten fields.
        """
        try:
            return self._readers.make(descriptor, tree)
        except UNUSUAL:
            return self._slowly(descriptor, tree, path, report)

    def _slowly(self, descriptor: Descriptor, tree: JsonValue, path: str, report: Report | None) -> Message:
        message = message_class(descriptor)()
        Walk(self._tables, report).fill(message, tree, path)
        return message

    def merge_field(
        self, message: Message, field: FieldDescriptor, tree: JsonValue, *, path: str = "", report: Report | None = None
    ) -> None:
        """Set one field of a message: null clears it, lists and maps are replaced, messages are merged.

        Args:
            message: The message, which keeps what else it has. After an error its field may be half set.
            field: Any field of the message: single, list, map, message, extension.
            tree: The field's value, as `load` returns it.
            path: The path of the message, which goes before that of the field.
            report: Is told the path of each unknown field, when the options say so.

        Raises:
            InvalidRequest: it does not fit, with the paths of up to ten fields.
        """
        if self._merge_made(message, field, tree):
            return
        Walk(self._tables, report).fill_field(message, field, tree, path)

    def _merge_made(self, message: Message, field: FieldDescriptor, tree: JsonValue) -> bool:
        """Set the field from a message made the fast way, if that comes to the same. Return whether it did."""
        if tree is None or field.is_extension or field.containing_type is not message.DESCRIPTOR:
            return False
        if field.message_type is not None and not field.is_repeated and message.HasField(field.name):
            return False
        try:
            made = self._readers.make(field.containing_type, {json_name(field): tree})
        except UNUSUAL:
            return False
        message.ClearField(field.name)
        message.MergeFrom(made)
        return True

    def tree(self, message: Message) -> JsonValue:
        """Return the JSON tree of a message.

        Raises:
            Unprintable: it has no JSON form, such as a time out of range or an Any of an unknown type.
        """
        try:
            return self._writers.message(message.DESCRIPTOR)(message)  # type: ignore[arg-type] # the runtime's class has the same members
        except UNUSUAL as error:
            raise self._unprintable(message, error) from None

    def print(self, message: Message) -> bytes:
        """Return a message as compact JSON in UTF-8.

        Raises:
            Unprintable: it has no JSON form.
        """
        try:
            return _dump(self._writers.message(message.DESCRIPTOR)(message))  # type: ignore[arg-type] # the runtime's class has the same members
        except UNUSUAL as error:
            raise self._unprintable(message, error) from None

    def print_field(self, message: Message, field: FieldDescriptor) -> bytes:
        """Return the value of one field as compact JSON in UTF-8.

        A field that is not set is written all the same: `[]`, `{}`, the default of a scalar, and of a message what it
        is when empty; but null for wrappers, times, durations, masks and values, where null means "not set".

        Raises:
            Unprintable: it has no JSON form.
        """
        try:
            return _dump(self._field_tree(message, field))
        except UNUSUAL as error:
            raise self._unprintable(message, error) from None

    def _field_tree(self, message: Message, field: FieldDescriptor) -> JsonValue:
        value: Any = message.Extensions[field] if field.is_extension else getattr(message, field.name)  # type: ignore[index] # of this message
        kind = field.message_type
        if kind is not None and not is_map(field) and not field.is_repeated and not _is_set(message, field):
            return None if is_wrapper(kind) or kind.full_name in _NULL else _EMPTY.get(kind.full_name, {})
        writer = self._writers.field(field)
        plain: JsonValue = value if writer is None else writer(value)
        return plain

    def _unprintable(self, message: Message, error: Exception) -> Unprintable:
        path = locate(message, self._field_tree)
        why = "it is nested too deeply" if isinstance(error, RecursionError) else clip(str(error))
        where = f"its field `{path}` is wrong: " if path else ""
        return Unprintable(f"the message `{message.DESCRIPTOR.full_name}` cannot be written as JSON: {where}{why}")


def _is_set(message: Message, field: FieldDescriptor) -> bool:
    if field.is_extension:
        return message.HasExtension(field)  # type: ignore[arg-type] # of this message
    return message.HasField(field.name)


def _dump(tree: JsonValue) -> bytes:
    try:
        return orjson.dumps(tree)
    except orjson.JSONEncodeError:  # deeper than orjson writes
        return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
