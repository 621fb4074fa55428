"""CORS: preflights and the headers of every other answer (Fetch standard; statements W52 to W57 of gRPC-Web)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.config import CorsPolicy
from edge.model.http import HeaderPairs, HttpRequest
from transcoding.cors import cors_headers, is_preflight, merge, origin_allowed, preflight

PATH = "/shop.v1.Shop/Get"
ORIGIN = "https://foo.client.com"
ONE = CorsPolicy(allow_origins=(ORIGIN,))


def asked(origin: str = ORIGIN, verb: str = "POST", names: str = "", *, kind: str = "OPTIONS") -> HttpRequest:
    headers = [("origin", origin), ("access-control-request-method", verb), ("access-control-request-headers", names)]
    return HttpRequest(kind, PATH, [(name, value) for name, value in headers if value])


def actual(origin: str = ORIGIN) -> HttpRequest:
    return HttpRequest("POST", PATH, [("origin", origin)] if origin else [])


def by_name(headers: HeaderPairs | None) -> dict[str, str]:
    assert headers is not None
    found = dict(headers)
    assert len(found) == len(headers), "each header once"
    return found


def names_in(value: str) -> set[str]:
    return {name.strip().lower() for name in value.split(",")}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asked(), True),
        (asked(kind="POST"), False),
        (asked(origin=""), False),
        (asked(verb=""), False),
    ],
)
def test_a_preflight_has_an_origin_and_the_verb_it_asks_for(request_: HttpRequest, expected: bool) -> None:
    assert is_preflight(request_) is expected


def test_an_allowed_origin_gets_all_it_asked_for() -> None:
    found = by_name(preflight(ONE, asked(names="origin, X-Something-Custom, x-grpc-web, accept"), ("POST",)))
    assert found["access-control-allow-origin"] == ORIGIN
    assert found["access-control-allow-methods"] == "POST"
    assert names_in(found["access-control-allow-headers"]) == {"origin", "x-something-custom", "x-grpc-web", "accept"}
    assert found["access-control-max-age"] == "600"
    assert "Origin" in found["vary"]
    assert "access-control-allow-credentials" not in found


def test_an_origin_that_is_not_allowed_gets_nothing() -> None:
    assert preflight(ONE, asked(origin="https://evil.example"), ("POST",)) is None


def test_a_verb_that_is_not_allowed_gets_nothing() -> None:
    assert preflight(ONE, asked(verb="DELETE"), ("GET", "POST")) is None
    policy = CorsPolicy(allow_origins=(ORIGIN,), allow_methods=("GET",))
    assert preflight(policy, asked(verb="POST"), ("GET", "POST")) is None
    assert by_name(preflight(policy, asked(verb="GET"), ()))["access-control-allow-methods"] == "GET"


def test_any_verb_is_answered_with_the_one_asked_for() -> None:
    policy = CorsPolicy(allow_origins=(ORIGIN,), allow_methods=("*",))
    assert by_name(preflight(policy, asked(verb="PURGE"), ()))["access-control-allow-methods"] == "PURGE"


def test_listed_request_headers_are_allowed_beside_those_of_the_protocols() -> None:
    policy = CorsPolicy(allow_origins=(ORIGIN,), allow_headers=("authorization",))
    found = names_in(
        by_name(preflight(policy, asked(names="x-other"), ("POST",)))["access-control-allow-headers"],
    )
    assert {"authorization", "content-type", "x-grpc-web", "connect-protocol-version", "grpc-timeout"} <= found
    assert "x-other" not in found


def test_header_names_that_are_none_are_not_echoed() -> None:
    found = by_name(preflight(ONE, asked(names="x-good, x bad, <script>, x-é,, " + "x" * 200), ("POST",)))
    assert found["access-control-allow-headers"] == "x-good"


def test_credentials_are_allowed_for_a_named_origin() -> None:
    policy = CorsPolicy(allow_origins=(ORIGIN,), allow_credentials=True, max_age=5.5)
    found = by_name(preflight(policy, asked(), ("POST",)))
    assert found["access-control-allow-credentials"] == "true"
    assert found["access-control-max-age"] == "5"
    assert by_name(cors_headers(policy, actual()))["access-control-allow-credentials"] == "true"


def test_every_origin_is_answered_with_a_star_and_needs_no_vary() -> None:
    policy = CorsPolicy(allow_origins=("*",))
    found = by_name(cors_headers(policy, actual("https://anybody.example")))
    assert found["access-control-allow-origin"] == "*"
    assert "vary" not in found


def test_an_answer_differs_by_origin_also_for_those_who_are_not_allowed() -> None:
    assert cors_headers(ONE, actual("https://evil.example")) == [("vary", "Origin")]
    assert cors_headers(ONE, actual("")) == [("vary", "Origin")]


@pytest.mark.parametrize(
    ("pattern", "origin", "expected"),
    [
        ("https://foo.client.com", "https://FOO.client.com", True),
        ("https://foo.client.com", "https://foo.client.com.evil.example", False),
        ("https://foo.client.com", "https://fooxclient.com", False),
        ("https://foo.client.com", "https://foo.client.com:8443", False),
        ("https://*.client.com", "https://a.client.com", True),
        ("https://*.client.com", "https://a.b.client.com", True),
        ("https://*.client.com", "https://client.com", False),
        ("https://*.client.com", "http://a.client.com", False),
        ("https://*.client.com", "https://evil.example/.client.com", False),
        ("http://localhost:*", "http://localhost:3000", True),
        ("http*://a.example", "https://a.example", True),
        ("*", "null", True),
        ("null", "null", True),
        ("https://*", "null", False),
        ("*", "", False),
    ],
)
def test_a_star_stands_for_text_within_one_part(pattern: str, origin: str, expected: bool) -> None:
    assert origin_allowed(CorsPolicy(allow_origins=(pattern,)), origin) is expected


@given(st.text(max_size=30))
def test_a_policy_without_stars_allows_exactly_what_it_lists(origin: str) -> None:
    assert origin_allowed(ONE, origin) is (origin.lower() == ORIGIN)
    assert not origin_allowed(CorsPolicy(allow_origins=()), origin)


def test_an_answer_exposes_what_protocols_and_policy_name_and_every_header_it_has() -> None:
    policy = CorsPolicy(allow_origins=(ORIGIN,), expose_headers=("x-listed",), allow_credentials=True)
    own = [("content-type", "application/grpc-web"), ("x-custom", "1"), ("trailer-x-cost", "2"), ("x-custom", "3")]
    merged = merge(own, cors_headers(policy, actual()))
    assert [pair for pair in merged if pair in own] == own
    exposed = names_in(dict(merged)["access-control-expose-headers"])
    assert {"grpc-status", "grpc-message", "grpc-status-details-bin"} <= exposed
    assert {"x-listed", "x-custom", "trailer-x-cost"} <= exposed
    assert "*" not in exposed
    assert "content-type" not in exposed


def test_what_an_upstream_says_of_cors_gives_way() -> None:
    merged = merge([("access-control-allow-origin", "*"), ("x-a", "1")], cors_headers(ONE, actual()))
    assert [value for name, value in merged if name == "access-control-allow-origin"] == [ORIGIN]


def test_who_is_not_allowed_is_told_nothing_of_headers() -> None:
    cors = cors_headers(ONE, actual("https://evil.example"))
    assert merge([("x-a", "1")], cors) == [("x-a", "1"), ("vary", "Origin")]
