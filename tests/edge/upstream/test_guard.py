"""What stands before the endpoints of an upstream, with a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from edge.model.call import Call
from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import Endpoint, EndpointAddress, EndpointState
from edge.model.errors import CircuitOpen, ConcurrencyLimited
from edge.model.resilience import CircuitBreaker, ConcurrencyLimits, OutlierDetection
from edge.model.upstreams import Upstream
from edge.resilience.breaker import BreakerState
from edge.upstream.guard import Guard

PER_ENDPOINT = CircuitBreaker(failure_threshold=2, open_duration=5.0, half_open_calls=1, per_endpoint=True)


class Place:
    """A guard, its endpoints and the time."""

    def __init__(self, **settings: object) -> None:
        self.now = 100.0
        self.changes = 0
        upstream = Upstream(name="upstreams/shop", discovery=StaticDiscovery(endpoints=()), **settings)  # type: ignore[arg-type]
        self.guard = Guard(upstream, self._changed, lambda: self.now)
        self.endpoints = [Endpoint(EndpointAddress(f"127.0.0.1:{port}")) for port in (1, 2, 3)]
        for endpoint in self.endpoints:
            endpoint.enter(EndpointState.ACTIVE)
        self.guard.members(self.endpoints)

    def _changed(self) -> None:
        self.changes += 1

    def call(self, failed: bool | None) -> None:
        """Make a call that is let through and ends at once."""
        call = Call("/a/B")
        assert self.guard.enter(call) is None
        self.guard.leave(call, failed, self.now)

    def ends(self, endpoint: Endpoint, *failed: bool) -> None:
        """Let calls to an endpoint end."""
        for one in failed:
            self.guard.settle(endpoint, failed=one, latency=0.0, now=self.now)


@pytest.fixture
async def places() -> AsyncIterator[list[Place]]:
    made: list[Place] = []
    yield made
    for place in made:
        place.guard.close()


def place(places: list[Place], **settings: object) -> Place:
    made = Place(**settings)
    places.append(made)
    return made


async def test_without_settings_nothing_is_asked(places: list[Place]) -> None:
    assert not place(places).guard.admits
    assert place(places).guard.breaker is None


async def test_an_open_breaker_refuses_with_when_to_come_again_and_half_open_lets_one_try(places: list[Place]) -> None:
    here = place(places, circuit_breaker=CircuitBreaker(failure_threshold=2, open_duration=5.0))
    here.call(True)
    here.call(True)
    assert here.guard.breaker == (BreakerState.OPEN, "2 calls in a row failed")
    assert here.changes == 1
    here.now += 2.0
    with pytest.raises(CircuitOpen, match="upstreams/shop are held back: 2 calls in a row failed") as refused:
        here.guard.enter(Call("/a/B"))
    assert refused.value.retry_after == pytest.approx(3.0)
    here.now += 3.0
    first, second = Call("/a/B"), Call("/a/B")
    assert here.guard.enter(first) is None
    with pytest.raises(CircuitOpen):
        here.guard.enter(second)
    here.guard.leave(second, None, here.now)  # a call that was refused leaves too
    here.guard.leave(first, False, here.now)
    here.guard.leave(first, True, here.now)  # only the first time counts
    assert here.guard.breaker == (BreakerState.CLOSED, "")


async def test_a_breaker_becomes_half_open_by_itself_for_who_looks(places: list[Place]) -> None:
    here = place(places, circuit_breaker=CircuitBreaker(failure_threshold=1, open_duration=0.01))
    here.call(True)
    here.now += 0.02
    async with asyncio.timeout(5):
        while here.guard.breaker is not None and here.guard.breaker[0] is BreakerState.OPEN:
            await asyncio.sleep(0)
    assert here.guard.breaker is not None
    assert here.guard.breaker[0] is BreakerState.HALF_OPEN


async def test_calls_over_the_limit_wait_in_turn_and_some_are_refused(places: list[Place]) -> None:
    here = place(places, concurrency=ConcurrencyLimits(max_calls=1, max_pending_calls=1))
    first, second, third = Call("/a/B"), Call("/a/B"), Call("/a/B")
    assert here.guard.enter(first) is None
    waiting = here.guard.enter(second)
    assert waiting is not None
    with pytest.raises(ConcurrencyLimited, match=r"1 calls are under way \(limits.max_calls\) and 1 wait"):
        here.guard.enter(third)
    here.guard.leave(third, None, here.now)
    here.guard.leave(first, False, here.now)
    async with asyncio.timeout(5):
        await waiting
    assert here.guard.enter(Call("/a/B")) is not None, "the second is under way"
    with pytest.raises(ConcurrencyLimited):
        here.guard.enter(Call("/a/B"))


async def test_a_call_that_ends_while_it_waits_gives_up_its_place_and_whoever_awaits_it(places: list[Place]) -> None:
    here = place(places, concurrency=ConcurrencyLimits(max_calls=1, max_pending_calls=1))
    first, second, third = Call("/a/B"), Call("/a/B"), Call("/a/B")
    here.guard.enter(first)
    waiting = here.guard.enter(second)
    here.guard.leave(second, None, here.now)
    assert here.guard.enter(third) is not None
    assert waiting is not None
    with pytest.raises(ConcurrencyLimited, match="ended while it waited"):
        await waiting


async def test_a_call_that_waited_meets_the_breaker_then(places: list[Place]) -> None:
    here = place(
        places,
        concurrency=ConcurrencyLimits(max_calls=1, max_pending_calls=1),
        circuit_breaker=CircuitBreaker(failure_threshold=1),
    )
    first, second = Call("/a/B"), Call("/a/B")
    here.guard.enter(first)
    waiting = here.guard.enter(second)
    here.guard.leave(first, True, here.now)
    assert waiting is not None
    with pytest.raises(CircuitOpen):
        await waiting


async def test_each_endpoint_has_a_breaker_of_its_own_if_wanted(places: list[Place]) -> None:
    breaker = CircuitBreaker(failure_threshold=2, open_duration=5.0, half_open_calls=1, per_endpoint=True)
    here = place(places, circuit_breaker=breaker)
    assert not here.guard.admits
    bad, good, _ = here.endpoints
    here.ends(bad, True, True)
    here.ends(good, False)
    assert (bad.state, bad.reason) == (EndpointState.EJECTED, "circuit breaker open: 2 calls in a row failed")
    assert bad.last_error == "2 calls in a row failed"
    assert good.state is EndpointState.ACTIVE
    here.now += 5.0
    here.guard.look()
    assert bad.state is EndpointState.ACTIVE
    assert bad.max_active == 1, "half open: one call at once"
    here.guard.settle(bad, failed=False, latency=6.0, now=here.now)  # it began before
    assert bad.max_active == 1
    here.ends(bad, False)
    assert bad.max_active > 1
    assert good.max_active > 1


async def test_outliers_are_set_aside_and_come_back_by_time(places: list[Place]) -> None:
    here = place(places, outlier_detection=OutlierDetection(consecutive_failures=2, base_ejection=7.0))
    bad = here.endpoints[0]
    here.ends(bad, True, True)
    assert bad.state.value == "EJECTED"
    assert "2 calls in a row failed" in bad.reason
    assert here.changes == 1
    here.now += 7.0
    here.guard.look()
    assert bad.state.value == "ACTIVE"
    assert here.changes == 2


async def test_an_endpoint_that_cannot_be_reached_is_not_merely_ejected(places: list[Place]) -> None:
    here = place(places, outlier_detection=OutlierDetection(consecutive_failures=1))
    bad = here.endpoints[0]
    here.ends(bad, True)
    bad.enter(EndpointState.UNHEALTHY, "connection refused")
    assert (bad.state, bad.reason) == (EndpointState.UNHEALTHY, "connection refused")
    bad.enter(EndpointState.ACTIVE)
    assert bad.reason.startswith("1 calls in a row failed")


async def test_the_limit_of_an_endpoint_is_the_balancers_to_keep(places: list[Place]) -> None:
    here = place(places, concurrency=ConcurrencyLimits(max_calls_per_endpoint=7))
    assert [endpoint.max_active for endpoint in here.endpoints] == [7, 7, 7]


async def test_a_call_meets_the_open_breaker_at_once_instead_of_waiting_for_it(places: list[Place]) -> None:
    here = place(
        places,
        concurrency=ConcurrencyLimits(max_calls=2, max_pending_calls=5),
        circuit_breaker=CircuitBreaker(failure_threshold=1, open_duration=5.0),
    )
    first, second, third = Call("/a/B"), Call("/a/B"), Call("/a/B")
    here.guard.enter(first)
    here.guard.enter(second)
    here.guard.leave(first, True, here.now)
    refilled = Call("/a/B")
    with pytest.raises(CircuitOpen):
        here.guard.enter(refilled)  # it holds a place until it leaves
    with pytest.raises(CircuitOpen) as refused:
        here.guard.enter(third)
    assert refused.value.retry_after == pytest.approx(5.0)
    here.guard.leave(third, None, here.now)
    here.guard.leave(refilled, None, here.now)
    here.guard.leave(second, None, here.now)
    here.now += 5.0
    assert here.guard.enter(Call("/a/B")) is None


async def test_calls_from_before_do_not_keep_those_away_that_try_a_half_open_endpoint(places: list[Place]) -> None:
    breaker = CircuitBreaker(failure_threshold=1, open_duration=5.0, per_endpoint=True)
    here = place(places, circuit_breaker=breaker)
    bad = here.endpoints[0]
    bad.active = 2  # two streams that go on
    here.ends(bad, True)
    here.now += 5.0
    here.guard.look()
    assert bad.active + 1 == bad.max_active == 3
    bad.active -= 1
    # a stream whose first message came soon; its latency says nothing about when it began
    here.guard.settle(bad, failed=None, latency=0.001, now=here.now, began=99.0)
    assert bad.active + 1 == bad.max_active == 2
    bad.active -= 1
    here.guard.settle(bad, failed=True, latency=0.001, now=here.now, began=99.0)
    assert bad.max_active == 1
    assert bad.state is EndpointState.ACTIVE, "what began before says nothing"
    here.ends(bad, False)
    assert bad.max_active > 1


async def test_a_closed_one_sets_no_timer_for_calls_that_end_later(monkeypatch: pytest.MonkeyPatch) -> None:
    per_endpoint = CircuitBreaker(failure_threshold=1, per_endpoint=True)
    whole = CircuitBreaker(failure_threshold=1)
    outliers = OutlierDetection(consecutive_failures=1)
    for settings in ({"circuit_breaker": per_endpoint, "outlier_detection": outliers}, {"circuit_breaker": whole}):
        here = Place(**settings)
        call = Call("/a/B")
        here.guard.enter(call)
        here.guard.close()
        loop = asyncio.get_running_loop()
        with monkeypatch.context() as patch:
            patch.setattr(loop, "call_later", lambda *_: pytest.fail("a timer that nobody ends"))
            here.guard.leave(call, True, here.now)
            here.ends(here.endpoints[0], True, True)
            here.guard.look()


async def test_attempts_count_like_calls_and_one_that_tries_has_all_of_its_attempts(places: list[Place]) -> None:
    here = place(places, circuit_breaker=CircuitBreaker(failure_threshold=2, open_duration=5.0))
    call = Call("/a/B")
    assert here.guard.enter(call) is None
    here.guard.tried(call, True, here.now)
    here.guard.tried(call, False, here.now)
    here.guard.tried(call, True, here.now)
    assert here.guard.breaker == (BreakerState.CLOSED, "")
    here.guard.tried(call, True, here.now)
    assert here.guard.breaker == (BreakerState.OPEN, "2 calls in a row failed")
    here.guard.leave(call, False, here.now)
    assert here.guard.breaker == (BreakerState.OPEN, "2 calls in a row failed"), "it is of an earlier state"
    here.now += 5.0
    trying = Call("/a/B")
    assert here.guard.enter(trying) is None
    here.guard.tried(trying, True, here.now)
    assert here.guard.breaker[0] is BreakerState.HALF_OPEN
    here.guard.leave(trying, False, here.now)
    assert here.guard.breaker == (BreakerState.CLOSED, "")


async def test_a_stream_that_tries_an_endpoint_keeps_others_from_it_for_the_open_time_only(places: list[Place]) -> None:
    here = place(places, circuit_breaker=PER_ENDPOINT)
    endpoint = here.endpoints[0]
    here.ends(endpoint, True, True)
    assert endpoint.state is EndpointState.EJECTED
    here.now += 5.0
    here.guard.look()
    assert endpoint.max_active == 1
    endpoint.active = 1  # a stream that goes on for hours
    here.now += 4.9
    here.guard.look()
    assert endpoint.max_active == 1
    here.now += 0.1
    here.guard.look()
    assert endpoint.max_active == 2
    here.guard.look()
    assert endpoint.max_active == 2
    here.ends(endpoint, False)
    assert endpoint.max_active > 1000
