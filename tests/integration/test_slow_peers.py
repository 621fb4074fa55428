"""Peers that do not read hold up whoever sends to them, and cost the gateway a bounded amount of memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import psutil
import pytest
import pytest_asyncio

from tests.integration.conftest import learn
from tests.support.echo import ECHO, EchoServer
from tests.support.gateway import Gateway, route, upstream
from tests.support.rpc import connect, eventually

PEERS = 50
MESSAGE = 200_000
MOST = 180 << 20
"""With windows that grpc opens as it sees fit, these peers cost from 280 MB to more than a gigabyte."""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def echo() -> AsyncIterator[EchoServer]:
    async with EchoServer() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def served(echo: EchoServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    made = {"upstreams": [upstream("echo", echo.address)], "routes": [route("echo", ECHO, "echo", transcoding={})]}
    gateway = Gateway("slow-peers", tmp_path_factory.mktemp("slow"), made)
    try:
        await asyncio.to_thread(gateway.start)
        await asyncio.to_thread(learn, gateway.admin, ECHO)
        yield gateway
    finally:
        await asyncio.to_thread(gateway.stop)


class Memory:
    """The memory of a gateway above what it had at first."""

    def __init__(self, gateway: Gateway) -> None:
        self._process = psutil.Process(gateway.ready["pid"])
        self._before = self._process.memory_info().rss
        self.most = 0

    async def steady(self) -> None:
        """Wait until it has not grown for half a second."""
        last = -1

        async def stands() -> bool:
            nonlocal last
            await asyncio.sleep(0.5)
            now = self._process.memory_info().rss - self._before
            self.most = max(self.most, now)
            stands, last = now <= last + (1 << 20), now
            return stands

        await eventually(stands, within=20, what="the memory stands still")


async def test_http_callers_who_do_not_read(served: Gateway) -> None:
    memory = Memory(served)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(PEERS):
            _, writer = await asyncio.open_connection(*served.http.split(":"), limit=1024)
            stack.callback(writer.close)
            writer.write(
                b"GET /v1/items/a:download HTTP/1.1\r\nhost: a\r\nx-count: 200\r\nx-size: %d\r\n\r\n" % MESSAGE
            )
        await memory.steady()
    assert memory.most < MOST


async def test_grpc_callers_who_do_not_read_what_answers_them(served: Gateway) -> None:
    memory = Memory(served)
    message = b"\x12" + bytes([MESSAGE & 127 | 128, (MESSAGE >> 7) & 127 | 128, MESSAGE >> 14]) + b"x" * MESSAGE

    async def talk(channel: grpc.aio.Channel) -> None:
        call: Any = channel.stream_stream(f"/{ECHO}/Chat")()
        try:
            for _ in range(200):
                await call.write(message)
        finally:
            call.cancel()

    async with connect(served.traffic) as channel:
        talks = [asyncio.get_running_loop().create_task(talk(channel)) for _ in range(PEERS)]
        try:
            await memory.steady()
        finally:
            for task in talks:
                task.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
    assert memory.most < MOST
