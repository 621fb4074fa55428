"""`edge describe`: one resource with everything around it: who names it, what it names, and how it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc

from edge.commands import show
from edge.commands.client import connect
from edge.commands.get import config_of, health_of, source
from edge.commands.kinds import ENDPOINT_HEADERS, ENDPOINTS, KINDS, Kind, endpoint_row, find, split
from edge.commands.show import Format
from edge.commands.terminal import ExitCode, Failure, facts, heading, note, output, state, table, write
from edge.control.yaml_dump import dump, to_dict


def run(address: str, kind: str, name: str | None, form: Format) -> None:
    """Print a resource with who names it and, for what has endpoints, its live health."""
    word, name = split(kind, name)
    found = find(word)
    if not isinstance(found, Kind) or name is None:
        raise Failure(ExitCode.USAGE, f"say which one, as in `edge describe {word} NAME`")
    with connect(address) as channel:
        resource = found.get(channel, name if found is ENDPOINTS else found.full_name(name))
        users = list(_users(config_of(channel), resource.name))
        wanted = _upstreams(found, resource)
        healths = {upstream: _health(channel, upstream) for upstream in wanted}
    if form is Format.TABLE:
        _print(found, resource, users, healths)
        return
    key = "used_by" if form is Format.YAML else "usedBy"
    known = [health for health in healths.values() if health is not None]
    show.structured({found.singular: resource, key: [user for user, _ in users], "health": known}, form)


def _print(kind: Kind, resource: Any, users: list[tuple[str, str]], healths: dict[str, Any]) -> None:
    output().print(resource.name, style="bold")
    facts([(header.capitalize(), cell) for header, cell in zip(kind.headers, kind.row(resource), strict=True)][1:])
    heading("Definition")
    definition = to_dict(resource)
    definition.pop("name", None)
    write(dump(definition).rstrip() if definition else "(empty)")
    if kind is not ENDPOINTS and kind.plural != "routes":
        heading("Used by")
        table(("RESOURCE", "FIELD"), users) if users else note("nobody")
    for upstream, health in healths.items():
        heading(f"Health of {upstream}")
        if health is None:
            note("the gateway knows nothing of it")
        else:
            _print_health(health)


def _print_health(health: Any) -> None:
    facts(
        [
            ("State", state(show.enum_word(health, "state"))),
            ("Reason", health.reason),
            ("Breaker", state(show.enum_word(health, "breaker").replace("_", " "))),
            ("Discovery", source(health.discovery)),
            ("Schema", source(health.schema)),
            ("Versions", "\n".join(_versions(health))),
            ("Services", "\n".join(health.services)),
        ]
    )
    if health.endpoints:
        table(ENDPOINT_HEADERS, [endpoint_row(endpoint) for endpoint in health.endpoints])


def _versions(health: Any) -> Iterator[str]:
    """Yield who has which descriptors, when not all endpoints have the same."""
    if len(health.schema_versions) > 1:
        for version in health.schema_versions:
            words = "in force" if version.in_force else ", ".join(version.differences)
            yield f"{version.hash[:8] or 'unknown'}  {', '.join(version.endpoints)}: {words}"


def _health(channel: Any, upstream: str) -> Any:
    """Return the health of an upstream, or None when the gateway has none to tell."""
    try:
        health = health_of(channel, upstream)
    except grpc.RpcError as error:
        if error.code() in {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED}:
            return None
        raise
    return next((item for item in health.upstreams if item.upstream == upstream), None)


def _upstreams(kind: Kind, resource: Any) -> list[str]:
    """Return the upstreams whose health tells how the resource does."""
    if kind.plural == "upstreams":
        return [resource.name]
    if kind.plural == "routes":
        return [target.upstream for target in resource.forward.upstreams]
    return []


def _users(config: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield the resources that name a resource, and the field in which they do."""
    for kind in KINDS:
        for resource in getattr(config, kind.plural, ()):
            if resource.name != name:
                for path in _mentions(to_dict(resource), name, ""):
                    yield resource.name, path


def _mentions(value: Any, name: str, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _mentions(item, name, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _mentions(item, name, f"{path}[{index}]")
    elif value == name:
        yield path
