"""Attempts beside each other: the first answer counts, every lease ends once, nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from edge.model.call import Call
from edge.model.endpoint import Endpoint, EndpointAddress
from edge.model.errors import DeadlineExceeded, GatewayError, NoHealthyEndpoint
from edge.model.pipeline import Pipeline
from edge.model.status import Code
from edge.proxy.hedging import Failure, Hedged

NEVER = 1000.0
"""A delay that no test waits for."""


class FakePipeline:
    """Leases endpoints, and remembers how each lease ended."""

    def __init__(self, most: int, *, elsewhere: bool = False) -> None:
        self.open: list[Endpoint] = []
        self.ended: list[tuple[str, bool]] = []
        self.replays: list[Code] = []
        self.empty = False
        self._most = most
        self._elsewhere = elsewhere

    def lease(self, call: Call) -> Endpoint:
        endpoint = Endpoint(EndpointAddress(f"host:{len(self.open) + len(self.ended) + 1}"))
        self.open.append(endpoint)
        call.endpoint = endpoint
        return endpoint

    def pick(self, call: Call, now: float) -> Endpoint:
        if self.empty:
            raise NoHealthyEndpoint("there is none")
        return self.lease(call)

    def hedge(self, call: Call, now: float) -> Endpoint | None:
        return self.lease(call) if len(self.open) + len(self.ended) < self._most else None

    def again(self, call: Call, code: Code, now: float, *, until: float, unsent: bool) -> float | None:
        assert unsent
        if not self._elsewhere:
            return None
        self.replays.append(code)
        endpoint, call.endpoint = call.endpoint, None
        assert endpoint is not None
        self.drop(call, endpoint, now, failed=True)
        return 0.0

    def drop(self, call: Call, endpoint: Endpoint, now: float, *, failed: bool) -> None:
        self.open.remove(endpoint)
        self.ended.append((endpoint.address, failed))


class Failed(Exception):
    """How an attempt of a test fails."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


FAILED = Failed(Failure(Code.UNAVAILABLE))
UNSENT = Failed(Failure(Code.UNAVAILABLE, unsent=True))


class Play:
    """A call whose attempts end as the test says."""

    def __init__(self, most: int = 3, *, delay: float = NEVER, elsewhere: bool = False) -> None:
        self.pipeline = FakePipeline(most, elsewhere=elsewhere)
        self.call = Call("/a.B/C")
        self.pipeline.lease(self.call)
        self.attempts: list[asyncio.Future[str]] = []
        self.cancelled: list[int] = []
        self.discarded: list[str] = []
        self.late: GatewayError | None = None
        hedged = Hedged(
            cast(Pipeline, self.pipeline), self.call, self._send, self._judge, until=-1.0, discard=self.discarded.append
        )
        self.task = asyncio.get_running_loop().create_task(hedged.run(delay))

    def _send(self, _: Endpoint) -> Any:
        if self.late is not None:
            raise self.late
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.attempts.append(future)
        return self._wait(future)

    async def _wait(self, future: asyncio.Future[str]) -> str:
        try:
            return await future
        except asyncio.CancelledError:
            self.cancelled.append(self.attempts.index(future) + 1)
            raise

    def _judge(self, task: asyncio.Task[str]) -> Failure | None:
        error = task.exception()
        if isinstance(error, Failed):
            return error.failure
        return Failure(Code.UNAVAILABLE) if error is None and task.result() == "bad" else None

    async def sent(self, count: int) -> None:
        """Wait until there are this many attempts."""
        async with asyncio.timeout(10):
            while len(self.attempts) < count:
                await asyncio.sleep(0)

    async def quiet(self) -> None:
        """Let everything happen that is to happen at once."""
        for _ in range(20):
            await asyncio.sleep(0)

    def ends(self, number: int, how: str | Exception) -> None:
        future = self.attempts[number - 1]
        if isinstance(how, str):
            future.set_result(how)
        else:
            future.set_exception(how)

    @property
    def lease(self) -> str:
        return "" if self.call.endpoint is None else self.call.endpoint.address


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    yield
    for _ in range(5):
        await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("attempt of")]


pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_a_call_that_is_answered_in_time_has_one_attempt() -> None:
    play = Play()
    await play.sent(1)
    play.ends(1, "one")
    assert await play.task == "one"
    assert (play.lease, play.pipeline.ended) == ("host:1", [])


@pytest.mark.parametrize("first", [1, 2, 3])
async def test_the_first_answer_counts_whoever_gives_it(first: int) -> None:
    play = Play(delay=0.0)
    await play.sent(3)
    play.ends(first, f"answer {first}")
    assert await play.task == f"answer {first}"
    others = [number for number in (1, 2, 3) if number != first]
    assert play.cancelled == others
    assert play.lease == f"host:{first}"
    assert play.pipeline.ended == [(f"host:{number}", False) for number in others]


async def test_there_are_no_more_attempts_than_may_be() -> None:
    play = Play(2, delay=0.0)
    await play.sent(2)
    await play.quiet()
    assert len(play.attempts) == 2
    play.ends(2, "two")
    assert await play.task == "two"


async def test_each_failure_is_followed_by_one_attempt_at_once() -> None:
    play = Play(5)
    await play.sent(1)
    for number in (1, 2):
        play.ends(number, FAILED)
        await play.sent(number + 1)
        await play.quiet()
        assert len(play.attempts) == number + 1
    play.ends(3, "three")
    assert await play.task == "three"
    assert play.pipeline.ended == [("host:1", True), ("host:2", True)]


async def test_a_failure_beside_others_is_followed_by_one_too() -> None:
    play = Play(4, delay=0.0)
    await play.sent(4)
    play.pipeline._most = 5
    play.ends(1, FAILED)
    await play.sent(5)
    play.ends(5, "five")
    assert await play.task == "five"
    assert play.pipeline.ended[0] == ("host:1", True)


async def test_the_last_failure_is_the_answer() -> None:
    play = Play(2)
    await play.sent(1)
    play.ends(1, FAILED)
    await play.sent(2)
    play.ends(2, Failed(Failure(Code.ABORTED)))
    with pytest.raises(Failed) as raised:
        await play.task
    assert raised.value.failure.code is Code.ABORTED
    assert (play.lease, play.pipeline.ended) == ("host:2", [("host:1", True)])


async def test_several_that_fail_at_once_are_all_accounted_for() -> None:
    play = Play(3, delay=0.0)
    await play.sent(3)
    for number in (1, 2, 3):
        play.ends(number, FAILED)
    with pytest.raises(Failed):
        await play.task
    assert len(play.pipeline.open) == 1
    assert play.pipeline.open[0] is play.call.endpoint
    assert [failed for _, failed in play.pipeline.ended] == [True, True]


async def test_of_two_answers_at_once_one_is_let_go_of() -> None:
    play = Play(2, delay=0.0)
    await play.sent(2)
    play.ends(1, "one")
    play.ends(2, "two")
    found = await play.task
    await play.quiet()
    assert {found, *play.discarded} == {"one", "two"}
    assert len(play.pipeline.open) == 1


async def test_what_a_failed_attempt_returned_is_let_go_of() -> None:
    play = Play(2)
    await play.sent(1)
    play.ends(1, "bad")
    await play.sent(2)
    assert play.discarded == ["bad"]
    play.ends(2, "bad")
    assert await play.task == "bad", "the last one is the answer"
    assert play.discarded == ["bad"]


async def test_what_is_no_failure_ends_all() -> None:
    play = Play(2, delay=0.0)
    await play.sent(2)
    play.ends(1, RuntimeError("unexpected"))
    with pytest.raises(RuntimeError):
        await play.task
    assert (play.lease, play.cancelled) == ("host:1", [2])


async def test_a_server_that_wants_no_further_attempt_gets_none_whatever_fails_later() -> None:
    play = Play(5, delay=0.0)
    await play.sent(5)
    play.pipeline._most = 9
    play.ends(1, Failed(Failure(Code.UNAVAILABLE, pushback=-1.0)))
    await play.quiet()
    play.ends(2, FAILED)
    await play.quiet()
    assert len(play.attempts) == 5
    play.ends(3, "three")
    assert await play.task == "three"


async def test_a_server_that_asks_for_a_pause_gets_it_beside_others() -> None:
    play = Play(3, delay=0.0)
    await play.sent(3)
    play.pipeline._most = 4
    play.ends(1, Failed(Failure(Code.UNAVAILABLE, pushback=0.001)))
    await play.sent(4)
    play.ends(4, "four")
    assert await play.task == "four"
    play = Play(3)
    await play.sent(1)
    play.ends(1, Failed(Failure(Code.UNAVAILABLE, pushback=0.001)))
    with pytest.raises(Failed):
        await play.task  # alone: the caller is told what the server asks for
    assert len(play.attempts) == 1


async def test_what_never_left_goes_elsewhere_although_there_are_no_more_attempts() -> None:
    play = Play(1, elsewhere=True)
    await play.sent(1)
    play.ends(1, UNSENT)
    await play.sent(2)
    play.ends(2, "two")
    assert await play.task == "two"
    assert (play.pipeline.replays, play.lease) == ([Code.UNAVAILABLE], "host:2")
    assert play.pipeline.ended == [("host:1", True)]


async def test_without_an_endpoint_what_never_left_is_the_answer() -> None:
    play = Play(1, elsewhere=True)
    await play.sent(1)
    play.pipeline.empty = True
    play.ends(1, UNSENT)
    with pytest.raises(Failed):
        await play.task
    assert (play.lease, play.pipeline.open) == ("", [])


async def test_a_caller_that_leaves_ends_every_attempt() -> None:
    play = Play(3, delay=0.0)
    await play.sent(3)
    play.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await play.task
    assert play.cancelled == [1, 2, 3]
    assert play.pipeline.open == []
    assert {failed for _, failed in play.pipeline.ended} == {False}
    assert play.call.endpoint is None


async def test_an_attempt_that_somebody_else_cancelled_ends_the_call_with_its_lease() -> None:
    play = Play(2, delay=0.0)
    await play.sent(2)
    play.attempts[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await play.task
    assert play.lease == "host:2"
    assert play.pipeline.ended == [("host:1", False)]


async def test_when_it_is_too_late_for_an_attempt_its_lease_ends() -> None:
    play = Play()
    play.late = DeadlineExceeded("too late")
    with pytest.raises(DeadlineExceeded):
        await play.task
    assert (play.lease, play.pipeline.open) == ("", [])
    play = Play()
    await play.sent(1)
    play.late = DeadlineExceeded("too late")
    play.ends(1, FAILED)
    with pytest.raises(Failed):
        await play.task
    assert play.lease == "host:1"
    assert play.pipeline.ended == [("host:2", False)]
