"""How long a connection may be new, idle and old. The protections are counted and in the log, and calls do not fail."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.integration.wire.conftest import Guard
from tests.integration.wire.frames_client import PREFACE, Client, Closed, Code, Spoke, headers, settings
from tests.integration.wire.place import Ask, ask, cut
from tests.integration.wire.play import Conversation
from tests.integration.wire.steps import Expect, Upload, alive, answered, closed, pong
from tests.support.rpc import PROBE_SERVICE, Stub, blob, connect

SLACK = 2.0
"""Seconds that a busy machine may be late."""

goodbye = Expect(
    "GOAWAY NO_ERROR",
    lambda seen: seen.code == Code.NO_ERROR,
    lambda seen: bool(seen.code) or (seen.closed and not seen.goaways),
)

BEGINNINGS = {
    "nothing": b"",
    "half a preface": PREFACE[:12],
    "a preface": PREFACE,
    "half SETTINGS": PREFACE + settings()[:5],
    "half a line of HTTP/1.1": b"GET /anyth",
    "half a header of HTTP/1.1": b"GET /anything HTTP/1.1\r\nhost: a\r\nx-long: ",
}


async def gone(client: Client) -> float:
    """Read to the end of a connection; return the seconds that it took."""
    begin = time.monotonic()
    try:
        async with asyncio.timeout(10):
            while True:
                await client.read()
    except (Closed, Spoke):
        return time.monotonic() - begin


@pytest.mark.parametrize("beginning", BEGINNINGS)
async def test_a_connection_that_does_not_begin_is_closed_in_time(guard: Guard, beginning: str) -> None:
    async with guard(handshake_timeout="1s") as at:
        client = await Client.open(at.gateway.traffic)
        try:
            await client.write(BEGINNINGS[beginning])
            took = await gone(client)
        finally:
            await client.close()
        assert 0.8 <= took <= 1 + SLACK
        await at.acted("handshake_timeout")


async def test_a_preface_octet_by_octet_does_not_buy_time(guard: Guard) -> None:
    async with guard(handshake_timeout="1s") as at:
        client = await Client.open(at.gateway.traffic)
        begin = time.monotonic()
        try:
            async with asyncio.timeout(10):
                for octet in PREFACE * 2:
                    await client.write(bytes((octet,)))
                    try:
                        async with asyncio.timeout(0.2):
                            await client.read()
                    except TimeoutError:
                        continue
                    except Closed:
                        break
        finally:
            await client.close()
        assert time.monotonic() - begin <= 1 + SLACK
        await at.acted("handshake_timeout")


async def test_a_first_request_whose_header_block_does_not_end_is_closed_in_time(guard: Guard) -> None:
    async with guard(handshake_timeout="1s") as at:
        talk = await at.talk()
        begin = time.monotonic()
        await talk.say(at.place, cut(20, lambda a, _: headers(1, a, last=False)), closed())
        assert time.monotonic() - begin <= 1 + SLACK
        await at.acted("handshake_timeout")


async def test_a_connection_that_has_begun_may_take_its_time(guard: Guard) -> None:
    async with guard(handshake_timeout="1s") as at:
        talk = await at.talk()
        await talk.say(at.place, ask(1, Ask.POST))
        await asyncio.sleep(1.5)
        await talk.say(at.place, Upload(1, 20), answered(), ask(3), answered(3))
        assert await at.count("handshake_timeout") == 0


async def test_an_idle_connection_is_asked_to_end(guard: Guard) -> None:
    async with guard(max_connection_idle="1s") as at:
        talk = await at.talk()
        await talk.say(at.place, ask(), answered())
        begin = time.monotonic()
        await talk.expect(goodbye)
        assert 0.7 <= time.monotonic() - begin <= 1 + SLACK
        await talk.expect(closed())
        assert talk.seen.code == Code.NO_ERROR
        await at.acted("idle_timeout")


async def test_a_connection_that_never_had_a_call_is_idle(guard: Guard) -> None:
    async with guard(max_connection_idle="1s", handshake_timeout="60s") as at:
        talk = await at.talk()
        await talk.say(at.place, goodbye, closed())
        await at.acted("idle_timeout")


async def test_pings_do_not_keep_a_connection_from_being_idle(guard: Guard) -> None:
    async with guard(max_connection_idle="1s") as at:
        talk = await at.talk()
        await talk.say(at.place, ask(), answered())

        async def pinging() -> None:
            while not talk.seen.goaways and not talk.seen.closed:
                await talk.send(b"\x00\x00\x08\x06\x00\x00\x00\x00\x00again...")
                await asyncio.sleep(0.2)

        async with asyncio.timeout(1 + 2 * SLACK), asyncio.TaskGroup() as group:
            group.create_task(pinging())
            await talk.expect(goodbye)
        await at.acted("idle_timeout")


async def test_a_connection_with_a_call_is_not_idle(guard: Guard) -> None:
    async with guard(max_connection_idle="1s") as at:
        talk = await at.talk()
        await talk.say(at.place, ask(1, Ask.POST))
        await asyncio.sleep(2.5)
        await talk.say(at.place, *alive(1), Upload(1, 20), answered())
        assert talk.seen.goaways == []
        assert await at.count("idle_timeout") == 0


async def test_an_old_connection_is_asked_to_end_and_its_calls_finish(guard: Guard) -> None:
    async with guard(max_connection_age="2s", connection_grace="20s") as at:
        begin = time.monotonic()
        talk = await at.talk()
        await talk.say(at.place, ask(1, Ask.POST), goodbye)
        assert 1.7 <= time.monotonic() - begin <= 2.2 + SLACK
        await asyncio.sleep(0.5)
        await talk.say(at.place, Upload(1, 20), answered(), closed())
        assert talk.seen.code == Code.NO_ERROR
        assert talk.seen.goaways[-1][0] >= 1, "the call is not told that it was not looked at"
        await at.acted("connection_age")


async def test_a_call_that_crosses_the_first_goaway_is_served(guard: Guard) -> None:
    """GOAWAY 2^31-1 comes first, so that a caller that could not know yet does not lose a call (RFC 9113 6.8)."""
    async with guard(max_connection_age="1s", connection_grace="20s") as at:
        talk = await at.talk()
        await talk.say(at.place, ask(1, Ask.POST), goodbye)
        assert talk.seen.goaways[0][0] == (1 << 31) - 1
        await talk.say(at.place, ask(3), answered(3), Upload(1, 20), answered(1), closed())
        await at.acted("connection_age")


async def test_calls_that_do_not_finish_in_the_grace_end_with_the_connection(guard: Guard) -> None:
    async with guard(max_connection_age="1s", connection_grace="1s") as at:
        talk = await at.talk()
        begin = time.monotonic()
        await talk.say(at.place, ask(1, Ask.HANG), goodbye, closed())
        assert time.monotonic() - begin <= 2.2 + SLACK
        await at.admin.idle()
        await at.acted("connection_age")


async def test_connections_of_one_time_do_not_end_at_one_time(guard: Guard) -> None:
    async with guard(max_connection_age="3s") as at:
        begin = time.monotonic()
        talks = await asyncio.gather(*(at.talk() for _ in range(40)))
        opened = time.monotonic() - begin
        ends: list[float] = []

        async def end(talk: Conversation) -> None:
            await talk.expect(goodbye)
            ends.append(time.monotonic() - begin)

        await asyncio.gather(*(end(talk) for talk in talks))
        # 3 s give or take 0.3 s: of 40 draws the outermost are hardly ever nearer than a third of that
        assert min(ends) >= 2.6
        assert max(ends) <= 3.3 + opened + SLACK
        assert max(ends) - min(ends) >= 0.2
        await at.acted("connection_age", 40)


async def test_a_grpc_client_does_not_notice_that_connections_end(guard: Guard) -> None:
    async with guard(max_connection_age="1s", connection_grace="10s") as at:
        async with connect(at.gateway.traffic, own=True) as channel:
            probe = Stub(channel, PROBE_SERVICE)
            end = time.monotonic() + 4
            number = 0
            while time.monotonic() < end:
                assert (await probe.RunUnary(blob(number), timeout=10)).number == number
                number += 1
        await at.acted("connection_age", 2)


async def test_a_connection_without_limits_lives(guard: Guard) -> None:
    async with guard() as at:
        talk = await at.talk()
        await talk.say(at.place, ask(), answered())
        await asyncio.sleep(2)
        await talk.say(at.place, b"\x00\x00\x08\x06\x00\x00\x00\x00\x00still on", pong(b"still on"))
        assert dict((await at.admin.info()).protections) == {}
