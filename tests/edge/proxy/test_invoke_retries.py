"""Transcoded calls that are tried again or ahead, on both engines, against a real server that fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from edge.model.resilience import NO_RETRY, HedgeRule, RetryRule
from edge.model.status import Code
from tests.edge.proxy.invoke_backend import Backend
from tests.edge.proxy.invoke_place import Wishes, place
from tests.support.processes import free_port

QUICK = RetryRule(initial_backoff=0.001, max_backoff=0.001)
NOTHING = {"timers": 0, "leases": 0, "streams": 0, "queues": 0, "waiting": 0}


def told(engine: str, attempts: list[str]) -> list[str]:
    """Return what the server hears of attempts: grpc's client keeps `grpc-previous-rpc-attempts` to itself."""
    return attempts if engine == "wire" else [""] * len(attempts)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def dead() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.mark.parametrize(
    ("ways", "rule", "code", "attempts"),
    [
        ("fail,ok", QUICK, Code.OK, ["", "1"]),
        ("fail,fail,ok", QUICK, Code.OK, ["", "1", "2"]),
        ("fail", QUICK, Code.UNAVAILABLE, ["", "1", "2"]),
        ("fail", NO_RETRY, Code.UNAVAILABLE, [""]),
        ("aborted,ok", QUICK, Code.ABORTED, [""]),
        ("head,ok", QUICK, Code.UNAVAILABLE, [""]),
        ("fail,ok", RetryRule(buffer_bytes=3), Code.UNAVAILABLE, [""]),
    ],
)
async def test_a_unary_call_is_tried_as_often_as_it_may(
    engine: str, backend: Backend, ways: str, rule: RetryRule, code: Code, attempts: list[str]
) -> None:
    async with place(engine, backend.address, wishes=Wishes(retry=rule)) as made:
        found = await made.unary("Flaky", b"hello", (("x-ways", ways), ("x-a", "b")))
        assert found.code is code
        assert backend.attempts == told(engine, attempts)
        assert found.messages == ([b"hello"] if code is Code.OK else [])
        if code is not Code.OK:
            assert found.message == f"attempt {len(attempts)}"
        assert found.call.attempts == len(attempts)
        assert made.left() == NOTHING


async def test_a_method_that_is_not_idempotent_is_not_tried_again(engine: str, backend: Backend) -> None:
    async with place(engine, backend.address, wishes=Wishes(retry=QUICK)) as made:
        assert (await made.unary("Other", b"hello", (("x-ways", "fail,ok"),))).code is Code.UNAVAILABLE
        assert backend.attempts == [""]


@pytest.mark.parametrize(("pushback", "attempts"), [("0", 2), ("-1", 1)])
async def test_a_server_may_say_when(engine: str, backend: Backend, pushback: str, attempts: int) -> None:
    rule = RetryRule(initial_backoff=50.0, max_backoff=50.0)
    async with place(engine, backend.address, wishes=Wishes(retry=rule)) as made:
        found = await made.unary("Flaky", b"a", (("x-ways", "fail,ok"), ("x-pushback", pushback)))
        assert len(backend.attempts) == attempts
        assert found.code is (Code.OK if attempts == 2 else Code.UNAVAILABLE)
        if attempts == 1:
            assert ("grpc-retry-pushback-ms", pushback) in found.trailing


async def test_a_pause_never_passes_the_deadline(engine: str, backend: Backend) -> None:
    rule = RetryRule(initial_backoff=50.0, max_backoff=50.0)
    async with place(engine, backend.address, wishes=Wishes(retry=rule)) as made:
        found = await made.unary("Flaky", b"a", (("x-ways", "fail,ok"),), seconds=20.0)
        assert found.code is Code.UNAVAILABLE
        assert time.monotonic() - found.call.started < 15
        assert made.left() == NOTHING


async def test_an_attempt_that_takes_too_long_is_given_up(engine: str, backend: Backend) -> None:
    rule = RetryRule(initial_backoff=0.001, max_backoff=0.001, per_try_timeout=0.3)
    async with place(engine, backend.address, wishes=Wishes(retry=rule)) as made:
        found = await made.unary("Flaky", b"a", (("x-ways", "slow,ok"),))
        assert (found.code, backend.attempts) == (Code.OK, told(engine, ["", "1"]))
        backend.attempts.clear()
        found = await made.unary("Flaky", b"a", (("x-ways", "slow"),))
        assert found.code is Code.DEADLINE_EXCEEDED
        assert found.metadata == {"deadline": "per-try"}
        assert len(backend.attempts) == 3
        assert made.left() == NOTHING


async def test_a_caller_that_leaves_ends_the_pause(engine: str, backend: Backend) -> None:
    rule = RetryRule(initial_backoff=50.0, max_backoff=50.0)
    async with place(engine, backend.address, wishes=Wishes(retry=rule)) as made:
        call = made.call("Flaky", (("x-ways", "fail,ok"),))
        task = asyncio.get_running_loop().create_task(made.invoker.unary(call, b"a"))
        await until(lambda: call.retries is not None)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        made.settle(call)
        assert made.left() == NOTHING


async def test_a_dead_endpoint_costs_no_call(engine: str, backend: Backend, dead: str) -> None:
    async with place(engine, dead, backend.address, wishes=Wishes(retry=NO_RETRY)) as made:
        # what never left goes elsewhere, whatever the method and the rule
        found = await made.unary("Echo", b"hello")
        assert (found.code, found.messages) == (Code.OK, [b"hello"])
        assert made.left() == NOTHING


@pytest.mark.parametrize(
    ("ways", "read", "code", "attempts"),
    [
        ("fail,ok", "", Code.OK, 2),
        ("fail,fail,ok", "1", Code.OK, 3),
        ("fail", "1", Code.UNAVAILABLE, 3),
        ("head,ok", "1", Code.UNAVAILABLE, 1),
        ("one,ok", "", Code.UNAVAILABLE, 1),
    ],
)
async def test_a_stream_is_tried_again_until_its_answer_begins(
    engine: str, backend: Backend, ways: str, read: str, code: Code, attempts: int
) -> None:
    async with place(engine, backend.address, wishes=Wishes(retry=QUICK)) as made:
        metadata = (("x-ways", ways), *((("x-read", read),) if read else ()))
        found = await made.exchange("StreamFlaky", [b"a", b"b", b"c"], metadata=metadata)
        assert found.code is code
        assert len(backend.attempts) == attempts
        assert all(sent == [b"a", b"b", b"c"] for sent in backend.read)
        expected = [b"a", b"b", b"c"] if code is Code.OK else [b"a"] if ways.startswith("one") else []
        assert found.messages == expected
        assert found.call.request_messages == 3 or code is not Code.OK
        assert made.left() == NOTHING


async def test_a_stream_larger_than_the_buffer_has_one_attempt(engine: str, backend: Backend) -> None:
    rule = RetryRule(initial_backoff=0.001, max_backoff=0.001, buffer_bytes=1000)
    async with place(engine, backend.address, wishes=Wishes(retry=rule)) as made:
        found = await made.exchange("StreamFlaky", [b"a" * 600] * 3, metadata=(("x-ways", "fail,ok"), ("x-read", "1")))
        assert found.code is Code.UNAVAILABLE
        assert len(backend.attempts) == 1
        assert made.left() == NOTHING


HEDGE = HedgeRule(delay=0.05, max_attempts=3)


@pytest.mark.parametrize(
    ("ways", "code", "least"),
    [("slow,ok", Code.OK, 2), ("slow,slow,ok", Code.OK, 3), ("fail,ok", Code.OK, 2), ("fail", Code.UNAVAILABLE, 3)],
)
async def test_the_first_answer_counts(engine: str, backend: Backend, ways: str, code: Code, least: int) -> None:
    async with place(engine, backend.address, wishes=Wishes(hedge=HEDGE)) as made:
        found = await made.unary("Flaky", b"hello", (("x-ways", ways),))
        assert found.code is code
        # one that was given up the moment it was sent may not have got there
        assert least <= len(backend.attempts) <= found.call.attempts
        assert made.left() == NOTHING
        # attempts that were given up have not failed
        assert made.cluster.failed.count(True) == (ways.startswith("fail") and least - 1)


async def test_only_idempotent_methods_are_sent_ahead(engine: str, backend: Backend) -> None:
    async with place(engine, backend.address, wishes=Wishes(hedge=HEDGE)) as made:
        found = await made.unary("Other", b"hello", (("x-ways", "slow,ok"),), seconds=0.5)
        assert found.code is Code.DEADLINE_EXCEEDED
        assert len(backend.attempts) == 1


async def test_a_caller_that_leaves_ends_all_attempts(engine: str, backend: Backend) -> None:
    async with place(engine, backend.address, wishes=Wishes(hedge=HEDGE)) as made:
        call = made.call("Flaky", (("x-ways", "slow"),))
        task = asyncio.get_running_loop().create_task(made.invoker.unary(call, b"a"))
        await until(lambda: len(backend.attempts) == 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        made.settle(call)
        assert made.left() == NOTHING
