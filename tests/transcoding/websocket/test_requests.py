"""Frames and URLs to requests, responses to JSON."""

from __future__ import annotations

import pytest
from google.api import httpbody_pb2

from bookstore.v1 import bookstore_pb2
from edge.model.errors import InvalidRequest, UpstreamProtocolError
from tests.transcoding.websocket.books import BIDI, UNARY, by_rule, offer, shelf
from transcoding.websocket.framing import JsonBody, ProtoBody
from transcoding.websocket.requests import Requests


def test_bytes_for_a_method_path_are_the_upstreams_to_read() -> None:
    requests = Requests(offer(UNARY), None)
    assert requests.bind() is None
    assert requests.read(ProtoBody(b"\xff\xff")) == b"\xff\xff"


def test_a_url_that_says_it_all() -> None:
    of = offer(UNARY)
    request = Requests(of, by_rule(of, {"name": "shelves/sea"})).bind()
    assert request == bookstore_pb2.GetShelfRequest(name="shelves/sea").SerializeToString()


@pytest.mark.parametrize(("name", "variables"), [("CreateBook", {"parent": "shelves/sea"}), (BIDI, {})])
def test_a_url_that_does_not(name: str, variables: dict[str, str]) -> None:
    of = offer(name)
    assert Requests(of, by_rule(of, variables)).bind() is None


def test_a_mask_is_made_of_the_body_of_a_patch() -> None:
    of = offer("UpdateShelf")
    requests = Requests(of, by_rule(of, {"shelf.name": "shelves/sea"}))
    requests.bind()
    request = bookstore_pb2.UpdateShelfRequest.FromString(requests.read(JsonBody({"theme": "Sky"})))
    assert (request.shelf.name, request.shelf.theme, list(request.update_mask.paths)) == (
        "shelves/sea",
        "Sky",
        ["theme"],
    )


def test_paths_of_violations_are_those_of_the_message() -> None:
    with pytest.raises(InvalidRequest) as caught:
        Requests(offer("ImportBooks"), None).read(JsonBody({"book": {"titel": "x"}}))
    violation = caught.value.violations[0]
    assert violation.field == "book.titel"
    assert "did you mean `title`?" in violation.description


def test_unknown_fields_are_logged_where_the_route_only_warns(caplog: pytest.LogCaptureFixture) -> None:
    of = offer(UNARY, unknown_fields="report")
    assert Requests(of, None).read(JsonBody({"name": "a", "nam": "b"})) == b"\x0a\x01a"
    assert "routes/books" in caplog.text
    assert "nam" in caplog.text


def test_http_bodies_are_messages_like_others() -> None:
    body = httpbody_pb2.HttpBody(content_type="image/svg+xml", data=b"<svg/>")
    text = Requests(offer("GetBookCover"), None).to_json(body.SerializeToString())
    assert text == b'{"contentType":"image/svg+xml","data":"PHN2Zy8+"}'


def test_responses_follow_the_options_of_the_route() -> None:
    assert Requests(offer(UNARY, proto_field_names=True, print_defaults=True), None).to_json(shelf()) == (
        b'{"name":"shelves/sea","theme":"Sea","book_count":0}'
    )


def test_a_response_that_is_none() -> None:
    with pytest.raises(UpstreamProtocolError):
        Requests(offer(UNARY), None).to_json(b"\xff")
