"""Failures of servicers as callers get them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from edge.model.errors import InvalidRequest, NoRoute, Violation
from edge.servicing import answer, status_of


class Service:
    @answer
    async def unary(self, request: bytes, context: Any) -> bytes:
        if request == b"refuse":
            raise NoRoute("no route – nirgends", metadata={"method": "/a"}, cause="only for operators")
        if request == b"break":
            raise ValueError("a secret")
        if request == b"abort":
            await context.abort(grpc.StatusCode.DATA_LOSS, "mine")
        return request

    @answer
    async def stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        self.ended = False
        try:
            yield b"first"
            yield await self.unary.__wrapped__(self, request, context)  # type: ignore[attr-defined]  # of functools
        finally:
            self.ended = True

    @answer
    async def writer(self, request: bytes, context: Any) -> None:
        await context.write(b"first")
        await self.unary.__wrapped__(self, request, context)  # type: ignore[attr-defined]  # of functools


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def channel(service: Service) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    handlers: dict[str, Any] = {
        "unary": grpc.unary_unary_rpc_method_handler(service.unary),
        "stream": grpc.unary_stream_rpc_method_handler(service.stream),
        "writer": grpc.unary_stream_rpc_method_handler(service.writer),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.Service", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


async def call(channel: Any, method: str, request: bytes) -> list[bytes]:
    if method == "unary":
        return [await channel.unary_unary("/t.Service/unary")(request)]
    return [bytes(reply) async for reply in channel.unary_stream(f"/t.Service/{method}")(request)]


async def failed(channel: Any, method: str, request: bytes) -> tuple[Any, status_pb2.Status]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, method, request)
    details = dict(iter(caught.value.trailing_metadata() or ())).get("grpc-status-details-bin", b"")
    return caught.value, status_pb2.Status.FromString(details)


METHODS = ["unary", "stream", "writer"]


@pytest.mark.parametrize("method", METHODS)
async def test_a_refusal_has_its_status_with_details(channel: Any, method: str) -> None:
    error, status = await failed(channel, method, b"refuse")
    assert (error.code(), error.details()) == (grpc.StatusCode.UNIMPLEMENTED, "no route – nirgends")
    assert (status.code, status.message) == (12, "no route – nirgends")
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == ("NO_ROUTE", "gateway.internal", {"method": "/a"})
    assert b"operators" not in status.SerializeToString()


@pytest.mark.parametrize("method", METHODS)
async def test_the_unexpected_is_logged_under_an_id_and_not_told(
    channel: Any, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    error, status = await failed(channel, method, b"break")
    assert error.code() is grpc.StatusCode.INTERNAL
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    error_id = info.metadata["errorId"]
    assert error_id in error.details()
    assert "secret" not in str(error)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error_id in record.getMessage()
    assert "a secret" in caplog.text


@pytest.mark.parametrize("method", METHODS)
async def test_a_status_that_was_set_already_stays(channel: Any, method: str) -> None:
    error, _ = await failed(channel, method, b"abort")
    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "mine")


async def test_answers_pass(channel: Any, service: Service) -> None:
    assert await call(channel, "unary", b"a") == [b"a"]
    assert await call(channel, "stream", b"a") == [b"first", b"a"]
    assert await call(channel, "writer", b"a") == [b"first"]
    assert service.ended


def test_a_long_status_is_shortened() -> None:
    error = InvalidRequest.of([Violation(f"routes[{n}].name", "ä" * 100) for n in range(1000)])
    status = status_of(error)
    assert status.ByteSize() <= 4096
    bad_request = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad_request)
    kept = len(bad_request.field_violations) - 1
    assert kept > 5
    assert bad_request.field_violations[-1].description == f"and {1000 - kept} more"


def test_a_long_message_is_shortened() -> None:
    status = status_of(NoRoute("a" * 5000))
    assert len(status.message) == 1000
    assert status.message.endswith("…")
