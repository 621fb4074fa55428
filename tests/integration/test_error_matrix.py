"""Whatever goes wrong is said in the caller's protocol: protocol × shape × error, through a running gateway.

`matrix/causes.py` is the table. Each cell asserts code, HTTP status, words, details byte for byte, trailers and
metadata; the callers of `matrix/callers.py` refuse what is not well-formed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.matrix.callers import CALLERS, Caller
from tests.integration.matrix.causes import CAUSES, Cause
from tests.integration.matrix.outcome import Addresses, Ask, Outcome
from tests.integration.matrix.peer import BITS_TEXT, DETAILS, FIRST
from tests.integration.matrix.place import SERVICE, place
from tests.support.gateway import Gateway


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Gateway, Addresses]]:
    """The gateway and its ports."""
    folder: Path = tmp_path_factory.mktemp("matrix")
    async with place(folder) as found:
        yield found


def cells_of(cause: Cause) -> Iterator[tuple[Caller, str]]:
    """Yield the protocols and shapes of calls that can fail so."""
    for caller in CALLERS:
        if caller.name not in cause.unseen:
            yield from ((caller, shape) for shape in caller.shapes if shape in cause.shapes)


def cells() -> Iterator[object]:
    """Yield each cell; its name is its coordinates."""
    for cause in CAUSES:
        for caller, shape in cells_of(cause):
            yield pytest.param(cause, caller, shape, id=f"{cause.name}-{caller.name}-{shape}")


class Calls:
    """Makes the calls; those that wait for a time limit wait together.

    Args:
        addresses: The ports of the gateway.
    """

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._together: dict[str, dict[tuple[str, str], asyncio.Task[Outcome]]] = {}

    async def make(self, cause: Cause, caller: Caller, shape: str) -> Outcome:
        """Return what comes of one call."""
        if not cause.waits:
            return await caller.call(self._addresses, cause.ask(shape))
        if cause.name not in self._together:
            self._together[cause.name] = {
                (each.name, kind): asyncio.ensure_future(  # noqa: TID251 -- kept, and waited for by a test each
                    each.call(self._addresses, cause.ask(kind))
                )
                for each, kind in cells_of(cause)
            }
            await asyncio.wait(self._together[cause.name].values())
        return await self._together[cause.name][caller.name, shape]


@pytest.fixture(scope="module")
def calls(running: tuple[Gateway, Addresses]) -> Calls:
    """The calls."""
    return Calls(running[1])


@pytest.mark.parametrize(("cause", "caller", "shape"), list(cells()))
async def test_an_error_in_the_callers_protocol(calls: Calls, cause: Cause, caller: Caller, shape: str) -> None:
    outcome = await calls.make(cause, caller, shape)
    lost = cause.may_lose and not outcome.messages
    assert outcome.messages == ([] if lost else cause.messages)
    begun = cause.first and not lost
    assert (outcome.code, outcome.http) == cause.expected(caller.name, shape, begun=begun), outcome
    assert re.fullmatch(cause.words, outcome.message), outcome.message
    check_details(cause, outcome)
    check_metadata(cause, caller, shape, outcome)
    if outcome.http == 101:
        assert outcome.close == (cause.close or 4000 + outcome.code)


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
async def test_the_same_calls_succeed_when_nothing_is_wrong(running: tuple[Gateway, Addresses], caller: Caller) -> None:
    for shape in caller.shapes:
        outcome = await caller.call(running[1], Ask("plain", f"/{SERVICE}/{shape}", f"/rest/{shape}", shape))
        assert (outcome.code, outcome.messages) == (0, [FIRST]), outcome


async def test_the_gateway_logs_no_stack_for_any_of_it(running: tuple[Gateway, Addresses]) -> None:
    gateway = running[0]
    assert gateway.alive
    assert [line for line in gateway.log.read_text().splitlines() if "Traceback" in line] == []


def check_details(cause: Cause, outcome: Outcome) -> None:
    """Details survive, whatever their types; those of the gateway say why and where."""
    if outcome.details is None:
        return
    if not cause.reason:
        assert [(detail.type_url, detail.value) for detail in outcome.details] == [
            (detail.type_url, detail.value) for detail in DETAILS
        ]
        return
    assert re.fullmatch(cause.reason, outcome.reason), outcome
    if "did you mean" in outcome.message:
        assert outcome.fields == ["dta"]


def check_metadata(cause: Cause, caller: Caller, shape: str, outcome: Outcome) -> None:
    """What the upstream sent before its end, and with it, reaches the caller in the place the protocol has for it."""
    if cause.do.startswith("fail"):
        if outcome.trailing is not None:
            assert (outcome.trailing["x-last"], outcome.trailing["x-last-bin"]) == (["two"], [BITS_TEXT])
        if outcome.initial is not None:
            assert (outcome.initial["x-first"], outcome.initial["x-first-bin"]) == (["one"], [BITS_TEXT])
    for found in (outcome.initial, outcome.trailing):
        for name in ("server", "x-powered-by"):
            assert name not in (found or {})
