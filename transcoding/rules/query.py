"""Puts the query of a request into its message.

A parameter is a field path by proto or JSON names, `book.page_count=3`. Names and values are decoded as HTML forms
encode them, so `+` is a space. Beyond google/api/http.proto: well-known types as one value, map entries as
`labels[env]=prod`, Struct and Value as JSON text. What that file leaves open is refused here, for a value that is
quietly dropped or chosen helps nobody: a field the path or the body has already, a scalar given twice, two members of
one oneof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from google.protobuf.message import Message

from edge.model.errors import InvalidRequest, Violation
from edge.model.hints import did_you_mean
from transcoding.rules.escapes import BadEscape, decode_form, plain
from transcoding.rules.fields import Chain, Field, Table, oneofs

Unknown: TypeAlias = Literal["refuse", "report", "ignore"]
"""What happens to a parameter that names no field."""

MOST_COMPLAINTS = 10
"""After so many violations or reports the rest of a query is not looked at for more: each costs a search for hints."""

DEEPEST = 64
"""The most names in a field path; protobuf itself refuses messages nested about a hundred deep."""

_LONGEST_NAME = 100
"""The most characters of a name that an error quotes."""


class _UnknownParameter(ValueError):
    """A parameter names no field."""


class _Given:
    """What a query has set so far."""

    __slots__ = ("oneofs", "paths")

    def __init__(self, taken: dict[str, str]) -> None:
        self.paths: set[str] = set()
        self.oneofs = dict(taken)

    def add(self, path: str) -> None:
        """Note a field or entry that takes one value.

        Raises:
            ValueError: it has one already.
        """
        if path in self.paths:
            raise ValueError("it is given twice, but takes one value; leave one out")
        self.paths.add(path)


class QueryBinder:
    """Sets the fields that the queries of one binding name.

    Args:
        table: The fields of the request message.
        bound: The fields the path sets.
        body: The field the body sets, `*` when the body is the whole request, or None when there is no body.
    """

    __slots__ = ("_body", "_bound", "_direct", "_table", "_taken")

    def __init__(self, table: Table, *, bound: Iterable[Chain] = (), body: str | None = None) -> None:
        self._table = table
        self._body = body
        self._bound: set[str] = set()
        self._taken: dict[str, str] = {}
        for chain in bound:
            self._bound.add(".".join(step.name for step in chain))
            self._taken.update(oneofs(chain))
        if body is not None and (field := table.own.get(body)) is not None:
            self._taken.update(oneofs((field,)))
        self._direct = {name: field for name, field in table.names.items() if self._is_direct(field)}
        """The fields that most queries are about: they need none of the checks but whether they are given twice."""

    def bind(
        self,
        message: Message,
        query: str,
        *,
        unknown: Unknown = "refuse",
        ignored: frozenset[str] = frozenset(),
        report: Callable[[str], None] | None = None,
    ) -> None:
        """Set the fields of a message from a query.

        Args:
            message: The request message.
            query: What stands behind the `?`, as it was sent. Empty for none.
            unknown: What happens to a parameter that names no field.
            ignored: Names of parameters that are none of the service's, such as `$alt` or `key`.
            report: Takes a sentence about each unknown parameter when those are reported, up to `MOST_COMPLAINTS`.

        Raises:
            InvalidRequest: a parameter is wrong. The message then holds some of the values.
        """
        if not query:
            return
        given = _Given(self._taken)
        violations: list[Violation] = []
        reporting = unknown == "report" and report is not None
        reports = 0
        clean = "+" not in query and plain(query)
        for pair in query.split("&"):
            if not pair:
                continue
            raw_name, _, raw_value = pair.partition("=")
            name = raw_name
            try:
                if not clean:
                    name = decode_form(raw_name)
                if name in ignored:
                    continue
                text = raw_value if clean else decode_form(raw_value)
                field = self._direct.get(name)
                if field is not None:
                    given.add(field.name)
                    field.assign(message, text)
                else:
                    wanted = unknown == "refuse" or (reporting and reports < MOST_COMPLAINTS)
                    self._set(message, name, text, given, hint=wanted)
            except _UnknownParameter as error:
                if unknown == "refuse":
                    violations.append(Violation(_shown(name), str(error)))
                elif unknown == "report" and report is not None and reports < MOST_COMPLAINTS:
                    reports += 1
                    report(f"{_shown(name)}: {error}")
            except BadEscape as error:
                violations.append(Violation(_shown(name), f"the query is not well encoded: {error}"))
            except ValueError as error:
                violations.append(Violation(_shown(name), str(error)))
            if len(violations) == MOST_COMPLAINTS:
                break
        if violations:
            raise InvalidRequest.of(violations)

    def _is_direct(self, field: Field) -> bool:
        scalar = field.read is not None and field.key is None and not field.repeated and not field.oneof
        return scalar and self._body not in ("*", field.name) and field.name not in self._bound

    def _set(self, message: Message, name: str, text: str, given: _Given, *, hint: bool) -> None:
        base, bracket, rest = name.partition("[")
        if self._body == "*":
            raise _UnknownParameter('there are no query parameters here: the body is the whole request (`body: "*"`)')
        chain = self._resolve(base, hint=hint)
        field = chain[-1]
        path = ".".join(step.name for step in chain)
        self._check(chain, path)
        if bracket:
            if field.key is None:
                raise ValueError(f"it is a {field.type_name} and no map; write `{base}=value`")
            if not rest.endswith("]"):
                raise ValueError(f"the key is not closed; write `{base}[key]=value`")
            path = f"{path}[{rest}"
        elif field.key is not None:
            raise ValueError(f"it is a {field.type_name}; write `{base}[key]=value`")
        if not field.repeated:
            given.add(path)
        for oneof, member in oneofs(chain):
            if (other := given.oneofs.setdefault(oneof, member)) != member:
                raise ValueError(f"only one of the oneof `{oneof}` can be set, and `{other}` is; leave one out")
        for step in chain[:-1]:
            message = getattr(message, step.name)
        if bracket:
            field.assign_entry(message, rest[:-1], text)
        else:
            field.assign(message, text)

    def _resolve(self, base: str, *, hint: bool) -> Chain:
        """Return the fields that a path of names leads through.

        Raises:
            ValueError: it leads to none, or through one that has none.
        """
        parts = base.split(".")
        if len(parts) > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep; send such a field in a body")
        table = self._table
        found: list[Field] = []
        for number, part in enumerate(parts, 1):
            field = table.names.get(part)
            if field is None:
                words = did_you_mean(part, table.known(part)) if hint else ""
                raise _UnknownParameter(f"{table.full_name} has no field `{_shown(part)}`{words}")
            found.append(field)
            if number == len(parts):
                break
            if field.table is None:
                raise ValueError(_no_way_through(field, ".".join(parts[:number])))
            table = field.table
        return tuple(found)

    def _check(self, chain: Chain, path: str) -> None:
        """Refuse a field that no query sets.

        Raises:
            ValueError: it is one.
        """
        if chain[0].name == self._body:
            raise ValueError(f"`{self._body}` is the body of the request; send it there")
        if path in self._bound:
            raise ValueError("the path sets it already; leave it out of the query")
        field = chain[-1]
        if field.table is not None:
            inner = next(iter(field.table.own), None)
            mend = f"name its fields, such as `{path}.{inner}`" if inner else "it has no fields to set"
            raise ValueError(f"it is the message {field.type_name}; {mend}")
        if field.read is None and field.fill is None:
            what = field.type_name if field.key is not None else f"a repeated {field.type_name}"
            raise ValueError(f"it is {what}, which has no form in a query; send it in a body")


def _no_way_through(field: Field, path: str) -> str:
    if field.fill is not None and field.key is None:
        return f"`{path}` is a {field.type_name}, which is written as one value; write `{path}=value`"
    if field.key is not None:
        return f"`{path}` is a {field.type_name}; write `{path}[key]=value`"
    if field.read is None:
        return f"`{path}` is a repeated {field.type_name}, which has no form in a query; send it in a body"
    return f"`{path}` is a {field.type_name} and has no fields; write `{path}=value`"


def _shown(name: str) -> str:
    cut = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    return cut if cut.isprintable() else ascii(cut)[1:-1]
