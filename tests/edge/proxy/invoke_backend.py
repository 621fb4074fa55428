"""A real gRPC server whose methods show what an invoker does, and pieces of answers of a raw one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.rpc import status_pb2

ENDING = (("grpc-status", "0"),)

GRPC_HEAD = [(":status", "200"), ("content-type", "application/grpc")]

DETAILS = status_pb2.Status(code=9, details=[any_pb2.Any(type_url="type.googleapis.com/x.Y", value=b"\x01")])


class Backend(grpc.GenericRpcHandler):
    """A real gRPC server that answers by the method's name."""

    def __init__(self) -> None:
        self.address = ""
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.seen: list[tuple[str, str | bytes]] = []
        self.left: float | None = None
        self.attempts: list[str] = []
        self.read: list[list[bytes]] = []

    def service(self, handler_call_details: Any) -> Any:
        name = handler_call_details.method.rpartition("/")[2]
        if not hasattr(self, name):
            return None
        if name.startswith("Stream"):
            return grpc.stream_stream_rpc_method_handler(getattr(self, name))
        return grpc.unary_unary_rpc_method_handler(getattr(self, name))

    def _look(self, context: Any) -> None:
        self.seen = [(key, value) for key, value in context.invocation_metadata() if key != "x-request-id"]
        self.left = context.time_remaining()

    async def Echo(self, request: bytes, context: Any) -> bytes:  # noqa: N802 - a method's name
        self._look(context)
        await context.send_initial_metadata((("x-a", "1"), ("x-b-bin", b"\0\xff"), ("x-a", "2"), ("x-gone", "3")))
        context.set_trailing_metadata((("x-z-bin", b"\x80"), ("x-y", "end")))
        return request

    async def Fail(self, _: bytes, context: Any) -> None:  # noqa: N802
        details = ("grpc-status-details-bin", DETAILS.SerializeToString())
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: 100 % ü\n", (("x-why", "so"), details))

    async def FailBlank(self, _: bytes, context: Any) -> None:  # noqa: N802
        await context.abort(grpc.StatusCode.INTERNAL, " blanks at both ends ")

    async def FailLate(self, _: bytes, context: Any) -> None:  # noqa: N802
        await context.send_initial_metadata((("x-a", "1"),))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "gone fishing")

    def _plan(self, context: Any) -> tuple[str, dict[str, str]]:
        """Count an attempt, and return what becomes of it by the metadata: a way to end, or `ok`."""
        found = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        ways = found.get("x-ways", "").split(",")
        self.attempts.append(found.get("grpc-previous-rpc-attempts", ""))
        return ways[min(len(self.attempts), len(ways)) - 1], found

    async def _end(self, way: str, found: dict[str, str], context: Any) -> None:
        if way == "slow":
            await asyncio.sleep(30)
        if way == "late":
            # until the next attempt has come
            async with asyncio.timeout(30):
                while len(self.attempts) < 2:
                    await asyncio.sleep(0.01)
            return
        if way == "head":
            await context.send_initial_metadata((("x-a", "1"),))
        if way != "ok":
            pushback = found.get("x-pushback", "")
            trailing = (("grpc-retry-pushback-ms", pushback),) if pushback else ()
            code = grpc.StatusCode.ABORTED if way == "aborted" else grpc.StatusCode.UNAVAILABLE
            await context.abort(code, f"attempt {len(self.attempts)}", trailing)

    async def Flaky(self, request: bytes, context: Any) -> bytes:  # noqa: N802
        await self._end(*self._plan(context), context)
        return request

    Other = Flaky
    """The same, but the schema does not say that it is idempotent."""

    async def StreamFlaky(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:  # noqa: N802
        way, found = self._plan(context)
        if way == "one":
            yield await anext(aiter(requests))
        if found.get("x-read"):
            self.read.append([request async for request in requests])
            await self._end(way, found, context)
            for request in self.read[-1]:
                yield request
            return
        await self._end(way, found, context)
        async for request in requests:
            yield request

    async def Zip(self, request: bytes, context: Any) -> bytes:  # noqa: N802
        context.set_compression(grpc.Compression.Gzip)
        return request

    async def Wait(self, _: bytes, __: Any) -> bytes:  # noqa: N802
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        return b""

    async def StreamEcho(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:  # noqa: N802
        self._look(context)
        await context.send_initial_metadata((("x-a", "1"),))
        async for request in requests:
            yield request
        context.set_trailing_metadata((("x-y", "end"),))

    async def StreamFail(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:  # noqa: N802
        async for request in requests:
            yield request
        await context.abort(grpc.StatusCode.ABORTED, "enough", (("x-why", "so"),))

    async def StreamWait(self, _: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:  # noqa: N802
        await context.send_initial_metadata((("x-a", "1"),))
        yield b"first"
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
