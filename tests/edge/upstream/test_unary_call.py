"""Both ways of a unary call, the short one and the public one, against a real server: they have to be the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from edge.upstream.unary_call import UnaryMethod


class Server(grpc.GenericRpcHandler):
    """Answers by the method's name, and counts calls that were cancelled."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()

    def service(self, handler_call_details: Any) -> Any:
        name = handler_call_details.method.rpartition("/")[2]
        return grpc.unary_unary_rpc_method_handler({"Echo": self.echo, "Fail": self.fail, "Wait": self.wait}[name])

    async def echo(self, request: bytes, context: Any) -> bytes:
        received = [pair for pair in context.invocation_metadata() if pair[0].startswith("x-")]
        await context.send_initial_metadata(received)
        context.set_trailing_metadata((("x-left-bin", b"\0"), ("x-limited", str(context.time_remaining() is not None))))
        return request

    async def fail(self, _: bytes, context: Any) -> None:
        await context.abort(grpc.StatusCode.ABORTED, "not today", (("x-why", "reasons"),))

    async def wait(self, _: bytes, context: Any) -> bytes:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        return b""


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, grpc.aio.Channel]]:
    handler = Server()
    running = grpc.aio.server(handlers=[handler])
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield handler, channel
    await running.stop(0)


@pytest.fixture(params=["short", "public"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def method(channel: grpc.aio.Channel, name: str, way: str) -> UnaryMethod:
    made = UnaryMethod(channel, f"/a.B/{name}")
    assert made._make is not None, "this grpcio has lost what the short way needs: measure, then decide"
    if way == "public":
        made._make = None
    return made


async def test_an_answer(server: tuple[Server, grpc.aio.Channel], way: str) -> None:
    echo = method(server[1], "Echo", way)
    answer = await echo(b"hello", seconds=None, metadata=[("x-b", "1"), ("x-a-bin", b"\xff")])
    assert answer.message == b"hello"
    assert [(name, value) for name, value in answer.initial] == [("x-b", "1"), ("x-a-bin", b"\xff")]
    assert list(answer.trailing) == [("x-left-bin", b"\0"), ("x-limited", "False")]
    assert ("x-limited", "True") in list((await echo(b"", seconds=5, metadata=[])).trailing)


async def test_a_status(server: tuple[Server, grpc.aio.Channel], way: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await method(server[1], "Fail", way)(b"", seconds=5, metadata=[])
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.ABORTED, "not today")
    assert list(caught.value.trailing_metadata()) == [("x-why", "reasons")]


async def test_a_deadline(server: tuple[Server, grpc.aio.Channel], way: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await method(server[1], "Wait", way)(b"", seconds=0.05, metadata=[])
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_giving_up_cancels_the_call(server: tuple[Server, grpc.aio.Channel], way: str) -> None:
    handler, channel = server
    call = asyncio.get_running_loop().create_task(method(channel, "Wait", way)(b"", seconds=None, metadata=[]))
    await asyncio.wait_for(handler.waiting.wait(), 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(handler.cancelled.wait(), 5)
