from __future__ import annotations

import time

import pytest

from edge.model.call import Call, Protocol
from edge.model.config import DirectResponse, GrpcTarget, HttpTarget, Route, RouteMatch, ValueMatch
from edge.model.snapshot import Explanation, RoutePlan
from edge.model.status import Code
from edge.routing import RadixRouteTable


def plan(name: str, *matches: RouteMatch, priority: int = 0) -> RoutePlan:
    route = Route(name=f"routes/{name}", matches=matches, priority=priority, action=DirectResponse(code=Code.OK))
    return RoutePlan(route=route, max_request_bytes=1, max_response_bytes=1)


def grpc(service: str = "", method: str = "", *hosts: str, headers: tuple[ValueMatch, ...] = ()) -> RouteMatch:
    return RouteMatch(hosts=hosts, target=GrpcTarget(service=service, method=method), headers=headers)


def http(path: str, *verbs: str, query: tuple[ValueMatch, ...] = ()) -> RouteMatch:
    return RouteMatch(target=HttpTarget(path=path, methods=frozenset(verbs)), query=query)


def explain(call: Call, *plans: RoutePlan, max_misses: int = 20) -> Explanation:
    return RadixRouteTable.build(plans).explain(call, max_misses=max_misses)


def reasons(explanation: Explanation) -> dict[str, str]:
    return {miss.route.removeprefix("routes/"): miss.reason for miss in explanation.misses}


BOOKS = "bookstore.v1.BookstoreService"


def test_each_condition_of_the_match_is_a_reason() -> None:
    headers = (
        ValueMatch(name="x-tenant", present=True),
        ValueMatch(name="x-plan", exact="gold"),
        ValueMatch(name="x-id", prefix="a"),
        ValueMatch(name="x-debug", present=False),
    )
    call = Call(f"/{BOOKS}/GetBook", [("x-tenant", "s3cr3t"), ("x-plan", "gold"), ("x-id", "abc")], host="a.test")
    explanation = explain(call, plan("books", grpc(BOOKS, "GetBook", "a.test", "*.test", headers=headers)))
    assert explanation.reasons == (
        "host a.test equals",
        "service bookstore.v1.BookstoreService",
        "method GetBook",
        "header x-tenant is present",
        "header x-plan equals 'gold'",
        "header x-id begins with 'a'",
        "header x-debug is absent",
    )


def test_reasons_of_an_http_match() -> None:
    call = Call("/api/users/7", protocol=Protocol.HTTP, host="eu.shop.test", verb="HEAD", query="q=1")
    match = RouteMatch(
        hosts=("*.shop.test",),
        target=HttpTarget(path="/api/users/{id}", methods=frozenset({"GET"})),
        query=(ValueMatch(name="q", present=True),),
    )
    explanation = explain(call, plan("users", match))
    assert explanation.reasons == (
        "host *.shop.test takes eu.shop.test",
        "path /api/users/{id} takes /api/users/7",
        "verb HEAD",
        "query parameter q is present",
    )
    assert explanation.match is not None
    assert explanation.match.parameters == {"id": "7"}


def test_reasons_of_what_asks_for_nothing() -> None:
    call = Call("/s.A/M")
    assert explain(call, plan("all", RouteMatch())).reasons == ("takes any call",)
    assert explain(call, plan("all")).reasons == ("default route: no other route takes the call",)
    assert explain(call, plan("all", grpc())).reasons == ("any gRPC method",)
    assert explain(call, plan("all", http("/s.A/M"))).reasons == ("path /s.A/M equals",)


def test_the_first_unmet_condition_is_named() -> None:
    call = Call("/s.A/M", [("x", "secret")], host="a.test")
    explanation = explain(
        call,
        plan("host", grpc("s.A", "M", "b.test", "*.c.test")),
        plan("service", grpc("s.Else")),
        plan("method", grpc("s.A", "List")),
        plan("other", grpc("s.A", "M", "a.test", headers=(ValueMatch(name="x", exact="1"),))),
        plan("none", grpc("s.A", "M", "a.test", headers=(ValueMatch(name="y", prefix="1"),))),
        plan("absent", grpc("s.A", "M", headers=(ValueMatch(name="x", present=False),))),
        plan("query", http("/s.A/M", "POST", query=(ValueMatch(name="q", exact="1"),))),
        plan("verb", http("/s.A/{m}", "GET", "PUT")),
        plan("path", http("/completely/different/{path}")),
    )
    assert explanation.match is None
    assert explanation.reasons == ()
    assert reasons(explanation) == {
        "host": "host b.test or *.c.test is asked for, the call is for a.test",
        "service": "service s.Else is asked for, the call names s.A",
        "method": "method List is asked for, the call names M",
        "other": "header x equals '1' is asked for, the call has another value",
        "none": "header y begins with '1' is asked for, the call has none",
        "absent": "header x has to be absent, the call has it",
        "query": "query parameter q equals '1' is asked for, the call has no query",
        "verb": "verb GET or HEAD or PUT is asked for, the call has POST",
        "path": "path /completely/different/{path} is asked for, the call is for /s.A/M",
    }
    assert [(miss.route, miss.nearness) for miss in explanation.misses] == [
        ("routes/none", 3),
        ("routes/other", 3),
        ("routes/absent", 2),
        ("routes/query", 2),
        ("routes/method", 1),
        ("routes/verb", 1),
        ("routes/host", 0),
        ("routes/path", 0),
        ("routes/service", 0),
    ]


def test_what_is_no_grpc_call_says_so() -> None:
    books = plan("books", grpc(BOOKS))
    assert "the call is a plain HTTP call" in reasons(explain(Call("/s.A/M", protocol=Protocol.HTTP), books))["books"]
    assert "the call is for /a/b/c" in reasons(explain(Call("/a/b/c"), books))["books"]
    assert "the call has no known host" in reasons(explain(Call("/s.A/M"), plan("books", grpc("", "", "a"))))["books"]


def test_the_preferred_route_says_by_what() -> None:
    x, y = ValueMatch(name="x", present=True), ValueMatch(name="y", exact="1")
    call = Call("/s.A/M", [("x", "1"), ("y", "1")], host="a.test")
    plans = [
        plan("default"),
        plan("none", RouteMatch()),
        plan("path", http("/s.A/M")),
        plan("any", grpc()),
        plan("service", grpc("s.A")),
        plan("method", grpc("s.A", "M")),
        plan("fewer", grpc("s.A", "M", "a.test", headers=(x,))),
        plan("present", grpc("s.A", "M", "a.test", headers=(x, ValueMatch(name="y", present=True)))),
        plan("prefix", grpc("s.A", "M", "a.test", headers=(x, ValueMatch(name="y", prefix="1")))),
        plan("low", grpc("s.A", "M", "a.test", headers=(x, y))),
        plan("best", *[grpc("s.A", "M", "a.test", headers=(x, y))] * 2, priority=1),
    ]
    found = reasons(explain(call, *plans))
    best = "routes/best matches[0] is preferred: "
    assert found == {
        "default": best + "a default route takes only what no other route takes",
        **dict.fromkeys(("none", "path", "any", "service", "method"), best + "more specific by host"),
        "fewer": best + "more header and query conditions",
        "present": best + "more exact header and query conditions",
        "prefix": best + "more exact header and query conditions",
        "low": best + "larger priority",
        "best": best + "equally specific, and first in the route",
    }
    found = reasons(explain(call, *plans[:6]))
    assert found["service"] == "routes/method matches[0] is preferred: more specific by method"
    found = reasons(explain(call, *plans[:5]))
    assert found["path"] == "routes/service matches[0] is preferred: more specific by service"
    found = reasons(explain(call, *plans[:4]))
    assert found["path"] == "routes/any matches[0] is preferred: more specific by its target"
    found = reasons(explain(call, *plans[:3], plan("wild", http("/s.A/*")), plan("verb", http("/s.A/M", "POST"))))
    assert found["none"] == "routes/verb matches[0] is preferred: more specific by path"
    assert found["wild"] == "routes/verb matches[0] is preferred: more specific by path"
    assert found["path"] == "routes/verb matches[0] is preferred: more specific by verb"
    found = reasons(explain(call, plan("low"), plan("high", priority=1)))
    assert found["low"] == "routes/high is preferred: larger priority"


def test_a_repeated_header_is_decided_by_name_and_says_so() -> None:
    one, two = (grpc("s.A", headers=(ValueMatch(name="x", exact=value),)) for value in "12")
    explanation = explain(Call("/s.A/M", [("x", "1"), ("x", "2")]), plan("b", one), plan("a", two))
    assert "first by name (the call repeats a header" in reasons(explanation)["b"]


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (Call("/bookstore.v1.BookstorService/GetBook"), f"did you mean {BOOKS}?"),
        (Call("/bookstore.v1.bookstoreservice/GetBook"), f"did you mean {BOOKS}?"),
        (Call(f"/{BOOKS}/GetBok"), "did you mean GetBook?"),
        (Call("/api/user/7", protocol=Protocol.HTTP), "did you mean /api/users/7?"),
        (
            Call("/api/users/7/", protocol=Protocol.HTTP),
            "path /api/users/{id} has no slash at the end, the call has one",
        ),
        (Call("/api/list", protocol=Protocol.HTTP), "path /api/list/ has a slash at the end, the call has none"),
        (Call("/statik/css/a.css", protocol=Protocol.HTTP), "did you mean /static/css/a.css?"),
    ],
)
def test_a_typo_comes_first_and_is_guessed(call: Call, wanted: str) -> None:
    explanation = explain(
        call,
        plan("a-far", grpc("completely.different.Thing", "Do")),
        plan("book", grpc(BOOKS, "GetBook")),
        plan("list", http("/api/list/")),
        plan("static", http("/static/**")),
        plan("users", http("/api/users/{id}")),
        plan("z-far", http("/zzzzzzzzzz")),
    )
    assert explanation.match is None
    assert wanted in explanation.misses[0].reason


def test_neighbours_of_what_was_asked_for_are_no_typos() -> None:
    call = Call(f"/{BOOKS}/GetBook")
    plans = [plan("v1", grpc(BOOKS)), plan("v2", grpc(BOOKS.replace("v1", "v2")))]
    assert "did you mean" not in reasons(explain(call, *plans))["v2"]
    # but a default route takes typos, too
    call = Call(f"/{BOOKS}s/GetBook")
    assert "did you mean" in reasons(explain(call, *plans, plan("default")))["v1"]


def test_values_of_the_call_are_never_shown() -> None:
    secret = "s3cr3t"
    call = Call("/s.A/M", [("x", secret), ("authorization", secret)], protocol=Protocol.CONNECT, query=f"x={secret}")
    conditions = (
        ValueMatch(name="x", exact="1"),
        ValueMatch(name="x", prefix="s3"),
        ValueMatch(name="x", present=True),
        ValueMatch(name="x", present=False),
    )
    plans = [plan(f"h{n}", RouteMatch(headers=(each,))) for n, each in enumerate(conditions)]
    plans += [plan(f"q{n}", RouteMatch(query=(each,))) for n, each in enumerate(conditions) if each.prefix is None]
    for some in ([each] for each in plans):
        assert secret not in str(explain(call, *some))


def test_only_the_nearest_are_kept() -> None:
    plans = [plan(f"r{number}", grpc(f"s.S{number}")) for number in range(30)]
    explanation = explain(Call("/s.S7/M"), *plans, max_misses=5)
    assert len(explanation.misses) == 5
    assert explanation.more_misses == 24
    for most in (0, -1):
        explanation = explain(Call("/s.S7/M"), *plans, max_misses=most)
        assert explanation.misses == ()
        assert explanation.more_misses == 29


def test_the_order_of_the_configuration_does_not_matter() -> None:
    plans = [plan(f"r{number}", grpc(f"s.S{number}", "M" * (number % 3))) for number in range(30)]
    call = Call("/s.S/M")
    assert explain(call, *plans) == explain(call, *reversed(plans))


def test_a_long_path_and_many_routes_are_explained_in_bounded_time() -> None:
    plans = [plan(f"r{number}", http(f"/api/v1/area{number}/things/{{x}}")) for number in range(5_000)]
    table = RadixRouteTable.build(plans)
    start = time.process_time()
    explanation = table.explain(Call("/api/v1/area/thing" * 5_000, protocol=Protocol.HTTP))
    assert time.process_time() - start < 10
    assert all(len(miss.reason) < 1_000 for miss in explanation.misses)
