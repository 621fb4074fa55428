from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.routing.template import PathTemplate, Segment, SegmentKind, parse_template, split_path


def test_segments_are_told_apart() -> None:
    template = parse_template("/api/users/{id}/*/{rest=**}")
    assert template.segments == (
        Segment(SegmentKind.STATIC, "api"),
        Segment(SegmentKind.STATIC, "users"),
        Segment(SegmentKind.SINGLE, "id"),
        Segment(SegmentKind.SINGLE),
        Segment(SegmentKind.REST, "rest"),
    )
    assert template.parameters == (("id", 3),)
    assert template.rest_parameter == "rest"
    assert not template.static


@pytest.mark.parametrize(
    ("template", "path", "takes"),
    [
        ("/", "/", True),
        ("/", "", False),
        ("/a", "/a", True),
        ("/a", "/a/", False),
        ("/a/", "/a/", True),
        ("/a/", "/a", False),
        ("/a/**", "/a", True),
        ("/a/**", "/a/", True),
        ("/a/**", "/a/b/c", True),
        ("/a/**", "/ab", False),
        ("/**", "/", True),
        ("/**", "", False),
        ("/**", "*", False),
        ("/{x}", "/", False),
        ("/{x}", "/a", True),
        ("/{x}", "/a/b", False),
        ("/{x}/**", "//b", False),
        ("/caf%C3%A9", "/caf%c3%a9", True),
        ("/café", "/caf%C3%A9", True),
        ("/a/b", "/a%2Fb", False),
        ("/a%2Fb", "/a%2fb", True),
        ("/{x}", "/a%2Fb", True),
        ("/100%25", "/100%25", True),
        ("/%2A", "/*", True),
        ("/v1/books:batchGet", "/v1/books:batchGet", True),
    ],
)
def test_takes(template: str, path: str, takes: bool) -> None:
    assert parse_template(template).takes(split_path(path)) is takes


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "begins with `/`"),
        ("users", 1, "write `/users`"),
        ("/a//b", 4, "a segment is empty"),
        ("//", 2, "a segment is empty"),
        ("/a/b{c}d", 5, "a parameter has to be a whole segment"),
        ("/a/{c}:cancel", 4, "a parameter has to be a whole segment"),
        ("/a/{b}{c}", 4, "a parameter has to be a whole segment"),
        ("/a/{b", 4, "a parameter has to be a whole segment"),
        ("/a/b}", 5, "a parameter has to be a whole segment"),
        ("/*.js", 2, "a wildcard has to be a whole segment"),
        ("/***", 2, "a wildcard has to be a whole segment"),
        ("/**/b", 2, "has to be the last segment"),
        ("/a/{r=**}/b", 4, "has to be the last segment"),
        ("/**/", 2, "has to be the last segment"),
        ("/{}", 3, "is no name for a parameter"),
        ("/{1st}", 3, "is no name for a parameter"),
        ("/{a-b}", 3, "is no name for a parameter"),
        ("/{a=*}", 5, "write `{a}` for one segment"),
        ("/{a=}", 5, "is no pattern"),
        ("/{id}/x/{id}", 9, "the parameter `id` is there twice"),
        ("/{id}/{id=**}", 7, "the parameter `id` is there twice"),
        ("/a?b=1", 3, "`query` conditions"),
        ("/a#b", 3, "leave the fragment out"),
        ("/50%", 4, "write %25"),
        ("/a%2xb", 3, "write %25"),
        ("/a\nb", 3, "write %0A"),
        ("/a/%ff", 4, "no UTF-8"),
        ("/\ud800", 2, "no UTF-8"),
    ],
)
def test_a_bad_template_is_refused_with_its_column(text: str, column: int, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        parse_template(text)
    assert f"at column {column}:" in str(caught.value)


def test_rank_orders_what_takes_one_path() -> None:
    ordered = ["/a/b", "/a/{x}", "/a/{x}/**", "/a/**", "/{x}/b", "/{x}/{y}", "/{x}/**", "/**"]
    ranks = [parse_template(text).rank for text in ordered]
    assert ranks == sorted(ranks, reverse=True)
    assert parse_template("/a").rank > parse_template("/a/**").rank


def test_shape_leaves_names_out() -> None:
    assert parse_template("/a/{x}/**").shape == parse_template("/a/*/{rest=**}").shape
    assert parse_template("/a/x").shape != parse_template("/a/{x}").shape


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
statics = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


@st.composite
def templates(draw: st.DrawFn) -> PathTemplate:
    unused = draw(st.lists(names, unique=True, max_size=4))
    segments = []
    for kind in draw(st.lists(st.sampled_from([SegmentKind.STATIC, SegmentKind.SINGLE]), max_size=5)):
        if kind is SegmentKind.STATIC:
            segments.append(Segment(kind, draw(statics)))
        else:
            segments.append(Segment(kind, unused.pop() if unused else ""))
    end = draw(st.sampled_from(["", "slash", "rest"]))
    if end == "rest":
        segments.append(Segment(SegmentKind.REST, unused.pop() if unused else ""))
    elif end == "slash" or not segments:
        segments.append(Segment(SegmentKind.STATIC))
    return PathTemplate(tuple(segments))


@given(templates())
def test_a_printed_template_parses_to_itself(template: PathTemplate) -> None:
    assert parse_template(str(template)) == template


@given(templates())
def test_a_static_template_takes_itself_as_a_path(template: PathTemplate) -> None:
    if template.static:
        assert template.takes(split_path(str(template)))


@given(st.text(st.characters() | st.sampled_from("/{}*=%?#ab")))
def test_any_text_parses_or_is_refused_with_a_column(text: str) -> None:
    try:
        template = parse_template(text)
    except ValueError as error:
        refusal: ValueError | None = error
    else:
        refusal = None
        assert parse_template(str(template)) == template
    assert refusal is None or " at column " in str(refusal)
