from __future__ import annotations

import re
from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.call import Call, Protocol
from edge.model.config import ValueMatch
from edge.routing.conditions import (
    Compare,
    Condition,
    Where,
    call_verb,
    compile_condition,
    expand_verbs,
    normal_host,
    parse_host,
)


@pytest.mark.parametrize(
    ("given_host", "normal"),
    [
        ("Shop.Example.COM", "shop.example.com"),
        ("shop.example.com:8080", "shop.example.com"),
        ("shop.example.com.", "shop.example.com"),
        ("shop.example.com.:80", "shop.example.com"),
        ("[::1]:8080", "::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_hosts_are_made_normal(given_host: str, normal: str) -> None:
    assert normal_host(given_host) == normal


@pytest.mark.parametrize(
    ("pattern", "host", "takes"),
    [
        ("shop.example.com", "shop.example.com", True),
        ("Shop.Example.com", "shop.example.com", True),
        ("shop.example.com", "a.shop.example.com", False),
        ("*.example.com", "shop.example.com", True),
        ("*.example.com", "a.shop.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", ".example.com", False),
        ("*.example.com", "badexample.com", False),
        ("*.com", "example.com", True),
        ("[::1]", "::1", True),
    ],
)
def test_host_patterns(pattern: str, host: str, takes: bool) -> None:
    assert parse_host(pattern).takes(host) is takes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no name"),
        ("*.", "has no name"),
        ("*", "leave `hosts` out for any host"),
        ("a.*.com", "write `*.com`"),
        ("shop*", "write `*.example.com`"),
        ("*.*.com", "write `*.com`"),
        ("shop.example.com:80", "has a port; leave it out: 'shop.example.com'"),
        ("[::1]:80", "has a port"),
        ("http://shop", "has a port"),
        ("shop/path", "is no host name"),
        ("my shop", "is no host name"),
        ("a..b", "has an empty label"),
        (".a", "has an empty label"),
    ],
)
def test_bad_hosts_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_host(text)


@given(st.text())
def test_any_host_text_is_normal_or_refused(text: str) -> None:
    normal_host(text)
    with suppress(ValueError):
        parse_host(text)


def test_get_includes_head() -> None:
    assert expand_verbs({"GET"}) == {"GET", "HEAD"}
    assert expand_verbs({"HEAD"}) == {"HEAD"}
    assert expand_verbs({"post"}) == {"POST"}
    assert expand_verbs(()) == frozenset()


@pytest.mark.parametrize(
    ("protocol", "path", "verb", "seen"),
    [
        (Protocol.GRPC, "/s.A/M", "", "POST"),
        (Protocol.CONNECT, "/s.A/M", "GET", "POST"),
        (Protocol.REST, "/s.A/M", "DELETE", "POST"),
        (Protocol.REST, "/v1/books/7", "DELETE", "DELETE"),
        (Protocol.GRPC, "/a/b/c", "", "POST"),
        (Protocol.HTTP, "/s.A/M", "GET", "GET"),
        (Protocol.HTTP, "/s.A/M", "", ""),
    ],
)
def test_the_verb_of_a_call(protocol: Protocol, path: str, verb: str, seen: str) -> None:
    assert call_verb(Call(path, protocol=protocol, verb=verb)) == seen


@pytest.mark.parametrize(
    ("match", "values", "holds"),
    [
        (ValueMatch(name="X-A", exact="1"), ["1"], True),
        (ValueMatch(name="x-a", exact="1"), ["2", "1"], True),
        (ValueMatch(name="x-a", exact="1"), ["11"], False),
        (ValueMatch(name="x-a", exact=""), [], False),
        (ValueMatch(name="x-a", exact=""), [""], True),
        (ValueMatch(name="x-a", prefix="1"), ["2", "11"], True),
        (ValueMatch(name="x-a", prefix=""), [], False),
        (ValueMatch(name="x-a", present=True), [""], True),
        (ValueMatch(name="x-a", present=True), [], False),
        (ValueMatch(name="x-a", present=False), [], True),
        (ValueMatch(name="x-a", present=False), ["", "1"], False),
    ],
)
def test_headers(match: ValueMatch, values: list[str], holds: bool) -> None:
    call = Call("/s.A/M", [("other", "1"), *(("x-a", value) for value in values)])
    assert compile_condition(Where.HEADER, match).holds(call) is holds


def test_binary_headers_compare_as_base64_without_padding() -> None:
    call = Call("/s.A/M", [("token-bin", b"abcd")])
    for text in ("YWJjZA", "YWJjZA=="):
        assert compile_condition(Where.HEADER, ValueMatch(name="token-bin", exact=text)).holds(call)
    assert compile_condition(Where.HEADER, ValueMatch(name="token-bin", prefix="YWJ")).holds(call)
    assert not compile_condition(Where.HEADER, ValueMatch(name="token-bin", exact="abcd")).holds(call)


@pytest.mark.parametrize(
    ("match", "query", "holds"),
    [
        (ValueMatch(name="Q", exact="a b"), "Q=a+b", True),
        (ValueMatch(name="Q", exact="a b"), "x=1&Q=c&Q=a%20b", True),
        (ValueMatch(name="Q", exact="1"), "q=1", False),
        (ValueMatch(name="q", present=True), "q", True),
        (ValueMatch(name="q", present=True), "q=", True),
        (ValueMatch(name="q", present=True), "", False),
        (ValueMatch(name="q", present=False), "qq=1", True),
        (ValueMatch(name="q", present=False), "q", False),
    ],
)
def test_queries(match: ValueMatch, query: str, holds: bool) -> None:
    call = Call("/a", protocol=Protocol.HTTP, verb="GET", query=query)
    assert compile_condition(Where.QUERY, match).holds(call) is holds


@pytest.mark.parametrize(
    ("where", "match", "words"),
    [
        (Where.HEADER, ValueMatch(name="", exact="1"), "needs a name"),
        (Where.HEADER, ValueMatch(name="x"), "has to set one of exact, prefix, present"),
        (Where.HEADER, ValueMatch(name="x", exact="1", present=True), "has to set one of"),
        (Where.QUERY, ValueMatch(name="x", prefix="1"), "has to set one of exact, present"),
    ],
)
def test_bad_conditions_are_refused(where: Where, match: ValueMatch, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compile_condition(where, match)


VALUES = ["", "1", "12", "123", "2", "other"]
ALL = [
    *(
        Condition(Where.HEADER, "x", compare, text)
        for compare in (Compare.EXACT, Compare.PREFIX)
        for text in VALUES[:-1]
    ),
    Condition(Where.HEADER, "x", Compare.PRESENT),
    Condition(Where.HEADER, "x", Compare.ABSENT),
]


@pytest.mark.parametrize(("one", "other"), list(product(ALL, ALL)), ids=str)
def test_conditions_exclude_each_other_when_no_single_value_meets_both(one: Condition, other: Condition) -> None:
    calls = [Call("/s.A/M"), *(Call("/s.A/M", [("x", value)]) for value in VALUES)]
    together = any(one.holds(call) and other.holds(call) for call in calls)
    assert one.excludes(other) is not together


def test_conditions_on_different_things_do_not_exclude_each_other() -> None:
    one = Condition(Where.HEADER, "x", Compare.EXACT, "1")
    assert not one.excludes(Condition(Where.HEADER, "y", Compare.EXACT, "2"))
    assert not one.excludes(Condition(Where.QUERY, "x", Compare.EXACT, "2"))
