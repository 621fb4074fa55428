"""Which documents are served to whom, and how often they are made."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bookstore.v1 import bookstore_pb2
from edge.model.call import Protocol
from edge.model.config import Forward, Route, RouteMatch
from edge.model.http import HttpRequest
from edge.model.snapshot import RoutePlan, Snapshot
from edge.model.transcoding import Transcoding
from tests.transcoding.openapi.described import of_module
from transcoding.index import Index
from transcoding.offers import compile_offers
from transcoding.openapi import serving
from transcoding.openapi.serving import Documents

SCHEMA = of_module(bookstore_pb2.DESCRIPTOR)


def index(**hosts: tuple[str, ...]) -> Index:
    """Return an index whose routes take these hosts; a name that ends in `_hidden` has no document."""
    plans, routes = {}, {}
    for name, patterns in hosts.items():
        route = Route(
            name=f"routes/{name}",
            matches=(RouteMatch(hosts=patterns),),
            action=Forward(upstreams=(("upstreams/u", 1),)),
            transcoding=Transcoding(openapi=not name.endswith("_hidden")),
        )
        plans[route.name] = RoutePlan(route=route, max_request_bytes=1, max_response_bytes=1)
        routes[route.name] = (compile_offers(route, SCHEMA),)
    return Index(snapshot=Snapshot(plans=plans), routes=routes)


def request(host: str = "", verb: str = "GET", target: str = "/openapi.json") -> HttpRequest:
    return HttpRequest(verb, target, (), host=host)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("a.example", ("any", "a")),
        ("A.EXAMPLE:8081", ("any", "a")),
        ("x.b.example", ("any", "b")),
        ("x.y.b.example", ("any", "b")),
        ("b.example", ("any",)),
        ("", ("any",)),
    ],
)
async def test_a_host_sees_the_routes_that_take_it(host: str, shown: tuple[str, ...]) -> None:
    found: Any = Documents()(request(host), index(any=(), a=("a.example",), b=("*.b.example",), c_hidden=()))
    assert found._routes == tuple(f"routes/{name}" for name in shown)


@pytest.mark.parametrize(
    "asked",
    [
        request("z.example"),
        request("a.example", "POST"),
        request("a.example", target="/openapi.yaml"),
    ],
)
async def test_others_see_nothing(asked: HttpRequest) -> None:
    assert Documents()(asked, index(a=("a.example",), hidden_hidden=())) is None


async def test_a_document_is_made_once_for_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, ...]] = []
    make = serving._make

    def counted(found: Index, routes: tuple[str, ...], title: str) -> serving.Document:
        made.append(routes)
        return make(found, routes, title)

    monkeypatch.setattr(serving, "_make", counted)
    documents, first = Documents(), index(a=(), b=())
    one, other = await asyncio.gather(*(documents.of(first, ("routes/a",)) for _ in range(2)))
    assert one is other
    assert made == [("routes/a",)]
    for number in range(20):
        await documents.of(first, ("routes/a",) * (number + 2))
    assert await documents.of(first, ("routes/a",)) == one, "dropped for others, and made again"
    assert len(made) == 22
    again = await documents.of(index(a=(), b=()), ("routes/a",))
    assert again == one
    assert len(made) == 23
    assert (await documents.of(first, ("routes/b",))).text != b""


async def test_rules_that_nobody_reaches_by_rest_are_not_described() -> None:
    route = Route(
        name="routes/a",
        action=Forward(upstreams=(("upstreams/u", 1),)),
        transcoding=Transcoding(openapi=True, disabled=frozenset({Protocol.REST})),
    )
    found = Index(
        snapshot=Snapshot(plans={"routes/a": RoutePlan(route=route, max_request_bytes=1, max_response_bytes=1)}),
        routes={"routes/a": (compile_offers(route, SCHEMA),)},
    )
    assert b'"paths":{}' in (await Documents().of(found, ("routes/a",))).text
