"""HTTP within HTTP/2: what a request has to be (RFC 9113 8)."""

from __future__ import annotations

from tests.integration.wire.frames_client import (
    Code,
    Field,
    block,
    data,
    headers,
)
from tests.integration.wire.place import Ask, Render, ask, body
from tests.integration.wire.steps import (
    Case,
    Upload,
    answered,
    case,
    either,
    malformed,
    only_stream_error,
)

BAD = Code.PROTOCOL_ERROR


def _trailers(*fields: Field, end: bool = True) -> bytes:
    return headers(1, block(fields), end=end)


def _whole(octets: int = 20) -> Render:
    return body(octets, lambda found: data(1, found))


EXCHANGE_CASES = (
    case("9113 8.1", "a request without a body is answered", ask(), answered()),
    case("9113 8.1", "a request with a body is answered", ask(1, Ask.POST), Upload(1, 20), answered()),
    case("9113 8.1", "the end of a body may come in DATA of its own",
         ask(1, Ask.POST), _whole(), data(1, end=True), answered()),
    case("9113 8.1", "requests may be sent in the middle of others",
         ask(1, Ask.POST), ask(3, Ask.POST), ask(5), answered(5), Upload(3, 20), answered(3), Upload(1, 20),
         answered(1)),
    case("9113 8.1", "one request after another on a connection",
         *((ask(number), answered(number)) for number in range(1, 21, 2))),
    case("9113 8.1", "trailers end a request",
         ask(1, Ask.POST), _whole(), _trailers(("x-checksum", "1")), answered()),
    case("9113 8.1", "trailers without fields end a request", ask(1, Ask.POST), _whole(), _trailers(), answered()),
    case("9113 8.1", "trailers without END_STREAM",
         ask(1, Ask.POST), _whole(), _trailers(("x-checksum", "1"), end=False), malformed(1)),
    case("9113 8.1", "HEADERS again before any DATA, without END_STREAM",
         ask(1, Ask.POST), ask(1, Ask.POST), malformed(1)),
    case("9113 8.1.1", "a malformed request does not hinder the next",
         ask(1, drop=[":path"]), malformed(1), ask(3), answered(3)),
    case("9113 8.1.1", "a malformed request ends its stream alone",
         ask(1, Ask.POST, add=[("Upper", "1")]), only_stream_error(1, BAD), ask(3), answered(3), gateway=True),
)  # fmt: skip


def _name(words: str, name: str) -> Case:
    return case("9113 8.2.1", f"a field name with {words}", ask(add=[(name, "1")]), malformed(1))


def _value(words: str, value: str) -> Case:
    return case("9113 8.2.1", f"a field value with {words}", ask(add=[("x-test", value)]), malformed(1))


def _blank(words: str, value: str) -> Case:
    """gRPC's libraries send the blanks of metadata, and a server may strip them (gRPC doc/PROTOCOL-HTTP2.md)."""
    name = f"a field value with {words} is refused, or for gRPC stripped"
    return case("9113 8.2.1", name, ask(add=[("x-test", value)]), either(malformed(1), answered()))


def _hop(name: str, value: str) -> Case:
    return case("9113 8.2.2", f"the connection-specific field {name}: {value}", ask(add=[(name, value)]), malformed(1))


FIELD_CASES = (
    _name("upper case", "X-Test"),
    _name("one upper-case letter at its end", "x-tesT"),
    _name("a space", "x test"),
    _name("NUL", "x\0test"),
    _name("a line end", "x\r\ntest"),
    _name("DEL", "x\x7ftest"),
    _name("an octet above 0x7f", "x\xe4test"),
    _name("a colon within", "x:test"),
    case("9113 8.2.1", "an empty field name", ask(add=[("", "1")]), malformed(1)),
    _value("NUL", "a\0b"),
    _value("CR", "a\rb"),
    _value("LF", "a\nb"),
    _value("CR LF and another field", "a\r\nx-other: b"),
    _blank("a space before", " a"),
    _blank("a space behind", "a "),
    _blank("a tab before", "\ta"),
    _blank("a tab behind", "a\t"),
    case("9113 8.2.1", "a field value may be empty", ask(add=[("x-test", "")]), answered()),
    case("9113 8.2.1", "a field value may have spaces and tabs within", ask(add=[("x-test", "a \t b")]), answered()),
    case("9113 8.2.1", "upper case in trailers",
         ask(1, Ask.POST), _whole(), _trailers(("X-Checksum", "1")), malformed(1)),
    _hop("connection", "keep-alive"),
    _hop("connection", "te"),
    _hop("keep-alive", "timeout=5"),
    _hop("proxy-connection", "keep-alive"),
    _hop("transfer-encoding", "chunked"),
    _hop("upgrade", "h2c"),
    case("9113 8.2.2", "te other than trailers", ask(drop=["te"], add=[("te", "gzip")]), malformed(1)),
    case("9113 8.2.2", "te with trailers and another",
         ask(drop=["te"], add=[("te", "trailers, deflate;q=0.5")]), malformed(1)),
    case("9113 8.2.2", "te: trailers is taken", ask(drop=["te"], add=[("te", "trailers")]), answered()),
    case("9113 8.2.3", "cookie in several fields is taken",
         ask(add=[("cookie", "a=b"), ("cookie", "c=d")]), answered()),
    case("9113 8.2", "a field that comes twice is taken", ask(add=[("x-test", "a"), ("x-test", "b")]), answered()),
    case("9113 10.3", "a path with a line end", ask(put=[(":path", "/a\r\nx: y")]), malformed(1)),
)  # fmt: skip


def _without(name: str) -> Case:
    return case("9113 8.3.1", f"a request without {name}", ask(drop=[name]), malformed(1))


def _twice(name: str, value: str) -> Case:
    return case("9113 8.3.1", f"a request with {name} twice", ask(add=[(name, value)]), malformed(1))


PSEUDO_CASES = (
    case("9113 8.3", "an unknown pseudo-header field", ask(add=[(":test", "1")]), malformed(1)),
    case("9113 8.3", "an empty pseudo-header name", ask(add=[(":", "1")]), malformed(1)),
    case("9113 8.3", "a pseudo-header field of answers", ask(add=[(":status", "200")]), malformed(1)),
    case("9113 8.3", "a pseudo-header field after a regular one",
         ask(drop=[":path"], last=[("x-test", "1"), (":path", "/")]), malformed(1)),
    case("9113 8.3", ":authority after a regular field",
         ask(drop=[":authority"], last=[("x-test", "1"), (":authority", "localhost")]), malformed(1)),
    case("9113 8.3", "a pseudo-header field in trailers",
         ask(1, Ask.POST), _whole(), _trailers((":method", "POST")), malformed(1)),
    case("9113 8.3", ":status in trailers", ask(1, Ask.POST), _whole(), _trailers((":status", "200")), malformed(1)),
    case("9113 8.3", "a pseudo-header field in upper case",
         ask(drop=[":method"], add=[(":METHOD", "GET")]), malformed(1)),
    case("9113 8.3", "pseudo-header fields may come in any order",
         ask(drop=[":method", ":authority"], add=[(":authority", "localhost"), (":method", "POST")]), answered()),
    _without(":method"),
    _without(":scheme"),
    _without(":path"),
    case("9113 8.3.1", "a request without any pseudo-header field",
         ask(drop=[":method", ":scheme", ":path", ":authority"]), malformed(1)),
    case("9113 8.3.1", "a header block without fields", headers(1, b""), malformed(1)),
    case("9113 8.3.1", "an empty :path", ask(put=[(":path", "")]), malformed(1)),
    case("9113 8.3.1", "a :path that does not begin with a slash", ask(put=[(":path", "nowhere")]), malformed(1)),
    case("9113 8.3.1", "an empty :method", ask(put=[(":method", "")]), malformed(1)),
    _twice(":method", "POST"),
    _twice(":scheme", "http"),
    _twice(":path", "/"),
    _twice(":authority", "localhost"),
    case("9113 8.3.1", "host instead of :authority is taken",
         ask(drop=[":authority"], add=[("host", "localhost")]), answered()),
    case("9113 8.3.1", "host and :authority that are equal are taken",
         ask(put=[(":authority", "localhost")], add=[("host", "localhost")]), answered()),
    case("9113 8.3.1", "host and :authority that differ",
         ask(put=[(":authority", "localhost")], add=[("host", "elsewhere")]), malformed(1), gateway=True),
    case("9113 8.3.1", ":authority with user information",
         ask(put=[(":authority", "me:secret@localhost")]), malformed(1), gateway=True),
    case("9113 8.5", "CONNECT with :scheme and :path", ask(1, Ask.POST, put=[(":method", "CONNECT")]), malformed(1)),
    case("9113 8.5", "CONNECT without :authority",
         ask(1, Ask.POST, put=[(":method", "CONNECT")], drop=[":scheme", ":path", ":authority"]), malformed(1)),
    case("8441 4", ":protocol with another method than CONNECT",
         ask(1, Ask.POST, add=[(":protocol", "websocket")]), malformed(1)),
)  # fmt: skip


def _length(value: str) -> Render:
    return ask(1, Ask.POST, add=[("content-length", value)])


LENGTH_CASES = (
    case("9113 8.1.1", "content-length that is kept", _length("20"), Upload(1, 20), answered()),
    case("9113 8.1.1", "content-length that several frames keep", _length("20"), Upload(1, 20, piece=7), answered()),
    case("9113 8.1.1", "content-length does not count padding", _length("20"), Upload(1, 20, pad=9), answered()),
    case("9113 8.1.1", "content-length above DATA", _length("21"), Upload(1, 20), malformed(1)),
    case("9113 8.1.1", "content-length above several frames of DATA",
         _length("21"), Upload(1, 20, piece=7), malformed(1)),
    case("9113 8.1.1", "content-length below DATA", _length("1"), Upload(1, 20), malformed(1)),
    case("9113 8.1.1", "content-length below several frames of DATA",
         _length("8"), Upload(1, 20, piece=7), malformed(1)),
    case("9113 8.1.1", "content-length below DATA that goes on",
         _length("8"), Upload(1, 20, end=False), malformed(1)),
    case("9113 8.1.1", "content-length without a body", ask(add=[("content-length", "1")]), malformed(1)),
    case("9113 8.1.1", "content-length above DATA before trailers",
         _length("21"), _whole(), _trailers(("x-checksum", "1")), malformed(1)),
    case("9113 8.1.1", "content-length of 0 without a body is taken", ask(add=[("content-length", "0")]), answered()),
    case("9110 8.6", "content-length that is no number", _length("twenty"), malformed(1)),
    case("9110 8.6", "content-length below zero", _length("-1"), malformed(1)),
    case("9110 8.6", "content-length with a plus", _length("+20"), Upload(1, 20), malformed(1)),
    case("9110 8.6", "two content-lengths that differ",
         ask(1, Ask.POST, add=[("content-length", "20"), ("content-length", "21")]), Upload(1, 20), malformed(1)),
)  # fmt: skip

CASES: tuple[Case, ...] = (*EXCHANGE_CASES, *FIELD_CASES, *PSEUDO_CASES, *LENGTH_CASES)
