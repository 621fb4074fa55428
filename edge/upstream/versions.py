"""Which descriptors count when the endpoints of an upstream disagree, and how the others differ from them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from google.protobuf import descriptor_pb2

from edge.model.schema import Method, SchemaSet

MAX_DIFFERENCES = 20
"""The most differences that are told one by one."""

Signature = tuple[object, str, str]


def choose(schemas: Mapping[str, SchemaSet], endpoints: Mapping[str, int], in_force: str) -> SchemaSet:
    """Return the descriptors with which most calls go through: those that know every method the others know.

    When several do, or none, the one that most endpoints have; then the one that is in force already. What is left is
    decided by the hash, so that it does not change from look to look.

    Args:
        schemas: The descriptors by hash, at least one.
        endpoints: How many endpoints have each of them, by hash.
        in_force: The hash of those in force now, which need not be among them.
    """
    methods = {digest: _usable(schema).items() for digest, schema in schemas.items()}
    everything = frozenset[tuple[str, Signature]]().union(*methods.values())
    candidates = [digest for digest, known in methods.items() if known >= everything] or list(schemas)
    return schemas[max(candidates, key=lambda digest: (endpoints.get(digest, 0), digest == in_force, digest))]


def spoils(new: SchemaSet, old: SchemaSet) -> list[str]:
    """Return the services that `new` still has but cannot describe any more while `old` can."""
    return sorted(name for name in new.broken if name in old.services and name not in old.broken)


def harmful(other: SchemaSet, in_force: SchemaSet) -> bool:
    """Whether an endpoint with `other` lacks methods that are in force, or has them with other types."""
    known = {path: _signature(method) for path, method in other.methods.items()}
    return any(
        known.get(path) != signature
        for path, signature in _usable(in_force).items()
        if path in known or _service(path) not in other.lacking
    )


def differences(other: SchemaSet, in_force: SchemaSet) -> tuple[str, ...]:
    """Return how `other` differs from what is in force, in words that follow the name of who has it.

    Slow, because it reads the files: belongs in a worker thread.
    """
    found = list(_method_differences(other, in_force))
    found += [f"cannot describe {name}: {why}" for name, why in sorted(other.broken.items())]
    for theirs, ours in _changed_files(other.files, in_force.files):
        found += _message_differences(theirs, ours)
    if not found:
        changed = [theirs.name for theirs, _ in _changed_files(other.files, in_force.files)]
        found = [f"differs in {', '.join(changed[:3])}" if changed else "has other files"]
    if len(found) > MAX_DIFFERENCES:
        found[MAX_DIFFERENCES:] = [f"has {len(found) - MAX_DIFFERENCES} more differences"]
    return tuple(found)


def quoted(words: Sequence[str], most: int = 3) -> str:
    """Return differences as one text."""
    rest = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + rest


def _signature(method: Method) -> Signature:
    return method.shape, method.input_type, method.output_type


def _usable(schema: SchemaSet) -> dict[str, Signature]:
    """Return the methods whose messages are known, by path."""
    return {
        method.path: _signature(method)
        for service, methods in schema.services.items()
        if service not in schema.broken
        for method in methods
    }


def _method_differences(other: SchemaSet, in_force: SchemaSet) -> Iterator[str]:
    theirs, ours = other.methods, in_force.methods
    for path in sorted(ours.keys() - theirs.keys()):
        if _service(path) not in other.lacking:  # it is there, though not described
            yield f"lacks {_name(path)}"
    for path in sorted(theirs.keys() - ours.keys()):
        yield f"adds {_name(path)}"
    for path in sorted(theirs.keys() & ours.keys()):
        one, two = theirs[path], ours[path]
        if one.shape is not two.shape:
            yield f"has {_name(path)} as {one.shape.value}, not {two.shape.value}"
        elif _signature(one) != _signature(two):
            yield f"has {_name(path)} with other messages"


def _name(path: str) -> str:
    """Return the full name of a method by its path."""
    return path.removeprefix("/").replace("/", ".")


def _service(path: str) -> str:
    return path.split("/")[1]


def _changed_files(
    theirs: Mapping[str, bytes], ours: Mapping[str, bytes]
) -> Iterator[tuple[descriptor_pb2.FileDescriptorProto, descriptor_pb2.FileDescriptorProto]]:
    """Yield the files of one name with different contents."""
    for name in sorted(theirs.keys() & ours.keys()):
        if theirs[name] != ours[name]:
            yield (
                descriptor_pb2.FileDescriptorProto.FromString(theirs[name]),
                descriptor_pb2.FileDescriptorProto.FromString(ours[name]),
            )


def _message_differences(
    theirs: descriptor_pb2.FileDescriptorProto, ours: descriptor_pb2.FileDescriptorProto
) -> Iterator[str]:
    their_types, our_types = dict(_types(theirs)), dict(_types(ours))
    for name in sorted(their_types.keys() & our_types.keys()):
        if their_types[name] != our_types[name]:
            lost = [key for key in our_types[name] if key not in their_types[name]]
            new = [key for key in their_types[name] if key not in our_types[name]]
            other = [key for key, what in our_types[name].items() if their_types[name].get(key, what) != what]
            parts = [
                f"{verb} {quoted(keys)}"
                for verb, keys in (("without", lost), ("with", new), ("with another", other))
                if keys
            ]
            yield f"has {name} {' and '.join(parts)}"


def _types(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the messages and enums of a file by full name, each with its fields or values by name."""
    scope = f"{file.package}." if file.package else ""
    waiting = [(scope + message.name, message) for message in file.message_type]
    enums = [(scope + enum.name, enum) for enum in file.enum_type]
    for name, message in waiting:  # grows while it is walked
        yield name, {field.name: field.SerializeToString(deterministic=True) for field in message.field}
        waiting.extend((f"{name}.{nested.name}", nested) for nested in message.nested_type)
        enums.extend((f"{name}.{enum.name}", enum) for enum in message.enum_type)
    for name, enum in enums:
        yield name, {value.name: value.SerializeToString(deterministic=True) for value in enum.value}
