from __future__ import annotations

import asyncio

import pytest

from edge.listeners import guests as module
from edge.listeners.guests import Guest, Guests, Stage
from tests.edge.listeners.http_place import WAIT


class Watched(Stage):
    """Says when it is looked at, and may fail at it."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.looks = 0
        self.seen = asyncio.Event()

    def look(self, now: float) -> float:
        self.looks += 1
        if self.looks == 2:
            self.seen.set()
        if self.fails:
            raise RuntimeError("no such luck")
        return now


@pytest.mark.usefixtures("loud")
async def test_a_look_that_fails_does_not_end_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "SWEEP", 0.01)
    monkeypatch.setattr(module, "_AGAIN", 0.01)
    gone: list[Guest] = []
    guests = Guests(gone.append)
    stages = [Watched(fails=number < 3) for number in range(6)]
    made = [Guest(guests, f"ipv4:127.0.0.1:{number}", 0.0) for number in range(6)]
    for guest, stage in zip(made, stages, strict=True):
        guest.enter(stage, 0.0)
        guests.add(guest)
    async with asyncio.timeout(WAIT):
        for stage in stages:
            await stage.seen.wait()
    assert "no such luck" in caplog.text
    for guest in made:
        guest.end()
        guest.end()
    await guests.wait_empty()
    assert gone == made
    guests.close()
