"""What changes while a call waits for its next attempt: its route, its upstream, its endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from tests.integration.resilience.place import UNAVAILABLE, Outcome, Place, blob, place

HELLO = blob(b"hello")
METHODS = pytest.mark.parametrize("method", ["Unary", "ServerStream"])


@pytest_asyncio.fixture(loop_scope="session")
async def own(tmp_path: Path) -> AsyncIterator[Place]:
    """A gateway of the test's own."""
    async with place(tmp_path) as found:
        yield found
        await found.quiet()


def begin(own: Place, method: str) -> asyncio.Task[Outcome]:
    own.script.begin("fail")
    return asyncio.get_running_loop().create_task(own.grpc("pause", method, HELLO))


@METHODS
async def test_other_routes_come_and_go_without_the_call(own: Place, method: str) -> None:
    call = begin(own, method)
    await own.paused()
    await own.reload("pause")
    found = await call
    assert (found.code, found.messages[0]) == (grpc.StatusCode.OK, HELLO)
    assert len(own.script.attempts) == 2
    assert (await own.grpc("plain", method, HELLO)).code is grpc.StatusCode.UNIMPLEMENTED


@METHODS
async def test_an_upstream_that_is_gone_leaves_the_answer_of_the_attempt_before(own: Place, method: str) -> None:
    call = begin(own, method)
    await own.paused()
    await own.reload("plain")
    found = await call
    assert found.code is UNAVAILABLE
    assert found.message == "attempt 1"


@METHODS
async def test_endpoints_that_are_gone_leave_the_answer_of_the_attempt_before(own: Place, method: str) -> None:
    call = begin(own, method)
    await own.paused()
    for server in own.servers:
        await server.stop(0)
    found = await call
    assert found.code is UNAVAILABLE


async def test_an_endpoint_that_goes_in_the_pause_gets_no_attempt(own: Place) -> None:
    call = begin(own, "Unary")
    await own.paused()
    first = own.script.attempts[0].backend
    for server, address in zip(own.servers, own.addresses, strict=True):
        if address == first:
            await server.stop(0)
    found = await call
    assert found.code is grpc.StatusCode.OK
    assert own.script.attempts[1].backend != first
