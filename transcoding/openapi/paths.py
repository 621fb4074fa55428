"""Path templates as OpenAPI has them: each wildcard a parameter.

`/v1/{name=shelves/*/books/*}` becomes `/v1/shelves/{shelf}/books/{book}`, whose parameters are parts of `name`. What
`**` takes has no form in OpenAPI; it is a parameter that says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from transcoding.openapi.annotations import Resources
from transcoding.rules.binding import Binding
from transcoding.rules.template import PathTemplate, Segment, SegmentKind, Variable


@dataclass(frozen=True, slots=True)
class PathParameter:
    """One wildcard of a template."""

    name: str
    """What it is called between the braces."""

    variable: Variable | None
    """The variable that it is, or is a part of. None when it is bound to nothing."""

    target: FieldDescriptor | None
    """The field that the variable sets."""

    rest: bool
    """Whether it takes the rest of the path, slashes too."""


@dataclass(frozen=True, slots=True)
class ExpandedPath:
    """A template as OpenAPI has it."""

    template: PathTemplate
    """The template."""

    parameters: tuple[PathParameter, ...]
    """Its wildcards, in order."""

    @property
    def path(self) -> str:
        """The path, `/v1/shelves/{shelf}`."""
        return _write(self.template, [f"{{{parameter.name}}}" for parameter in self.parameters])

    @property
    def shape(self) -> str:
        """The path with nameless parameters: OpenAPI takes paths of equal shape for one and the same."""
        return _write(self.template, ["{}"] * len(self.parameters))

    def pattern(self, variable: Variable) -> str:
        """Return what a variable is made of, `shelves/{shelf}`."""
        names = iter([part.name for part in self.parameters if part.variable == variable])
        segments = self.template.segments[variable.start : variable.end]
        return "/".join(str(one) if one.kind is SegmentKind.LITERAL else f"{{{next(names)}}}" for one in segments)

    def named_like(self, other: ExpandedPath) -> ExpandedPath:
        """Return the path with the names that one of equal shape has."""
        pairs = zip(self.parameters, other.parameters, strict=True)
        return ExpandedPath(
            self.template,
            tuple(PathParameter(theirs.name, own.variable, own.target, own.rest) for own, theirs in pairs),
        )


@dataclass(slots=True)
class _Names:
    """The names of the parameters of one path."""

    taken: set[str] = field(default_factory=set)

    def take(self, name: str) -> str:
        """Return a name that is not taken yet."""
        found, number = name, 1
        while found in self.taken:
            number += 1
            found = f"{name}_{number}"
        self.taken.add(found)
        return found


def expand(binding: Binding, resources: Resources) -> ExpandedPath:
    """Return the path of a binding."""
    template = binding.template
    owners = {place: one for one in template.variables for place in range(one.start, one.end)}
    names = _Names()
    parameters: list[PathParameter] = []
    unnamed = 0
    for place, segment in enumerate(template.segments):
        if segment.kind is SegmentKind.LITERAL:
            continue
        owner = owners.get(place)
        rest = segment.kind is SegmentKind.DOUBLE_STAR
        if owner is None:
            unnamed += 1
            parameters.append(PathParameter(names.take(f"segment_{unnamed}"), None, None, rest))
            continue
        name = owner.name if owner.end - owner.start == 1 else _part(template, owner, place, resources)
        parameters.append(PathParameter(names.take(name), owner, target(binding.method.input_type, owner), rest))
    return ExpandedPath(template, tuple(parameters))


def target(message: Descriptor, variable: Variable) -> FieldDescriptor:
    """Return the field that a variable sets. That it exists was found out when the rule was compiled."""
    *through, last = variable.field_path
    for name in through:
        inner = message.fields_by_name[name].message_type
        assert inner is not None, "the binding has been checked"
        message = inner
    return message.fields_by_name[last]


def _part(template: PathTemplate, owner: Variable, place: int, resources: Resources) -> str:
    """Return the name of one of several segments of a variable: by its collection, or a number."""
    before = template.segments[place - 1] if place > 0 else None
    if before is not None and before.kind is SegmentKind.LITERAL:
        singular = resources.singular(before.text)
        if singular:
            return singular
    wild = [at for at in range(owner.start, owner.end) if template.segments[at].kind is not SegmentKind.LITERAL]
    return f"{owner.name}_{wild.index(place) + 1}"


def _write(template: PathTemplate, names: list[str]) -> str:
    left = iter(names)

    def text(segment: Segment) -> str:
        return str(segment) if segment.kind is SegmentKind.LITERAL else next(left)

    path = "/" + "/".join(text(segment) for segment in template.segments)
    return f"{path}:{_verb(template)}" if template.verb else path


def _verb(template: PathTemplate) -> str:
    return str(Segment(SegmentKind.LITERAL, template.verb))
