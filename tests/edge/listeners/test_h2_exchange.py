from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import h2.settings
import hyperframe.frame as frames
import pytest

from edge.listeners.h2_head import NO_FAULT, request_fault, request_headers
from edge.model.http import BodyTooLargeError, CallerGoneError, HttpExchange
from edge.wire.frames import CANCEL, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR
from edge.wire.request_head import RequestHead
from tests.edge.listeners.h2_place import SMALL, H2Place, Serve2
from tests.edge.listeners.http_place import WAIT, Answer

WINDOW = int(h2.settings.SettingCodes.INITIAL_WINDOW_SIZE)


@pytest.fixture
async def serve() -> AsyncIterator[Serve2]:
    """Start servers; they are stopped, and the callers gone, when the test ends."""
    async with AsyncExitStack() as places:

        async def start(answer: Answer, **limits: Any) -> H2Place:
            return await places.enter_async_context(H2Place(answer, **limits).serving())

        yield start


async def hello(exchange: HttpExchange) -> None:
    await exchange.respond(200, [("content-type", "text/plain"), ("x-a", "1"), ("x-a", "é")], b"hello")


async def three(exchange: HttpExchange) -> None:
    await exchange.start(200, [("content-type", "text/plain")])
    for piece in (b"one", b"", b"two", b"three"):
        await exchange.write(piece)
    await exchange.finish([("x-sum", "3"), ("connection", "close")])


async def echo(exchange: HttpExchange) -> None:
    await exchange.respond(200, [], await exchange.read_all(2_000_000))


async def duplex(exchange: HttpExchange) -> None:
    await exchange.start(200, [])
    while piece := await exchange.read():
        await exchange.write(piece.upper())
    await exchange.finish()


async def forever(exchange: HttpExchange) -> None:
    await exchange.start(200, [])
    await exchange.write(b"begin")
    await asyncio.Event().wait()


async def wait(exchange: HttpExchange) -> None:
    await asyncio.Event().wait()


async def pour(exchange: HttpExchange) -> None:
    await exchange.start(200, [])
    while True:
        await exchange.write(bytes(10_000))


async def describe(exchange: HttpExchange) -> None:
    request = exchange.request
    facts = [request.verb, request.target, request.path, request.query, request.host, request.version, request.scheme]
    pairs = [list(pair) for pair in request.headers]
    assert request.tls is None
    assert not request.upgrades
    await exchange.respond(200, [], json.dumps([*facts, request.peer, pairs]).encode())


async def ended(place: H2Place, within: float = WAIT) -> float:
    begun = time.monotonic()
    await asyncio.wait_for(place.handler.ended.wait(), within)
    return time.monotonic() - begun


# === requests ===


async def test_a_request_arrives_as_it_was_sent(serve: Serve2) -> None:
    place = await serve(describe)
    caller = await place.call()
    headers = [("x-one", "a b"), ("accept", "a"), ("x-one", "two"), ("empty", "")]
    target = "/a%2Fb//c/../x:y?b=%zz&c=a%2Bb+c?d"
    stream = await caller.ask("DELETE", target, headers)
    facts = json.loads(stream.data)
    host, port = caller.client.connection.writer.get_extra_info("sockname")
    path, _, query = target.partition("?")
    assert facts[:7] == ["DELETE", target, path, query, "a", "2", "http"]
    assert facts[7] == f"ipv4:{host}:{port}"
    assert facts[8] == [list(pair) for pair in headers]


async def test_the_same_request_again_is_the_same(serve: Serve2) -> None:
    """A header block that is known is not checked again."""
    caller = await (await serve(describe)).call()
    pairs = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")]
    found = {bytes((await caller.ask(headers=pairs)).data) for _ in range(4)}
    assert [json.loads(data)[8] for data in found] == [[["cookie", "a=1; b=2"], ["x", "y"]]]


@pytest.mark.parametrize(
    ("sent", "joined"),
    [
        ([("cookie", "a=1")], [("cookie", "a=1")]),
        ([("a", "b")], [("a", "b")]),
        ([("a", "b"), ("cookie", "x"), ("cookie", "y"), ("c", "d")], [("a", "b"), ("cookie", "x; y"), ("c", "d")]),
    ],
)
def test_cookies_that_came_in_pieces_are_one_header(sent: list[tuple[str, str]], joined: list[tuple[str, str]]) -> None:
    head = RequestHead([(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a"), *sent])
    assert list(request_headers(head)) == joined


@pytest.mark.parametrize(
    ("verb", "scheme", "path", "host", "status", "words"),
    [
        ("GET", "http", "/", "a:1", 0, ""),
        ("GET", "HTTPS", "/", "[::1]:8080", 0, ""),
        ("M-SEARCH", "http", "/", "a", 0, ""),
        ("OPTIONS", "http", "*", "a", 0, ""),
        ("CONNECT", "", "", "other:1", 501, "CONNECT is not available"),
        ("GET", "http", "*", "a", 400, "does not begin with a slash"),
        ("GET", "http", "http://a/b", "a", 400, "does not begin with a slash"),
        ("get", "http", "/", "a", 400, "the method is not a token"),
        ("GET", "ftp", "/", "a", 400, "neither http nor https"),
        ("GET", "http", "/", "", 400, "the request names no host"),
        ("GET", "http", "/", "me:secret@a", 400, "the host is not a name or an address"),
        ("GET", "http", "/", "a/b", 400, "the host is not a name or an address"),
        ("GET", "http", "/", "a:b", 400, "the host is not a name or an address"),
    ],
)
def test_what_a_gateway_does_not_take_is_refused(
    verb: str, scheme: str, path: str, host: str, status: int, words: str
) -> None:
    head = RequestHead([(":method", verb), (":scheme", scheme), (":path", path), (":authority", host)])
    assert not head.malformed
    got, message = request_fault(head, 16_384)
    assert (got, words in message) == (status, True)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([(":authority", "a"), ("host", "A")], ""),
        ([("host", "a")], ""),
        ([(":authority", "a"), ("host", "b")], "names another host"),
        ([("host", "a"), ("host", "b")], "names another host"),
    ],
)
def test_there_is_one_host(pairs: list[tuple[str, str]], words: str) -> None:
    head = RequestHead([(":method", "GET"), (":scheme", "http"), (":path", "/"), *pairs])
    fault = request_fault(head, 16_384)
    assert words in fault[1]
    assert (fault == NO_FAULT) is (not words)


async def test_a_refusal_is_json_and_the_connection_goes_on(serve: Serve2) -> None:
    place = await serve(hello)
    caller = await place.call()
    for _ in range(3):
        stream = await (await caller.begin(host="a/b")).finished(WAIT)
        error = json.loads(stream.data)
        assert (stream.header(":status"), stream.header("content-type")) == ("400", "application/json")
        assert (error["code"], error["details"]) == (3, [])
        assert "the host is not a name" in error["message"]
    assert place.handler.count == 0
    assert bytes((await caller.ask()).data) == b"hello"


async def test_options_of_the_server_itself(serve: Serve2) -> None:
    caller = await (await serve(describe)).call()
    assert json.loads((await caller.ask("OPTIONS", "*")).data)[:3] == ["OPTIONS", "*", "*"]


@pytest.mark.usefixtures("loud")
async def test_too_many_headers_are_refused_with_431(serve: Serve2) -> None:
    place = await serve(hello)
    caller = await place.call()
    stream = await caller.ask(headers=[("a", "b" * 20_000)])
    assert stream.header(":status") == "431"
    assert "the headers take 20033 bytes; server.limits.max_metadata_bytes allows 16384" in stream.data.decode()
    # this much is not even read
    stream = await caller.ask(headers=[("a", "b" * 10_000)] * 4)
    assert (stream.header(":status"), stream.header("content-length")) == ("431", "0")
    assert place.handler.count == 0
    assert place.protections.counts == {"header_list": 1}
    assert (await caller.ask()).header(":status") == "200"


# === answers ===


async def test_an_answer_has_its_length_and_a_date_and_names_no_server(serve: Serve2) -> None:
    stream = await (await (await serve(hello)).call()).ask()
    assert stream.headers is not None
    date = next(pair for pair in stream.headers if pair[0] == "date")
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", date[1])
    assert stream.headers == [
        (":status", "200"),
        ("content-type", "text/plain"),
        ("x-a", "1"),
        ("x-a", "é"),
        date,
        ("content-length", "5"),
    ]
    assert (bytes(stream.data), stream.ended, stream.reset) == (b"hello", True, None)


async def test_a_date_that_is_given_is_kept_and_what_belongs_to_a_connection_is_not(serve: Serve2) -> None:
    async def answer(exchange: HttpExchange) -> None:
        gone = ("connection", "transfer-encoding", "keep-alive", "proxy-connection", "upgrade", "te", "trailer")
        given = [("date", "then"), *((name, "x") for name in gone), ("content-length", "99"), ("X-Big", "1")]
        await exchange.respond(299, given, b"ab")

    stream = await (await (await serve(answer)).call()).ask()
    assert stream.headers == [(":status", "299"), ("date", "then"), ("x-big", "1"), ("content-length", "2")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-value", "a\r\nset-cookie: b"),
        ("x-value", "a\nb"),
        ("x-value", "a\rb"),
        ("x-value", "a\0b"),
        ("x-value", "\u20ac"),
        ("x value", "a"),
        (":path", "/a"),
        ("x\r\ny", "a"),
        ("", "a"),
    ],
)
@pytest.mark.parametrize("trailer", [False, True])
@pytest.mark.usefixtures("loud")
async def test_a_header_cannot_smuggle_another(serve: Serve2, name: str, value: str, trailer: bool) -> None:
    async def answer(exchange: HttpExchange) -> None:
        if not trailer:
            await exchange.respond(200, [(name, value)], b"")
        else:
            await exchange.start(200, [])
            await exchange.finish([(name, value)])

    caller = await (await serve(answer)).call()
    stream = await caller.ask()
    if trailer:
        assert (stream.trailers, stream.reset) == (None, INTERNAL_ERROR)
    else:
        assert stream.header(":status") == "500"
        assert stream.header("set-cookie") is None
    # the table of HPACK is in step
    assert (await caller.ask()).headers is not None


async def test_values_may_have_tabs_and_latin_1(serve: Serve2) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.respond(200, [("x-tab", "a\tb"), ("x-latin", "\xa0é\xad.")])

    stream = await (await (await serve(answer)).call()).ask()
    assert (stream.header("x-tab"), stream.header("x-latin")) == ("a\tb", "\xa0é\xad.")


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(serve: Serve2, status: int) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.respond(status, [], b"not sent")

    caller = await (await serve(answer)).call()
    for _ in range(2):
        stream = await caller.ask()
        assert stream.header(":status") == str(status)
        assert stream.header("content-length") == (None if status == 204 else "8")
        assert (bytes(stream.data), stream.headers_ended) == (b"", True)


async def test_head_has_the_length_but_no_body(serve: Serve2) -> None:
    async def known(exchange: HttpExchange) -> None:
        await exchange.respond(200, [("content-length", "77")])

    caller = await (await serve(hello)).call()
    stream = await caller.ask("HEAD")
    assert (stream.header("content-length"), bytes(stream.data), stream.headers_ended) == ("5", b"", True)
    caller = await (await serve(known)).call()
    assert (await caller.ask("HEAD")).header("content-length") == "77"
    assert (await caller.ask("GET")).header("content-length") == "0"


async def test_head_of_a_stream_has_no_body_and_no_trailers(serve: Serve2) -> None:
    stream = await (await (await serve(three)).call()).ask("HEAD")
    assert (bytes(stream.data), stream.ended, stream.trailers) == (b"", True, None)


async def test_a_stream_ends_with_its_trailers(serve: Serve2) -> None:
    caller = await (await serve(three)).call()
    for _ in range(2):
        stream = await caller.ask()
        assert stream.header("content-length") is None
        assert (bytes(stream.data), stream.trailers) == (b"onetwothree", [("x-sum", "3")])


async def test_the_head_does_not_wait_for_the_first_piece(serve: Serve2) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await asyncio.Event().wait()

    stream = await (await (await serve(answer)).call()).begin()
    await stream.until(lambda: stream.headers is not None, WAIT)
    assert not stream.ended


@pytest.mark.parametrize(("pieces", "whole"), [((b"one", b"two"), True), ((b"one",), False)])
async def test_a_stream_is_held_to_its_length(serve: Serve2, pieces: tuple[bytes, ...], whole: bool) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [("content-length", "6")])
        for piece in pieces:
            await exchange.write(piece)
        await exchange.finish()

    stream = await (await (await serve(answer)).call()).ask()
    assert (stream.header("content-length"), bytes(stream.data)) == ("6", b"".join(pieces))
    assert (stream.ended, stream.reset) == ((True, None) if whole else (False, INTERNAL_ERROR))


@pytest.mark.usefixtures("loud")
async def test_a_stream_cannot_be_longer_than_its_length(serve: Serve2) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [("content-length", "2")])
        await exchange.write(b"one")

    place = await serve(answer)
    stream = await (await place.call()).ask()
    assert (bytes(stream.data), stream.reset) == (b"", INTERNAL_ERROR)
    assert isinstance(place.handler.outcome, ValueError)


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 3_000_000])
@pytest.mark.parametrize("whole", [True, False])
async def test_large_answers(serve: Serve2, size: int, whole: bool) -> None:
    body = bytes(range(256)) * (size // 256 + 1)

    async def answer(exchange: HttpExchange) -> None:
        if whole:
            await exchange.respond(200, [], body[:size])
        else:
            await exchange.start(200, [])
            await exchange.write(body[:size])
            await exchange.finish([("a", "b")])

    place = await serve(answer)
    stream = await (await place.call()).ask()
    assert stream.header("content-length") == (str(size) if whole else None)
    assert stream.data == body[:size]
    assert stream.trailers == (None if whole else [("a", "b")])
    assert not place.front.running


async def test_many_requests_at_once_on_one_connection(serve: Serve2) -> None:
    async def answer(exchange: HttpExchange) -> None:
        number = int(exchange.request.path[1:])
        await asyncio.sleep(0 if number % 2 else 0.001)
        await exchange.respond(200, [], str(number).encode())

    caller = await (await serve(answer)).call()
    streams = [await caller.begin(path=f"/{number}") for number in range(100)]
    assert [bytes((await stream.finished(WAIT)).data) for stream in streams] == [b"%d" % n for n in range(100)]


# === bodies ===


async def test_a_body_in_pieces_with_trailers(serve: Serve2) -> None:
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def note(exchange: HttpExchange) -> None:
        while piece := await exchange.read():
            pieces.put_nowait(piece)
        assert await exchange.read() == b""
        await exchange.respond(200, [])

    caller = await (await serve(note)).call()
    stream = await caller.begin("POST", end=False)
    for word in (b"one", b"two"):
        await stream.send(word)
        assert await asyncio.wait_for(pieces.get(), WAIT) == word
    await stream.send_headers([("x-trailer", "1")], end=True)
    assert (await stream.finished(WAIT)).header(":status") == "200"


async def test_a_body_byte_by_byte_and_padded(serve: Serve2) -> None:
    go = asyncio.Event()

    async def late(exchange: HttpExchange) -> None:
        await go.wait()
        await echo(exchange)

    place = await serve(late)
    deaf = await place.deaf()
    deaf.send(deaf.head(1, verb="POST", end=False))
    for number in range(1000):
        deaf.send(frames.DataFrame(1, bytes([number % 256])))
    deaf.send(frames.DataFrame(1, b"padded", pad_length=200, flags=["PADDED"]))
    deaf.send(frames.DataFrame(1, b"", pad_length=200, flags=["PADDED"]))
    deaf.send(frames.DataFrame(1, b"", flags=["END_STREAM"]))
    await asyncio.wait_for(place.handler.begun.wait(), WAIT)
    go.set()
    found = [frame for frame in await deaf.data(1006) if isinstance(frame, frames.DataFrame)]
    assert b"".join(frame.data for frame in found) == bytes(number % 256 for number in range(1000)) + b"padded"
    connection = place.connections[0]
    # everything that counts was given credit for
    assert connection.recv_left + connection.owed == connection.rules.connection_window


async def test_a_body_that_is_not_read_stops_its_caller_and_nobody_else(serve: Serve2) -> None:
    go = asyncio.Event()
    sizes: list[int] = []

    async def late(exchange: HttpExchange) -> None:
        if exchange.request.verb == "GET":
            return await hello(exchange)
        await go.wait()
        while piece := await exchange.read():
            sizes.append(len(piece))
        return await exchange.respond(200, [])

    caller = await (await serve(late, stream_buffer_bytes=100_000)).call()
    stream = await caller.begin("POST", end=False)
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(stream.send(bytes(3_000_000), end=True))
        assert bytes((await caller.ask()).data) == b"hello"
        await asyncio.sleep(0.2)
        assert not sending.done()
        go.set()
        await stream.finished(WAIT)
    assert sum(sizes) == 3_000_000
    assert max(sizes) <= 100_000


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_noticed_before_its_end(
    serve: Serve2, declared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def limited(exchange: HttpExchange) -> None:
        try:
            await exchange.respond(200, [], await exchange.read_all(10))
        except BodyTooLargeError:
            await exchange.respond(413, [], b"too large")

    caller = await (await serve(limited)).call()
    monkeypatch.setattr("edge.listeners.h2_front.LINGER", 0.1)
    stream = await caller.begin("POST", headers=[("content-length", "11")] if declared else [], end=False)
    if not declared:
        await stream.send(b"hello world")
    await stream.until(lambda: stream.reset is not None, WAIT)
    assert (stream.header(":status"), bytes(stream.data), stream.ended) == ("413", b"too large", True)
    assert stream.reset == NO_ERROR
    assert bytes((await caller.ask("POST", body=b"0123456789")).data) == b"0123456789"
    assert (await caller.ask("POST", body=b"0123456789a")).header(":status") == "413"


async def test_100_continue_comes_when_the_body_is_asked_for(serve: Serve2) -> None:
    go = asyncio.Event()

    async def late(exchange: HttpExchange) -> None:
        await go.wait()
        await echo(exchange)

    caller = await (await serve(late)).call()
    stream = await caller.begin("POST", headers=[("expect", "100-Continue")], end=False)
    await asyncio.sleep(0.1)
    assert not caller.informational
    go.set()
    await stream.until(lambda: bool(caller.informational), WAIT)
    await stream.send(b"h")
    await asyncio.sleep(0.05)
    await stream.send(b"i", end=True)
    await stream.finished(WAIT)
    assert (caller.informational, stream.header(":status"), bytes(stream.data)) == ([{":status": "100"}], "200", b"hi")


async def test_a_caller_that_does_not_wait_for_100_gets_none(serve: Serve2) -> None:
    caller = await (await serve(echo)).call()
    expect = [("expect", "100-continue")]
    assert bytes((await caller.ask("POST", headers=expect, body=b"hi")).data) == b"hi"
    assert bytes((await caller.ask("GET", headers=expect)).data) == b""
    assert not caller.informational


async def test_an_answer_before_the_body_has_ended_stops_the_caller(
    serve: Serve2, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.listeners.h2_front.LINGER", 0.1)
    place = await serve(hello)
    caller = await place.call()
    stream = await caller.begin("POST", end=False)
    await stream.until(lambda: stream.reset is not None, WAIT)
    assert (bytes(stream.data), stream.ended, stream.reset) == (b"hello", True, NO_ERROR)
    assert not place.connections[0].streams
    assert bytes((await caller.ask()).data) == b"hello"


async def test_what_comes_behind_the_answer_is_dropped_for_a_while(serve: Serve2) -> None:
    place = await serve(hello, stream_buffer_bytes=65_536)
    caller = await place.call()
    stream = await caller.begin("POST", end=False)
    await stream.until(lambda: stream.ended, WAIT)
    for _ in range(3):
        await stream.send(bytes(500_000))
    await stream.send(b"", end=True)
    assert bytes((await caller.ask()).data) == b"hello"
    connection = place.connections[0]
    assert not connection.streams
    assert stream.reset is None
    assert connection.recv_left + connection.owed == connection.rules.connection_window


@pytest.mark.parametrize("how", ["trailers", "reset"])
async def test_a_caller_that_ends_behind_the_answer_is_not_reset(
    serve: Serve2, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.listeners.h2_front.LINGER", 0.1)
    place = await serve(hello)
    caller = await place.call()
    stream = await caller.begin("POST", end=False)
    await stream.until(lambda: stream.ended, WAIT)
    await (stream.send_headers([("x", "y")], end=True) if how == "trailers" else stream.send_reset())
    await asyncio.sleep(0.2)
    assert bytes((await caller.ask()).data) == b"hello"
    assert not place.connections[0].streams
    assert stream.reset is None


async def test_a_large_answer_is_not_cut_short_by_the_end_of_the_request(serve: Serve2) -> None:
    async def early(exchange: HttpExchange) -> None:
        await exchange.respond(200, [], bytes(200_000))

    place = await serve(early)
    deaf = await place.deaf()
    deaf.send(deaf.head(1, verb="POST", end=False))
    await deaf.data(SMALL)
    # the rest waits for the window; meanwhile the request ends
    deaf.send(frames.DataFrame(1, b"end", flags=["END_STREAM"]))
    deaf.credit(1, 200_000)
    found = await deaf.until(lambda frame: "END_STREAM" in frame.flags)
    sizes = [len(frame.data) for frame in found if isinstance(frame, frames.DataFrame)]
    assert sum(sizes) == 200_000 - SMALL


async def test_answer_and_body_flow_at_the_same_time(serve: Serve2) -> None:
    caller = await (await serve(duplex)).call()
    stream = await caller.begin("POST", end=False)
    for number, word in enumerate((b"one", b"two"), 1):
        await stream.send(word)
        await stream.until(lambda size=3 * number: len(stream.data) >= size, WAIT)  # type: ignore[misc]
    await stream.send(b"", end=True)
    assert bytes((await stream.finished(WAIT)).data) == b"ONETWO"


async def test_a_body_that_is_not_as_long_as_it_says_ends_the_stream(serve: Serve2) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.read_all(1000)

    place = await serve(answer)
    caller = await place.call()
    stream = await caller.begin("POST", headers=[("content-length", "5")], end=False)
    await place.handler.begun.wait()
    await stream.send(b"hi", end=True)
    await stream.until(lambda: stream.reset is not None, WAIT)
    assert stream.reset == PROTOCOL_ERROR
    await ended(place)
    assert isinstance(place.handler.outcome, asyncio.CancelledError)


async def test_a_body_that_stops_coming_is_given_up_with_408(serve: Serve2) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.read_all(1000)

    place = await serve(answer, stall_timeout=0.2)
    caller = await place.call()
    stream = await caller.begin("POST", headers=[("content-length", "11")], end=False)
    await stream.send(b"hello")
    await stream.finished(WAIT)
    assert stream.header(":status") == "408"
    assert "server.limits.stall_timeout" in json.loads(stream.data)["message"]
    assert isinstance(place.handler.outcome, CallerGoneError)


async def test_a_stream_of_requests_may_be_quiet(serve: Serve2) -> None:
    place = await serve(duplex, stall_timeout=0.1)
    caller = await place.call()
    stream = await caller.begin("POST", end=False)
    await asyncio.sleep(0.3)
    await stream.send(b"a", end=True)
    assert bytes((await stream.finished(WAIT)).data) == b"A"


@pytest.mark.usefixtures("loud")
async def test_a_body_has_one_reader(serve: Serve2) -> None:
    async def answer(exchange: HttpExchange) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(exchange.read())
            group.create_task(exchange.read())

    place = await serve(answer)
    caller = await place.call()
    stream = await caller.begin("POST", end=False)
    assert (await stream.finished(WAIT)).header(":status") == "500"


# === callers that leave, and callers that do not read ===


@pytest.mark.parametrize("answer", [wait, forever, duplex, pour])
@pytest.mark.parametrize("how", ["reset", "vanish"])
async def test_a_caller_that_leaves_cancels_the_handler(serve: Serve2, answer: Answer, how: str) -> None:
    place = await serve(answer)
    caller = await place.call()
    stream = await caller.begin("POST", end=False)
    await stream.send(b"abc")
    await asyncio.wait_for(place.handler.begun.wait(), WAIT)
    await asyncio.sleep(0.05)
    if how == "reset":
        await stream.send_reset(CANCEL)
    else:
        caller.vanish()
    assert await ended(place) < 0.5
    assert isinstance(place.handler.outcome, asyncio.CancelledError)
    assert not place.front.running
    if how == "reset":
        place.handler.answer = hello
        assert bytes((await caller.ask()).data) == b"hello"


async def test_a_caller_that_half_closes_is_not_gone(serve: Serve2) -> None:
    async def slow(exchange: HttpExchange) -> None:
        await asyncio.sleep(0.1)
        await hello(exchange)

    assert bytes((await (await (await serve(slow)).call()).ask("POST", body=b"x")).data) == b"hello"


async def test_a_caller_that_leaves_at_once_costs_no_call(serve: Serve2) -> None:
    place = await serve(hello)
    deaf = await place.deaf()
    head = deaf.head(1, verb="POST", end=False)
    deaf.send(head, frames.RstStreamFrame(1, error_code=CANCEL), deaf.head(3))
    await deaf.until(lambda frame: frame.stream_id == 3 and "END_STREAM" in frame.flags)
    assert place.handler.count == 1
    assert not place.front.running


async def test_a_task_of_the_handler_that_reads_is_told(serve: Serve2) -> None:
    failures: list[BaseException] = []

    async def answer(exchange: HttpExchange) -> None:
        async def read() -> None:
            try:
                await exchange.read()
            except CallerGoneError as error:
                failures.append(error)

        reading = asyncio.get_running_loop().create_task(read())
        try:
            await asyncio.Event().wait()
        finally:
            await reading

    place = await serve(answer)
    stream = await (await place.call()).begin("POST", end=False)
    await asyncio.wait_for(place.handler.begun.wait(), WAIT)
    await asyncio.sleep(0.05)
    await stream.send_reset()
    await ended(place)
    assert [str(error) for error in failures] == ["the caller has reset the stream"]


async def test_a_handler_that_answers_a_caller_that_left_harms_nobody(serve: Serve2) -> None:
    async def stubborn(exchange: HttpExchange) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await exchange.respond(200, [], b"late")
            await exchange.finish()
            with pytest.raises(CallerGoneError):
                await exchange.write(b"more")
            with pytest.raises(CallerGoneError):
                await exchange.read()
            raise

    place = await serve(stubborn)
    caller = await place.call()
    stream = await caller.begin()
    await asyncio.wait_for(place.handler.begun.wait(), WAIT)
    await stream.send_reset()
    await ended(place)
    assert isinstance(place.handler.outcome, asyncio.CancelledError)
    place.handler.answer = hello
    assert bytes((await caller.ask()).data) == b"hello"


async def test_a_caller_that_does_not_read_stops_the_writer_and_nobody_else(serve: Serve2) -> None:
    written = 0

    async def answer(exchange: HttpExchange) -> None:
        nonlocal written
        if exchange.request.verb == "HEAD":
            return await hello(exchange)
        await exchange.start(200, [])
        while True:
            await exchange.write(bytes(10_000))
            written += 10_000

    place = await serve(answer)
    deaf = await place.deaf()
    deaf.send(deaf.head(1))
    await deaf.data(SMALL)
    await asyncio.sleep(0.1)
    stopped_at = written
    assert SMALL < written <= SMALL + place.limits.stream_buffer_bytes
    deaf.send(deaf.head(3, verb="HEAD"))
    await deaf.until(lambda frame: frame.stream_id == 3)
    assert written == stopped_at
    deaf.credit(1, 300_000)
    await deaf.data(300_000)
    await asyncio.sleep(0.05)
    assert written > stopped_at


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("whole", [True, False])
async def test_a_caller_that_does_not_read_is_given_up(serve: Serve2, whole: bool) -> None:
    async def answer(exchange: HttpExchange) -> None:
        if whole:
            await exchange.respond(200, [], bytes(100_000))
        else:
            await pour(exchange)

    place = await serve(answer, stall_timeout=0.2)
    deaf = await place.deaf()
    deaf.send(deaf.head(1))
    found = await deaf.until(lambda frame: isinstance(frame, frames.RstStreamFrame))
    assert (found[-1].stream_id, getattr(found[-1], "error_code", None)) == (1, CANCEL)
    await ended(place)
    assert not place.front.running
    assert isinstance(place.handler.outcome, CallerGoneError) is not whole
    assert place.protections.counts == {"slow_reader": 1}
    assert not place.connections[0].waiting


async def test_a_slow_caller_that_reads_is_not_given_up(serve: Serve2) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.respond(200, [], bytes(200_000))

    place = await serve(answer, stall_timeout=0.3)
    deaf = await place.deaf()
    deaf.send(deaf.head(1))
    await deaf.data(SMALL)
    left = 200_000 - SMALL
    while left:
        await asyncio.sleep(0.1)
        size = min(left, 25_000)
        deaf.credit(1, size)
        await deaf.data(size)
        left -= size
    assert not place.protections.counts


# === ends that are not in order ===


async def test_writing_after_an_abort_fails_and_the_handler_is_cancelled(serve: Serve2) -> None:
    failures: list[BaseException] = []

    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await exchange.write(b"one")
        exchange.abort()
        try:
            await exchange.write(b"more")
        except CallerGoneError as error:
            failures.append(error)
        await asyncio.Event().wait()

    place = await serve(answer)
    stream = await (await place.call()).ask()
    assert (bytes(stream.data), stream.ended, stream.reset) == (b"one", False, INTERNAL_ERROR)
    await ended(place)
    assert len(failures) == 1
    assert isinstance(place.handler.outcome, asyncio.CancelledError)


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("early", [True, False])
async def test_a_handler_that_fails_is_told_to_the_log_and_not_to_the_caller(
    serve: Serve2, early: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(exchange: HttpExchange) -> None:
        if not early:
            await exchange.start(200, [])
            await exchange.write(b"one")
        raise KeyError("secret")

    stream = await (await (await serve(answer)).call()).ask()
    if early:
        assert (stream.header(":status"), json.loads(stream.data)["code"]) == ("500", 13)
        assert b"secret" not in stream.data
    else:
        assert (bytes(stream.data), stream.reset) == (b"one", INTERNAL_ERROR)
    assert "KeyError: 'secret'" in caplog.text


@pytest.mark.usefixtures("loud")
async def test_a_handler_that_answers_nothing_is_answered_for(serve: Serve2) -> None:
    async def nothing(exchange: HttpExchange) -> None:
        pass

    assert (await (await (await serve(nothing)).call()).ask()).header(":status") == "500"


async def test_a_handler_that_does_not_finish_breaks_off(serve: Serve2) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await exchange.write(b"one")

    stream = await (await (await serve(answer)).call()).ask()
    assert (bytes(stream.data), stream.reset) == (b"one", INTERNAL_ERROR)


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize(
    "again",
    [
        lambda exchange: exchange.respond(200, [], b"two"),
        lambda exchange: exchange.start(200, []),
        lambda exchange: exchange.accept(max_message_bytes=1),
    ],
)
async def test_there_is_only_one_answer(serve: Serve2, again: Callable[[HttpExchange], Any]) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await exchange.write(b"one")
        await again(exchange)

    place = await serve(answer)
    stream = await (await place.call()).ask()
    assert (bytes(stream.data), stream.reset) == (b"one", INTERNAL_ERROR)
    assert isinstance(place.handler.outcome, RuntimeError)


async def test_draining_waits_for_answers_to_be_sent_to_their_end(serve: Serve2) -> None:
    go = asyncio.Event()

    async def answer(exchange: HttpExchange) -> None:
        await go.wait()
        await exchange.respond(200, [], bytes(100_000))

    place = await serve(answer)
    deaf = await place.deaf()
    deaf.send(deaf.head(1))
    await asyncio.wait_for(place.handler.begun.wait(), WAIT)
    place.front.drain()
    still = asyncio.get_running_loop().create_task(place.front.wait_still())
    go.set()
    await deaf.data(SMALL)
    await ended(place)
    assert not still.done()
    deaf.credit(1, 100_000)
    await deaf.until(lambda frame: "END_STREAM" in frame.flags)
    await asyncio.wait_for(still, WAIT)


async def test_cutting_resets_what_does_not_end(serve: Serve2) -> None:
    place = await serve(forever)
    caller = await place.call()
    streams = [await caller.begin() for _ in range(3)]
    for stream in streams:
        await stream.until(lambda found=stream: bytes(found.data) == b"begin", WAIT)  # type: ignore[misc]
    place.front.drain()
    place.front.cut()
    await asyncio.wait_for(place.front.wait_still(), WAIT)
    assert [(await stream.finished(WAIT)).reset for stream in streams] == [CANCEL] * 3
    assert isinstance(place.handler.outcome, asyncio.CancelledError)


async def test_a_handler_is_cancelled_once(serve: Serve2) -> None:
    """A second time would break into what it does to end."""
    cleaned = asyncio.Event()

    async def answer(exchange: HttpExchange) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            cleaned.set()

    place = await serve(answer)
    stream = await (await place.call()).begin()
    await asyncio.wait_for(place.handler.begun.wait(), WAIT)
    await stream.send_reset()
    await asyncio.sleep(0.02)
    place.front.cut()
    await ended(place)
    assert cleaned.is_set()


# === curl ===


async def curl(place: H2Place, path: str, *arguments: str) -> tuple[bytes, str]:
    """Return the body, and what curl says of the protocol and the status."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "--http2-prior-knowledge", "--max-time", "20", *arguments),
        *("-w", "%{stderr}%{http_version} %{http_code}", f"http://{place.address}{path}"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    body, words = await process.communicate()
    return body, words.decode()


@pytest.mark.all
async def test_curl_gets_and_posts(serve: Serve2) -> None:
    place = await serve(echo)
    assert await curl(place, "/") == (b"", "2 200")
    assert await curl(place, "/", "-d", "tea", "-H", "expect: 100-continue") == (b"tea", "2 200")
    assert await curl(await serve(three), "/") == (b"onetwothree", "2 200")
    body, words = await curl(await serve(hello), "/", "-I")
    assert (b"content-length: 5" in body, words) == (True, "2 200")


@pytest.mark.all
async def test_curl_uploads_and_downloads_large_files(serve: Serve2, tmp_path: Any) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(range(256)) * 5000)
    body, words = await curl(await serve(echo), "/", "--data-binary", f"@{file}")
    assert (body == file.read_bytes(), words) == (True, "2 200")


@pytest.mark.all
async def test_curl_sees_why_its_upload_is_refused(serve: Serve2, tmp_path: Any) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(5_000_000))

    async def refuse(exchange: HttpExchange) -> None:
        await exchange.respond(413, [], b"too large")

    assert await curl(await serve(refuse), "/", "-T", str(file)) == (b"too large", "2 413")
