"""The fields of request messages by name, with what sets them from text, compiled once for each message type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from transcoding.rules.text import Read, readable, reader
from transcoding.rules.wellknown import Fill, filler

Chain: TypeAlias = tuple["Field", ...]
"""A field of a request with those it lies in, outermost first."""


@dataclass(slots=True)
class Field:
    """One field of a message."""

    name: str
    """The proto name."""

    json_name: str
    """The name in JSON."""

    type_name: str
    """What its values are, for errors: `int32`, `google.protobuf.Timestamp`."""

    repeated: bool = False
    """Whether it is repeated and no map."""

    oneof: str = ""
    """The oneof it is in. Empty when in none; a proto3 `optional` is in none."""

    read: Read | None = None
    """What reads one value, for scalars and enums. Of a map it reads a value of an entry."""

    fill: Fill | None = None
    """What sets it from text, for messages that JSON writes as one value. Of a map it sets the value of an entry."""

    key: Read | None = None
    """What reads keys, for maps."""

    table: Table | None = None
    """The fields of its message, for singular messages that JSON writes as an object."""

    def assign(self, message: Message, text: str) -> None:
        """Set the field of a message from text, or append to it.

        Raises:
            ValueError: the text is none for this field; the message says what is wrong and how to mend it.
            TypeError: the field takes no text.
        """
        if self.read is not None:
            if self.repeated:
                getattr(message, self.name).append(self.read(text))
            else:
                setattr(message, self.name, self.read(text))
        elif self.fill is not None:
            self.fill(getattr(message, self.name), text)
        else:
            raise TypeError(f"{self.name} takes no text")

    def assign_entry(self, message: Message, key: str, text: str) -> None:
        """Set an entry of a map field.

        Raises:
            ValueError: the key or the text is none for this field; the message says what is wrong and how to mend it.
            TypeError: the field takes no entries as text.
        """
        entries = getattr(message, self.name)
        if self.key is None:
            raise TypeError(f"{self.name} is no map")
        if self.read is not None:
            entries[self.key(key)] = self.read(text)
        elif self.fill is not None:
            self.fill(entries[self.key(key)], text)
        else:
            raise TypeError(f"the values of {self.name} take no text")


@dataclass(slots=True)
class Table:
    """The fields of a message type."""

    full_name: str
    """The message type."""

    names: dict[str, Field] = field(default_factory=dict)
    """The fields by JSON name and by proto name. Where one field's JSON name is another's proto name, JSON counts."""

    own: dict[str, Field] = field(default_factory=dict)
    """The fields by proto name."""

    def known(self, word: str) -> Iterable[str]:
        """Return the names to suggest for a mistyped one, in its style."""
        return self.own if "_" in word else [found.json_name for found in self.own.values()]


class Tables:
    """The tables of the message types of a schema, shared by all its rules: each type is compiled once.

    Args:
        strip_enum_prefix: Whether enum values are known by their names without the enum's prefix too.
    """

    def __init__(self, *, strip_enum_prefix: bool = False) -> None:
        self._tables: dict[str, Table] = {}
        self._strip = strip_enum_prefix

    def of(self, message: Descriptor) -> Table:
        """Return the table of a message type and compile all types it leads to."""
        found = self._tables.get(message.full_name)
        if found is not None:
            return found
        root = self._tables[message.full_name] = Table(message.full_name)
        waiting = [(root, message)]
        while waiting:
            table, descriptor = waiting.pop()
            for compiled, child in (_compile(each, strip=self._strip) for each in descriptor.fields):
                table.own[compiled.name] = compiled
                if child is None:
                    continue
                compiled.table = self._tables.get(child.full_name)
                if compiled.table is None:
                    compiled.table = self._tables[child.full_name] = Table(child.full_name)
                    waiting.append((compiled.table, child))
            table.names.update(table.own)
            table.names.update({compiled.json_name: compiled for compiled in table.own.values()})
        return root


def oneofs(chain: Sequence[Field]) -> Iterator[tuple[str, str]]:
    """Yield each oneof that a field and those around it are in, by its full path, with the member."""
    prefix = ""
    for step in chain:
        if step.oneof:
            yield f"{prefix}{step.oneof}", f"{prefix}{step.name}"
        prefix = f"{prefix}{step.name}."


def is_map(descriptor: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    message = descriptor.message_type
    return descriptor.is_repeated and message is not None and bool(message.GetOptions().map_entry)


def type_name(descriptor: FieldDescriptor) -> str:
    """Return what a field's values are, as a proto file says it."""
    if is_map(descriptor) and descriptor.message_type is not None:
        parts = descriptor.message_type.fields_by_name
        return f"map<{type_name(parts['key'])}, {type_name(parts['value'])}>"
    if descriptor.message_type is not None:
        return str(descriptor.message_type.full_name)
    if descriptor.enum_type is not None:
        return str(descriptor.enum_type.full_name)
    return _TYPE_NAMES[descriptor.type]


_TYPE_NAMES: Mapping[int, str] = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}
"""The scalar types as a proto file names them."""


def _compile(descriptor: FieldDescriptor, *, strip: bool) -> tuple[Field, Descriptor | None]:
    """Return a field, and the message whose table it needs."""
    oneof = descriptor.containing_oneof
    made = Field(
        name=descriptor.name,
        json_name=descriptor.json_name,
        type_name=type_name(descriptor),
        oneof=oneof.name if oneof is not None and len(oneof.fields) > 1 else "",
    )
    message = descriptor.message_type
    if message is not None and is_map(descriptor):
        value = message.fields_by_name["value"]
        made.key = reader(message.fields_by_name["key"])
        made.read = reader(value, strip_prefix=strip) if readable(value) else None
        made.fill = filler(value.message_type) if value.message_type is not None else None
        return made, None
    made.repeated = descriptor.is_repeated
    if message is None:
        made.read = reader(descriptor, strip_prefix=strip)
        return made, None
    if made.repeated:
        return made, None
    made.fill = filler(message)
    return made, message if made.fill is None else None
