"""Nothing that a caller can send over HTTP makes the gateway fail, hang or show a stack: random input, a real gateway.

Each answer has to be whole, well-formed and none of the gateway's own fault; each WebSocket has to come to its end.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.grpc_web import BINARY, TEXT, decode
from tests.corpus.http1 import Answer, Connection, Request, exchange
from tests.integration.conftest import learn
from tests.support.bookstore import Bookstore
from tests.support.gateway import Gateway, route, upstream

SERVICE = "bookstore.v1.BookstoreService"
WITHIN = 8.0
"""The seconds after which an answer counts as a hang."""
PATIENCE = ("request-timeout", "2")
"""What ends a stream that goes on for ever, as some methods do."""
INTERNAL = 13
NO_MESSAGE = b"google.protobuf.message.DecodeError"

many = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    """A gateway in front of a bookstore."""
    with Bookstore("fuzzed") as bookstore:
        configuration = {
            "upstreams": [upstream("bookstore", bookstore.address)],
            "routes": [route("bookstore", SERVICE, "bookstore", transcoding={"rpc_paths": True})],
        }
        with Gateway("fuzzed-gateway", folder, configuration) as found:
            learn(found.admin, SERVICE)
            yield found
            assert found.alive
            said = found.log.read_text().splitlines()
            assert [line for line in said if "Traceback" in line or '"level": "ERROR"' in line] == []


def ask(gateway: Gateway, request: Request) -> Answer:
    """Send a request; the answer is whole, and nothing of the gateway's own fault."""
    answer = asyncio.run(exchange(gateway.http, "fuzz.test", request, WITHIN))
    assert answer.complete, answer
    if NO_MESSAGE in answer.body:
        return answer  # protobuf goes upstream as it is, and this is the upstream's own complaint about it
    assert answer.status != 500, answer
    if answer.status >= 400 and answer.media_type == "application/json" and request.method != "HEAD":
        assert '"errorId"' not in answer.body.decode()
        assert orjson.loads(answer.body)["code"] not in (INTERNAL, "internal"), answer
    return answer


def one_of(text: str) -> st.SearchStrategy[str]:
    """Return one of the words of a text, or nothing."""
    return st.sampled_from(["", *text.split()])


# === paths, queries and headers ===

words = one_of(
    f"v1 shelves books fiction - * ** .. . books:stream :order %2F % %zz %00 %C3%BC %ff {{name}} {SERVICE} GetShelf "
    "ListBooks books:recommend fiction:watch moby-dick"
)
visible = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp", "Cs")), max_size=12)
paths = st.lists(words | visible, min_size=1, max_size=7).map(lambda parts: "/" + "/".join(parts))
names = one_of(
    "page_size pageSize author subjects book.title book.labels[a] book.labels.a book.updateTime name updateMask "
    "connect encoding message base64 compression $alt shelf.bookCount"
)
values = one_of("1 -1 1e400 true 2020-01-01T00:00:00Z v1 json proto %7B%7D gzip")
pairs = st.tuples(names | visible, values | visible).map("=".join)
targets = st.tuples(paths, st.lists(pairs, max_size=5).map("&".join)).map(
    lambda found: f"{found[0]}?{found[1]}" if found[1] else found[0]
)
verbs = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get", "X"])


@many
@given(verb=verbs, target=targets)
def test_paths_and_queries(gateway: Gateway, verb: str, target: str) -> None:
    ask(gateway, Request(verb, target, (PATIENCE,)))


known_headers = one_of(
    "accept content-type content-encoding accept-encoding grpc-timeout connect-timeout-ms te origin forwarded range "
    "connect-protocol-version x-bits-bin grpc-encoding x-grpc-web authorization x-forwarded-for if-match expect cookie "
    "access-control-request-method x-http-method-override"
)
known_values = one_of(
    "application/json application/connect+json application/grpc-web application/grpc text/event-stream;q=0 gzip "
    "identity;q=0 1S 0n 99999999H -1 1.5 AP8H !!! 2 */*;q=1e9 ,,;;== \xff\xfe"
)
latin = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20)
headers = st.lists(st.tuples(known_headers.filter(bool), known_values | latin), max_size=6).map(tuple)
bodies = st.sampled_from([b"", b"{}", b"[]", b'{"name": "shelves/fiction"}', b"\0\0\0\0\0", b"\x1f\x8b\x08"])


@many
@given(
    verb=st.sampled_from(["GET", "POST", "OPTIONS"]),
    path=st.sampled_from(
        ["/v1/shelves/fiction", "/v1/books:import", f"/{SERVICE}/GetShelf", f"/{SERVICE}/StreamBooks"]
    ),
    more=headers,
    body=bodies,
)
def test_headers(gateway: Gateway, verb: str, path: str, more: tuple[tuple[str, str], ...], body: bytes) -> None:
    more = tuple(pair for pair in more if pair[0] != "expect" or pair[1] == "100-continue")
    ask(gateway, Request(verb, path, (*more, PATIENCE), body if verb == "POST" else None))


# === bodies ===

keys = one_of(
    "title author year subjects format priceCents rating labels updateTime etag name book parent bookId shelf subject "
    "@type price_cents"
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["NaN", "-0", "1e3", "FORMAT_EBOOK", "shelves/fiction", "2020-02-30T00:00:00Z", "\ud800"])
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys | st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)
texts = trees.map(lambda tree: json.dumps(tree).encode()) | st.binary(max_size=60)
nested = st.integers(1, 3000).map(lambda depth: b'{"book":' * depth + b"1" + b"}" * depth)


@many
@given(
    path=st.sampled_from(["/v1/shelves/travel/books", "/v1/books", f"/{SERVICE}/CreateBook", f"/{SERVICE}/GetShelf"]),
    body=texts | nested,
    connect=st.booleans(),
)
def test_json(gateway: Gateway, path: str, body: bytes, connect: bool) -> None:
    more = (("connect-protocol-version", "1"),) if connect else ()
    ask(gateway, Request("POST", path, (("content-type", "application/json"), PATIENCE, *more), body))


@many
@given(
    path=st.sampled_from(["/v1/books:import", "/v1/books:recommend"]),
    lines=st.lists(texts, max_size=5),
    chunk=st.none() | st.integers(1, 20),
    separator=st.sampled_from([b"\n", b"", b"\x1e", b",", b"\r\n\r\n"]),
)
def test_streams_of_json(gateway: Gateway, path: str, lines: list[bytes], chunk: int | None, separator: bytes) -> None:
    kind = ("content-type", "application/x-ndjson")
    ask(gateway, Request("POST", path, (kind, PATIENCE), separator.join(lines), chunk))


# === frames ===


def framed(flags: int, payload: bytes, off: int) -> bytes:
    """Return a frame whose length is off by so much."""
    return struct.pack(">BI", flags, max(len(payload) + off, 0)) + payload


frames = st.builds(
    framed,
    st.sampled_from([0, 0, 0, 1, 2, 3, 0x80, 0xFF]),
    st.binary(max_size=20) | st.just(b"\x0a\x0fshelves/fiction"),
    st.sampled_from([0, 0, 0, 1, -1, 5000, 2**31]),
)
framed_bodies = st.lists(frames, max_size=4).map(b"".join) | st.binary(max_size=30)
methods = st.sampled_from(["GetShelf", "StreamBooks", "ImportBooks", "RecommendBooks", "Nothing"])


@many
@given(method=methods, body=framed_bodies, chunk=st.none() | st.integers(1, 9))
def test_grpc_web(gateway: Gateway, method: str, body: bytes, chunk: int | None) -> None:
    headers = (("content-type", BINARY), PATIENCE)
    decode(ask(gateway, Request("POST", f"/{SERVICE}/{method}", headers, body, chunk)))


@many
@given(
    method=methods,
    body=framed_bodies.map(base64.b64encode) | st.text("AQaz09+/=-_ \n!", max_size=40).map(str.encode),
    cut=st.integers(0, 5),
    chunk=st.none() | st.integers(1, 9),
)
def test_grpc_web_text(gateway: Gateway, method: str, body: bytes, cut: int, chunk: int | None) -> None:
    headers = (("content-type", TEXT), PATIENCE)
    decode(ask(gateway, Request("POST", f"/{SERVICE}/{method}", headers, body[: len(body) - cut], chunk)))


@many
@given(
    method=methods,
    media=st.sampled_from(["connect+json", "connect+proto", "proto", "connect+xml"]),
    body=framed_bodies,
    encoding=st.sampled_from(["", "gzip", "br"]),
)
def test_connect(gateway: Gateway, method: str, media: str, body: bytes, encoding: str) -> None:
    headers = (("content-type", f"application/{media}"), ("connect-content-encoding", encoding), PATIENCE)
    ask(gateway, Request("POST", f"/{SERVICE}/{method}", headers, body))


# === WebSocket ===


def ws_frame(first: int, payload: bytes, masked: bool) -> bytes:
    """Return a frame with any first byte."""
    size = len(payload)
    mask = b"\x11\x22\x33\x44"
    length = bytes([size | masked << 7]) if size < 126 else bytes([126 | masked << 7]) + struct.pack(">H", size)
    data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload)) if masked else payload
    return bytes([first]) + length + (mask if masked else b"") + data


first_bytes = st.sampled_from([0x81, 0x81, 0x81, 0x82, 0x82, 0x01, 0x80, 0x00, 0x88, 0x89, 0x8A, 0xC1, 0x83, 0xF1])
payloads = (
    texts
    | st.sampled_from([b"", b'{"message": {}}', b'{"end": true}', b"\0", b"\2", b"\x03\xe8", b"\xff" * 3])
    | st.sampled_from([b'{"subject": "sea"}', b'{"message": {"subject": "sea"}, "end": true}'])
)
ws_frames = st.lists(st.builds(ws_frame, first_bytes, payloads, st.sampled_from([True] * 9 + [False])), max_size=5)
CLOSE = ws_frame(0x88, b"\x03\xe8", True)


async def converse(gateway: Gateway, path: str, protocol: str, sent: bytes) -> None:
    lines = ["GET", "connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13", "host: fuzz.test"]
    lines[0] = f"GET {path} HTTP/1.1"
    lines += ["sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==", "grpc-timeout: 300m"]
    lines += [f"sec-websocket-protocol: {protocol}"] if protocol else []
    async with Connection(gateway.http) as connection, asyncio.timeout(WITHIN):
        await connection.send("\r\n".join([*lines, "", ""]).encode())
        answer = await connection.head(WITHIN)
        assert answer.status in (101, 400, 404), answer
        if answer.status != 101:
            return
        await connection.send(sent + CLOSE)
        received = b""
        with contextlib.suppress(ConnectionError):
            while piece := await connection._reader.read(65536):
                received += piece
    assert not any(code == 4000 + INTERNAL for code in close_codes(received)), received


def close_codes(data: bytes) -> Iterator[int]:
    """Yield the codes of the close frames that a server sent."""
    while len(data) >= 2:
        opcode, size, at = data[0] & 0x0F, data[1], 2
        if size >= 126:
            at = 4 if size == 126 else 10
            size = int.from_bytes(data[2:at], "big")
        if opcode == 8 and size >= 2:
            yield int.from_bytes(data[at : at + 2], "big")
        data = data[at + size :]


@many
@given(
    path=st.sampled_from(["/v1/books:recommend", "/v1/books:import", f"/{SERVICE}/GetShelf", f"/{SERVICE}/ImportBooks"])
    | st.sampled_from(["/v1/shelves/fiction", "/v1/books:stream", f"/{SERVICE}/StreamBooks?x=%ff"]),
    protocol=st.sampled_from(["", "edge.json.v1", "edge.json.bare.v1", "edge.proto.v1", "edge.jsn.v1, edge.timeout.x"]),
    sent=ws_frames.map(b"".join) | st.binary(max_size=40),
)
def test_web_socket_frames(gateway: Gateway, path: str, protocol: str, sent: bytes) -> None:
    asyncio.run(converse(gateway, path, protocol, sent))
