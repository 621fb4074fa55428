"""The conformance table notices servers that deviate, and has no case twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.integration.wire.cases import CASES
from tests.integration.wire.frames_client import (
    END_HEADERS,
    SETTINGS_ACK,
    Client,
    Closed,
    Code,
    Setting,
    Type,
    data,
    frame,
    goaway,
    headers,
    ping,
    rst_stream,
    settings,
    window_update,
)
from tests.integration.wire.place import Ask, Place, ask, plain_place
from tests.integration.wire.play import Conversation, Deviates, play
from tests.integration.wire.steps import Case, alive, answered, case, connection_error, malformed, quiet, stream_error


def name(case: Case) -> str:
    return f"{case.rule}: {case.name}"


def test_cases_have_names_of_their_own() -> None:
    assert [found for found, count in Counter(map(name, CASES)).items() if count > 1] == []


def test_requests_that_no_case_uses_are_not_offered() -> None:
    assert {kind for case in CASES for kind in case.needs} == set(Ask)


@contextlib.asynccontextmanager
async def serving(behave: Callable[[Client], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve every connection in this way; yield the address."""
    clients: list[Client] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.append(Client(reader, writer))
        await behave(clients[-1])

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for client in clients:
            await client.close()


async def take_everything(client: Client) -> None:
    """Acknowledge SETTINGS and PING, answer every HEADERS, and find no fault with anything."""
    await client.skip_preface()
    await client.write(settings())
    while True:
        try:
            found = await client.read()
        except Closed:
            return
        if found.kind == Type.SETTINGS and not found.flags:
            await client.write(SETTINGS_ACK)
        elif found.kind == Type.PING and not found.flags:
            await client.write(ping(found.payload, ack=True))
        elif found.kind == Type.HEADERS and found.flags & END_HEADERS:
            # 0x88 is `:status: 200`
            await client.write(headers(found.stream, b"\x88", end=False) + data(found.stream, bytes(100), end=True))


@pytest_asyncio.fixture(loop_scope="session")
async def lenient() -> AsyncIterator[Place]:
    """A server that finds no fault with anything."""
    async with serving(take_everything) as address:
        yield plain_place(address)


@pytest.mark.parametrize(
    "deviation",
    [
        case("table", "a connection error that does not come",
             frame(Type.PING, 0, 0, b"x"), connection_error(Code.FRAME_SIZE_ERROR)),
        case("table", "a stream error that does not come", ask(2), stream_error(2, Code.PROTOCOL_ERROR)),
        case("table", "a malformed request that is answered", ask(drop=[":path"]), malformed(1)),
        case("table", "a window that is not obeyed", ask(), answered(), hello=((Setting.INITIAL_WINDOW_SIZE, 1),)),
        case("table", "octets that should not come", ask(), quiet(1, 1), hello=((Setting.INITIAL_WINDOW_SIZE, 1),)),
        case("table", "an answer that does not come", rst_stream(1), answered(1)),
        case("table", "a stream that is answered twice", ask(), ask(), answered(), alive()),
    ],
    ids=name,
)  # fmt: skip
async def test_a_server_that_deviates_fails(deviation: Case, lenient: Place) -> None:
    with pytest.raises(Deviates):
        await play(deviation, lenient, patience=0.3)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (ping(), "the first frame"),
        (settings() + frame(Type.DATA, 0, 1, bytes(16385)), "16385 octets"),
        (settings() + data(1, b"x"), "DATA before HEADERS"),
        (settings() + headers(1, b"\x88") + data(1), "after END_STREAM"),
        (settings() + headers(1, b"\x88", end=False) + rst_stream(1) + data(1), "after RST_STREAM"),
        (settings() + headers(1, b"\xff\xff"), "does not decode"),
        (settings() + headers(1, b"\x82"), "pseudo-header"),
        (settings() + headers(1, b"\x88\x00\x0aconnection\x01a"), "connection-specific"),
        (settings() + headers(1, b"\x88\x00\x03X-a\x01a"), "field name"),
        (settings() + headers(1, b"\x88\x00\x03x-a\x02a "), "field value"),
        (settings() + headers(1, b"\x88", last=False) + ping(), "within a header block"),
        (settings() + headers(2, b"\x88"), "on stream 2"),
        (settings() + window_update(0, 0), "WINDOW_UPDATE by 0"),
        (settings((Setting.ENABLE_PUSH, 1)), "ENABLE_PUSH"),
        (settings((Setting.MAX_FRAME_SIZE, 1)), "MAX_FRAME_SIZE"),
        (SETTINGS_ACK * 2 + settings(), "more acknowledgements"),
        (settings() + goaway(1) + goaway(3), "grew"),
        (settings() + frame(Type.PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2"), "PUSH_PROMISE"),
    ],
    ids=lambda found: found if isinstance(found, str) else "",
)
async def test_what_no_server_may_send_fails(sent: bytes, words: str) -> None:
    async def behave(client: Client) -> None:
        await client.write(sent)
        with contextlib.suppress(Closed):
            while True:
                await client.read()

    async with serving(behave) as address:
        talk = Conversation(await Client.open(address), patience=0.3)
        try:
            with pytest.raises(Deviates, match=words):
                # without an acknowledgement it fails in any case: the words tell whether for the right reason
                await talk.greet(())
        finally:
            await talk.close()
