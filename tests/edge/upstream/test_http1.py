from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.upstream.http1 import MAX_HEAD, AnswerParser, BrokenAnswerError, request_head


def parse(data: bytes, *, verb: str = "GET", eof: bool = False, pieces: int = 1) -> tuple[AnswerParser, bytes]:
    parser = AnswerParser(verb)
    size = max(1, -(-len(data) // pieces))
    body = b"".join(piece for start in range(0, len(data), size) for piece in parser.feed(data[start : start + size]))
    if eof:
        parser.feed_eof(orderly=True)
    return parser, body


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "verb", "body", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "GET", b"hello", True),
        (b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n", "GET", b"", True),
        (b"HTTP/1.1 200\r\ncontent-length: 2, 2\r\n\r\nhi", "GET", b"hi", True),
        (CHUNKED + b"5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nx-t: 1\r\n\r\n", "GET", b"hello!", True),
        (CHUNKED + b"00A \r\n0123456789\r\n0\r\n\r\n", "GET", b"0123456789", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "HEAD", b"", True),
        (b"HTTP/1.1 204 No\r\n\r\n", "GET", b"", True),
        (b"HTTP/1.1 204 No\r\ncontent-length: 0\r\n\r\n", "GET", b"", True),
        (b"HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n", "GET", b"", False),
        (b"HTTP/1.1 204 No\r\ntransfer-encoding: chunked\r\n\r\n", "GET", b"", False),
        (b"HTTP/1.1 304 No\r\ncontent-length: 5\r\n\r\n", "GET", b"", True),
        (b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\ncontent-length: 1\r\n\r\nx", "GET", b"x", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", "GET", b"x", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx", "GET", b"x", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200", "GET", b"x", False),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-length: 9\r\n\r\n") + b"0\r\n\r\n", "GET", b"", False),
        (b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", "GET", b"", True),
    ],
)
@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_answers_end_where_the_rules_say(data: bytes, verb: str, body: bytes, reusable: bool, pieces: int) -> None:
    parser, got = parse(data, verb=verb, pieces=pieces)
    assert (got, parser.done) == (body, True)
    assert parser.reusable is reusable or (pieces > 1 and data.endswith(b"xHTTP/1.1 200"))


def test_without_a_length_the_body_ends_with_the_connection() -> None:
    parser, body = parse(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    assert (parser.done, body) == (False, b"all of it")
    parser.feed_eof(orderly=True)
    assert (parser.done, parser.reusable) == (True, False)


def test_without_a_length_a_broken_connection_leaves_a_body_that_is_not_whole() -> None:
    parser, _ = parse(b"HTTP/1.1 200 OK\r\n\r\nsome of it")
    with pytest.raises(BrokenAnswerError):
        parser.feed_eof(orderly=False)


def test_a_length_that_chunks_overrule_is_not_handed_on() -> None:
    parser, body = parse(
        CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-length: 3\r\nx-a: b\r\n\r\n") + b"2\r\nhi\r\n0\r\n\r\n"
    )
    assert parser.head is not None
    assert (body, parser.head.headers[1:]) == (b"hi", [("x-a", "b")])


def test_the_head_keeps_order_and_bytes_and_unfolds() -> None:
    parser, _ = parse(b"HTTP/1.1 599 \xff\r\nB: caf\xe9\r\nA:1\r\n\tand 2\r\nb: \r\ncontent-length: 0\r\n\r\n")
    assert parser.head is not None
    assert parser.head.status == 599
    assert parser.head.headers[:3] == [("b", "caf\xe9"), ("a", "1 and 2"), ("b", "")]


def test_a_100_asks_for_the_body() -> None:
    parser, _ = parse(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert (parser.continued, parser.head) == (True, None)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nname : value\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: first\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: x\nb: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: x\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: \xb2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        CHUNKED + b"x\r\n",
        CHUNKED + b"-1\r\n",
        CHUNKED + b"0x1\r\n",
        CHUNKED + b"1\r\nxy\r\n",
        CHUNKED + b"0\r\n" + b"a: b\r\n" * 20_000,
        CHUNKED + b"0\r\n5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"0\r\na: b\r\r\n\r\n",
        CHUNKED + b"0\r\na : b\r\n\r\n",
        CHUNKED.replace(b"chunked", b"chunked\xa0") + b"0\r\n\r\n",
        CHUNKED.replace(b"chunked", b"\x85chunked") + b"0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: \xa02\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\na: " + b"x" * (MAX_HEAD + 1),
    ],
)
def test_what_is_no_http_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenAnswerError):
        parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx",
        CHUNKED + b"1\r\nx\r\n",
        CHUNKED + b"0\r\n",
    ],
)
def test_an_end_too_early_is_noticed(data: bytes) -> None:
    with pytest.raises(BrokenAnswerError):
        parse(data, eof=True)


@given(st.lists(st.binary(min_size=1, max_size=300)), st.integers(1, 50))
def test_chunks_come_out_as_they_went_in(chunks: list[bytes], pieces: int) -> None:
    data = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    parser, body = parse(data, pieces=pieces)
    assert (body, parser.done, parser.reusable) == (b"".join(chunks), True, True)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse(b"HTTP/1.1 200 OK\r\n" + data, eof=True)
    except BrokenAnswerError:
        return


def test_a_request_is_written_as_it_is_given() -> None:
    head = request_head("GET", "/a%2fb?x=\xe4", [("host", "h"), ("x-a", "caf\xe9"), ("x-a", "")])
    assert head == b"GET /a%2fb?x=\xe4 HTTP/1.1\r\nhost: h\r\nx-a: caf\xe9\r\nx-a: \r\n\r\n"


@pytest.mark.parametrize(
    ("verb", "target", "value"),
    [
        ("GET", "/", "a\r\nb: c"),
        ("GET", "/", "a\nb"),
        ("GET", "/", "\0"),
        ("GET", "/ x", ""),
        ("GET", "/\r\n", ""),
        ("A B", "/", ""),
    ],
)
def test_no_header_can_be_smuggled_into_a_request(verb: str, target: str, value: str) -> None:
    with pytest.raises(ValueError, match="head of a request"):
        request_head(verb, target, [("x", value)])
