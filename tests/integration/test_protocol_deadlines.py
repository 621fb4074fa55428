"""Statements P1 to P10 of the gRPC protocol: deadlines."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import grpc
import grpc.aio
import pytest
from probe import probe_pb2

from tests.integration.conftest import Target
from tests.support.engine import AIO
from tests.support.gateway import Admin, Gateway, raw_backend
from tests.support.raw_peer import RawClient, RawStream, frame, unframe
from tests.support.rpc import (
    blob,
    call_id,
    drain,
    error_info,
    failure,
    hang,
    raw_script,
    read,
    script,
    send,
    sleep,
)

INSPECT = "/probe.v1.ProbeService/Inspect"
UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def seconds(timeout: str) -> float:
    """Return a `grpc-timeout` in seconds."""
    assert re.fullmatch(r"[0-9]{1,8}[HMSmun]", timeout), timeout
    return int(timeout[:-1]) * UNITS[timeout[-1]]


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1H", 3600), ("1M", 60), ("90S", 90), ("90000m", 90), ("90000000u", 90), ("99999999n", 0.1)],
)
async def test_p1_units(proxied: Target, written: str, expected: float) -> None:
    async with RawClient(proxied.address) as client:
        stream = await client.call(INSPECT, b"", metadata=[("grpc-timeout", written)])
    assert stream.grpc_status == 0
    record = probe_pb2.CallRecord.FromString(unframe(bytes(stream.data))[0][1])
    # grpc writes timeouts with three digits, rounded up
    assert expected * 0.5 < record.time_remaining <= expected * 1.01


async def test_p1_a_millisecond_is_not_a_minute(proxied: Target) -> None:
    async with RawClient(proxied.address) as client:
        metadata = [("grpc-timeout", "1m"), *raw_script(hang())]
        stream = await client.call("/probe.v1.ProbeService/RunUnary", b"", metadata=metadata, within=10)
    # the deadline may also end the stream without words
    assert stream.grpc_status == 4 or (stream.grpc_status is None and stream.reset is not None)


async def test_p2_no_timeout_stays_none(proxied: Target) -> None:
    record = await proxied.probe.Inspect(blob())
    assert not record.HasField("time_remaining")


async def test_p3_the_time_left_goes_upstream(proxied: Target) -> None:
    record = await proxied.probe.Inspect(blob(), timeout=2)
    assert 0 < record.time_remaining <= 2.01


async def test_p3_never_larger_than_received(gateway: Gateway, admin: Admin, known: bool) -> None:
    """grpc itself would round `90S` up to 90.1 s."""

    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b""])

    async with (
        raw_backend(admin, answer, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        await client.call(backend.path("Unary"), b"", metadata=[("grpc-timeout", "90S")])
        assert seconds(backend.server.streams[0].values("grpc-timeout")[0]) <= 90


async def test_p3_time_spent_in_the_gateway_is_deducted(gateway: Gateway) -> None:
    """A unary call goes upstream when its message is there; the 300 ms until then are gone."""
    async with RawClient(gateway.traffic) as client:
        stream = await client.open(INSPECT, [("grpc-timeout", "2S")])
        await asyncio.sleep(0.3)
        await stream.send(frame(), end=True)
        await stream.finished()
    record = probe_pb2.CallRecord.FromString(unframe(bytes(stream.data))[0][1])
    assert 0 < record.time_remaining <= 1.71


@pytest.mark.parametrize("written", ["3601000m", "99999999H", "99999999S", "99999999M", "99999999m", "1S"])
async def test_p4_timeouts_are_written_with_eight_digits(
    gateway: Gateway, admin: Admin, known: bool, written: str
) -> None:
    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b""])

    async with (
        raw_backend(admin, answer, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        stream = await client.call(backend.path("Unary"), b"", metadata=[("grpc-timeout", written)])
        assert stream.grpc_status == 0
        timeouts = backend.server.streams[0].values("grpc-timeout")
    if written.startswith("99999999") and not timeouts:
        return  # eleven thousand years, a hundred and ninety or three may be never
    assert len(timeouts) == 1
    assert seconds(timeouts[0]) > 0
    if seconds(written) < 1e8:
        assert seconds(timeouts[0]) <= seconds(written) * 1.02


async def test_p4_a_spent_timeout_is_not_forever(proxied: Target) -> None:
    this = call_id("spent")
    error = await failure(proxied.probe.RunUnary(blob(), metadata=script(hang(), call=this), timeout=0), within=10)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    "written",
    [
        "12xS",
        "",
        "-1S",
        pytest.param(
            "100000007n",
            marks=pytest.mark.xfail(
                AIO, strict=True, raises=AssertionError, reason="grpc.aio: takes nine digits in grpc-timeout"
            ),
        ),
    ],
)
async def test_p5_malformed_timeouts_are_refused(proxied: Target, written: str) -> None:
    async with RawClient(proxied.address) as client:
        stream = await client.call(INSPECT, b"", metadata=[("grpc-timeout", written)])
    assert stream.grpc_status in {3, 13} or stream.header(":status") == "400"


@pytest.mark.parametrize("method", ["RunServerStream", "RunBidi"])
async def test_p6_p7_in_the_middle_of_a_stream(proxied: Target, method: str) -> None:
    """The messages so far arrive, then DEADLINE_EXCEEDED, and the server's context ends within a moment."""
    this = call_id("deadline")
    metadata = script(send(2), hang(), call=this)
    start = getattr(proxied.probe, method)
    call = (
        start(blob(), metadata=metadata, timeout=0.5) if "Server" in method else start(metadata=metadata, timeout=0.5)
    )
    messages, code = await drain(call)
    assert (len(messages), code) == (2, grpc.StatusCode.DEADLINE_EXCEEDED)
    await proxied.seen(this, within=1, cancelled=True, ended=True)


async def test_p6_an_upstream_that_resets_at_the_deadline_is_still_the_deadline(
    gateway: Gateway, admin: Admin, caller: Any, known: bool
) -> None:
    async def reset(stream: RawStream) -> None:
        await asyncio.sleep(0.25)
        await stream.send_reset(8)

    async with raw_backend(admin, reset, schema=known) as backend:
        error = await failure(caller.unary_unary(backend.path("Unary"))(b"", timeout=0.2))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_p7_the_upstream_stream_is_reset(gateway: Gateway, admin: Admin, known: bool) -> None:
    async def silence(stream: RawStream) -> None:
        await stream.until(lambda: stream.reset is not None)

    async with (
        raw_backend(admin, silence, schema=known) as backend,
        RawClient(gateway.traffic) as client,
    ):
        await client.call(backend.path("Unary"), b"", metadata=[("grpc-timeout", "200m")])
        stream = backend.server.streams[0]
        await stream.until(lambda: stream.reset is not None, within=2)
        assert stream.reset == 8  # CANCEL


async def test_the_deadline_of_the_route_says_whose_it_is(gateway: Gateway, admin: Admin, caller: Any) -> None:
    async def silence(stream: RawStream) -> None:
        await stream.until(lambda: stream.reset is not None)

    async with raw_backend(admin, silence, schema=True, route_fields={"timeout": "0.2s"}) as backend:
        error = await failure(caller.unary_unary(backend.path("Unary"))(b"", timeout=20))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    info = error_info(error)
    assert info.reason == "DEADLINE"
    assert info.metadata["deadline"] == "route"


async def test_the_smallest_deadline_goes_upstream(gateway: Gateway, admin: Admin, caller: Any) -> None:
    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b""])

    limits: dict[str, Any] = {"route_fields": {"timeout": "30s"}, "upstream_fields": {"timeout": "10s"}}
    async with raw_backend(admin, answer, schema=True, **limits) as backend:
        for mine, smallest in ((None, 10), (5, 5), (100, 10)):
            await caller.unary_unary(backend.path("Unary"))(b"", timeout=mine)
            timeout = backend.server.streams[-1].header("grpc-timeout")
            assert timeout
            assert smallest * 0.5 < seconds(timeout) <= smallest * 1.02


async def test_p10_nothing_is_left_of_calls_that_end_in_time(proxied: Target) -> None:
    for _ in range(20):
        await proxied.probe.RunUnary(blob(), metadata=script(sleep(0.001)), timeout=30)
    call = proxied.probe.RunBidi(metadata=script(read()), timeout=30)
    await call.done_writing()
    await drain(call)
    assert proxied.gateway
    api = Admin(proxied.gateway.admin)
    await api.idle()
    await api.channel.close()
