"""`edge get` and `edge describe`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import yaml
from google.protobuf import json_format
from typer.testing import Result

from gateway.v1 import config_pb2
from tests.edge.commands.gateway import CONFIG, HEALTH, Gateway

Edge = Callable[..., Result]


def test_routes_are_a_table_that_says_what_they_do(edge: Edge, gateway: Gateway) -> None:
    result = edge("get", "routes")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["NAME", "MATCHES", "GOES", "TO", "POLICIES", "HTTP", "ORIGIN"],
        ["books", "grpc", "books.v1.Books/*", "books", "3,", "far", "1", "limit", "yes", "api"],
        ["*.shop", "GET", "/a/{id}", "header", "x=y*", "header", "no", "z", "?q=[red]1[/red]"],
        ["gone", "(default)", "answers", "5"],
        ["moved", "(default)", "redirects", "to", "new.example"],
    ]
    assert [request.page_token for request in gateway.requests] == ["", "2"]


@pytest.mark.parametrize("kind", ["route", "routes", "rt", "Routes"])
@pytest.mark.parametrize("name", ["books", "routes/books"])
def test_one_is_found_by_any_of_its_names(edge: Edge, kind: str, name: str) -> None:
    result = edge("get", kind, name, "-o", "json")
    assert json.loads(result.stdout)["name"] == "routes/books"
    assert edge("get", "routes/books", "-o", "json").stdout == result.stdout


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("upstreams", ["50051", "edge.yaml:4", "far.example", "peak ewma"]),
        ("policies", ["limit", "header", "global, dry run"]),
        ("consumers", ["ann", "disabled", "admin"]),
        ("schemas", ["reflection of books"]),
        ("endpoints", ["127.0.0.1:50052", "UNHEALTHY", "connection refused"]),
        ("health", ["DEGRADED", "1 of 2", "no reflection"]),
        ("server", ["n1", "grpcio 1.78", "[::]:8080", "1.0 MiB"]),
        ("config", ["Routes", "Policies", "limit", "e7"]),
    ],
)
def test_each_kind_has_a_table(edge: Edge, kind: str, words: list[str]) -> None:
    result = edge("get", kind)
    assert result.exit_code == 0, result.stderr
    for word in words:
        assert word in result.stdout


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("kind", ["routes", "upstreams", "endpoints", "health", "server", "config"])
def test_each_kind_is_there_for_programs(edge: Edge, kind: str, form: str) -> None:
    result = edge("get", kind, "-o", form)
    assert result.exit_code == 0
    assert (json.loads if form == "json" else yaml.safe_load)(result.stdout)


def test_json_is_the_mapping_of_protobuf(edge: Edge) -> None:
    assert json_format.Parse(edge("get", "config", "-o", "json").stdout, config_pb2.Config()) == CONFIG
    assert json.loads(edge("get", "health", "-o", "json").stdout) == json_format.MessageToDict(HEALTH)


def test_endpoints_of_one_upstream(edge: Edge) -> None:
    for name in ("books", "upstreams/books"):
        assert "50052" in edge("get", "endpoints", name).stdout
    result = edge("get", "endpoints", "upstreams/far")
    assert result.stdout == ""
    assert "no endpoints" in result.stderr
    assert "50051" in edge("get", "endpoint", "upstreams/books/endpoints/a").stdout


def test_an_endpoint_says_since_when_what_it_does_not_serve_and_what_went_wrong_last(edge: Edge) -> None:
    lines = edge("get", "endpoints", "books").stdout.splitlines()
    assert lines[0].split() == [
        *("UPSTREAM", "ADDRESS", "STATE", "SINCE", "WEIGHT", "ZONE", "ACTIVE", "CALLS", "FAILED", "REASON", "LAST"),
        "ERROR",
    ]
    words = " ".join(lines[1].split())
    assert words.startswith("books 127.0.0.1:50051 ACTIVE 2023-11-14 22:13:20Z")
    assert words.endswith("does not serve books.v1.Buy says NOT_SERVING (2023-11-14 22:13:20Z)")


def test_a_kind_that_is_not_there(edge: Edge) -> None:
    result = edge("get", "ruotes")
    assert result.exit_code == 2
    assert "did you mean `routes`?" in result.stderr


@pytest.mark.parametrize("command", ["get", "describe"])
def test_a_resource_that_is_not_there(edge: Edge, command: str) -> None:
    result = edge(command, "route", "none")
    assert result.exit_code == 4
    assert result.stdout == ""
    assert "there is no routes/none (NOT_FOUND, RESOURCE_NOT_FOUND)" in result.stderr


def test_an_upstream_is_described_with_its_users_and_health(edge: Edge) -> None:
    result = edge("describe", "upstream", "books")
    assert result.exit_code == 0, result.stderr
    for words in ("forward.upstreams[0].upstream", "schemas/books", "DEGRADED", "books.v1.Books", "connection refused"):
        assert words in result.stdout


def test_endpoints_of_different_versions_are_described_with_what_differs(edge: Edge) -> None:
    lines = [" ".join(line.split()) for line in edge("describe", "upstream", "books").stdout.splitlines()]
    assert "Versions 12345678 10.0.0.1:1: in force" in lines
    assert "abcdefab 10.0.0.2:1: lacks books.v1.Books.Buy" in lines


def test_a_route_is_described_with_the_health_of_its_upstreams(edge: Edge) -> None:
    result = edge("describe", "route", "books")
    assert "Health of upstreams/books" in result.stdout
    assert "the gateway knows nothing of it" in result.stderr
    described = json.loads(edge("describe", "route", "books", "-o", "json").stdout)
    assert described["route"]["name"] == "routes/books"
    assert [health["upstream"] for health in described["health"]] == ["upstreams/books"]
    assert yaml.safe_load(edge("describe", "policy", "limit", "-o", "yaml").stdout)["used_by"] == ["routes/books"]


def test_describe_wants_a_name(edge: Edge) -> None:
    assert edge("describe", "route").exit_code == 2
    assert edge("get", "server", "x").exit_code == 2
