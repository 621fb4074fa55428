"""Before the upgrade and after it: what is answered by status, what by frame and close."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable

import pytest

from edge.model.call import Call, StatusSource
from edge.model.config import CorsPolicy, DirectResponse
from edge.model.errors import DirectReply
from edge.model.status import Code
from edge.model.transcoding import Transcoding
from tests.support.web_socket_exchange import MemoryUpstream
from tests.transcoding.websocket.books import BIDI, UNARY, book, converse, shelf
from transcoding.limits import BODY_FACTOR, BODY_MARGIN

JSON, PROTO = "edge.json.v1", "edge.proto.v1"


class Refusing:
    """A policy that lets nobody in, at once or after a while."""

    name = "policies/nobody"

    def __init__(self, code: Code, *, later: bool = False) -> None:
        self._code = code
        self._later = later

    def admit(self, call: Call) -> Awaitable[None] | None:
        if self._later:
            return self._refuse()
        raise DirectReply(self._code, "not you", route="routes/books")

    async def _refuse(self) -> None:
        await asyncio.sleep(0)
        raise DirectReply(self._code, "not you", route="routes/books")


@pytest.mark.parametrize("later", [True, False])
@pytest.mark.parametrize("mode", ["", JSON, PROTO])
@pytest.mark.parametrize(
    ("code", "status"), [(Code.UNAUTHENTICATED, 401), (Code.PERMISSION_DENIED, 403), (Code.RESOURCE_EXHAUSTED, 429)]
)
async def test_a_policy_refuses_before_the_upgrade(code: Code, status: int, mode: str, later: bool) -> None:
    call = converse(UNARY, *([mode] if mode else []), admissions=[Refusing(code, later=later)])
    finished = await call.done()
    assert (finished.code, finished.source) == (code, StatusSource.GATEWAY)
    assert call.exchange.answer is not None
    found, headers, body = call.exchange.answer
    assert (found, headers["content-type"]) == (status, "application/json")
    assert ("www-authenticate" in headers) is (status == 401)
    assert json.loads(body)["code"] == code
    assert json.loads(body)["message"] == "not you"
    assert not call.exchange.accepted.done()


async def test_a_foreign_page_is_refused_before_the_upgrade() -> None:
    call = converse(UNARY, request_headers=[("origin", "https://evil.example")])
    assert (await call.done()).code is Code.PERMISSION_DENIED
    assert call.exchange.answer is not None
    assert call.exchange.answer[0] == 403
    assert json.loads(call.exchange.answer[2])["details"][0]["reason"] == "FOREIGN_ORIGIN"
    assert call.upstream.requests == []


async def test_a_policy_comes_before_the_origin() -> None:
    call = converse(
        UNARY,
        admissions=[Refusing(Code.UNAUTHENTICATED)],
        request_headers=[("origin", "https://evil.example")],
    )
    assert (await call.done()).code is Code.UNAUTHENTICATED


async def test_a_page_that_the_route_allows_is_let_in() -> None:
    call = converse(
        UNARY,
        cors=CorsPolicy(allow_origins=("https://shop.example",)),
        request_headers=[("origin", "https://shop.example")],
        headers=[("access-control-allow-origin", "https://shop.example")],
    )
    socket = await call.socket()
    assert dict(call.exchange.headers)["access-control-allow-origin"] == "https://shop.example"
    socket.say("{}")
    await call.upstream.got()
    call.upstream.answer(shelf())
    assert len(await socket.rest()) == 1


@pytest.mark.parametrize("mode", [JSON, PROTO, "edge.json.bare.v1"])
async def test_the_chosen_subprotocol_is_answered_and_the_token_is_not(mode: str) -> None:
    call = converse(BIDI, "edge.bearer.dG9rZW4", mode, upstream=MemoryUpstream(echo=b""))
    socket = await call.socket()
    assert call.exchange.subprotocol == mode
    socket.leave()
    await call.done()


async def test_no_subprotocol_is_answered_when_none_was_offered() -> None:
    call = converse(BIDI)
    (await call.socket()).leave()
    await call.done()
    assert call.exchange.subprotocol == ""


async def test_limits_and_pings_are_those_of_the_route() -> None:
    options = Transcoding(web_socket_max_message_bytes=1000, web_socket_ping_interval=7.0)
    for transcoding, limit, largest in ((options, 5000, 1000), (Transcoding(), 5000, 5000)):
        call = converse(BIDI, transcoding=transcoding, limit=limit)
        (await call.socket()).leave()
        await call.done()
        assert call.exchange.limit == largest * BODY_FACTOR + BODY_MARGIN
        assert call.exchange.ping_interval == transcoding.web_socket_ping_interval


@pytest.mark.parametrize(
    ("mode", "frames"),
    [
        ("", ["{}"]),
        (JSON, ['{"message":{}}', '{"end":{"status":{"code":0,"message":"fine","details":[]},"trailers":{}}}']),
        (PROTO, [b"\0", b'\2{"status":{"code":0,"message":"fine","details":[]},"trailers":{}}']),
    ],
)
async def test_a_route_that_answers_with_ok_sends_an_empty_message(mode: str, frames: list[str | bytes]) -> None:
    call = converse(UNARY, *([mode] if mode else []), direct=DirectResponse(code=Code.OK, message="fine"))
    socket = await call.socket()
    assert await socket.rest() == frames
    assert socket.closed == (1000, "fine")
    assert (await call.done()).code is Code.OK


async def test_a_route_that_answers_with_an_error_does_so_before_the_upgrade() -> None:
    call = converse(UNARY, direct=DirectResponse(code=Code.UNAVAILABLE, message="closed on Sundays"))
    assert (await call.done()).code is Code.UNAVAILABLE
    assert call.exchange.answer is not None
    assert call.exchange.answer[0] == 503


async def test_a_caller_that_never_reads_is_closed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcoding.websocket.responder._LAST_WORDS", 0.05)
    call = converse("StreamBooks", JSON, variables={"parent": "shelves/sea"})
    socket = await call.socket()
    call.upstream.answer(book("A"))
    assert await socket.hear() == '{"headers":{}}'
    assert await socket.hear() == '{"message":{"title":"A"}}'
    socket.reading.clear()
    call.upstream.fail(Code.ABORTED, "enough")
    assert (await call.done()).code is Code.ABORTED
    assert socket.closed == (4010, "enough")


async def test_what_is_unexpected_has_an_id_and_no_stack(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    call = converse(BIDI)
    socket = await call.socket()

    async def broken(message: bytes) -> bool:
        raise KeyError("secret")

    monkeypatch.setattr(call.upstream, "send", broken)
    socket.say("{}")
    await socket.rest()
    assert socket.closed is not None
    code, reason = socket.closed
    assert code == 4013
    assert "error" in reason
    assert "secret" not in reason
    assert "KeyError" in caplog.text
    assert (await call.done()).code is Code.INTERNAL
