"""What a server says of its services, and what follows."""

from __future__ import annotations

import pytest

from edge.upstream.health_services import MOST_SERVICES, Serving, ServingTable, services_to_ask

OK, NO, UNKNOWN, MISSING = Serving.SERVING, Serving.NOT_SERVING, Serving.UNKNOWN, Serving.SERVICE_UNKNOWN


@pytest.mark.parametrize(
    ("named", "said", "trouble", "not_serving"),
    [
        (False, {}, "", ()),
        (False, {"": OK}, "", ()),
        (False, {"": NO}, "says NOT_SERVING", ()),
        (False, {"": UNKNOWN}, "says UNKNOWN", ()),
        (False, {"": MISSING}, "", ()),
        (False, {"": OK, "a.B": NO, "c.D": OK}, "", ("a.B",)),
        (False, {"": OK, "a.B": UNKNOWN}, "", ("a.B",)),
        (False, {"": OK, "a.B": MISSING}, "", ()),
        (False, {"": OK, "a.B": NO, "c.D": NO}, "", ("a.B", "c.D")),
        (False, {"": NO, "a.B": OK}, "says NOT_SERVING", ()),
        (False, {"": MISSING, "a.B": NO, "c.D": OK}, "", ("a.B",)),
        (False, {"": MISSING, "a.B": NO}, "says NOT_SERVING of a.B", ("a.B",)),
        (True, {"a.B": MISSING}, "says SERVICE_UNKNOWN of a.B", ("a.B",)),
        (True, {"a.B": NO, "c.D": NO}, "says NOT_SERVING of a.B and 1 more", ("a.B", "c.D")),
        (True, {"a.B": NO, "c.D": OK}, "", ("a.B",)),
        (True, {"": OK, "a.B": MISSING}, "", ("a.B",)),
    ],
)
def test_what_follows(named: bool, said: dict[str, Serving], trouble: str, not_serving: tuple[str, ...]) -> None:
    table = ServingTable(named=named)
    for service, status in said.items():
        table.take(service, status)
    assert (table.trouble, table.not_serving) == (trouble, frozenset(not_serving))
    table.keep([])
    assert (table.trouble, table.not_serving) == ("", frozenset())


def test_the_latest_answer_counts() -> None:
    table = ServingTable(named=False)
    for status in (NO, OK, UNKNOWN, MISSING):
        table.take("a.B", status)
    assert table.not_serving == frozenset()


def test_what_is_asked_about() -> None:
    known = ["b.C", "a.B", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"]
    assert services_to_ask((), known) == ("", "a.B", "b.C")
    assert services_to_ask(("x.Y",), known) == ("x.Y",)
    assert len(services_to_ask((), [f"a.S{number}" for number in range(200)])) == MOST_SERVICES
