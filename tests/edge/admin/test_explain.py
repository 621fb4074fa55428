from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from edge.admin.explain import explain_call
from edge.model.call import Protocol
from edge.model.config import DirectResponse, Redirect, Route
from edge.model.errors import InvalidRequest
from edge.model.finding import HttpFinding
from edge.model.http import HttpRequest
from edge.model.schema import Method, Shape
from edge.model.snapshot import Explanation, Match, Miss, RoutePlan
from edge.model.status import Code
from gateway.v1 import admin_service_pb2 as pb
from tests.edge.admin.fakes import FakeCluster, FakeRuntime, FakeTable, endpoint, forward_plan, found_plain

GET = "/books.v1.Books/Get"
METHODS = {
    GET: Method(GET, Shape.UNARY, "A", "B"),
    "/books.v1.Books/Chat": Method("/books.v1.Books/Chat", Shape.BIDI_STREAM, "A", "B"),
}
NOTHING = Explanation(None, (), ())


class Asked:
    """What an explanation came to."""

    def __init__(self, explanation: Explanation, **request: Any) -> None:
        self.table = FakeTable(explanation)
        runtime = FakeRuntime(revision=4, table=self.table)
        self.found: list[HttpRequest] = []
        self.response = explain_call(pb.ExplainCallRequest(**request), runtime.snapshot.value, METHODS.get, self._find)
        self.call = self.table.asked[0]

    def _find(self, request: HttpRequest) -> HttpFinding:
        self.found.append(request)
        return found_plain(request)


def taken(plan: RoutePlan, **parameters: str) -> Explanation:
    return Explanation(Match(plan, 1, parameters), ("the host is any",), ())


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"path": "books.v1.Books/Get"}, (GET, "", "", Protocol.GRPC)),
        ({"path": GET}, (GET, "", "", Protocol.GRPC)),
        ({"path": "/v1/books/7?view=full&x"}, ("/v1/books/7", "view=full&x", "GET", Protocol.HTTP)),
        ({"path": "/v1/books?view=full"}, ("/v1/books", "view=full", "GET", Protocol.HTTP)),
        ({"path": "/v1/books", "verb": "post"}, ("/v1/books", "", "POST", Protocol.HTTP)),
        ({"path": "/"}, ("/", "", "GET", Protocol.HTTP)),
        ({"path": GET, "verb": "POST"}, (GET, "", "POST", Protocol.HTTP)),
    ],
)
def test_every_way_to_write_a_call(request_: dict[str, Any], expected: tuple[Any, ...]) -> None:
    call = Asked(NOTHING, **request_).call
    assert (call.method, call.query, call.verb, call.protocol) == expected


@pytest.mark.parametrize(
    ("verb", "headers", "expected"),
    [
        ("GET", {}, ""),
        ("POST", {}, "application/json"),
        ("patch", {}, "application/json"),
        ("POST", {"Content-Type": "application/grpc-web"}, "application/grpc-web"),
    ],
)
def test_the_body_of_an_http_call_is_json_unless_it_says_otherwise(
    verb: str, headers: dict[str, str], expected: str
) -> None:
    (found,) = Asked(NOTHING, path="/v1/books?a=b", verb=verb, headers=headers, host="shop.test").found
    assert (found.target, found.host, found.header("content-type")) == ("/v1/books?a=b", "shop.test", expected)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("Shop.Example.com:8080", "shop.example.com"), ("[::1]:80", "[::1]"), ("::1", "::1"), ("a.test", "a.test")],
)
def test_hosts_have_no_port_and_no_capitals(host: str, expected: str) -> None:
    assert Asked(NOTHING, path=GET, host=host).call.host == expected


def test_headers_are_compared_and_never_shown() -> None:
    plan = forward_plan("routes/r", (FakeCluster("upstreams/a"), 1))
    asked = Asked(taken(plan), path=GET, headers={"X-Key": "s3cret", "k-bin": "czNjcmV0", "grpc-timeout": "77S"})
    assert dict(asked.call.metadata) == {"x-key": "s3cret", "k-bin": b"s3cret", "grpc-timeout": "77S"}
    shown = str(asked.response)
    assert "s3cret" not in shown
    assert "77" not in shown
    assert "caller: the time in grpc-timeout" in asked.response.deadlines


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({}, "path"),
        ({"path": "books"}, "path"),
        ({"path": "a/b", "verb": "GET"}, "path"),
        ({"path": GET, "headers": {"k-bin": "s3cret!"}}, "headers['k-bin']"),
    ],
)
def test_what_is_no_call_is_refused_by_field(request_: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Asked(NOTHING, **request_)
    assert [violation.field for violation in caught.value.violations] == [field]
    assert "s3cret" not in str(caught.value)


def test_a_call_nobody_takes_gets_a_status_and_the_misses() -> None:
    misses = (Miss("routes/a", 2, "the host differs", 3), Miss("routes/b", -1, "routes/a is preferred", 0))
    asked = Asked(Explanation(None, (), misses, more_misses=5), path=GET, max_misses=2)
    response = asked.response
    assert not response.matched
    assert (response.status.code, response.status.message) == (12, f"no route takes {GET}")
    assert response.http_status == 0
    assert [(miss.route, miss.match_index) for miss in response.misses] == [("routes/a", 2), ("routes/b", -1)]
    assert (response.more_misses, response.config_revision, asked.table.max_misses) == (5, 4, 2)


@pytest.mark.parametrize(("asked", "given"), [(0, 20), (7, 7), (5000, 1000)])
def test_there_is_a_most_of_misses(asked: int, given: int) -> None:
    assert Asked(NOTHING, path=GET, max_misses=asked).table.max_misses == given


def test_a_forwarded_call_shows_policies_upstreams_shape_and_limits() -> None:
    one, two = FakeCluster("upstreams/a", endpoint("h:1")), FakeCluster("upstreams/b")
    plan = forward_plan("routes/r", (one, 3), (two, 1), timeout=5.0, stream_timeout=60.0, stream_idle_timeout=30.0)
    plan = dataclasses.replace(
        plan,
        admissions=(SimpleNamespace(name="policies/p"), SimpleNamespace(name="policies/q")),
        upstreams=(dataclasses.replace(plan.upstreams[0], timeout=2.5), plan.upstreams[1]),
    )
    asked = Asked(taken(plan, id="7"), path=GET)
    response = asked.response
    assert response == pb.ExplainCallResponse(
        matched=True,
        route="routes/r",
        match_index=1,
        reasons=["the host is any"],
        path_parameters={"id": "7"},
        policies=["policies/p", "policies/q"],
        action="forward",
        upstreams=[
            {
                "upstream": "upstreams/a",
                "percent": 75.0,
                "endpoint": "h:1",
                "balancer": "round robin over 1 of 1 endpoints",
            },
            {"upstream": "upstreams/b", "percent": 25.0, "balancer": "round robin over 0 of 0 endpoints"},
        ],
        method=GET,
        shape="unary",
        deadlines=[
            "caller: no limit was given",
            "route: 5 s for a unary call",
            "upstreams/a: 2.5 s for a unary call",
        ],
        config_revision=4,
        protocol="grpc",
    )
    assert asked.call.plan is plan


@pytest.mark.parametrize(
    ("path", "shape", "limits"),
    [
        (
            "/books.v1.Books/Chat",
            "bidi stream",
            ["route: 60 s for a streaming call", "route: 30 s without a message for a streaming call"],
        ),
        (
            "/other/Method",
            "",
            [
                "route: no limit for a unary call",
                "route: 60 s for a streaming call",
                "route: 30 s without a message for a streaming call",
            ],
        ),
        (GET, "unary", ["route: no limit for a unary call"]),
    ],
)
def test_limits_depend_on_the_shape(path: str, shape: str, limits: list[str]) -> None:
    plan = forward_plan("routes/r", (FakeCluster("upstreams/a"), 1), stream_timeout=60.0, stream_idle_timeout=30.0)
    response = Asked(taken(plan), path=path).response
    assert (response.shape, list(response.deadlines)[1:]) == (shape, limits)


def answering(action: DirectResponse | Redirect) -> RoutePlan:
    return RoutePlan(route=Route(name="routes/r", action=action), max_request_bytes=1, max_response_bytes=1)


def test_a_route_that_answers_by_itself_shows_its_status() -> None:
    response = Asked(taken(answering(DirectResponse(code=Code.NOT_FOUND, message="gone"))), path=GET).response
    assert response.action == "answer without an upstream: NOT_FOUND"
    assert (response.status.code, response.status.message) == (5, "gone")
    assert not response.upstreams
    assert not response.deadlines


def test_a_redirect_is_for_http_callers() -> None:
    plan = answering(Redirect(host="b.test", https=True, http_status=308))
    response = Asked(taken(plan), path="/x", verb="GET").response
    assert response.action == "redirect with HTTP status 308 to https, b.test, the same path"
    assert not response.HasField("status")
    assert Asked(taken(plan), path=GET).response.status.code == 12
