"""All resources at one moment, immutable: a change makes another set that shares what stayed the same.

A resource is its proto message, complete as callers see it, with origin, times and etag. A message that is in a set is
never changed any more, so that its identity says that it is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from edge.control.conversion.availability import is_not_yet
from edge.control.kinds import KINDS, Kind
from gateway.v1 import origin_pb2

API = origin_pb2.Origin(kind=origin_pb2.Origin.KIND_API)
"""The origin of resources made by the API."""

MessageT = TypeVar("MessageT", bound=Message)

_EMPTY: Mapping[str, Any] = MappingProxyType({})


class Resources:
    """A set of resources of all kinds."""

    __slots__ = ("_by_kind", "_etag", "_names")

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._by_kind: dict[str, dict[str, Any]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._etag = ""
        for message in messages:
            self._add(message)

    def _add(self, message: Any) -> None:
        collection = message.name.partition("/")[0]
        if collection not in KINDS:
            raise ValueError(f"{message.name} belongs to no kind")
        self._by_kind.setdefault(collection, {})[message.name] = message

    def __len__(self) -> int:
        return sum(map(len, self._by_kind.values()))

    def __iter__(self) -> Iterator[Any]:
        """Yield every resource, kind by kind."""
        for collection in KINDS:
            yield from self._by_kind.get(collection, _EMPTY).values()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def get(self, name: str) -> Any:
        """Return a resource by its name, or None."""
        return self._by_kind.get(name.partition("/")[0], _EMPTY).get(name)

    def of(self, kind: Kind) -> Mapping[str, Any]:
        """Return the resources of a kind by name."""
        return self._by_kind.get(kind.collection, _EMPTY)

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Return the sorted names of a kind."""
        names = self._names.get(kind.collection)
        if names is None:
            names = self._names[kind.collection] = tuple(sorted(self.of(kind)))
        return names

    def put(self, *messages: Message) -> Resources:
        """Return a set with these resources added or replaced."""
        return self._changed(messages, ())

    def remove(self, *names: str) -> Resources:
        """Return a set without the resources of these names."""
        return self._changed((), names)

    def _changed(self, put: Iterable[Any], remove: Iterable[str]) -> Resources:
        put, remove = tuple(put), tuple(remove)
        changed = Resources()
        changed._by_kind = dict(self._by_kind)
        changed._names = dict(self._names)
        for collection in {name.partition("/")[0] for name in (*(message.name for message in put), *remove)}:
            changed._by_kind[collection] = dict(self._by_kind.get(collection, _EMPTY))
            changed._names.pop(collection, None)
        for message in put:
            changed._add(message)
        for name in remove:
            changed._by_kind[name.partition("/")[0]].pop(name, None)
        return changed

    @property
    def etag(self) -> str:
        """The checksum of the whole set."""
        if not self._etag:
            digest = hashlib.sha256()
            for kind in KINDS.values():
                resources = self.of(kind)
                for name in self.names(kind):
                    digest.update(f"{name} {resources[name].etag}\n".encode())
            self._etag = digest.hexdigest()[:16]
        return self._etag


NO_RESOURCES = Resources()
"""The empty set."""


def declared_in_file(message: Any) -> bool:
    """Whether a resource is declared in a file."""
    return bool(message.origin.kind == origin_pb2.Origin.KIND_FILE)


def bare(message: MessageT, kind: Kind) -> MessageT:
    """Return a copy without what callers cannot change and without etag.

    Output-only fields that this version refuses stay, so that they are refused and not overlooked.
    """
    copy = type(message)()
    copy.CopyFrom(message)
    for field in kind.output_only:
        if not is_not_yet(kind.message, field):
            copy.ClearField(field)
    copy.ClearField("etag")
    return copy


def etag_of(message: Message, kind: Kind) -> str:
    """Return the checksum of what callers can change of a resource."""
    return _checksum(bare(message, kind))


def _checksum(message: Message) -> str:
    return hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest()[:16]


def stamped(message: Message, kind: Kind, *, before: Any, origin: origin_pb2.Origin, now: float) -> Any:
    """Return the resource as it goes into a set: `before` itself when nothing is different.

    Args:
        message: What somebody wants it to be.
        kind: Its kind.
        before: The resource of that name that is there already, or None.
        origin: Where it is declared.
        now: Seconds since the epoch.
    """
    new: Any = bare(message, kind)
    etag = _checksum(new)
    if before is not None and before.etag == etag and before.origin == origin:
        return before
    if before is not None:
        for field in kind.output_only:
            if before.DESCRIPTOR.fields_by_name[field].is_repeated:
                getattr(new, field).MergeFrom(getattr(before, field))
            elif before.DESCRIPTOR.fields_by_name[field].message_type and before.HasField(field):
                getattr(new, field).CopyFrom(getattr(before, field))
    time = timestamp(now)
    if not new.HasField("create_time"):
        new.create_time.CopyFrom(time)
    if before is None or before.etag != etag or not new.HasField("update_time"):
        new.update_time.CopyFrom(time)
    new.origin.CopyFrom(origin)
    new.etag = etag
    return new


def timestamp(seconds: float) -> Timestamp:
    """Return a time given in seconds since the epoch."""
    time = Timestamp()
    time.FromNanoseconds(round(seconds * 1e9))
    return time
