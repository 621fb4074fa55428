from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from edge.model.http import BodyTooLargeError, CallerGoneError, HttpExchange
from tests.edge.listeners.http_place import WAIT, Caller, Serve

POST = b"POST /up HTTP/1.1\r\nHost: a\r\n"
GET = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


async def echo(exchange: HttpExchange) -> None:
    await exchange.respond(200, [], await exchange.read_all(1_000_000))


async def ignore(exchange: HttpExchange) -> None:
    await exchange.respond(200, [], b"done")


async def limited(exchange: HttpExchange) -> None:
    try:
        await exchange.respond(200, [], await exchange.read_all(10))
    except BodyTooLargeError:
        await exchange.respond(413, [], b"too large")


async def test_a_body_of_known_length(serve: Serve) -> None:
    caller = await (await serve(echo)).call(POST + b"content-length: 5\r\n\r\nhello" + GET)
    assert (await caller.answer())[2] == b"hello"
    assert (await caller.answer())[2] == b""


async def test_a_chunked_body_one_byte_at_a_time(serve: Serve) -> None:
    caller = await (await serve(echo)).call(POST + b"transfer-encoding: chunked\r\n\r\n")
    for byte in b"3;x=1\r\nabc\r\n1\r\nd\r\n0\r\ntrailer: t\r\n\r\n":
        caller.send(bytes((byte,)))
        await asyncio.sleep(0.002)
    assert (await caller.answer())[2] == b"abcd"
    caller.send(GET)
    assert (await caller.answer())[0] == 200


async def test_pieces_are_read_as_they_come(serve: Serve) -> None:
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def note(exchange: HttpExchange) -> None:
        while piece := await exchange.read():
            pieces.put_nowait(piece)
        assert await exchange.read() == b""
        await exchange.respond(200, [])

    caller = await (await serve(note)).call(POST + b"transfer-encoding: chunked\r\n\r\n")
    for word in (b"one", b"two", b"three"):
        caller.send(b"%x\r\n%b\r\n" % (len(word), word))
        assert await asyncio.wait_for(pieces.get(), 2) == word
    caller.send(b"0\r\n\r\n")
    assert (await caller.answer())[0] == 200


async def test_a_coded_body_is_not_decoded(serve: Serve) -> None:
    body = gzip.compress(b"hello" * 100)
    head = POST + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
    caller = await (await serve(echo)).call(head + body)
    assert (await caller.answer())[2] == body


async def test_a_body_larger_than_aiohttps_own_limit(serve: Serve) -> None:
    async def count(exchange: HttpExchange) -> None:
        size = 0
        while piece := await exchange.read():
            size += len(piece)
        await exchange.respond(200, [], str(size).encode())

    caller = await (await serve(count)).call(POST + b"content-length: 5000000\r\n\r\n")
    caller.send(bytes(5_000_000))
    assert (await caller.answer())[2] == b"5000000"


async def test_a_body_that_is_not_read_stops_the_caller(serve: Serve) -> None:
    go = asyncio.Event()
    sizes: list[int] = []

    async def late(exchange: HttpExchange) -> None:
        await go.wait()
        while piece := await exchange.read():
            sizes.append(len(piece))
        await exchange.respond(200, [])

    place = await serve(late)
    caller = await place.call(POST + b"content-length: 50000000\r\n\r\n")
    sender = asyncio.get_running_loop().create_task(_pour(caller, 50_000_000))
    await place.handler.begun.wait()
    await asyncio.sleep(0.3)
    assert not sender.done()
    go.set()
    assert (await caller.answer())[0] == 200
    await sender
    assert sum(sizes) == 50_000_000
    # two buffers of 64 KiB and what one receive brings
    assert max(sizes) < 600_000


async def _pour(caller: Caller, size: int) -> None:
    for _ in range(size // 500_000):
        caller.send(bytes(500_000))
        await caller.writer.drain()


@pytest.mark.parametrize(
    "body", [b"content-length: 11\r\n\r\n", b"transfer-encoding: chunked\r\n\r\nb\r\nhello world\r\n"]
)
async def test_a_body_over_the_limit_is_noticed_before_its_end(serve: Serve, body: bytes) -> None:
    caller = await (await serve(limited)).call(POST + body)
    status, _, text = await caller.answer()
    assert (status, text) == (413, b"too large")


async def test_a_body_at_the_limit(serve: Serve) -> None:
    caller = await (await serve(limited)).call(POST + b"transfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n")
    assert (await caller.answer())[2] == b"0123456789"


async def test_100_continue_comes_when_the_body_is_asked_for(serve: Serve) -> None:
    go = asyncio.Event()

    async def wait(exchange: HttpExchange) -> None:
        await go.wait()
        await echo(exchange)

    caller = await (await serve(wait)).call(POST + b"expect: 100-Continue\r\ncontent-length: 2\r\n\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(caller.reader.readexactly(1), 0.2)
    go.set()
    assert await caller.head() == (100, {})
    caller.send(b"hi" + GET)
    status, headers, body = await caller.answer()
    assert (status, body) == (200, b"hi")
    assert "connection" not in headers
    assert (await caller.answer())[0] == 200


async def test_an_answer_without_100_closes_because_nobody_knows_what_comes_next(serve: Serve) -> None:
    caller = await (await serve(ignore)).call(POST + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n")
    status, headers, _ = await caller.answer()
    assert (status, headers["connection"]) == (200, "close")


async def test_a_caller_that_does_not_wait_for_100_gets_none(serve: Serve) -> None:
    caller = await (await serve(echo)).call(POST + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\nhi")
    assert (await caller.answer())[0] == 200


async def test_a_small_body_nobody_reads_is_passed_over(serve: Serve) -> None:
    caller = await (await serve(ignore)).call(POST + b"content-length: 6\r\n\r\nabc")
    status, headers, _ = await caller.answer()
    assert status == 200
    assert "connection" not in headers
    caller.send(b"def" + GET)
    assert (await caller.answer())[2] == b"done"


async def test_a_large_body_nobody_reads_closes_the_connection(serve: Serve) -> None:
    caller = await (await serve(ignore)).call(POST + b"content-length: 10000000\r\n\r\n" + bytes(100_000))
    status, headers, body = await caller.answer()
    assert (status, headers["connection"], body) == (200, "close", b"done")
    assert await caller.rest() in (b"", b"<reset>")


async def test_a_chunked_body_nobody_reads_closes_the_connection(serve: Serve) -> None:
    caller = await (await serve(ignore)).call(POST + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert (await caller.answer())[1]["connection"] == "close"


@pytest.mark.parametrize("together", [True, False])
async def test_broken_chunks_are_refused_however_they_come(serve: Serve, together: bool) -> None:
    place = await serve(echo)
    caller = await place.call(POST + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    if not together:
        await place.handler.begun.wait()
    caller.send(b"zz\r\n")
    status, headers, body = await caller.answer()
    assert (status, headers["connection"]) == (400, "close")
    assert json.loads(body)["code"] == 3
    if not together:
        assert isinstance(place.handler.outcome, CallerGoneError)


async def test_broken_chunks_after_the_answer_has_begun_break_it_off(serve: Serve) -> None:
    async def duplex(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        while piece := await exchange.read():
            await exchange.write(piece)
        await exchange.finish()

    caller = await (await serve(duplex)).call(POST + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    status, headers = await caller.head()
    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    caller.send(b"zz\r\n")
    assert b"0\r\n\r\n" not in await caller.rest()


async def test_answer_and_body_flow_at_the_same_time(serve: Serve) -> None:
    async def duplex(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        while piece := await exchange.read():
            await exchange.write(piece.upper())
        await exchange.finish()

    caller = await (await serve(duplex)).call(POST + b"transfer-encoding: chunked\r\n\r\n")
    await caller.head()
    pieces = caller.chunks()
    for word in (b"one", b"two"):
        caller.send(b"3\r\n%b\r\n" % word)
        assert await anext(pieces) == word.upper()
    caller.send(b"0\r\n\r\n")
    with pytest.raises(StopAsyncIteration):
        await anext(pieces)


async def test_a_body_that_stops_coming_is_given_up_with_408(serve: Serve) -> None:
    async def all_of_it(exchange: HttpExchange) -> None:
        await exchange.read_all(1000)

    place = await serve(all_of_it, stall_timeout=0.2)
    caller = await place.call(POST + b"content-length: 11\r\n\r\nhello")
    status, headers, body = await caller.answer()
    assert status == 408
    assert b"server.limits.stall_timeout" in body
    assert headers["connection"] == "close"


async def test_a_stream_of_requests_may_be_quiet(serve: Serve) -> None:
    pieces: list[bytes] = []

    async def stream(exchange: HttpExchange) -> None:
        while piece := await exchange.read():
            pieces.append(piece)
        await exchange.respond(200, [])

    place = await serve(stream, stall_timeout=0.1)
    caller = await place.call(POST + b"content-length: 10\r\n\r\nhello")
    await place.handler.begun.wait()
    await asyncio.sleep(0.3)
    caller.send(b"world")
    assert (await caller.answer())[0] == 200
    assert b"".join(pieces) == b"helloworld"


async def test_a_caller_that_does_not_read_is_cut(serve: Serve) -> None:
    async def pour(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        while True:
            await exchange.write(bytes(100_000))

    place = await serve(pour, stall_timeout=0.2)
    await place.call(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    async with asyncio.timeout(WAIT):
        await place.handler.ended.wait()
    assert isinstance(place.handler.outcome, CallerGoneError | asyncio.CancelledError)
