"""The statements W1 to W60 about gRPC-Web, through a running gateway; each test has the number of its statement.

MUST and SHOULD are tested as they stand. Where a statement leaves a choice, the test takes each allowed outcome, and
its docstring says which. The listener for HTTP speaks HTTP/1.1; HTTP/2 joins with the wire engine (W9, W60).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import re
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import json_format
from google.rpc import status_pb2

from gateway.v1 import policy_pb2, policy_service_pb2
from tests.corpus.grpc_web import BINARY, TEXT, WebAnswer, WebClient, decode, request
from tests.corpus.http1 import Answer, Connection, Request
from tests.support.gateway import Admin, Backend, Gateway, backend, raw_backend
from tests.support.probe_server import Probe
from tests.support.processes import free_port
from tests.support.raw_peer import Handler, RawClient, RawStream, frame, unframe
from tests.support.rpc import PROBE_SERVICE, Stub, eventually

BLOB = bytes.fromhex("0a0161")
FORMS = {"binary": BINARY, "text": TEXT}
HTTP = {"name": "http", "address": "127.0.0.1:0", "protocol": "PROTOCOL_HTTP"}
ORIGIN = "https://foo.client.com"
ASKED = ["origin", "x-something-custom", "x-grpc-web", "accept"]
OF_CLIENTS = [
    *("keep-alive", "user-agent", "cache-control", "content-type", "content-transfer-encoding"),
    *("x-accept-content-transfer-encoding", "x-accept-response-streaming", "x-user-agent", "x-grpc-web"),
    *("grpc-timeout", "authorization"),
]


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    """A gateway with a listener for HTTP."""
    listeners = [{"name": "traffic", "address": "127.0.0.1:0"}, HTTP]
    with Gateway("web-gateway", folder, {"server": {"listeners": listeners}}) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def admin(gateway: Gateway) -> AsyncIterator[Admin]:
    found = Admin(gateway.admin)
    yield found
    await found.channel.close()


@pytest.fixture
def web(gateway: Gateway) -> WebClient:
    """A caller."""
    return WebClient(gateway.http)


@pytest.fixture(params=["binary", "text"])
def form(request: pytest.FixtureRequest) -> str:
    """The content type of a request and, with it, of its response."""
    return FORMS[request.param]


async def echo(stream: RawStream) -> None:
    """Answer with the messages that came."""
    await stream.finished()
    await stream.respond([message for _, message in unframe(bytes(stream.data))])


async def hang(stream: RawStream) -> None:
    """Do not answer."""
    await stream.until(lambda: stream.reset is not None)


def answering(*messages: bytes, **more: Any) -> Handler:
    """Return a handler that answers with these messages, and with what `RawStream.respond` takes besides."""

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond(messages, **more)

    return answer


def trailers_only(status: int, *more: tuple[str, str]) -> Handler:
    """Return a handler that fails at once."""

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        headers = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", str(status)), *more]
        await stream.send_headers(headers, end=True)

    return answer


@contextlib.asynccontextmanager
async def peer(admin: Admin, handler: Handler = echo, **route: Any) -> AsyncIterator[Backend]:
    """An upstream with a method of each shape, and a route that transcodes."""
    fields = {"transcoding": {}, **route}
    async with raw_backend(admin, handler, schema=True, route_fields=fields) as made:
        yield made


def refused_as(answer: Answer, *, http: set[int], grpc: set[int]) -> bool:
    """Whether a refusal is one of these HTTP statuses, or HTTP 200 with one of these gRPC statuses."""
    if answer.status in http:
        return True
    return answer.status == 200 and decode(answer).status in grpc


# 1. Request


async def test_w01_a_binary_request_reaches_the_upstream(admin: Admin, web: WebClient) -> None:
    async with peer(admin) as made:
        answer = await web.call(made.path("Unary"), content_type="application/grpc-web", body=frame(BLOB))
        assert (answer.http.status, answer.status, answer.messages) == (200, 0, [BLOB])
        assert unframe(bytes(made.server.streams[0].data)) == [(0, BLOB)]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/grpc-web-text+proto",
        "Application/gRPC-Web",
        "APPLICATION/GRPC-WEB-TEXT",
        "application/grpc-web; charset=utf-8",
        "application/grpc-web-text+proto;charset=utf-8",
    ],
)
async def test_w02_content_types(admin: Admin, web: WebClient, content_type: str) -> None:
    async with peer(admin) as made:
        answer = await web.call(made.path("Unary"), BLOB, content_type=content_type)
        assert (answer.status, answer.messages) == (0, [BLOB])
        assert answer.http.media_type.startswith("application/grpc-web")


@pytest.mark.parametrize("suffix", ["json", "thrift", "foo"])
async def test_w03_other_message_formats_are_not_taken_for_proto(admin: Admin, web: WebClient, suffix: str) -> None:
    """Choice: UNKNOWN, INTERNAL, UNIMPLEMENTED or HTTP 415."""
    async with peer(admin) as made:
        made_request = request(made.path("Unary"), BLOB, content_type=f"application/grpc-web+{suffix}")
        assert refused_as(await web.send(made_request), http={415}, grpc={2, 12, 13})
        assert made.server.streams == []


async def test_w04_a_text_request(admin: Admin, web: WebClient) -> None:
    async with peer(admin) as made:
        body = b"AAAAABJncnBjLXdlYi10ZXh0LWRhdGE="
        answer = await web.call(made.path("Unary"), content_type="application/grpc-web-text", body=body)
        assert unframe(bytes(made.server.streams[0].data)) == [(0, b"grpc-web-text-data")]
        assert answer.status == 0


@pytest.mark.parametrize("chunk", [None, 1, 2, 3, 5, 7, 11])
async def test_w05_text_in_several_pieces_split_anywhere(admin: Admin, web: WebClient, chunk: int | None) -> None:
    whole = frame(b"\x0a\x03foo") + frame(b"\x0a\x04quux")
    async with peer(admin) as made:
        for first, second in ((1, 2), (2, 9), (5, 10), (4, 4), (10, 15), (8, 11)):
            pieces = (whole[:first], whole[first:second], whole[second:])
            body = b"".join(base64.b64encode(piece) for piece in pieces)
            answer = await web.call(made.path("ClientStream"), content_type=TEXT, body=body, chunk=chunk)
            assert bytes(made.server.streams[-1].data) == whole
            assert answer.http.status == 200


@pytest.mark.parametrize("cut", [1, 2, 3])
async def test_w05_text_cut_within_a_quantum_across_reads(admin: Admin, web: WebClient, cut: int) -> None:
    first, second = frame(b"four"), frame(b"\x0a\x04quux")
    async with peer(admin) as made, Connection(web.address) as connection:
        head, body = request(
            made.path("ClientStream"), body=base64.b64encode(first + second), content_type=TEXT
        ).encode(web.host)
        at = len(base64.b64encode(first)) + cut
        await connection.send(head + body[:at])
        # what is before the cut has been read by itself when the first message is there
        stream = (await eventually(lambda: _true(made.server.streams), what="the call reaches the upstream"))[0]
        await stream.messages(1)
        await connection.send(body[at:])
        await connection.head()
        assert decode(await connection.finish()).status == 0
        assert bytes(stream.data) == first + second


async def test_w06_text_that_is_no_base64(admin: Admin, web: WebClient) -> None:
    async with peer(admin) as made:
        answer = await web.send(request(made.path("Unary"), content_type=TEXT, body=b"****"))
        assert answer.status == 400
        assert made.server.streams == []


async def test_w07_text_without_its_padding(admin: Admin, web: WebClient) -> None:
    """Choice: 400 as Envoy, or taken whole; never a hang and never a short frame."""
    async with peer(admin) as made:
        answer = await web.send(request(made.path("Unary"), content_type=TEXT, body=b"AAAAAAUKA2Zvbw"))
        got = [bytes(stream.data) for stream in made.server.streams if stream.ended]
        if answer.status == 400:
            assert got == []
        else:
            assert (decode(answer).status, got) == (0, [frame(b"\x0a\x03foo")])


async def test_w08_a_frame_cut_short(admin: Admin, web: WebClient, form: str) -> None:
    async with peer(admin) as made:
        short = frame(b"12345")[:-2]
        body = base64.b64encode(short) if form is TEXT else short
        answer = await web.call(made.path("Unary"), content_type=form, body=body)
        assert answer.status in (2, 13)
        assert all(not stream.data for stream in made.server.streams)


@pytest.mark.parametrize("chunk", [None, 1, 4, 1000])
async def test_w09_chunked_and_with_content_length(admin: Admin, web: WebClient, form: str, chunk: int | None) -> None:
    async with peer(admin) as made:
        answer = await web.call(made.path("Unary"), BLOB, content_type=form, chunk=chunk)
        assert (answer.status, answer.messages) == (0, [BLOB])


async def test_w10_the_headers_the_upstream_gets(admin: Admin, web: WebClient, form: str) -> None:
    async with peer(admin) as made:
        await web.call(made.path("Unary"), BLOB, content_type=form)
        stream = made.server.streams[0]
        assert stream.header("content-type") in ("application/grpc", "application/grpc+proto")
        assert stream.values("te") == ["trailers"]
        assert stream.header("content-length") is None
        assert stream.header("connection") is None
        assert stream.header("host") is None
        assert stream.header("transfer-encoding") is None


async def test_w11_headers_of_the_libraries_do_no_harm(admin: Admin, web: WebClient) -> None:
    headers = (("X-Grpc-Web", "1"), ("X-User-Agent", "grpc-web-javascript/0.1"))
    async with peer(admin) as made:
        assert (await web.call(made.path("Unary"), BLOB, headers=headers)).status == 0
        assert (await web.call(made.path("Unary"), BLOB)).status == 0


async def test_w12_the_deadline_of_the_caller(admin: Admin, web: WebClient) -> None:
    async with peer(admin) as made:
        await web.call(made.path("Unary"), BLOB, headers=(("Grpc-Timeout", "1S"),))
        sent = made.server.streams[0].header("grpc-timeout")
        assert sent is not None
        units = {"H": 3600, "M": 60, "S": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9}
        # grpc's own client writes few digits and rounds up; the gateway ends the call in time all the same (W51)
        assert 0 < int(sent[:-1]) * units[sent[-1]] <= 1.05


async def test_w13_metadata(admin: Admin, web: WebClient) -> None:
    headers = (("foo", "bar"), ("foo-bin", "AQID"), ("short-bin", "AQI"))
    async with peer(admin) as made:
        assert (await web.call(made.path("Unary"), BLOB, headers=headers)).status == 0
        stream = made.server.streams[0]
        assert stream.values("foo") == ["bar"]
        assert _binary(stream.header("foo-bin")) == b"\1\2\3"
        assert _binary(stream.header("short-bin")) == b"\1\2"


@pytest.mark.parametrize("method", ["Unary", "ServerStream"])
@pytest.mark.parametrize("messages", [(), (BLOB, BLOB)], ids=["none", "two"])
async def test_w14_another_number_of_messages_than_one(
    admin: Admin, web: WebClient, method: str, messages: tuple[bytes, ...]
) -> None:
    async with peer(admin) as made:
        assert (await web.call(made.path(method), *messages)).status == 12


@pytest.mark.parametrize("verb", ["DELETE", "GET", "PUT"])
async def test_w15_w16_another_verb(admin: Admin, web: WebClient, verb: str) -> None:
    """Choice: 405 with Allow, or UNKNOWN, INTERNAL or UNIMPLEMENTED."""
    async with peer(admin) as made:
        answer = await web.send(request(made.path("Unary"), BLOB, method=verb))
        assert refused_as(answer, http={405}, grpc={2, 12, 13})
        if answer.status == 405:
            assert "POST" in answer.values("allow")
        assert made.server.streams == []


async def test_w17_unknown_method_and_service(
    admin: Admin, web: WebClient, form: str, probes: tuple[Probe, Probe]
) -> None:
    """Choice: UNIMPLEMENTED in trailers, or HTTP 404. A method the schema lacks is the upstream's to refuse."""
    service = PROBE_SERVICE.full_name
    async with backend(admin, [probes[0].address], service=service, route_fields={"transcoding": {}}) as made:
        for path in (made.path("Missing"), "/no.such.Service/Unary"):
            answer = await web.send(request(path, BLOB, content_type=form))
            assert refused_as(answer, http={404}, grpc={12})


async def test_w18_an_unknown_encoding(admin: Admin, web: WebClient) -> None:
    async with peer(admin) as made:
        headers = (("Grpc-Encoding", "foo"),)
        answer = await web.send(request(made.path("Unary"), body=frame(BLOB, flag=1), headers=headers))
        assert refused_as(answer, http={415}, grpc={12})
        assert "gzip" in answer.values("grpc-accept-encoding")


@pytest.mark.parametrize("headers", [(), (("Grpc-Encoding", "identity"),)], ids=["none", "identity"])
async def test_w19_a_compressed_frame_without_an_encoding(
    admin: Admin, web: WebClient, headers: tuple[tuple[str, str], ...]
) -> None:
    async with peer(admin) as made:
        answer = await web.call(made.path("Unary"), body=frame(BLOB, flag=1), headers=headers)
        assert answer.status == 13
        assert all(not stream.data for stream in made.server.streams)


async def test_w20_a_content_type_of_nobody(admin: Admin, web: WebClient) -> None:
    async with peer(admin) as made:
        answer = await web.send(request(made.path("Unary"), BLOB, content_type="image/jpeg"))
        assert answer.status == 415
        assert made.server.streams == []


async def test_w21_client_streaming_and_bidi(admin: Admin, web: WebClient, form: str) -> None:
    """Choice for bidi: served as far as HTTP/1.1 allows, or 505, or UNIMPLEMENTED; it must not hang."""
    async with peer(admin, answering(b"\x0a\x01z")) as made:
        answer = await web.call(made.path("ClientStream"), BLOB, b"", BLOB, content_type=form)
        assert (answer.status, answer.messages) == (0, [b"\x0a\x01z"])
        assert unframe(bytes(made.server.streams[0].data)) == [(0, BLOB), (0, b""), (0, BLOB)]
    async with peer(admin) as made:
        found = await web.send(request(made.path("Bidi"), BLOB, BLOB, content_type=form))
        if found.status == 200 and decode(found).status == 0:
            assert decode(found).messages == [BLOB, BLOB]
        else:
            assert refused_as(found, http={505, 501}, grpc={12})


# 2. Response, binary


@pytest.mark.parametrize("content_type", ["application/grpc-web", "application/grpc-web+proto"])
async def test_w22_a_unary_answer(admin: Admin, web: WebClient, content_type: str) -> None:
    async with peer(admin) as made:
        answer = await web.call(made.path("Unary"), BLOB, content_type=content_type)
        assert answer.http.status == 200
        assert answer.http.media_type in ("application/grpc-web", "application/grpc-web+proto")
        assert answer.frames == [(0, BLOB)]
        assert answer.block is not None


async def test_w23_the_trailer_frame_by_its_bytes(admin: Admin, web: WebClient) -> None:
    async with peer(admin, answering(BLOB, trailers=[("x-a", "1"), ("x-b", "2")])) as made:
        body = (await web.send(request(made.path("Unary"), BLOB))).body
        assert body.startswith(frame(BLOB))
        rest = body[len(frame(BLOB)) :]
        flag, size = struct.unpack(">BI", rest[:5])
        assert (flag, size) == (0x80, len(rest) - 5)
        assert re.fullmatch(rb"(?:[0-9a-z_.-]+: ?[\x20-\x7e]*\r\n)+", rest[5:])


async def test_w24_the_space_after_the_colon(admin: Admin, web: WebClient) -> None:
    """Choice: with or without; one form throughout."""
    async with peer(admin, answering(BLOB, trailers=[("x-a", "1")])) as made:
        block = (await web.call(made.path("Unary"), BLOB)).block
        assert block is not None
        lines = block.split(b"\r\n")[:-1]
        assert len({line.partition(b":")[2].startswith(b" ") for line in lines}) == 1


async def test_w25_trailer_names_are_lower_case(admin: Admin, web: WebClient) -> None:
    async with peer(admin, answering(BLOB, trailers=[("x-custom", "Value")])) as made:
        trailers = (await web.call(made.path("Unary"), BLOB)).trailers
        assert ("x-custom", "Value") in trailers
        assert all(name == name.lower() for name, _ in trailers)


async def test_w26_a_trailer_that_comes_twice(admin: Admin, web: WebClient) -> None:
    more = [("x-custom-trailer", "bing"), ("x-custom-trailer", "quuz")]
    async with peer(admin, answering(BLOB, trailers=more)) as made:
        answer = await web.call(made.path("Unary"), BLOB)
        assert [pair for pair in answer.trailers if pair[0] == "x-custom-trailer"] == more


async def test_w27_binary_trailers(admin: Admin, web: WebClient) -> None:
    found = status_pb2.Status(code=9, message="m")
    found.details.add(type_url="type.example.com/not.known.Here", value=b"\xff")
    status = found.SerializeToString()
    more = [
        ("grpc-message", "m"),
        ("x-data-bin", _unpadded(b"\0\xff")),
        ("grpc-status-details-bin", _unpadded(status)),
    ]
    async with peer(admin, answering(BLOB, status=9, trailers=more)) as made:
        answer = await web.call(made.path("ServerStream"), BLOB)
        assert answer.trailer("x-data-bin") == "AP8"
        assert _binary(answer.trailer("grpc-status-details-bin")) == status
        assert "=" not in (answer.trailer("grpc-status-details-bin") or "")


@pytest.mark.parametrize("sent", ["Hello, %E4%B8%96%E7%95%8C", "one%0D%0Agrpc-status: 0%0Atwo", "100%25"])
async def test_w28_the_status_message_stays_encoded(admin: Admin, web: WebClient, form: str, sent: str) -> None:
    async with peer(admin, answering(BLOB, status=9, trailers=[("grpc-message", sent)])) as made:
        answer = await web.call(made.path("ServerStream"), BLOB, content_type=form)
        assert answer.status == 9
        assert [value for name, value in answer.trailers if name == "grpc-message"] == [sent]
        assert [value for name, value in answer.trailers if name == "grpc-status"] == ["9"]


async def test_w29_an_empty_message(admin: Admin, web: WebClient, form: str) -> None:
    async with peer(admin) as made:
        answer = await web.call(made.path("Unary"), b"", content_type=form)
        assert (answer.frames, answer.status) == ([(0, b"")], 0)


async def test_w30_an_error_at_once(admin: Admin, web: WebClient, form: str) -> None:
    """Choice: in the headers of an empty body, or in a trailer frame; not two statuses that differ."""
    handler = trailers_only(5, ("grpc-message", "gone"), ("x-custom-trailer", "bing"))
    async with peer(admin, handler) as made:
        for method in ("Unary", "ServerStream"):
            answer = await web.call(made.path(method), BLOB, content_type=form)
            assert answer.http.status == 200
            assert (answer.status, answer.trailer("grpc-message"), answer.frames) == (5, "gone", [])
            assert answer.trailer("x-custom-trailer") == "bing"
            assert answer.http.header("grpc-status") in (None, "5")


async def test_w31_an_error_after_the_headers(admin: Admin, web: WebClient) -> None:
    going = asyncio.Event()

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers([(":status", "200"), ("content-type", "application/grpc"), ("x-initial", "1")])
        await going.wait()
        await stream.send_headers([("grpc-status", "9"), ("x-trailing", "2")], end=True)

    async with peer(admin, answer) as made, Connection(web.address) as connection:
        await web.begin(connection, request(made.path("ServerStream"), BLOB))
        head = await connection.head()
        assert head.header("x-initial") == "1"
        assert head.header("grpc-status") is None
        going.set()
        found = decode(await connection.finish())
        assert (found.status, found.trailer("x-trailing"), found.frames) == (9, "2", [])
        assert found.block is not None


async def test_w32_an_error_after_messages(admin: Admin, web: WebClient, form: str) -> None:
    async with peer(admin, answering(BLOB, b"", BLOB, status=8)) as made:
        answer = await web.call(made.path("ServerStream"), BLOB, content_type=form)
        assert (answer.http.status, answer.messages, answer.status) == (200, [BLOB, b"", BLOB], 8)
        assert answer.block is not None


async def test_w33_a_status_in_headers_and_another_in_trailers(admin: Admin, web: WebClient) -> None:
    async with peer(admin, answering(BLOB, headers=[("grpc-status", "8")], status=9)) as made:
        answer = await web.call(made.path("ServerStream"), BLOB)
        assert answer.block is not None
        assert answer.status == 9


async def test_w34_initial_and_trailing_metadata_are_not_mixed(admin: Admin, web: WebClient, form: str) -> None:
    handler = answering(BLOB, headers=[("x-initial", "1")], trailers=[("x-trailing", "2")])
    async with peer(admin, handler) as made:
        for method in ("Unary", "ServerStream"):
            answer = await web.call(made.path(method), BLOB, content_type=form)
            assert answer.http.header("x-initial") == "1"
            assert answer.http.header("x-trailing") is None
            assert ("x-trailing", "2") in answer.trailers
            assert "x-initial" not in dict(answer.trailers)


async def test_w35_the_length_of_the_upstream_is_not_copied(admin: Admin, web: WebClient) -> None:
    upstream = [("content-length", str(len(frame(BLOB)))), ("trailer", "grpc-status")]
    async with peer(admin, answering(BLOB, headers=upstream)) as made:
        answer = await web.call(made.path("Unary"), BLOB)
        assert answer.http.complete
        assert (answer.messages, answer.status) == ([BLOB], 0)
        assert answer.http.header("trailer") is None
        assert answer.http.header("content-length") in (None, str(len(answer.http.body)))


async def test_w36_a_message_is_flushed_when_it_comes(admin: Admin, web: WebClient, form: str) -> None:
    going = asyncio.Event()

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers([(":status", "200"), ("content-type", "application/grpc")])
        await stream.send(frame(BLOB))
        await going.wait()
        await stream.send(frame(b""))
        await stream.send_headers([("grpc-status", "0")], end=True)

    async with peer(admin, answer) as made, Connection(web.address) as connection:
        await web.begin(connection, request(made.path("ServerStream"), BLOB, content_type=form))
        await connection.head()
        pieces = connection.chunks()
        while not decode(connection.answer).frames:
            await anext(pieces)
        assert not going.is_set()
        going.set()
        async for _ in pieces:
            pass
        found = decode(connection.answer)
        assert (found.messages, found.status) == ([BLOB, b""], 0)


@pytest.mark.parametrize("offer", [False, True], ids=["not offered", "offered"])
async def test_w37_a_compressed_answer(admin: Admin, web: WebClient, offer: bool) -> None:
    """Choice when gzip was offered: passed on or not. When it was not, it has to be decompressed."""
    packed = gzip.compress(BLOB)

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        headers = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")]
        await stream.send_headers(headers)
        await stream.send(frame(packed, flag=1))
        await stream.send_headers([("grpc-status", "0")], end=True)

    async with peer(admin, answer) as made:
        headers = (("Grpc-Accept-Encoding", "gzip"),) if offer else ()
        found = await web.call(made.path("Unary"), BLOB, headers=headers)
        assert found.status == 0
        (flag, payload) = found.frames[0]
        if flag:
            assert offer
            assert found.http.header("grpc-encoding") == "gzip"
            payload = gzip.decompress(payload)
        assert payload == BLOB


# 3. Response, text


async def test_w38_a_text_answer(admin: Admin, web: WebClient) -> None:
    async with peer(admin) as made:
        headers = (("Accept", "application/grpc-web-text"),)
        for content_type in ("application/grpc-web-text", TEXT):
            answer = await web.call(made.path("Unary"), BLOB, content_type=content_type, headers=headers)
            assert answer.http.media_type in ("application/grpc-web-text", TEXT)
            assert (answer.messages, answer.status) == ([BLOB], 0)


async def test_w39_the_answer_has_the_form_of_accept(admin: Admin, web: WebClient) -> None:
    async with peer(admin) as made:
        headers = (("Accept", "application/grpc-web-text"),)
        answer = await web.call(made.path("Unary"), BLOB, content_type=BINARY, headers=headers)
        assert answer.http.media_type.startswith("application/grpc-web-text")
        assert (answer.messages, answer.status) == ([BLOB], 0)


@pytest.mark.parametrize("accept", [None, "*/*"])
async def test_w40_a_text_request_without_a_wish(admin: Admin, web: WebClient, accept: str | None) -> None:
    """Choice: ours is text, as improbable's and the practice of the conformance suite."""
    async with peer(admin) as made:
        headers = () if accept is None else (("Accept", accept),)
        answer = await web.call(made.path("Unary"), BLOB, content_type=TEXT, headers=headers)
        assert answer.http.media_type.startswith("application/grpc-web-text")
        assert (answer.messages, answer.status) == ([BLOB], 0)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5])
async def test_w41_no_message_waits_for_alignment(admin: Admin, web: WebClient, size: int) -> None:
    message = b"x" * size
    going = asyncio.Event()

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers([(":status", "200"), ("content-type", "application/grpc")])
        await stream.send(frame(message))
        await going.wait()
        await stream.send_headers([("grpc-status", "0")], end=True)

    async with peer(admin, answer) as made, Connection(web.address) as connection:
        await web.begin(connection, request(made.path("ServerStream"), BLOB, content_type=TEXT))
        await connection.head()
        pieces = connection.chunks()
        await anext(pieces)
        assert decode(connection.answer).messages == [message]
        going.set()
        async for _ in pieces:
            pass
        assert decode(connection.answer).status == 0


async def test_w42_the_trailer_frame_is_text_too(admin: Admin, web: WebClient) -> None:
    async with peer(admin) as made:
        answer = await web.send(request(made.path("Unary"), BLOB, content_type=TEXT))
        assert re.fullmatch(rb"[A-Za-z0-9+/=]+", answer.body)
        assert decode(answer).block is not None


async def test_w43_binary_trailers_in_the_text_form(admin: Admin, web: WebClient) -> None:
    """Choice: ours are base64 as in the binary form, which is what every client's library reads."""
    async with peer(admin, answering(BLOB, trailers=[("x-data-bin", _unpadded(b"\0\xff"))])) as made:
        answer = await web.call(made.path("Unary"), BLOB, content_type=TEXT)
        assert answer.trailer("x-data-bin") == "AP8"


async def test_w44_no_content_transfer_encoding(admin: Admin, web: WebClient) -> None:
    async with peer(admin) as made:
        answer = await web.send(request(made.path("Unary"), BLOB, content_type=TEXT))
        assert answer.header("content-transfer-encoding") is None


async def test_w45_an_error_at_once_in_the_text_form(admin: Admin, web: WebClient) -> None:
    async with peer(admin, trailers_only(5)) as made:
        answer = await web.send(request(made.path("Unary"), BLOB, content_type=TEXT))
        if answer.header("grpc-status") is not None:
            assert answer.body == b""
        assert decode(answer).status == 5
        assert b"AAAAAAA=" not in answer.body


# 4. Upstream trouble


async def test_w46_an_upstream_that_is_no_grpc_server(admin: Admin, web: WebClient, form: str) -> None:
    """Choice of the text; the shape is that of gRPC-Web, never the upstream's page."""

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers([(":status", "400"), ("content-type", "text/plain")])
        await stream.send(b"<html>bad</html>", end=True)

    async with peer(admin, answer) as made:
        found = await web.call(made.path("Unary"), BLOB, content_type=form)
        assert found.http.media_type.startswith("application/grpc-web")
        assert (found.status, found.frames) == (13, [])
        assert b"<html>" not in found.http.body


async def test_w47_an_upstream_that_is_not_there(admin: Admin, web: WebClient, form: str) -> None:
    """Choice: HTTP 200 or 503."""
    dead = f"127.0.0.1:{free_port()}"
    async with backend(admin, [dead], schema=True, route_fields={"transcoding": {}}) as made:
        answer = await web.call(made.path("Unary"), BLOB, content_type=form)
        assert answer.http.status in (200, 503)
        assert answer.http.media_type.startswith("application/grpc-web")
        assert (answer.status, answer.frames) == (14, [])


async def test_w48_an_upstream_that_dies_in_the_middle(admin: Admin, web: WebClient, form: str) -> None:
    dying = asyncio.Event()

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.send_headers([(":status", "200"), ("content-type", "application/grpc")])
        await stream.send(frame(BLOB))
        await dying.wait()
        stream.connection.writer.close()

    async with peer(admin, answer) as made, Connection(web.address) as connection:
        await web.begin(connection, request(made.path("ServerStream"), BLOB, content_type=form))
        await connection.head()
        pieces = connection.chunks()
        while not decode(connection.answer).frames:
            await anext(pieces)
        dying.set()
        async for _ in pieces:
            pass
        found = connection.answer
        if found.complete:
            assert decode(found).block is not None
            assert decode(found).status in (13, 14)


@pytest.mark.parametrize("method", ["Unary", "ServerStream"])
async def test_w49_an_answer_without_a_status(admin: Admin, web: WebClient, method: str) -> None:
    async with peer(admin, answering(BLOB, status=None, trailers=[("x-a", "1")])) as made:
        assert (await web.call(made.path(method), BLOB)).status in (2, 13)


@pytest.mark.parametrize("method", ["Unary", "ServerStream"])
async def test_w50_the_caller_goes_away(admin: Admin, web: WebClient, method: str) -> None:
    async with peer(admin, hang) as made, Connection(web.address) as connection:
        await web.begin(connection, request(made.path(method), BLOB))
        stream = (await eventually(lambda: _true(made.server.streams), what="the call reaches the upstream"))[0]
        connection.abort()
        await stream.until(lambda: stream.reset is not None, within=1)


@pytest.mark.parametrize("method", ["Unary", "ServerStream"])
async def test_w51_the_deadline_passes(admin: Admin, web: WebClient, form: str, method: str) -> None:
    async with peer(admin, hang) as made:
        headers = (("Grpc-Timeout", "100m"),)
        answer = await web.call(made.path(method), BLOB, content_type=form, headers=headers)
        assert answer.status == 4


# 5. CORS


@contextlib.asynccontextmanager
async def cors(admin: Admin, handler: Handler = echo, **fields: Any) -> AsyncIterator[Backend]:
    """An upstream whose route lets pages of `ORIGIN` call."""
    policies = Stub(admin.channel, policy_service_pb2.DESCRIPTOR.services_by_name["PolicyService"])
    policy = {
        "cors": {
            "allow_origins": [ORIGIN],
            "allow_headers": [*ASKED, *OF_CLIENTS],
            "expose_headers": ["x-initial"],
            "allow_credentials": True,
        }
    }
    made = json_format.ParseDict(policy, policy_pb2.Policy())
    await policies.CreatePolicy(policy_service_pb2.CreatePolicyRequest(policy_id="web-cors", policy=made), timeout=20)
    try:
        async with peer(admin, handler, policies=["policies/web-cors"], **fields) as found:
            yield found
    finally:
        await policies.DeletePolicy(policy_service_pb2.DeletePolicyRequest(name="policies/web-cors"), timeout=20)


def preflight(path: str, *headers: str, origin: str = ORIGIN, method: str = "POST") -> Request:
    """Return what a browser asks before a call."""
    asked = (("Access-Control-Request-Headers", ", ".join(headers)),) if headers else ()
    return Request("OPTIONS", path, (("Origin", origin), ("Access-Control-Request-Method", method), *asked))


def cors_headers(answer: Answer) -> dict[str, str]:
    """Return what a browser reads about other origins."""
    return {name: value for name, value in answer.headers if name.startswith("access-control-")}


async def test_w52_an_allowed_preflight(admin: Admin, web: WebClient) -> None:
    async with cors(admin) as made:
        answer = await web.send(preflight(made.path("Unary"), *ASKED))
        assert answer.status in (200, 204)
        found = cors_headers(answer)
        assert found["access-control-allow-origin"] == ORIGIN
        assert "POST" in answer.values("access-control-allow-methods")
        assert set(ASKED) <= {name.lower() for name in answer.values("access-control-allow-headers")}
        assert int(found["access-control-max-age"]) > 0
        assert found["access-control-allow-credentials"] == "true"
        assert "origin" in [name.lower() for name in answer.values("vary")]


async def test_w53_a_preflight_of_another_origin(admin: Admin, web: WebClient) -> None:
    async with cors(admin) as made:
        answer = await web.send(preflight(made.path("Unary"), *ASKED, origin="https://evil.example.com"))
        assert cors_headers(answer) == {}
        assert made.server.streams == []


async def test_w54_options_that_is_no_preflight_is_routed(admin: Admin, web: WebClient) -> None:
    rules: list[dict[str, Any]] = [{"custom": {"kind": "OPTIONS", "path": "/w54"}}]
    transcoding: dict[str, Any] = {"rules": rules}
    async with cors(admin, transcoding={}) as made:
        rules[0]["selector"] = f"{made.service}.Unary"
        name = f"w54-{made.route.partition('/')[2]}"
        match = {"matches": [{"hosts": ["w54.test"], "grpc": {"service": made.service}}]}
        upstream = made.upstream.partition("/")[2]
        await admin.create_route(name, made.service, upstream, transcoding=transcoding, **match)
        try:
            answer = await WebClient(web.address, "w54.test").send(Request("OPTIONS", "/w54", (("Origin", ORIGIN),)))
            assert answer.status == 200
            assert len(made.server.streams) == 1
        finally:
            await admin.delete(f"routes/{name}")


async def test_w55_a_preflight_never_reaches_the_upstream(admin: Admin, web: WebClient) -> None:
    async with cors(admin) as made:
        for origin in (ORIGIN, "https://evil.example.com"):
            await web.send(preflight(made.path("Unary"), "authorization", origin=origin))
        assert made.server.streams == []
        assert (await web.call(made.path("Unary"), BLOB, headers=(("Origin", ORIGIN),))).status == 0
        assert len(made.server.streams) == 1


async def test_w56_an_actual_answer(admin: Admin, web: WebClient) -> None:
    async with cors(admin, answering(BLOB, headers=[("x-initial", "1")])) as made:
        answer = await web.call(made.path("Unary"), BLOB, headers=(("Origin", ORIGIN),))
        assert answer.status == 0
        assert answer.http.header("access-control-allow-origin") == ORIGIN
        exposed = {name.lower() for name in answer.http.values("access-control-expose-headers")}
        assert {"grpc-status", "grpc-message", "grpc-status-details-bin", "x-initial"} <= exposed
        assert "origin" in [name.lower() for name in answer.http.values("vary")]


async def test_w57_refusals_of_the_gateway_carry_the_same_headers(admin: Admin, web: WebClient) -> None:
    origin = (("Origin", ORIGIN),)
    async with cors(admin) as made:
        for made_request in (
            request(made.path("Unary"), BLOB, content_type="image/jpeg", headers=origin),
            request(made.path("Unary"), content_type=TEXT, body=b"****", headers=origin),
            request(made.path("Missing"), BLOB, headers=origin),
            request(made.path("Unary"), BLOB, method="DELETE", headers=origin),
        ):
            answer = await web.send(made_request)
            assert answer.header("access-control-allow-origin") == ORIGIN, (made_request, answer)
        made.server.streams.clear()
    async with cors(admin, trailers_only(14)) as made:
        answer = await web.send(request(made.path("Unary"), BLOB, headers=origin))
        assert answer.header("access-control-allow-origin") == ORIGIN


async def test_w58_a_preflight_for_an_unknown_method_is_answered(admin: Admin, web: WebClient) -> None:
    """Choice: any answer but a hang; ours never reaches an upstream."""
    async with cors(admin) as made:
        for path in (made.path("Missing"), "/no.such.Service/Unary"):
            assert (await web.send(preflight(path, *ASKED), within=5)).status < 600
        assert made.server.streams == []


async def test_w59_the_headers_the_libraries_send(admin: Admin, web: WebClient) -> None:
    async with cors(admin) as made:
        answer = await web.send(preflight(made.path("Unary"), *OF_CLIENTS))
        assert set(OF_CLIENTS) <= {name.lower() for name in answer.values("access-control-allow-headers")}


async def test_w60_three_callers_of_one_path(admin: Admin, web: WebClient, gateway: Gateway) -> None:
    """Told apart by content type. gRPC has the port for HTTP/2 until the wire engine puts everything on one."""
    async with peer(admin, transcoding={"rpc_paths": True}) as made, RawClient(gateway.traffic) as native:
        path = made.path("Unary")
        stream = await native.call(path, BLOB)
        assert (stream.grpc_status, unframe(bytes(stream.data))) == (0, [(0, BLOB)])
        answer: WebAnswer = await web.call(path, BLOB)
        assert (answer.status, answer.messages) == (0, [BLOB])
        headers = (("Content-Type", "application/json"),)
        found = await web.send(Request("POST", path, headers, b'{"data":"YQ=="}'))
        assert (found.status, found.media_type, found.body) == (200, "application/json", b'{"data":"YQ=="}')
        assert [unframe(bytes(one.data)) for one in made.server.streams] == [[(0, BLOB)]] * 3


async def _true(found: Any) -> Any:
    return found


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _binary(text: str | None) -> bytes:
    assert text is not None
    return base64.b64decode(text + "=" * (-len(text) % 4))
