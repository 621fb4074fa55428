"""`Connection` on a transport that is none: back-pressure, pipelining, and who is let go of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from edge.listeners import http_connection
from edge.listeners.http_connection import BODY_BUFFER, PIPELINE_BUFFER, Connection
from edge.listeners.http_front import Front
from edge.model.http import CallerGoneError, HttpExchange
from edge.model.settings import Limits
from tests.edge.listeners.http_place import WAIT, Answer, Handler

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


class Transport:
    """Notes what is done with it."""

    def __init__(self) -> None:
        self.written = b""
        self.reading = True
        self.closed = False
        self.aborted = False
        self.ended = False
        self.unsent = 0

    def get_extra_info(self, name: str) -> object:
        return ("192.0.2.1", 7) if name == "peername" else None

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True


class Place:
    def __init__(self, answer: Answer, **limits: Any) -> None:
        self.handler = Handler(answer)
        self.front = Front(self.handler, Limits(**limits))
        self.transport = Transport()
        self.connection = Connection(self.front, self.front.limits, asyncio.get_running_loop())
        self.connection.connection_made(cast(asyncio.BaseTransport, self.transport))

    def feed(self, data: bytes) -> None:
        self.connection.data_received(data)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT):
            while not done():
                await asyncio.sleep(0)

    def lose(self) -> None:
        self.connection.connection_lost(None)


async def test_further_requests_wait_within_a_bound() -> None:
    go = asyncio.Event()

    async def answer(exchange: HttpExchange) -> None:
        await go.wait()
        await exchange.respond(200, [], b"ok")

    place = Place(answer)
    count = PIPELINE_BUFFER // len(GET) + 10
    place.feed(GET)
    place.feed(GET * (count - 1))
    await place.handler.begun.wait()
    assert not place.transport.is_reading()
    assert place.handler.count == 1
    go.set()
    await place.until(lambda: place.transport.written.count(b"200 OK") == count)
    assert place.transport.is_reading()
    assert place.connection.exchange is None
    place.lose()


async def test_the_time_of_a_request_that_waited_begins_when_it_is_its_turn() -> None:
    """Else it would be late because of the one before it."""
    started: list[float] = []
    go = asyncio.Event()

    async def answer(exchange: HttpExchange) -> None:
        started.append(exchange.request.started)
        await go.wait()
        await exchange.respond(200, [])

    place = Place(answer)
    place.feed(GET * 2)
    await place.handler.begun.wait()
    place.connection.arrived -= 100  # that long it took to answer the first
    before = place.connection.arrived
    go.set()
    await place.until(lambda: len(started) == 2)
    assert started[1] > before + 50
    place.lose()


async def test_a_body_stops_its_caller_and_lets_it_go_on() -> None:
    read = asyncio.Event()

    async def answer(exchange: HttpExchange) -> None:
        await read.wait()
        size = 0
        while piece := await exchange.read():
            size += len(piece)
        await exchange.respond(200, [], str(size).encode())

    place = Place(answer)
    place.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (BODY_BUFFER + 10))
    place.feed(bytes(BODY_BUFFER - 100))
    assert place.transport.is_reading()
    place.feed(bytes(101))
    assert not place.transport.is_reading()
    read.set()
    await place.until(place.transport.is_reading)
    place.feed(bytes(9))
    await place.until(lambda: place.transport.written.endswith(str(BODY_BUFFER + 10).encode()))
    place.lose()


async def test_a_body_in_tiny_chunks_stops_its_caller_earlier() -> None:
    """Two bytes cost sixty as an object."""
    read = asyncio.Event()

    async def answer(exchange: HttpExchange) -> None:
        await read.wait()
        await exchange.respond(200, [], str(len(await exchange.read_all(BODY_BUFFER))).encode())

    place = Place(answer)
    place.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    count = 0
    while place.transport.is_reading():
        place.feed(b"2\r\nab\r\n" * 100)
        count += 200
    assert count < BODY_BUFFER / 20
    read.set()
    await place.until(place.transport.is_reading)
    place.feed(b"0\r\n\r\n")
    await place.until(lambda: place.transport.written.endswith(str(count).encode()))
    place.lose()


async def test_a_writer_waits_for_its_caller() -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await exchange.write(b"one")
        await exchange.write(b"two")
        await exchange.finish()

    place = Place(answer)
    place.feed(GET)
    place.connection.pause_writing()
    await place.until(lambda: b"one" in place.transport.written)
    for _ in range(5):
        await asyncio.sleep(0)
    assert b"two" not in place.transport.written
    place.connection.resume_writing()
    await place.until(lambda: place.transport.written.endswith(b"0\r\n\r\n"))
    place.lose()


async def test_a_caller_that_does_not_read_is_given_up() -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await exchange.write(b"one")

    place = Place(answer, stall_timeout=0.01)
    place.feed(GET)
    place.connection.pause_writing()
    async with asyncio.timeout(WAIT):
        await place.handler.ended.wait()
    assert isinstance(place.handler.outcome, CallerGoneError)
    assert place.transport.aborted
    place.lose()


async def test_a_caller_that_reads_slowly_is_not_given_up() -> None:
    """What counts is that it reads: a large answer to a telephone takes longer than `stall_timeout`."""

    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await exchange.write(b"one")
        await exchange.finish()

    place = Place(answer, stall_timeout=0.05)
    transport = place.transport
    transport.unsent = 1000
    place.feed(GET)
    place.connection.pause_writing()
    loop = asyncio.get_running_loop()
    until = loop.time() + 0.3
    while loop.time() < until:
        transport.unsent -= 1
        await asyncio.sleep(0.01)
    assert not transport.aborted
    place.connection.resume_writing()
    await place.until(lambda: transport.written.endswith(b"0\r\n\r\n"))
    place.lose()


async def test_all_who_write_are_woken_when_the_caller_leaves() -> None:
    failures: list[BaseException] = []

    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [])

        async def write() -> None:
            try:
                await exchange.write(b"piece")
            except CallerGoneError as error:
                failures.append(error)

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            group.create_task(write())

    place = Place(answer)
    place.feed(GET)
    place.connection.pause_writing()
    await place.until(lambda: place.transport.written.count(b"piece") == 2)
    exchange = place.connection.exchange
    assert exchange is not None
    exchange.task = None  # nobody cancels it: only what it waits for ends it
    place.lose()
    async with asyncio.timeout(WAIT):
        await place.handler.ended.wait()
    assert len(failures) == 2


async def test_a_caller_that_leaves_before_its_task_runs_is_forgotten() -> None:
    place = Place(lambda exchange: exchange.respond(200, []))
    place.feed(GET)
    place.lose()
    place.front.drain()
    async with asyncio.timeout(WAIT):
        await place.front.wait_still()
    assert place.handler.count == 0


async def test_what_comes_behind_a_refusal_is_dropped() -> None:
    place = Place(lambda exchange: exchange.respond(200, []))
    place.feed(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n" + GET)
    place.feed(GET)
    assert place.transport.written.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert place.transport.written.count(b"HTTP/1.1") == 1
    assert place.transport.ended
    place.lose()
    assert place.handler.count == 0


async def test_a_head_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT", 0.01)
    place = Place(lambda exchange: exchange.respond(200, []))
    place.feed(GET + GET[:-2])
    await place.until(lambda: b"HTTP/1.1 408" in place.transport.written)
    assert place.transport.written.startswith(b"HTTP/1.1 200")
    place.lose()


async def test_an_answer_while_stopping_is_the_last() -> None:
    go = asyncio.Event()

    async def answer(exchange: HttpExchange) -> None:
        await go.wait()
        await exchange.respond(200, [])

    place = Place(answer)
    place.feed(GET * 2)
    await place.handler.begun.wait()
    place.front.drain()
    go.set()
    await place.until(lambda: place.transport.closed)
    assert b"connection: close\r\n" in place.transport.written
    assert place.handler.count == 1
    place.lose()
    async with asyncio.timeout(WAIT):
        await place.front.wait_still()


async def test_a_head_that_is_half_there_is_answered_while_stopping() -> None:
    place = Place(lambda exchange: exchange.respond(200, []))
    place.feed(GET[:5])
    place.front.drain()
    assert not place.transport.closed
    place.feed(GET[5:])
    await place.until(lambda: place.transport.closed)
    assert b"connection: close\r\n" in place.transport.written
    place.lose()
    async with asyncio.timeout(WAIT):
        await place.front.wait_still()


async def test_a_caller_that_still_sends_a_body_gets_to_read_its_answer_while_stopping() -> None:
    place = Place(lambda exchange: exchange.respond(200, [], b"early"))
    place.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
    await place.until(lambda: place.connection.exchange is None)
    place.front.drain()
    assert (place.transport.ended, place.transport.closed) == (True, False)
    place.lose()


async def test_idle_connections_last_as_long_as_is_configured() -> None:
    """Longer than usual, too: some load balancers keep theirs for ten minutes, and send on them at any time."""
    place = Place(lambda exchange: exchange.respond(200, []), max_connection_idle=600)
    place.connection._idle_since -= 300
    place.connection._look_idle()
    assert not place.transport.closed
    place.connection._idle_since -= 300
    place.connection._look_idle()
    assert place.transport.is_closing()
    place.lose()


async def test_an_answer_before_a_small_body_keeps_the_connection() -> None:
    place = Place(lambda exchange: exchange.respond(200, [], b"early"))
    place.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
    await place.until(lambda: place.transport.written.endswith(b"early"))
    place.transport.written = b""
    place.feed(b"def" + GET)
    await place.until(lambda: place.transport.written.endswith(b"early"))
    place.lose()


async def test_100_is_not_sent_when_the_body_came_first() -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.respond(200, [], await exchange.read_all(100))

    place = Place(answer)
    place.feed(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
    await place.until(lambda: place.transport.written.endswith(b"hi"))
    assert b" 100 " not in place.transport.written
    place.lose()


async def test_a_caller_of_http_1_0_gets_no_100() -> None:
    """It would take that for the answer (RFC 9110 section 10.1.1)."""

    async def answer(exchange: HttpExchange) -> None:
        await exchange.respond(200, [], await exchange.read_all(100))

    place = Place(answer)
    place.feed(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    await place.handler.begun.wait()
    place.feed(b"hi")
    await place.until(lambda: place.transport.written.endswith(b"hi"))
    assert b" 100 " not in place.transport.written
    place.lose()


async def test_the_limit_of_headers_is_the_configured_one() -> None:
    place = Place(lambda exchange: exchange.respond(200, []), max_headers=16)
    place.feed(GET[:-2] + b"x: y\r\n" * 16 + b"\r\n")
    assert b"HTTP/1.1 431" in place.transport.written
    assert b"server.limits.max_headers" in place.transport.written
    place.lose()


async def test_a_body_that_breaks_while_it_is_answered_ends_the_connection() -> None:
    go = asyncio.Event()

    async def answer(exchange: HttpExchange) -> None:
        await exchange.start(200, [("content-length", "2")])
        await exchange.write(b"ok")
        await go.wait()
        await exchange.finish()

    place = Place(answer)
    place.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    place.feed(b"hello")
    place.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    go.set()
    await place.until(lambda: place.transport.ended)
    assert place.transport.written.count(b"HTTP/1.1 200 OK") == 2
    assert place.connection.exchange is None
    place.lose()


async def test_the_time_for_the_next_request_begins_with_the_answer() -> None:
    places: list[Place] = []

    async def answer(exchange: HttpExchange) -> None:
        places[0].connection.arrived -= 2 * http_connection.KEEP_ALIVE  # that long ago was the request
        await exchange.respond(200, [])

    place = Place(answer)
    places.append(place)
    place.feed(GET)
    await place.until(lambda: b"200 OK" in place.transport.written)
    await place.until(lambda: place.connection.exchange is None)
    place.connection._look_idle()
    assert not place.transport.closed
    place.lose()
