"""The wire engine beside Envoy, nginx, HAProxy and our grpc.aio core, in alternating rounds of one run.

    python -m benchmarks.wire [--quick] [--rounds N] [--soak] [--proxies NAME…] [--only TABLE…]

A proxy that is not installed is shown as `missing`. What is allowed is a ratio to Envoy from the same run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import peers, processes, wire_bulk, wire_connections, wire_rest
from benchmarks.processes import HERE, free_port, pin, running
from benchmarks.rounds import WARM_UP, Costs, Load

MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Calls whose CPU is compared."""

    upstream: Callable[[], contextlib.AbstractContextManager[int]]
    """Runs the upstream and yields its port."""

    load: Load
    """Makes the calls."""

    count: int
    """Calls or messages per round."""

    plain: float
    """How many times Envoy's CPU the gateway may take."""

    compiled: float
    """How many times Envoy's CPU the compiled gateway may take."""


@contextlib.contextmanager
def raw_upstream() -> Iterator[int]:
    """Run the upstream that takes any path, and yield its port."""
    port = free_port()
    with running([sys.executable, "-m", "benchmarks.raw_upstream", str(port)], port):
        yield port


def program(name: str, *arguments: object) -> dict[str, float]:
    """Run a load generator of this package and return the figures that it prints.

    Raises:
        RuntimeError: it failed; it has said why.
    """
    command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=HERE.parent)
    pin(process, measured=False)
    output = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"{name} failed on port {arguments[0]}")
    figures: dict[str, float] = json.loads(output)
    return figures


def varied(port: int, count: int) -> None:
    """Make calls that all differ."""
    program("varied_client", port, count)


def bidi(port: int, count: int) -> None:
    """Play ping-pong on 16 streams."""
    processes.load(port, "bidi", count, 16)


SCENARIOS = {
    "unary": Scenario(upstream=processes.nghttpd, load=processes.h2load, count=20_000, plain=1.3, compiled=0.8),
    "unary, every call different": Scenario(upstream=raw_upstream, load=varied, count=10_000, plain=1.6, compiled=1.0),
    "bidi, per message": Scenario(upstream=processes.echo, load=bidi, count=12_000, plain=1.5, compiled=1.0),
}
"""By what the table calls them."""


def ratio(value: float | None, allowed: float) -> str:
    """Return a ratio with what is allowed, for a table."""
    return MISSING if value is None else f"{value:.2f} × ({allowed:.2f})"


def calls(names: Sequence[str], rounds: int, share: float) -> Table:
    """Return what calls cost, in CPU of the proxy."""
    table = Table("CPU of the proxy", *names, "edge / Envoy (allowed)", "compiled / Envoy (allowed)")
    for what, scenario in SCENARIOS.items():
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            port = stack.enter_context(scenario.upstream())
            proxies = peers.start(stack, peers.available(names), port, folder)
            there = {proxy.name for proxy in proxies}
            costs = Costs(proxies, scenario.load, max(int(scenario.count * share), WARM_UP), rounds)
            figures = [f"{costs.microseconds(name):.1f} µs" if name in there else MISSING for name in names]
            ratios = [
                costs.ratio(name, peers.ENVOY) if {name, peers.ENVOY} <= there else None
                for name in (peers.PLAIN.name, peers.COMPILED.name)
            ]
            table.add_row(what, *figures, ratio(ratios[0], scenario.plain), ratio(ratios[1], scenario.compiled))
    return table


TABLES = ("calls", "bulk", "latency", "rest", "idle", "stalled")
"""What can be measured."""


def tables(
    rounds: int, share: float, *, names: Sequence[str] = peers.NAMES, only: Sequence[str] = TABLES, soak: bool = False
) -> Iterator[Table]:
    """Yield the tables, each as soon as it is measured.

    Args:
        rounds: Rounds of each comparison.
        share: The part of the calls that is made; 1 for all.
        names: The proxies.
        only: The tables.
        soak: Whether to make a million calls and 100,000 cancelled streams as well.
    """
    if "calls" in only:
        yield calls(names, rounds, share)
    if "bulk" in only:
        yield wire_bulk.bulk(names, rounds, share)
    if "latency" in only:
        yield wire_bulk.latency(names, rounds, share, program)
    if "rest" in only:
        yield wire_rest.rest_calls(names, rounds, share)
    if "idle" in only:
        yield wire_connections.idle(names, int(10_000 * share))
    if "stalled" in only:
        yield wire_connections.stalled(names, share, raw_upstream, program)
    if soak:
        yield wire_connections.soak(names, int(1_000_000 * share), int(100_000 * share))


def main() -> None:
    """Run what the command line asks for and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the calls, three rounds")
    parser.add_argument("--rounds", type=int, default=0, help="rounds per scenario; 7, or 3 with --quick")
    parser.add_argument("--soak", action="store_true", help="also 1,000,000 calls and 100,000 cancelled streams")
    parser.add_argument("--proxies", nargs="+", choices=peers.NAMES, default=peers.NAMES, metavar="NAME")
    parser.add_argument("--only", nargs="*", choices=TABLES, default=TABLES, metavar="TABLE", help=", ".join(TABLES))
    given = parser.parse_args()
    rounds, share = given.rounds or (3 if given.quick else 7), 0.2 if given.quick else 1.0
    console = Console(width=150)
    for table in tables(rounds, share, names=given.proxies, only=given.only, soak=given.soak):
        console.print(table)


if __name__ == "__main__":
    main()
