"""Servers of every make that end connections, go away, hang, or take few calls at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from edge.tasks import Tasks
from tests.integration.peers.conftest import KINDS, Meeting, configuration, meet, start
from tests.support.gateway import Gateway
from tests.support.rpc import blob, call_id, drain, each, echo, eventually, hang, read, script, send, sleep, wait

WITH_OPTIONS = [kind for kind in KINDS if kind != "grpclib"]
"""The servers that can be told how many streams they take and how old a connection may be."""

_numbers = count(1)

Found = Callable[..., AbstractAsyncContextManager[Meeting]]


@pytest.fixture
def found(folder: Path, request: pytest.FixtureRequest) -> Found:
    """Start a server of a kind and a gateway with `connection` settings for it."""

    @contextlib.asynccontextmanager
    async def begin(kind: str, connection: dict[str, Any] | None = None, **options: int) -> AsyncIterator[Meeting]:
        name = f"ending-{kind}-{next(_numbers)}"
        with ExitStack() as stack:
            behind = start(stack, folder, request, kind, name, **options)
            settings = configuration(behind.server.address, **(connection or {}))
            gateway = stack.enter_context(Gateway(f"{name}-gateway", folder, settings))
            async with meet(behind, gateway) as meeting:
                yield meeting
            assert "Traceback" not in gateway.output()

    return begin


@pytest.mark.parametrize("kind", WITH_OPTIONS)
async def test_connections_that_end_under_load_fail_no_call(found: Found, kind: str) -> None:
    async with found(kind, max_age_ms=300) as meeting:
        codes: dict[grpc.StatusCode, int] = {}
        end = time.monotonic() + 2.5

        async def load(method: str) -> None:
            unary = method == "RunUnary"
            # without the read grpc.aio's client says now and then that its own write has failed
            metadata = script(sleep(0.005)) if unary else script(read(), sleep(0.005))
            while time.monotonic() < end:
                call = getattr(meeting.probe, method)(
                    blob() if unary else each([blob()]), metadata=metadata, timeout=10
                )
                code = await call.code()
                codes[code] = codes.get(code, 0) + 1

        await asyncio.gather(*(load(method) for method in ("RunUnary", "RunBidi") * 3))
        assert set(codes) == {grpc.StatusCode.OK}, codes
        assert codes[grpc.StatusCode.OK] > 100


@pytest.mark.parametrize("kind", WITH_OPTIONS)
async def test_a_stream_outlives_the_age_of_its_connection(found: Found, kind: str) -> None:
    async with found(kind, max_age_ms=300) as meeting:
        call = meeting.probe.RunBidi(metadata=script(echo()), timeout=20)
        for number in range(12):
            await call.write(blob(number))
            assert (await call.read()).number == number
            await asyncio.sleep(0.1)
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_comes_back_is_called_again(found: Found, kind: str) -> None:
    async with found(kind) as meeting:
        call = meeting.probe.RunBidi(metadata=script(send(1), hang()), timeout=30)
        assert (await call.read()).number == 0
        stopping = asyncio.Event()
        codes: set[grpc.StatusCode] = set()

        async def load() -> None:
            while not stopping.is_set():
                codes.add(await meeting.probe.RunUnary(blob(), timeout=10).code())
                await asyncio.sleep(0.005)

        loads = asyncio.gather(*(load() for _ in range(4)))
        await asyncio.to_thread(meeting.behind.server.restart)
        messages, code = await drain(call)
        assert (messages, code) == ([], grpc.StatusCode.UNAVAILABLE)
        await meeting.answers()

        async def heard() -> bool:
            return grpc.StatusCode.OK in codes

        await eventually(heard, what="an answer to the load")
        stopping.set()
        await loads
        # a call whose server died may have been worked on, so that nobody may send it again
        assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


@pytest.mark.parametrize("kind", WITH_OPTIONS)
async def test_more_calls_than_streams(found: Found, kind: str) -> None:
    """Connections of two streams each: others are made, and what has no room waits for it."""
    async with found(kind, max_streams=2) as meeting:

        async def call(number: int) -> None:
            metadata = script(sleep(0.02))
            assert (await meeting.probe.RunUnary(blob(number), metadata=metadata, timeout=30)).number == number

        await asyncio.gather(*(call(number) for number in range(100)))


@pytest.mark.parametrize("kind", WITH_OPTIONS)
async def test_a_call_without_room_can_be_cancelled_and_others_go_on(found: Found, kind: str) -> None:
    async with found(kind, max_streams=1) as meeting:
        begun = 0
        full = asyncio.Event()

        async def hold() -> None:
            nonlocal begun
            call = meeting.probe.RunBidi(metadata=script(send(1), hang()), timeout=60)
            try:
                await call.read()
                begun += 1
                # the configured connection and eight more have one stream each
                if begun == 9:
                    full.set()
                await asyncio.Event().wait()
            finally:
                call.cancel()

        holders = Tasks()
        for number in range(30):
            holders.spawn(hold(), name=f"holder {number}")
        async with asyncio.timeout(30):
            await full.wait()
        await holders.close()
        assert begun == 9
        await meeting.answers()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_hangs_is_noticed_by_keepalive(found: Found, kind: str) -> None:
    async with found(kind, {"keepalive_time": "1s", "keepalive_timeout": "0.5s"}) as meeting:
        call = meeting.probe.RunBidi(metadata=script(send(1), hang()), timeout=30)
        assert (await call.read()).number == 0
        server = meeting.behind.server
        server.send_signal(signal.SIGSTOP)
        try:
            assert await asyncio.wait_for(call.code(), 10) is grpc.StatusCode.UNAVAILABLE
        finally:
            server.send_signal(signal.SIGCONT)
        await meeting.answers()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "grpcio"])
async def test_a_quiet_stream_is_kept_by_keepalive(found: Found, kind: str) -> None:
    """A server of grpcio would count pings this often as abuse; the others answer them."""
    async with found(kind, {"keepalive_time": "1s", "keepalive_timeout": "1s"}) as meeting:
        this = call_id("quiet")
        call = meeting.probe.RunBidi(metadata=script(send(1), wait(), send(1), call=this), timeout=30)
        assert (await call.read()).number == 0
        await asyncio.sleep(4)
        from probe import probe_pb2

        await meeting.control.Release(probe_pb2.ReleaseRequest(call_id=this), timeout=10)
        messages, code = await drain(call)
        assert (len(messages), code) == (1, grpc.StatusCode.OK)
