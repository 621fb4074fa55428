"""The client against the fixed vectors of the statements."""

from __future__ import annotations

import pytest

from tests.corpus.grpc_web import TEXT, decode, decode_text, request
from tests.corpus.http1 import Answer

PING = bytes.fromhex("0a03666f6f")
OK = bytes.fromhex("8000000010677270632d7374617475733a20300d0a")


def answer(body: bytes, kind: str = "application/grpc-web", *headers: tuple[str, str]) -> Answer:
    return Answer(200, [("content-type", kind), *headers], body, True)


def test_a_request_is_framed_and_in_the_text_form_encoded() -> None:
    assert request("/s/M", PING).body == bytes.fromhex("0000000005") + PING
    assert request("/s/M", PING, content_type=TEXT).body == b"AAAAAAUKA2Zvbw=="


@pytest.mark.parametrize(
    "text",
    [b"AAAAAAUKA2Zvbw==gAAAABBncnBjLXN0YXR1czogMA0K", b"AAAAAAUKA2Zvb4AAAAAQZ3JwYy1zdGF0dXM6IDANCg=="],
    ids=["two pieces", "one running encoding"],
)
def test_both_forms_of_text_are_read(text: bytes) -> None:
    assert decode_text(text) == bytes.fromhex("0000000005") + PING + OK
    found = decode(answer(text, "application/grpc-web-text+proto"))
    assert (found.messages, found.status, found.trailers) == ([PING], 0, [("grpc-status", "0")])


def test_an_error_with_a_custom_trailer() -> None:
    block = b"grpc-status:9\r\ngrpc-message: error\r\nx-custom-trailer: bing\r\n"
    found = decode(answer(b"\x80" + len(block).to_bytes(4, "big") + block))
    assert (found.status, found.trailer("grpc-message"), found.trailer("x-custom-trailer")) == (9, "error", "bing")


def test_a_status_in_the_headers_counts_when_there_is_no_trailer_frame() -> None:
    assert decode(answer(b"", "application/grpc-web", ("grpc-status", "5"))).status == 5
    assert decode(answer(OK, "application/grpc-web", ("grpc-status", "5"))).status == 0
    assert decode(answer(b"")).status is None


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (OK + b"\0", "application/grpc-web", "after the trailer frame"),
        (OK[:-1], "application/grpc-web", "half a frame"),
        (b"AAA", "application/grpc-web-text", "no whole quanta"),
        (b"****", "application/grpc-web-text", "base64"),
    ],
)
def test_what_is_no_response_is_an_error(body: bytes, kind: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode(answer(body, kind))
