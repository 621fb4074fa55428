"""Requests that are sent again."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from edge.control.requests import Requests
from edge.model.errors import InvalidRequest
from gateway.v1 import route_service_pb2


def request(request_id: str = "", **fields: Any) -> route_service_pb2.CreateRouteRequest:
    return route_service_pb2.CreateRouteRequest(request_id=request_id, **fields)


class Counter:
    def __init__(self) -> None:
        self.count = 0
        self.go = asyncio.Event()
        self.go.set()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.count += 1
        await self.go.wait()
        if self.error:
            raise self.error
        return self.count


def new_id() -> str:
    return str(uuid.uuid4())


async def test_without_an_id_each_request_is_executed() -> None:
    requests, counter = Requests(), Counter()
    assert [await requests.once("M", request(), counter) for _ in range(2)] == [1, 2]
    assert len(requests) == 0


async def test_an_id_gets_its_first_answer_again() -> None:
    requests, counter, same = Requests(), Counter(), request(new_id())
    assert [await requests.once("M", same, counter) for _ in range(3)] == [1, 1, 1]
    same.request_id = same.request_id.upper()
    with pytest.raises(InvalidRequest):
        # the same id in other letters, so a different message
        await requests.once("M", same, counter)


async def test_another_request_with_that_id_is_refused() -> None:
    requests, counter, request_id = Requests(), Counter(), new_id()
    await requests.once("M", request(request_id), counter)
    for method, other in (("N", request(request_id)), ("M", request(request_id, route_id="a"))):
        with pytest.raises(InvalidRequest, match="different request"):
            await requests.once(method, other, counter)


@pytest.mark.parametrize(
    "request_id",
    ["1", "00000000-0000-0000-0000-000000000000", str(uuid.uuid1()), uuid.uuid4().hex, "{" + str(uuid.uuid4()) + "}"],
)
async def test_an_id_has_to_be_a_uuid_of_version_4(request_id: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await Requests().once("M", request(request_id), Counter())
    assert [violation.field for violation in caught.value.violations] == ["request_id"]


async def test_a_failure_is_not_remembered() -> None:
    requests, counter, same = Requests(), Counter(), request(new_id())
    counter.error = InvalidRequest("no")
    with pytest.raises(InvalidRequest):
        await requests.once("M", same, counter)
    counter.error = None
    assert await requests.once("M", same, counter) == 2


async def test_validating_is_not_remembered() -> None:
    requests, counter, request_id = Requests(), Counter(), new_id()
    await requests.once("M", request(request_id, validate_only=True), counter)
    assert await requests.once("M", request(request_id), counter) == 2


async def test_those_who_come_meanwhile_wait_for_the_first_and_share_its_outcome() -> None:
    requests, counter, same = Requests(), Counter(), request(new_id())
    counter.go.clear()
    counter.error = InvalidRequest("no")
    waiting = asyncio.gather(*(requests.once("M", same, counter) for _ in range(5)), return_exceptions=True)
    await asyncio.sleep(0)
    counter.go.set()
    assert await waiting == [counter.error] * 5
    assert counter.count == 1


async def test_it_goes_on_when_the_first_one_goes_away() -> None:
    requests, counter, same = Requests(), Counter(), request(new_id())
    counter.go.clear()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(requests.once("M", same, counter))
        await asyncio.sleep(0)
        second = group.create_task(requests.once("M", same, counter))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        counter.go.set()
    assert first.cancelled()
    assert second.result() == 1


async def test_answers_are_forgotten_after_a_while() -> None:
    now = 0.0
    requests, counter, same = Requests(ttl=10.0, clock=lambda: now), Counter(), request(new_id())
    await requests.once("M", same, counter)
    now = 10.0
    assert await requests.once("M", same, counter) == 1
    now = 10.1
    assert await requests.once("M", same, counter) == 2


async def test_the_oldest_answer_goes_when_there_are_too_many_and_what_is_under_way_stays() -> None:
    requests, slow, counter, same = Requests(most=3), Counter(), Counter(), request(new_id())
    slow.go.clear()
    async with asyncio.TaskGroup() as group:
        pending = group.create_task(requests.once("M", same, slow))
        await asyncio.sleep(0)
        for _ in range(20):
            await requests.once("M", request(new_id()), counter)
        assert len(requests) <= 4
        again = group.create_task(requests.once("M", same, slow))
        await asyncio.sleep(0)
        slow.go.set()
    assert (pending.result(), again.result(), slow.count) == (1, 1, 1)


async def test_closing_ends_what_is_under_way() -> None:
    requests, counter = Requests(), Counter()
    counter.go.clear()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(requests.once("M", request(new_id()), counter))
        await asyncio.sleep(0)
        await requests.close()
    assert waiting.cancelled()
