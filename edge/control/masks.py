"""Field masks of updates (AIP-134, AIP-161): which fields of what was sent go into a resource.

Paths are relative to the resource. A path may go into a message (`connection.max_backoff`) or name an entry of a map
(`labels.team`, in backquotes when the key is no word: ``labels.`cost-center` ``). Lists and well-known
types go as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from edge.control.conversion.scope import Scope
from edge.model.hints import did_you_mean

MessageT = TypeVar("MessageT", bound=Message)

EVERYTHING = "*"
"""The mask that replaces the whole resource."""

_STEP = re.compile(r"(?:`((?:[^`]|``)*)`|([^.`]+))(?:\.|$)")


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A path of a mask, resolved."""

    fields: tuple[Any, ...]
    """The fields from the resource to what is meant."""

    key: str | None = None
    """The key when an entry of the map in the last field is meant."""


def merge(current: MessageT, sent: MessageT, paths: Sequence[str], *, fixed: Iterable[str], scope: Scope) -> MessageT:
    """Return a copy of a resource with the fields of a mask taken from what was sent.

    A field that is in the mask and not in `sent` is cleared.

    Args:
        current: The resource as it is.
        sent: What was sent.
        paths: The paths of the mask. None means every field that is set in `sent`; `*` means all fields.
        fixed: The top-level fields that stay as they are: the name, the etag and what is output only (AIP-203 asks to
            ignore those, so that a resource can be sent back as it was got).
        scope: The mask itself. What is wrong with a path is refused there.
    """
    kept = frozenset(fixed)
    result = type(current)()
    result.CopyFrom(current)
    if EVERYTHING in paths:
        if len(paths) > 1:
            scope.refuse("`*` stands for every field and has to be alone")
        chosen = [FieldPath((field,)) for field in current.DESCRIPTOR.fields]
    elif paths:
        chosen = [found for path in paths if (found := resolve(current.DESCRIPTOR, path, scope)) is not None]
    else:
        chosen = [FieldPath((field,)) for field, _ in sent.ListFields()]
    for path in chosen:
        if path.fields[0].name not in kept:
            _take(result, sent, path)
    return result


def resolve(descriptor: Any, path: str, scope: Scope) -> FieldPath | None:
    """Return what a path means, or None when it means nothing, which is refused in the scope."""
    steps = _steps(path)
    if not steps:
        scope.refuse(f"`{_short(path)}` is no field path, as in `timeout` or `connection.max_backoff`")
        return None
    fields: list[Any] = []
    where: Any = descriptor
    for index, step in enumerate(steps):
        if where is None:
            before = fields[-1]
            if before.is_repeated and _is_map(before) and index == len(steps) - 1:
                return FieldPath(tuple(fields), step)
            scope.refuse(f"`{_short(path)}`: {_whole(before)}")
            return None
        field = where.fields_by_name.get(step)
        if field is None:
            known = [name for name in where.fields_by_name if not name.startswith("_")]
            inside = f" in `{'.'.join(field.name for field in fields)}`" if fields else ""
            scope.refuse(f"`{_short(path)}`: there is no field `{_short(step)}`{inside}{did_you_mean(step, known)}")
            return None
        fields.append(field)
        where = _inside(field, descriptor)
    return FieldPath(tuple(fields))


def _inside(field: Any, root: Any) -> Any:
    """Return the message a path may go into, or None."""
    nested = field.message_type
    if nested is None or field.is_repeated or nested.file.package != root.file.package:
        return None
    return nested


def _whole(field: Any) -> str:
    if _is_map(field):
        return f"`{field.name}` is a map, and its entries are updated as a whole"
    if field.is_repeated:
        return f"`{field.name}` is a list, which is updated as a whole: write `{field.name}`"
    return f"`{field.name}` is a single value without fields"


def _is_map(field: Any) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _steps(path: str) -> list[str]:
    steps = []
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            return []
        quoted, word = found.groups()
        steps.append(word if quoted is None else quoted.replace("``", "`"))
        position = found.end()
    return [] if path.endswith(".") else steps


def _take(result: Any, sent: Any, path: FieldPath) -> None:
    """Make one field of `result` what it is in `sent`."""
    source: Any = sent
    for field in path.fields[:-1]:
        if source is not None:
            source = getattr(source, field.name) if source.HasField(field.name) else None
    last = path.fields[-1]
    there = source is not None and _is_set(source, last, path.key)
    target = result
    for field in path.fields[:-1]:
        if not there and not target.HasField(field.name):
            # what would be cleared is not there; an empty message in its place would mean something else
            return
        target = getattr(target, field.name)
    if path.key is not None:
        _take_entry(getattr(target, last.name), getattr(source, last.name) if there else {}, path.key)
    elif not there:
        target.ClearField(last.name)
    elif last.is_repeated:
        target.ClearField(last.name)
        getattr(target, last.name).MergeFrom(getattr(source, last.name))
    elif last.message_type is not None:
        getattr(target, last.name).CopyFrom(getattr(source, last.name))
    else:
        setattr(target, last.name, getattr(source, last.name))


def _take_entry(target: Any, source: Any, key: str) -> None:
    if key not in source:
        target.pop(key, None)
    elif isinstance(source[key], Message):
        target[key].CopyFrom(source[key])
    else:
        target[key] = source[key]


def _is_set(message: Any, field: Any, key: str | None) -> bool:
    if key is not None:
        return key in getattr(message, field.name)
    if field.has_presence:
        return bool(message.HasField(field.name))
    return bool(getattr(message, field.name))


def _short(text: str) -> str:
    return text if len(text) <= 100 else text[:99] + "…"
