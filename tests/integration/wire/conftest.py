"""A gateway on the wire engine, and ones with limits that a test can reach."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import configuration
from tests.integration.wire.place import Place
from tests.integration.wire.play import Conversation
from tests.integration.wire.probe_place import grpc_place
from tests.support.gateway import Admin, Gateway
from tests.support.probe_server import Probe
from tests.support.rpc import PROBE_SERVICE, Stub, blob, connect, eventually

_numbers = itertools.count(1)


def on_wire(address: str, **limits: Any) -> dict[str, Any]:
    """Return the configuration of a gateway on the wire engine in front of a probe server."""
    return {**configuration(address), "server": {"engine": "WIRE", "limits": limits}}


@pytest.fixture(scope="session")
def wire_gateway(folder: Path, probes: tuple[Probe, Probe]) -> Iterator[Gateway]:
    """A gateway whose windows are so small that credit that is lost shows, and limits that no case reaches but one."""
    limits = {"max_concurrent_streams": 100, "stream_buffer_bytes": 65536, "connection_buffer_bytes": 1 << 20}
    with Gateway("wire-gateway", folder, on_wire(probes[1].address, **limits)) as gateway:
        yield gateway


@pytest.fixture
def place(wire_gateway: Gateway) -> Place:
    """The place that cases are played against."""
    return grpc_place(wire_gateway.traffic)


class Guarded:
    """A gateway with limits of its own, and what a test asks about it."""

    def __init__(self, gateway: Gateway, admin: Admin, probe: Probe) -> None:
        self.gateway = gateway
        self.admin = admin
        self.probe = probe
        self.place = grpc_place(gateway.traffic)
        self._stack = contextlib.AsyncExitStack()
        self._rss = 0

    async def talk(self, *hello: tuple[int, int], source: str = "", patience: float = 10.0) -> Conversation:
        """Return a new connection, closed at the end of the test."""
        found = await Conversation.open(self.gateway.traffic, *hello, source=source, patience=patience)
        self._stack.push_async_callback(found.close)
        return found

    async def call(self) -> None:
        """Make a normal call on a connection of its own."""
        async with connect(self.gateway.traffic, own=True) as channel:
            assert (await Stub(channel, PROBE_SERVICE).RunUnary(blob(7), timeout=10)).number == 7

    async def count(self, name: str) -> int:
        """Return how often a protection has acted."""
        return (await self.admin.info()).protections.get(name, 0)

    async def acted(self, name: str, times: int = 1) -> None:
        """Wait until a protection has acted so often, is in the log, and the gateway serves as before."""

        async def enough() -> bool:
            return await self.count(name) >= times

        await eventually(enough, what=f"the protection {name} has acted {times} times")
        assert name in self.gateway.output(), "the log does not name the protection"
        await self.call()

    def weigh(self) -> None:
        """Remember the memory of the gateway."""
        self._rss = self.gateway.rss

    def grown(self) -> int:
        """Return the bytes the gateway has grown by since `weigh`."""
        return self.gateway.rss - self._rss

    async def close(self) -> None:
        """Close the connections."""
        await self._stack.aclose()


Guard = Callable[..., AbstractAsyncContextManager[Guarded]]


@pytest.fixture
def guard(folder: Path, probes: tuple[Probe, Probe]) -> Guard:
    """Start a gateway with the limits given as arguments; at the end it must be alive and have raised nothing."""

    @contextlib.asynccontextmanager
    async def start(**limits: Any) -> AsyncIterator[Guarded]:
        name = f"guarded-{next(_numbers)}"
        with Gateway(name, folder, on_wire(probes[1].address, **limits)) as gateway:
            admin = Admin(gateway.admin)
            found = Guarded(gateway, admin, probes[1])
            try:
                # the first call of a process imports and compiles: its memory is not what is weighed
                await found.call()
                yield found
                assert gateway.alive
                assert "Traceback" not in gateway.output()
            finally:
                await found.close()
                await admin.channel.close()

    return start
