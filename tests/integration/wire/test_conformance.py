"""The wire engine keeps what RFC 9113 and RFC 7541 ask of a server, as a caller sees it."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.wire.cases import CASES
from tests.integration.wire.place import Place, ask
from tests.integration.wire.play import Conversation, Deviates, play
from tests.integration.wire.steps import Case, answered
from tests.support.gateway import Gateway
from tests.support.rpc import PROBE_SERVICE, Stub, blob, connect

AT_ONCE = 20


def name(case: Case) -> str:
    return f"{case.rule}: {case.name}"


@pytest.mark.parametrize("case", CASES, ids=name)
async def test_rule(case: Case, place: Place) -> None:
    await play(case, place)


async def test_rules_hold_for_connections_beside_each_other(place: Place, wire_gateway: Gateway) -> None:
    """All cases again, many at once, while calls go through undisturbed."""
    limit = asyncio.Semaphore(AT_ONCE)
    failed: list[str] = []

    async def one(case: Case) -> None:
        async with limit:
            try:
                await play(case, place, patience=20)
            except Deviates as error:
                failed.append(f"{name(case)}: {error}")

    async def calls() -> None:
        async with connect(wire_gateway.traffic, own=True) as channel:
            probe = Stub(channel, PROBE_SERVICE)
            for number in range(200):
                assert (await probe.RunUnary(blob(number), timeout=20)).number == number

    await asyncio.gather(calls(), *(one(case) for case in CASES))
    assert not failed, "\n".join(failed)


async def test_nothing_is_left_of_all_cases(wire_gateway: Gateway, place: Place) -> None:
    talk = await Conversation.open(place.address)
    await talk.say(place, ask(), answered())
    await talk.close()
    assert wire_gateway.alive
    assert wire_gateway.starts == 1
    assert "Traceback" not in wire_gateway.output()
