from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
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


async def test_as_many_calls_as_a_caller_may_have_open_can_wait() -> None:
    """By itself grpc refuses some of them at random when more than 1,000 wait."""
    server = GrpcServer("127.0.0.1:0", Limits(max_concurrent_streams=3000), proxied=False)

    async def answer(request: bytes, _: object) -> bytes:
        return request

    method: Any = grpc.unary_unary_rpc_method_handler(answer)
    server.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a", {"B": method}),))
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        call: Any = channel.unary_unary("/a/B")
        answers = await asyncio.gather(*(call(str(number).encode(), timeout=30) for number in range(3000)))
    await server.stop(0)
    assert answers == [str(number).encode() for number in range(3000)]
