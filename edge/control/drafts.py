"""What becomes of the resources somebody wants: pure steps of a change, which the configurator puts in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.control.changes import Change
from edge.control.conversion.scope import NOWHERE, Locate, Places, locate_nearest
from edge.control.kinds import KINDS
from edge.control.resources import API, NO_RESOURCES, Resources, declared_in_file, stamped
from edge.model.errors import Violation
from edge.model.resource_errors import DeclaredInFile
from gateway.v1 import origin_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody wants the resources to be."""

    resources: Resources
    """All resources, those of files included. Origin, times and etag of new ones need not be right."""

    places: Places = NOWHERE
    """Where the changed ones stand in the request."""

    violations: tuple[Violation, ...] = ()
    """What is known to be wrong already; it is reported together with the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The resources in force."""

    resources: Resources = NO_RESOURCES
    """All of them: those of the file and those of the store."""

    revision: int = 0
    """The number of the revision."""

    time: float = 0.0
    """When it came into force, in seconds since the epoch."""

    changes: tuple[Change, ...] = ()
    """What is different from the state before."""


def merged(current: Resources, stored: Resources, declared: Resources) -> Resources:
    """Return the resources of store and file as one set. It is `current` when that is the same."""
    together = current
    for kind in KINDS.values():
        wanted = {**stored.of(kind), **declared.of(kind)}
        have = current.of(kind)
        changed = [message for name, message in wanted.items() if have.get(name) is not message]
        gone = [name for name in have if name not in wanted]
        if changed or gone:
            together = together.put(*changed).remove(*gone)
    return together


def declare(
    resources: Resources, *, before: Resources, prefixes: Mapping[str, str], locate: Locate | None, now: float
) -> Resources:
    """Return the resources of a file with origin, times and etag; what did not change is the same object as before."""
    return Resources(
        stamped(message, kind, before=before.get(name), origin=_origin(source(locate, prefixes[name])), now=now)
        for kind in KINDS.values()
        for name, message in resources.of(kind).items()
    )


def stamp(before: Resources, wanted: Resources, *, now: float) -> Resources:
    """Return the wanted set with origin, times and etag; what did not change is the same object as before.

    Raises:
        DeclaredInFile: a resource of the file is different or gone.
    """
    result = wanted
    for kind in KINDS.values():
        old, new = before.of(kind), wanted.of(kind)
        if old is new:
            continue
        for name in old.keys() - new.keys():
            _refuse_declared(old[name])
        put = []
        for name, message in new.items():
            was = old.get(name)
            if message is was:
                continue
            is_now = stamped(message, kind, before=was, origin=API if was is None else was.origin, now=now)
            if was is not None and is_now is not was:
                _refuse_declared(was)
            put.append(is_now)
        if put:
            result = result.put(*put)
    return result


def kept(stored: Resources, before: Resources, after: Resources, different: Sequence[Change]) -> Resources:
    """Return what the store keeps after a change. What is or was declared in a file is none of its business."""
    put, remove = [], []
    for change in different:
        message = after.get(change.name)
        if declared_in_file(message if message is not None else before.get(change.name)):
            continue
        if message is None:
            remove.append(change.name)
        else:
            put.append(message)
    return stored.put(*put).remove(*remove)


def in_store_already(prefixes: Mapping[str, str], stored: Resources, locate: Locate | None) -> list[Violation]:
    """Refuse names of a file that the API has taken."""
    return [
        Violation(
            f"{path}.name",
            f"`{name}` was made by the API already; delete it there or choose another name",
            source(locate, f"{path}.name"),
        )
        for name, path in prefixes.items()
        if name in stored
    ]


def declared(message: Any) -> DeclaredInFile:
    """Return the refusal to change a resource that is declared in a file."""
    origin = message.origin
    metadata = {"resource": message.name, "file": origin.file}
    place = origin.file or "the configuration file"
    if origin.line:
        place += f" line {origin.line}"
        metadata["line"] = str(origin.line)
    return DeclaredInFile(f"{message.name} is declared in {place}; change it there", metadata=metadata)


def source(locate: Locate | None, path: str) -> str:
    """Return the place of a field in a file, as `file:line:column`, or an empty text."""
    return locate_nearest(locate, path) if locate else ""


def _refuse_declared(message: Any) -> None:
    if declared_in_file(message):
        raise declared(message)


def _origin(place: str) -> origin_pb2.Origin:
    file, _, line = place.rpartition(":")[0].rpartition(":")
    if not line.isdigit():
        return origin_pb2.Origin(kind=origin_pb2.Origin.KIND_FILE, file=place)
    return origin_pb2.Origin(kind=origin_pb2.Origin.KIND_FILE, file=file, line=int(line))
