"""Which requests are Connect's."""

from __future__ import annotations

import pytest

from edge.model.http import HttpRequest
from tests.transcoding.connect.books import BIDI, UNARY, get, offer_of, post
from transcoding.connect import ConnectStreamResponder, ConnectUnaryResponder, connect_responder

VERSION = ("connect-protocol-version", "1")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (post(UNARY, "application/json"), ConnectUnaryResponder),
        (post(UNARY, "Application/JSON; charset=utf-8"), ConnectUnaryResponder),
        (post(UNARY, "application/proto"), ConnectUnaryResponder),
        (post(UNARY, "application/xml", VERSION), ConnectUnaryResponder),
        (post(UNARY, "application/xml"), None),
        (post(UNARY, "text/plain"), None),
        (post(UNARY, ""), None),
        (post(UNARY, "application/connect+proto"), ConnectStreamResponder),
        (post(UNARY, "application/connect+anything"), ConnectStreamResponder),
        (post(UNARY, "application/connect+json", verb="PUT"), ConnectStreamResponder),
        (post(UNARY, "application/proto", verb="PUT"), ConnectUnaryResponder),
        (post(UNARY, "application/json", verb="PUT"), None),
        (get(UNARY, "connect=v1"), ConnectUnaryResponder),
        (get(UNARY, "encoding=json&message=%7B%7D"), ConnectUnaryResponder),
        (get(UNARY, "connect=v2&encoding=json&message=%7B%7D"), ConnectUnaryResponder),
        (get(UNARY, "message=%7B%7D"), None),
        (get(UNARY, "connect=v2"), None),
        (get(UNARY, "disconnect=v1&name=x"), None),
        (get(UNARY, ""), None),
        (get(UNARY, "connect=v1&" + "a=1&" * 200), None),
        (get(UNARY, "connect=v1", verb="HEAD"), None),
    ],
)
@pytest.mark.parametrize("method", [UNARY, BIDI])
def test_connect_is_told_by_verb_type_and_query(request_: HttpRequest, expected: type | None, method: str) -> None:
    responder = connect_responder(request_, offer_of(method))
    assert (None if responder is None else type(responder)) is expected
