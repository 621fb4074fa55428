"""Unary calls of Connect (Connect protocol, "Unary RPCs")."""

from __future__ import annotations

import asyncio
import gzip
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from bookstore.v1 import bookstore_pb2
from edge.model.call import Protocol, StatusSource
from edge.model.config import DirectResponse
from edge.model.errors import NoRoute, RedirectReply
from edge.model.http import HttpRequest
from edge.model.status import Code, Detail
from tests.support.http_exchange import MemoryExchange, Refuse, Talk
from tests.support.played_upstream import Peer, Play, PlayedUpstream, failing
from tests.transcoding.connect.books import (
    ASK,
    ASK_JSON,
    CHANGES,
    CONNECT_HTTP_STATUS,
    SERVER_STREAM,
    SHELF,
    SHELF_JSON,
    UNARY,
    get,
    offer_of,
    post,
)
from transcoding.connect import connect_responder
from transcoding.render import CONNECT_CODES

JSON = "application/json"
PROTO = "application/proto"


def talk(
    request: HttpRequest, upstream: PlayedUpstream | Play | None = None, body: Iterable[bytes] = (), **more: Any
) -> Talk:
    offer = offer_of(request.path.rpartition("/")[2])
    responder = connect_responder(request, offer)
    assert responder is not None
    return Talk(request, responder, upstream or answering(), body=body, protocol=Protocol.CONNECT, **more)


def answering(
    message: bytes = SHELF.SerializeToString(), trailing: Any = (), *initial: tuple[str, str | bytes]
) -> Play:
    async def play(peer: Peer) -> None:
        await peer.read()
        peer.begin(*initial)
        peer.trailing = trailing
        await peer.write(message)

    return play


def ending(error: Exception, *initial: tuple[str, str | bytes]) -> Play:
    async def play(peer: Peer) -> None:
        raise error

    return play


def error_of(exchange: MemoryExchange) -> dict[str, Any]:
    assert exchange.finished
    assert exchange.header("content-type") == "application/json"
    found: dict[str, Any] = orjson.loads(exchange.body)
    return found


@pytest.mark.parametrize(
    ("kind", "sent", "expected"),
    [
        (JSON, ASK_JSON, SHELF_JSON),
        ("application/json; charset=utf-8", ASK_JSON, SHELF_JSON),
        ('application/json;charset="UTF-8"', b'{ "name": "shelves/1" }', SHELF_JSON),
        (PROTO, ASK.SerializeToString(), SHELF.SerializeToString()),
    ],
)
@pytest.mark.parametrize("version", ["", "1"])
async def test_one_message_each_way(kind: str, sent: bytes, expected: bytes, version: str) -> None:
    call = talk(post(UNARY, kind, ("connect-protocol-version", version)), body=[sent[:3], sent[3:]])
    finished = await call.run()
    assert call.upstream.requests == [ASK.SerializeToString()]
    assert call.exchange.status == 200
    assert call.exchange.headers == [("content-type", kind.partition(";")[0])]
    assert call.exchange.body == expected
    assert finished.code is Code.OK


async def test_proto_passes_untouched() -> None:
    call = talk(post(UNARY, PROTO), answering(b"\xff\xff not protobuf"), [b"\xff nor this"])
    await call.run()
    assert call.upstream.requests == [b"\xff nor this"]
    assert call.exchange.body == b"\xff\xff not protobuf"


@pytest.mark.parametrize(
    "query",
    [
        f"connect=v1&encoding=json&message={quote(ASK_JSON)}",
        f"message={quote(ASK_JSON)}&encoding=json",
        f"connect=v1&encoding=json&base64=1&message={urlsafe_b64encode(ASK_JSON).decode().rstrip('=')}",
        "connect=v1&encoding=json&compression=gzip&base64=1&message="
        + quote(urlsafe_b64encode(gzip.compress(ASK_JSON)).decode()),
    ],
)
async def test_a_get_carries_the_message_in_its_query(query: str) -> None:
    call = talk(get(UNARY, query))
    await call.run()
    assert call.upstream.requests == [ASK.SerializeToString()]
    assert call.exchange.body == SHELF_JSON
    assert call.exchange.header("vary") == "Accept-Encoding"


async def test_a_get_of_proto() -> None:
    message = urlsafe_b64encode(ASK.SerializeToString()).decode()
    call = talk(get(UNARY, f"connect=v1&encoding=proto&base64=1&message={message}"))
    await call.run()
    assert call.exchange.header("content-type") == PROTO
    assert call.exchange.body == SHELF.SerializeToString()


@pytest.mark.parametrize("method", [CHANGES, SERVER_STREAM])
async def test_a_get_may_not_change_anything_nor_stream(method: str) -> None:
    call = talk(get(method, "connect=v1&encoding=json&message=%7B%7D"))
    await call.run()
    assert call.exchange.status == 405
    assert call.exchange.header("allow") == "POST"
    assert error_of(call.exchange)["code"] == "unimplemented"
    assert call.upstream.calls == 0


async def test_another_verb_names_those_that_do() -> None:
    call = talk(post(UNARY, PROTO, verb="PUT"))
    await call.run()
    assert (call.exchange.status, call.exchange.header("allow")) == (405, "GET, POST")
    call = talk(post(CHANGES, PROTO, verb="PUT"))
    await call.run()
    assert (call.exchange.status, call.exchange.header("allow")) == (405, "POST")


@pytest.mark.parametrize(
    ("request_", "place"),
    [
        (post(UNARY, JSON, ("connect-protocol-version", "2")), "header connect-protocol-version"),
        (post(UNARY, JSON, ("connect-protocol-version", "1, 1")), "header connect-protocol-version"),
        (get(UNARY, "connect=v2&encoding=json&message=%7B%7D"), "query connect"),
        (get(UNARY, "connect=v1&message=%7B%7D"), "query encoding"),
        (get(UNARY, "connect=v1&encoding=json"), "query message"),
        (get(UNARY, "connect=v1&encoding=json&message=***&base64=1"), "query message"),
    ],
)
async def test_what_is_wrong_with_a_request_is_an_invalid_argument(request_: HttpRequest, place: str) -> None:
    call = talk(request_, body=[ASK_JSON])
    await call.run()
    assert call.exchange.status == 400
    error = error_of(call.exchange)
    assert error["code"] == "invalid_argument"
    assert place in error["message"]
    assert error["details"][1]["type"] == "google.rpc.BadRequest"
    assert error["details"][1]["debug"]["fieldViolations"][0]["field"] == place
    assert call.upstream.calls == 0


@pytest.mark.parametrize(
    ("request_", "shown"),
    [
        (post(UNARY, "application/xml", ("connect-protocol-version", "1")), "application/xml"),
        (post(UNARY, "application/json; charset=latin-1"), "charset=latin-1"),
        (get(UNARY, "connect=v1&encoding=xml&message="), "xml"),
    ],
)
async def test_an_unknown_codec_is_answered_with_those_that_are_known(request_: HttpRequest, shown: str) -> None:
    call = talk(request_, body=[ASK_JSON])
    await call.run()
    assert call.exchange.status == 415
    assert call.exchange.header("accept-post") == "application/json, application/proto"
    error = error_of(call.exchange)
    assert error["code"] == "unimplemented"
    assert shown in error["message"]
    assert call.upstream.calls == 0


@pytest.mark.parametrize("kind", [JSON, PROTO])
async def test_a_stream_does_not_come_without_frames(kind: str) -> None:
    call = talk(post(SERVER_STREAM, kind), body=[b"{}"])
    await call.run()
    assert call.exchange.status == 415
    assert call.exchange.header("accept-post") == "application/connect+json, application/connect+proto"


@pytest.mark.parametrize("sent", [b"", b"{", b"\xff", b'{"nam": "x"}', b'{"name": 7}', b"[]", b"null"])
async def test_json_that_does_not_fit_says_where(sent: bytes) -> None:
    call = talk(post(UNARY, JSON), body=[sent])
    finished = await call.run()
    assert call.exchange.status == 400
    assert error_of(call.exchange)["code"] == "invalid_argument"
    assert finished.call.reason == "TRANSCODING_FAILED"
    assert call.upstream.calls == 0


async def test_an_answer_that_is_no_message_of_its_type() -> None:
    call = talk(post(UNARY, JSON), answering(b"\xff\xff"), [ASK_JSON])
    await call.run()
    assert call.exchange.status == 500
    assert error_of(call.exchange)["code"] == "internal"


@pytest.mark.parametrize("kind", [JSON, PROTO])
async def test_a_compressed_request(kind: str) -> None:
    plain = ASK_JSON if kind == JSON else ASK.SerializeToString()
    call = talk(post(UNARY, kind, ("content-encoding", "gzip")), body=[gzip.compress(plain)])
    await call.run()
    assert call.upstream.requests == [ASK.SerializeToString()]
    assert call.exchange.status == 200


async def test_an_empty_body_is_not_decompressed() -> None:
    call = talk(post(UNARY, PROTO, ("content-encoding", "gzip")))
    await call.run()
    assert call.upstream.requests == [b""]


@pytest.mark.parametrize(
    "request_",
    [
        post(UNARY, JSON, ("content-encoding", "br")),
        get(UNARY, "connect=v1&encoding=json&compression=br&message=x"),
    ],
)
async def test_an_unknown_compression_lists_the_known_ones(request_: HttpRequest) -> None:
    call = talk(request_, body=[b"x"])
    await call.run()
    error = error_of(call.exchange)
    assert error["code"] == "unimplemented"
    assert "`br`" in error["message"]
    assert "gzip, identity" in error["message"]
    assert call.exchange.header("accept-encoding") == "gzip, identity"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"no gzip", 400, "invalid_argument"),
        (gzip.compress(b"cut")[:-1], 400, "invalid_argument"),
        (gzip.compress(bytes(1 << 24)), 413, "resource_exhausted"),
    ],
)
@pytest.mark.parametrize("kind", [JSON, PROTO])
async def test_what_does_not_decompress_within_the_limit(kind: str, body: bytes, status: int, code: str) -> None:
    call = talk(post(UNARY, kind, ("content-encoding", "gzip")), body=[body], limit=1000)
    await call.run()
    assert call.exchange.status == status
    assert error_of(call.exchange)["code"] == code
    assert call.upstream.requests == []


async def test_a_message_that_is_too_large_names_the_limit() -> None:
    for kind, body in ((PROTO, bytes(101)), (JSON, b'{"name":"' + b"x" * 200 + b'"}'), (JSON, b" " * 100_000)):
        call = talk(post(UNARY, kind), body=[body], limit=100)
        await call.run()
        assert call.exchange.status == 413
        error = error_of(call.exchange)
        assert error["code"] == "resource_exhausted"
        assert "max_request_message_bytes of routes/play" in error["message"]


BIG = bookstore_pb2.Shelf(name="shelves/1", theme="x" * 2000).SerializeToString()


@pytest.mark.parametrize(
    ("headers", "message", "compressed"),
    [
        ([("accept-encoding", "gzip, br")], BIG, True),
        ([("accept-encoding", "br")], BIG, False),
        ([("accept-encoding", "gzip;q=0")], BIG, False),
        ([], BIG, False),
        ([("content-encoding", "gzip")], BIG, True),
        ([("content-encoding", "gzip"), ("accept-encoding", "identity")], BIG, False),
        ([("accept-encoding", "gzip")], SHELF.SerializeToString(), False),
    ],
)
async def test_an_answer_is_compressed_when_it_is_large_and_the_caller_reads_it(
    headers: list[tuple[str, str]], message: bytes, compressed: bool
) -> None:
    call = talk(post(UNARY, PROTO, *headers), answering(message), [b""])
    await call.run()
    assert call.exchange.header("content-encoding") == ("gzip" if compressed else None)
    body = call.exchange.body
    assert (gzip.decompress(body) if compressed else body) == message


async def test_metadata_is_in_headers_and_trailers_have_a_prefix() -> None:
    initial = (("x-a", "1"), ("x-a", "2"), ("x-b-bin", b"\xfb\xff"), ("connect-x", "no"), ("content-type", "no"))
    trailing = (("x-cost", "3"), ("x-t-bin", b"\1"), ("connect-y", "no"), ("grpc-status-details-bin", b"no"))
    call = talk(post(UNARY, PROTO), answering(SHELF.SerializeToString(), trailing, *initial), [b""])
    await call.run()
    assert call.exchange.headers[1:] == [
        *(("x-a", "1"), ("x-a", "2"), ("x-b-bin", "+/8")),
        *(("trailer-x-cost", "3"), ("trailer-x-t-bin", "AQ")),
    ]


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
async def test_each_code_has_its_name_and_its_http_status(code: Code) -> None:
    call = talk(post(UNARY, JSON), ending(failing(code, "why", (("x-t", "1"),))), [ASK_JSON])
    finished = await call.run()
    assert call.exchange.status == CONNECT_HTTP_STATUS[code]
    assert error_of(call.exchange) == {"code": CONNECT_CODES[code], "message": "why"}
    assert call.exchange.header("trailer-x-t") == "1"
    assert (finished.code, finished.source) == (code, StatusSource.UPSTREAM)


async def test_details_are_base64_with_a_readable_form_beside() -> None:
    packed = any_pb2.Any()
    packed.Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=30)))
    details = (Detail(packed.type_url, packed.value), Detail("type.googleapis.com/no.such.Type", b"\xfb\xff"))
    call = talk(post(UNARY, JSON), ending(failing(Code.UNAVAILABLE, "overloaded", details=details)), [ASK_JSON])
    await call.run()
    assert error_of(call.exchange)["details"] == [
        {
            "type": "google.rpc.RetryInfo",
            "value": b64encode(packed.value).decode().rstrip("="),
            "debug": {"retryDelay": "30s"},
        },
        {"type": "no.such.Type", "value": "+/8"},
    ]
    assert call.exchange.header("retry-after") == "30"
    assert b64decode("+/8=") == b"\xfb\xff"


async def test_a_refusal_of_the_gateway_keeps_its_http_status() -> None:
    call = talk(post(UNARY, JSON), body=[ASK_JSON], admissions=[Refuse(NoRoute("nothing here"))])
    await call.run()
    assert call.exchange.status == 404
    error = error_of(call.exchange)
    assert (error["code"], error["message"]) == ("unimplemented", "nothing here")
    assert error["details"][0]["debug"] == {"reason": "NO_ROUTE", "domain": "gateway.internal"}


async def test_a_redirect_is_an_error_and_not_followed() -> None:
    redirect = RedirectReply("https://elsewhere.example/", 301, route="routes/play")
    call = talk(post(UNARY, JSON), body=[ASK_JSON], admissions=[Refuse(redirect)])
    await call.run()
    assert call.exchange.status == 501
    assert call.exchange.header("location") is None


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (post(UNARY, JSON), (JSON, b"{}")),
        (post(UNARY, PROTO), (PROTO, b"")),
        (get(UNARY, "encoding=proto&message="), (PROTO, b"")),
        (get(UNARY, "encoding=json&message="), (JSON, b"{}")),
    ],
)
async def test_a_route_that_answers_ok_by_itself_sends_an_empty_message(
    request_: HttpRequest, expected: tuple[str, bytes]
) -> None:
    call = talk(request_, direct=DirectResponse(code=Code.OK))
    await call.run()
    assert call.exchange.status == 200
    assert (call.exchange.header("content-type"), call.exchange.body) == expected


async def test_a_caller_that_leaves_in_the_middle_of_its_body() -> None:
    call = talk(post(UNARY, JSON), ended=False).start()
    call.exchange.say(b"{")
    call.exchange.leave()
    finished = await call.run()
    assert finished.code is Code.CANCELLED
    assert not call.exchange.started


async def test_a_cancelled_call_is_cancelled_upstream() -> None:
    async def play(peer: Peer) -> None:
        await asyncio.Event().wait()

    call = talk(post(UNARY, PROTO), play, [b""]).start()
    async with asyncio.timeout(5):
        while not call.upstream.requests:
            await asyncio.sleep(0)
    assert call.task is not None
    call.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.task
    assert call.upstream.streams[0].closed
    assert call.finished[0].code is Code.CANCELLED
