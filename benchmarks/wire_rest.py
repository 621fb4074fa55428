"""REST calls over HTTP/1.1 and over HTTP/2, beside Envoy's transcoder."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from rich.table import Table

from benchmarks import envoy, peers, rest
from benchmarks.processes import Proxy
from benchmarks.rounds import Costs

COUNT = 10_000
"""Requests per round."""

PLAIN, COMPILED = 1.5, 1.1
"""How many times the CPU of Envoy's transcoder the gateway may take, over either protocol."""


def rest_calls(names: Sequence[str], rounds: int, share: float) -> Table:
    """Return what REST calls cost. Of the proxies those that transcode are compared."""
    builds = {build.name: build for build in (peers.AIO, peers.PLAIN, peers.COMPILED)}
    shown = [name for name in names if name == peers.ENVOY or name in builds]
    table = Table("CPU of the proxy", *shown, "edge / Envoy (allowed)", "compiled / Envoy (allowed)")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        schema = folder / "bookstore.binpb"
        schema.write_bytes(rest.descriptors())
        upstream = stack.enter_context(rest.bookstore(folder))
        proxies: list[Proxy] = []
        for name in peers.available(shown):
            own = folder / f"proxy-{len(proxies)}"
            own.mkdir()
            (own / schema.name).write_bytes(schema.read_bytes())
            run = (
                envoy.envoy(upstream, own, schema, rest.SERVICE)
                if name == peers.ENVOY
                else rest.gateway(upstream, own, builds[name])
            )
            proxies.append(stack.enter_context(run))
        for what, request in rest.REQUESTS.items():
            for protocol in rest.H2LOAD:
                taking = [proxy for proxy in proxies if takes(proxy, request, protocol)]
                there = {proxy.name for proxy in taking}
                load = partial(rest.load, request=request, protocol=protocol)
                costs = Costs(taking, load, max(int(COUNT * share), 160), rounds)
                absent = {name: "no" if name in {proxy.name for proxy in proxies} else "missing" for name in shown}
                figures = [f"{costs.microseconds(name):.0f} µs" if name in there else absent[name] for name in shown]
                for name, allowed in ((peers.PLAIN.name, PLAIN), (peers.COMPILED.name, COMPILED)):
                    both = {name, peers.ENVOY} <= there
                    limit = f" ({allowed:.2f})" if request.answer is not None else ""
                    figures.append(f"{costs.ratio(name, peers.ENVOY):.2f} ×{limit}" if both else "")
                table.add_row(f"{what}, {protocol}", *figures)
    return table


def takes(proxy: Proxy, request: rest.Request, protocol: str) -> bool:
    """Return whether a proxy speaks a protocol. Over HTTP/1.1 it has to, and its answer has to be right.

    Raises:
        RuntimeError: it answers wrongly.
    """
    if protocol == rest.HTTP1:
        rest.check(proxy, request)
        return True
    with suppress(RuntimeError):
        rest.load(proxy.port, 1, request=request, protocol=protocol)
        return True
    return False
