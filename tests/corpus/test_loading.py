"""Which case a refused configuration is blamed on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from gateway.v1 import config_pb2
from tests.corpus.cases import Case
from tests.corpus.descriptors import Schemas
from tests.corpus.loading import Entry, Loader, Refused


class Picky(Loader):
    """A loader whose gateway refuses some routes, by themselves or together."""

    bad: frozenset[str] = frozenset()
    together: frozenset[str] = frozenset()
    violations: tuple[tuple[str, str], ...] = ()

    async def _apply(self, config: config_pb2.Config, *, validate_only: bool = False) -> None:
        names = {route.name for route in config.routes}
        if names & self.bad or (self.together and names >= self.together):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "no", self.violations if not validate_only else ())


@pytest.fixture
async def picky() -> AsyncIterator[Picky]:
    found = Picky("127.0.0.1:1", Schemas({"messages": {}, "enums": {}}), "127.0.0.1:1", "127.0.0.1:1")
    yield found
    await found.close()


def entries(count: int) -> list[Entry]:
    raw = {"kind": "status_map", "normative": "must"}
    return [Entry(Case(number, {**raw, "id": f"x{number}"})) for number in range(10, 10 + count)]


async def test_nothing_is_left_out_of_what_is_taken(picky: Picky) -> None:
    assert await picky.load(entries(3)) == {}


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("config.routes[1].transcoding", "is wrong"),
        ("config.schemas[0]", "corpus.c11.Service.M0: is wrong"),
        ("config.schemas[0]", "corpus/c11.proto does not load"),
        ("routes/case-11", "is wrong"),
    ],
)
async def test_a_violation_names_its_case(picky: Picky, place: str, words: str) -> None:
    picky.bad, picky.violations = frozenset({"routes/case-11"}), ((place, words),)
    assert await picky.load(entries(3)) == {11: f"{place}: {words}"}


@pytest.mark.parametrize("count", [1, 2, 7, 8])
async def test_a_refusal_that_names_nobody_is_found_by_halves(picky: Picky, count: int) -> None:
    wanted = entries(count)
    for entry in wanted:
        picky.bad = frozenset({entry.case.route})
        assert await picky.load(wanted) == {entry.case.number: "INVALID_ARGUMENT no"}


async def test_of_two_that_do_not_go_together_one_is_left_out(picky: Picky) -> None:
    picky.together = frozenset({"routes/case-10", "routes/case-13"})
    left = await picky.load(entries(4))
    assert left == {13: "refused together with others"}


async def test_a_gateway_that_takes_nothing_is_an_error() -> None:
    class Nothing(Picky):
        async def _apply(self, config: config_pb2.Config, *, validate_only: bool = False) -> None:
            raise Refused(grpc.StatusCode.UNAVAILABLE, "not there", ())

    nothing = Nothing("127.0.0.1:1", Schemas({"messages": {}, "enums": {}}), "127.0.0.1:1", "127.0.0.1:1")
    with pytest.raises(Refused, match="not there"):
        await nothing.load(entries(2))
    await nothing.close()
