"""Unary calls of which none is like another: each has a path and a `traceparent` of its own. Prints their rate.

    python -m benchmarks.varied_client PORT COUNT [CONNECTIONS CONCURRENCY]

Headers that differ are what makes a proxy decode and encode; h2load sends the same block again and again. Every answer
has to end with `grpc-status: 0`; the program ends with an error when one does not.
"""

from __future__ import annotations

import json
import selectors
import sys
import time

from benchmarks.h2_client import DEADLINE, Client

MESSAGE = b"\0\0\0\0\x0chello world!"
PATH = "/bench.v1.Bench/"


def begin(client: Client, number: int) -> None:
    """Begin a call that no other is like."""
    trace = f"00-{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}-{number:016x}-01"
    client.call(f"{PATH}Method{number:08d}", MESSAGE, (("traceparent", trace),))


def run(port: int, count: int, connections: int, concurrency: int) -> float:
    """Make the calls, each as soon as one before it has ended, and return how many there were in a second.

    Raises:
        RuntimeError: a call failed.
    """
    selector = selectors.DefaultSelector()
    began = time.perf_counter()
    begun = ended = 0
    for _ in range(connections):
        client = Client(port)
        selector.register(client, selectors.EVENT_READ, client)
        for _ in range(min(concurrency, count - begun)):
            begun += 1
            begin(client, begun)
        client.flush()
    while ended < count:
        ready = selector.select(DEADLINE)
        if not ready:
            raise RuntimeError(f"{count - ended} of {count} calls are not answered after {DEADLINE:.0f} s")
        for key, _ in ready:
            client = key.data
            for _ in client.receive():
                ended += 1
                if begun < count:
                    begun += 1
                    begin(client, begun)
            client.flush()
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    port, count, *rest = map(int, sys.argv[1:])
    print(json.dumps({"per_second": run(port, count, *(rest or (4, 16)))}))
