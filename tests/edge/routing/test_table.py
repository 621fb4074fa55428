from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from edge.model.call import Call, Protocol
from edge.model.config import DirectResponse, GrpcTarget, HttpTarget, Route, RouteMatch, ValueMatch
from edge.model.errors import InvalidRequest
from edge.model.snapshot import RoutePlan, RouteTable
from edge.model.status import Code
from edge.routing import RadixRouteTable


def plan(name: str, *matches: RouteMatch, priority: int = 0) -> RoutePlan:
    route = Route(name=f"routes/{name}", matches=matches, priority=priority, action=DirectResponse(code=Code.OK))
    return RoutePlan(route=route, max_request_bytes=1, max_response_bytes=1)


def grpc(service: str = "", method: str = "", *hosts: str) -> RouteMatch:
    return RouteMatch(hosts=hosts, target=GrpcTarget(service=service, method=method))


def http(path: str, *verbs: str, hosts: tuple[str, ...] = (), headers: tuple[ValueMatch, ...] = ()) -> RouteMatch:
    return RouteMatch(hosts=hosts, target=HttpTarget(path=path, methods=frozenset(verbs)), headers=headers)


def header(name: str, value: str | None = None) -> ValueMatch:
    return ValueMatch(name=name, present=True) if value is None else ValueMatch(name=name, exact=value)


def get(path: str, host: str = "", verb: str = "GET", **headers: str) -> Call:
    return Call(path, list(headers.items()), protocol=Protocol.HTTP, host=host, verb=verb)


def taken(table: RouteTable, call: Call) -> str:
    """Return the name of the route that takes the call, without `routes/`, and the index of the match."""
    match = table.match(call)
    return "" if match is None else f"{match.plan.route.name.removeprefix('routes/')}{match.index}"


def refused(plans: Iterable[RoutePlan]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        RadixRouteTable.build(plans)
    return [(violation.field, violation.description) for violation in caught.value.violations]


def test_an_empty_table_takes_nothing() -> None:
    table = RadixRouteTable.build([])
    assert table.match(Call("/s.A/M")) is None
    assert len(table) == 0


def test_grpc_method_before_service_before_any() -> None:
    table = RadixRouteTable.build(
        [plan("any", grpc()), plan("service", grpc("s.A")), plan("method", grpc("s.A", "M")), plan("rest", http("/**"))]
    )
    assert taken(table, Call("/s.A/M")) == "method0"
    assert taken(table, Call("/s.A/N")) == "service0"
    assert taken(table, Call("/s.B/M")) == "any0"
    assert taken(table, Call("/s.A/M/x")) == "rest0"
    assert taken(table, Call("/s.A/")) == "rest0"
    assert taken(table, Call("//M")) == "rest0"


@pytest.mark.parametrize("protocol", [each for each in Protocol if each is not Protocol.HTTP])
def test_every_protocol_but_plain_http_is_matched_by_its_method(protocol: Protocol) -> None:
    table = RadixRouteTable.build([plan("method", grpc("s.A", "M")), plan("path", http("/s.A/M"))])
    assert taken(table, Call("/s.A/M", protocol=protocol, verb="GET")) == "method0"
    assert taken(table, get("/s.A/M")) == "path0"


def test_a_grpc_call_has_its_path_and_post() -> None:
    table = RadixRouteTable.build([plan("get", http("/s.A/{m}", "GET")), plan("post", http("/s.A/**", "POST"))])
    assert taken(table, Call("/s.A/M")) == "post0"
    assert taken(table, get("/s.A/M")) == "get0"


def test_any_grpc_target_is_preferred_to_a_path() -> None:
    table = RadixRouteTable.build([plan("path", http("/s.A/M", "POST", headers=(header("x"),))), plan("any", grpc())])
    assert taken(table, Call("/s.A/M", [("x", "1")])) == "any0"


def test_host_comes_first() -> None:
    table = RadixRouteTable.build(
        [
            plan("any", grpc("s.A", "M")),
            plan("short", RouteMatch(hosts=("*.example.com",))),
            plan("long", RouteMatch(hosts=("*.eu.example.com",))),
            plan("exact", RouteMatch(hosts=("shop.eu.example.com", "other.test"))),
        ]
    )
    assert taken(table, Call("/s.A/M", host="shop.eu.example.com")) == "exact0"
    assert taken(table, Call("/s.A/M", host="Shop.EU.example.com:443")) == "exact0"
    assert taken(table, Call("/s.A/M", host="other.test")) == "exact0"
    assert taken(table, Call("/s.A/M", host="a.b.eu.example.com")) == "long0"
    assert taken(table, Call("/s.A/M", host="eu.example.com")) == "short0"
    assert taken(table, Call("/s.A/M", host="example.com")) == "any0"
    assert taken(table, Call("/s.A/M")) == "any0"
    assert taken(table, Call("/s.A/M", host="." * 20_000)) == "any0"


def test_what_a_specific_host_does_not_take_goes_on() -> None:
    table = RadixRouteTable.build(
        [plan("exact", grpc("s.A", "M", "a.test")), plan("wild", grpc("s.A", "N", "*.test")), plan("any", grpc("s.A"))]
    )
    assert taken(table, Call("/s.A/N", host="a.test")) == "wild0"
    assert taken(table, Call("/s.A/O", host="a.test")) == "any0"


def test_path_before_verb_before_conditions_before_priority() -> None:
    table = RadixRouteTable.build(
        [
            plan("rest", http("/a/**", "GET"), priority=9),
            plan("single", http("/a/{x}", "GET"), priority=8),
            plan("text", http("/a/b")),
            plan("verb", http("/a/b", "GET")),
            plan("tenant", http("/a/b", "GET", headers=(header("x"),))),
            plan("one", http("/a/b", "GET", headers=(header("x", "1"),))),
            plan("two", http("/a/b", "GET", headers=(header("x"), header("y")))),
            plan("first", http("/a/b", "GET", headers=(header("x"), header("y"))), priority=1),
        ]
    )
    assert taken(table, get("/a/b", verb="PUT")) == "text0"
    assert taken(table, get("/a/b")) == "verb0"
    assert taken(table, get("/a/b", verb="HEAD")) == "verb0"
    assert taken(table, get("/a/b", x="2")) == "tenant0"
    assert taken(table, get("/a/b", x="1")) == "one0"
    assert taken(table, get("/a/b", x="1", y="1")) == "first0"
    assert taken(table, get("/a/c")) == "single0"
    assert taken(table, get("/a/b/c")) == "rest0"
    assert taken(table, get("/a/b/c", verb="PUT")) == ""


def test_a_less_specific_path_takes_what_conditions_leave() -> None:
    table = RadixRouteTable.build([plan("text", http("/a/b", headers=(header("x"),))), plan("single", http("/a/{y}"))])
    match = table.match(get("/a/b"))
    assert match is not None
    assert match.plan.route.name == "routes/single"
    assert match.parameters == {"y": "b"}


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/f/7/a/b", {"id": "7", "rest": "a/b"}),
        ("/f/7", {"id": "7", "rest": ""}),
        ("/f/7/", {"id": "7", "rest": ""}),
        ("/f/7/a/", {"id": "7", "rest": "a/"}),
        ("/f/a%2Fb/c%20d/%25", {"id": "a/b", "rest": "c d/%"}),
        ("/%66/7/a%2Fb/c", {"id": "7", "rest": "a/b/c"}),
        ("/f/100%/x", {"id": "100%", "rest": "x"}),
        ("/f/%ff", {"id": "\ufffd", "rest": ""}),
    ],
)
def test_parameters_are_decoded(path: str, parameters: dict[str, str]) -> None:
    table = RadixRouteTable.build([plan("files", http("/f/{id}/{rest=**}"))])
    match = table.match(get(path))
    assert match is not None
    assert match.parameters == parameters


def test_an_escaped_slash_stays_in_its_segment() -> None:
    table = RadixRouteTable.build([plan("one", http("/a%2Fb")), plan("two", http("/a/b"))])
    assert taken(table, get("/a/b")) == "two0"
    assert taken(table, get("/a%2fb")) == "one0"
    assert taken(table, get("/%61/b")) == "two0"


def test_a_match_that_binds_nothing_is_made_once() -> None:
    table = RadixRouteTable.build([plan("method", grpc("s.A", "M")), plan("any", http("/*/**"))])
    assert table.match(Call("/s.A/M")) is table.match(Call("/s.A/M"))
    assert table.match(get("/x/y")) is table.match(get("/z"))


def test_default_routes_come_last() -> None:
    plans = [plan("low"), plan("high", priority=1), plan("anything", RouteMatch(headers=(header("x"),)))]
    table = RadixRouteTable.build(plans)
    assert taken(table, Call("/s.A/M")) == "high-1"
    assert taken(table, get("*")) == "high-1"
    assert taken(table, Call("/s.A/M", [("x", "1")])) == "anything0"


def test_a_match_without_conditions_takes_any_call_before_a_default_route() -> None:
    table = RadixRouteTable.build([plan("default", priority=5), plan("all", RouteMatch())])
    assert taken(table, get("")) == "all0"


def test_matching_does_not_change_the_call() -> None:
    table = RadixRouteTable.build([plan("files", http("/f/{id}", hosts=("a.test",)))])
    call = get("/f/7", host="A.test:80")
    before = {name: getattr(call, name) for name in Call.__slots__}
    assert table.match(call) is not None
    assert {name: getattr(call, name) for name in Call.__slots__} == before


def test_a_tie_names_both_routes_and_how_to_mend_it() -> None:
    found = refused([plan("a", grpc("x.X"), http("/a/{x}", "GET")), plan("b", http("/a/{y}", "GET", "PUT"))])
    assert found == [
        (
            "routes/b.matches[0]",
            "routes/b matches[0] and routes/a matches[1] take the same calls and are equally specific, with priority "
            "0; make one more specific (host, method or path, verb, header, query), "
            "or give one route a larger priority",
        )
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (grpc("s.A", "M"), grpc("s.A", "M")),
        (grpc("s.A"), grpc("s.A")),
        (grpc(), grpc()),
        (RouteMatch(), RouteMatch()),
        (http("/a/*/**"), http("/a/{x}/{y=**}")),
        (http("/caf%C3%A9"), http("/café")),
        (http("/a", "GET"), http("/a", "HEAD")),
        (http("/a", hosts=("a.test", "b.test")), http("/a", hosts=("c.test", "B.test"))),
        (http("/a", headers=(header("x"),)), http("/a", headers=(header("y"),))),
        (http("/a", headers=(header("x", "1"), header("y"))), http("/a", headers=(header("x", "1"), header("z")))),
        (http("/a", headers=(header("x", "1"),)), http("/a", headers=(header("y", "2"),))),
    ],
)
def test_ties(one: RouteMatch, other: RouteMatch) -> None:
    assert [field for field, _ in refused([plan("a", one), plan("b", other)])] == ["routes/b.matches[0]"]
    RadixRouteTable.build([plan("a", one), plan("b", other, priority=1)])
    RadixRouteTable.build([plan("a", one, other)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (http("/a"), http("/a/")),
        (http("/a/{x}"), http("/a/**")),
        (http("/a", "GET"), http("/a", "PUT")),
        (http("/a"), http("/a", "PUT")),
        (http("/a", hosts=("a.test",)), http("/a", hosts=("b.test",))),
        (http("/a", hosts=("*.a.test",)), http("/a", hosts=("*.test",))),
        (http("/a", headers=(header("x", "1"),)), http("/a", headers=(header("x", "2"),))),
        (http("/a", headers=(header("x", "1"),)), http("/a", headers=(header("x"),))),
        (http("/a", headers=(header("x"),)), http("/a", headers=(ValueMatch(name="x", present=False),))),
        (http("/s.A/M"), grpc("s.A", "M")),
    ],
)
def test_no_ties(one: RouteMatch, other: RouteMatch) -> None:
    RadixRouteTable.build([plan("a", one), plan("b", other)])


def test_two_default_routes_tie() -> None:
    ((field, words),) = refused([plan("a"), plan("b")])
    assert field == "routes/b.matches"
    assert "routes/b and routes/a are both default routes" in words


def test_a_call_that_repeats_a_header_is_decided_by_name() -> None:
    plans = [plan("b", http("/a", headers=(header("x", "1"),))), plan("a", http("/a", headers=(header("x", "2"),)))]
    call = Call("/a", [("x", "1"), ("x", "2")], protocol=Protocol.HTTP)
    assert taken(RadixRouteTable.build(plans), call) == "a0"
    assert taken(RadixRouteTable.build(reversed(plans)), call) == "a0"


def test_every_problem_has_its_violation() -> None:
    bad = RouteMatch(
        hosts=("ok.test", "shop:80"),
        target=HttpTarget(path="/a/{x}y"),
        headers=(header("x"), ValueMatch(name="y")),
        query=(ValueMatch(name="z", prefix="1"),),
    )
    found = refused([plan("checkout", grpc("s.A"), bad, grpc("", "M"), grpc("/s.A", "a/b")), plan("b", grpc("s.A"))])
    assert [field for field, _ in found] == [
        "routes/checkout.matches[1].hosts[1]",
        "routes/checkout.matches[1].headers[1]",
        "routes/checkout.matches[1].query[0]",
        "routes/checkout.matches[1].http.path",
        "routes/checkout.matches[2].grpc.method",
        "routes/checkout.matches[3].grpc.service",
        "routes/checkout.matches[3].grpc.method",
        "routes/b.matches[0]",
    ]
    assert "at column 4" in dict(found)["routes/checkout.matches[1].http.path"]


@pytest.mark.parametrize(
    "matches",
    [
        [http(f"/api/{number}/{{x}}") for number in range(10_000)],
        [grpc("s.A", f"M{number}") for number in range(10_000)],
        [http("/a", headers=(header("x-tenant", str(number)),)) for number in range(10_000)],
        [http("/a", headers=(header("x", str(number)), header("y", str(number % 7)))) for number in range(10_000)],
        [grpc("s.A", "M", f"shop{number}.test") for number in range(10_000)],
    ],
    ids=["paths", "methods", "header", "two headers", "hosts"],
)
def test_ten_thousand_routes_are_built_in_linear_time(matches: list[RouteMatch]) -> None:
    plans = [plan(f"r{number}", match) for number, match in enumerate(matches)]
    start = time.process_time()
    RadixRouteTable.build(plans)
    # it takes half a second; comparing all pairs takes a minute
    assert time.process_time() - start < 10


def test_ten_thousand_ties_are_found_in_linear_time() -> None:
    plans = [plan(f"r{number}", http("/a/{x}", "GET")) for number in range(10_000)]
    start = time.process_time()
    assert len(refused(plans)) == 9_999
    assert time.process_time() - start < 10


def test_a_tie_is_found_among_routes_that_a_value_tells_apart() -> None:
    plans = [plan(f"r{n}", http("/a", headers=(header("x", value),))) for n, value in enumerate("12323")]
    assert [field for field, _ in refused(plans)] == ["routes/r3.matches[0]", "routes/r4.matches[0]"]


def test_what_only_a_repeated_header_meets_is_no_tie() -> None:
    one = http("/a", headers=(ValueMatch(name="x", prefix="1"), ValueMatch(name="x", prefix="2")))
    other = http("/a", headers=(ValueMatch(name="y", prefix="1"), ValueMatch(name="z", prefix="1")))
    RadixRouteTable.build([plan("a", one), plan("b", other)])
    RadixRouteTable.build([plan("b", other), plan("a", one)])
