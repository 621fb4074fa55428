"""What a caller may do, and where that ends: floods, resets, too many streams and connections.

After each protection has acted the gateway serves as before, and the protection is counted and in the log. Header lists
are in test_header_limits.py, the clock in test_connection_times.py, whoever does not read in test_slow_readers.py.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.integration.wire.conftest import Guard, Guarded
from tests.integration.wire.floods import ends
from tests.integration.wire.frames_client import (
    PREFACE,
    Client,
    Closed,
    Code,
    Setting,
    Spoke,
    Type,
    data,
    headers,
    ping,
    priority,
    rst_stream,
    settings,
    window_update,
)
from tests.integration.wire.place import Ask, Request, ask
from tests.integration.wire.play import Conversation, Deviates
from tests.integration.wire.steps import (
    Upload,
    alive,
    answered,
    connection_error,
    goaway_and_close,
    octets,
    only_stream_error,
    pong,
)
from tests.support.rpc import eventually

CALM = Code.ENHANCE_YOUR_CALM
MIB = 1 << 20
# === resets ===


async def reset_many(at: Guarded, times: int = 400, *, by_error: bool = False) -> Conversation:
    """Open streams and end them at once, by RST_STREAM or by an error that makes the gateway do it."""
    talk = await at.talk()
    found = Request(Ask.POST).block(at.place)
    for number in range(1, 2 * times, 2):
        end = window_update(number, 0) if by_error else rst_stream(number)
        await talk.client.write(headers(number, found, end=False) + end)
    return talk


async def test_rapid_reset_ends_the_connection(guard: Guard) -> None:
    async with guard(max_premature_resets=50) as at:
        talk = await reset_many(at)
        await talk.expect(connection_error(CALM))
        await at.acted("rapid_reset")
        await at.admin.idle()


async def test_rapid_reset_is_told_the_caller(guard: Guard) -> None:
    async with guard(max_premature_resets=50) as at:
        talk = await reset_many(at, times=55)
        await talk.expect(goaway_and_close(CALM))
        await at.acted("rapid_reset")


async def test_streams_that_the_gateway_is_made_to_reset_count_too(guard: Guard) -> None:
    """CVE-2025-8671: an error of the stream ends it as cheaply for the caller as RST_STREAM does."""
    async with guard(max_premature_resets=50) as at:
        talk = await reset_many(at, by_error=True)
        await talk.expect(connection_error(CALM))
        await at.acted("rapid_reset")
        await at.admin.idle()


async def test_resets_among_many_answers_are_taken(guard: Guard) -> None:
    async with guard(max_premature_resets=20) as at:
        talk = await at.talk()
        for number in range(1, 101, 2):
            await talk.say(at.place, ask(number), answered(number))
        for number in range(101, 161, 2):
            await talk.say(at.place, ask(number, Ask.POST), rst_stream(number))
        await talk.say(at.place, alive(), ask(201), answered(201))
        assert await at.count("rapid_reset") == 0


# === floods of control frames ===

FLOODS = {
    "SETTINGS": settings((Setting.MAX_CONCURRENT_STREAMS, 100)),
    "PING": ping(),
    "PRIORITY": priority(5),
    "WINDOW_UPDATE": window_update(0, 1),
}


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_ends_the_connection(guard: Guard, kind: str) -> None:
    async with guard(max_control_frames=100) as at:
        talk = await at.talk()
        at.weigh()
        await ends(talk, FLOODS[kind] * 50, 200)
        assert at.grown() < 16 * MIB
        await at.acted("control_flood")


@pytest.mark.parametrize("pad", [None, 0, 200], ids=["empty", "empty and padded", "padding alone"])
async def test_a_flood_of_empty_data_ends_the_connection(guard: Guard, pad: int | None) -> None:
    async with guard(max_control_frames=100) as at:
        talk = await at.talk()
        await talk.say(at.place, ask(1, Ask.POST))
        await ends(talk, data(1, pad=pad) * 50, 200)
        await at.acted("control_flood")


async def test_pings_of_a_caller_that_does_not_read_are_not_kept(guard: Guard) -> None:
    async with guard(max_control_frames=100) as at:
        client = await Client.open(at.gateway.traffic)
        try:
            at.weigh()
            await client.write(PREFACE + settings())
            for _ in range(200):
                await client.write(ping() * 500)
                await asyncio.sleep(0)
            assert at.grown() < 16 * MIB
            await at.acted("control_flood")
        finally:
            await client.close()


async def test_a_flood_is_told_the_caller(guard: Guard) -> None:
    async with guard(max_control_frames=100) as at:
        talk = await at.talk()
        await talk.say(at.place, ping() * 150, goaway_and_close(CALM))
        await at.acted("control_flood")


async def test_some_control_frames_are_taken(guard: Guard) -> None:
    async with guard(max_control_frames=100) as at:
        talk = await at.talk()
        await talk.say(at.place, *(window_update(0, 1) for _ in range(80)), *alive(), ask(), answered())
        assert await at.count("control_flood") == 0


async def test_pings_below_the_limit_are_answered(guard: Guard) -> None:
    async with guard() as at:
        talk = await at.talk()
        await talk.say(at.place, b"".join(ping(b"%08d" % number) for number in range(10)), pong(b"00000009"))
        assert len(talk.seen.pongs) == 10
        assert await at.count("control_flood") == 0


async def test_window_updates_that_answers_ask_for_are_taken(guard: Guard) -> None:
    """As many as DATA frames, as a caller with small windows sends them, are no flood."""
    async with guard(max_control_frames=20) as at:
        talk = await at.talk((Setting.INITIAL_WINDOW_SIZE, 100))
        await talk.say(at.place, ask(1, Ask.BIG))
        for count in range(1, 301):
            await talk.say(at.place, octets(1, 100 * count), window_update(1, 100) + window_update(0, 100))
        await talk.say(at.place, rst_stream(1), ask(3), window_update(3, 1000), answered(3))
        assert await at.count("control_flood") == 0


# === limits of streams and connections ===


async def test_more_streams_than_allowed_are_refused_and_the_others_go_on(guard: Guard) -> None:
    async with guard(max_concurrent_streams=10) as at:
        talk = await at.talk()
        assert talk.seen.settings[Setting.MAX_CONCURRENT_STREAMS] == 10
        numbers = range(1, 41, 2)
        await talk.say(at.place, *(ask(number, Ask.POST) for number in numbers))
        for number in numbers[10:]:
            await talk.expect(only_stream_error(number, Code.REFUSED_STREAM))
        for number in numbers[:10]:
            await talk.say(at.place, Upload(number, 20), answered(number))
        await talk.say(at.place, ask(101), answered(101))
        await at.acted("stream_limit", 10)


async def turned_away(address: str, source: str = "") -> None:
    """Connect; the connection must be closed before a word of HTTP/2 was answered."""
    try:
        client = await Client.open(address, source=source)
    except ConnectionError:
        return
    try:
        await client.write(PREFACE + settings())
        with contextlib.suppress(Closed, Spoke):
            async with asyncio.timeout(5):
                while True:
                    found = await client.read()
                    assert found.kind == Type.GOAWAY, f"a connection too many is served: {found}"
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("limit", "protection"), [("max_connections", "connection_limit"), ("max_connections_per_peer", "peer_limit")]
)
async def test_more_connections_than_allowed_are_closed_at_once(guard: Guard, limit: str, protection: str) -> None:
    async with guard(**{limit: 4}) as at:
        talks = [await at.talk() for _ in range(3)]

        async def fourth() -> Conversation | None:
            try:
                return await at.talk(patience=2)
            except (Deviates, ConnectionError):
                return None

        talks.append(await eventually(fourth, what="room for a fourth connection"))
        for _ in range(3):
            await turned_away(at.gateway.traffic)
        for talk in talks:
            await talk.say(at.place, ask(), answered())
        if limit == "max_connections_per_peer":
            # another peer has room of its own
            other = await at.talk(source="127.0.0.2")
            await other.say(at.place, ask(), answered())
        await talks.pop().close()
        await at.acted(protection, 3)


# === what else ===


async def test_the_end_of_a_connection_tells_upstreams(guard: Guard) -> None:
    """A connection that ends by a protection cancels its calls."""
    async with guard(max_control_frames=100) as at:
        talk = await at.talk()
        for number in range(1, 21, 2):
            await talk.say(at.place, ask(number, Ask.HANG))
        await ends(talk, ping() * 50, 200)
        await at.admin.idle()
        await at.acted("control_flood")


async def test_errors_of_the_protocol_are_no_protection(guard: Guard) -> None:
    async with guard() as at:
        talk = await at.talk()
        await talk.say(at.place, data(0, b"x"), connection_error(Code.PROTOCOL_ERROR))
        assert dict((await at.admin.info()).protections) == {}
