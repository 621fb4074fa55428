"""Unary calls of which none is like another: each has a path and a `traceparent` of its own. Prints their rate.

    python -m benchmarks.varied_client PORT COUNT [CONNECTIONS CONCURRENCY]

Headers that differ are what makes a proxy decode and encode; h2load sends the same block again and again. They are
encoded before the first call: the proxy is not to wait for the load, as it does not for h2load. Every answer has to end
with `grpc-status: 0`; the program ends with an error when one does not.
"""

from __future__ import annotations

import json
import selectors
import sys
import time
from itertools import islice

from benchmarks.h2_client import DEADLINE, Client

MESSAGE = b"\0\0\0\0\x0chello world!"
PATH = "/bench.v1.Bench/"


def different(number: int) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return path and headers of a call that no other is like."""
    trace = f"00-{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}-{number:016x}-01"
    return f"{PATH}Method{number:08d}", (("traceparent", trace),)


def run(port: int, count: int, connections: int, concurrency: int) -> float:
    """Make the calls, each as soon as one before it has ended, and return how many there were in a second.

    Raises:
        RuntimeError: a call failed.
    """
    selector = selectors.DefaultSelector()
    clients = [Client(port) for _ in range(connections)]
    calls = {
        client: iter(client.prepare([different(number) for number in range(first, count, connections)], MESSAGE))
        for first, client in enumerate(clients)
    }
    began = time.perf_counter()
    ended = 0
    for client in clients:
        selector.register(client, selectors.EVENT_READ, client)
        for stream, sent in islice(calls[client], concurrency):
            client.begin(stream, sent, len(MESSAGE))
        client.flush()
    while ended < count:
        ready = selector.select(DEADLINE)
        if not ready:
            raise RuntimeError(f"{count - ended} of {count} calls are not answered after {DEADLINE:.0f} s")
        for key, _ in ready:
            client = key.data
            answers = client.receive()
            ended += len(answers)
            for stream, sent in islice(calls[client], len(answers)):
                client.begin(stream, sent, len(MESSAGE))
            client.flush()
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    port, count, *rest = map(int, sys.argv[1:])
    print(json.dumps({"per_second": run(port, count, *(rest or (4, 16)))}))
