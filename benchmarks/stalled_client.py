"""A caller that reads nothing of one answer, and what its other calls on the same connection come to meanwhile.

    python -m benchmarks.stalled_client PORT UPSTREAM_PORT SECONDS

Prints the bytes that the upstream let out and the caller did not get, in the proxy and in the kernel, and the
calls per second beside it and without it, the best of some turns each. They are 0 when the calls stop as well.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time

from benchmarks.h2_client import Client
from benchmarks.raw_upstream import FLOOD, SENT

MESSAGE = b"\0\0\0\0\x0chello world!"
PATH = "/bench.v1.Bench/Unary"
CONCURRENCY = 16
TURNS = 3
STOPPED = 5.0
"""Seconds without an answer after which the other calls count as stopped."""

WINDOW = 65_535
"""Bytes of the answer that the caller takes."""


def calls_per_second(client: Client, seconds: float) -> float:
    """Make calls one after the other, some at once, and return how many ended in a second."""
    stalled = len(client.open)
    ended, end = 0, time.perf_counter() + seconds
    while len(client.open) < stalled + CONCURRENCY:
        client.call(PATH, MESSAGE)
    client.flush()
    while len(client.open) > stalled:
        for _ in client.receive():
            ended += 1
            if time.perf_counter() < end:
                client.call(PATH, MESSAGE)
        client.flush()
    return ended / (time.perf_counter() - end + seconds)


def sent(upstream: int) -> int:
    """Return how many bytes of the flood the upstream let out."""
    client = Client(upstream)
    client.call(PATH, SENT)
    while True:
        client.flush()
        for _, answer in client.receive():
            return int.from_bytes(answer.body[5:], "big")


def run(port: int, upstream: int, seconds: float) -> dict[str, float]:
    """Return the figures, by name."""
    alone: list[float] = []
    beside: list[float] = []
    free, stalling = Client(port, stream_window=WINDOW), Client(port, stream_window=WINDOW)
    calls_per_second(free, seconds / 4)
    for client in (free, stalling):
        client.socket.settimeout(STOPPED)
    alone.append(calls_per_second(free, seconds / TURNS))
    stream = stalling.call(PATH, FLOOD)
    with contextlib.suppress(TimeoutError):
        for _ in range(TURNS):
            beside.append(calls_per_second(stalling, seconds / TURNS))
            alone.append(calls_per_second(free, seconds / TURNS))
    kept = sent(upstream) - stalling.open[stream].size
    return {"kept": kept, "alone": max(alone), "beside": max(beside, default=0.0)}


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
