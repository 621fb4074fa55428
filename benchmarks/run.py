"""`make bench`: the gateway beside a minimal grpc.aio proxy, on the same grpcio and event loop, in alternating rounds.

    python -m benchmarks.run [--quick] [--rounds N] [--soak] [--only NAME…]

An absolute time means nothing on a noisy machine; the ratio of two numbers from one run does. Each number is the median
over the rounds, each ratio the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

from rich.console import Console
from rich.table import Table

from benchmarks import bench_routing, processes

console = Console(width=120)

Load = Callable[[int, int], None]
"""Puts a number of calls or messages on a port."""

SCENARIOS: dict[str, tuple[str, Load, int, float]] = {
    # name: (upstream, load, calls per round, allowed ratio)
    "unary, h2load": ("nghttpd", processes.h2load, 10_000, 1.10),
    "unary, grpcio client": ("echo", lambda port, count: processes.load(port, "unary", count, 16), 4_000, 1.10),
    "bidi message, grpcio client": ("echo", lambda port, count: processes.load(port, "bidi", count, 16), 12_000, 1.15),
}


def compare(name: str, rounds: int, share: float) -> tuple[float, float, float]:
    """Return the CPU in µs per call of the minimal proxy and of the gateway, and the ratio."""
    upstream, load, count, _ = SCENARIOS[name]
    count = max(int(count * share), 160)
    with ExitStack() as stack:
        port = stack.enter_context(processes.nghttpd() if upstream == "nghttpd" else processes.echo())
        proxies = [stack.enter_context(processes.minimal(port)), stack.enter_context(processes.gateway(port))]
        costs: dict[str, list[float]] = {proxy.name: [] for proxy in proxies}
        for proxy in proxies:
            load(proxy.port, max(count // 5, 160))
        for turn in range(rounds):
            # every other round begins with the other one, so that neither always runs on a warm or a hot machine
            for proxy in proxies if turn % 2 else reversed(proxies):
                before = proxy.cpu()
                load(proxy.port, count)
                costs[proxy.name].append((proxy.cpu() - before) / count * 1e6)
    ours, theirs = costs["edge"], costs["minimal proxy"]
    ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    return statistics.median(theirs), statistics.median(ours), ratio


def start_and_idle(routes: int) -> tuple[float, float]:
    """Return the seconds from start to ready with `routes` routes, and the resident MB a moment later."""
    with processes.echo() as port:
        began = time.monotonic()
        with processes.gateway(port, routes=routes) as proxy:
            taken = time.monotonic() - began
            time.sleep(1)
            return taken, proxy.rss() / 1e6


def soak(unary: int, cancelled: int) -> Table:
    """Return how resident memory grows over unary calls and streams cancelled in the middle, for both proxies."""
    table = Table(
        "proxy", "RSS after warm-up", f"after {unary:,} unary calls", f"after {cancelled:,} cancelled streams"
    )
    with ExitStack() as stack:
        port = stack.enter_context(processes.echo())
        proxies = [stack.enter_context(processes.minimal(port)), stack.enter_context(processes.gateway(port))]
        for proxy in proxies:
            # warm: memory that is kept for later calls is there before it is measured
            processes.load(proxy.port, "unary", 5_000, 32)
            processes.load(proxy.port, "cancel", 500, 16)
            sizes = [proxy.rss()]
            processes.load(proxy.port, "unary", unary, 32)
            sizes.append(proxy.rss())
            processes.load(proxy.port, "cancel", cancelled, 16)
            sizes.append(proxy.rss())
            growth = [f"{size / 1e6:.1f} MB ({(size - sizes[0]) / 1e6:+.1f})" for size in sizes[1:]]
            table.add_row(proxy.name, f"{sizes[0] / 1e6:.1f} MB", *growth)
    return table


def main() -> None:
    """Run what the command line asks for and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the calls, three rounds")
    parser.add_argument("--rounds", type=int, default=0, help="rounds per scenario; 7, or 3 with --quick")
    parser.add_argument("--soak", action="store_true", help="also 100,000 unary calls and 10,000 cancelled streams")
    parser.add_argument("--only", nargs="*", choices=list(SCENARIOS), default=list(SCENARIOS))
    arguments = parser.parse_args()
    rounds = arguments.rounds or (3 if arguments.quick else 7)

    table = Table("CPU of the proxy", "minimal proxy", "edge", "ratio", "allowed")
    for name in arguments.only:
        theirs, ours, ratio = compare(name, rounds, 0.2 if arguments.quick else 1.0)
        table.add_row(name, f"{theirs:.0f} µs", f"{ours:.0f} µs", f"{ratio:.2f} ×", f"{SCENARIOS[name][3]:.2f} ×")
    console.print(table)

    table = Table("route match", "routes", "time")
    for kind, count, nanoseconds in bench_routing.measure():
        table.add_row(kind, f"{count:,}", f"{nanoseconds / 1000:.2f} µs")
    console.print(table)

    starts = [start_and_idle(100) for _ in range(3)]
    table = Table("with 100 routes", "measured", "allowed")
    table.add_row("start to ready", f"{statistics.median(taken for taken, _ in starts):.2f} s", "1.00 s")
    table.add_row("idle RSS", f"{statistics.median(size for _, size in starts):.0f} MB", "90 MB")
    console.print(table)

    if arguments.soak:
        console.print(soak(100_000, 10_000))


if __name__ == "__main__":
    main()
