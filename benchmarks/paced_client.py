"""Unary calls at a fixed pace, whether or not those before have ended. Prints their latency in milliseconds.

    python -m benchmarks.paced_client PORT PER_SECOND SECONDS

The latency counts from when a call was due, so that one which has to wait for the program counts as late. Two seconds'
worth of calls are made before anything counts.
"""

from __future__ import annotations

import json
import selectors
import sys
import time

from benchmarks.h2_client import DEADLINE, Client

MESSAGE = b"\0\0\0\0\x0chello world!"
PATH = "/bench.v1.Bench/Unary"
WARM_UP = 2.0
"""Seconds."""

CONNECTIONS = 4


def run(port: int, per_second: int, seconds: float) -> list[float]:
    """Return the latency of each call in seconds, sorted.

    Raises:
        RuntimeError: a call failed, or none ended for long.
    """
    clients = [Client(port) for _ in range(CONNECTIONS)]
    # not epoll, which counts its timeout in milliseconds
    selector = selectors.SelectSelector()
    for client in clients:
        selector.register(client, selectors.EVENT_READ, client)
    unmeasured = int(per_second * WARM_UP)
    count = unmeasured + int(per_second * seconds)
    due: dict[tuple[int, int], tuple[int, float]] = {}
    taken: list[float] = []
    start = last = time.perf_counter()
    begun = ended = 0
    while ended < count:
        now = time.perf_counter()
        while begun < count and start + begun / per_second <= now:
            client = clients[begun % CONNECTIONS]
            due[client.fileno(), client.call(PATH, MESSAGE)] = begun, start + begun / per_second
            client.flush()
            begun += 1
        wait = max(start + begun / per_second - time.perf_counter(), 0) if begun < count else 1.0
        for key, _ in selector.select(wait):
            for stream, _ in key.data.receive():
                last = time.perf_counter()
                number, wanted = due.pop((key.fd, stream))
                ended += 1
                if number >= unmeasured:
                    taken.append(last - wanted)
            key.data.flush()
        if time.perf_counter() - last > DEADLINE:
            raise RuntimeError(f"{count - ended} of {count} calls are not answered after {DEADLINE:.0f} s")
    return sorted(taken)


if __name__ == "__main__":
    figures = run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    print(json.dumps({name: figures[int(len(figures) * share)] * 1e3 for name, share in (("p50", 0.5), ("p99", 0.99))}))
