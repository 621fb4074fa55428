"""What a gRPC-Web caller gets (the numbers are those of the statements in grpcweb.md of the corpus)."""

from __future__ import annotations

import asyncio
import gzip
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any

import pytest

from edge.model.call import StatusSource
from edge.model.config import DirectResponse
from edge.model.errors import NoHealthyEndpoint
from edge.model.http import HttpRequest
from edge.model.schema import Shape
from edge.model.status import Code, Detail
from tests.support.http_exchange import MemoryExchange, Talk
from tests.support.played_upstream import Peer, Play, PlayedUpstream, echo, failing
from transcoding.framing import FrameDecoder, frame
from transcoding.grpc_web import grpc_web_responder

PATH = "/shop.v1.Shop/Get"
WEB = "application/grpc-web"
TEXT = "application/grpc-web-text"
PING = bytes.fromhex("00000000050a03666f6f")
PING_TEXT = b"AAAAAAUKA2Zvbw=="
OK_TRAILERS = bytes.fromhex("8000000010677270632d7374617475733a20300d0a")
OK_TEXT = b"gAAAABBncnBjLXN0YXR1czogMA0K"

STREAMS = [Shape.SERVER_STREAM, Shape.CLIENT_STREAM, Shape.BIDI_STREAM, None]
ALL = [Shape.UNARY, *STREAMS]


def head(content_type: str = WEB, *headers: tuple[str, str], verb: str = "POST") -> HttpRequest:
    return HttpRequest(verb, PATH, [("content-type", content_type), *headers])


def talk(
    request: HttpRequest,
    shape: Shape | None,
    upstream: PlayedUpstream | Play = echo,
    body: Iterable[bytes] = (),
    **more: Any,
) -> Talk:
    return Talk(request, grpc_web_responder(request, shape), upstream, body=body, **more)


def frames(exchange: MemoryExchange) -> list[tuple[int, bytes]]:
    """Return the frames of an answer, which must be whole."""
    data = exchange.body
    if (exchange.header("content-type") or "").startswith(TEXT):
        data = b"".join(b64decode(chunk, validate=True) for chunk in exchange.chunks)
    decoder = FrameDecoder(1 << 24)
    decoder.feed(data)
    found = []
    while (each := decoder.take()) is not None:
        found.append(each)
    decoder.end()
    return found


def status_of(exchange: MemoryExchange) -> tuple[int, str]:
    """Return the code and the message, wherever they are; but they are in one place only."""
    assert exchange.finished
    found = frames(exchange)
    lines = [pair for flags, payload in found if flags == 0x80 for pair in trailer_lines(payload)]
    if lines:
        assert found[-1][0] == 0x80, "the trailers come last"
        assert exchange.header("grpc-status") is None, "the status is said once"
    else:
        assert not found, "an answer with messages has trailers"
        lines = exchange.headers
    told = dict(lines)
    return int(told["grpc-status"]), told.get("grpc-message", "")


def trailer_lines(payload: bytes) -> list[tuple[str, str]]:
    assert payload.endswith(b"\r\n")
    pairs = []
    for line in payload.decode("ascii").split("\r\n")[:-1]:
        name, colon, value = line.partition(": ")
        assert colon
        assert name == name.lower()
        pairs.append((name, value))
    return pairs


def play_of(messages: Iterable[bytes], end: Exception | None = None, *initial: tuple[str, str | bytes]) -> Play:
    """Return an upstream that answers so, whatever it is asked."""

    async def play(peer: Peer) -> None:
        if initial:
            peer.begin(*initial)
        await peer.write(*messages) if messages else None
        if end is not None:
            raise end

    return play


@pytest.mark.parametrize("shape", ALL)
async def test_w1_w22_w24_one_message_each_way(shape: Shape | None) -> None:
    call = talk(head(), shape, body=[PING])
    finished = await call.run()
    assert call.upstream.requests == [b"\x0a\x03foo"]
    assert call.exchange.status == 200
    assert call.exchange.header("content-type") == WEB
    assert call.exchange.body == PING + OK_TRAILERS
    assert call.exchange.finished
    assert finished.code is Code.OK


@pytest.mark.parametrize("shape", ALL)
async def test_w4_w38_w41_w42_text_both_ways(shape: Shape | None) -> None:
    call = talk(head(TEXT, ("accept", TEXT)), shape, body=[PING_TEXT])
    await call.run()
    assert call.upstream.requests == [b"\x0a\x03foo"]
    assert call.exchange.header("content-type") == TEXT
    assert frames(call.exchange) == [(0, b"\x0a\x03foo"), (0x80, b"grpc-status: 0\r\n")]
    expected = b64encode(PING + OK_TRAILERS) if shape is Shape.UNARY else PING_TEXT + OK_TEXT
    assert call.exchange.body == expected


@pytest.mark.parametrize("shape", ALL)
async def test_w5_text_in_pieces_split_within_a_group(shape: Shape | None) -> None:
    text = b64encode(PING[:4]) + b64encode(PING[4:])
    call = talk(head(TEXT), shape, body=[text[place : place + 1] for place in range(len(text))])
    await call.run()
    assert call.upstream.requests == [b"\x0a\x03foo"]
    assert status_of(call.exchange) == (0, "")


@pytest.mark.parametrize(
    ("sent", "accept", "expected"),
    [
        ("application/grpc-web", "", "application/grpc-web"),
        ("application/grpc-web+proto", "", "application/grpc-web+proto"),
        ("Application/GRPC-Web+Proto; charset=utf-8", "*/*", "application/grpc-web+proto"),
        (TEXT, "", TEXT),
        (f"{TEXT}+proto", "*/*", f"{TEXT}+proto"),
        (TEXT, "application/grpc-web", "application/grpc-web"),
        ("application/grpc-web", TEXT, TEXT),
        ("application/grpc-web", f"text/html, {TEXT}+proto;q=0.5", f"{TEXT}+proto"),
        ("application/grpc-web", "application/grpc-web+json", "application/grpc-web"),
    ],
)
async def test_w2_w39_w40_the_form_of_the_answer_follows_accept_then_the_request(
    sent: str, accept: str, expected: str
) -> None:
    body = PING_TEXT if "text" in sent else PING
    call = talk(head(sent, ("accept", accept)), Shape.UNARY, body=[body])
    await call.run()
    assert call.exchange.header("content-type") == expected
    assert frames(call.exchange)[0] == (0, b"\x0a\x03foo")


@pytest.mark.parametrize("sent", ["application/grpc-web+json", "application/grpc-web+thrift", "application/grpc-webby"])
async def test_w3_another_message_format_is_not_taken_for_proto(sent: str) -> None:
    call = talk(head(sent), Shape.UNARY, body=[PING])
    finished = await call.run()
    code, message = status_of(call.exchange)
    assert (code, finished.call.reason) == (12, "UNSUPPORTED_MEDIA")
    assert sent in message
    assert call.upstream.calls == 0


@pytest.mark.parametrize("shape", ALL)
@pytest.mark.parametrize("body", [b"****", b"AAAAAAUKA2Zvb", b"AAAA=AAA"])
async def test_w6_w7_text_that_is_no_base64_is_a_bad_request_and_no_call(shape: Shape | None, body: bytes) -> None:
    call = talk(head(TEXT, ("content-length", str(len(body)))), shape, body=[body])
    await call.run()
    assert call.exchange.status == 400
    code, message = status_of(call.exchange)
    assert code == 3
    assert "base64" in message
    assert call.exchange.body == b""
    assert call.upstream.calls == 0


@pytest.mark.parametrize("shape", ALL)
@pytest.mark.parametrize("cut", [1, 4, 5, 8])
async def test_w8_half_a_message_is_refused_and_never_forwarded(shape: Shape | None, cut: int) -> None:
    call = talk(head(), shape, body=[PING[:cut]])
    await call.run()
    assert status_of(call.exchange)[0] == 13
    assert call.upstream.requests == []


async def test_w8_a_stream_that_is_cut_ends_with_an_error_behind_what_was_whole() -> None:
    call = talk(head(), Shape.BIDI_STREAM, body=[PING + PING, PING[:7]])
    finished = await call.run()
    assert status_of(call.exchange)[0] == 13
    assert call.upstream.requests == [b"\x0a\x03foo"] * 2
    assert finished.code is Code.INTERNAL
    assert finished.source is StatusSource.GATEWAY


@pytest.mark.parametrize("shape", [Shape.UNARY, Shape.SERVER_STREAM])
@pytest.mark.parametrize(("body", "what"), [(b"", "none"), (PING + PING, "more")])
async def test_w14_no_message_or_two_where_one_is_due(shape: Shape, body: bytes, what: str) -> None:
    call = talk(head(), shape, body=[body])
    await call.run()
    code, message = status_of(call.exchange)
    assert code == 12
    assert what in message
    assert call.upstream.calls == 0


@pytest.mark.parametrize("shape", [Shape.CLIENT_STREAM, Shape.BIDI_STREAM, None])
async def test_a_stream_may_have_no_message_at_all(shape: Shape | None) -> None:
    call = talk(head(), shape, play_of([b"answer"]))
    await call.run()
    assert frames(call.exchange) == [(0, b"answer"), (0x80, b"grpc-status: 0\r\n")]


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "HEAD"])
async def test_w15_w16_another_verb(verb: str) -> None:
    call = talk(head(verb=verb), Shape.UNARY)
    await call.run()
    assert call.exchange.status == 405
    assert call.exchange.header("allow") == "POST"
    assert status_of(call.exchange)[0] == 12


@pytest.mark.parametrize("shape", ALL)
async def test_w18_an_unknown_encoding(shape: Shape | None) -> None:
    call = talk(head(WEB, ("grpc-encoding", "foo")), shape, body=[PING])
    await call.run()
    code, message = status_of(call.exchange)
    assert code == 12
    assert "foo" in message
    assert call.exchange.header("grpc-accept-encoding") == "gzip,identity"
    assert call.upstream.calls == 0


@pytest.mark.parametrize("shape", ALL)
@pytest.mark.parametrize("encoding", ["", "identity"])
async def test_w19_a_compressed_message_without_an_encoding(shape: Shape | None, encoding: str) -> None:
    call = talk(head(WEB, ("grpc-encoding", encoding)), shape, body=[frame(1, gzip.compress(b"x"))])
    await call.run()
    assert status_of(call.exchange)[0] == 13
    assert call.upstream.requests == []


@pytest.mark.parametrize("shape", ALL)
async def test_compressed_messages_are_forwarded_plain(shape: Shape | None) -> None:
    call = talk(head(WEB, ("grpc-encoding", "gzip")), shape, body=[frame(1, gzip.compress(b"abc" * 99))])
    await call.run()
    assert call.upstream.requests == [b"abc" * 99]
    assert status_of(call.exchange)[0] == 0


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"no gzip", 13),
        (gzip.compress(b"cut")[:-1], 13),
        (gzip.compress(bytes(101)), 8),
        (gzip.compress(bytes(1 << 20)), 8),
    ],
)
async def test_what_does_not_decompress_within_the_limit_is_refused(payload: bytes, code: int) -> None:
    call = talk(head(WEB, ("grpc-encoding", "gzip")), Shape.BIDI_STREAM, body=[frame(1, payload)], limit=100)
    await call.run()
    assert status_of(call.exchange)[0] == code
    assert call.upstream.requests == []


@pytest.mark.parametrize("flags", [2, 3, 0x80, 0x81, 0xFF])
async def test_flags_that_nobody_knows_are_refused(flags: int) -> None:
    call = talk(head(), Shape.UNARY, body=[frame(flags, b"x")])
    await call.run()
    assert status_of(call.exchange)[0] == 13
    assert call.upstream.calls == 0


@pytest.mark.parametrize("shape", ALL)
async def test_a_message_that_is_too_large_names_the_limit(shape: Shape | None) -> None:
    call = talk(head(), shape, body=[frame(0, bytes(101))], limit=100)
    await call.run()
    code, message = status_of(call.exchange)
    assert code == 8
    assert "max_request_message_bytes of routes/play" in message
    assert call.upstream.requests == []


@pytest.mark.parametrize("shape", ALL)
async def test_w30_w45_a_failure_before_anything_is_in_the_headers(shape: Shape | None) -> None:
    trailing = (("x-custom", "bing"), ("x-custom", "quuz"), ("x-data-bin", b"\1\2\3"))
    for kind in (WEB, TEXT):
        body = PING_TEXT if kind == TEXT else PING
        call = talk(head(kind), shape, play_of([], failing(Code.NOT_FOUND, "gone", trailing)), [body])
        finished = await call.run()
        assert call.exchange.status == 200
        assert call.exchange.body == b""
        assert call.exchange.headers[1:] == [
            *(("grpc-status", "5"), ("grpc-message", "gone")),
            *(("x-custom", "bing"), ("x-custom", "quuz"), ("x-data-bin", "AQID")),
        ]
        assert finished.code is Code.NOT_FOUND
        assert finished.source is StatusSource.UPSTREAM


@pytest.mark.parametrize("shape", STREAMS)
async def test_w31_w34_a_failure_behind_initial_metadata_is_in_the_body(shape: Shape | None) -> None:
    end = failing(Code.ABORTED, "no", (("x-after", "2"),))
    call = talk(head(), shape, play_of([], end, ("x-before", "1"), ("x-before-bin", b"\xff")), [PING])
    await call.run()
    assert call.exchange.header("x-before") == "1"
    assert call.exchange.header("x-before-bin") == "/w"
    assert call.exchange.header("x-after") is None
    assert frames(call.exchange) == [(0x80, b"grpc-status: 10\r\ngrpc-message: no\r\nx-after: 2\r\n")]


@pytest.mark.parametrize("shape", STREAMS)
async def test_w32_w48_a_failure_behind_messages_is_the_last_frame(shape: Shape | None) -> None:
    call = talk(head(), shape, play_of([b"1", b"2"], failing(Code.UNAVAILABLE, "died")), [PING])
    await call.run()
    assert call.exchange.status == 200
    assert frames(call.exchange) == [
        (0, b"1"),
        (0, b"2"),
        (0x80, b"grpc-status: 14\r\ngrpc-message: died\r\n"),
    ]


async def test_w26_w27_trailers_in_their_order_and_binary_as_base64() -> None:
    async def play(peer: Peer) -> None:
        peer.begin(("x-initial", "a"))
        await peer.write(b"")
        peer.trailing = (("x-t", "bing"), ("x-t-bin", b"\xfb\xff"), ("x-t", "quuz"))

    for shape in (Shape.UNARY, Shape.SERVER_STREAM):
        for kind, body in ((WEB, PING), (TEXT, PING_TEXT)):
            call = talk(head(kind), shape, play, [body])
            await call.run()
            assert call.exchange.header("x-initial") == "a"
            assert call.exchange.header("x-t") is None
            assert frames(call.exchange) == [
                (0, b""),
                (0x80, b"grpc-status: 0\r\nx-t: bing\r\nx-t-bin: +/8\r\nx-t: quuz\r\n"),
            ]


@pytest.mark.parametrize("messages", [[], [b"m"]])
async def test_w28_a_message_cannot_forge_a_line(messages: list[bytes]) -> None:
    end = failing(
        Code.INTERNAL, "Hello, 世界\r\ngrpc-status: 0\n100%", (("x-a", "b\r\ngrpc-status: 0"),) if messages else ()
    )
    call = talk(head(), Shape.SERVER_STREAM, play_of(messages, end), [PING])
    await call.run()
    assert status_of(call.exchange) == (13, "Hello, %E4%B8%96%E7%95%8C%0D%0Agrpc-status: 0%0A100%25")
    if messages:
        assert trailer_lines(frames(call.exchange)[-1][1])[2] == ("x-a", "b  grpc-status: 0")


async def test_details_survive_in_headers_and_in_the_body() -> None:
    detail = Detail("type.googleapis.com/no.such.Type", b"\1\2")
    for messages in ([], [b"m"]):
        end = failing(Code.INTERNAL, "x", details=(detail,))
        call = talk(head(), Shape.SERVER_STREAM, play_of(messages, end), [PING])
        await call.run()
        lines = trailer_lines(frames(call.exchange)[-1][1]) if messages else call.exchange.headers
        assert b"no.such.Type" in b64decode(dict(lines)["grpc-status-details-bin"] + "==")


async def test_a_status_too_large_for_headers_goes_into_the_body() -> None:
    call = talk(head(), Shape.UNARY, play_of([], failing(Code.INTERNAL, "x" * 20_000)), [PING])
    await call.run()
    assert call.exchange.header("grpc-message") is None
    assert status_of(call.exchange) == (13, "x" * 20_000)


async def test_w35_lengths_and_trailer_headers_of_the_upstream_do_not_pass() -> None:
    lies = (("content-length", "1"), ("trailer", "x"), ("content-type", "text/html"), ("grpc-encoding", "gzip"))
    call = talk(head(), Shape.UNARY, play_of([b"m"], None, *lies, ("x-true", "1")), [PING])
    await call.run()
    assert call.exchange.headers == [("content-type", WEB), ("x-true", "1")]


async def test_w36_each_message_is_written_when_it_comes() -> None:
    go_on = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.write(b"first")
        await go_on.wait()
        await peer.write(b"second")

    call = talk(head(), Shape.SERVER_STREAM, play, [PING]).start()
    await call.exchange.until(lambda exchange: exchange.chunks == [frame(0, b"first")])
    go_on.set()
    await call.run()
    assert frames(call.exchange)[1] == (0, b"second")


@pytest.mark.parametrize("shape", [Shape.BIDI_STREAM, None])
async def test_w21_requests_and_answers_alternate(shape: Shape | None) -> None:
    call = talk(head(), shape, ended=False).start()
    for number in range(1, 6):
        call.exchange.say(frame(0, b"%d" % number))
        await call.exchange.until(lambda exchange: len(exchange.chunks) == number)  # noqa: B023 - awaited at once
        assert call.exchange.chunks[-1] == frame(0, b"%d" % number)
    call.exchange.end()
    await call.run()
    assert status_of(call.exchange) == (0, "")


async def test_headers_come_without_a_message_when_none_follows_them() -> None:
    answer = asyncio.Event()

    async def play(peer: Peer) -> None:
        peer.begin()
        await answer.wait()
        raise failing(Code.ABORTED, "late")

    call = talk(head(), Shape.BIDI_STREAM, play, ended=False).start()
    await call.exchange.until(lambda exchange: exchange.started)
    answer.set()
    await call.run()
    assert frames(call.exchange) == [(0x80, b"grpc-status: 10\r\ngrpc-message: late\r\n")]


async def test_a_caller_that_does_not_read_holds_up_the_upstream() -> None:
    written = 0

    async def play(peer: Peer) -> None:
        nonlocal written
        for _ in range(50):
            await peer.write(b"m")
            written += 1

    call = talk(head(), Shape.SERVER_STREAM, play, [PING])
    call.exchange.reading.clear()
    call.start()
    await call.exchange.until(lambda exchange: len(exchange.chunks) == 1)
    for _ in range(20):
        await asyncio.sleep(0)
    assert written < 5
    call.exchange.reading.set()
    await call.run()
    assert len(frames(call.exchange)) == 51


async def test_an_upstream_that_does_not_read_holds_up_the_caller() -> None:
    go_on = asyncio.Event()

    async def play(peer: Peer) -> None:
        await go_on.wait()
        await echo(peer)

    call = talk(head(), Shape.BIDI_STREAM, play, body=[PING] * 50).start()
    for _ in range(100):
        await asyncio.sleep(0)
    assert call.exchange.taken < 5
    go_on.set()
    await call.run()
    assert len(frames(call.exchange)) == 51


async def test_an_upstream_that_ends_early_ends_the_call_while_the_caller_still_sends() -> None:
    call = talk(head(), Shape.CLIENT_STREAM, play_of([b"enough"]), ended=False).start()
    call.exchange.say(PING)
    await call.run()
    assert frames(call.exchange) == [(0, b"enough"), (0x80, b"grpc-status: 0\r\n")]


@pytest.mark.parametrize("shape", ALL)
async def test_w50_a_caller_that_leaves_in_the_middle_of_its_body_ends_the_call(shape: Shape | None) -> None:
    call = talk(head(), shape, ended=False).start()
    call.exchange.say(PING[:-1])
    call.exchange.leave()
    finished = await call.run()
    assert finished.code is Code.CANCELLED
    assert finished.source is StatusSource.CALLER
    assert not call.exchange.started


@pytest.mark.parametrize("shape", ALL)
async def test_w50_a_cancelled_call_is_cancelled_upstream(shape: Shape | None) -> None:
    async def play(peer: Peer) -> None:
        await peer.read()
        await asyncio.Event().wait()

    call = talk(head(), shape, play, [PING], ended=shape in (Shape.UNARY, Shape.SERVER_STREAM)).start()
    async with asyncio.timeout(5):
        while not call.upstream.requests:
            await asyncio.sleep(0)
    assert call.task is not None
    call.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.task
    assert call.finished[0].code is Code.CANCELLED
    assert all(stream.closed for stream in call.upstream.streams)


async def test_the_gateway_ends_a_stream_whose_caller_does_not_read() -> None:
    call = talk(head(), Shape.BIDI_STREAM, play_of([b"m"] * 9), body=[PING])
    call.exchange.reading.clear()
    call.start()
    await call.exchange.until(lambda exchange: bool(exchange.chunks))
    call.upstream.streams[0].end(NoHealthyEndpoint("the endpoint was taken away"))
    call.exchange.reading.set()
    finished = await call.run()
    assert status_of(call.exchange) == (14, "the endpoint was taken away")
    assert finished.source is StatusSource.GATEWAY


@pytest.mark.parametrize("shape", ALL)
async def test_a_route_that_answers_by_itself(shape: Shape | None) -> None:
    for kind in (WEB, TEXT):
        call = talk(head(kind), shape, direct=DirectResponse(code=Code.OK))
        await call.run()
        assert frames(call.exchange) == [(0, b""), (0x80, b"grpc-status: 0\r\n")]
    call = talk(head(), shape, direct=DirectResponse(code=Code.PERMISSION_DENIED, message="closed"))
    await call.run()
    assert status_of(call.exchange) == (7, "closed")
    assert call.exchange.body == b""


async def test_w56_w57_refusals_carry_the_headers_of_cors_too() -> None:
    cors = [("access-control-allow-origin", "https://a.example"), ("access-control-expose-headers", "grpc-status")]
    call = talk(head(), Shape.UNARY, play_of([], failing(Code.NOT_FOUND, "", (("x-why", "1"),))), [PING], headers=cors)
    await call.run()
    assert call.exchange.header("access-control-allow-origin") == "https://a.example"
    assert call.exchange.header("access-control-expose-headers") == "grpc-status, x-why"
