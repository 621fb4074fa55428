from __future__ import annotations

import pytest

from transcoding.rules.template import DOUBLE_STAR, STAR, Segment, SegmentKind, Variable, parse_template


def literal(text: str) -> Segment:
    return Segment(SegmentKind.LITERAL, text)


def test_a_template_is_segments_variables_and_a_verb() -> None:
    template = parse_template("/v1/{book.name=shelves/*/books/**}:search")
    assert template.segments == (literal("v1"), literal("shelves"), STAR, literal("books"), DOUBLE_STAR)
    assert template.variables == (Variable(("book", "name"), 1, 5, multi=True),)
    assert template.verb == "search"


def test_a_variable_without_pattern_is_one_segment() -> None:
    assert parse_template("/v1/{name}") == parse_template("/v1/{name=*}")
    assert parse_template("/v1/{name}").variables == (Variable(("name",), 1, 2, multi=False),)


@pytest.mark.parametrize(
    ("text", "multi"),
    [("/{x}", False), ("/{x=*}", False), ("/{x=a}", False), ("/{x=**}", True), ("/{x=a/*}", True), ("/{x=a/b}", True)],
)
def test_a_variable_of_other_than_one_segment_is_multi(text: str, multi: bool) -> None:
    assert parse_template(text).variables[0].multi is multi


def test_the_root_has_no_segments() -> None:
    assert parse_template("/").segments == ()


def test_literals_and_verbs_are_decoded() -> None:
    template = parse_template("/caf%C3%A9%2f%3a:do%20it")
    assert template.segments == (literal("café/:"),)
    assert template.verb == "do it"


def test_a_literal_may_be_bytes_that_are_no_text() -> None:
    template = parse_template("/%ab")
    assert template.segments == (literal("\udcab"),)
    assert parse_template(str(template)) == template


def test_the_shape_leaves_variables_aside() -> None:
    assert parse_template("/a/{x}/{y=b/*}:do").shape == parse_template("/a/{z.w=*/b/*}:do").shape
    assert parse_template("/a/*").shape != parse_template("/a/**").shape
    assert parse_template("/a/*").shape != parse_template("/a/*:do").shape


@pytest.mark.parametrize(
    "text", ["/", "/a", "/a/*/**", "/a/{b}:do", "/{a.b=c/*}/d", "/%2F%3A/{x=**}:%C3%A9", "/a.b_c~d-e"]
)
def test_the_canonical_spelling_parses_to_the_same(text: str) -> None:
    assert str(parse_template(text)) == text


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "it is empty"),
        ("a", 1, "a path begins with `/`"),
        ("/a/", 4, "leave the last slash out"),
        ("//a", 2, "a segment is empty"),
        ("/:do", 2, "a segment is empty"),
        ("/a:", 4, "the verb after `:` is missing"),
        ("/a:b:c", 5, "a template has one verb"),
        ("/a:b/c", 5, "a verb ends the template"),
        ("/a:{b}", 4, "a verb is a text"),
        ("/a*", 3, "a wildcard has to be a whole segment"),
        ("/*a", 3, "a variable or wildcard is a whole segment"),
        ("/{x}a", 5, "a variable or wildcard is a whole segment"),
        ("/***", 4, "a wildcard has to be a whole segment"),
        ("/a}", 3, "a variable has to be a whole segment"),
        ("/**/a", 5, "`**` has to be the last segment"),
        ("/{x=**/a}", 8, "`**` has to be the last segment"),
        ("/{x=**}/{y}", 9, "`**` has to be the last segment"),
        ("/{x=a:b}", 6, "`:` stands within a variable"),
        ("/{x={y}}", 5, "a variable stands within a variable"),
        ("/{}", 3, "a field name is missing"),
        ("/{x.}", 5, "a field name is missing"),
        ("/{1x}", 3, "a field name is missing"),
        ("/{x y}", 4, "not allowed in a field path"),
        ("/{x", 4, "the variable that begins at column 2 is not closed"),
        ("/{x=a", 6, "the variable that begins at column 2 is not closed"),
        ("/{x=", 5, "a segment is missing"),
        ("/{x=}", 5, "a segment is empty"),
        ("/{x=/a}", 5, "a segment is empty"),
        ("/{x}/{x}", 6, "`x` is there twice"),
        ("/{x}/{x.y}", 6, "`x` and `x.y` set one field"),
        ("/{x.y}/{x}", 8, "`x.y` and `x` set one field"),
        ("/a?b=c", 3, "leave the query out"),
        ("/a b", 3, "write %20"),
        ("/a@b", 3, "write %40"),
        ("/é", 2, "write %C3%A9"),
        ("/a=b", 3, "write %3D"),
        ("/%4", 2, "write %25"),
        ("/\n", 2, "write %0A"),
    ],
)
def test_what_is_wrong_is_said_with_its_column(text: str, column: int, words: str) -> None:
    with pytest.raises(ValueError, match=f"^column {column} of ") as refused:
        parse_template(text)
    assert words in str(refused.value)


def test_paths_that_share_a_beginning_are_two_fields() -> None:
    assert len(parse_template("/{a.b}/{a.c}/{ab}").variables) == 3
