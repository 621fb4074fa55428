"""Nothing that comes from outside ends in anything but a value or a refusal, and what is put into a path comes out."""

from __future__ import annotations

from typing import Protocol, TypeVar
from urllib.parse import quote

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from edge.model.errors import InvalidRequest
from tests.transcoding.rules.schema import new, shop_message
from transcoding.rules.fields import Tables
from transcoding.rules.mask import AutoMask
from transcoding.rules.matcher import Matcher
from transcoding.rules.query import QueryBinder, Unknown
from transcoding.rules.template import PathTemplate, SegmentKind, parse_template

Drawn = TypeVar("Drawn")


class Draw(Protocol):
    """What draws an example."""

    def __call__(self, strategy: st.SearchStrategy[Drawn], /) -> Drawn: ...


ANY_TEXT = st.text(st.characters(), max_size=40)
"""Text with surrogates, as a server may hand over bytes that are no UTF-8."""

IDENT = st.sampled_from(["a", "b", "c_d", "E1"])
LITERAL = st.text("abz019-._~", min_size=1, max_size=3) | st.sampled_from(["%2F", "%3a", "%C3%A9", "a%20b", "%ab"])
INNER = st.lists(st.just("*") | LITERAL, min_size=1, max_size=3).map("/".join)


@st.composite
def templates(draw: st.DrawFn) -> str:
    """Draw a template that is right."""
    names = [
        ".".join(path) for path in draw(st.lists(st.lists(IDENT, min_size=2, max_size=2), unique_by=tuple, max_size=3))
    ]
    pieces = draw(st.lists(st.just("*") | LITERAL, max_size=3))
    for name in names:
        inner = draw(st.just("") | INNER.map(lambda text: f"={text}"))
        pieces.insert(draw(st.integers(0, len(pieces))), f"{{{name}{inner}}}")
    pieces += draw(st.sampled_from([[], ["**"], ["{rest=**}"], ["{rest=x/**}"]]))
    verb = draw(st.just("") | LITERAL.map(lambda text: f":{text}")) if pieces else ""
    return "/" + "/".join(pieces) + verb


def expanded(template: PathTemplate, draw: Draw) -> tuple[str, dict[str, str]]:
    """Return a path a template takes, as a conforming client writes it, and the variables it stands for."""
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    pieces: list[tuple[str, str]] = []  # as the path and as a multi-segment variable have it
    spans: list[tuple[int, int]] = []
    for segment in template.segments:
        start = len(pieces)
        if segment.kind is SegmentKind.LITERAL:
            raw = quote(segment.text.encode("utf-8", "surrogateescape"), safe="")
            pieces.append((raw, segment.text.replace("/", "%2F")))
        else:
            many = segment.kind is SegmentKind.DOUBLE_STAR
            values = draw(st.lists(text, max_size=3)) if many else [draw(text.filter(bool))]
            pieces += [(quote(value, safe=""), value.replace("/", "%2F")) for value in values]
        spans.append((start, len(pieces)))
    variables = {}
    for variable in template.variables:
        start, end = spans[variable.start][0], spans[variable.end - 1][1]
        value = "/".join(kept for _, kept in pieces[start:end])
        variables[variable.name] = value if variable.multi else value.replace("%2F", "/")
    verb = f":{quote(template.verb.encode('utf-8', 'surrogateescape'), safe='')}" if template.verb else ""
    return "/" + "/".join(raw for raw, _ in pieces) + verb, variables


def parsed(text: str) -> PathTemplate | str:
    """Return a template, or what is wrong with it."""
    try:
        return parse_template(text)
    except ValueError as error:
        return str(error)


@given(ANY_TEXT | st.text("/{}*=:.%a1", max_size=20))
def test_a_template_is_parsed_or_refused(text: str) -> None:
    found = parsed(text)
    if isinstance(found, str):
        assert found.startswith("column ")
        assert found.encode()
    else:
        assert parse_template(str(found)) == found


@given(st.data())
def test_what_is_put_into_a_template_comes_out_of_the_path(data: st.DataObject) -> None:
    text = data.draw(templates())
    template = parse_template(text)
    assert parse_template(str(template)) == template
    path, variables = expanded(template, data.draw)
    if any("\udcab" in value for value in variables.values()):
        # bytes that are no text match as a literal, and are refused as a value
        with pytest.raises(InvalidRequest):
            Matcher([("GET", template, text)]).candidates("GET", path)
        return
    (candidate,) = Matcher([("GET", template, text)]).candidates("GET", path)
    assert candidate.value == text
    got = {name: value.replace("%2F", "/") for name, value in candidate.variables.items()}
    assert got == {name: value.replace("%2F", "/") for name, value in variables.items()}


@given(
    st.lists(templates(), max_size=6),
    ANY_TEXT | st.text("/:%aé2F*", max_size=20),
    st.sampled_from(["GET", "HEAD", "*"]),
)
def test_a_path_is_matched_or_refused(texts: list[str], path: str, verb: str) -> None:
    matcher = Matcher(("GET", parse_template(text), text) for text in texts)
    try:
        found = matcher.candidates(verb, f"/{path}")
    except InvalidRequest:
        assert "GET" in matcher.verbs(f"/{path}")
        return
    # what is taken with a verb that is there is found, and the values are text
    assert bool(found) == (verb in matcher.verbs(f"/{path}"))
    for candidate in found:
        for value in candidate.variables.values():
            assert value.encode("utf-8").decode("utf-8") == value


NAMES = st.sampled_from([*shop_message("Shelf").fields_by_name, "even", "place.floor", "place.within.room", "x", ""])
KEYS = st.sampled_from(["", "[", "[]", "[1]", "[a", "[a].b", ".x", "[a]"])
VALUES = ANY_TEXT | st.sampled_from(["1", "-1", "true", "FICTION", "1s", "%7B%7D", "%5B", "1e5", "aGk", "a,b", "null"])
PAIRS = st.tuples(NAMES, KEYS, st.just("=") | st.just(""), VALUES).map("".join) | ANY_TEXT
BINDER = QueryBinder(Tables().of(shop_message("Shelf")))


@given(st.lists(PAIRS, max_size=6).map("&".join), st.sampled_from(["refuse", "report", "ignore"]))
def test_a_query_is_bound_or_refused(query: str, unknown: Unknown) -> None:
    message: Message = new(shop_message("Shelf"))
    said: list[str] = []
    try:
        BINDER.bind(message, query, unknown=unknown, report=said.append)
    except InvalidRequest as error:
        # it goes to the caller as JSON and in a gRPC message, and has violations in a message of its own
        said.append(f"{error.message}{error.status}")
    else:
        assert new(shop_message("Shelf")).FromString(message.SerializeToString()) == message
    for text in said:
        text.encode("utf-8")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.sampled_from(["room", "floor"]), inner, max_size=4)
    ),
    max_leaves=20,
)
MASK = AutoMask(Tables().of(shop_message("Shelf")))


@given(JSON)
def test_a_mask_names_fields_that_there_are(tree: object) -> None:
    for path in MASK.paths(tree):
        table = Tables().of(shop_message("Shelf"))
        for name in path.split("."):
            field = table.own[name]
            table = field.table or table
