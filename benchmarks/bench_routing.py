"""What finding a route costs, in nanoseconds per call, by the number of routes.

    python benchmarks/bench_routing.py

Of the routes a third are gRPC methods, a third static REST paths and a third REST paths with parameters. `host
wildcard` is the same with the methods bound to a wildcard host each. The last line is the build, in milliseconds.
"""

from __future__ import annotations

import time

from edge.model.call import Call, Protocol
from edge.model.config import DirectResponse, GrpcTarget, HttpTarget, Route, RouteMatch
from edge.model.snapshot import RoutePlan
from edge.model.status import Code
from edge.routing import RadixRouteTable

SIZES = (10, 100, 1_000, 10_000)
"""The numbers of routes."""

SECONDS = 0.2
"""How long each figure is measured, at least."""


def plan(number: int, match: RouteMatch) -> RoutePlan:
    """Return a route with one match."""
    route = Route(name=f"routes/r{number}", matches=(match,), action=DirectResponse(code=Code.OK))
    return RoutePlan(route=route, max_request_bytes=1, max_response_bytes=1)


def plans(count: int, *, hosts: bool = False) -> list[RoutePlan]:
    """Return routes of every kind; with `hosts` the methods are bound to a wildcard host each."""
    made = []
    for number in range(count):
        kind, group = number % 3, number // 3
        if kind == 0:
            host = (f"*.shop{number}.example.com",) if hosts else ()
            target = GrpcTarget(service=f"shop{group % 97}.v1.Service{group}", method="Get")
            match = RouteMatch(hosts=host, target=target)
        elif kind == 1:
            match = RouteMatch(target=HttpTarget(path=f"/api/v1/area{group % 31}/things{group}/all"))
        else:
            path = f"/api/v1/area{group % 31}/items{group}/{{item}}/parts/{{part}}"
            match = RouteMatch(target=HttpTarget(path=path, methods=frozenset({"GET"})))
        made.append(plan(number, match))
    return made


def calls(count: int) -> dict[str, tuple[bool, Call]]:
    """Return the calls by what they show, with whether the table has hosts. The route is the last but a few."""
    group = (count - 1) // 3 - 1
    area = group % 31
    http = Protocol.HTTP
    method = f"/shop{group % 97}.v1.Service{group}/Get"
    return {
        "grpc method": (False, Call(method)),
        "REST static": (False, Call(f"/api/v1/area{area}/things{group}/all", protocol=http, verb="GET")),
        "REST parameters": (False, Call(f"/api/v1/area{area}/items{group}/7/parts/9", protocol=http, verb="GET")),
        "host wildcard": (True, Call(method, host=f"eu.shop{group * 3}.example.com")),
        "miss grpc": (False, Call(f"/shop{group % 97}.v1.Service{group}/Gone")),
        "miss REST": (False, Call(f"/api/v1/area{area}/items{group}/7/gone/9", protocol=http, verb="GET")),
    }


def nanoseconds(table: RadixRouteTable, call: Call) -> float:
    """Return what one match costs: the best of many rounds, so that noise of the machine does not count."""
    match = table.match
    rounds = 1000
    best = float("inf")
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter_ns()
        for _ in range(rounds):
            match(call)
        best = min(best, (time.perf_counter_ns() - start) / rounds)
    return best


def measure() -> list[tuple[str, int, float]]:
    """Return what is measured, the number of routes, and the nanoseconds per match.

    Raises:
        RuntimeError: a call does not find its route, or a miss finds one.
    """
    figures = []
    for count in SIZES:
        tables = {hosts: RadixRouteTable.build(plans(count, hosts=hosts)) for hosts in (False, True)}
        for name, (hosts, call) in calls(count).items():
            if (tables[hosts].match(call) is None) != name.startswith("miss"):
                raise RuntimeError(f"{name} with {count} routes: {call.method} is answered wrongly")
            figures.append((name, count, nanoseconds(tables[hosts], call)))
    return figures


def build_milliseconds(count: int) -> float:
    """Return what building a table costs."""
    made = plans(count)
    start = time.perf_counter()
    RadixRouteTable.build(made)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Print the table."""
    rows: dict[str, dict[int, float]] = {}
    for name, count, cost in measure():
        rows.setdefault(name, {})[count] = cost
    print(f"{'ns per match':<18}" + "".join(f"{count:>10,}" for count in SIZES))
    for name, costs in rows.items():
        print(f"{name:<18}" + "".join(f"{costs[count]:>10.0f}" for count in SIZES))
    print(f"{'build (ms)':<18}" + "".join(f"{build_milliseconds(count):>10.1f}" for count in SIZES))


if __name__ == "__main__":
    main()
