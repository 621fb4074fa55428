"""`make bench`: the gateway in alternating rounds with a minimal grpc.aio proxy, a REST bridge by hand, and Envoy.

    python -m benchmarks.run [--quick] [--rounds N] [--soak] [--only PART…]

An absolute time means nothing on a noisy machine; the ratio of two numbers from one run does. Each number is the median
over the rounds, each ratio the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import ExitStack

from rich.console import Console
from rich.table import Table

from benchmarks import balancing, bench_codec, bench_routing, bench_rules, memory, processes, rest, wire
from benchmarks.rounds import WARM_UP, Costs, Load

console = Console(width=150)

REST_COUNT = 10_000
"""REST requests per round."""

CODEC_LEAST = {"parse": 5.0, "print": 3.0}
"""How many times as fast as json_format the codec is at least."""

SCENARIOS: dict[str, tuple[str, Load, int, float]] = {
    # name: (upstream, load, calls per round, allowed ratio)
    "unary, h2load": ("nghttpd", processes.h2load, 10_000, 1.10),
    "unary, grpcio client": ("echo", lambda port, count: processes.load(port, "unary", count, 16), 4_000, 1.10),
    "bidi message, grpcio client": ("echo", lambda port, count: processes.load(port, "bidi", count, 16), 12_000, 1.15),
}

PARTS = ("wire", *SCENARIOS, "rest", "codec", "matching", "balancing", "start", "memory")
"""What can be measured."""


def compare(name: str, rounds: int, share: float) -> tuple[float, float, float]:
    """Return the CPU in µs per call of the minimal proxy and of the gateway, and the ratio."""
    upstream, load, count, _ = SCENARIOS[name]
    with ExitStack() as stack:
        port = stack.enter_context(processes.nghttpd() if upstream == "nghttpd" else processes.echo())
        proxies = [stack.enter_context(processes.minimal(port)), stack.enter_context(processes.gateway(port))]
        costs = Costs(proxies, load, max(int(count * share), WARM_UP), rounds)
        return costs.microseconds("minimal proxy"), costs.microseconds("edge"), costs.ratio("edge", "minimal proxy")


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


def native(names: list[str], rounds: int, share: float) -> Table:
    """Return what native gRPC calls cost."""
    table = Table("CPU of the proxy", "minimal proxy", "edge", "ratio", "allowed")
    for name in names:
        theirs, ours, ratio = compare(name, rounds, share)
        table.add_row(name, f"{theirs:.0f} µs", f"{ours:.0f} µs", f"{ratio:.2f} ×", f"{SCENARIOS[name][3]:.2f} ×")
    return table


def rest_calls(rounds: int, share: float) -> Table:
    """Return what REST calls cost."""
    table = Table("CPU of the proxy", rest.NAIVE, rest.ENVOY, "edge", f"edge / {rest.NAIVE}", "allowed")
    for row in rest.run(rounds, int(REST_COUNT * share)):
        envoy = f"{row.envoy:.0f} µs" if row.envoy is not None else "not installed"
        allowed = f"{row.allowed:.2f} ×" if row.allowed is not None else ""
        table.add_row(row.what, f"{row.naive:.0f} µs", envoy, f"{row.edge:.0f} µs", f"{row.ratio:.2f} ×", allowed)
    return table


def json_codec() -> Table:
    """Return what reading and writing JSON costs."""
    table = Table("JSON of an order", "json_format", "codec", "times as fast", "at least")
    for row in bench_codec.run():
        name = f"{row.what} {row.size:,} B"
        least = CODEC_LEAST[row.what]
        table.add_row(name, f"{row.json_format:.1f} µs", f"{row.codec:.1f} µs", f"{row.ratio:.1f} ×", f"{least:.1f} ×")
    return table


def matching() -> list[Table]:
    """Return what finding a route, finding a rule, and filling a request by it cost."""
    routes = Table("route match", *(f"{size:,} routes" for size in bench_routing.SIZES))
    found: dict[str, dict[int, float]] = {}
    for kind, count, nanoseconds in bench_routing.measure():
        found.setdefault(kind, {})[count] = nanoseconds
    for kind, costs in found.items():
        routes.add_row(kind, *(f"{costs[size] / 1000:.2f} µs" for size in bench_routing.SIZES))
    rules = Table("google.api.http rule", *(f"{size:,} rules" for size in bench_rules.SIZES))
    for kind, costs in bench_rules.matching().items():
        rules.add_row(kind, *(f"{costs[size] / 1000:.2f} µs" for size in bench_rules.SIZES))
    filling = Table("filling a request message", "time")
    for kind, cost in bench_rules.binding().items():
        filling.add_row(kind, f"{cost / 1000:.2f} µs")
    return [routes, rules, filling]


def start() -> Table:
    """Return how long the gateway takes to start, and what it needs then."""
    starts = [start_and_idle(100) for _ in range(3)]
    table = Table("with 100 routes", "measured", "allowed")
    table.add_row("start to ready", f"{statistics.median(taken for taken, _ in starts):.2f} s", "1.00 s")
    table.add_row("idle RSS", f"{statistics.median(size for _, size in starts):.0f} MB", "90 MB")
    return table


def extra_memory() -> Table:
    """Return what long answers and quiet WebSockets need."""
    table = Table("memory of the gateway", "RSS before", "most extra RSS", "allowed")
    for row in memory.run():
        extra, allowed = f"{row.extra / 1e6:+.1f} MB", f"{row.allowed / 1e6:+.0f} MB"
        table.add_row(row.what, f"{row.before / 1e6:.1f} MB", extra, allowed)
    return table


def main() -> None:
    """Run what the command line asks for and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the calls, three rounds")
    parser.add_argument("--rounds", type=int, default=0, help="rounds per scenario; 7, or 3 with --quick")
    parser.add_argument("--soak", action="store_true", help="also very many calls and cancelled streams")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    arguments = parser.parse_args()
    rounds = arguments.rounds or (3 if arguments.quick else 7)
    share = 0.2 if arguments.quick else 1.0

    if "wire" in arguments.only:
        for table in wire.tables(rounds, share, soak=arguments.soak):
            console.print(table)
    if names := [name for name in SCENARIOS if name in arguments.only]:
        console.print(native(names, rounds, share))
    if "rest" in arguments.only:
        console.print(rest_calls(rounds, share))
    if "codec" in arguments.only:
        console.print(json_codec())
    if "matching" in arguments.only:
        console.print(*matching(), sep="\n")
    if "balancing" in arguments.only:
        console.print(*balancing.tables(), sep="\n")
    if "start" in arguments.only:
        console.print(start())
    if "memory" in arguments.only:
        console.print(extra_memory())
    if arguments.soak:
        console.print(soak(100_000, 10_000))


if __name__ == "__main__":
    main()
