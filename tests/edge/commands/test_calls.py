"""`edge explain` and `edge tap`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from tests.edge.commands.gateway import Gateway

Edge = Callable[..., Result]


def test_a_call_that_is_taken(edge: Edge, gateway: Gateway) -> None:
    result = edge("explain", "/books.v1.Books/Get", "--host", "h", "-H", "X-A: b:c")
    assert result.exit_code == 0, result.stderr
    for words in (
        "routes/books, match 0",
        "service is books",
        "id = 7",
        "1. policies/limit",
        "75 %",
        "(unary)",
        "5s of",
    ):
        assert words in result.stdout
    (request,) = gateway.requests
    assert (request.host, request.verb, dict(request.headers)) == ("h", "", {"x-a": "b:c"})


def test_a_call_nobody_takes(edge: Edge) -> None:
    result = edge("explain", "/none.v1.None/Get")
    assert result.exit_code == 5
    for words in (
        "no route takes this call",
        "UNIMPLEMENTED",
        "routes/gone",
        "path differs",
        "3 more",
        "edge explain GET",
    ):
        assert words in result.stdout
    assert edge("explain", "x", "-o", "json").exit_code == 5


@pytest.mark.parametrize(
    ("path", "verb"), [("/a/b/c", "GET"), ("/a?x=1", "GET"), ("/a", "GET"), ("a.B/C", ""), ("/a.B/C", "")]
)
def test_a_path_that_cannot_be_grpc_is_http(edge: Edge, gateway: Gateway, path: str, verb: str) -> None:
    edge("explain", path)
    assert gateway.requests[0].verb == verb


@pytest.mark.parametrize("call", [("get", "/a"), ("/a", "--verb", "get")])
def test_a_verb_goes_before_the_path_or_into_an_option(edge: Edge, gateway: Gateway, call: tuple[str, ...]) -> None:
    edge("explain", *call)
    assert (gateway.requests[0].verb, gateway.requests[0].path) == ("GET", "/a")


@pytest.mark.parametrize("call", [("GET", "/a", "/b"), ("GET", "/a", "--verb", "PUT")])
def test_more_than_a_verb_and_a_path(edge: Edge, gateway: Gateway, call: tuple[str, ...]) -> None:
    result = edge("explain", *call)
    assert result.exit_code == 2
    assert "at most one verb" in result.stderr
    assert not gateway.requests


def test_a_header_without_a_colon(edge: Edge) -> None:
    assert edge("explain", "/a", "-H", "x").exit_code == 2


def test_calls_are_shown_as_they_finish(edge: Edge) -> None:
    result = edge("tap")
    assert result.exit_code == 0, result.stderr
    head, first, second = result.stdout.splitlines()
    assert head.startswith("TIME")
    assert "OK" in first
    assert "2.5ms" in first
    assert "books 127.0.0.1:50051" in first
    assert "UNAVAILABLE" in second
    assert "UPSTREAM_UNREACHABLE: down" in second
    assert "\x1b" not in result.stdout
    assert "14 calls were left out" in result.stderr


def test_calls_as_lines_of_json(edge: Edge) -> None:
    lines = edge("tap", "-o", "json").stdout.splitlines()
    assert [json.loads(line).get("status", {}).get("code", 0) for line in lines] == [0, 14]


def test_a_tap_ends_after_a_number_of_calls(edge: Edge) -> None:
    assert len(edge("tap", "--count", "1", "-o", "json").stdout.splitlines()) == 1


def test_what_is_typed_becomes_the_filter(edge: Edge, gateway: Gateway) -> None:
    options = "--route r --upstream upstreams/u --method /a. --errors --code 14 --code not-found --min-duration 100ms"
    assert edge("tap", *options.split()).exit_code == 0
    chosen = gateway.requests[0].filter
    assert (chosen.route, chosen.upstream, chosen.method_prefix) == ("routes/r", "upstreams/u", "/a.")
    assert chosen.errors_only
    assert list(chosen.codes) == [14, 5]
    assert chosen.min_duration.ToMilliseconds() == 100


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--code", "UNAVAILABEL", "did you mean `UNAVAILABLE`?"),
        ("--code", "17", "there is no status code"),
        ("--min-duration", "5m", "write 300s"),
        ("--output", "yaml", "table or json"),
    ],
)
def test_a_filter_that_does_not_fit(edge: Edge, option: str, value: str, words: str) -> None:
    result = edge("tap", option, value)
    assert result.exit_code == 2
    assert words in result.stderr
