from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from contextlib import suppress

import aiohttp
import pytest

from edge.model.http import CallerGoneError, HttpExchange
from tests.edge.listeners.http_place import WAIT, Place, Serve

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
GET_10 = b"GET /x HTTP/1.0\r\n"


async def hello(exchange: HttpExchange) -> None:
    await exchange.respond(200, [("content-type", "text/plain"), ("x-a", "1"), ("x-a", "é")], b"hello")


async def three(exchange: HttpExchange) -> None:
    await exchange.start(200, [("content-type", "text/plain")])
    for piece in (b"one", b"", b"two", b"three"):
        await exchange.write(piece)
    await exchange.finish([("grpc-status", "0")])


async def forever(exchange: HttpExchange) -> None:
    await exchange.start(200, [])
    await exchange.write(b"begin")
    await asyncio.Event().wait()


async def test_an_answer_has_its_length_and_a_date_and_names_no_server(serve: Serve) -> None:
    caller = await (await serve(hello)).call(GET)
    async with asyncio.timeout(2):
        raw = await caller.reader.readuntil(b"hello")
    assert re.fullmatch(
        rb"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-a: 1\r\nx-a: \xe9\r\n"
        rb"date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\ncontent-length: 5\r\n\r\nhello",
        raw,
    )


async def test_a_date_that_is_given_is_kept_and_framing_is_not(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        given = [("date", "then"), ("connection", "x"), ("transfer-encoding", "chunked"), ("content-length", "99")]
        await exchange.respond(299, given, b"ab")

    caller = await (await serve(answer)).call(GET)
    assert await caller.answer() == (299, {"date": "then", "content-length": "2"}, b"ab")


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b", "a\nb", "a\rb", "a\0b", "\u20ac"])
@pytest.mark.usefixtures("loud")
async def test_a_header_cannot_smuggle_another(serve: Serve, value: str) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.respond(200, [("x-value", value)], b"")

    caller = await (await serve(answer)).call(GET)
    status, headers, _ = await caller.answer()
    assert status == 500
    assert "set-cookie" not in headers


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(serve: Serve, status: int) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.respond(status, [], b"not sent")

    caller = await (await serve(answer)).call(GET + GET)
    for _ in range(2):
        got, headers = await caller.head()
        assert got == status
        assert headers.get("content-length") == (None if status == 204 else "8")


async def test_head_has_the_length_but_no_body(serve: Serve) -> None:
    caller = await (await serve(hello)).call(GET.replace(b"GET", b"HEAD") + GET)
    assert (await caller.head())[1]["content-length"] == "5"
    assert (await caller.answer())[2] == b"hello"


async def test_head_of_a_stream_has_no_body(serve: Serve) -> None:
    caller = await (await serve(three)).call(GET.replace(b"GET", b"HEAD") + GET)
    assert "transfer-encoding" not in (await caller.head())[1]
    assert (await caller.answer())[2] == b"onetwothree"


async def test_head_of_a_stream_whose_caller_closes_has_no_body(serve: Serve) -> None:
    caller = await (await serve(three)).call(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (await caller.head())[1]["connection"] == "close"
    assert await caller.rest() == b""


async def test_pieces_are_chunks(serve: Serve) -> None:
    caller = await (await serve(three)).call(GET + GET)
    for _ in range(2):
        status, headers = await caller.head()
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        assert [piece async for piece in caller.chunks()] == [b"one", b"two", b"three"]


async def test_the_head_does_not_wait_for_the_first_piece(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await asyncio.Event().wait()

    caller = await (await serve(answer)).call(GET)
    assert (await caller.head())[0] == 200


async def test_a_stream_of_known_length(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [("content-length", "6")])
        await exchange.write(b"one")
        await exchange.write(b"two")
        await exchange.finish()

    caller = await (await serve(answer)).call(GET + GET)
    for _ in range(2):
        status, headers, body = await caller.answer()
        assert (status, headers["content-length"], body) == (200, "6", b"onetwo")


async def test_a_stream_shorter_than_its_length_breaks_the_connection(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [("content-length", "6")])
        await exchange.write(b"one")
        await exchange.finish()

    caller = await (await serve(answer)).call(GET + GET)
    await caller.head()
    assert await caller.rest() == b"one"


async def test_http_1_0_gets_a_body_that_ends_with_the_connection(serve: Serve) -> None:
    caller = await (await serve(three)).call(GET_10 + b"\r\n")
    status, headers = await caller.head()
    assert (status, headers["connection"]) == (200, "close")
    assert "transfer-encoding" not in headers
    assert await caller.rest() == b"onetwothree"


async def test_http_1_0_keeps_the_connection_when_it_asks(serve: Serve) -> None:
    caller = await (await serve(hello)).call(GET_10 + b"Connection: keep-alive\r\n\r\n" + GET_10 + b"\r\n")
    assert (await caller.answer())[1]["connection"] == "keep-alive"
    assert (await caller.answer())[1]["connection"] == "close"
    assert await caller.rest() == b""


async def test_connection_close_is_obeyed(serve: Serve) -> None:
    caller = await (await serve(hello)).call(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    assert (await caller.answer())[1]["connection"] == "close"
    assert await caller.rest() == b""


async def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        number = int(exchange.request.path[1:])
        await asyncio.sleep(0 if number % 2 else 0.001)
        await exchange.respond(200, [], str(number).encode())

    caller = await (await serve(answer)).call(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(100)))
    assert [(await caller.answer())[2] for _ in range(100)] == [str(number).encode() for number in range(100)]


async def test_aiohttps_client_understands_it(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        body = await exchange.read_all(100)
        if exchange.request.query:
            await three(exchange)
        else:
            await exchange.respond(418, [], body)

    place = await serve(answer)
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.post(place.url + "/a", data=b"tea") as response:
                assert (response.status, await response.read()) == (418, b"tea")
            async with session.get(place.url + "/a?b") as response:
                assert (response.status, await response.read()) == (200, b"onetwothree")
            async with session.post(place.url + "/a", data=b"tea", expect100=True) as response:
                assert await response.read() == b"tea"


async def _until_ended(place: Place) -> float:
    begun = time.monotonic()
    await asyncio.wait_for(place.handler.ended.wait(), 3)
    assert isinstance(place.handler.outcome, asyncio.CancelledError)
    return time.monotonic() - begun


async def test_a_caller_that_leaves_cancels_a_handler_that_waits_for_something_else(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await asyncio.Event().wait()

    place = await serve(answer)
    caller = await place.call(GET)
    await place.handler.begun.wait()
    caller.vanish()
    assert await _until_ended(place) < 0.1


async def test_a_caller_that_leaves_cancels_a_stream(serve: Serve) -> None:
    place = await serve(forever)
    caller = await place.call(GET)
    await caller.head()
    caller.vanish()
    assert await _until_ended(place) < 0.1


async def test_a_caller_that_leaves_in_its_body_cancels(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.read_all(1000)

    place = await serve(answer)
    caller = await place.call(b"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 10\r\n\r\nabc")
    await place.handler.begun.wait()
    caller.vanish()
    assert await _until_ended(place) < 0.1


async def test_a_caller_that_leaves_is_noticed_while_its_body_is_not_read(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await asyncio.Event().wait()

    place = await serve(answer)
    caller = await place.call(b"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 10000000\r\n\r\n" + bytes(2_000_000))
    await place.handler.begun.wait()
    await asyncio.sleep(0.2)
    caller.vanish(reset=True)
    assert await _until_ended(place) < 1


async def test_a_caller_that_leaves_is_noticed_behind_many_pipelined_requests(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await asyncio.Event().wait()

    place = await serve(answer)
    caller = await place.call(GET * 5000)
    await place.handler.begun.wait()
    await asyncio.sleep(0.2)
    caller.vanish(reset=True)
    assert await _until_ended(place) < 1
    assert place.handler.count == 1


async def test_a_caller_that_does_not_read_stops_the_writer(serve: Serve) -> None:
    written = 0

    async def answer(exchange: HttpExchange) -> None:
        nonlocal written
        await exchange.start(200, [])
        while True:
            await exchange.write(bytes(10_000))
            written += 10_000

    place = await serve(answer)
    host, _, port = place.server.address.rpartition(":")
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, (host, int(port)))
        await loop.sock_sendall(deaf, GET)
        await asyncio.sleep(0.3)
        stopped_at = written
        await asyncio.sleep(0.2)
        assert written == stopped_at
        # what the kernel takes, and 64 KiB
        assert written < 8_000_000
    assert await _until_ended(place) < 1


@pytest.mark.parametrize("kept", [True, False])
async def test_a_connection_that_ends_does_not_wait_for_a_caller_that_does_not_read(
    serve: Serve, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.listeners.http_connection.LINGER", 0.2)

    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    await exchange.write(bytes(10_000))
        exchange.abort()

    place = await serve(answer)
    host, _, port = place.server.address.rpartition(":")
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, (host, int(port)))
        await loop.sock_sendall(deaf, GET if kept else GET_10 + b"\r\n")
        await asyncio.wait_for(place.handler.ended.wait(), WAIT)
        begun = time.monotonic()
        await place.server.stop(WAIT)
        assert time.monotonic() - begun < 1


async def test_writing_to_a_caller_that_has_left_fails(serve: Serve) -> None:
    failure: list[BaseException] = []

    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        exchange.abort()
        try:
            await exchange.write(b"more")
        except CallerGoneError as error:
            failure.append(error)

    caller = await (await serve(answer)).call(GET)
    await caller.rest()
    assert len(failure) == 1


async def test_an_aborted_stream_does_not_look_whole(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await exchange.write(b"one")
        exchange.abort()

    place = await serve(answer)
    caller = await place.call(GET)
    assert (await caller.rest()).endswith(b"\r\n\r\n3\r\none\r\n")
    caller = await place.call(GET_10 + b"\r\n")
    assert (await caller.rest()).endswith(b"<reset>")


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("early", [True, False])
async def test_a_handler_that_fails_is_told_to_the_log_and_not_to_the_caller(
    serve: Serve, early: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(exchange: HttpExchange) -> None:
        if not early:
            await exchange.start(200, [])
            await exchange.write(b"one")
        raise KeyError("secret")

    caller = await (await serve(answer)).call(GET)
    if early:
        status, headers, body = await caller.answer()
        assert (status, headers["connection"], json.loads(body)["code"]) == (500, "close", 13)
        assert b"secret" not in body
    else:
        assert (await caller.rest()).endswith(b"3\r\none\r\n")
    assert "KeyError: 'secret'" in caplog.text


@pytest.mark.usefixtures("loud")
async def test_a_handler_that_answers_nothing_is_answered_for(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        pass

    caller = await (await serve(answer)).call(GET)
    assert (await caller.answer())[0] == 500


async def test_a_handler_that_does_not_finish_breaks_off(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await exchange.write(b"one")

    caller = await (await serve(answer)).call(GET)
    assert (await caller.rest()).endswith(b"3\r\none\r\n")


@pytest.mark.usefixtures("loud")
async def test_there_is_only_one_answer(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.respond(200, [], b"one")
        assert exchange.started
        await exchange.respond(200, [], b"two")

    caller = await (await serve(answer)).call(GET)
    assert (await caller.answer())[2] == b"one"
    assert await caller.rest() == b""


async def test_another_protocol_to_upgrade_to_is_passed_over(serve: Serve) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    caller = await (await serve(hello)).call(b"GET / HTTP/1.1\r\nHost: a\r\n" + upgrade + b"\r\n" + GET)
    for _ in range(2):
        status, headers, body = await caller.answer()
        assert (status, body) == (200, b"hello")
        assert "connection" not in headers
