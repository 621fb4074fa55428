from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import names, request_head
from edge.wire.heads import AnswerHead, Field
from edge.wire.names import BINARY, CONNECTION, NAMED, UNFIT, name_kind
from edge.wire.request_head import RequestHead
from edge.wire.values import decode_binary, encode_binary, host_of
from tests.edge.wire.support import ANSWER, GRPC, head

# === requests ===


def test_a_call_is_read() -> None:
    request = RequestHead(head(("grpc-timeout", "250m"), ("x-a", "b")))
    assert (request.verb, request.scheme, request.path) == ("POST", "http", "/a.B/C")
    assert (request.authority, request.host) == ("shop.example.com:8080", "shop.example.com")
    assert (request.grpc, request.timeout, request.timeout_text) == (True, 0.25, "250m")
    assert request.fields == (
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", "250m"),
        ("x-a", "b"),
    )
    assert request.metadata is request.fields
    assert request.malformed == ""


@pytest.mark.parametrize(
    ("kind", "grpc"),
    [
        ("application/grpc", True),
        ("application/grpc+proto", True),
        ("application/grpc;x=y", True),
        ("application/grpc-web", False),
        ("application/grpcx", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_native_grpc_is_told_by_its_type(kind: str, grpc: bool) -> None:
    assert RequestHead([*GRPC[:5], ("content-type", kind)]).grpc is grpc


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1H", 3600.0),
        ("2M", 120.0),
        ("3S", 3.0),
        ("4m", 0.004),
        ("5u", 5e-6),
        ("6n", 6e-9),
        ("99999999S", 99_999_999.0),
    ],
)
def test_units_of_timeouts(text: str, seconds: float) -> None:
    assert RequestHead(head(("grpc-timeout", text))).timeout == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "S", "1", "1s", "100000000S", "+1S", "1.0S", "²S", "1SS"])
def test_a_timeout_that_is_none_is_marked(text: str) -> None:
    request = RequestHead([*GRPC, ("grpc-timeout", text)])
    assert request.timeout == -2.0 or request.malformed


def test_without_a_timeout_there_is_none() -> None:
    assert RequestHead(GRPC).timeout == -1.0


def test_binary_values_are_bytes_and_lists_are_taken_apart() -> None:
    request = RequestHead(head(("a-bin", "AAEC,/w=="), ("b", "x,y"), ("a-bin", "")))
    assert list(request.metadata)[2:] == [("a-bin", b"\0\1\2"), ("a-bin", b"\xff"), ("b", "x,y"), ("a-bin", b"")]


def test_blanks_around_the_metadata_of_a_call_go() -> None:
    request = RequestHead(head(("a", " b "), ("grpc-timeout", "\t1S")))
    assert (request.malformed, request.fields[2], request.timeout) == ("", ("a", "b"), 1.0)


def test_the_host_stands_in_for_an_authority() -> None:
    request = RequestHead([*GRPC[:3], *GRPC[4:], ("host", "Shop:1")])
    assert (request.authority, request.host, request.malformed) == ("Shop:1", "shop", "")


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("Shop.Example.com", "shop.example.com"),
        ("shop:8080", "shop"),
        ("[2001:DB8::1]:8080", "[2001:db8::1]"),
        ("[::1]", "[::1]"),
        ("", ""),
        (":80", ""),
    ],
)
def test_the_host_of_an_authority(authority: str, host: str) -> None:
    assert host_of(authority) == host


def test_authorities_are_remembered_within_bounds() -> None:
    for number in range(2000):
        assert RequestHead(replaced(":authority", f"Shop-{number}:443")).host == f"shop-{number}"
        assert len(request_head._hosts) <= 512
    for authority in ("a" * 300, "user@shop"):
        for _ in range(2):
            RequestHead(replaced(":authority", authority))
            assert authority not in request_head._hosts


def replaced(name: str, *values: str) -> list[Field]:
    """Return the head of a call with other values of a pseudo-header."""
    fields: list[Field] = []
    for field in GRPC:
        fields.extend([(name, value) for value in values] if field[0] == name else [field])
    return fields


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (replaced(":method"), "lacks"),
        (replaced(":scheme"), "lacks"),
        (replaced(":path"), "lacks"),
        (replaced(":path", ""), "lacks"),
        (replaced(":path", "/a", "/b"), "two paths"),
        (replaced(":method", "GET", "POST"), "two methods"),
        (replaced(":scheme", "http", "http"), "two schemes"),
        (replaced(":authority", "a", "b"), "two authorities"),
        ([*GRPC[:4], (":what", "x"), *GRPC[4:]], ":what"),
        ([*GRPC, (":path", "/")], "does not fit"),
        (replaced(":path", "/a b"), "pseudo-header"),
        (replaced(":path", "/ä"), "pseudo-header"),
        (replaced(":authority", "a\r\nb: c"), "pseudo-header"),
        (replaced(":authority", "a b"), "pseudo-header"),
        (replaced(":method", "PO\nST"), "pseudo-header"),
        (replaced(":scheme", "http\0"), "pseudo-header"),
        (head(("X-A", "b")), "does not fit"),
        (head(("", "b")), "does not fit"),
        (head(("a b", "b")), "does not fit"),
        (head(("a\x7f", "b")), "does not fit"),
        (head(("ä", "b")), "does not fit"),
        (head(("connection", "close")), "HTTP/1.1"),
        (head(("keep-alive", "5")), "HTTP/1.1"),
        (head(("transfer-encoding", "chunked")), "HTTP/1.1"),
        (head(("upgrade", "h2c")), "HTTP/1.1"),
        (head(("proxy-connection", "x")), "HTTP/1.1"),
        (head(("te", "gzip")), "HTTP/1.1"),
        (head(("a", "b\n")), "line break"),
        (head(("a", "b\rc")), "line break"),
        (head(("a", "\0")), "NUL"),
        ([*GRPC[:5], ("a", " b")], "blank"),
        ([*GRPC[:5], ("a", "b\t")], "blank"),
        (head(("content-length", "")), "not a number"),
        (head(("content-length", "+1")), "not a number"),
        (head(("content-length", "1" * 19)), "not a number"),
        (head(("content-length", "²")), "not a number"),
        (head(("content-length", "1"), ("content-length", "2")), "two things"),
    ],
)
def test_what_makes_a_request_malformed_is_said(fields: list[Field], words: str) -> None:
    assert words in RequestHead(fields).malformed


@pytest.mark.parametrize(
    "field",
    [
        ("a", ""),
        ("a", "ü"),
        ("a", "b\tc"),
        ("a", "b c"),
        ("te", "trailers"),
        ("content-length", "0"),
        ("!#$%&'*+-.^_`|~9", "x"),
    ],
)
def test_what_is_unusual_and_allowed(field: Field) -> None:
    assert RequestHead(head(field)).malformed == ""


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=20)), max_size=10))
def test_no_header_block_is_more_than_malformed(fields: list[Field]) -> None:
    latin = [
        (n.encode("latin-1", "replace").decode("latin-1"), v.encode("latin-1", "replace").decode("latin-1"))
        for n, v in fields
    ]
    for made in (RequestHead(latin), RequestHead([*GRPC, *latin]), AnswerHead(latin), AnswerHead(latin, trailers=True)):
        if not made.malformed:
            for name, value in made.fields:
                assert name
                assert name == name.lower()
                assert not set(value) & {"\r", "\n", "\0"}
            list(made.pairs())


# === answers ===


@pytest.mark.parametrize(("text", "code"), [("0", 0), ("16", 16), ("17", 2), ("-1", 2), ("01", 2), ("", 2), ("x", 2)])
def test_the_status_of_an_answer(text: str, code: int) -> None:
    assert AnswerHead([("grpc-status", text)], trailers=True).code == code


def test_an_answer_without_a_grpc_status_has_none() -> None:
    assert AnswerHead(ANSWER).code == -1


@pytest.mark.parametrize(
    ("text", "message"),
    [("plain", "plain"), ("100%25 %C3%BC", "100% ü"), ("%FF", "\ufffd"), ("%", "%"), ("%zz", "%zz"), ("a%2", "a%2")],
)
def test_the_message_of_an_answer(text: str, message: str) -> None:
    assert AnswerHead([("grpc-status", "2"), ("grpc-message", text)], trailers=True).message == message


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("content-type", "x")],
        [("x", "y"), (":status", "200")],
        [(":status", "200"), (":status", "200")],
        [(":status", "20")],
        [(":status", "²00")],
        [(":status", "099")],
        [(":status", "+20")],
    ],
)
def test_an_answer_without_a_status_is_malformed(fields: list[Field]) -> None:
    assert AnswerHead(fields).malformed


def test_trailers_have_no_pseudo_headers() -> None:
    assert AnswerHead([(":status", "200")], trailers=True).malformed
    assert not AnswerHead([], trailers=True).malformed


# === binary values and names ===


@given(st.binary(max_size=100))
def test_binary_values_come_back(value: bytes) -> None:
    text = encode_binary(value)
    assert "=" not in text
    assert decode_binary(text) == value
    assert decode_binary(base64.b64encode(value).decode()) == value


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_what_is_no_base64_does_not_raise(text: str) -> None:
    assert isinstance(decode_binary(text), bytes)


def test_names_are_remembered_within_bounds() -> None:
    before = len(names.KINDS)
    for number in range(5000):
        assert name_kind(f"x-some-{number}-bin") == BINARY
        assert name_kind(f"X-{number}") == UNFIT
    assert before <= len(names.KINDS) <= 2048
    assert name_kind("y" * 1000) == 0
    assert "y" * 1000 not in names.KINDS
    assert name_kind("te") & CONNECTION
    assert name_kind("content-length") & NAMED
