"""Many calls and many cancelled streams leave nothing behind. The memory of that is measured by the benchmark."""

from __future__ import annotations

import asyncio

import grpc

from tests.integration.conftest import Target
from tests.support.gateway import Admin
from tests.support.rpc import blob, each, echo, hang, read, script, send

CALLS = 2000
CANCELLED = 500
AT_ONCE = 50


async def test_calls_and_cancelled_streams_leave_nothing(proxied: Target) -> None:
    assert proxied.gateway
    api = Admin(proxied.gateway.admin)
    before = (await api.info()).total_calls
    limit = asyncio.Semaphore(AT_ONCE)
    codes: dict[grpc.StatusCode, int] = {}

    async def call(number: int) -> None:
        async with limit:
            answer = proxied.probe.RunUnary(blob(number), timeout=30)
            code = await answer.code()
            codes[code] = codes.get(code, 0) + 1
            assert (await answer).number == number

    async def cancel(number: int) -> None:
        """Cancel before, in and after the messages."""
        async with limit:
            steps = ([hang()], [send(3), hang()], [echo()], [read(1), hang()])[number % 4]
            stream = proxied.probe.RunBidi(metadata=script(*steps), timeout=30)
            if number % 4 == 1:
                await stream.read()
            elif number % 4 == 2:
                await stream.write(blob(number))
                await stream.read()
            stream.cancel()
            assert await stream.code() is grpc.StatusCode.CANCELLED

    await asyncio.gather(*(call(number) for number in range(CALLS)), *(cancel(number) for number in range(CANCELLED)))
    assert codes == {grpc.StatusCode.OK: CALLS}
    await api.idle()
    # a stream cancelled at once may never have reached the gateway
    assert CALLS <= (await api.info()).total_calls - before <= CALLS + CANCELLED
    active = await proxied.control.Active(active_request(), timeout=15)
    assert active.calls == 0
    await api.channel.close()


def active_request() -> object:
    from probe import probe_pb2

    return probe_pb2.ActiveRequest(at_most=0)


async def test_finished_streams_leave_nothing(proxied: Target) -> None:
    assert proxied.gateway
    api = Admin(proxied.gateway.admin)

    async def one(number: int) -> int:
        call = proxied.probe.RunBidi(each(blob(n) for n in range(5)), metadata=script(echo()), timeout=60)
        return len([message async for message in call])

    for _ in range(10):
        assert await asyncio.gather(*(one(number) for number in range(20))) == [5] * 20
    await api.idle()
    await api.channel.close()
