"""Path templates: `/api/users/{id}`, `/static/**`.

    segment    means                                    binds
    text       this text, after percent-decoding        nothing
    *          one segment that is not empty            nothing
    {name}     one segment that is not empty            the decoded segment
    **         the rest, zero or more segments, last    nothing
    {name=**}  the rest, zero or more segments, last    the decoded segments joined by `/`

Segments are what lies between slashes, so a slash at the end makes one more, empty segment: `/a` and `/a/` differ. The
rest may be nothing at all: `/a/**` takes `/a`, `/a/` and `/a/b/c`. A segment is taken apart before it is decoded, so
`%2F` stays inside its segment. Dot segments (`..`) are text like any other here: whoever reads HTTP resolves or refuses
them before a call is made.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import quote, unquote

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class SegmentKind(enum.IntEnum):
    """What a segment stands for. The larger kind is the more specific one."""

    REST = 1
    SINGLE = 3
    STATIC = 4


END_RANK = 2
"""Where the end of a template ranks among the kinds: `/a` is more specific than `/a/**`, both take `/a`."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a template."""

    kind: SegmentKind
    """What it stands for."""

    text: str = ""
    """The decoded text of a static segment, else the name of the parameter, empty for `*` and `**`."""

    def __str__(self) -> str:
        """Return the segment as it is written in a template."""
        if self.kind is SegmentKind.STATIC:
            # all of quote's own safe characters and what RFC 3986 allows in a segment; `*` is ours
            return quote(self.text, safe="!$&'()+,;=:@~")
        if self.kind is SegmentKind.SINGLE:
            return f"{{{self.text}}}" if self.text else "*"
        return f"{{{self.text}=**}}" if self.text else "**"


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A parsed template."""

    segments: tuple[Segment, ...]
    """The segments, at least one. Only the last one may be the rest."""

    @property
    def has_rest(self) -> bool:
        """Whether it ends in the rest."""
        return self.segments[-1].kind is SegmentKind.REST

    @property
    def static(self) -> bool:
        """Whether it takes one path only."""
        return all(segment.kind is SegmentKind.STATIC for segment in self.segments)

    @property
    def shape(self) -> tuple[tuple[SegmentKind, str], ...]:
        """The template without the names of its parameters: equal shapes take equal paths."""
        return tuple(
            (segment.kind, segment.text if segment.kind is SegmentKind.STATIC else "") for segment in self.segments
        )

    @property
    def rank(self) -> tuple[int, ...]:
        """How specific it is: of two templates that take one path the larger rank is the more specific one."""
        kinds = tuple(int(segment.kind) for segment in self.segments)
        return kinds if self.has_rest else (*kinds, END_RANK)

    @property
    def parameters(self) -> tuple[tuple[str, int], ...]:
        """The parameters that bind one segment: name and position in what `split_path` returns."""
        return tuple(
            (segment.text, position)
            for position, segment in enumerate(self.segments, 1)
            if segment.kind is SegmentKind.SINGLE and segment.text
        )

    @property
    def rest_parameter(self) -> str:
        """The name of the parameter that binds the rest. Empty when there is none."""
        return self.segments[-1].text if self.has_rest else ""

    def takes(self, path: Sequence[str]) -> bool:
        """Return whether a path fits, as `split_path` returns it. Slow and plain: `explain` and tests use it."""
        if len(path) < 2 or path[0]:
            return False
        given = path[1:]
        wanted = self.segments[:-1] if self.has_rest else self.segments
        if len(given) < len(wanted) or (len(given) > len(wanted) and not self.has_rest):
            return False
        return all(
            text == segment.text if segment.kind is SegmentKind.STATIC else text != ""
            for text, segment in zip(given, wanted, strict=False)
        )

    def __str__(self) -> str:
        """Return the template in its canonical spelling; parsing that gives an equal template."""
        return "/" + "/".join(map(str, self.segments))


def split_path(path: str) -> list[str]:
    """Return what lies between the slashes of a path, decoded; the first entry is what is before the first slash.

    Bytes that are no UTF-8 become U+FFFD; a `%` without two digits stays. Any text will do.
    """
    segments = path.split("/")
    return [unquote(segment) for segment in segments] if "%" in path else segments


def parse_template(text: str) -> PathTemplate:
    """Parse a path template.

    Raises:
        ValueError: it is wrong; the message says what, at which column (from 1) and how to mend it.
    """
    if not text.startswith("/"):
        _refuse(text, 1, f"a path begins with `/`; write `/{text}`")
    pieces = text[1:].split("/")
    segments: list[Segment] = []
    names: set[str] = set()
    column = 2
    for position, piece in enumerate(pieces):
        last = position == len(pieces) - 1
        segment = _segment(text, column, piece, last=last)
        if segment.kind is not SegmentKind.STATIC and segment.text:
            if segment.text in names:
                _refuse(text, column, f"the parameter `{segment.text}` is there twice; give one of them another name")
            names.add(segment.text)
        segments.append(segment)
        column += len(piece) + 1
    return PathTemplate(tuple(segments))


def _segment(text: str, column: int, piece: str, *, last: bool) -> Segment:
    if piece == "*":
        return Segment(SegmentKind.SINGLE)
    if piece == "**":
        return _rest(text, column, "", last=last)
    if piece.startswith("{") and piece.endswith("}") and piece.count("{") == 1 and piece.count("}") == 1:
        name, equals, pattern = piece[1:-1].partition("=")
        if not _NAME.fullmatch(name):
            hint = "use letters, digits and `_`, not beginning with a digit"
            _refuse(text, column + 1, f"`{name}` is no name for a parameter; {hint}")
        if not equals:
            return Segment(SegmentKind.SINGLE, name)
        if pattern == "**":
            return _rest(text, column, name, last=last)
        at = column + len(name) + 2
        _refuse(
            text, at, f"`{pattern}` is no pattern; write `{{{name}}}` for one segment or `{{{name}=**}}` for the rest"
        )
    return _static(text, column, piece, last=last)


def _rest(text: str, column: int, name: str, *, last: bool) -> Segment:
    if not last:
        _refuse(text, column, "the rest (`**`) has to be the last segment; move it to the end or write `*`")
    return Segment(SegmentKind.REST, name)


def _static(text: str, column: int, piece: str, *, last: bool) -> Segment:
    if not piece and not last:
        _refuse(text, column, "a segment is empty; write one `/` instead of two")
    for mark, escape in (("{", "%7B"), ("}", "%7D"), ("*", "%2A")):
        if (at := piece.find(mark)) >= 0:
            what = "a wildcard" if mark == "*" else "a parameter"
            _refuse(
                text,
                column + at,
                f"{what} has to be a whole segment; put `/` around it, or write {escape} for `{mark}`",
            )
    for mark, hint in (("?", "leave the query out and use `query` conditions"), ("#", "leave the fragment out")):
        if (at := piece.find(mark)) >= 0:
            escape = quote(mark)
            _refuse(text, column + at, f"`{mark}` ends a path; {hint}, or write {escape} for the character")
    if (found := _BAD_ESCAPE.search(piece)) is not None:
        _refuse(text, column + found.start(), "`%` needs two hexadecimal digits; write %25 for a percent sign")
    if (found := _CONTROL.search(piece)) is not None:
        escape = quote(found.group())
        _refuse(text, column + found.start(), f"control characters are not allowed; write {escape}")
    decoded = unquote(piece, errors="surrogateescape")
    if any("\ud800" <= char <= "\udfff" for char in decoded):
        # a call's path decodes such bytes to U+FFFD: the template could never be met
        _refuse(text, column, "the escapes are no UTF-8; write the characters as UTF-8")
    return Segment(SegmentKind.STATIC, decoded)


def _refuse(text: str, column: int, what: str) -> NoReturn:
    raise ValueError(f"path template {text!r} at column {column}: {what}")
