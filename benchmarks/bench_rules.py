"""What google.api.http rules cost a call, in nanoseconds: finding the binding, and filling the request message.

    python benchmarks/bench_rules.py

A third of the templates are static, a third have two variables and a third have a custom verb. The first table is by
the number of templates; its last line is the build, in milliseconds. The second table is about one request message.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor

from transcoding.rules.fields import Table, Tables
from transcoding.rules.matcher import Matcher
from transcoding.rules.path import PathBinder
from transcoding.rules.query import QueryBinder
from transcoding.rules.template import PathTemplate, parse_template

SIZES = (10, 100, 1_000, 10_000)
"""The numbers of templates."""

SECONDS = 0.2
"""How long each figure is measured, at least."""


def templates(count: int) -> list[tuple[str, PathTemplate, int]]:
    """Return templates of every kind with their numbers."""
    made = []
    for number in range(count):
        kind, group = number % 3, number // 3
        if kind == 0:
            text, verb = f"/api/v1/area{group % 31}/things{group}/all", "GET"
        elif kind == 1:
            text, verb = f"/api/v1/area{group % 31}/items{group}/{{item}}/parts/{{part}}", "GET"
        else:
            text, verb = f"/api/v1/{{name=area{group % 31}/boxes{group}/*}}:open", "POST"
        made.append((verb, parse_template(text), number))
    return made


def requests(count: int) -> dict[str, tuple[str, str, dict[str, str] | None]]:
    """Return verb, path and the variables that are right, by what they show. None stands for a path nobody takes."""
    group = (count - 1) // 3 - 1
    start = f"/api/v1/area{group % 31}"
    return {
        "static": ("GET", f"{start}/things{group}/all", {}),
        "two variables": ("GET", f"{start}/items{group}/7/parts/9", {"item": "7", "part": "9"}),
        "two, escaped": ("GET", f"{start}/items{group}/a%20b/parts/9", {"item": "a b", "part": "9"}),
        "custom verb": ("POST", f"{start}/boxes{group}/7:open", {"name": f"area{group % 31}/boxes{group}/7"}),
        "miss": ("GET", f"{start}/items{group}/7/gone/9", None),
    }


def nanoseconds(call: Callable[[], object]) -> float:
    """Return what a call costs: the best of many rounds, so that noise of the machine does not count."""
    rounds = 1000
    best = float("inf")
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter_ns()
        for _ in range(rounds):
            call()
        best = min(best, (time.perf_counter_ns() - start) / rounds)
    return best


def matching() -> dict[str, dict[int, float]]:
    """Return the nanoseconds per match by what is asked and the number of templates.

    Raises:
        RuntimeError: a path is answered wrongly.
    """
    figures: dict[str, dict[int, float]] = {}
    for count in SIZES:
        matcher = Matcher(templates(count))
        for name, (verb, path, variables) in requests(count).items():
            found = matcher.candidates(verb, path)
            if (found[0].variables if found else None) != variables:
                raise RuntimeError(f"{name} with {count} templates: {path} is answered wrongly")
            figures.setdefault(name, {})[count] = nanoseconds(lambda m=matcher, v=verb, p=path: m.candidates(v, p))  # type: ignore[misc]
    return figures


def build_milliseconds(count: int) -> float:
    """Return what building a matcher costs, without parsing."""
    made = templates(count)
    start = time.perf_counter()
    Matcher(made)
    return (time.perf_counter() - start) * 1000


def request_type() -> Descriptor:
    """Return a message like those of list methods."""
    file = descriptor_pb2.FileDescriptorProto(name="bench.proto", package="bench", syntax="proto3")
    message = file.message_type.add(name="ListRequest")
    kinds = descriptor_pb2.FieldDescriptorProto
    fields = (("parent", kinds.TYPE_STRING), ("page_size", kinds.TYPE_INT32), ("page_token", kinds.TYPE_STRING))
    for number, (name, kind) in enumerate((*fields, ("show_deleted", kinds.TYPE_BOOL)), 1):
        message.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindMessageTypeByName("bench.ListRequest")


def binding() -> dict[str, float]:
    """Return the nanoseconds it takes to make a message and put values into it."""
    descriptor = request_type()
    make = message_factory.GetMessageClass(descriptor)
    table: Table = Tables().of(descriptor)
    path = PathBinder([(table.own["parent"],)])
    query = QueryBinder(table, bound=[(table.own["parent"],)])
    plain = "page_size=50&page_token=abc&showDeleted=true"
    escaped = "page_size=50&page_token=a%2Bb%3D%3D&showDeleted=true"
    return {
        "an empty message": nanoseconds(make),
        "one path variable": nanoseconds(lambda: path.bind(make(), {"parent": "shelves/1"})),
        "three parameters": nanoseconds(lambda: query.bind(make(), plain)),
        "three, escaped": nanoseconds(lambda: query.bind(make(), escaped)),
    }


def main() -> None:
    """Print the tables."""
    print(f"{'ns per match':<18}" + "".join(f"{count:>10,}" for count in SIZES))
    for name, costs in matching().items():
        print(f"{name:<18}" + "".join(f"{costs[count]:>10.0f}" for count in SIZES))
    print(f"{'build (ms)':<18}" + "".join(f"{build_milliseconds(count):>10.1f}" for count in SIZES))
    print(f"\n{'ns per message':<18}")
    for name, cost in binding().items():
        print(f"{name:<18}{cost:>10.0f}")


if __name__ == "__main__":
    main()
