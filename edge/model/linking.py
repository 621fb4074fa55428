"""Links the files of a schema into a descriptor pool of its own, as far as they fit together.

One file that does not link never takes the others down: it is left out with the reason, and so are the files that need
it. An import that nobody has but that nothing needs, such as one for options, is dropped.
"""

from __future__ import annotations

import importlib
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakValueDictionary

from google.protobuf import descriptor_pb2, descriptor_pool

_WELL_KNOWN = re.compile(r"google/(?:protobuf|api|rpc|type|longrunning)/(?:[a-z0-9_]+/)*[a-z0-9_]+\.proto")

_MAX_REASON = 300
"""The most letters of protobuf's own words that are passed on."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Linked:
    """The files of a schema, linked."""

    pool: descriptor_pool.DescriptorPool
    """The files that link. Its own: nothing of the default pool is in it."""

    broken: Mapping[str, str]
    """Why each file that is not in the pool does not link, by file name."""


_shared: WeakValueDictionary[str, Linked] = WeakValueDictionary()
"""By the hash of the files; an entry goes with the last schema that holds it."""

_lock = threading.Lock()


def link_shared(digest: str, files: Mapping[str, bytes]) -> Linked:
    """Return what `link` does, the same object for the same digest while somebody holds it.

    May be called from any thread: two at once may both link, and both get the result of one.
    """
    with _lock:
        found = _shared.get(digest)
    if found is not None:
        return found
    made = link(files)
    with _lock:
        return _shared.setdefault(digest, made)


def link(files: Mapping[str, bytes]) -> Linked:
    """Link serialized `FileDescriptorProto`s, each after its imports.

    Takes about as long as parsing the files: milliseconds for most, so it belongs in a worker thread.

    Args:
        files: The files by name. Imports of google/protobuf and its like that are not among them are added.
    """
    parsed: dict[str, descriptor_pb2.FileDescriptorProto] = {
        name: descriptor_pb2.FileDescriptorProto.FromString(data) for name, data in files.items()
    }
    add_well_known(parsed)
    ordered = in_order(parsed)
    broken = dict.fromkeys(parsed.keys() - ordered.keys(), "its imports go in a circle")
    roots = {name: name for name in broken}
    pool = descriptor_pool.DescriptorPool()
    for name, file in ordered.items():
        missing = [imported for imported in file.dependency if imported not in parsed]
        unlinked = [imported for imported in file.dependency if imported in broken]
        # a file that lacks nothing goes in as it came, with the options this process cannot read
        data = _without(file, {*missing, *unlinked}) if missing or unlinked else files.get(name)
        reason = _add(pool, name, file.SerializeToString() if data is None else data)
        if reason is None:
            continue
        roots[name] = roots[unlinked[0]] if unlinked else name
        if unlinked:
            broken[name] = f"it needs {roots[name]}: {broken[roots[name]]}"
        else:
            broken[name] = f"its import {missing[0]} is missing ({reason})" if missing else reason
    return Linked(pool, broken)


def _add(pool: descriptor_pool.DescriptorPool, name: str, data: bytes) -> str | None:
    """Add a file to the pool; return why it does not link, or None."""
    try:
        pool.AddSerializedFile(data)
        pool.FindFileByName(name)  # protobuf in Python links no sooner than now
    except (TypeError, ValueError, KeyError) as error:
        return str(error).removeprefix("Couldn't build proto file into descriptor pool: ")[:_MAX_REASON]
    return None


def _without(file: descriptor_pb2.FileDescriptorProto, lost: set[str]) -> bytes:
    """Return a file serialized that does not import `lost`."""
    copy = descriptor_pb2.FileDescriptorProto()
    copy.CopyFrom(file)
    kept = [index for index, imported in enumerate(file.dependency) if imported not in lost]
    copy.dependency[:] = [file.dependency[index] for index in kept]
    # these two are indexes into the imports
    copy.public_dependency[:] = [kept.index(index) for index in file.public_dependency if index in kept]
    copy.weak_dependency[:] = [kept.index(index) for index in file.weak_dependency if index in kept]
    return copy.SerializeToString()


def add_well_known(files: dict[str, descriptor_pb2.FileDescriptorProto]) -> list[tuple[str, str]]:
    """Add the imports that everybody has, such as google/protobuf/empty.proto.

    Returns:
        The imports that are missing still, sorted, each with a file that imports it.
    """
    missing: dict[str, str] = {}
    waiting = list(files.values())
    while waiting:
        file = waiting.pop()
        for name in file.dependency:
            if name in files or name in missing:
                continue
            if (found := well_known(name)) is None:
                missing[name] = file.name
            else:
                files[name] = descriptor_pb2.FileDescriptorProto.FromString(found)
                waiting.append(files[name])
    return sorted(missing.items())


def well_known(name: str) -> bytes | None:
    """Return a serialized file that others tend not to send because everybody has it, or None when it is none of these.

    Args:
        name: The name of the file, such as google/api/http.proto.
    """
    if not _WELL_KNOWN.fullmatch(name):
        return None
    try:
        module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    except ImportError:
        return None
    return bytes(module.DESCRIPTOR.serialized_pb)


def in_order(
    files: Mapping[str, descriptor_pb2.FileDescriptorProto],
) -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """Return the files so that each comes after its imports; those that import each other in a circle are left out."""
    ordered: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    importers: dict[str, list[str]] = {}
    open_imports = {}
    ready: deque[str] = deque()
    for name, file in sorted(files.items()):
        imports = {imported for imported in file.dependency if imported in files}
        open_imports[name] = len(imports)
        for imported in imports:
            importers.setdefault(imported, []).append(name)
        if not imports:
            ready.append(name)
    while ready:
        name = ready.popleft()
        ordered[name] = files[name]
        for importer in importers.get(name, ()):
            open_imports[importer] -= 1
            if not open_imports[importer]:
                ready.append(importer)
    return ordered
