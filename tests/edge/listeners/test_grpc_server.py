from __future__ import annotations

from pathlib import Path

import pytest

from edge.listeners import GrpcServer, ListenError
from edge.model.settings import Limits


async def test_a_free_port_is_found_and_told() -> None:
    server = GrpcServer("127.0.0.1:0", Limits(), proxied=True)
    host, _, port = server.address.rpartition(":")
    assert host == "127.0.0.1"
    assert int(port) > 0
    await server.start()
    await server.stop(0)


async def test_a_port_that_is_taken_is_told_even_by_a_second_gateway() -> None:
    first = GrpcServer("127.0.0.1:0", Limits(), proxied=True)
    await first.start()
    with pytest.raises(ListenError, match=f"cannot listen on {first.address}: it is in use"):
        GrpcServer(first.address, Limits(), proxied=False)
    await first.stop(0)


async def test_a_unix_socket(tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'edge.sock'}"
    server = GrpcServer(address, Limits(max_connection_age=60, max_connection_idle=60), proxied=True)
    assert server.address == address
    await server.start()
    assert (tmp_path / "edge.sock").exists()
    await server.stop(0)
