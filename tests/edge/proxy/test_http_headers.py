from __future__ import annotations

from dataclasses import replace

import pytest

from edge.model.call import Call, MetadataPairs
from edge.model.config import CorsPolicy, DirectResponse, HeaderChange, Route
from edge.model.errors import InvalidRequest, MetadataTooLarge
from edge.model.http import HttpRequest
from edge.model.peers import Peers
from edge.model.snapshot import RoutePlan
from edge.model.status import Code
from edge.proxy.http_headers import answer_headers, check_target, request_headers

PEERS = Peers(["10.0.0.0/8"])
STRANGER, FRIEND, LOCAL = PEERS.get("ipv4:192.0.2.1:1"), PEERS.get("ipv4:10.1.2.3:1"), PEERS.get("unix:")


def sent(*headers: tuple[str, str], peer: object = STRANGER, metadata: MetadataPairs | None = None) -> dict[str, str]:
    request = HttpRequest("GET", "/", list(headers), host="shop.example.com:81", scheme="https")
    call = Call("/", list(headers) if metadata is None else metadata)
    assert peer in (STRANGER, FRIEND, LOCAL)
    found = request_headers(call, request, peer, "", 10_000)
    assert len(dict(found)) == len(found)
    assert dict(found)["x-request-id"] == call.request_id
    return dict(found)


def test_a_strangers_word_on_those_before_it_is_replaced() -> None:
    found = sent(
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil"),
        ("forwarded", "for=x"),
        ("x-forwarded-prefix", "/admin"),
        ("x-real-ip", "6.6.6.6"),
    )
    assert found["x-forwarded-for"] == "192.0.2.1"
    assert not {"x-forwarded-prefix", "x-real-ip"} & found.keys()
    assert (found["x-forwarded-proto"], found["x-forwarded-host"]) == ("https", "shop.example.com:81")
    assert "forwarded" not in found


def test_a_trusted_peers_word_is_kept_and_the_chain_goes_on() -> None:
    found = sent(
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "first.example"),
        ("x-forwarded-port", "80"),
        ("forwarded", "for=x"),
        peer=FRIEND,
    )
    assert found["x-forwarded-for"] == "1.1.1.1, 2.2.2.2, 10.1.2.3"
    assert (found["x-forwarded-proto"], found["x-forwarded-host"]) == ("http", "first.example")
    assert (found["x-forwarded-port"], found["forwarded"]) == ("80", "for=x")


def test_a_name_with_underscores_cannot_stand_in_for_one_that_is_decided_here() -> None:
    found = sent(
        ("x_forwarded_for", "6.6.6.6"),
        ("transfer_encoding", "chunked"),
        ("content_length", "1"),
        ("x_user", "root"),
        ("api_key", "kept"),
        metadata=[
            ("x_forwarded_for", "6.6.6.6"),
            ("transfer_encoding", "chunked"),
            ("content_length", "1"),
            ("x_user", "root"),
            ("x-user", "alice"),
            ("api_key", "kept"),
        ],
    )
    assert {name for name in found if "_" in name} == {"api_key"}
    assert found["x-user"] == "alice"


def test_a_unix_socket_has_no_address_to_add() -> None:
    assert "x-forwarded-for" not in sent(peer=LOCAL)


def test_what_a_policy_sets_cannot_be_listed_away() -> None:
    connection = ("connection", "x-user, x-own")
    own = ("x-own", "1")
    found = sent(connection, own, metadata=[connection, own, ("x-user", "alice")])
    assert found["x-user"] == "alice"
    assert "x-own" not in found


def test_handshakes_are_made_anew_on_each_connection() -> None:
    found = sent(
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "x"),
        ("sec-websocket-extensions", "y"),
    )
    assert not {name for name in found if name.startswith("sec-")} | ({"upgrade"} & found.keys())


def test_too_many_headers_are_refused() -> None:
    request = HttpRequest("GET", "/", [])
    with pytest.raises(MetadataTooLarge, match="the headers of 133 bytes are larger than the 132 that server"):
        request_headers(Call("/", [("a", "x" * 100)]), request, STRANGER, "", 132)


def plan(*changes: HeaderChange) -> RoutePlan:
    route = Route(name="routes/a", action=DirectResponse(code=Code.OK))
    return RoutePlan(route=route, response_changes=changes, max_request_bytes=1, max_response_bytes=1)


def test_what_the_gateway_says_replaces_what_the_endpoint_says_but_for_vary() -> None:
    received = [("access-control-allow-origin", "*"), ("vary", "accept"), ("x", "1")]
    added = [("access-control-allow-origin", "https://a.example"), ("vary", "origin")]
    assert answer_headers(plan(), received, added) == [("vary", "accept"), ("x", "1"), *added]


def test_an_endpoint_says_nothing_of_cors_where_a_policy_does() -> None:
    received = [("access-control-allow-origin", "*"), ("access-control-allow-credentials", "true"), ("x", "1")]
    added = [("vary", "Origin")]  # what a policy says to an origin that it does not allow
    ruled = replace(plan(), cors=CorsPolicy(allow_origins=("https://a.example",)))
    assert answer_headers(ruled, received, added) == [("x", "1"), *added]
    assert answer_headers(plan(), received, ()) == received


def test_policies_change_answers_but_not_where_they_end() -> None:
    change = HeaderChange(remove=frozenset({"content-length", "server"}), set=(("x", "2"),), append=(("y", b"\xe9"),))
    received = [("content-length", "5"), ("server", "s"), ("x", "1"), ("connection", "z"), ("z", "1"), ("trailer", "t")]
    assert answer_headers(plan(change), received, ()) == [("x", "2"), ("y", "\xe9"), ("content-length", "5")]


@pytest.mark.parametrize(
    "target", ["/", "*", "/a/...", "/a/.b/c..", "/a/%2e%2e%2e", "/a?../..", "/%252e%252e/", "/a\xff", "/;..", "/..a"]
)
def test_targets_that_everybody_reads_alike_pass(target: str) -> None:
    check_target(target)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "a",
        "host:443",
        "/..",
        "/../",
        "/a/.",
        "/a/%2E",
        "/a/%2e.;x",
        "/a\\..\\b",
        "/a%5c..%5Cb",
        "/%2f..%2f",
        "/a%7f",
        "/a b",
        "/\x00",
        "/a#b",
    ],
)
def test_targets_that_somebody_may_read_otherwise_are_refused(target: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_target(target)
    assert caught.value.violations[0].field == "path"
