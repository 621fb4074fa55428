from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.listeners import http_fields
from edge.listeners.http_fields import (
    MAX_HEADERS,
    BadHead,
    check_beginning,
    origin_form,
    parse_line,
    parse_section,
    request_line,
)


def test_a_section_says_what_it_means_for_the_connection() -> None:
    section = parse_section(b"Host: a:1\r\nContent-Length: 12\r\nEXPECT: 100-Continue\r\nconnection: x, Close\r\n")
    assert section.headers.pairs == (
        ("host", "a:1"),
        ("content-length", "12"),
        ("expect", "100-Continue"),
        ("connection", "x, Close"),
    )
    assert (section.host, section.hosts, section.length, section.chunked) == ("a:1", 1, 12, False)
    assert (section.waits, section.closes, section.stays, section.fault[0]) == (True, True, False, 0)
    assert section.size == 4 + 3 + 14 + 2 + 6 + 12 + 10 + 8 + 4 * 32


def test_only_spaces_and_tabs_are_blanks() -> None:
    """NO-BREAK SPACE and NEXT LINE are bytes of a value in HTTP, whatever Python thinks of them."""
    assert not parse_section(b"connection: close\xa0, \x85keep-alive\r\n").closes
    assert not parse_section(b"connection: close\xa0, \x85keep-alive\r\n").stays
    assert parse_section(b"connection: x\t, close \r\n").closes
    assert parse_section(b"transfer-encoding: chunked\xa0\r\n").fault[0] == 400


def test_values_by_name_are_joined() -> None:
    assert parse_section(b"a: 1\r\nb: 2\r\nA: 3\r\n").headers.index == {"a": "1, 3", "b": "2"}


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"transfer-encoding: chunked\r\n", 0),
        (b"Transfer-Encoding: Chunked\r\n", 0),
        (b"transfer-encoding: gzip, chunked\r\n", 501),
        (b"transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", 501),
        (b"transfer-encoding: gzip\r\n", 400),
        (b"transfer-encoding: chunked, gzip\r\n", 400),
        (b"transfer-encoding: chunked, chunked\r\n", 400),
        (b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", 400),
        (b"transfer-encoding: \r\n", 400),
        (b"transfer-encoding: xchunked\r\n", 400),
        (b"transfer-encoding: chunked\x0b\r\n", 400),
        (b"transfer-encoding: chunked\r\ncontent-length: 0\r\n", 400),
        (b"content-length: 3\r\ntransfer-encoding: identity\r\n", 400),
        (b"content-length: 3\r\ncontent-length: 3\r\n", 400),
        (b"content-length: 3, 3\r\n", 400),
        (b"content-length: +3\r\n", 400),
        (b"content-length: 0x3\r\n", 400),
        (b"content-length: 3 \r\n", 0),
        (b"content-length: \r\n", 400),
        (b"content-length: 3a\r\n", 400),
        (b"content-length: \xb2\r\n", 400),
        (b"content-length: 9999999999999999999\r\n", 400),
        (b"host: a\r\nHOST: a\r\n", 400),
        (b"host: a@b/c\r\n", 400),
        (b"host: a, b\r\n", 400),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(lines: bytes, status: int) -> None:
    try:
        got = parse_section(lines).fault[0]
    except BadHead as error:
        got = error.status
    assert got == status


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no colon",
        b": no name",
        b"a : blank before the colon",
        b"a\t: tab before the colon",
        b" a: folded",
        b"\ta: folded",
        b"a: b\nc: d",
        b"a: b\rc",
        b"a: \x00",
        b"a: \x7f",
        b"a\xe9: not ASCII",
        b"(a): no token",
        b'"a": no token',
    ],
)
def test_a_line_that_is_no_header(line: bytes) -> None:
    for _ in range(2):
        with pytest.raises(BadHead) as raised:
            parse_line(line)
        assert raised.value.status == 400


def test_more_headers_than_allowed() -> None:
    parse_section(b"a: b\r\n" * MAX_HEADERS)
    with pytest.raises(BadHead) as raised:
        parse_section(b"a: b\r\n" * (MAX_HEADERS + 1))
    assert raised.value.status == 431


def test_lines_are_kept_within_bounds_and_credentials_never() -> None:
    for number in range(3000):
        parse_line(b"x-number: %d" % number)
    parse_line(b"x-long: " + b"a" * 4096)
    for name in (b"Authorization", b"cookie", b"Proxy-Authorization", b"X-Api-Key", b"x-auth-token"):
        parse_line(name + b": secret-in-memory")
    kept = http_fields._LINES
    assert len(kept) <= 1024
    assert all(len(line) <= 128 and b"secret" not in line for line in kept)


@given(name=st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}", fullmatch=True), value=st.binary(max_size=30))
def test_a_value_arrives_as_the_bytes_it_was(name: str, value: bytes) -> None:
    line = name.encode() + b":" + value
    whole = value.strip(b" \t")
    if any((byte < 0x20 and byte != 9) or byte == 0x7F for byte in whole):
        with pytest.raises(BadHead):
            parse_line(line)
    else:
        assert parse_line(line) == (name.lower(), whole.decode("latin-1"))


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET / HTTP/1.1", 0),
        (b"M-SEARCH / HTTP/1.0", 0),
        (b"get / HTTP/1.1", 400),
        (b" GET / HTTP/1.1", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET\t/ HTTP/1.1", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b"GET / http/1.1", 400),
        (b"GET / HTTP/1.1\x0b", 400),
        (b"GET / HTTP/1.01", 400),
        (b"GET / HTTP/1.2", 400),
        (b"GET /\x7f HTTP/1.1", 400),
        (b"GET /\xc3\xa9 HTTP/1.1", 400),
        (b"GET / HTTP/2.0", 505),
        (b"GET /", 505),
        (b"GET", 400),
        (b"", 400),
    ],
)
def test_request_lines(line: bytes, status: int) -> None:
    try:
        got = 0
        assert request_line(line)[1] == "/"
    except BadHead as error:
        got = error.status
    assert got == status


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://b", ("/", "b")),
        ("HTTPS://b:1/c?d", ("/c?d", "b:1")),
        ("http://me@b?c", ("/?c", "b")),
        ("http://[::1]:2/c", ("/c", "[::1]:2")),
    ],
)
def test_an_absolute_target_becomes_a_path_and_a_host(target: str, expected: tuple[str, str]) -> None:
    assert origin_form("GET", target, "a") == expected


@pytest.mark.parametrize("target", ["http://", "http:///a", "http://a\\b/", "ftp://a/", "a:80", "*", "http://a b/"])
def test_a_target_that_is_none(target: str) -> None:
    with pytest.raises(BadHead) as raised:
        origin_form("GET", target, "a")
    assert raised.value.status == 400


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\nHost: a\n", b"\x16\x03\x01", b"SSH-2.0", b"G\r", b"GET /\r\r", b"HELO x"]
)
def test_what_will_be_no_head_is_told_at_once(data: bytes) -> None:
    with pytest.raises(BadHead):
        check_beginning(data, 0)


@pytest.mark.parametrize("data", [b"G", b"GET", b"GET ", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\nHost", b"MKCALENDA"])
def test_what_may_become_a_head_is_waited_for(data: bytes) -> None:
    check_beginning(data, 0)
