"""Path templates of `google.api.http`: `/v1/{name=shelves/*}/books:search`.

    Template  = "/" Segments [ Verb ]
    Segments  = Segment { "/" Segment }
    Segment   = "*" | "**" | LITERAL | Variable
    Variable  = "{" FieldPath [ "=" Segments ] "}"
    FieldPath = IDENT { "." IDENT }
    Verb      = ":" LITERAL

This is the grammar of google/api/http.proto. Beside it: `/` alone is a template too (every peer accepts it), `**` is
the last segment (the text there says so), variables are not nested, and no two variables set the same field or one
within the other. A LITERAL holds letters, digits, `-`, `.`, `_`, `~` and percent-escapes; whatever else is reserved has
to be percent-encoded, so a colon always begins the verb.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import quote

from transcoding.rules.escapes import BadEscape, decode_bytes

_IDENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LITERAL = re.compile(r"(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})*")
_ENDS = "/:{}*="


class SegmentKind(enum.IntEnum):
    """What a segment stands for. The larger kind is the more specific one."""

    DOUBLE_STAR = 1
    STAR = 2
    LITERAL = 3


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a template."""

    kind: SegmentKind
    """What it stands for."""

    text: str = ""
    """The decoded text of a literal, else empty. Bytes that are no UTF-8 are there as `surrogateescape` has them."""

    def __str__(self) -> str:
        """Return the segment as it is written in a template."""
        if self.kind is SegmentKind.LITERAL:
            return _written(self.text)
        return "*" if self.kind is SegmentKind.STAR else "**"


STAR = Segment(SegmentKind.STAR)
"""`*`: one segment."""

DOUBLE_STAR = Segment(SegmentKind.DOUBLE_STAR)
"""`**`: zero or more segments."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable: the segments it takes, and the field it sets."""

    field_path: tuple[str, ...]
    """The field of the request message, by proto names, outermost first."""

    start: int
    """The position of its first segment among the template's."""

    end: int
    """The position after its last segment."""

    multi: bool
    """Whether it may take other than exactly one segment: escaped slashes then stay escaped (HttpRule, rule 3)."""

    @property
    def name(self) -> str:
        """The field path as it is written, `book.name`."""
        return ".".join(self.field_path)


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A parsed template."""

    segments: tuple[Segment, ...]
    """The segments, those within variables too. Empty for `/`. Only the last one may be `**`."""

    variables: tuple[Variable, ...]
    """The variables in order."""

    verb: str = ""
    """The decoded custom verb, what stands after the colon. Empty when there is none."""

    @property
    def shape(self) -> tuple[tuple[Segment, ...], str]:
        """The template without its variables: equal shapes take equal paths."""
        return self.segments, self.verb

    def __str__(self) -> str:
        """Return the template in its canonical spelling; parsing that gives an equal template."""
        starts = {variable.start: variable for variable in self.variables}
        written: list[str] = []
        at = 0
        while at < len(self.segments):
            variable = starts.get(at)
            end = at + 1 if variable is None else variable.end
            inner = "/".join(map(str, self.segments[at:end]))
            if variable is not None:
                inner = f"{{{variable.name}}}" if inner == "*" else f"{{{variable.name}={inner}}}"
            written.append(inner)
            at = end
        return "/" + "/".join(written) + (f":{_written(self.verb)}" if self.verb else "")


def parse_template(text: str) -> PathTemplate:
    """Parse a path template.

    Raises:
        ValueError: it is wrong; the message says what, at which column (from 1) and how to mend it.
    """
    return _Parser(text).template()


def _written(text: str) -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe="")


class _Parser:
    """Reads a template from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.segments: list[Segment] = []
        self.variables: list[Variable] = []

    def template(self) -> PathTemplate:
        if not self.text:
            self.refuse("it is empty; write `/` for the root")
        if not self.take("/"):
            self.refuse("a path begins with `/`; put one in front")
        if self.at == len(self.text):
            return PathTemplate((), ())
        self.list_of_segments(within=False)
        verb = self.verb() if self.take(":") else ""
        if self.at < len(self.text):
            self.stray()
        return PathTemplate(tuple(self.segments), tuple(self.variables), verb)

    def list_of_segments(self, *, within: bool) -> None:
        while True:
            if self.segments and self.segments[-1] is DOUBLE_STAR:
                self.refuse("`**` has to be the last segment; move it to the end or write `*`")
            self.segment(within=within)
            if not self.take("/"):
                return

    def segment(self, *, within: bool) -> None:
        if self.text.startswith("{", self.at):
            if within:
                self.refuse(
                    "a variable stands within a variable; write `*` here and take the value apart in the service"
                )
            self.variable()
        elif self.take("**"):
            self.segments.append(DOUBLE_STAR)
        elif self.take("*"):
            self.segments.append(STAR)
        else:
            self.segments.append(Segment(SegmentKind.LITERAL, self.literal("segment")))
        if self.at < len(self.text) and self.text[self.at] not in ("/:}" if within else "/:"):
            self.stray()

    def variable(self) -> None:
        opened = self.at
        self.at += 1
        path = self.field_path(opened)
        start = len(self.segments)
        if self.take("="):
            self.list_of_segments(within=True)
        else:
            self.segments.append(STAR)
        if self.text.startswith(":", self.at):
            self.refuse("`:` stands within a variable; move it behind the variable, or write %3A for the character")
        if not self.take("}"):
            self.refuse(f"the variable that begins at column {opened + 1} is not closed; write `}}`")
        self.check_path(path, opened)
        end = len(self.segments)
        multi = end - start > 1 or self.segments[-1] is DOUBLE_STAR
        self.variables.append(Variable(path, start, end, multi))

    def field_path(self, opened: int) -> tuple[str, ...]:
        names: list[str] = []
        while True:
            found = _IDENT.match(self.text, self.at)
            if found is None:
                self.refuse("a field name is missing; use letters, digits and `_`, not beginning with a digit")
            names.append(found.group())
            self.at = found.end()
            if not self.take("."):
                break
        if self.at == len(self.text):
            self.refuse(f"the variable that begins at column {opened + 1} is not closed; write `}}`")
        if self.text[self.at] not in "=}":
            self.refuse(f"{self.text[self.at]!r} is not allowed in a field path; write field names joined by `.`")
        return tuple(names)

    def check_path(self, path: tuple[str, ...], opened: int) -> None:
        name = ".".join(path)
        for other in self.variables:
            shorter = min(len(path), len(other.field_path))
            if path[:shorter] != other.field_path[:shorter]:
                continue
            self.at = opened
            if path == other.field_path:
                self.refuse(f"the variable `{name}` is there twice; a field takes one value, so rename one of them")
            self.refuse(
                f"the variables `{other.name}` and `{name}` set one field; a field is either a value or a message"
            )

    def verb(self) -> str:
        verb = self.literal("verb")
        if self.text.startswith(":", self.at):
            self.refuse("a template has one verb; write %3A for a colon that is part of it")
        if self.text.startswith("/", self.at):
            self.refuse("a verb ends the template; move it to the end, or write %3A for the colon")
        return verb

    def literal(self, what: str) -> str:
        found = _LITERAL.match(self.text, self.at)
        taken = found.group() if found else ""
        if not taken:
            if self.at < len(self.text) and self.text[self.at] not in _ENDS:
                self.stray()
            self.missing(what)
        self.at += len(taken)
        if self.at < len(self.text) and self.text[self.at] not in _ENDS:
            self.stray()
        try:
            return decode_bytes(taken).decode("utf-8", "surrogateescape")
        except BadEscape as error:  # the pattern lets none pass
            self.refuse(str(error))

    def missing(self, what: str) -> NoReturn:
        if what == "verb" and self.text[self.at : self.at + 1] in ("{", "*"):
            self.refuse("a verb is a text; write one, or `/` for the colon")
        if what == "verb":
            self.refuse("the verb after `:` is missing; name it or leave the colon out")
        if self.at == len(self.text):
            if self.segments and not self.text.endswith("="):
                self.refuse("it ends with `/`; leave the last slash out")
            self.refuse("a segment is missing; write `*`, `**` or a text")
        self.refuse("a segment is empty; write `*`, `**` or a text, and one `/` between two of them")

    def stray(self) -> NoReturn:
        mark = self.text[self.at]
        if mark in "{}*":
            what = "a wildcard" if mark == "*" else "a variable"
            self.refuse(
                f"{what} has to be a whole segment; put `/` around it, or write {quote(mark)} for the character"
            )
        if mark == "%":
            self.refuse("`%` is not followed by two hexadecimal digits; write %25 for a percent sign")
        if mark == "?":
            self.refuse("`?` ends a path; leave the query out: fields that are not in the path are query parameters")
        if _LITERAL.fullmatch(mark):
            self.refuse("a variable or wildcard is a whole segment; put `/` between it and the text behind it")
        escape = quote(mark.encode("utf-8", "surrogatepass"), safe="")
        self.refuse(f"{mark!r} is not allowed in a literal; write {escape}")

    def take(self, mark: str) -> bool:
        if self.text.startswith(mark, self.at):
            self.at += len(mark)
            return True
        return False

    def refuse(self, problem: str) -> NoReturn:
        shown = f"`{self.text}`" if self.text.isprintable() else ascii(self.text)
        raise ValueError(f"column {self.at + 1} of {shown}: {problem}")
