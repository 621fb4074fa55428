"""A bounded load from a grpcio client: unary calls, ping-pong streams, or streams cancelled in the middle.

python load_client.py TARGET unary|bidi|cancel COUNT CONCURRENCY

`bidi` sends COUNT messages over CONCURRENCY streams, the next when the echo of the one before is back. `cancel` makes
COUNT streams, each cancelled after its first echo. Exits with 1 when anything failed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import grpc.aio

MESSAGE = b"hello world!"
METHOD = "/bench.v1.Bench/"


async def unary(channel: grpc.aio.Channel, count: int) -> int:
    """Make `count` calls one after the other and return how many failed."""
    call: Any = channel.unary_unary(METHOD + "Unary")
    failed = 0
    for _ in range(count):
        try:
            failed += await call(MESSAGE, timeout=30) != MESSAGE
        except grpc.aio.AioRpcError:
            failed += 1
    return failed


async def bidi(channel: grpc.aio.Channel, count: int) -> int:
    """Play ping-pong with `count` messages on one stream and return how many failed."""
    stream: Any = channel.stream_stream(METHOD + "Bidi")(timeout=120)
    good = 0
    for _ in range(count):
        await stream.write(MESSAGE)
        good += await stream.read() == MESSAGE
    await stream.done_writing()
    return count - good


async def cancel(channel: grpc.aio.Channel, count: int) -> int:
    """Make `count` streams, cancel each in the middle, and return how many failed before that."""
    multicallable: Any = channel.stream_stream(METHOD + "Bidi")
    failed = 0
    for _ in range(count):
        stream = multicallable(timeout=30)
        await stream.write(MESSAGE)
        failed += await stream.read() != MESSAGE
        stream.cancel()
    return failed


async def main(target: str, kind: str, count: int, concurrency: int) -> int:
    """Put the load on `target` and return the exit code."""
    load = {"unary": unary, "bidi": bidi, "cancel": cancel}[kind]
    channels = [grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(4)]
    share = count // concurrency
    failed = await asyncio.gather(*(load(channels[index % 4], share) for index in range(concurrency)))
    for channel in channels:
        await channel.close()
    if sum(failed):
        print(f"{sum(failed)} of {share * concurrency} failed", file=sys.stderr)
    return 1 if sum(failed) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
