"""Who does not read stops whoever sends to it, and nobody else; little is kept for it, and not for ever."""

from __future__ import annotations

import asyncio

from probe import probe_pb2

from tests.integration.wire.conftest import Guard, Guarded
from tests.integration.wire.frames_client import LARGEST, Setting, data, window_update
from tests.integration.wire.place import Ask, Place, Render, ask
from tests.integration.wire.play import Conversation, Deviates
from tests.integration.wire.steps import Expect, Upload, answered, headed
from tests.support.rpc import PROBE_SERVICE, Stub, call_id, connect, raw_script, send

MIB = 1 << 20
LIMITS = {"stream_buffer_bytes": 64 * 1024, "connection_buffer_bytes": MIB}
WIDE = (Setting.INITIAL_WINDOW_SIZE, LARGEST)
WIDEN = window_update(0, LARGEST - 65535)


PIECE = 16 * 1024


def much(stream: int, *, call: str = "", size: int = 256 * MIB) -> Render:
    """A request that is answered with so many octets, in messages that fit into every window."""
    script, *also = raw_script(send(size // PIECE, PIECE), call=call)
    return ask(stream, put=[script], add=also)


async def sent(at: Guarded, call: str) -> int:
    """Return how many octets the upstream has written of a call, once it has written no more for a while."""
    async with connect(at.probe.address) as channel:
        control = Stub(channel, PROBE_SERVICE)
        last, same = -1, 0
        async with asyncio.timeout(20):
            while same < 5:
                request = probe_pb2.AwaitRequest(call_id=call, sent=1)
                count = (await control.Await(request, timeout=10)).sent
                last, same = count, same + 1 if count == last else 0
                await asyncio.sleep(0.1)
        return last * PIECE


async def cancelled(at: Guarded, call: str) -> None:
    """Wait until the upstream has seen the end of a call that it would have gone on with for long."""
    async with connect(at.probe.address) as channel:
        # grpc.aio tells a handler whose write is waiting by an error of the write, not by a cancel
        request = probe_pb2.AwaitRequest(call_id=call, ended=True)
        await Stub(channel, PROBE_SERVICE).Await(request, timeout=15)


async def test_a_connection_that_is_not_read_stops_its_upstream(guard: Guard) -> None:
    """The windows are wide open; only the socket is not read."""
    async with guard(**LIMITS) as at:
        call = call_id("unread")
        talk = await at.talk(WIDE)
        at.weigh()
        await talk.say(at.place, WIDEN, much(1, call=call))
        assert await sent(at, call) < 16 * MIB, "the upstream is not stopped"
        assert at.grown() < 16 * MIB
        await at.call()
        beside = await at.talk()
        await beside.say(at.place, ask(), answered())


async def test_a_stream_that_is_not_read_stops_its_upstream_and_no_other_stream(guard: Guard) -> None:
    async with guard(**LIMITS) as at:
        call = call_id("unread")
        talk = await at.talk()
        at.weigh()
        # the window of the stream stays at 65535, that of the connection is wide
        await talk.say(at.place, WIDEN, much(1, call=call), headed(1))
        assert await sent(at, call) < 2 * MIB, "the upstream is not stopped"
        for number in range(3, 203, 2):
            await talk.say(at.place, ask(number), answered(number))
        assert talk.seen.stream(1).octets == 65535
        assert at.grown() < 16 * MIB


async def test_tiny_windows_of_many_streams_keep_little(guard: Guard) -> None:
    async with guard(stream_buffer_bytes=64 * 1024, max_concurrent_streams=100) as at:
        talk = await at.talk((Setting.INITIAL_WINDOW_SIZE, 1))
        at.weigh()
        await talk.say(at.place, WIDEN, *(much(number, size=2 * MIB) for number in range(1, 199, 2)))
        for number in range(1, 199, 2):
            await talk.expect(headed(number))
        await talk.say(at.place, ask(201), headed(201), window_update(201, 1000), answered(201))
        assert at.grown() < 48 * MIB
        await at.call()


async def uploaded(talk: Conversation, place: Place, stream: int, most: int) -> int:
    """Send messages of 1 MiB as far as the windows allow, until they allow no more; return the octets."""
    total = 0
    rest = memoryview(b"")
    room = Expect(
        "credit",
        lambda seen: seen.windows.room(stream) > 0,
        lambda seen: seen.closed or seen.stream(stream).reset is not None,
    )
    await talk.say(place, ask(stream, Ask.HANG))
    talk.patience = 1
    while total < most:
        try:
            await talk.expect(room)
        except Deviates:
            assert not room.wrong(talk.seen), talk.told()
            break
        rest = rest or memoryview(place.body(MIB))
        part = rest[: min(talk.seen.windows.room(stream), 16384)]
        rest = rest[len(part) :]
        await talk.send(data(stream, bytes(part)))
        total += len(part)
    talk.patience = 10
    return total


async def test_an_upstream_that_does_not_read_stops_its_caller_and_no_other_stream(guard: Guard) -> None:
    async with guard(**LIMITS) as at:
        talk = await at.talk()
        at.weigh()
        assert await uploaded(talk, at.place, 1, 32 * MIB) < 8 * MIB, "the caller is not stopped"
        for number in range(3, 23, 2):
            await talk.say(at.place, ask(number, Ask.POST), Upload(number, 100_000), answered(number))
        assert at.grown() < 16 * MIB


async def test_a_caller_that_takes_nothing_is_given_up(guard: Guard) -> None:
    async with guard(**LIMITS, stall_timeout="1s") as at:
        call = call_id("stalled")
        talk = await at.talk(WIDE)
        await talk.say(at.place, WIDEN, much(1, call=call))
        await cancelled(at, call)
        await at.acted("slow_reader")
        await at.admin.idle()


async def test_a_caller_that_reads_now_and_then_is_not_given_up(guard: Guard) -> None:
    async with guard(**LIMITS, stall_timeout="1s") as at:
        talk = await at.talk((Setting.INITIAL_WINDOW_SIZE, 50_000))
        await talk.say(at.place, WIDEN, ask(1, Ask.BIG), headed(1))
        for _ in range(6):
            await asyncio.sleep(0.3)
            await talk.say(at.place, window_update(1, 50_000))
        await talk.say(at.place, answered(1, octets=200_000))
        assert await at.count("slow_reader") == 0
