"""Callers of Connect who ask for what nobody has."""

from __future__ import annotations

import orjson
import pytest

from edge.model.call import Protocol
from edge.model.errors import NoRoute
from edge.model.http import HttpRequest
from tests.support.http_exchange import Refuse, Talk
from tests.transcoding.connect.books import UNARY, get, post
from transcoding.connect import connect_refusal

VERSION = ("connect-protocol-version", "1")


@pytest.mark.parametrize(
    "request_",
    [
        post(UNARY, "application/json"),
        post(UNARY, "text/html"),
        get(UNARY, "a=1"),
        post(UNARY, "application/connect+x"),
    ],
)
def test_what_may_be_anything_is_not_answered_as_connect(request_: HttpRequest) -> None:
    assert connect_refusal(request_) is None


@pytest.mark.parametrize(
    "request_",
    [
        post(UNARY, "application/proto"),
        post(UNARY, "application/json", VERSION),
        get(UNARY, "connect=v1&encoding=json&message=%7B%7D"),
        post(UNARY, "application/connect+json"),
        post(UNARY, "application/connect+proto; charset=utf-8"),
    ],
)
async def test_the_refusal_is_a_connect_error(request_: HttpRequest) -> None:
    responder = connect_refusal(request_)
    assert responder is not None
    call = Talk(request_, responder, admissions=[Refuse(NoRoute("nothing here"))], protocol=Protocol.CONNECT)
    await call.run()
    body = call.exchange.body
    streams = "connect+" in request_.header("content-type")
    assert call.exchange.status == (200 if streams else 404)
    assert (body[:1] == b"\2") is streams
    error = orjson.loads(body[5:])["error"] if streams else orjson.loads(body)
    assert (error["code"], error["message"]) == ("unimplemented", "nothing here")
    assert error["details"][0]["debug"]["reason"] == "NO_ROUTE"
