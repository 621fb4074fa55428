"""REST answers, in memory: what HEAD gets of a stream, and what cannot be a request or a header."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest
from google.api import httpbody_pb2

from edge.model.call import Protocol
from edge.model.config import Forward, Route
from edge.model.http import HttpRequest
from edge.model.schema import SchemaSet
from edge.model.status import Code
from edge.model.transcoding import Transcoding
from tests.support.echo import ECHO, echo_files
from tests.support.http_exchange import Talk
from tests.support.played_upstream import Peer, Play, failing
from transcoding.offers import compile_offers
from transcoding.rest import RestResponder, RestRule
from transcoding.rules.matcher import Matcher

ROUTE = Route(name="routes/play", action=Forward(upstreams=(("upstreams/play", 1),)), transcoding=Transcoding())
RULES: Matcher[RestRule] = Matcher(
    (rule.binding.verb, rule.binding.template, rule)
    for rule in compile_offers(ROUTE, SchemaSet.of(echo_files(), offered=[ECHO])).rules
)


JSON = (("content-type", "application/json"),)


def talk(
    verb: str, path: str, play: Play, *, body: Sequence[bytes] = (), headers: tuple[tuple[str, str], ...] = JSON
) -> Talk:
    request = HttpRequest(verb, path, (("host", "a"), *headers), host="a")
    found = RULES.candidates(verb, path)[0]
    made = Talk(request, RestResponder(found.value, found.variables), play, body=body, protocol=Protocol.REST)
    made.call.method = found.value.offer.method.path
    return made


@pytest.mark.parametrize("path", ["/v1/items/a:list", "/v1/items/a:download"])
async def test_head_of_a_stream_does_not_wait_for_its_end(path: str) -> None:
    async def endless(peer: Peer) -> None:
        await peer.write(b"")
        await asyncio.Event().wait()

    made = talk("HEAD", path, endless)
    finished = await made.run()
    assert (made.exchange.status, made.exchange.body, made.exchange.finished) == (200, b"", True)
    assert finished.code is Code.OK


async def test_head_of_a_stream_that_fails_has_the_true_status() -> None:
    async def refusing(peer: Peer) -> None:
        raise failing(Code.NOT_FOUND)

    made = talk("HEAD", "/v1/items/a:list", refusing)
    await made.run()
    assert made.exchange.status == 404


@pytest.mark.parametrize("body", [b"null", b'{"title":"a"}\nnull\n', b'[{"title":"a"},null]'])
async def test_null_is_no_message_of_a_stream(body: bytes) -> None:
    async def counting(peer: Peer) -> None:
        while await peer.read() is not None:
            pass
        await peer.write(b"")

    made = talk("POST", "/v1/items:collect", counting, body=[body])
    finished = await made.run()
    assert (made.exchange.status, finished.code) == (400, Code.INVALID_ARGUMENT)
    assert "null" in json.loads(made.exchange.body)["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [((), 200), ((("origin", "https://evil.example.com"),), 415), ((("content-type", "text/plain"),), 415)],
)
async def test_a_page_of_anybody_cannot_send_json_that_does_not_say_so(
    headers: tuple[tuple[str, str], ...], status: int
) -> None:
    async def replying(peer: Peer) -> None:
        await peer.read()
        await peer.write(b"")

    made = talk("PUT", "/v1/items/a", replying, body=[b"{}"], headers=headers)
    await made.run()
    assert made.exchange.status == status


@pytest.mark.parametrize("kind", ["a/b\r\nset-cookie: a=b", "a/b\n", "a\0b", "text/日本"])
@pytest.mark.parametrize("path", ["/v1/items:picture", "/v1/items/a:download"])
async def test_a_content_type_that_no_header_can_hold_is_the_upstreams_fault(path: str, kind: str) -> None:
    async def answering(peer: Peer) -> None:
        await peer.read()
        await peer.write(httpbody_pb2.HttpBody(content_type=kind, data=b"x").SerializeToString())

    made = talk("POST" if path.endswith("picture") else "GET", path, answering)
    finished = await made.run()
    assert made.exchange.status == 500
    assert finished.call.reason == "UPSTREAM_PROTOCOL_ERROR"
    assert "content type" in json.loads(made.exchange.body)["message"]
    assert made.exchange.header("set-cookie") is None
