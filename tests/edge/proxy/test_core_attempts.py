"""Attempts of calls on the grpc.aio engine, where it differs from the other one or has edges of its own."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from edge.model.call import Call
from edge.model.errors import DeadlineExceeded, GatewayError
from edge.model.invoke import UpstreamError
from edge.model.resilience import NO_RETRY, HedgeRule, RetryRule
from edge.model.status import Code
from edge.proxy.core_stream import CoreStream
from edge.proxy.invoke import GrpcStream
from tests.edge.proxy.invoke_backend import Backend
from tests.edge.proxy.invoke_place import Wishes, place
from tests.support.processes import free_port

QUICK = RetryRule(initial_backoff=0.001, max_backoff=0.001)
LONG = RetryRule(initial_backoff=50.0, max_backoff=50.0)
PAUSE = RetryRule(initial_backoff=0.1, max_backoff=0.1)
SECOND = RetryRule(initial_backoff=1.0, max_backoff=1.0)
HEDGE = HedgeRule(delay=0.05, max_attempts=3)
FLAKY = (("x-ways", "fail,ok"),)


def at(backend: Backend, rule: RetryRule = QUICK, **more: Any) -> Any:
    return place("grpc", backend.address, wishes=Wishes(retry=rule, **more))


async def paused(call: Call) -> None:
    """Wait until an attempt has failed and the next one is waited for."""
    async with asyncio.timeout(10):
        while call.retries is None:
            await asyncio.sleep(0.001)


def inner(stream: Any) -> CoreStream:
    assert isinstance(stream, GrpcStream)
    return stream._stream


@pytest.fixture
def dead() -> str:
    return f"127.0.0.1:{free_port()}"


# === no endpoint for another attempt ===


async def test_without_an_endpoint_for_another_attempt_a_call_ends_as_the_one_before(backend: Backend) -> None:
    async with at(backend) as made:
        made.cluster.enough = 1
        call = made.call("Flaky", FLAKY)
        with pytest.raises(UpstreamError) as raised:
            await made.invoker.unary(call, b"a")
        made.settle(call)
        assert (raised.value.status.code, raised.value.status.message) == (Code.UNAVAILABLE, "attempt 1")
        assert call.endpoint is None
        assert made.cluster.failed == [True]


async def test_without_an_endpoint_for_another_attempt_a_stream_ends_as_the_one_before(backend: Backend) -> None:
    async with at(backend) as made, made.stream("StreamFlaky", FLAKY) as (call, stream):
        made.cluster.enough = 1
        await stream.send(b"a")
        sending = asyncio.get_running_loop().create_task(stream.half_close())
        receiving = asyncio.get_running_loop().create_task(stream.receive())
        with pytest.raises(UpstreamError) as raised:
            await receiving
        await sending
        assert (raised.value.status.code, raised.value.status.message) == (Code.UNAVAILABLE, "attempt 1")
        assert call.endpoint is None


@pytest.mark.parametrize("shape", ["unary", "stream"])
async def test_without_an_endpoint_after_an_attempt_that_took_too_long_that_is_said(
    backend: Backend, shape: str
) -> None:
    rule = RetryRule(initial_backoff=0.001, max_backoff=0.001, per_try_timeout=0.1)
    async with at(backend, rule) as made:
        made.cluster.enough = 1
        if shape == "unary":
            call = made.call("Flaky", (("x-ways", "slow"),))
            task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(made.invoker.unary(call, b"a"))
        else:
            call = made.call("StreamFlaky", (("x-ways", "slow"),))
            stream = made.invoker.stream(call)
            await stream.half_close()
            task = asyncio.get_running_loop().create_task(stream.receive())
        with pytest.raises(DeadlineExceeded, match="an attempt took longer than"):
            await task
        if shape == "stream":
            stream.close()
        made.settle(call)


async def test_a_dead_endpoint_has_its_address_in_what_operators_see_also_after_its_lease(dead: str) -> None:
    async with place("grpc", dead, wishes=Wishes(retry=QUICK)) as made:
        made.cluster.enough = 1
        call = made.call("Flaky")
        with pytest.raises(GatewayError) as raised:
            await made.invoker.unary(call, b"a")
        made.settle(call)
        assert raised.value.reason == "UPSTREAM_UNREACHABLE"
        assert raised.value.cause.startswith(f"{dead}: ")


# === what never left ===


async def test_a_stream_that_never_left_goes_elsewhere_whoever_notices_first(backend: Backend, dead: str) -> None:
    async with place("grpc", dead, backend.address, wishes=Wishes(retry=NO_RETRY)) as made:
        async with asyncio.timeout(20), made.stream("StreamEcho") as (call, stream):
            # nobody sends yet: the receiver alone finds out
            receiving = asyncio.get_running_loop().create_task(stream.receive())
            async with asyncio.timeout(10):
                while call.attempts < 2:
                    await asyncio.sleep(0.001)
            await stream.send(b"a")
            await stream.half_close()
            assert await receiving == b"a"
            assert await stream.receive() is None
        assert made.left()["leases"] == 0


async def test_a_call_that_never_left_goes_elsewhere_with_hedging_too(backend: Backend, dead: str) -> None:
    for name in ("Other", "Flaky"):
        async with place("grpc", dead, backend.address, wishes=Wishes(hedge=HEDGE)) as made:
            found = await made.unary(name, b"a", (("x-ways", "ok"),))
            assert (found.code, found.messages) == (Code.OK, [b"a"])
            assert made.left()["leases"] == 0


# === the end in the middle of a pause ===


@pytest.mark.parametrize("who", ["caller", "limit", "idle"])
async def test_a_stream_that_ends_in_the_pause_makes_no_further_attempt(backend: Backend, who: str) -> None:
    wishes = {"limit": {"stream_timeout": 0.3}, "idle": {"idle": 0.3}}.get(who, {})
    rule = RetryRule(initial_backoff=1.0, max_backoff=1.0, per_try_timeout=30.0) if who != "limit" else PAUSE
    async with at(backend, rule, **wishes) as made:
        call = made.call("StreamFlaky", (("x-ways", "fail,slow"),))

        async def run() -> None:
            stream = made.invoker.stream(call)
            try:
                await stream.half_close()
                await stream.receive()
            except asyncio.CancelledError:
                if stream.refusal is None:
                    raise
                raise stream.refusal from None
            finally:
                stream.close()
                made.settle(call)

        task = asyncio.get_running_loop().create_task(run())
        await paused(call)
        if who == "caller":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            with pytest.raises(DeadlineExceeded):
                await task
        assert len(backend.attempts) == (2 if who == "limit" else 1)
        assert made.left()["leases"] == 0
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("resend")]


async def test_an_attempt_that_was_to_follow_a_stream_that_has_ended_is_not_made(backend: Backend) -> None:
    async with at(backend, SECOND) as made, made.stream("StreamFlaky", FLAKY) as (call, stream):
        core = inner(stream)
        again = asyncio.get_running_loop().create_task(core.again(core.upstream))
        sending = asyncio.get_running_loop().create_task(stream.send(b"a"))
        await paused(call)
        core.cancel()
        assert not await again
        await sending
        assert call.endpoint is None
        assert len(made.cluster.leases) == 1


# === messages ===


@pytest.mark.parametrize(
    ("name", "rule", "kept"),
    [
        ("StreamFlaky", QUICK, True),
        ("StreamFlaky", NO_RETRY, False),
        ("StreamEcho", QUICK, False),
        ("StreamEcho", RetryRule(any_method=True), True),
    ],
)
async def test_only_what_may_be_sent_again_is_kept_once_there_is_a_connection(
    backend: Backend, name: str, rule: RetryRule, kept: bool
) -> None:
    metadata = (("x-ways", "ok"), ("x-read", "1"))
    async with at(backend, rule) as made, made.stream(name, metadata) as (_, stream):
        await stream.send(b"a")
        core = inner(stream)
        assert (core._kept is not None) == kept
        await stream.send(b"b")
        await stream.half_close()
        assert [await stream.receive(), await stream.receive(), await stream.receive()] == [b"a", b"b", None]


async def test_messages_that_come_in_the_pause_go_with_the_next_attempt_in_their_order(backend: Backend) -> None:
    metadata = (("x-ways", "fail,ok"),)
    async with at(backend, PAUSE) as made, asyncio.timeout(20), made.stream("StreamFlaky", metadata) as (call, stream):

        async def send() -> None:
            for number in range(20):
                await stream.send(b"%d" % number)
                if number == 3:
                    await paused(call)
            await stream.half_close()

        sending = asyncio.get_running_loop().create_task(send())
        found = []
        while (message := await stream.receive()) is not None:
            found.append(message)
        await sending
        assert found == [b"%d" % number for number in range(20)]
        assert call.request_messages == 20


# === time ===


async def test_a_deadline_that_passed_before_the_first_of_several_attempts_leaks_no_lease(backend: Backend) -> None:
    async with at(backend, hedge=HEDGE) as made:
        call = made.call("Flaky", (("x-ways", "ok"),))
        call.deadline = time.monotonic() - 1.0
        with pytest.raises(DeadlineExceeded):
            await made.invoker.unary(call, b"a")
        made.settle(call)
        assert made.left()["leases"] == 0


async def test_how_long_the_winner_took_counts_from_its_own_beginning(backend: Backend) -> None:
    seen: list[tuple[float, float | None]] = []
    async with at(backend, hedge=HedgeRule(delay=0.2, max_attempts=2)) as made:
        release = made.cluster.release

        def watch(*arguments: Any, **more: Any) -> None:
            seen.append((more["latency"], more.get("began")))
            release(*arguments, **more)

        made.cluster.release = watch
        call = made.call("Flaky", (("x-ways", "late,slow"),))
        await made.invoker.unary(call, b"a")
        made.settle(call)
        assert call.attempts == 2
        # the first attempt was answered when there was a second one
        latency, began = seen[-1]
        assert began == call.started
        assert latency > 0.2


async def test_streams_and_large_requests_of_a_route_that_hedges_are_tried_one_after_another(
    engine: str, backend: Backend
) -> None:
    async with place(engine, backend.address, wishes=Wishes(hedge=HEDGE)) as made:
        found = await made.exchange("StreamFlaky", [b"a"], metadata=(("x-ways", "fail,fail,ok"), ("x-read", "1")))
        assert (found.code, found.messages) == (Code.OK, [b"a"])
        assert len(backend.attempts) == 3
