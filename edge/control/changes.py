"""What is different between two sets of resources, down to the fields."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from edge.control.kinds import KINDS
from gateway.v1 import config_pb2

if TYPE_CHECKING:
    from edge.control.resources import Resources


class ChangeKind(enum.Enum):
    """What became of a resource. The values are those of `gateway.v1.ResourceChange.Kind`."""

    CREATED = config_pb2.ResourceChange.KIND_CREATED
    UPDATED = config_pb2.ResourceChange.KIND_UPDATED
    DELETED = config_pb2.ResourceChange.KIND_DELETED


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that is different."""

    name: str
    """Its name."""

    kind: ChangeKind
    """What became of it."""

    fields: tuple[str, ...] = ()
    """The paths of the fields that differ, as an update mask takes them. Empty unless it was updated."""

    def to_proto(self) -> config_pb2.ResourceChange:
        """Return the change as a message of the API."""
        return config_pb2.ResourceChange(name=self.name, kind=self.kind.value, fields=self.fields)


def changes(before: Resources, after: Resources) -> tuple[Change, ...]:
    """Return what is different, kind by kind and by name."""
    found = []
    for kind in KINDS.values():
        old, new = before.of(kind), after.of(kind)
        if old is new:
            continue
        for name in sorted({*old, *new}):
            was, now = old.get(name), new.get(name)
            if was is now:
                continue
            if was is None:
                found.append(Change(name, ChangeKind.CREATED))
            elif now is None:
                found.append(Change(name, ChangeKind.DELETED))
            else:
                skip = kind.output_only | {"etag"}
                fields = tuple(path for path in differences(was, now) if path.partition(".")[0] not in skip)
                if fields:
                    found.append(Change(name, ChangeKind.UPDATED, fields))
    return tuple(found)


def differences(before: Message, after: Message, prefix: str = "") -> Iterator[str]:
    """Yield the paths of the fields that differ. Lists, maps and well-known types are compared as a whole."""
    for field in before.DESCRIPTOR.fields:
        path = f"{prefix}{field.name}"
        if not _has(before, field) and not _has(after, field):
            continue
        old, new = getattr(before, field.name), getattr(after, field.name)
        if _has(before, field) == _has(after, field) and old == new:
            continue
        if _is_looked_into(field) and before.HasField(field.name) and after.HasField(field.name):
            yield from differences(old, new, f"{path}.")
        else:
            yield path


def _is_looked_into(field: Any) -> bool:
    nested = field.message_type
    return not field.is_repeated and nested is not None and nested.file.package == field.containing_type.file.package


def _has(message: Any, field: Any) -> bool:
    return bool(message.HasField(field.name)) if field.has_presence else bool(getattr(message, field.name))
