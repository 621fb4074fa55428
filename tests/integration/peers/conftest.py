"""Gateways in front of real servers, one for each kind."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio

from tests.integration.clients.conftest import descriptors
from tests.integration.peers import upstreams
from tests.support.gateway import Gateway, route, upstream
from tests.support.probe_server import Probe
from tests.support.rpc import PROBE_SERVICE, Stub, blob, connect, eventually

__all__ = ["descriptors"]

KINDS = (
    "grpcio",
    "grpclib",
    pytest.param("grpc-js", marks=pytest.mark.all),
    pytest.param("envoy", marks=pytest.mark.all),
)
"""The servers, by what `start` takes."""


class Restartable(Protocol):
    """A server that can come back."""

    @property
    def address(self) -> str:
        """Host and port."""

    def restart(self) -> None:
        """End it at once and start it again on the same port."""

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""


@dataclass(frozen=True)
class Behind:
    """A server and how its journal is asked."""

    kind: str
    """Which one it is."""

    server: Restartable
    """What the gateway calls."""

    control: str
    """Who answers for what it saw: itself, or the server behind Envoy."""


def start(stack: ExitStack, folder: Path, request: Any, kind: str, name: str, **options: int) -> Behind:
    """Run a server until the end of a stack.

    Args:
        stack: Who ends it.
        folder: Where its files go.
        request: Who asks, for what only some of them need.
        kind: One of `KINDS`.
        name: What it is called in reports; unique within the folder.
        options: `max_streams` of a connection, and `max_age_ms`, after which it ends.
    """
    if kind == "grpclib":
        assert not options, "grpclib has no such options"
        lib = stack.enter_context(upstreams.grpclib(folder, name))
        return Behind(kind, lib, lib.address)
    if kind == "grpc-js":
        described: Path = request.getfixturevalue("descriptors")
        node = stack.enter_context(upstreams.grpc_js(folder, described, name, **options))
        return Behind(kind, node, node.address)
    words = [word for option, value in options.items() for word in (f"--{option.replace('_', '-')}", str(value))]
    probe = stack.enter_context(Probe(name, folder, *(words if kind == "grpcio" else ())))
    if kind == "grpcio":
        return Behind(kind, probe, probe.address)
    assert kind == "envoy"
    streams, age = options.get("max_streams", 100), options.get("max_age_ms", 0) / 1000
    envoy = upstreams.Envoy(folder, probe, name=f"{name}-envoy", max_streams=streams, max_age=age)
    stack.callback(envoy.stop)
    envoy.start()
    return Behind(kind, envoy, probe.address)


def configuration(address: str, **connection: Any) -> dict[str, Any]:
    """Return the configuration of a gateway in front of a server."""
    fields: dict[str, Any] = {"reflection": {"disabled": True}}
    if connection:
        fields["connection"] = connection
    return {
        "upstreams": [upstream("peer", address, **fields)],
        "routes": [route("peer", PROBE_SERVICE.full_name, "peer")],
    }


@dataclass(frozen=True)
class Meeting:
    """A gateway in front of a server, with a channel to it, and one to who answers for what the server saw."""

    behind: Behind
    gateway: Gateway
    channel: Any
    control: Stub

    @property
    def probe(self) -> Stub:
        """The service through the gateway."""
        return Stub(self.channel, PROBE_SERVICE)

    async def seen(self, call_id: str, **conditions: object) -> Any:
        """Wait until the server has seen that of a call; return what it saw."""
        from probe import probe_pb2

        request = probe_pb2.AwaitRequest(call_id=call_id, **conditions)  # type: ignore[arg-type]
        return await self.control.Await(request, timeout=10)

    async def answers(self) -> None:
        """Wait until calls are answered, after the server was away."""

        async def good() -> bool:
            return int((await self.probe.RunUnary(blob(), timeout=5).code()).value[0]) == 0

        await eventually(good, within=20, what=f"{self.behind.kind} answers")


@contextlib.asynccontextmanager
async def meet(behind: Behind, gateway: Gateway) -> AsyncIterator[Meeting]:
    """Connect to a gateway and to who answers for its server."""
    async with connect(gateway.traffic, own=True) as channel, connect(behind.control, own=True) as direct:
        found = Meeting(behind, gateway, channel, Stub(direct, PROBE_SERVICE))
        await found.answers()
        yield found


@pytest.fixture(scope="module", params=KINDS)
def placed(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[Behind, Gateway]]:
    """A server of each kind and the gateway in front of it."""
    with ExitStack() as stack:
        behind = start(stack, folder, request, request.param, f"peer-{request.param}")
        gateway = Gateway(f"peer-{request.param}-gateway", folder, configuration(behind.server.address))
        yield behind, stack.enter_context(gateway)


@pytest_asyncio.fixture(loop_scope="session")
async def meeting(placed: tuple[Behind, Gateway]) -> AsyncIterator[Meeting]:
    """The same with channels for the time of a test."""
    async with meet(*placed) as found:
        yield found
    assert "Traceback" not in placed[1].output()
