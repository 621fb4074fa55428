"""What `ExplainCall` says of HTTP calls, by a gateway with the schema of the bookstore."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from google.protobuf.descriptor import FileDescriptor

from bookstore.v1 import bookstore_pb2
from edge.admin.explain import explain_call
from edge.gateway import Gateway
from edge.model.config import Configuration, Forward, GrpcTarget, Route, RouteMatch, Schema, ValueMatch
from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import EndpointAddress
from edge.model.settings import ServerSettings
from edge.model.transcoding import Transcoding
from edge.model.upstreams import Upstream
from gateway.v1 import admin_service_pb2 as pb

SERVICE = "bookstore.v1.BookstoreService"
Explain = Callable[..., pb.ExplainCallResponse]


def files(*wanted: FileDescriptor) -> tuple[bytes, ...]:
    """Files with what they import, each after its imports."""
    found: dict[str, bytes] = {}

    def take(file: FileDescriptor) -> None:
        for imported in file.dependencies:
            take(imported)
        found.setdefault(file.name, file.serialized_pb)

    for file in wanted:
        take(file)
    return tuple(found.values())


@pytest.fixture
async def explain() -> AsyncIterator[Explain]:
    """`ExplainCall` of a gateway that offers the bookstore on one route and does not on another."""
    schema, upstream = "schemas/bookstore", "upstreams/bookstore"
    forward = Forward(upstreams=((upstream, 1),))
    only_two = RouteMatch(target=GrpcTarget(service=SERVICE), headers=(ValueMatch(name="x-demo", exact="two"),))
    routes = (
        Route(
            name="routes/books",
            matches=(RouteMatch(target=GrpcTarget(service=SERVICE)),),
            action=forward,
            transcoding=Transcoding(openapi=True),
        ),
        Route(name="routes/two", matches=(only_two,), action=forward),
    )
    gateway = Gateway(ServerSettings())
    configuration = Configuration(
        upstreams={
            upstream: Upstream(
                name=upstream,
                discovery=StaticDiscovery(endpoints=(EndpointAddress("127.0.0.1:1"),)),
                schema=schema,
                reflection=False,
            )
        },
        routes={route.name: route for route in routes},
        schemas={schema: Schema(name=schema, files=files(bookstore_pb2.DESCRIPTOR))},
    )
    gateway.publish(gateway.compile(configuration))

    def ask(line: str, **headers: str) -> pb.ExplainCallResponse:
        verb, _, path = line.rpartition(" ")
        request = pb.ExplainCallRequest(verb=verb, path=path, headers=headers)
        return explain_call(request, gateway.snapshot.value, gateway.method, gateway.find)

    yield ask
    await gateway.close()


WEB_SOCKET = {"upgrade": "websocket", "connection": "Upgrade"}


@pytest.mark.parametrize(
    ("line", "headers", "protocol", "rule", "method"),
    [
        ("GET /v1/shelves/fiction", {}, "rest", "GET /v1/{name=shelves/*}", "GetShelf"),
        ("HEAD /v1/shelves/fiction", {}, "rest", "GET /v1/{name=shelves/*}", "GetShelf"),
        ("POST /v1/books:import", {}, "rest", "POST /v1/books:import", "ImportBooks"),
        ("GET /v1/books:recommend", WEB_SOCKET, "websocket", "POST /v1/books:recommend", "RecommendBooks"),
        (f"GET /{SERVICE}/WatchShelf", WEB_SOCKET, "websocket", "", "WatchShelf"),
        (f"POST /{SERVICE}/GetShelf", {}, "connect", "", "GetShelf"),
        (f"POST /{SERVICE}/GetShelf", {"content-type": "application/grpc-web-text"}, "grpc-web", "", "GetShelf"),
        (f"/{SERVICE}/GetShelf", {}, "grpc", "", "GetShelf"),
    ],
)
async def test_every_protocol_leads_to_a_method(
    explain: Explain, line: str, headers: dict[str, str], protocol: str, rule: str, method: str
) -> None:
    response = explain(line, **headers)
    assert (response.matched, response.route) == (True, "routes/books")
    assert (response.protocol, response.rule, response.method) == (protocol, rule, f"/{SERVICE}/{method}")
    assert response.upstreams[0].upstream == "upstreams/bookstore"
    assert not response.HasField("status")
    assert response.http_status == 0


async def test_what_the_path_binds_is_shown(explain: Explain) -> None:
    response = explain("PATCH /v1/shelves/fiction/books/a%20b", **{"connect-timeout-ms": "100"})
    assert dict(response.path_parameters) == {"book.name": "shelves/fiction/books/a b"}
    assert response.deadlines[0] == "caller: the time in connect-timeout-ms"


async def test_another_verb_is_told_with_the_rules_for_the_path(explain: Explain) -> None:
    response = explain("PUT /v1/shelves/fiction")
    assert (response.matched, response.http_status, response.status.code) == (False, 405, 12)
    assert "takes DELETE, GET, HEAD, OPTIONS, PATCH and not PUT" in response.status.message
    told = [miss.reason for miss in response.misses if miss.route == "routes/books"]
    assert [reason.partition(",")[0] for reason in told] == [
        f"DELETE /v1/{{name=shelves/*}} calls {SERVICE}/DeleteShelf",
        f"GET /v1/{{name=shelves/*}} calls {SERVICE}/GetShelf",
        f"PATCH /v1/{{shelf.name=shelves/*}} calls {SERVICE}/UpdateShelf",
    ]


@pytest.mark.parametrize(
    ("line", "headers", "http_status", "words"),
    [
        ("GET /v1/shelfs", {}, 404, "did you mean /v1/shelves?"),
        ("GET /v1/shelves/%zz", {}, 400, "no percent-escape"),
        ("GET /v1/../shelves", {}, 400, "`..` segments"),
        ("GET /nowhere/at/all", WEB_SOCKET, 404, "/nowhere/at/all"),
        (f"POST /{SERVICE}/GetShelf", {"content-type": "text/csv"}, 415, "text/csv"),
    ],
)
async def test_why_nobody_takes_a_call(
    explain: Explain, line: str, headers: dict[str, str], http_status: int, words: str
) -> None:
    response = explain(line, **headers)
    assert (response.matched, response.route, response.http_status) == (False, "", http_status)
    assert words in response.status.message


async def test_a_route_without_transcoding_is_told(explain: Explain) -> None:
    for line in ("GET /v1/shelves/fiction", f"POST /{SERVICE}/GetShelf"):
        response = explain(line, **{"x-demo": "two"})
        assert (response.matched, response.http_status) == (False, 404)
        assert ("routes/two", 0) in [
            (miss.route, miss.match_index) for miss in response.misses if "`transcoding` is not set" in miss.reason
        ]


async def test_a_document_is_what_the_gateway_answers_by_itself(explain: Explain) -> None:
    response = explain("GET /openapi.json")
    assert (response.matched, response.protocol) == (False, "http")
    assert response.action == "answer with a document of the gateway's own"
    assert not response.HasField("status")


async def test_what_the_gateway_answers_by_itself(explain: Explain) -> None:
    response = explain("OPTIONS /v1/shelves/fiction")
    assert not response.matched
    assert response.action == "answer without an upstream: allow: DELETE, GET, HEAD, OPTIONS, PATCH"
    assert not response.misses
    assert not response.HasField("status")
