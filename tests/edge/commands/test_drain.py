"""`edge drain` and `edge undrain`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from gateway.v1 import endpoint_service_pb2
from tests.edge.commands.gateway import Gateway

Edge = Callable[..., Result]

NAME = "upstreams/books/endpoints/127.0.0.1-50052"


@pytest.mark.parametrize(
    "words",
    [
        ("books", "127.0.0.1:50052"),
        ("upstreams/books", "127.0.0.1-50052"),
        ("books", NAME),
        (NAME,),
    ],
)
def test_an_endpoint_is_found_by_any_of_its_names(edge: Edge, gateway: Gateway, words: tuple[str, ...]) -> None:
    result = edge("drain", *words)
    assert result.exit_code == 0, result.stderr
    assert gateway.requests == [endpoint_service_pb2.DrainEndpointRequest(name=NAME)]
    header, row = result.stdout.splitlines()
    assert header.split()[:3] == ["UPSTREAM", "ADDRESS", "STATE"]
    assert row.split()[:3] == ["books", "127.0.0.1:50052", "DRAINING"]

    result = edge("undrain", *words, "-o", "json")
    assert json.loads(result.stdout)["state"] == "STATE_ACTIVE"
    assert gateway.requests[1:] == [endpoint_service_pb2.UndrainEndpointRequest(name=NAME)]


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("books",), 2, "say which endpoint of upstreams/books, by its address; `edge get endpoints books` shows them"),
        (("books", "127.0.0.1:50053"), 4, "upstreams/books has no endpoint `127.0.0.1:50053`; did you mean"),
        (("far", "x"), 4, "upstreams/far has no endpoint `x`"),
        (("upstreams/books/endpoints/x",), 4, "there is no endpoint upstreams/books/endpoints/x"),
    ],
)
@pytest.mark.parametrize("verb", ["drain", "undrain"])
def test_what_is_not_there(edge: Edge, verb: str, words: tuple[str, ...], code: int, hint: str) -> None:
    result = edge(verb, *words)
    assert result.exit_code == code
    assert hint in result.stderr
