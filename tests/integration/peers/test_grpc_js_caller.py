"""@grpc/grpc-js as a caller of a gateway with few streams and short-lived connections (tests/clients)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import configuration
from tests.integration.peers.commands import run
from tests.integration.peers.upstreams import CLIENTS
from tests.support.gateway import Gateway
from tests.support.probe_server import Probe

pytestmark = pytest.mark.all


@pytest.fixture(scope="module")
def narrow(folder: Path, probes: tuple[Probe, Probe]) -> Iterator[Gateway]:
    """A gateway that takes four calls on a connection, and asks callers to come again after a second."""
    limits = {"max_concurrent_streams": 4, "max_connection_age": "1s", "connection_grace": "10s"}
    found = {**configuration(probes[0].address), "server": {"limits": limits}}
    with Gateway("narrow-gateway", folder, found) as gateway:
        yield gateway
        assert "Traceback" not in gateway.output()


async def passes(gateway: Gateway, descriptors: Path, count: int, *arguments: str) -> None:
    """Run the program, whose tests all have to pass."""
    assert (CLIENTS / "node_modules").is_dir(), "`make npm` installs what the Node programs need"
    setting = json.dumps({"grpc": gateway.traffic, "http": gateway.http, "descriptors": str(descriptors)})
    program = str(CLIENTS / "grpc_js_connections.mjs")
    command = ["node", "--test-force-exit", "--test-reporter=tap", program, *arguments]
    said = await run("env", f"CLIENT_SETTING={setting}", *command)
    assert said.code == 0, said.text
    assert f"# pass {count}\n" in said.text, said.text


async def test_few_streams_and_short_connections(narrow: Gateway, descriptors: Path) -> None:
    await passes(narrow, descriptors, 4)


async def test_keepalive(gateway: Gateway, descriptors: Path) -> None:
    await passes(gateway, descriptors, 1, "quiet")
