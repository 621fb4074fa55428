"""The task that sends requests while answers come: whatever happens, nothing of it is left."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from edge.model.errors import NoHealthyEndpoint, TranscodingFailed
from edge.model.http import CallerGoneError
from edge.model.invoke import UpstreamStream
from transcoding.duplex import RequestPump, Source, relay_answers


class Sink:
    """The sending side of a stream.

    Args:
        ends_after: How many messages it takes before its side has ended.
    """

    def __init__(self, ends_after: int = 1000) -> None:
        self.sent: list[bytes] = []
        self.half_closed = asyncio.Event()
        self._ends_after = ends_after

    async def send(self, message: bytes) -> bool:
        self.sent.append(message)
        return len(self.sent) < self._ends_after

    async def half_close(self) -> None:
        self.half_closed.set()


def pump(sink: Sink, source: Source) -> RequestPump:
    return RequestPump(cast(UpstreamStream, sink), source)


def source_of(*messages: bytes, then: Callable[[], Awaitable[bytes | None]] | Exception | None = None) -> Source:
    rest = iter(messages)

    async def read() -> bytes | None:
        for message in rest:
            return message
        if isinstance(then, Exception):
            raise then
        return None if then is None else await then()

    return read


async def never() -> bytes | None:
    return cast("bytes | None", await asyncio.get_running_loop().create_future())


def others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_all_messages_go_up_and_then_the_half_close() -> None:
    sink = Sink()
    async with pump(sink, source_of(b"1", b"2")):
        await sink.half_closed.wait()
    assert sink.sent == [b"1", b"2"]


async def test_an_upstream_that_has_ended_gets_nothing_more() -> None:
    sink = Sink(ends_after=2)
    async with pump(sink, source_of(b"1", b"2", b"3")):
        for _ in range(10):
            await asyncio.sleep(0)
    assert sink.sent == [b"1", b"2"]
    assert not sink.half_closed.is_set()


async def test_the_end_of_the_block_ends_the_pump() -> None:
    sink = Sink()
    async with pump(sink, source_of(b"1", then=never)):
        while not sink.sent:
            await asyncio.sleep(0)
    assert not others()


@pytest.mark.parametrize("error", [TranscodingFailed("broken"), CallerGoneError("left"), ZeroDivisionError("bug")])
async def test_a_failure_of_the_source_ends_the_block_and_is_raised_from_it(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        async with pump(Sink(), source_of(b"1", then=error)):
            await never()
    assert caught.value is error
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert not others()
    await asyncio.sleep(0)  # no cancellation comes late


async def test_an_error_of_the_block_passes() -> None:
    with pytest.raises(NoHealthyEndpoint):
        async with pump(Sink(), source_of(then=never)):
            raise NoHealthyEndpoint("gone")
    assert not others()


async def test_a_cancellation_from_outside_passes() -> None:
    async def run() -> None:
        async with pump(Sink(), source_of(then=never)):
            await never()

    task = asyncio.get_running_loop().create_task(run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not others()


async def test_a_cancellation_from_outside_counts_more_than_a_failure_at_the_same_moment() -> None:
    fail = asyncio.Event()

    async def failing() -> bytes | None:
        await fail.wait()
        raise TranscodingFailed("broken")

    async def run() -> None:
        async with pump(Sink(), failing):
            await never()

    task = asyncio.get_running_loop().create_task(run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    fail.set()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_failure_while_the_block_ends_is_nobodys() -> None:
    async def stubborn() -> bytes | None:
        try:
            return await never()
        except asyncio.CancelledError:
            raise TranscodingFailed("too late") from None

    async with pump(Sink(), stubborn):
        await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_an_end_that_comes_together_with_a_cancellation_is_not_logged_as_forgotten() -> None:
    ended = asyncio.Event()

    class Failing:
        async def initial(self) -> tuple[()]:
            return ()

        async def receive(self) -> bytes | None:
            await ended.wait()
            raise NoHealthyEndpoint("nobody")

    async def unused(_: object) -> None:
        raise AssertionError("there is nothing to send")

    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    relaying = asyncio.ensure_future(  # noqa: TID251 -- the test owns it
        relay_answers(cast(UpstreamStream, Failing()), unused, unused)
    )
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ended.set()
    relaying.cancel()
    await asyncio.wait((relaying,))
    assert relaying.cancelled()
    del relaying
    gc.collect()
    assert complaints == []
