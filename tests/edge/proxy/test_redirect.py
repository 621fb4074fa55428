from __future__ import annotations

from collections.abc import Mapping

import pytest

from edge.model.call import Call, Protocol
from edge.model.config import HttpTarget, Redirect, Route, RouteMatch
from edge.model.errors import NoRoute, RedirectReply
from edge.model.snapshot import RoutePlan, Snapshot
from edge.model.watch import Watch
from edge.proxy.dispatcher import Dispatcher
from edge.proxy.redirect import redirect_location

NOTHING: Mapping[str, str] = {}


@pytest.mark.parametrize(
    ("redirect", "path", "parameters", "query", "location"),
    [
        (Redirect(path="/new"), "/old", NOTHING, "", "/new"),
        (Redirect(path="/new"), "/old", NOTHING, "a=%20&b", "/new?a=%20&b"),
        (Redirect(path="/new?x=1"), "/old", NOTHING, "a=1", "/new?x=1&a=1"),
        (Redirect(https=True), "/a%2Fb", NOTHING, "c", "https://gw.example/a%2Fb?c"),
        (Redirect(https=True, host="b.example", path="/"), "/a", NOTHING, "", "https://b.example/"),
        (Redirect(host="b.example"), "/a\xe4", NOTHING, "\xff", "//b.example/a%E4?%FF"),
        (
            Redirect(path="/u/{id}"),
            "/old",
            {"id": "a/b c?#\r\n%{id}ü"},
            "",
            "/u/a%2Fb%20c%3F%23%0D%0A%25%7Bid%7D%C3%BC",
        ),
        (Redirect(path="/u/{rest}"), "/old", {"rest": "a/b c"}, "", "/u/a/b%20c"),
        # what would be read as another host stays a path
        (Redirect(path="/{rest}"), "/old", {"rest": "/evil.example/x"}, "", "/evil.example/x"),
        (Redirect(path="/{rest}"), "/old", {"rest": "\\evil.example"}, "", "/%5Cevil.example"),
    ],
)
def test_where_a_redirect_leads(
    redirect: Redirect, path: str, parameters: Mapping[str, str], query: str, location: str
) -> None:
    matches = tuple(RouteMatch(target=HttpTarget(path=text)) for text in ("/old/{id}", "/old/{rest=**}"))
    route = Route(name="routes/a", action=redirect, matches=matches)
    call = Call(path, host="gw.example", query=query)
    call.path_parameters = parameters
    assert redirect_location(call, redirect, route) == location


@pytest.mark.parametrize("protocol", [Protocol.HTTP, Protocol.REST])
def test_http_callers_are_sent_elsewhere(protocol: Protocol) -> None:
    call = matched(protocol)
    with pytest.raises(RedirectReply) as caught:
        Dispatcher(Watch(Snapshot())).open(call)
    assert (caught.value.location, caught.value.http_status) == ("/new?x=1", 308)


@pytest.mark.parametrize("protocol", [Protocol.GRPC, Protocol.GRPC_WEB, Protocol.CONNECT, Protocol.WEB_SOCKET])
def test_callers_of_other_protocols_are_refused(protocol: Protocol) -> None:
    with pytest.raises(NoRoute, match="routes/a redirects HTTP callers and takes no gRPC calls"):
        Dispatcher(Watch(Snapshot())).open(matched(protocol))


def matched(protocol: Protocol) -> Call:
    call = Call("/old", protocol=protocol, query="x=1")
    route = Route(name="routes/a", action=Redirect(path="/new", http_status=308))
    call.plan = RoutePlan(route=route, max_request_bytes=1, max_response_bytes=1)
    return call
