"""The wire engine's invoker, beside the one of grpc.aio wherever both have to do the same."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

import pytest

from edge.model.config import HeaderChange
from edge.model.errors import DeadlineExceeded, MessageTooLarge
from edge.model.status import Code
from edge.proxy.wire_invoke import UnaryCall, UnaryLeg
from edge.proxy.wire_metadata import Sent
from edge.proxy.wire_stream import StreamLeg, WireStream
from tests.edge.proxy.invoke_backend import Backend
from tests.edge.proxy.invoke_place import Outcome, Place, Wishes, both, nothing_left, place
from tests.support.raw_peer import RawServer, RawStream


@pytest.mark.parametrize("name", ["Echo", "Fail", "FailLate", "FailBlank", "Zip", "Unknown"])
async def test_unary_calls_go_as_with_grpc_aio(backend: Backend, name: str) -> None:
    changes = (HeaderChange(remove=frozenset({"x-gone"}), set=(("x-set", "4"),)),)
    wire, aio = await both(backend.address, lambda made: made.unary(name, b"hello " * 300), Wishes(changes=changes))
    assert wire.same() == aio.same()


@pytest.mark.parametrize("name", ["StreamEcho", "StreamFail"])
@pytest.mark.parametrize("count", [0, 1, 50])
async def test_streams_go_as_with_grpc_aio(backend: Backend, name: str, count: int) -> None:
    requests = [b"%d" % number * number for number in range(count)]
    wire, aio = await both(backend.address, lambda made: made.exchange(name, requests))
    assert wire.same() == aio.same()
    assert wire.messages == requests


@pytest.mark.parametrize("name", ["Echo", "StreamEcho"])
async def test_messages_over_a_limit_are_refused_alike(backend: Backend, name: str) -> None:
    async def make(made: Place) -> Outcome:
        if name == "Echo":
            return await made.unary(name, bytes(1001))
        return await made.exchange(name, [b"1", bytes(1001)])

    wire, aio = await both(backend.address, make, Wishes(max_response=1000))
    assert wire.same() == aio.same()
    assert (wire.kind, wire.code) == ("ResponseTooLarge", Code.RESOURCE_EXHAUSTED)
    wire, aio = await both(backend.address, make, Wishes(max_request=1000))
    assert wire.same() == aio.same()
    assert (wire.kind, wire.code) == ("MessageTooLarge", Code.RESOURCE_EXHAUSTED)


@pytest.mark.parametrize("whose", ["caller", "route"])
async def test_a_unary_call_ends_in_time(backend: Backend, engine: str, whose: str) -> None:
    wishes = Wishes(timeout=0.2 if whose == "route" else 30.0)
    async with place(engine, backend.address, wishes=wishes) as made:
        outcome = await made.unary("Wait", b"", seconds=0.2 if whose == "caller" else None)
        assert (outcome.kind, outcome.code) == ("DeadlineExceeded", Code.DEADLINE_EXCEEDED)
        assert outcome.metadata == {"deadline": whose}
        await asyncio.wait_for(backend.cancelled.wait(), 5)
        assert (await made.unary("Echo", b"", seconds=-1)).metadata == {"deadline": "caller"}
        await nothing_left(made)


async def test_the_endpoint_is_told_no_more_time_than_there_is(backend: Backend) -> None:
    async with place("wire", backend.address) as made:
        for seconds in (0.9, 50, 5e5, 1e12):
            assert (await made.unary("Echo", b"", seconds=seconds)).code is Code.OK
            assert backend.left is not None
            assert 0 < backend.left <= seconds
        await nothing_left(made)


async def test_who_gives_up_a_unary_call_cancels_it(backend: Backend, engine: str) -> None:
    async with place(engine, backend.address, wishes=Wishes(timeout=30)) as made:
        task = asyncio.get_running_loop().create_task(made.unary("Wait", b""))
        await asyncio.wait_for(backend.begun.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(backend.cancelled.wait(), 5)
        await nothing_left(made)


async def test_an_endpoint_that_is_not_there(engine: str) -> None:
    async with place(engine, "127.0.0.1:1") as made:
        for outcome in (await made.unary("Echo", b""), await made.exchange("StreamEcho", [b"1"])):
            assert (outcome.kind, outcome.code) == ("UpstreamUnreachable", Code.UNAVAILABLE)
            assert outcome.message == "upstream upstreams/u could not be reached"
        await nothing_left(made)


async def test_closing_a_stream_cancels_it(backend: Backend, engine: str) -> None:
    async with place(engine, backend.address, wishes=Wishes(stream_timeout=30, idle=30)) as made:
        async with made.stream("StreamWait") as (_, stream):
            assert list(await stream.initial()) == [("x-a", "1")]
            assert await stream.receive() == b"first"
        await asyncio.wait_for(backend.cancelled.wait(), 5)
        if engine == "wire":
            # grpc.aio's writer is cancelled here, which it looks like who wrote
            assert await stream.send(b"late") is False
        stream.close()
        await nothing_left(made)


@pytest.mark.parametrize(
    ("whose", "wishes"), [("route", Wishes(stream_timeout=0.2)), ("stream idle", Wishes(idle=0.2))]
)
async def test_a_limit_ends_a_stream_and_the_task_that_began_it(
    backend: Backend, engine: str, whose: str, wishes: Wishes
) -> None:
    async with place(engine, backend.address, wishes=wishes) as made:
        seen = []

        async def run() -> None:
            async with made.stream("StreamWait") as (_, stream):
                assert await stream.receive() == b"first"
                try:
                    await asyncio.sleep(20)  # a caller that does not read
                except asyncio.CancelledError:
                    seen.append(stream.refusal)
                with pytest.raises(DeadlineExceeded):
                    await stream.receive()
                if engine == "wire":
                    assert await stream.send(b"") is False

        await asyncio.wait_for(asyncio.get_running_loop().create_task(run()), 10)
        assert isinstance(seen[0], DeadlineExceeded)
        assert seen[0].metadata == {"deadline": whose}
        await asyncio.wait_for(backend.cancelled.wait(), 5)
        await nothing_left(made)


async def test_a_callers_deadline_ends_a_stream(backend: Backend, engine: str) -> None:
    async with place(engine, backend.address) as made:
        async with made.stream("StreamWait", seconds=0.3) as (_, stream):
            assert await stream.receive() == b"first"
            with pytest.raises(DeadlineExceeded) as caught:
                await asyncio.wait_for(stream.receive(), 10)
            assert caught.value.metadata == {"deadline": "caller"}
            assert stream.refusal is None
        await nothing_left(made)


async def test_messages_keep_a_stream_from_being_idle(backend: Backend, engine: str) -> None:
    async with (
        place(engine, backend.address, wishes=Wishes(idle=0.4)) as made,
        made.stream("StreamEcho") as (_, stream),
    ):
        for _ in range(6):
            await asyncio.sleep(0.1)
            assert await stream.send(b"1")
            assert await asyncio.wait_for(stream.receive(), 5) == b"1"
        await stream.half_close()
        assert await stream.receive() is None
        assert await stream.receive() is None
        assert await stream.send(b"2") is False


async def test_one_task_sends_while_another_receives(backend: Backend, engine: str) -> None:
    async with place(engine, backend.address) as made, made.stream("StreamEcho") as (call, stream):

        async def send() -> None:
            for number in range(500):
                assert await stream.send(b"%d" % number)
            await stream.half_close()

        sending = asyncio.get_running_loop().create_task(send())
        found = []
        while (message := await asyncio.wait_for(stream.receive(), 10)) is not None:
            found.append(int(message))
        await sending
        assert found == list(range(500))
        assert (call.request_messages, call.response_messages) == (500, 500)
        with pytest.raises(MessageTooLarge):
            await stream.send(bytes(5 * 1024 * 1024))


async def test_messages_before_a_refusal_are_received(engine: str) -> None:
    async def answer(stream: RawStream) -> None:
        await stream.respond([b"1", b"2", bytes(2000)])

    async with RawServer(answer) as server, place(engine, server.address, wishes=Wishes(max_response=1000)) as made:
        outcome = await made.exchange("M", [])
        assert (outcome.messages, outcome.kind) == ([b"1", b"2"], "ResponseTooLarge")


async def test_nothing_is_left_of_calls_however_they_ended(backend: Backend) -> None:
    wishes = Wishes(timeout=30, stream_timeout=30, idle=30, max_response=100_000)
    async with place("wire", backend.address, wishes=wishes) as made:
        for _ in range(3):
            await made.unary("Echo", b"1")
            await made.unary("Echo", bytes(200_000))
            await made.unary("Fail", b"")
            await made.unary("Wait", b"", seconds=0.05)
            await made.exchange("StreamEcho", [b"1", bytes(90_000)])
            await made.exchange("StreamFail", [b"1"])
            await made.exchange("StreamEcho", [bytes(200_000)])
            async with made.stream("StreamEcho"):
                pass
            await nothing_left(made)
        [connection] = made.connections()
        assert connection.recv_left + connection.owed == connection.rules.connection_window


async def test_calls_are_no_work_for_the_garbage_collector(backend: Backend) -> None:
    kinds = (UnaryCall, UnaryLeg, WireStream, StreamLeg, Sent)
    async with place("wire", backend.address) as made:
        await made.unary("Echo", b"1")
        gc.collect()
        gc.disable()
        try:
            for _ in range(5):
                await made.unary("Echo", b"1")
                await made.exchange("StreamEcho", [b"1"])
            await nothing_left(made)
            found = Counter(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, kinds))
        finally:
            gc.enable()
        assert found == {"Sent": 1}  # the one that is remembered
