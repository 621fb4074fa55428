"""The table against a naive matcher, for random routes and calls.

The first half is routing by the words of the API, written without `edge.routing`: slow and plain.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations, product
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.model.call import Call, Protocol
from edge.model.config import DirectResponse, GrpcTarget, HttpTarget, Route, RouteMatch, ValueMatch
from edge.model.errors import InvalidRequest
from edge.model.snapshot import RoutePlan
from edge.model.status import Code
from edge.routing import RadixRouteTable

Key = tuple[object, ...]


HOSTS = ["", "test", "a.test", "b.a.test", "z.a.test", "c.b.a.test", "b.test"]
"""For each pattern one that no more specific pattern takes, so that a tie has its witness."""
HOST_PATTERNS = ["a.test", "b.a.test", "*.test", "*.a.test", "*.b.a.test"]
PIECES = ["a", "b", "a%2Fb", "s.A", "M", ""]
PATHS = ["", "*", *("/" + "/".join(each) for count in (1, 2, 3) for each in product(PIECES, repeat=count))]
ESCAPED = ["/%61", "/a%2Fb", "/%61/%4d", "/s%2EA/M", "/a/b%2Fa/b", "/%ff", "/a%", "/a%2", "//%2F"]
VERBS = ["", "GET", "HEAD", "POST"]
VALUES = ["", "1", "12", "123", "2"]
"""All there is: whether two matches can be met together is found by trying everything."""


def pieces_of(path: str) -> list[str] | None:
    return [unquote(piece) for piece in path[1:].split("/")] if path.startswith("/") else None


def bind(template: Sequence[str], pieces: Sequence[str]) -> dict[str, str] | None:
    """Return what a template binds, both without their first slash and split, or None."""
    if not template:
        return None if pieces else {}
    first = template[0]
    if first == "**" or first.endswith("=**}"):
        return {first[1:-4]: "/".join(pieces)} if first != "**" else {}
    if not pieces:
        return None
    rest = bind(template[1:], pieces[1:])
    if rest is None:
        return None
    if first == "*":
        return rest if pieces[0] else None
    if first.startswith("{"):
        return {first[1:-1]: pieces[0], **rest} if pieces[0] else None
    return rest if unquote(first) == pieces[0] else None


def is_grpc(call: Call) -> bool:
    parts = call.method.split("/")
    return call.protocol is not Protocol.HTTP and len(parts) == 3 and parts[0] == "" and "" not in parts[1:]


def host_key(match: RouteMatch, host: str) -> Key | None:
    """Return how specific the match is by host, or None when the host does not fit."""
    if not match.hosts:
        return (0,)
    found: list[Key] = []
    for pattern in match.hosts:
        if pattern.startswith("*."):
            if host.endswith(pattern[1:]) and host != pattern[1:]:
                found.append((1, len(pattern)))
        elif pattern == host:
            found.append((2,))
    return max(found, default=None)


def target_key(target: GrpcTarget | HttpTarget | None, call: Call) -> Key | None:
    """Return how specific a match is by target and verb, or None when they do not fit."""
    if target is None:
        return (0,)
    if isinstance(target, GrpcTarget):
        if not is_grpc(call):
            return None
        _, service, method = call.method.split("/")
        if target.service not in ("", service) or target.method not in ("", method):
            return None
        return (2, target.service != "", target.method != "")
    pieces = pieces_of(call.method)
    template = target.path[1:].split("/")
    if pieces is None or bind(template, pieces) is None:
        return None
    verb = "POST" if is_grpc(call) or (call.protocol is not Protocol.HTTP and not call.verb) else call.verb
    if target.methods and verb not in target.methods and not (verb == "HEAD" and "GET" in target.methods):
        return None
    order = "r.ws"
    kinds = ["r" if "**" in piece else "w" if piece == "*" or piece.startswith("{") else "s" for piece in template]
    return (1, tuple(order.index(kind) for kind in [*kinds, "."]), bool(target.methods))


@cache
def taken(target: GrpcTarget | HttpTarget | None) -> dict[tuple[Protocol, str, str], Key]:
    """Return what a target takes of all there is, with how specific it is then."""
    asked = product([(Protocol.GRPC, ""), *((Protocol.HTTP, verb) for verb in VERBS)], PATHS)
    keys = {
        (protocol, verb, path): target_key(target, Call(path, protocol=protocol, verb=verb))
        for (protocol, verb), path in asked
    }
    return {what: key for what, key in keys.items() if key is not None}


def value_fits(condition: ValueMatch, values: Sequence[str]) -> bool:
    if condition.exact is not None:
        return condition.exact in values
    if condition.prefix is not None:
        return any(value.startswith(condition.prefix) for value in values)
    return bool(values) is condition.present


def conditions_fit(match: RouteMatch, call: Call) -> bool:
    for condition in match.headers:
        values = [v if isinstance(v, str) else b64encode(v).decode() for k, v in call.metadata if k == condition.name]
        if not value_fits(condition, values):
            return False
    query = parse_qsl(call.query, keep_blank_values=True)
    return all(value_fits(each, [v for k, v in query if k == each.name]) for each in match.query)


def conditions_key(match: RouteMatch) -> Key:
    every = {("h", each) for each in match.headers} | {("q", each) for each in match.query}
    exact = sum(each.exact is not None for _, each in every)
    prefix = sum(each.prefix is not None for _, each in every)
    return (len(every), exact, prefix)


def entries(routes: Sequence[Route]) -> Iterator[tuple[Route, int, RouteMatch]]:
    for route in routes:
        for index, match in enumerate(route.matches):
            yield route, index, match


def fitting(routes: Sequence[Route], call: Call) -> list[tuple[Key, Route, int]]:
    """Return all matches that are met, with how specific they are; larger is more specific."""
    found: list[tuple[Key, Route, int]] = []
    for route, index, match in entries(routes):
        host, target = host_key(match, call.host), target_key(match.target, call)
        if host is not None and target is not None and conditions_fit(match, call):
            found.append(((1, host, target, conditions_key(match), route.priority), route, index))
    found += [((0, route.priority), route, -1) for route in routes if not route.matches]
    return found


def choose(routes: Sequence[Route], call: Call) -> tuple[str, int, dict[str, str]] | None:
    """Return route, index and parameters. What is equally specific is decided by name and index."""
    found = fitting(routes, call)
    if not found:
        return None
    best = max(key for key, _, _ in found)
    name, index = min((route.name, index) for key, route, index in found if key == best)
    route = next(route for route in routes if route.name == name)
    target = route.matches[index].target if index >= 0 else None
    if not isinstance(target, HttpTarget):
        return name, index, {}
    pieces = pieces_of(call.method)
    assert pieces is not None
    return name, index, bind(target.path[1:].split("/"), pieces) or {}


def tied(one: Route, other: Route) -> bool:
    """Return whether a call, with one value for each name, is taken equally by both routes."""
    if one.priority != other.priority:
        return False
    if not one.matches or not other.matches:
        return not one.matches and not other.matches
    return any(matches_tie(a, b) for a, b in product(one.matches, other.matches))


def matches_tie(one: RouteMatch, other: RouteMatch) -> bool:
    if conditions_key(one) != conditions_key(other):
        return False
    hosts = [(host_key(one, host), host_key(other, host)) for host in HOSTS]
    if not any(a is not None and a == b for a, b in hosts):
        return False
    mine, theirs = taken(one.target), taken(other.target)
    if not any(theirs.get(what) == key for what, key in mine.items()):
        return False
    for a, b in ((one.headers, other.headers), (one.query, other.query)):
        for name in {each.name for each in (*a, *b)}:
            every = [each for each in (*a, *b) if each.name == name]
            if not any(all(value_fits(each, [] if v is None else [v]) for each in every) for v in [None, *VALUES]):
                return False
    return True


NAMES = st.sampled_from(["x", "y"])
HEADERS = st.one_of(
    st.builds(ValueMatch, name=NAMES, exact=st.sampled_from(VALUES)),
    st.builds(ValueMatch, name=NAMES, prefix=st.sampled_from(VALUES)),
    st.builds(ValueMatch, name=NAMES, present=st.booleans()),
)
QUERIES = st.one_of(
    st.builds(ValueMatch, name=NAMES, exact=st.sampled_from(VALUES)),
    st.builds(ValueMatch, name=NAMES, present=st.booleans()),
)
TEMPLATES = st.builds(
    lambda pieces, end: (
        "/" + "/".join([*(f"{{p{n}}}" if each == "{}" else each for n, each in enumerate(pieces)), end])
    ),
    st.lists(st.sampled_from(["a", "b", "s.A", "{}", "*", "%61", "a%2Fb"]), max_size=2),
    st.sampled_from(["a", "b", "M", "{last}", "*", "**", "{rest=**}", ""]),
)
TARGETS = st.one_of(
    st.none(),
    st.sampled_from([GrpcTarget(), *(GrpcTarget(service=s, method=m) for s in ("s.A", "a") for m in ("", "M", "b"))]),
    st.builds(HttpTarget, path=TEMPLATES, methods=st.frozensets(st.sampled_from(VERBS[1:]), max_size=2)),
    st.builds(HttpTarget, path=TEMPLATES),
)
FEW = st.sampled_from([0, 0, 0, 1, 1, 2])
MATCHES = st.builds(
    RouteMatch,
    hosts=st.lists(st.sampled_from(HOST_PATTERNS), max_size=2).map(tuple),
    target=TARGETS,
    headers=FEW.flatmap(lambda count: st.lists(HEADERS, min_size=count, max_size=count)).map(tuple),
    query=FEW.flatmap(lambda count: st.lists(QUERIES, min_size=count, max_size=count)).map(tuple),
)
CROWDED = st.builds(
    RouteMatch,
    hosts=st.sampled_from([(), (), ("*.test",)]),
    target=st.one_of(
        st.sampled_from(
            [GrpcTarget(service="s.A"), GrpcTarget(service="s.A", method="M"), HttpTarget(path="/s.A/{x}")]
        ),
        st.builds(
            HttpTarget,
            path=st.sampled_from(["/a", "/a/{x}"]),
            methods=st.frozensets(st.sampled_from(VERBS[1:]), min_size=1, max_size=1),
        ),
    ),
    headers=st.lists(HEADERS, min_size=1, max_size=3).map(tuple),
    query=st.lists(QUERIES, max_size=1).map(tuple),
)
"""Matches that differ in little but verbs and conditions."""


def route_lists(matches: st.SearchStrategy[RouteMatch], most: int) -> st.SearchStrategy[list[Route]]:
    routes = st.builds(
        Route,
        name=st.just(""),
        matches=st.lists(matches, max_size=3).map(tuple),
        priority=st.integers(0, 1),
        action=st.just(DirectResponse(code=Code.OK)),
    )
    return st.lists(routes, max_size=most).map(
        lambda found: [replace(route, name=f"routes/r{number}") for number, route in enumerate(found)]
    )


ROUTE_LISTS = route_lists(MATCHES, 12) | route_lists(CROWDED, 20)
PAIRS = st.lists(st.tuples(NAMES, st.sampled_from(VALUES)), max_size=3)
CALLS = st.builds(
    lambda path, metadata, protocol, host, verb, query: Call(
        path, metadata, protocol=protocol, host=host, verb=verb, query="&".join(f"{k}={v}" for k, v in query)
    ),
    st.sampled_from(PATHS) | st.sampled_from(ESCAPED) | st.sampled_from(["/s.A/M", "/a", "/a/b"]),
    PAIRS,
    st.sampled_from(Protocol),
    st.sampled_from(HOSTS),
    st.sampled_from(VERBS),
    PAIRS,
)


def plans(routes: Sequence[Route]) -> list[RoutePlan]:
    return [RoutePlan(route=route, max_request_bytes=1, max_response_bytes=1) for route in routes]


def without_ties(routes: Sequence[Route]) -> list[Route]:
    kept: list[Route] = []
    for route in routes:
        if not any(tied(other, route) for other in kept):
            kept.append(route)
    return kept


@settings(max_examples=300, deadline=None)
@given(ROUTE_LISTS, st.lists(CALLS, min_size=1, max_size=20))
def test_the_table_chooses_what_the_naive_matcher_chooses(routes: list[Route], calls: list[Call]) -> None:
    routes = without_ties(routes)
    table = RadixRouteTable.build(plans(routes))
    for call in calls:
        match = table.match(call)
        got = None if match is None else (match.plan.route.name, match.index, dict(match.parameters))
        assert got == choose(routes, call)


@settings(max_examples=300, deadline=None)
@given(ROUTE_LISTS)
def test_ties_are_refused_and_nothing_else(routes: list[Route]) -> None:
    pairs = {(one.name, other.name) for one, other in combinations(routes, 2) if tied(one, other)}
    if not pairs:
        RadixRouteTable.build(plans(routes))
        return
    with pytest.raises(InvalidRequest) as caught:
        RadixRouteTable.build(plans(routes))
    named = set()
    for violation in caught.value.violations:
        assert violation.field.startswith("routes/r")
        later, earlier = (name for name in violation.description.split() if name.startswith("routes/"))
        named.add((earlier, later))
    assert named <= pairs
    # each route that ties with an earlier one is named, with one of those
    assert {later for _, later in named} == {later for _, later in pairs}


@settings(max_examples=300, deadline=None)
@given(st.tuples(MATCHES, MATCHES) | st.tuples(CROWDED, CROWDED))
def test_two_matches_tie_when_a_call_is_taken_equally(pair: tuple[RouteMatch, RouteMatch]) -> None:
    one, other = pair
    action = DirectResponse(code=Code.OK)
    routes = [Route(name=f"routes/r{n}", matches=(each,), action=action) for n, each in enumerate((one, other))]
    try:
        RadixRouteTable.build(plans(routes))
        refused = False
    except InvalidRequest:
        refused = True
    assert refused is matches_tie(one, other)


@settings(max_examples=300, deadline=None)
@given(ROUTE_LISTS, st.lists(CALLS, min_size=1, max_size=5), st.integers(0, 40))
def test_an_explanation_agrees_with_the_match(routes: list[Route], calls: list[Call], most: int) -> None:
    routes = without_ties(routes)
    table = RadixRouteTable.build(plans(routes))
    for call in calls:
        match = table.match(call)
        explanation = table.explain(call, max_misses=most)
        assert explanation.match == match
        assert bool(explanation.reasons) is (match is not None)
        assert len(explanation.misses) == min(most, len(table) - (match is not None))
        assert len(explanation.misses) + explanation.more_misses == len(table) - (match is not None)
        nearness = [miss.nearness for miss in explanation.misses]
        assert nearness == sorted(nearness, reverse=True)
        met = {(route.name, index) for _, route, index in fitting(routes, call)}
        for miss in explanation.misses:
            assert ("is preferred" in miss.reason) is ((miss.route, miss.index) in met)


ANYTHING = st.text(st.characters() | st.sampled_from("/%.:*?&=[]as"))


@settings(max_examples=300, deadline=None)
@given(
    ROUTE_LISTS, ANYTHING, ANYTHING, ANYTHING, ANYTHING, st.sampled_from(Protocol), st.lists(st.binary(), max_size=2)
)
def test_any_text_is_answered(
    routes: list[Route], path: str, host: str, query: str, verb: str, protocol: Protocol, values: list[bytes]
) -> None:
    table = RadixRouteTable.build(plans(without_ties(routes)))
    metadata = [("x", value) for value in values]
    for text in (path, "/" + path, "/s.A/" + path):
        call = Call(text, metadata, protocol=protocol, host=host, query=query, verb=verb)
        assert table.explain(call).match == table.match(call)
