"""Streams on the wire engine: who is slow stops the other side; and what an open one costs."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import h2.settings

from edge.model.settings import Limits
from edge.model.status import Code
from tests.edge.proxy.invoke_backend import ENDING, GRPC_HEAD, Backend
from tests.edge.proxy.invoke_place import Wishes, nothing_left, place
from tests.support.raw_peer import RawServer, RawStream, frame
from tests.support.rpc import eventually


async def test_a_request_that_was_too_long_to_be_kept_is_not_made_again() -> None:
    async def answer(stream: RawStream) -> None:
        await stream.until(lambda: len(stream.data) > 80_000)
        await stream.send_reset(0x7)

    async with RawServer(answer) as server, place("wire", server.address) as made:
        outcome = await made.exchange("M", [bytes(40_000)] * 3)
        assert (outcome.code, outcome.call.attempts) == (Code.UNAVAILABLE, 1)
        await nothing_left(made)


async def test_an_endpoint_that_does_not_read_stops_who_sends() -> None:
    window = 100_000
    gate = asyncio.Event()

    async def answer(stream: RawStream) -> None:
        await gate.wait()
        stream.connection.h2.increment_flow_control_window(10_000_000, stream.number)
        await stream.connection.flush()
        await stream.until(lambda: stream.ended)
        await stream.respond([b"%d" % len(stream.data)])

    limits = Limits(stream_buffer_bytes=window)
    settings = {int(h2.settings.SettingCodes.INITIAL_WINDOW_SIZE): 0}
    async with (
        RawServer(answer, settings=settings) as server,
        place("wire", server.address, wishes=Wishes(limits=limits)) as made,
        made.stream("M") as (call, stream),
    ):

        async def send() -> None:
            for _ in range(60):
                assert await stream.send(bytes(10_000))
            await stream.half_close()

        sending = asyncio.get_running_loop().create_task(send())
        done, _ = await asyncio.wait((sending,), timeout=0.3)
        assert not done
        assert call.request_messages == 9
        [connection] = made.connections()
        [leg] = connection.streams.values()
        assert window < leg.queued <= window + 10_005
        gate.set()
        assert await asyncio.wait_for(stream.receive(), 10) == b"%d" % (60 * 10_005)
        await sending


async def test_a_caller_that_does_not_receive_stops_the_endpoint() -> None:
    window = 100_000
    went = 0

    async def answer(stream: RawStream) -> None:
        nonlocal went
        await stream.send_headers(GRPC_HEAD)
        for _ in range(100):
            await stream.send(frame(bytes(10_000)))
            went += 1
        await stream.send_headers(ENDING, end=True)

    limits = Limits(stream_buffer_bytes=window)
    async with (
        RawServer(answer) as server,
        place("wire", server.address, wishes=Wishes(limits=limits)) as made,
        made.stream("M") as (_, stream),
    ):

        async def full() -> bool:
            return went >= 9

        await eventually(full)
        await asyncio.sleep(0.3)  # for more to come, if it could
        assert went == 9
        count = 0
        while (message := await asyncio.wait_for(stream.receive(), 10)) is not None:
            assert len(message) == 10_000
            count += 1
        assert count == 100


async def test_a_message_larger_than_the_window_comes_in_alone() -> None:
    async def answer(stream: RawStream) -> None:
        await stream.send_headers(GRPC_HEAD)
        for number in range(4):
            await stream.send(frame(bytes([number]) * 1_000_000))
        await stream.send_headers(ENDING, end=True)

    limits = Limits(stream_buffer_bytes=50_000)
    async with (
        RawServer(answer) as server,
        place("wire", server.address, wishes=Wishes(limits=limits)) as made,
        made.stream("M") as (_, stream),
    ):
        await stream.initial()
        await asyncio.sleep(0.3)  # for as much to come as can without anybody receiving
        inbox = stream._inbox  # type: ignore[attr-defined]
        assert len(inbox) == 1
        assert len(inbox._reader._buffer) < 60_000
        for number in range(4):
            assert await asyncio.wait_for(stream.receive(), 10) == bytes([number]) * 1_000_000
        assert await stream.receive() is None


async def test_an_open_stream_costs_little(backend: Backend) -> None:
    count = 200
    async with place("wire", backend.address) as made:
        calls = [made.call("StreamEcho") for _ in range(count)]
        opened = [made.invoker.stream(made.call("StreamEcho")) for _ in range(5)]
        gc.collect()
        tracemalloc.start()
        try:
            streams = [made.invoker.stream(call) for call in calls]
            for stream in streams:
                await stream.initial()
            gc.collect()
            used = sum(
                trace.size
                for trace in tracemalloc.take_snapshot()
                .filter_traces(
                    [tracemalloc.Filter(True, "*/edge/proxy/wire_*"), tracemalloc.Filter(True, "*/edge/wire/*")]
                )
                .statistics("filename")
            )
        finally:
            tracemalloc.stop()
        assert used / count < 6000
        for each in (*opened, *streams):
            each.close()
