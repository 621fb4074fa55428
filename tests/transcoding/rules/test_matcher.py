from __future__ import annotations

import time

import pytest

from edge.model.errors import InvalidRequest
from transcoding.rules.matcher import COMMON_VERBS, Matcher
from transcoding.rules.template import parse_template


def matcher(*entries: str) -> Matcher[str]:
    """Return a matcher of `VERB template` lines, each its own value."""
    return Matcher((verb, parse_template(text), f"{verb} {text}") for verb, text in map(str.split, entries))


def found(table: Matcher[str], request: str) -> list[str]:
    verb, path = request.split()
    return [candidate.value for candidate in table.candidates(verb, path)]


def test_candidates_come_in_order_of_preference() -> None:
    entries = [
        "GET /a/b",
        "GET /a/*",
        "GET /a/{x=**}",
        "GET /*/b",
        "GET /{x}/*",
        "GET /**",
    ]
    assert found(matcher(*reversed(entries)), "GET /a/b") == entries


def test_a_template_that_ends_comes_before_one_that_takes_a_rest_of_nothing() -> None:
    assert found(matcher("GET /a/**", "GET /a"), "GET /a") == ["GET /a", "GET /a/**"]


def test_equal_shapes_keep_the_order_of_registration() -> None:
    entries = ["GET /a/{x}", "GET /a/{y}", "GET /a/*"]
    assert found(matcher(*entries), "GET /a/1") == entries


def test_a_verb_of_its_own_comes_before_any_verb_wherever_it_was_registered() -> None:
    table = matcher("* /a", "GET /a", "* /{x}", "POST /a", "GET /{y}", "* /a")
    assert found(table, "GET /a") == ["GET /a", "* /a", "* /a", "GET /{y}", "* /{x}"]
    assert found(table, "DELETE /a") == ["* /a", "* /a", "* /{x}"]


def test_head_means_get_where_nothing_is_registered_for_head() -> None:
    table = matcher("GET /a", "GET /b", "HEAD /b", "POST /c", "* /{any}")
    assert found(table, "HEAD /a") == ["GET /a", "* /{any}"]
    assert found(table, "HEAD /b") == ["HEAD /b", "* /{any}"]
    assert found(table, "HEAD /c") == ["* /{any}"]


def test_verbs_are_compared_as_they_are_written() -> None:
    assert found(matcher("GET /a"), "get /a") == []


def test_a_custom_verb_comes_first_then_the_colon_is_text() -> None:
    table = matcher("GET /{x}", "GET /{x}:do", "GET /a/**", "POST /other:undo")
    assert found(table, "GET /b:do") == ["GET /{x}:do", "GET /{x}"]
    # a verb that is known elsewhere only is text here
    assert table.candidates("GET", "/b:undo")[0].variables == {"x": "b:undo"}
    assert table.candidates("GET", "/b:do")[1].variables == {"x": "b:do"}


def test_an_escaped_colon_is_text() -> None:
    table = matcher("GET /{x}", "GET /{x}:do")
    assert [candidate.variables for candidate in table.candidates("GET", "/b%3ado")] == [{"x": "b:do"}]
    assert table.candidates("GET", "/b%3Ac:do")[0].variables == {"x": "b:c"}


def test_only_the_last_colon_begins_a_verb_and_it_may_be_escaped_itself() -> None:
    table = matcher("GET /{x}:d%20o")
    assert table.candidates("GET", "/a:b:%64%20o")[0].variables == {"x": "a:b"}


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/a", "/a/"),
        ("/a", "a"),
        ("/a", ""),
        ("/a", "*"),
        ("/a", "/A"),
        ("/*", "/"),
        ("/a/*", "/a/"),
        ("/a/{x}", "/a"),
        ("/a/*/c", "/a//c"),
        ("/a/*", "/a%2Fb"),
        ("/a:do", "/a"),
        ("/a:do", "/a:DO"),
        ("/a", "/a:do"),
    ],
)
def test_what_does_not_fit_is_not_found(template: str, path: str) -> None:
    table = matcher(f"GET {template}")
    assert table.candidates("GET", path) == []
    assert table.verbs(path) == ()


@pytest.mark.parametrize(
    ("template", "path", "variables"),
    [
        ("/v1/{x=**}", "/v1", {"x": ""}),
        ("/v1/{x=**}", "/v1/", {"x": ""}),
        ("/v1/{x=**}", "/v1//a/", {"x": "/a/"}),
        ("/v1/{x=a/**}", "/v1/a", {"x": "a"}),
        ("/{x=**}", "/", {"x": ""}),
        ("/{x=**}:do", "/:do", {"x": ""}),
        ("/{x=a/*}/{y=b/**}", "/a/1/b/2/3", {"x": "a/1", "y": "b/2/3"}),
        ("/{x=a}", "/%61", {"x": "a"}),
        ("/{x}", "/%E4%B8%96", {"x": "世"}),
        ("/{x}", "/世", {"x": "世"}),
        ("/{x}", "/+", {"x": "+"}),
        ("/{x}", "/..", {"x": ".."}),
        ("/{a.b}/{a.c=*/*}", "/1/2%2F/3%20", {"a.b": "1", "a.c": "2%2F/3 "}),
    ],
)
def test_variables_are_decoded_text(template: str, path: str, variables: dict[str, str]) -> None:
    assert matcher(f"GET {template}").candidates("GET", path)[0].variables == variables


@pytest.mark.parametrize("path", ["/caf%c3%a9", "/c%61f%C3%A9", "/café"])
def test_literals_are_compared_decoded(path: str) -> None:
    assert found(matcher("GET /caf%C3%A9"), f"GET {path}")


def test_a_literal_of_bytes_is_compared_as_bytes() -> None:
    table = matcher("GET /%ab")
    assert found(table, "GET /%AB")
    assert found(table, "GET /\udcab")
    assert not found(table, "GET /%AC")


def test_a_bad_escape_equals_no_literal() -> None:
    assert matcher("GET /%25zz").candidates("GET", "/%zz") == []


@pytest.mark.parametrize("template", ["/{x}", "/*", "/{x=**}", "/**", "/a/{x=**}", "/{x=*/*}"])
@pytest.mark.parametrize("piece", ["%", "%zz", "%ff", "\udcff"])
def test_what_is_no_text_is_refused_under_a_wildcard(template: str, piece: str) -> None:
    table = matcher(f"GET {template}")
    path = f"/a/{piece}" if "/a" in template or "*/*" in template else f"/{piece}"
    with pytest.raises(InvalidRequest) as refused:
        table.candidates("GET", path)
    assert refused.value.violations[0].field == "path"
    # Allow is made for a request that is refused anyhow
    assert table.verbs(path) == ("GET", "HEAD")
    assert table.candidates("PUT", path) == []


def test_verbs_are_those_of_all_templates_that_take_the_path() -> None:
    table = matcher("GET /a", "POST /{x}", "PURGE /**", "PUT /b", "DELETE /{x}:do")
    assert table.verbs("/a") == ("GET", "HEAD", "POST", "PURGE")
    assert table.verbs("/a:do") == ("DELETE", "POST", "PURGE")
    assert table.verbs("/c/d") == ("PURGE",)
    assert matcher("* /a", "PURGE /a").verbs("/a") == tuple(sorted({*COMMON_VERBS, "PURGE"}))


def test_a_long_path_takes_linear_time() -> None:
    table = matcher("GET /a/{x=**}", "GET /**", *(f"GET /a{'/*' * depth}/b" for depth in range(40)))

    def cost(count: int) -> float:
        path = "/a" + "/x" * count
        start = time.perf_counter()
        assert table.candidates("GET", path)[0].value == "GET /a/{x=**}"
        return time.perf_counter() - start

    few, many = min(cost(4_000) for _ in range(5)), min(cost(64_000) for _ in range(5))
    assert many < few * 16 * 8
