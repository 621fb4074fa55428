"""Collects the resources of a configuration by name, before anything is converted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.control.conversion.scope import Problem, Scope
from edge.control.kinds import ID_RULE, KINDS, Kind
from edge.control.resources import Resources
from gateway.v1 import config_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a configuration lists."""

    resources: Resources
    """The resources as they were written, those without usable name and repeated ones left out."""

    prefixes: Mapping[str, str]
    """Where each is, by name, as in `routes[2]`."""

    problems: tuple[Problem, ...]
    """What is wrong with names, by full path."""


def gather(config: config_pb2.GatewayConfig | config_pb2.Config, prefix: str = "") -> Gathered:
    """Collect the resources of a configuration.

    Args:
        config: The configuration.
        prefix: The path of the configuration itself. Empty for a file.
    """
    scope = Scope(prefix)
    found = []
    prefixes: dict[str, str] = {}
    for kind in KINDS.values():
        listed = scope.field(kind.collection)
        for index, message in enumerate(getattr(config, kind.collection)):
            place = listed.index(index)
            name = message.name
            if problem := name_problem(name, kind):
                place.field("name").refuse(problem)
            elif name in prefixes:
                place.field("name").refuse(f"`{name}` is in {prefixes[name]} already")
            else:
                prefixes[name] = place.path
                found.append(message)
    return Gathered(resources=Resources(found), prefixes=prefixes, problems=tuple(scope.problems))


def name_problem(name: str, kind: Kind) -> str:
    """Return what is wrong with the name of a resource, or an empty text."""
    if kind.owns(name):
        return ""
    if not name:
        return f"a name is missing, as in `{kind.name('example')}`"
    collection, slash, identifier = name.partition("/")
    if not slash:
        example = kind.name(name) if kind.owns(kind.name(name)) else kind.name("example")
        return f"`{name[:100]}` is no name of this kind; it begins with `{kind.collection}/`, as in `{example}`"
    if collection != kind.collection:
        return f"`{name[:100]}` is no name of this kind; it has to begin with `{kind.collection}/`"
    return f"`{identifier[:100]}` does not fit: the part after `{kind.collection}/` has to be {ID_RULE}"
