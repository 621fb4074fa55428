"""Answers that servers of grpc do not give, calls that are made again, and calls that wait for room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import h2.settings
import pytest

from edge.model.status import Code
from tests.edge.proxy.invoke_backend import ENDING, GRPC_HEAD, Backend
from tests.edge.proxy.invoke_place import nothing_left, place
from tests.support.raw_peer import RawServer, RawStream, frame
from tests.support.rpc import eventually

Answer = Callable[[RawStream], Awaitable[None]]


async def _no_message(stream: RawStream) -> None:
    await stream.respond()


async def _no_status(stream: RawStream) -> None:
    await stream.send_headers(GRPC_HEAD)
    await stream.send(frame(b"x"), end=True)


async def _strange_status(stream: RawStream) -> None:
    await stream.send_headers([*GRPC_HEAD, ("grpc-status", "17"), ("grpc-message", "a%20%C3%BC%zz")], end=True)


async def _http(stream: RawStream) -> None:
    await stream.send_headers([(":status", "503"), ("content-type", "text/html")])
    await stream.send(b"<p>busy", end=True)


async def _web(stream: RawStream) -> None:
    await stream.send_headers([(":status", "200"), ("content-type", "text/html")])
    await stream.send(b"<p>hello", end=True)


async def _status_of_both(stream: RawStream) -> None:
    await stream.send_headers([(":status", "404"), GRPC_HEAD[1], ("grpc-status", "8"), ("x-a", "1")], end=True)


async def _two_messages(stream: RawStream) -> None:
    await stream.respond([b"1", b"2"])


async def _half_a_message(stream: RawStream) -> None:
    await stream.send_headers(GRPC_HEAD)
    await stream.send(frame(b"hello")[:7])
    await stream.send_headers(ENDING, end=True)


async def _bad_flag(stream: RawStream) -> None:
    await stream.send_headers(GRPC_HEAD)
    await stream.send(frame(b"hello", 7))
    await stream.send_headers(ENDING, end=True)


async def _unannounced(stream: RawStream) -> None:
    await stream.send_headers(GRPC_HEAD)
    await stream.send(frame(b"hello", 1))
    await stream.send_headers(ENDING, end=True)


def _reset(code: int) -> Answer:
    async def answer(stream: RawStream) -> None:
        await stream.send_headers(GRPC_HEAD)
        await stream.send_reset(code)

    return answer


@pytest.mark.parametrize("shape", ["unary", "stream"])
@pytest.mark.parametrize(
    ("answer", "code", "kind"),
    [
        (_no_status, Code.UNKNOWN, "UpstreamProtocolError"),
        (_strange_status, Code.UNKNOWN, "UpstreamError"),
        (_http, Code.UNAVAILABLE, "UpstreamProtocolError"),
        (_web, Code.UNKNOWN, "UpstreamProtocolError"),
        (_status_of_both, Code.RESOURCE_EXHAUSTED, "UpstreamError"),
        (_half_a_message, Code.INTERNAL, "UpstreamProtocolError"),
        (_bad_flag, Code.INTERNAL, "UpstreamProtocolError"),
        (_unannounced, Code.INTERNAL, "UpstreamProtocolError"),
        (_reset(0x2), Code.INTERNAL, "UpstreamError"),
        (_reset(0x7), Code.UNAVAILABLE, "UpstreamError"),
        (_reset(0x8), Code.CANCELLED, "UpstreamError"),
        (_reset(0xB), Code.RESOURCE_EXHAUSTED, "UpstreamError"),
        (_reset(0xC), Code.PERMISSION_DENIED, "UpstreamError"),
    ],
)
async def test_strange_answers(shape: str, answer: Answer, code: Code, kind: str) -> None:
    async with RawServer(answer) as server, place("wire", server.address) as made:
        outcome = await (made.unary("M", b"") if shape == "unary" else made.exchange("M", [b""]))
        assert (outcome.code, outcome.kind) == (code, kind), outcome
        assert "upstreams/u" in outcome.message or kind == "UpstreamError"
        if answer is _strange_status:
            assert outcome.message == "a ü%zz"
        if answer is _status_of_both:
            assert outcome.trailing == [("x-a", "1")]
        await nothing_left(made)


@pytest.mark.parametrize(("answer", "words"), [(_no_message, "without a message"), (_two_messages, "more than one")])
async def test_a_unary_answer_has_one_message(answer: Answer, words: str) -> None:
    async with RawServer(answer) as server, place("wire", server.address) as made:
        outcome = await made.unary("M", b"")
        assert (outcome.code, outcome.kind) == (Code.INTERNAL, "UpstreamProtocolError")
        assert words in outcome.message
        assert (await made.exchange("M", [])).kind == ""
        await nothing_left(made)


async def test_a_connection_that_breaks() -> None:
    async def answer(stream: RawStream) -> None:
        await stream.send_headers(GRPC_HEAD)
        stream.connection.writer.transport.abort()

    async with RawServer(answer) as server, place("wire", server.address) as made:
        for outcome in (await made.unary("M", b""), await made.exchange("M", [b""])):
            assert (outcome.kind, outcome.code) == ("UpstreamUnreachable", Code.UNAVAILABLE)
            assert outcome.message == "upstream upstreams/u broke the connection during the call"
        await nothing_left(made)


@pytest.mark.parametrize("shape", ["unary", "stream"])
@pytest.mark.parametrize("how", ["refused", "goaway"])
async def test_a_call_that_no_server_began_is_made_again(shape: str, how: str) -> None:
    times = 0

    async def answer(stream: RawStream) -> None:
        nonlocal times
        times += 1
        if times <= 2:
            if how == "refused":
                await stream.send_reset(0x7)
            else:
                await stream.connection.send_goaway(0)
            return
        await stream.until(lambda: stream.ended)
        await stream.respond([bytes(stream.data[5:])])

    async with RawServer(answer) as server, place("wire", server.address, server.address) as made:
        outcome = await (made.unary("M", b"hello") if shape == "unary" else made.exchange("M", [b"hello"]))
        assert outcome.messages == [b"hello"]
        assert (outcome.call.attempts, len(made.cluster.leases)) == (3, 3)
        assert made.cluster.failed == [False] * 3
        await nothing_left(made)


@pytest.mark.parametrize("shape", ["unary", "stream"])
async def test_attempts_come_to_an_end(shape: str) -> None:
    async def answer(stream: RawStream) -> None:
        await stream.send_reset(0x7)

    async with RawServer(answer) as server, place("wire", server.address) as made:
        outcome = await (made.unary("M", b"") if shape == "unary" else made.exchange("M", []))
        assert (outcome.code, outcome.kind, outcome.blamed) == (Code.UNAVAILABLE, "UpstreamError", True)
        assert outcome.call.attempts == 4
        await nothing_left(made)


async def test_calls_wait_for_room(backend: Backend) -> None:
    gate = asyncio.Event()

    async def answer(stream: RawStream) -> None:
        await gate.wait()
        await stream.respond([b"done"])

    settings = {int(h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS): 1}
    async with RawServer(answer, settings=settings) as server, place("wire", server.address) as made:
        async with asyncio.TaskGroup() as group:
            first = [group.create_task(made.unary("M", b"")) for _ in range(20)]
            late = [group.create_task(made.unary("M", b"", seconds=0.3)) for _ in range(5)]
            streams = [group.create_task(made.exchange("M", [b""])) for _ in range(20)]
            await asyncio.wait(late)
            gate.set()
        assert {task.result().code for task in late} == {Code.DEADLINE_EXCEEDED}
        for task in (*first, *streams):
            assert task.result().messages == [b"done"]
        await nothing_left(made)


async def test_who_waits_for_room_and_gives_up_leaves_nothing(backend: Backend) -> None:
    settings = {int(h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS): 0}

    async def answer(stream: RawStream) -> None:
        raise AssertionError("no stream is allowed")

    async with RawServer(answer, settings=settings) as server, place("wire", server.address) as made:
        task = asyncio.get_running_loop().create_task(made.unary("M", b"", seconds=30))
        async with made.stream("M", seconds=30) as (_, stream):
            sending = asyncio.get_running_loop().create_task(stream.send(b"x"))

            async def waits() -> bool:
                return made.left()["waiting"] == 2

            await eventually(waits)
            task.cancel()
            await asyncio.wait((task,))
        assert await asyncio.wait_for(sending, 5) is False
        await nothing_left(made)


async def test_an_answer_before_the_end_of_the_request_ends_the_stream() -> None:
    async def answer(stream: RawStream) -> None:
        await stream.respond([b"soon"])
        await stream.until(lambda: stream.reset is not None or stream.ended)

    async with RawServer(answer) as server, place("wire", server.address) as made:
        # more than the window, so that some of it is still queued
        assert (await made.unary("M", bytes(3_000_000))).messages == [b"soon"]
        async with made.stream("M") as (_, stream):
            assert await stream.receive() == b"soon"
            assert await stream.receive() is None
            assert await stream.send(b"") is False
        await nothing_left(made)
        for each in server.streams:
            await each.finished()
            assert each.reset is not None
