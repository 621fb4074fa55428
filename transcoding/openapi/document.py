"""A whole document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from transcoding.codec import Codec, JsonValue
from transcoding.openapi.annotations import Resources
from transcoding.openapi.comments import Comments
from transcoding.openapi.messages import SHARED
from transcoding.openapi.operations import Operations, Planned
from transcoding.openapi.paths import ExpandedPath, expand
from transcoding.openapi.responses import error_components
from transcoding.openapi.scalars import Schema
from transcoding.openapi.style import INPUT, Style, reference
from transcoding.rest.rule import RestRule

OPENAPI = "3.1.0"
"""The version of the specification."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The dialect of the schemas."""

_VERBS = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"})
"""The verbs that a Path Item Object has fields for."""


def document(
    rules: Iterable[RestRule], *, title: str, version: str, server_url: str = "", files: Iterable[bytes] = ()
) -> Schema:
    """Return the OpenAPI document of some rules. It is the same for the same input.

    Bindings that OpenAPI has no form for are left out and named in `x-notes`: verbs of `custom` that it does not know,
    and paths that differ for the gateway only.

    Args:
        rules: The rules, of any routes, in the order in which they are tried.
        title: What the API is called.
        version: The version of the API, for people.
        server_url: Where it is served. Empty means where the document comes from.
        files: Serialized `FileDescriptorProto`s with comments, for descriptions. Those without comments do no harm.
    """
    rules = list(rules)
    comments = Comments(files)
    resources = Resources(dict.fromkeys(rule.binding.method.containing_service for rule in rules))
    plan = _Plan(_tags(rules))
    for rule in rules:
        plan.add(rule, resources)
    operations, schemas = _describe(plan.planned, comments, resources)
    paths: dict[str, dict[str, JsonValue]] = {}
    for planned, operation in zip(plan.planned, operations, strict=True):
        paths.setdefault(planned.path.path, {})[planned.rule.binding.verb.lower()] = operation
    made: Schema = {
        "openapi": OPENAPI,
        "info": {"title": title, "version": version},
        "jsonSchemaDialect": DIALECT,
        "servers": [{"url": server_url or "/"}],
        "tags": [_tag(tag, service, comments) for service, tag in plan.used.items()],
        "paths": dict(paths),
        "components": {
            "schemas": dict(sorted({**schemas, **SHARED}.items())),
            "responses": dict(error_components()),
        },
    }
    if plan.notes:
        made["x-notes"] = list(plan.notes)
    return made


@dataclass(slots=True)
class _Plan:
    """Which operations there are, and where."""

    tags: Mapping[str, str]
    """The tag of each service, by full name."""
    planned: list[Planned] = field(default_factory=list)
    """The operations."""
    notes: list[str] = field(default_factory=list)
    """What was left out."""
    used: dict[str, str] = field(default_factory=dict)
    """The tags of the services that have operations."""
    shapes: dict[str, ExpandedPath] = field(default_factory=dict)
    taken: dict[tuple[str, str], RestRule] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def add(self, rule: RestRule, resources: Resources) -> None:
        """Plan an operation, or note why there is none."""
        binding = rule.binding
        name = binding.method.full_name
        if binding.verb not in _VERBS:
            self.notes.append(f"{name}: {binding.pattern} is left out: OpenAPI has no verb `{binding.verb}`")
            return
        path = expand(binding, resources)
        shape = path.shape
        other = self.taken.setdefault((binding.verb, shape), rule)
        if other is not rule:
            if other.offer.route == rule.offer.route and other.offer.method.path == rule.offer.method.path:
                return  # another version of the schema says the same, or an additional binding does
            self.notes.append(
                f"{name}: {binding.pattern} is left out: OpenAPI cannot tell it from {other.binding.pattern} of "
                f"{other.binding.method.full_name}"
            )
            return
        # OpenAPI 3.1, Paths Object: templated paths of one hierarchy must not differ in the names alone
        path = path.named_like(self.shapes.setdefault(shape, path))
        service = binding.method.containing_service.full_name
        tag = self.used[service] = self.tags[service]
        number = self.numbers[name] = self.numbers.get(name, 0) + 1
        operation_id = f"{tag.replace('.', '_')}_{binding.method.name}{number if number > 1 else ''}"
        self.planned.append(Planned(rule, path, operation_id, tag))


def _tags(rules: Iterable[RestRule]) -> dict[str, str]:
    """Return the tag of each service: its own name, or the full one where two have the same."""
    services = dict.fromkeys(rule.binding.method.containing_service.full_name for rule in rules)
    names = [service.rpartition(".")[2] for service in services]
    return {service: service if names.count(name) > 1 else name for service, name in zip(services, names, strict=True)}


def _tag(tag: str, service: str, comments: Comments) -> Schema:
    text = comments.of(service)
    return {"name": tag, "description": text} if text else {"name": tag}


def _describe(
    planned: list[Planned], comments: Comments, resources: Resources
) -> tuple[list[Schema], dict[str, Schema]]:
    """Return the operations in order, and the components.

    Routes may write the same messages differently, or know other versions of them: what belongs to one codec is one
    group, and where its components are not those of the groups before, all of them get another name.
    """
    groups: dict[Codec, list[int]] = {}
    for number, one in enumerate(planned):
        groups.setdefault(one.rule.offer.codec, []).append(number)
    operations: dict[int, Schema] = {}
    schemas: dict[str, Schema] = {}
    for codec, numbers in groups.items():
        attempt = 1
        while True:
            suffix = f"-{attempt}" if attempt > 1 else ""
            style = Style(options=codec.options, pool=codec.pool, comments=comments, resources=resources, suffix=suffix)
            maker = Operations(style)
            made = {number: maker.of(planned[number]) for number in numbers}
            maker.messages.finish()
            names = _shorter(maker.messages.components)
            components = {
                names[key]: cast(Schema, _renamed(value, names)) for key, value in maker.messages.components.items()
            }
            if all(schemas.get(name, component) == component for name, component in components.items()):
                break
            attempt += 1
        schemas.update(components)
        operations.update({number: cast(Schema, _renamed(operation, names)) for number, operation in made.items()})
    return [operations[number] for number in range(len(planned))], schemas


def _shorter(components: Iterable[str]) -> dict[str, str]:
    """Return the final names of components: a message that only requests have needs no `-Input`."""
    known = set(components)
    return {
        name: plain if name.endswith(INPUT) and (plain := name.removesuffix(INPUT)) not in known else name
        for name in known
    }


def _renamed(tree: JsonValue, names: Mapping[str, str]) -> JsonValue:
    """Return a tree whose references have the final names."""
    prefix = reference("")
    if isinstance(tree, dict):
        return {
            key: f"{prefix}{names.get(value.removeprefix(prefix), value.removeprefix(prefix))}"
            if key == "$ref" and isinstance(value, str) and value.startswith(prefix)
            else _renamed(value, names)
            for key, value in tree.items()
        }
    if isinstance(tree, list):
        return [_renamed(item, names) for item in tree]
    return tree
