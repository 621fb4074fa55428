"""What connections need of the proxies: idle ones, one whose caller stops reading, and those of very many calls."""

from __future__ import annotations

import contextlib
import select
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from rich.table import Table

from benchmarks import h2_client as h2
from benchmarks import peers, processes
from benchmarks.memory import allow_files
from benchmarks.processes import Proxy

IDLE_LIMIT = 300e6
"""The most bytes of resident memory with 10,000 idle connections."""

KEPT_LIMIT = 1_000_000
"""The most bytes that may wait for a caller that does not read."""

BESIDE_LEAST = 0.9
"""The part of their throughput that other calls on its connection keep."""

SOAK_LIMIT = 5e6
"""The most bytes by which resident memory may grow after the warm-up."""

QUIET = 2.0
"""Seconds in which nothing goes on on idle connections."""

_AT_ONCE = 200
_OURS = (peers.PLAIN.name, peers.COMPILED.name)


@contextlib.contextmanager
def connections(port: int, count: int) -> Iterator[None]:
    """Open HTTP/2 connections on which nothing goes on.

    Raises:
        RuntimeError: the proxy does not greet on one of them.
    """
    hello = h2.PREFACE + h2.settings({})
    opened: list[socket.socket] = []
    try:
        while len(opened) < count:
            some = []
            for _ in range(min(_AT_ONCE, count - len(opened))):
                sock = socket.create_connection(("127.0.0.1", port), timeout=h2.DEADLINE)
                opened.append(sock)
                some.append(sock)
                sock.sendall(hello)
            for sock in some:
                greeting = sock.recv(4096)
                if len(greeting) < 9 or greeting[3] != h2.SETTINGS:
                    raise RuntimeError(f"the proxy on port {port} greets with {greeting!r}")
                sock.sendall(h2.frame(h2.SETTINGS, h2.ACK, 0))
        yield
        # what else the proxy says is read at the end, so that it counts as delivered; a closed one is an error
        poll = select.poll()
        for sock in opened:
            poll.register(sock, select.POLLRDHUP)
        if closed := poll.poll(0):
            raise RuntimeError(f"the proxy on port {port} closed {len(closed)} of {count} idle connections")
    finally:
        for sock in opened:
            sock.close()


def idle(names: Sequence[str], count: int) -> Table:
    """Return what idle connections need."""
    allow_files(count + 1_000)
    table = Table(f"{count:,} idle connections", "RSS before", "RSS with them", "per connection", "allowed")
    starts = peers.available(names)
    for name in names:
        if name not in starts:
            table.add_row(name, "missing", "", "", "")
            continue
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            proxy = peers.start(stack, {name: starts[name]}, stack.enter_context(processes.nghttpd()), folder)[0]
            processes.h2load(proxy.port, 1_000)
            before = proxy.rss()
            with connections(proxy.port, count):
                time.sleep(QUIET)
                size = proxy.rss()
            allowed = f"{IDLE_LIMIT / 1e6:.0f} MB" if name in _OURS else ""
            each = f"{(size - before) / count / 1e3:.1f} kB"
            table.add_row(name, f"{before / 1e6:.0f} MB", f"{size / 1e6:.0f} MB", each, allowed)
    return table


def stalled(
    names: Sequence[str],
    share: float,
    upstream: Callable[[], AbstractContextManager[int]],
    program: Callable[..., dict[str, float]],
) -> Table:
    """Return what a caller that stops reading costs the proxy and its other calls."""
    table = Table("a caller that stops reading", "kept for it", "allowed", "its other calls", "at least")
    starts = peers.available(names)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in names:
            if name not in starts:
                table.add_row(name, "missing", "", "", "")
                continue
            with ExitStack() as own:
                port = own.enter_context(upstream())
                proxy = peers.start(own, {name: starts[name]}, port, folder)[0]
                figures = program("stalled_client", proxy.port, port, max(6 * share, 1.5))
            limits = (f"{KEPT_LIMIT / 1e6:.2f} MB", f"{BESIDE_LEAST:.0%}") if name in _OURS else ("", "")
            kept, part = f"{figures['kept'] / 1e6:.2f} MB", f"{figures['beside'] / figures['alone']:.0%}"
            table.add_row(name, kept, limits[0], part, limits[1])
    return table


def soak(names: Sequence[str], unary: int, cancelled: int) -> Table:
    """Return how resident memory grows over unary calls, and over streams cancelled in the middle."""
    table = Table(
        "RSS", "after warm-up", f"{unary:,} unary calls", f"{cancelled:,} cancelled streams", "growth allowed"
    )
    starts = peers.available(names)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(processes.echo())
        for name in names:
            if name not in starts:
                table.add_row(name, "missing", "", "", "")
                continue
            with ExitStack() as own:
                own_folder = folder / name.replace(" ", "-")
                own_folder.mkdir()
                proxy = peers.start(own, {name: starts[name]}, port, own_folder)[0]
                table.add_row(name, *_growth(proxy, unary, cancelled))
    return table


def _growth(proxy: Proxy, unary: int, cancelled: int) -> tuple[str, str, str, str]:
    many_calls(proxy.port, max(unary // 20, 1_000))
    processes.load(proxy.port, "cancel", max(cancelled // 20, 500), 16)
    sizes = [proxy.rss()]
    many_calls(proxy.port, unary)
    sizes.append(proxy.rss())
    processes.load(proxy.port, "cancel", cancelled, 16)
    sizes.append(proxy.rss())
    growth = [f"{size / 1e6:.1f} MB ({(size - sizes[0]) / 1e6:+.1f})" for size in sizes[1:]]
    return f"{sizes[0] / 1e6:.1f} MB", growth[0], growth[1], f"{SOAK_LIMIT / 1e6:.0f} MB" if proxy.name in _OURS else ""


def many_calls(port: int, count: int) -> None:
    """Make unary calls in portions, each on connections of its own.

    Raises:
        RuntimeError: one of them failed.
    """
    for _ in range(max(count // 50_000, 1)):
        processes.h2load(port, min(count, 50_000))
