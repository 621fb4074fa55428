"""Requests to plain HTTP endpoints that are tried again or ahead, against real backends that fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import hypothesis.strategies as st
import pytest
from hypothesis import given

from edge.model.resilience import NO_RETRY, HedgeRule, RetryRule
from edge.model.status import Code
from edge.proxy.http_attempts import KeptBody
from edge.upstream.http_answer import RequestBody
from tests.edge.proxy.http_place import http_place
from tests.support.http_backend import WAIT
from tests.support.processes import free_port

QUICK = RetryRule(initial_backoff=0.001, max_backoff=0.001)
ANY = RetryRule(initial_backoff=0.001, max_backoff=0.001, any_method=True)
LONG = RetryRule(initial_backoff=50.0, max_backoff=50.0)
HEDGE = HedgeRule(delay=0.02, max_attempts=3)


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    yield
    await asyncio.sleep(0)
    names = {"request", "body to an endpoint"}
    assert not [task for task in asyncio.all_tasks() if task.get_name() in names]


# === one after another ===


@pytest.mark.parametrize(
    ("ways", "rule", "status", "attempts"),
    [
        ("200", QUICK, 200, 1),
        ("503,200", QUICK, 200, 2),
        ("502,200", QUICK, 200, 2),
        ("reset,200", QUICK, 200, 2),
        ("torn,200", QUICK, 200, 2),
        ("garbage,200", QUICK, 200, 2),
        ("503,torn,200", QUICK, 200, 3),
        ("503", QUICK, 503, 3),
        ("reset", QUICK, 503, 3),
        ("garbage", QUICK, 502, 3),
        ("503,200", NO_RETRY, 503, 1),
        ("reset,200", NO_RETRY, 503, 1),
        # what is no UNAVAILABLE
        ("500,200", QUICK, 500, 1),
        ("501,200", QUICK, 501, 1),
        ("504,200", QUICK, 504, 1),
        ("429,200", QUICK, 429, 1),
        ("404,200", QUICK, 404, 1),
        ("500,200", RetryRule(initial_backoff=0.001, codes=frozenset({Code.INTERNAL})), 200, 2),
        # a status of the caller's own doing is never tried again
        ("404,200", RetryRule(initial_backoff=0.001, codes=frozenset({Code.NOT_FOUND})), 404, 1),
        # `retry-after`
        ("503:0,200", LONG, 200, 2),
        ("503:60,200", QUICK, 503, 1),
        ("503:Wed 21 Oct 2026 07:28:00 GMT,200", QUICK, 503, 1),
        # something of the answer has gone to the caller
        ("broken,200", QUICK, 200, 1),
    ],
)
async def test_a_request_is_tried_as_often_as_it_may(ways: str, rule: RetryRule, status: int, attempts: int) -> None:
    async with http_place(ways, retry=rule) as (place, (backend,)):
        exchange, call = await place.ask()
        assert exchange.status == status
        assert len(backend.heads) == call.attempts == attempts
        assert exchange.aborted == ways.startswith("broken")
        if ways.startswith("5") and status == 503:
            assert exchange.body == b"attempt %d" % attempts, "the last answer is passed on whole"
        failed = attempts if status >= 500 and status != 501 else attempts - 1
        assert place.cluster.failed.count(True) == failed + ways.startswith("broken")


@pytest.mark.parametrize(
    ("verb", "attempts"),
    [("GET", 2), ("HEAD", 2), ("OPTIONS", 2), ("PUT", 2), ("DELETE", 2), ("POST", 1), ("PATCH", 1)],
)
async def test_only_idempotent_verbs_are_tried_again_by_default(verb: str, attempts: int) -> None:
    async with http_place("503,200", retry=QUICK) as (place, (backend,)):
        await place.ask(verb)
        assert len(backend.heads) == attempts
    async with http_place("503,200", retry=ANY) as (place, (backend,)):
        await place.ask(verb)
        assert len(backend.heads) == 2


async def test_too_many_requests_is_tried_again_where_the_rule_says_so_and_is_no_fault() -> None:
    rule = RetryRule(initial_backoff=0.001, codes=frozenset({Code.RESOURCE_EXHAUSTED}))
    async with http_place("429,200", retry=rule) as (place, (backend,)):
        exchange, _ = await place.ask()
        assert (exchange.status, len(backend.heads)) == (200, 2)
        assert place.cluster.failed == [False, False]


async def test_another_attempt_goes_elsewhere_with_the_same_request() -> None:
    async with http_place("503", "200", retry=QUICK) as (place, (bad, good)):
        exchange, call = await place.ask("PUT", b"one", b"two")
        assert exchange.body == b"attempt 1"
        assert bad.bodies == good.bodies == [b"onetwo"]
        assert bad.heads[0].line == good.heads[0].line
        assert [pair for pair in bad.heads[0].headers if pair[0] != b"host"] == [
            pair for pair in good.heads[0].headers if pair[0] != b"host"
        ]
        assert call.request_bytes == 6, "what is sent twice came once"


async def test_a_dead_endpoint_costs_no_request_of_any_verb() -> None:
    for body in ((), (b"a" * 100_000, b"b" * 100_000)):
        async with http_place("200", retry=NO_RETRY, dead=free_port()) as (place, (backend,)):
            exchange, call = await place.ask("POST", *body)
            assert (exchange.status, call.attempts) == (200, 2)
            assert backend.bodies == [b"".join(body)]


@pytest.mark.parametrize(("size", "attempts"), [(1000, 2), (1001, 1)])
@pytest.mark.parametrize("way", ["503", "reset"])
async def test_bodies_are_sent_again_up_to_the_limit_of_the_buffer(way: str, size: int, attempts: int) -> None:
    rule = RetryRule(initial_backoff=0.001, max_backoff=0.001, buffer_bytes=1000)
    async with http_place(f"{way},200", retry=rule) as (place, (backend,)):
        body = [b"a" * 600, b"b" * (size - 600)]
        exchange, _ = await place.ask("PUT", *body)
        assert exchange.status == (200 if attempts == 2 else 503)
        assert backend.bodies == [b"".join(body)] * attempts


async def test_a_body_that_is_under_way_goes_on_in_the_next_attempt() -> None:
    async with http_place("early,200", retry=QUICK) as (place, (backend,)):
        exchange, task, _ = place.begin("PUT", [b"first "], ended=False)
        async with asyncio.timeout(WAIT):
            while len(backend.heads) < 2:
                await asyncio.sleep(0.001)
            exchange.say(b"second ")
            exchange.say(b"third")
            exchange.end()
            await task
        assert exchange.status == 200
        assert backend.bodies == [b"first second third"]
        assert place.left()["leases"] == 0


async def test_a_body_that_outgrows_the_buffer_in_the_pause_gets_the_answer_that_there_was() -> None:
    rule = RetryRule(initial_backoff=0.2, max_backoff=0.2, buffer_bytes=10)
    async with http_place("early,200", retry=rule) as (place, (backend,)):
        exchange, task, call = place.begin("PUT", [b"a" * 10], ended=False)
        async with asyncio.timeout(WAIT):
            while call.retries is None:
                await asyncio.sleep(0.001)
            exchange.say(b"b")
            exchange.end()
            await task
        assert (exchange.status, exchange.body) == (503, b"early")
        assert backend.backend.connections == 1
        assert place.left() == {"leases": 0, "calls": 0, "in use": 0}


async def test_an_attempt_that_takes_too_long_is_given_up() -> None:
    rule = RetryRule(initial_backoff=0.001, max_backoff=0.001, per_try_timeout=0.1, max_attempts=2)
    async with http_place("silent,200", retry=rule) as (place, (backend,)):
        exchange, call = await place.ask()
        assert (exchange.status, call.attempts) == (200, 2)
        async with asyncio.timeout(WAIT):
            await backend.backend.lost.wait()
    async with http_place("silent", retry=rule) as (place, (backend,)):
        exchange, call = await place.ask()
        assert exchange.status == 504
        assert b"an attempt took longer than the 0.1 s that the per-try timeout of routes/r allows" in exchange.body
        assert place.cluster.failed == [True, True]
    async with http_place("silent,200", retry=rule) as (place, (backend,)):
        exchange, call = await place.ask("POST", b"a")
        assert (exchange.status, call.attempts) == (504, 1)


async def test_a_pause_never_passes_the_deadline() -> None:
    async with http_place("503,200", retry=LONG) as (place, (backend,)):
        exchange, _ = await place.ask(seconds=20.0)
        assert exchange.status == 503
    async with http_place("503,200", retry=LONG, timeout=20.0) as (place, (backend,)):
        exchange, _ = await place.ask()
        assert exchange.status == 503
        assert len(backend.heads) == 1


@pytest.mark.parametrize("way", ["503", "reset"])
async def test_a_caller_that_leaves_in_the_pause_leaves_nothing_behind(way: str) -> None:
    async with http_place(f"{way},200", retry=LONG) as (place, (backend,)):
        _, task, call = place.begin()
        async with asyncio.timeout(WAIT):
            while call.retries is None:
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert place.left() == {"leases": 0, "calls": 0, "in use": 0}
        assert len(backend.heads) == 1
        assert place.finished[0].code is Code.CANCELLED


@pytest.mark.parametrize(("way", "status", "body"), [("503", 503, b"attempt 1"), ("reset", 503, b"without an answer")])
async def test_without_an_endpoint_for_another_attempt_the_answer_is_that_of_the_one_before(
    way: str, status: int, body: bytes
) -> None:
    async with http_place(way, retry=QUICK) as (place, _):
        exchange, task, call = place.begin()
        endpoints = place.cluster.endpoints
        async with asyncio.timeout(WAIT):
            while not place.cluster.leases:
                await asyncio.sleep(0)
            place.cluster.endpoints = ()
            await task
        assert exchange.status == status
        assert body in exchange.body
        assert call.endpoint is None
        assert endpoints[0].active == 0
        assert place.finished[0].code is Code.UNAVAILABLE


async def test_the_budget_of_the_upstream_bounds_retries() -> None:
    rule = RetryRule(initial_backoff=0.0, max_backoff=0.0, budget=0.0, max_attempts=2)
    async with http_place("503", retry=rule) as (place, (backend,)):
        for _ in range(40):
            await place.ask()
        assert len(backend.heads) == 40 + 30, "three a second over ten seconds are free"


# === beside each other ===


@pytest.mark.parametrize(
    ("ways", "status", "attempts"),
    [
        ("silent,200", 200, 2),
        ("silent,silent,200", 200, 3),
        ("503,200", 200, 2),
        ("reset,200", 200, 2),
        ("503", 503, 3),
        ("404,200", 404, 1),
        ("500,200", 500, 1),
    ],
)
async def test_the_first_answer_counts(ways: str, status: int, attempts: int) -> None:
    async with http_place(ways, hedge=HEDGE) as (place, (backend,)):
        exchange, call = await place.ask()
        assert exchange.status == status
        assert attempts <= len(backend.heads) <= call.attempts
        assert exchange.body.startswith(b"attempt")


async def test_a_request_that_is_sent_ahead_has_its_body_each_time() -> None:
    async with http_place("silent,200", hedge=HEDGE) as (place, (backend,)):
        exchange, task, _ = place.begin("PUT", [b"one "], ended=False)
        await asyncio.sleep(0)
        exchange.say(b"two")
        exchange.end()
        async with asyncio.timeout(WAIT):
            await task
        assert exchange.status == 200
        assert backend.bodies == [b"one two"]


async def test_what_is_larger_than_the_buffer_or_not_idempotent_has_one_attempt() -> None:
    for verb, body in (("PUT", b"a" * 70_000), ("POST", b"a")):
        async with http_place("503,200", hedge=HEDGE) as (place, (backend,)):
            exchange, call = await place.ask(verb, body)
            assert (exchange.status, call.attempts) == (503, 1)
            assert backend.bodies == [body]


async def test_a_dead_endpoint_costs_nothing_with_hedging_either() -> None:
    for verb in ("GET", "POST"):
        async with http_place("200", hedge=HEDGE, dead=free_port()) as (place, _):
            exchange, call = await place.ask(verb)
            assert (exchange.status, call.attempts) == (200, 2)


async def test_a_caller_that_leaves_ends_all_attempts() -> None:
    async with http_place("silent", hedge=HEDGE) as (place, (backend,)):
        _, task, _ = place.begin()
        async with asyncio.timeout(WAIT):
            while len(backend.heads) < 3:
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert place.left() == {"leases": 0, "calls": 0, "in use": 0}


async def test_a_limit_of_the_route_ends_all_attempts() -> None:
    async with http_place("silent", hedge=HEDGE, timeout=0.2) as (place, _):
        exchange, _ = await place.ask()
        assert exchange.status == 504
        assert b"the route timeout of routes/r" in exchange.body


# === bodies ===


class Pieces:
    """A body that is read piece by piece, once."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [*pieces, b""]
        self.reads = 0

    async def read(self) -> bytes:
        self.reads += 1
        return self.pieces.pop(0)

    def kept(self, limit: int) -> KeptBody:
        return KeptBody(RequestBody(read=self.read, length=None), limit)


async def whole(body: RequestBody) -> bytes:
    found = b""
    while piece := await body.read():
        found += piece
    return found


@given(st.lists(st.binary(min_size=1, max_size=8), max_size=6), st.integers(0, 40), st.lists(st.integers(0, 8)))
def test_each_attempt_reads_the_same_body_as_long_as_it_is_kept(
    pieces: list[bytes], limit: int, stops: list[int]
) -> None:
    async def run() -> None:
        source = Pieces(*pieces)
        kept = source.kept(limit)
        for stop in stops:
            body = kept.once()
            read = b""
            for _ in range(stop):
                if not kept.whole:
                    return
                read += await body.read()
            assert b"".join(pieces).startswith(read)
        if kept.whole:
            assert await whole(kept.once()) == b"".join(pieces)
            assert source.reads == len(pieces) + 1, "each piece is read once"
        assert kept.whole == (len(b"".join(pieces)) <= limit)

    asyncio.run(run())


@pytest.mark.parametrize(("limit", "all_of_it"), [(6, True), (5, False)])
async def test_a_body_is_gathered_if_it_fits(limit: int, all_of_it: bool) -> None:
    source = Pieces(b"one", b"two")
    kept = source.kept(limit)
    assert await kept.gather() == all_of_it
    if all_of_it:
        first, second = kept.once(), kept.once()
        assert [await first.read(), await second.read()] == [b"one", b"one"]
        assert await whole(first) == await whole(second) == b"two"
    else:
        assert await whole(kept.once()) == b"onetwo", "the only attempt has what was gathered"


async def test_a_body_that_says_that_it_is_too_large_is_not_gathered() -> None:
    source = Pieces(b"one", b"two")
    kept = KeptBody(RequestBody(read=source.read, length=6), 5)
    assert not await kept.gather()
    assert source.reads == 0
    assert await whole(kept.once()) == b"onetwo"
