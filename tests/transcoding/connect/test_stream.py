"""Streams of Connect (Connect protocol, "Streaming RPCs")."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from bookstore.v1 import bookstore_pb2
from edge.model.call import Protocol, StatusSource
from edge.model.config import DirectResponse
from edge.model.errors import NoRoute
from edge.model.http import HttpRequest
from edge.model.status import Code, Detail
from tests.support.http_exchange import MemoryExchange, Refuse, Talk
from tests.support.played_upstream import Peer, Play, PlayedUpstream, echo, failing
from tests.transcoding.connect.books import BIDI, CLIENT_STREAM, SERVER_STREAM, UNARY, offer_of, post
from transcoding.connect import connect_responder
from transcoding.framing import FrameDecoder, frame

JSON = "application/connect+json"
PROTO = "application/connect+proto"
STREAMS = [SERVER_STREAM, CLIENT_STREAM, BIDI]
ENDED = (2, b"{}")


def talk(request: HttpRequest, upstream: PlayedUpstream | Play = echo, body: Iterable[bytes] = (), **more: Any) -> Talk:
    responder = connect_responder(request, offer_of(request.path.rpartition("/")[2]))
    assert responder is not None
    return Talk(request, responder, upstream, body=body, protocol=Protocol.CONNECT, **more)


def frames(exchange: MemoryExchange) -> list[tuple[int, bytes]]:
    """Return the frames of an answer, which must be whole: the end of the stream is the last one and the only one."""
    assert exchange.finished
    decoder = FrameDecoder(1 << 24)
    decoder.feed(exchange.body)
    found = []
    while (each := decoder.take()) is not None:
        found.append(each)
    decoder.end()
    assert [flags & 2 for flags, _ in found] == [0] * (len(found) - 1) + [2]
    return found


def end_of(exchange: MemoryExchange) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(frames(exchange)[-1][1])
    return found


def code_of(exchange: MemoryExchange) -> str:
    assert exchange.status == 200
    code: str = end_of(exchange)["error"]["code"]
    return code


def sending(*messages: bytes, end: Exception | None = None, trailing: Any = ()) -> Play:
    async def play(peer: Peer) -> None:
        await peer.write(*messages) if messages else None
        peer.trailing = trailing
        if end is not None:
            raise end

    return play


def book(title: str) -> bytes:
    return bookstore_pb2.Book(title=title).SerializeToString()


@pytest.mark.parametrize("method", STREAMS)
async def test_proto_passes_untouched(method: str) -> None:
    call = talk(post(method, PROTO), body=[frame(0, b"\xff no protobuf")])
    finished = await call.run()
    assert call.upstream.requests == [b"\xff no protobuf"]
    assert call.exchange.status == 200
    assert call.exchange.headers == [("content-type", PROTO)]
    assert frames(call.exchange) == [(0, b"\xff no protobuf"), ENDED]
    assert finished.code is Code.OK


async def test_json_both_ways() -> None:
    async def play(peer: Peer) -> None:
        while (message := await peer.read()) is not None:
            request = bookstore_pb2.RecommendBooksRequest.FromString(message)
            answer = bookstore_pb2.RecommendBooksResponse(book=bookstore_pb2.Book(title=request.subject))
            await peer.write(answer.SerializeToString())

    call = talk(post(BIDI, JSON), play, [frame(0, b'{"subject":"sea"}') + frame(0, b'{"subject":"\xc3\xa9"}')])
    await call.run()
    assert [each for each in frames(call.exchange) if each != ENDED] == [
        (0, b'{"book":{"title":"sea"}}'),
        (0, '{"book":{"title":"é"}}'.encode()),
    ]


@pytest.mark.parametrize("method", STREAMS)
async def test_bytes_may_come_one_by_one(method: str) -> None:
    body = frame(0, b"abc")
    call = talk(post(method, PROTO), body=[body[place : place + 1] for place in range(len(body))])
    await call.run()
    assert frames(call.exchange) == [(0, b"abc"), ENDED]


async def test_trailing_metadata_is_in_the_last_frame() -> None:
    trailing = (("x-a", "1"), ("x-b-bin", b"\xfb\xff"), ("x-a", "2"), ("connect-x", "no"), ("grpc-x", "no"))

    async def play(peer: Peer) -> None:
        peer.begin(("x-initial", "i"), ("connect-content-encoding", "no"))
        peer.trailing = trailing
        await peer.write(book("t"))

    call = talk(post(SERVER_STREAM, PROTO), play, [frame(0, b"")])
    await call.run()
    assert call.exchange.headers == [("content-type", PROTO), ("x-initial", "i")]
    assert end_of(call.exchange) == {"metadata": {"x-a": ["1", "2"], "x-b-bin": ["+/8"]}}


@pytest.mark.parametrize("messages", [[], [b"1", b"2"]])
@pytest.mark.parametrize("method", STREAMS)
async def test_a_failure_is_in_the_last_frame_whenever_it_comes(method: str, messages: list[bytes]) -> None:
    details = (Detail("type.googleapis.com/no.such.Type", b"\1"),)
    end = failing(Code.UNAVAILABLE, "overloaded", (("x-t", "1"),), details=details)
    call = talk(post(method, PROTO), sending(*messages, end=end), [frame(0, b"")])
    finished = await call.run()
    assert call.exchange.status == 200
    assert frames(call.exchange)[:-1] == [(0, message) for message in messages]
    assert end_of(call.exchange) == {
        "error": {
            "code": "unavailable",
            "message": "overloaded",
            "details": [{"type": "no.such.Type", "value": "AQ"}],
        },
        "metadata": {"x-t": ["1"]},
    }
    assert (finished.code, finished.source) == (Code.UNAVAILABLE, StatusSource.UPSTREAM)


async def test_a_refusal_of_the_gateway_is_in_the_last_frame() -> None:
    call = talk(post(BIDI, JSON), admissions=[Refuse(NoRoute("nothing here"))])
    await call.run()
    assert code_of(call.exchange) == "unimplemented"


@pytest.mark.parametrize(
    ("request_", "taken"),
    [
        (post(BIDI, "application/connect+xml"), "application/connect+json, application/connect+proto"),
        (post(UNARY, PROTO), "application/json, application/proto"),
    ],
)
async def test_a_content_type_that_is_not_taken(request_: HttpRequest, taken: str) -> None:
    call = talk(request_, body=[frame(0, b"")])
    await call.run()
    assert call.exchange.status == 415
    assert call.exchange.header("accept-post") == taken
    assert call.exchange.header("content-type") == "application/json"
    assert orjson.loads(call.exchange.body)["code"] == "unimplemented"


async def test_another_verb() -> None:
    call = talk(post(BIDI, PROTO, verb="PUT"))
    await call.run()
    assert (call.exchange.status, call.exchange.header("allow")) == (405, "POST")


async def test_another_version() -> None:
    call = talk(post(BIDI, PROTO, ("connect-protocol-version", "2")))
    await call.run()
    assert code_of(call.exchange) == "invalid_argument"


@pytest.mark.parametrize(("body", "words"), [(b"", "none"), (frame(0, b"") * 2, "more")])
async def test_a_server_stream_takes_exactly_one_message(body: bytes, words: str) -> None:
    call = talk(post(SERVER_STREAM, PROTO), body=[body])
    await call.run()
    assert code_of(call.exchange) == "unimplemented"
    assert words in end_of(call.exchange)["error"]["message"]
    assert call.upstream.calls == 0


@pytest.mark.parametrize("method", STREAMS)
@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (frame(0, b"whole")[:-1], (), "invalid_argument"),
        (b"\0\0", (), "invalid_argument"),
        (frame(2, b"{}"), (), "invalid_argument"),
        (frame(4, b"x"), (), "invalid_argument"),
        (frame(1, gzip.compress(b"x")), (), "internal"),
        (frame(1, gzip.compress(b"x")), (("connect-content-encoding", "identity"),), "internal"),
        (frame(1, b"no gzip"), (("connect-content-encoding", "gzip"),), "invalid_argument"),
        (frame(1, gzip.compress(bytes(1 << 24))), (("connect-content-encoding", "gzip"),), "resource_exhausted"),
        (frame(0, b"x"), (("connect-content-encoding", "br"),), "unimplemented"),
        (frame(0, bytes(1001)), (), "resource_exhausted"),
        (b"\0\xff\xff\xff\xff", (), "resource_exhausted"),
    ],
)
async def test_frames_that_break_the_rules_are_never_forwarded(
    method: str, body: bytes, headers: tuple[tuple[str, str], ...], code: str
) -> None:
    for length in ((), (("content-length", str(len(body))),)):
        call = talk(post(method, PROTO, *headers, *length), body=[body], limit=1000)
        finished = await call.run()
        assert code_of(call.exchange) == code
        assert call.upstream.requests == []
        assert finished.source is StatusSource.GATEWAY
        assert call.upstream.calls == 0 or not length


@pytest.mark.parametrize("method", STREAMS)
@pytest.mark.parametrize("message", [b"", b"{", b'{"nope": 1}', b"[]"])
async def test_json_that_does_not_fit(method: str, message: bytes) -> None:
    call = talk(post(method, JSON), body=[frame(0, message)])
    finished = await call.run()
    assert code_of(call.exchange) == "invalid_argument"
    assert finished.call.reason == "TRANSCODING_FAILED"
    assert call.upstream.requests == []


async def test_json_that_does_not_fit_comes_behind_what_did() -> None:
    async def play(peer: Peer) -> None:
        while await peer.read() is not None:
            await peer.write(b"")

    call = talk(post(BIDI, JSON), play, ended=False).start()
    call.exchange.say(frame(0, b"{}"))
    await call.exchange.until(lambda exchange: len(exchange.chunks) == 1)
    call.exchange.say(frame(0, b"{"))
    await call.run()
    assert frames(call.exchange)[0] == (0, b"{}")
    assert code_of(call.exchange) == "invalid_argument"


async def test_an_answer_that_is_no_message_of_its_type() -> None:
    call = talk(post(SERVER_STREAM, JSON), sending(book("good"), b"\xff\xff"), [frame(0, b"{}")])
    await call.run()
    assert frames(call.exchange)[0] == (0, b'{"title":"good"}')
    assert code_of(call.exchange) == "internal"


@pytest.mark.parametrize("method", STREAMS)
async def test_compressed_requests_are_forwarded_plain(method: str) -> None:
    request = post(method, PROTO, ("connect-content-encoding", "gzip"), ("connect-accept-encoding", "identity"))
    call = talk(request, body=[frame(1, gzip.compress(b"abc"))])
    await call.run()
    assert call.upstream.requests == [b"abc"]
    assert frames(call.exchange) == [(0, b"abc"), ENDED]


@pytest.mark.parametrize(
    ("headers", "compressed"),
    [
        ([("connect-accept-encoding", "gzip")], True),
        ([("connect-accept-encoding", "br")], False),
        ([("connect-content-encoding", "gzip")], True),
        ([("accept-encoding", "gzip")], False),
        ([], False),
    ],
)
async def test_large_answers_are_compressed_when_the_caller_reads_it(
    headers: list[tuple[str, str]], compressed: bool
) -> None:
    call = talk(post(SERVER_STREAM, PROTO, *headers), sending(b"x" * 2000, b"small"), [frame(0, b"")])
    await call.run()
    assert call.exchange.header("connect-content-encoding") == ("gzip" if compressed else None)
    (flags, large), small, end = frames(call.exchange)
    assert (flags, gzip.decompress(large) if compressed else large) == (1 if compressed else 0, b"x" * 2000)
    assert (small, end) == ((0, b"small"), ENDED)


async def test_requests_and_answers_alternate() -> None:
    call = talk(post(BIDI, PROTO), ended=False).start()
    for number in range(1, 6):
        call.exchange.say(frame(0, b"%d" % number))
        await call.exchange.until(lambda exchange: len(exchange.chunks) == number)  # noqa: B023 - awaited at once
        assert call.exchange.chunks[-1] == frame(0, b"%d" % number)
    call.exchange.end()
    await call.run()
    assert frames(call.exchange)[-1] == ENDED


async def test_an_upstream_that_ends_early_ends_the_call() -> None:
    call = talk(post(CLIENT_STREAM, PROTO), sending(b"enough"), ended=False)
    await call.run()
    assert frames(call.exchange) == [(0, b"enough"), ENDED]


@pytest.mark.parametrize("method", STREAMS)
async def test_a_caller_that_leaves_ends_the_call(method: str) -> None:
    call = talk(post(method, PROTO), ended=False).start()
    call.exchange.say(frame(0, b"abc")[:-1])
    call.exchange.leave()
    finished = await call.run()
    assert (finished.code, finished.source) == (Code.CANCELLED, StatusSource.CALLER)
    assert not call.exchange.finished


@pytest.mark.parametrize("method", STREAMS)
async def test_a_cancelled_call_is_cancelled_upstream(method: str) -> None:
    async def play(peer: Peer) -> None:
        await peer.read()
        await asyncio.Event().wait()

    call = talk(post(method, PROTO), play, [frame(0, b"")], ended=method == SERVER_STREAM).start()
    async with asyncio.timeout(5):
        while not call.upstream.requests:
            await asyncio.sleep(0)
    assert call.task is not None
    call.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.task
    assert call.finished[0].code is Code.CANCELLED
    assert all(stream.closed for stream in call.upstream.streams)


@pytest.mark.parametrize(("kind", "empty"), [(PROTO, b""), (JSON, b"{}")])
@pytest.mark.parametrize("method", STREAMS)
async def test_a_route_that_answers_by_itself(method: str, kind: str, empty: bytes) -> None:
    call = talk(post(method, kind), direct=DirectResponse(code=Code.OK))
    await call.run()
    assert frames(call.exchange) == [(0, empty), ENDED]
    call = talk(post(method, kind), direct=DirectResponse(code=Code.PERMISSION_DENIED, message="closed"))
    await call.run()
    assert code_of(call.exchange) == "permission_denied"
