from __future__ import annotations

import asyncio
import json
import os
import random
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from edge.model.http import CallerGoneError, HttpExchange, WebSocket
from tests.edge.listeners.http_place import Caller, Place, Serve

HANDSHAKE = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"
OPEN = HANDSHAKE + KEY + VERSION + b"\r\n"

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Echo:
    """Sends back what it receives, and notes how the connection ended."""

    def __init__(self, **options: object) -> None:
        self.options = {"max_message_bytes": 1000} | options
        self.codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def __call__(self, exchange: HttpExchange) -> None:
        socket: WebSocket = await exchange.accept(**self.options)  # type: ignore[arg-type]
        while (message := await socket.receive()) is not None:
            await socket.send(message)
        self.codes.put_nowait(socket.close_code)
        with pytest.raises(CallerGoneError):
            await socket.send("too late")

    async def code(self) -> int | None:
        async with asyncio.timeout(3):
            return await self.codes.get()


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    head = bytes((fin << 7 | rsv << 4 | opcode,))
    if len(payload) < 126:
        head += bytes((0x80 | len(payload),))
    else:
        head += b"\xfe" + struct.pack(">H", len(payload))
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


async def next_frame(caller: Caller) -> tuple[int, bytes]:
    async with asyncio.timeout(3):
        first, length = await caller.reader.readexactly(2)
        if length == 126:
            (length,) = struct.unpack(">H", await caller.reader.readexactly(2))
        return first & 15, await caller.reader.readexactly(length)


async def open_socket(place: Place) -> Caller:
    caller = await place.call(OPEN)
    assert (await caller.head())[0] == 101
    return caller


@asynccontextmanager
async def client(place: Place, compress: int = 0) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(place.url + "/chat", compress=compress) as socket,
    ):
        yield socket


async def test_the_handshake_of_the_rfc(serve: Serve) -> None:
    place = await serve(Echo(subprotocol="v1.json", headers=[("x-trace", "1"), ("upgrade", "no")]))
    caller = await place.call(OPEN)
    status, headers = await caller.head()
    headers.pop("date")
    assert status == 101
    assert headers == {
        "upgrade": "websocket",
        "connection": "upgrade",
        "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "sec-websocket-protocol": "v1.json",
        "x-trace": "1",
    }


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (HANDSHAKE + VERSION, 400, "sec-websocket-key"),
        (HANDSHAKE + VERSION + b"Sec-WebSocket-Key: short\r\n", 400, "16 bytes in base64"),
        (HANDSHAKE + VERSION + b"Sec-WebSocket-Key: \xff\xff\r\n", 400, "16 bytes in base64"),
        (HANDSHAKE + KEY + b"Sec-WebSocket-Version: 8\r\n", 426, "must be 13"),
        (HANDSHAKE + KEY, 426, "must be 13"),
        (OPEN[:-2].replace(b"GET", b"POST"), 400, "is a GET of HTTP/1.1"),
        (OPEN[:-2].replace(b"HTTP/1.1", b"HTTP/1.0"), 400, "is a GET of HTTP/1.1"),
        (OPEN[:-2].replace(b"Upgrade\r\n", b"Upgraded\r\n", 1), 400, "connection: upgrade"),
        (OPEN[:-2] + b"Content-Length: 3\r\n", 400, "has no body"),
    ],
)
async def test_a_bad_handshake_is_refused_with_words(serve: Serve, sent: bytes, status: int, words: str) -> None:
    place = await serve(Echo())
    caller = await place.call(sent + b"\r\n")
    got, headers, body = await caller.answer()
    assert got == status
    assert words in json.loads(body)["message"]
    assert headers.get("sec-websocket-version") == ("13" if status == 426 else None)
    assert headers.get("upgrade") == ("websocket" if status == 426 else None)
    assert place.handler.count == 0


async def test_a_handshake_that_is_declined_leaves_the_connection_open(serve: Serve) -> None:
    async def decline(exchange: HttpExchange) -> None:
        await exchange.respond(404, [], b"no")

    caller = await (await serve(decline)).call(OPEN + OPEN)
    for _ in range(2):
        assert (await caller.answer())[2] == b"no"


async def test_text_and_binary_both_ways(serve: Serve) -> None:
    echo = Echo()
    async with client(await serve(echo)) as socket:
        await socket.send_str("héllo €")
        assert await socket.receive_str(timeout=2) == "héllo €"
        await socket.send_bytes(b"\x00\xff")
        assert await socket.receive_bytes(timeout=2) == b"\x00\xff"
        await socket.send_str("")
        assert await socket.receive_str(timeout=2) == ""
        await socket.close(code=4321, message=b"bye")
        assert socket.close_code == 4321
    assert await echo.code() == 4321


async def test_compression_is_not_offered(serve: Serve) -> None:
    async with client(await serve(Echo()), compress=15) as socket:
        assert socket.compress == 0


async def test_frames_sent_with_the_handshake_are_not_lost(serve: Serve) -> None:
    caller = await (await serve(Echo())).call(OPEN + frame(TEXT, b"early"))
    await caller.head()
    assert await next_frame(caller) == (TEXT, b"early")


async def test_a_message_in_pieces_with_a_ping_between(serve: Serve) -> None:
    caller = await open_socket(await serve(Echo()))
    caller.send(frame(TEXT, b"on", fin=False) + frame(PING, b"p") + frame(0, b"e"))
    assert await next_frame(caller) == (PONG, b"p")
    assert await next_frame(caller) == (TEXT, b"one")


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_a_close_is_answered_with_its_code(serve: Serve, code: int) -> None:
    echo = Echo()
    caller = await open_socket(await serve(echo))
    caller.send(frame(CLOSE, struct.pack(">H", code) + b"why"))
    assert await next_frame(caller) == (CLOSE, struct.pack(">H", code))
    assert await caller.rest() == b""
    assert await echo.code() == code


async def test_a_close_without_a_code(serve: Serve) -> None:
    echo = Echo()
    caller = await open_socket(await serve(echo))
    caller.send(frame(CLOSE))
    assert await next_frame(caller) == (CLOSE, b"")
    assert await echo.code() == 1005


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
        (frame(BINARY, bytes(1001)), 1009),
        (frame(BINARY, bytes(600), fin=False) + frame(0, bytes(600)), 1009),
        (frame(TEXT, b"a", rsv=4), 1002),
        (frame(3), 1002),
        (frame(0, b"a"), 1002),
        (frame(PING, fin=False), 1002),
        (frame(PING, bytes(126)), 1002),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, struct.pack(">H", 999)), 1002),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    ],
)
async def test_what_breaks_the_protocol_is_closed_with_its_code(serve: Serve, sent: bytes, code: int) -> None:
    echo = Echo()
    caller = await open_socket(await serve(echo))
    caller.send(sent)
    opcode, payload = await next_frame(caller)
    assert (opcode, struct.unpack(">H", payload[:2])[0]) == (CLOSE, code)
    assert payload[2:].decode()
    await caller.rest()
    assert await echo.code() is None


async def test_a_message_of_exactly_the_limit(serve: Serve) -> None:
    caller = await open_socket(await serve(Echo()))
    caller.send(frame(BINARY, bytes(1000)))
    assert await next_frame(caller) == (BINARY, bytes(1000))


async def test_a_caller_that_vanishes_cancels(serve: Serve) -> None:
    place = await serve(Echo())
    caller = await open_socket(place)
    caller.vanish()
    await asyncio.wait_for(place.handler.ended.wait(), 1)
    assert isinstance(place.handler.outcome, asyncio.CancelledError)


async def test_a_caller_that_vanishes_before_the_handshake_is_answered_is_no_error_of_ours(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    gone = asyncio.Event()

    async def answer(exchange: HttpExchange) -> None:
        try:
            await gone.wait()
        except asyncio.CancelledError:
            with pytest.raises(CallerGoneError):
                await exchange.accept(max_message_bytes=10)

    place = await serve(answer)
    caller = await place.call(OPEN)
    await asyncio.wait_for(place.handler.begun.wait(), 1)
    caller.vanish()
    await asyncio.wait_for(place.handler.ended.wait(), 1)
    await asyncio.sleep(0)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_closing_says_why_in_at_most_123_bytes_of_whole_characters(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        socket = await exchange.accept(max_message_bytes=10)
        await socket.close(4000, "€" * 100)
        await socket.close(4001, "not sent")
        assert socket.close_code == 4000
        assert await socket.receive() is None

    place = await serve(answer)
    caller = await open_socket(place)
    opcode, payload = await next_frame(caller)
    assert (opcode, payload) == (CLOSE, struct.pack(">H", 4000) + ("€" * 41).encode())
    caller.send(frame(TEXT, b"late") + frame(CLOSE, payload[:2]))
    assert await caller.rest() == b""
    await asyncio.wait_for(place.handler.ended.wait(), 1)
    assert place.handler.outcome is None


@pytest.mark.parametrize(("code", "sent"), [(1005, b""), (1006, b"\x03\xf3"), (1000, b"\x03\xe8")])
async def test_codes_that_are_never_on_the_wire(serve: Serve, code: int, sent: bytes) -> None:
    async def answer(exchange: HttpExchange) -> None:
        socket = await exchange.accept(max_message_bytes=10)
        await socket.close(code)

    caller = await open_socket(await serve(answer))
    assert await next_frame(caller) == (CLOSE, sent)


async def test_a_caller_that_does_not_answer_a_close_is_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.listeners.http_websocket.CLOSE_TIMEOUT", 0.2)

    async def answer(exchange: HttpExchange) -> None:
        socket = await exchange.accept(max_message_bytes=10)
        await socket.close(1000)

    caller = await open_socket(await serve(answer))
    await next_frame(caller)
    begun = time.monotonic()
    assert await caller.rest() in (b"", b"<reset>")
    assert time.monotonic() - begun < 1


async def test_a_handler_that_returns_closes(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        socket = await exchange.accept(max_message_bytes=10)
        await socket.send("one")

    caller = await open_socket(await serve(answer))
    assert await next_frame(caller) == (TEXT, b"one")
    assert await next_frame(caller) == (CLOSE, b"\x03\xe8")


@pytest.mark.usefixtures("loud")
async def test_a_handler_that_fails_closes_with_1011(serve: Serve) -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.accept(max_message_bytes=10)
        raise KeyError("secret")

    caller = await open_socket(await serve(answer))
    opcode, payload = await next_frame(caller)
    assert (opcode, payload[:2]) == (CLOSE, b"\x03\xf3")
    assert b"secret" not in payload


async def test_cancelling_one_who_sends_does_not_cancel_another(serve: Serve) -> None:
    outcomes: list[BaseException | None] = []

    async def answer(exchange: HttpExchange) -> None:
        socket = await exchange.accept(max_message_bytes=10)

        async def pour() -> None:
            while True:
                await socket.send(bytes(100_000))

        async with asyncio.TaskGroup() as group:
            first, second = group.create_task(pour()), group.create_task(pour())
            await asyncio.sleep(0.2)
            first.cancel()
            await asyncio.sleep(0.1)
            outcomes.append(None if not second.done() else asyncio.CancelledError())
            second.cancel()

    place = await serve(answer)
    caller = await place.call(OPEN, limit=1024)
    await caller.head()
    await asyncio.wait_for(place.handler.begun.wait(), 1)
    await asyncio.sleep(0.4)
    assert outcomes == [None]
    caller.vanish()


async def test_pings_go_out_and_a_caller_that_answers_stays(serve: Serve) -> None:
    caller = await open_socket(await serve(Echo(ping_interval=0.05)))
    for _ in range(4):
        assert await next_frame(caller) == (PING, b"")
        caller.send(frame(PONG))
    caller.send(frame(TEXT, b"here"))
    assert await next_frame(caller) == (TEXT, b"here")


async def test_a_caller_that_answers_no_ping_is_dropped(serve: Serve) -> None:
    place = await serve(Echo(ping_interval=0.1))
    caller = await open_socket(place)
    assert await next_frame(caller) == (PING, b"")
    assert await caller.rest() in (b"", b"<reset>")
    await asyncio.wait_for(place.handler.ended.wait(), 1)


async def test_a_caller_that_is_not_read_stops_and_is_not_dropped_for_it(serve: Serve) -> None:
    go = asyncio.Event()
    received = 0

    async def answer(exchange: HttpExchange) -> None:
        nonlocal received
        socket = await exchange.accept(max_message_bytes=100_000, ping_interval=0.05)
        await go.wait()
        while (message := await socket.receive()) is not None:
            received += len(message)

    caller = await open_socket(await serve(answer))
    sender = asyncio.get_running_loop().create_task(_pour(caller, 600))
    await asyncio.sleep(0.4)
    assert not sender.done()
    go.set()
    await asyncio.wait_for(sender, 5)
    caller.send(frame(CLOSE, b"\x03\xe8"))
    while (await next_frame(caller))[0] != CLOSE:
        pass
    assert received == 600 * 50_000


@pytest.mark.parametrize("before", [b"", frame(TEXT, b"well"), frame(TEXT, b"half", fin=False)], ids=len)
async def test_a_frame_that_is_not_masked_is_an_error(serve: Serve, before: bytes) -> None:
    echo = Echo()
    caller = await open_socket(await serve(echo))
    caller.send(before + b"\x81\x05hello")
    while (found := await next_frame(caller))[0] != CLOSE:
        assert found == (TEXT, b"well")
    payload = found[1]
    assert payload[:2] == b"\x03\xea"
    assert b"not masked" in payload
    assert await caller.rest() == b""
    assert await echo.code() is None


async def test_what_came_in_plenty_before_the_handshake_was_answered_does_not_stop_the_rest(serve: Serve) -> None:
    """So much waits behind the request that the caller is stopped; the message is only whole with what comes then."""
    go = asyncio.Event()

    async def answer(exchange: HttpExchange) -> None:
        await go.wait()
        socket = await exchange.accept(max_message_bytes=1_000_000)
        message = await socket.receive()
        await socket.send(str(len(message or b"")))

    place = await serve(answer)
    size = 700_000
    mask = bytes(4)
    whole = b"\x82\xff" + size.to_bytes(8, "big") + mask + bytes(size)
    caller = await place.call(OPEN + whole)
    await asyncio.wait_for(place.handler.begun.wait(), 1)
    async with asyncio.timeout(3):
        while place.reads():
            await asyncio.sleep(0.01)
    go.set()
    assert (await caller.head())[0] == 101
    assert await next_frame(caller) == (TEXT, b"700000")


async def _pour(caller: Caller, count: int) -> None:
    message = frame(BINARY, bytes(50_000))
    for _ in range(count):
        caller.send(message)
        await caller.writer.drain()


async def test_a_caller_that_does_not_read_stops_the_sender(serve: Serve) -> None:
    sent = 0

    async def answer(exchange: HttpExchange) -> None:
        nonlocal sent
        socket = await exchange.accept(max_message_bytes=10)
        while True:
            await socket.send(bytes(10_000))
            sent += 10_000

    place = await serve(answer)
    caller = await place.call(OPEN, limit=1024)
    await caller.head()
    await asyncio.sleep(0.3)
    stopped_at = sent
    await asyncio.sleep(0.2)
    assert sent == stopped_at
    assert sent < 8_000_000
    caller.vanish()
    await asyncio.wait_for(place.handler.ended.wait(), 1)


async def test_a_server_that_stops_says_going_away(serve: Serve) -> None:
    echo = Echo()
    place = await serve(echo)
    caller = await open_socket(place)
    stopping = asyncio.get_running_loop().create_task(place.server.stop(5))
    opcode, payload = await next_frame(caller)
    assert (opcode, payload) == (CLOSE, struct.pack(">H", 1001) + b"the gateway is stopping")
    caller.send(frame(CLOSE, b"\x03\xe9"))
    await asyncio.wait_for(stopping, 2)
    assert await echo.code() == 1001


async def test_no_frames_bring_a_hang_or_a_traceback(serve: Serve) -> None:
    """The fixture `quiet_log` sees to it that nothing is logged."""
    place = await serve(Echo())
    for seed in range(100):
        luck = random.Random(seed)
        caller = await open_socket(place)
        for _ in range(luck.randrange(1, 8)):
            if luck.random() < 0.7:
                opcode = luck.choice([0, TEXT, BINARY, CLOSE, PING, PONG, 5])
                payload = luck.randbytes(luck.choice([0, 1, 2, 5, 125, 126, 1100]))
                caller.send(frame(opcode, payload, fin=luck.random() < 0.8, rsv=luck.choice([0, 0, 0, 4])))
            else:
                caller.send(luck.randbytes(luck.randrange(20)))
        caller.writer.write_eof()
        await caller.rest()
    caller = await open_socket(place)
    caller.send(frame(TEXT, b"still here"))
    assert await next_frame(caller) == (TEXT, b"still here")
