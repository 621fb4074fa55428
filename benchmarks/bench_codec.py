"""What the JSON codec costs beside google.protobuf.json_format, in microseconds per message.

    python -m benchmarks.bench_codec

Both read and write the same order in the same run, in alternating rounds: a small one of 170 bytes of JSON and one with
many items of 4.5 kB. json_format writes compactly too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from google.protobuf import json_format, timestamp_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from transcoding.codec import Codec

ROUNDS = 40
"""How often the two take turns."""

ROUND_SECONDS = 0.01
"""How long each turn takes, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure."""

    what: str
    """`parse` or `print`."""

    size: int
    """Bytes of JSON."""

    codec: float
    """Microseconds per message."""

    json_format: float
    """Microseconds per message."""

    @property
    def ratio(self) -> float:
        """How many times as fast the codec is."""
        return self.json_format / self.codec


def order_pool() -> DescriptorPool:
    """Return a pool of its own with the messages of an order."""
    kind = FieldDescriptorProto
    file = FileDescriptorProto(
        name="order.proto", package="shop", syntax="proto3", dependency=["google/protobuf/timestamp.proto"]
    )
    status = file.enum_type.add(name="Status")
    for number, name in enumerate(("STATUS_UNSPECIFIED", "STATUS_PAID", "STATUS_SHIPPED")):
        status.value.add(name=name, number=number)

    def message(
        name: str, *fields: tuple[str, int] | tuple[str, int, str] | tuple[str, int, str, int]
    ) -> DescriptorProto:
        made = file.message_type.add(name=name)
        for number, (field, of, *rest) in enumerate(fields, 1):
            type_name = str(rest[0]) if rest and rest[0] else None
            label = rest[1] if len(rest) > 1 else kind.LABEL_OPTIONAL
            made.field.add(name=field, number=number, type=of, label=label, type_name=type_name)
        return made

    many = kind.LABEL_REPEATED
    message("Customer", ("id", kind.TYPE_INT64), ("name", kind.TYPE_STRING), ("email", kind.TYPE_STRING))
    message(
        "Item",
        ("sku", kind.TYPE_STRING),
        ("quantity", kind.TYPE_INT32),
        ("unit_price", kind.TYPE_DOUBLE),
        ("tags", kind.TYPE_STRING, "", many),
        ("gift", kind.TYPE_BOOL),
    )
    order = message(
        "Order",
        ("order_id", kind.TYPE_INT64),
        ("customer", kind.TYPE_MESSAGE, ".shop.Customer"),
        ("items", kind.TYPE_MESSAGE, ".shop.Item", many),
        ("status", kind.TYPE_ENUM, ".shop.Status"),
        ("create_time", kind.TYPE_MESSAGE, ".google.protobuf.Timestamp"),
        ("labels", kind.TYPE_MESSAGE, ".shop.Order.LabelsEntry", many),
    )
    entry = order.nested_type.add(name="LabelsEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=kind.TYPE_STRING, label=kind.LABEL_OPTIONAL)
    entry.field.add(name="value", number=2, type=kind.TYPE_STRING, label=kind.LABEL_OPTIONAL)
    pool = DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def orders(codec: Codec, pool: DescriptorPool) -> list[Message]:
    """Return the small order and the large one."""
    descriptor = pool.FindMessageTypeByName("shop.Order")
    small = {
        "orderId": "1234567890",
        "customer": {"id": "42", "name": "Ada"},
        "items": [{"sku": "A-1", "quantity": 2, "unitPrice": 9.5}],
        "status": "STATUS_PAID",
        "createTime": "2025-01-31T12:00:00Z",
    }
    items = [
        {
            "sku": f"SKU-{number:06d}",
            "quantity": number % 7 + 1,
            "unitPrice": number + 0.25,
            "tags": ["book", "fiction"],
            "gift": True,
        }
        for number in range(46)
    ]
    labels = {f"label-{number}": f"value {number}" for number in range(10)}
    large = small | {"items": items, "labels": labels, "createTime": "2025-01-31T12:00:00.123456Z"}
    return [codec.parse_tree(descriptor, tree) for tree in (small, large)]  # type: ignore[arg-type] # values of JSON


def alternate(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """Return the microseconds of each, the best of its turns, so that noise of the machine does not count."""
    best = [float("inf"), float("inf")]
    times = [max(1, int(ROUND_SECONDS / _once(call))) for call in (ours, theirs)]
    for _ in range(ROUNDS):
        for index, call in enumerate((ours, theirs)):
            start = time.perf_counter()
            for _ in range(times[index]):
                call()
            best[index] = min(best[index], (time.perf_counter() - start) / times[index])
    return best[0] * 1e6, best[1] * 1e6


def _once(call: Callable[[], object]) -> float:
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def parse_theirs(data: bytes, made: type[Message]) -> Message:
    """Read with json_format."""
    return json_format.Parse(data, made())


def print_theirs(message: Message) -> bytes:
    """Write with json_format, as compactly as it can."""
    return json_format.MessageToJson(message, indent=None).encode()


def run() -> list[Row]:
    """Return the figures.

    Raises:
        RuntimeError: the two do not agree on an order.
    """
    pool = order_pool()
    codec = Codec(pool)
    descriptor = pool.FindMessageTypeByName("shop.Order")
    made = GetMessageClass(descriptor)
    rows = []
    for message in orders(codec, pool):
        data = codec.print(message)
        if codec.parse(descriptor, data) != message or json_format.Parse(data, made()) != message:
            raise RuntimeError("the codec and json_format read different orders")
        pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "parse": (partial(codec.parse, descriptor, data), partial(parse_theirs, data, made)),
            "print": (partial(codec.print, message), partial(print_theirs, message)),
        }
        for what, pair in pairs.items():
            ours, theirs = alternate(*pair)
            rows.append(Row(what=what, size=len(data), codec=ours, json_format=theirs))
    return rows


def main() -> None:
    """Print the table."""
    print(f"{'µs per message':<18}{'codec':>10}{'json_format':>14}{'ratio':>8}")
    for row in run():
        print(f"{row.what + f' {row.size:,} B':<18}{row.codec:>10.1f}{row.json_format:>14.1f}{row.ratio:>8.1f}")


if __name__ == "__main__":
    main()
