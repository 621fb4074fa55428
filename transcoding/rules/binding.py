"""A rule of a method, checked and compiled: what takes a verb and a path, and how the request is put together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from google.api import http_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from edge.model.hints import did_you_mean
from transcoding.rules.fields import Chain, Field, Table, Tables, oneofs
from transcoding.rules.matcher import ANY_VERB
from transcoding.rules.path import PathBinder
from transcoding.rules.query import QueryBinder
from transcoding.rules.template import PathTemplate, Variable, parse_template

Body: TypeAlias = Literal["*"] | FieldDescriptor | None
"""What the body of a request sets: the whole message, a field, or nothing."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""An HTTP method (RFC 9110 section 9.1)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a rule. The binding it is about is not made; the method's others are."""

    method: str
    """The full name of the method, `package.Service.Method`."""

    field: str
    """Where in the rule, as in `additional_bindings[0].get`."""

    path: str
    """The template as it was written. Empty when there is none."""

    description: str
    """What is wrong and how to mend it, beginning with a lower-case letter, without a full stop."""

    def __str__(self) -> str:
        """Return the problem as a line for people."""
        path = f" ({self.path})" if self.path else ""
        return f"{self.method}: {self.field}{path}: {self.description}"


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One way to call a method over HTTP."""

    verb: str
    """The HTTP verb, `*` for any."""

    template: PathTemplate
    """The paths it takes."""

    method: MethodDescriptor
    """The method it calls."""

    body: Body
    """What the body of the request sets."""

    response_body: FieldDescriptor | None
    """The field of the response that is the body of the answer, or None for the whole message."""

    path: PathBinder
    """Sets what the path names."""

    query: QueryBinder
    """Sets what the query names."""

    @property
    def pattern(self) -> str:
        """Verb and template, for people."""
        return f"{self.verb} {self.template}"


def compile_rule(
    method: MethodDescriptor, rule: http_pb2.HttpRule, tables: Tables | None = None
) -> tuple[list[Binding], list[Problem]]:
    """Compile a rule with its additional bindings.

    Args:
        method: The method. A rule's `selector` is not looked at.
        rule: Its rule.
        tables: The message types compiled so far, to share among the rules of a schema. None shares nothing.

    Returns:
        The bindings that are right, the rule's own first, and what is wrong with the others.
    """
    compiler = _Compiler(method, Tables() if tables is None else tables)
    compiler.add(rule, "")
    for number, additional in enumerate(rule.additional_bindings):
        place = f"additional_bindings[{number}]."
        if additional.additional_bindings:
            compiler.complain(
                f"{place}additional_bindings",
                _text(additional)[2],
                "additional bindings have none of their own; put them into the rule itself",
            )
            continue
        compiler.add(additional, place)
    return compiler.bindings, compiler.problems


def find_conflicts(bindings: Iterable[Binding]) -> list[Problem]:
    """Return where methods claim the same verb and the same paths: only the first of them is ever called.

    Args:
        bindings: The bindings of a route, in order of registration.
    """
    first: dict[object, Binding] = {}
    problems: list[Problem] = []
    for binding in bindings:
        other = first.setdefault((binding.verb, binding.template.shape), binding)
        if other.method.full_name != binding.method.full_name:
            description = (
                f"{other.method.full_name} takes the same paths ({other.pattern}) and comes first; "
                "change the path of one of them"
            )
            problems.append(Problem(binding.method.full_name, binding.verb, str(binding.template), description))
    return problems


class _Wrong(Exception):
    """A binding cannot be made: where and why."""


class _Compiler:
    """Makes the bindings of one method."""

    def __init__(self, method: MethodDescriptor, tables: Tables) -> None:
        self.method = method
        self.tables = tables
        self.bindings: list[Binding] = []
        self.problems: list[Problem] = []

    def complain(self, field: str, path: str, description: str) -> None:
        self.problems.append(Problem(self.method.full_name, field, path, description))

    def add(self, rule: http_pb2.HttpRule, place: str) -> None:
        field, verb, path = _text(rule)
        try:
            self.bindings.append(self.compile(rule, field, verb, path))
        except _Wrong as error:
            where, description = error.args
            self.complain(f"{place}{where}", path, description)

    def compile(self, rule: http_pb2.HttpRule, field: str, verb: str, path: str) -> Binding:
        if not field:
            raise _Wrong("pattern", "there is none; set one of get, put, post, delete, patch and custom")
        if field == "custom.path" and not _TOKEN.fullmatch(verb):
            raise _Wrong("custom.kind", f"`{verb}` is no HTTP method; write one, such as `HEAD`, or `*` for any")
        if not path:
            raise _Wrong(field, "the path is empty; write `/` for the root")
        try:
            template = parse_template(path)
        except ValueError as error:
            raise _Wrong(field, str(error)) from None
        request: Descriptor = self.method.input_type
        table = self.tables.of(request)
        chains = [_chain(table, variable, field) for variable in template.variables]
        _check_oneofs(chains, field)
        body = _body(rule.body, request, table, template)
        return Binding(
            verb=verb,
            template=template,
            method=self.method,
            body=body,
            response_body=_response_body(rule.response_body, self.method.output_type),
            path=PathBinder(chains),
            query=QueryBinder(table, bound=chains, body=body.name if isinstance(body, FieldDescriptor) else body),
        )


def _text(rule: http_pb2.HttpRule) -> tuple[str, str, str]:
    """Return which field of a rule has its path, the verb and the path. The field is empty when there is no pattern."""
    kind = rule.WhichOneof("pattern")
    if kind is None:
        return "", "", ""
    if kind == "custom":
        return "custom.path", rule.custom.kind, rule.custom.path
    return kind, kind.upper(), getattr(rule, kind)


def _chain(table: Table, variable: Variable, place: str) -> Chain:
    """Return the fields a variable leads through.

    Raises:
        _Wrong: it leads to none, or to one that no path sets.
    """
    found: list[Field] = []
    inner: Table | None = table
    for number, name in enumerate(variable.field_path):
        if inner is None:
            path = ".".join(variable.field_path[:number])
            raise _Wrong(place, f"the variable `{variable.name}`: {_why_not(found[-1], path, through=True)}")
        field = inner.own.get(name)
        if field is None:
            hint = did_you_mean(name, inner.own)
            raise _Wrong(place, f"the variable `{variable.name}`: {inner.full_name} has no field `{name}`{hint}")
        found.append(field)
        inner = field.table
    last = found[-1]
    if last.read is None or last.repeated or last.key is not None:
        raise _Wrong(place, f"the variable `{variable.name}`: {_why_not(last, variable.name, through=False)}")
    return tuple(found)


def _why_not(field: Field, path: str, *, through: bool) -> str:
    kind = f"a repeated {field.type_name}" if field.repeated else f"a {field.type_name}"
    if through and field.read is not None and field.key is None and not field.repeated:
        return f"`{path}` is {kind} and has no fields"
    wanted = "a singular message" if through else "a singular scalar or enum field"
    return f"`{path}` is {kind}; a path needs {wanted} there"


def _check_oneofs(chains: Sequence[Chain], place: str) -> None:
    members: dict[str, str] = {}
    for chain in chains:
        for oneof, member in oneofs(chain):
            if (other := members.setdefault(oneof, member)) != member:
                what = f"the variables set `{other}` and `{member}`, which are in one oneof (`{oneof}`)"
                raise _Wrong(place, f"{what}; a message has one of them at a time")


def _body(name: str, request: Descriptor, table: Table, template: PathTemplate) -> Body:
    if not name:
        return None
    if name == ANY_VERB:
        return "*"
    field = _top_level("body", name, request)
    for variable in template.variables:
        if variable.field_path == (name,):
            raise _Wrong("body", f"the path sets `{name}` already; name another field or leave it out of the path")
        chain = _chain(table, variable, "body")
        _check_oneofs([chain, (table.own[name],)], "body")
    return field


def _response_body(name: str, response: Descriptor) -> FieldDescriptor | None:
    return _top_level("response_body", name, response) if name else None


def _top_level(place: str, name: str, message: Descriptor) -> FieldDescriptor:
    field = message.fields_by_name.get(name)
    if field is not None:
        return field
    if "." in name:
        raise _Wrong(place, f"`{name}` is a path; only a field of {message.full_name} itself can be named")
    hint = did_you_mean(name, message.fields_by_name)
    raise _Wrong(place, f"{message.full_name} has no field `{name}`{hint}")
