"""Large messages through the proxies, and the latency they add at a fixed pace."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.table import Table

from benchmarks import peers
from benchmarks.processes import MESSAGE, UNARY_PATH, free_port, nghttpd, pin, running
from benchmarks.rounds import Costs

SIZE = 1_000_000
"""Bytes of a large message."""

PER_SECOND = 1_000
"""Calls at the fixed pace."""

SECONDS = 5.0
"""How long each turn at that pace takes, without its warm-up."""

MOST_ADDED = 1.0
"""The most milliseconds that the 99th percentile may be above that without a proxy."""

Program = Callable[..., dict[str, float]]


@contextlib.contextmanager
def large_upstream() -> Iterator[int]:
    """Run an upstream that answers every call with a large message, and yield its port."""
    if shutil.which("nghttpd") is None:
        raise SystemExit("nghttpd not found: apt-get install nghttp2-server")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / UNARY_PATH.lstrip("/")
        file.parent.mkdir(parents=True)
        file.write_bytes(b"\0" + SIZE.to_bytes(4, "big") + bytes(SIZE))
        command = ["nghttpd", "--no-tls", "-a", "127.0.0.1", "--trailer", "grpc-status: 0", "-m", "1000", "-d", folder]
        with running([*command, str(port)], port):
            yield port


def download(port: int, count: int) -> None:
    """Get large messages with h2load: 4 connections, 4 calls at once on each, with windows that hold nobody back.

    Raises:
        RuntimeError: not every one came whole.
    """
    with tempfile.NamedTemporaryFile() as body:
        body.write(MESSAGE)
        body.flush()
        command = ["h2load", "-n", str(count), "-c4", "-m4", "-w26", "-W28", "-d", body.name, "-H", "te: trailers"]
        process = subprocess.Popen(
            [*command, "-H", "content-type: application/grpc", f"http://127.0.0.1:{port}{UNARY_PATH}"],
            stdout=subprocess.PIPE,
        )
        pin(process, measured=False)
        output = process.communicate()[0].decode()
    if f"{count} 2xx" not in output or f"({count * (SIZE + 5)}) data" not in output:
        raise RuntimeError(output)


def bulk(names: Sequence[str], rounds: int, share: float) -> Table:
    """Return how fast large messages go through, and what a megabyte costs."""
    table = Table(f"{SIZE // 10**6} MB messages", "throughput", "CPU per MB", "throughput / Envoy", "at least")
    starts = peers.available([*names, *([peers.PLAIN_ASYNCIO.name] if peers.PLAIN.name in names else [])])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        proxies = peers.start(stack, starts, stack.enter_context(large_upstream()), folder)
        costs = Costs(proxies, download, max(int(2_000 * share), 160), rounds)
        for name in dict.fromkeys((*names, *starts)):
            if name not in starts:
                table.add_row(name, "missing", "", "", "")
                continue
            ratio = f"{costs.times_as_fast(name, peers.ENVOY):.2f} ×" if peers.ENVOY in starts else ""
            rate, cost = costs.per_second(name) * SIZE / 1e6, costs.microseconds(name) / (SIZE / 1e6)
            least = "1.00 ×" if name in (peers.PLAIN.name, peers.COMPILED.name) else ""
            table.add_row(name, f"{rate:,.0f} MB/s", f"{cost:,.0f} µs", ratio, least)
    return table


def latency(names: Sequence[str], rounds: int, share: float, program: Program) -> Table:
    """Return how long calls take at a fixed pace, without a proxy and through each."""
    table = Table(f"latency at {PER_SECOND:,} calls/s", "p50", "p99", "p99 above direct", "allowed")
    starts = peers.available(names)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(nghttpd())
        ports = {"direct": upstream} | {
            proxy.name: proxy.port for proxy in peers.start(stack, starts, upstream, folder)
        }
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in ports}
        for turn in range(rounds):
            for name in ports if turn % 2 else reversed(ports):
                taken[name].append(program("paced_client", ports[name], PER_SECOND, max(SECONDS * share, 1.0)))
    direct = taken["direct"]
    for name in ("direct", *names):
        if name not in taken:
            table.add_row(name, "missing", "", "", "")
            continue
        middle = {key: statistics.median(figures[key] for figures in taken[name]) for key in ("p50", "p99")}
        pairs = zip(taken[name], direct, strict=True)
        added = statistics.median(one["p99"] - other["p99"] for one, other in pairs)
        allowed = f"+{MOST_ADDED:.2f} ms" if name in (peers.PLAIN.name, peers.COMPILED.name) else ""
        above = "" if name == "direct" else f"{added:+.2f} ms"
        table.add_row(name, f"{middle['p50']:.2f} ms", f"{middle['p99']:.2f} ms", above, allowed)
    return table
