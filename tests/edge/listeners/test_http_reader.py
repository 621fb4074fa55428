"""`RequestReader` without sockets: what it reads does not depend on how the bytes are split."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.listeners.http_fields import MAX_HEADERS, Section
from edge.listeners.http_reader import BROKEN, DONE, HEAD, MAX_CHUNK_LINE, MAX_TRAILERS, RequestReader

MAX_HEAD = 4096
POST = b"POST /up HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"

Event = tuple[object, ...]


class Recorder(RequestReader):
    """Notes what it is told, and answers at once unless told not to."""

    def __init__(self, *, answers: bool = True, max_headers: int = MAX_HEADERS) -> None:
        super().__init__(MAX_HEAD, max_headers)
        self.events: list[Event] = []
        self.answers = answers

    def on_request(self, verb: str, target: str, version: str, host: str, section: Section, whole: bool) -> None:
        self.events.append(("request", verb, target, version, host, section.headers.pairs))
        if whole:
            self.on_end()

    def on_piece(self, piece: bytes) -> None:
        assert piece
        if self.events[-1][0] == "body":
            piece = self.events.pop()[1] + piece  # type: ignore[operator] # it is bytes
        self.events.append(("body", piece))

    def on_end(self) -> None:
        self.events.append(("end",))
        if self.answers:
            self.next()

    def on_bad_head(self, status: int, message: str) -> None:
        assert message
        self.events.append(("bad head", status))

    def on_bad_body(self, message: str) -> None:
        assert message
        self.events.append(("bad body",))

    def too_large(self) -> str:
        return "too large"


def read(*parts: bytes, answers: bool = True) -> Recorder:
    reader = Recorder(answers=answers)
    for part in parts:
        reader.feed(part)
    return reader


def kinds(reader: Recorder) -> list[object]:
    return [event[0] for event in reader.events]


def split(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]


MESSAGES = [
    GET,
    b"\r\n" + GET,
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://b:1/c HTTP/1.0\r\n\r\n",
    POST + b"Content-Length: 5\r\n\r\nhello",
    POST + b"Content-Length: 0\r\n\r\n",
    CHUNKED + b"3;a=b\r\nabc\r\n00A ;b\r\n0123456789\r\n0\r\n\r\n",
    CHUNKED + b"1\r\n\r\r\n0\r\nTrailer: t\r\nOther: u\r\n\r\n",
    POST + b"X: " + b"v" * 300 + b"\r\n\r\n",
]
BAD = [
    b"",
    b"GARBAGE",
    b"GET /\xff HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nb : c\r\n\r\n",
    CHUNKED + b"zz\r\n",
    CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    CHUNKED + b"0\r\nbad trailer\r\n\r\n",
    POST + b"Content-Length: 9\r\n\r\nshort",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"v" * 5000,
]


@given(
    messages=st.lists(st.sampled_from(MESSAGES), max_size=6),
    last=st.sampled_from(BAD),
    places=st.lists(st.integers(0, 2**16), max_size=30),
)
def test_the_split_of_the_bytes_makes_no_difference(messages: list[bytes], last: bytes, places: list[int]) -> None:
    data = b"".join(messages) + last
    whole, parts = read(data), read(*split(data, places))
    assert parts.events == whole.events
    assert kinds(whole).count("request") >= len(messages)
    assert (parts.state, parts.waiting) == (whole.state, whole.waiting)


@pytest.mark.parametrize("message", MESSAGES)
def test_byte_by_byte(message: bytes) -> None:
    assert read(*(bytes((byte,)) for byte in message + GET)).events == read(message + GET).events


SMUGGLING = {
    "length and chunked": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a folded header": POST + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded first header": b"POST / HTTP/1.1\r\n Host: a\r\n\r\n",
    "a bare LF behind a header": b"POST / HTTP/1.1\r\nHost: a\nContent-Length: 5\r\n\r\nhello",
    "a bare LF behind the request line": b"POST / HTTP/1.1\nHost: a\r\n\r\n",
    "nothing but bare LFs": b"POST / HTTP/1.1\nHost: a\n\n",
    "a bare CR": POST + b"X: y\rContent-Length: 5\r\n\r\nhello",
    "a NUL": POST + b"X: a\x00b\r\n\r\n",
    "a name that is no token": POST + b"X(y): z\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "an absolute target without a host": b"GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING)
def test_what_could_smuggle_a_request_is_refused(data: bytes) -> None:
    for reader in (read(data + GET), read(*(bytes((byte,)) for byte in data + GET))):
        assert reader.events == [("bad head", 400)]
        assert reader.state == BROKEN


CHUNKS = {
    "a bare LF behind the size": b"1\na\r\n0\r\n\r\n",
    "a bare LF behind the data": b"1\r\na\n0\r\n\r\n",
    "a sign": b"+1\r\na\r\n0\r\n\r\n",
    "a prefix": b"0x1\r\na\r\n0\r\n\r\n",
    "no size": b"\r\na\r\n0\r\n\r\n",
    "a blank first": b" 1\r\na\r\n0\r\n\r\n",
    "a blank behind the size": b"1 \r\na\r\n0\r\n\r\n",
    "a NUL in an extension": b"1;\x00\r\na\r\n0\r\n\r\n",
    "a size beyond 60 bits": b"1" + b"0" * 15 + b"\r\n",
    "data longer than the size": b"1\r\nab\r\n0\r\n\r\n",
    "a line too long": b"1;" + b"a" * MAX_CHUNK_LINE + b"\r\na\r\n0\r\n\r\n",
    "a line too long without end": b"1;" + b"a" * MAX_CHUNK_LINE + b"aaa",
    "a folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "trailers too long": b"0\r\n"
    + b"A: "
    + b"b" * 1000
    + b"\r\n"
    + (b"A: " + b"b" * 1000 + b"\r\n") * (MAX_TRAILERS // 1000),
}


@pytest.mark.parametrize("data", CHUNKS.values(), ids=CHUNKS)
def test_chunks_that_could_be_read_in_two_ways_break_the_body(data: bytes) -> None:
    for reader in (read(CHUNKED + data + GET), read(CHUNKED, *(bytes((byte,)) for byte in data + GET))):
        assert kinds(reader).count("request") == 1
        assert reader.events[-1] == ("bad body",)
        assert reader.state == BROKEN


@pytest.mark.parametrize("target", [b"/a", b"*", b"a:80", b"http://a/b"])
def test_connect_is_never_taken_whatever_its_target(target: bytes) -> None:
    """An endpoint that takes it for the beginning of a tunnel would read the next caller's request in there."""
    assert read(b"CONNECT " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n" + GET).events == [("bad head", 501)]


def test_the_number_of_headers_is_bounded() -> None:
    for most in (3, 100):
        reader = Recorder(max_headers=most)
        reader.feed(GET[:-2] + b"x: y\r\n" * (most - 1) + b"\r\n")
        assert kinds(reader) == ["request", "end"]
        reader.feed(GET[:-2] + b"x: y\r\n" * most + b"\r\n")
        assert reader.events[-1] == ("bad head", 431)


def test_what_is_pipelined_waits_as_bytes() -> None:
    reader = read(GET, GET * 3, GET, answers=False)
    assert kinds(reader) == ["request", "end"]
    assert (reader.state, bytes(reader.waiting)) == (DONE, GET * 4)
    for left in (3, 2, 1, 0):
        reader.next()
        assert (reader.state, len(reader.waiting)) == (DONE, left * len(GET))
    reader.next()
    assert reader.state == HEAD
    assert kinds(reader) == ["request", "end"] * 5


def test_what_follows_an_upgrade_is_for_whoever_takes_over() -> None:
    reader = read(GET + b"\x81\x00", b"\x82", answers=False)
    assert reader.take_rest() == b"\x81\x00\x82"
    reader.feed(GET)
    assert kinds(reader) == ["request", "end"]


def test_heads_are_bounded_however_they_come() -> None:
    line = b"GET /" + b"a" * MAX_HEAD
    for parts in ([line + b" HTTP/1.1\r\nHost: a\r\n\r\n"], [line, line], [GET[:-2] + b"x: y\r\n" * 2000]):
        assert read(*parts).events == [("bad head", 431)]
    assert read(GET[:-2] + b"x: " + b"y" * (MAX_HEAD - 100) + b"\r\n\r\n").events[0][0] == "request"


def test_sections_are_kept_and_bounded() -> None:
    reader = read(GET)
    first = reader._sections[b"Host: a\r\n"]
    reader.feed(GET)
    assert reader._sections == {b"Host: a\r\n": first}
    for number in range(20):
        reader.feed(b"GET / HTTP/1.1\r\nHost: a\r\nx: %d\r\n\r\n" % number)
    reader.feed(b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * 3000 + b"\r\n\r\n")
    assert len(reader._sections) <= 4
    assert max(map(len, reader._sections)) <= 2048


NAMES = st.sampled_from(
    [b"Host", b"content-length", b"Transfer-Encoding", b"x-a", b"x a", b"", b"x\xe9", b"Connection"]
)
VALUES = st.one_of(
    st.sampled_from([b" a", b" 3", b" chunked", b" gzip, chunked", b" close", b"", b"  b\t", b" 3, 3"]),
    st.binary(max_size=4),
)
HEADERS = st.lists(st.tuples(NAMES, VALUES, st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r\n "])), max_size=5)


@settings(max_examples=400)
@given(
    line=st.sampled_from([b"POST /a HTTP/1.1", b"GET /?b HTTP/1.0", b"GET  /a HTTP/1.1", b"POST /a\tb HTTP/1.1"]),
    headers=HEADERS,
)
def test_nothing_is_taken_that_llhttp_refuses(line: bytes, headers: list[tuple[bytes, bytes, bytes]]) -> None:
    """aiohttp's parser is llhttp in its strict mode. What both take, both read in the same way."""
    head = line + b"\r\n" + b"".join(name + b":" + value + end for name, value, end in headers) + b"\r\n"
    reader = read(head, answers=False)
    if not reader.events or reader.events[0][0] != "request":
        return
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(
            Mock(spec=BaseProtocol), loop, 2**16, max_line_size=MAX_HEAD, max_field_size=MAX_HEAD
        )
        try:
            message = parser.feed_data(head)[0][0][0]
        except HttpProcessingError as error:
            raise AssertionError(f"llhttp refuses {head!r}: {error}") from error
        pairs = tuple((name.decode().lower(), value.decode("latin-1")) for name, value in message.raw_headers)
        version = f"{message.version.major}.{message.version.minor}"
        assert reader.events[0][1:4] == (message.method, message.path, version)
        assert reader.events[0][5] == pairs
    finally:
        loop.close()
