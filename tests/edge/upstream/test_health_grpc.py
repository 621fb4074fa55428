"""How `grpc.health.v1` is asked: Watch, Check beside it, and what is left where there is neither."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from edge.model.status import Code
from edge.upstream import health_grpc
from edge.upstream.health_calls import Cancel, End, end_of, status_of
from edge.upstream.health_grpc import GrpcProber
from edge.upstream.health_services import Serving

OK, NO = Serving.SERVING, Serving.NOT_SERVING
GONE = End(Code.UNAVAILABLE, "is gone")
MISSING = end_of(Code.UNIMPLEMENTED, "")


class Asked:
    """A call as the test answers it."""

    def __init__(self, service: str, said: Callable[[Serving], None], ended: Callable[[End], None]) -> None:
        self.service, self.said, self.ended = service, said, ended
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Calls:
    """Remembers the calls that are made."""

    def __init__(self) -> None:
        self.checks: list[Asked] = []
        self.watches: list[Asked] = []

    def check(self, service: str, said: Callable[[Serving], None], ended: Callable[[End], None]) -> Cancel:
        self.checks.append(Asked(service, said, ended))
        return self.checks[-1].cancel

    def watch(self, service: str, said: Callable[[Serving], None], ended: Callable[[End], None]) -> Cancel:
        self.watches.append(Asked(service, said, ended))
        return self.watches[-1].cancel

    async def close(self) -> None:
        pass


class Heard:
    """Remembers what is heard."""

    def __init__(self) -> None:
        self.words: list[Any] = []

    def passed(self) -> None:
        self.words.append("passed")

    def failed(self, words: str) -> None:
        self.words.append(words)

    def heard(self, service: str, status: Serving, *, asked: bool) -> None:
        self.words.append((service, status, asked))

    def answered(self) -> None:
        self.words.append("answered")

    def mute(self) -> None:
        self.words.append("mute")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_grpc, "FIRST_PAUSE", 0.001)


def prober() -> tuple[GrpcProber, Calls, Heard]:
    calls, heard = Calls(), Heard()
    return GrpcProber(calls, heard), calls, heard


def services(asked: list[Asked]) -> list[str]:
    return [one.service for one in asked]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_every_service_is_watched_and_checked_until_its_watch_speaks() -> None:
    found, calls, heard = prober()
    found.ask(("", "a.B"))
    assert services(calls.watches) == ["", "a.B"]
    found.probe(again=False)
    assert services(calls.checks) == ["", "a.B"]
    for watch in calls.watches:
        watch.said(OK)
    assert heard.words == [("", OK, False), ("a.B", OK, False)]
    found.probe(again=False)
    assert all(check.cancelled for check in calls.checks[:2])
    assert services(calls.checks[2:]) == [""], "that it answers is seen by one of them"
    found.probe(again=True)
    assert services(calls.checks[3:]) == [""]
    calls.checks[3].said(OK)
    assert calls.checks[2].cancelled, "one answer is enough"
    assert heard.words[2:] == [("", OK, True)]
    calls.checks[2].said(NO)
    assert heard.words[3:] == []
    await found.close()
    assert all(watch.cancelled for watch in calls.watches)


async def test_an_answer_that_a_watch_has_overtaken_says_only_that_the_server_is_there() -> None:
    found, calls, heard = prober()
    found.ask(("", "a.B"))
    found.probe(again=False)
    for watch in calls.watches:
        watch.said(NO)
    del heard.words[:]
    calls.checks[1].said(OK)
    assert heard.words == []
    calls.checks[0].said(OK)
    assert heard.words == ["answered"]
    await found.close()


async def test_a_server_without_watch_is_checked_for_all() -> None:
    found, calls, heard = prober()
    found.ask(("", "a.B"))
    calls.watches[0].ended(MISSING)
    calls.watches[1].ended(MISSING)
    for turn in range(3):
        found.probe(again=False)
        assert services(calls.checks[2 * turn :]) == ["", "a.B"]
    assert len(calls.watches) == 2, "it is not asked for again"
    calls.checks[-2].said(OK)
    calls.checks[-1].ended(End(Code.NOT_FOUND, "x"))
    assert heard.words == [("", OK, True), ("a.B", Serving.SERVICE_UNKNOWN, True)]
    # before it is connected anew
    found.anew()
    assert services(calls.watches[2:]) == ["", "a.B"]
    await found.close()


async def test_a_server_without_a_health_service_is_mute_and_no_failure() -> None:
    found, calls, heard = prober()
    found.ask(("",))
    calls.watches[0].ended(MISSING)
    found.probe(again=False)
    calls.checks[0].ended(MISSING)
    assert heard.words == ["mute"]
    await found.close()


async def test_failures_are_told_of_the_first_service_only() -> None:
    found, calls, heard = prober()
    found.ask(("", "a.B"))
    found.probe(again=False)
    calls.checks[1].ended(GONE)
    assert heard.words == []
    calls.checks[0].ended(GONE)
    assert heard.words == ["is gone"]
    calls.checks[0].ended(GONE)
    assert heard.words == ["is gone"]
    await found.close()


async def test_what_is_abandoned_tells_nothing() -> None:
    found, calls, heard = prober()
    found.ask(("",))
    found.probe(again=False)
    found.abandon()
    assert calls.checks[0].cancelled
    calls.checks[0].said(OK)
    assert heard.words == []
    await found.close()


@pytest.mark.usefixtures("quick")
async def test_a_watch_that_ended_is_opened_again_and_checked_meanwhile() -> None:
    found, calls, _ = prober()
    found.ask(("", "a.B"))
    for watch in calls.watches:
        watch.said(OK)
    calls.watches[1].ended(GONE)
    found.probe(again=False)
    assert services(calls.checks) == ["", "a.B"]
    await until(lambda: services(calls.watches[2:]) == ["a.B"])
    for _ in range(3):
        calls.watches[-1].ended(GONE)
        count = len(calls.watches)
        await until(lambda count=count: len(calls.watches) > count)  # type: ignore[misc] # bound now
    await found.close()
    count = len(calls.watches)
    await asyncio.sleep(0.05)
    assert len(calls.watches) == count


async def test_a_watch_that_speaks_and_ends_at_once_is_opened_in_growing_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delays: list[float] = []
    loop = asyncio.get_running_loop()
    later = loop.call_later

    def call_later(delay: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        delays.append(delay)
        return later(0, callback, *args)

    found, calls, _ = prober()
    found.ask(("",))
    monkeypatch.setattr(loop, "call_later", call_later)
    for count in range(1, 9):
        calls.watches[-1].said(OK)
        calls.watches[-1].ended(end_of(Code.OK, ""))
        while len(calls.watches) == count:
            await asyncio.sleep(0)
    first, last = health_grpc.FIRST_PAUSE, health_grpc.LONGEST_PAUSE
    for number, delay in enumerate(delays):
        longest = min(first * 2**number, last)
        assert 0.8 * longest <= delay <= longest
    monkeypatch.setattr(health_grpc, "LASTING", 0.0)
    calls.watches[-1].ended(GONE)
    assert delays[-1] <= first, "one that lasted begins anew"
    await found.close()


async def test_a_server_that_offers_watch_alone_is_believed() -> None:
    found, calls, heard = prober()
    found.ask(("",))
    calls.watches[0].said(NO)
    found.probe(again=False)
    calls.checks[0].ended(MISSING)
    assert heard.words == [("", NO, False), "answered"]
    await found.close()


async def test_services_come_and_go() -> None:
    found, calls, heard = prober()
    found.ask(("", "a.B"))
    found.ask(("", "c.D"))
    assert services(calls.watches) == ["", "a.B", "c.D"]
    assert [watch.cancelled for watch in calls.watches] == [False, True, False]
    calls.watches[1].said(NO)
    assert heard.words == []
    await found.close()


def test_answers_are_read_as_they_are() -> None:
    assert status_of(b"") is Serving.UNKNOWN
    assert status_of(b"\x08\x01") is Serving.SERVING
    assert status_of(b"\x08\x02") is Serving.NOT_SERVING
    assert status_of(b"\x08\x63") is Serving.UNKNOWN, "a status that is not known does not serve"
    assert status_of(b"\xff") is None
    assert end_of(Code.INTERNAL, "a\nb").words == "answers health checks with INTERNAL: a b"
