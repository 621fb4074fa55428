"""Whether there is another attempt, and what follows for leases, budget and breaker. The time is an argument."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from typing import Any

import pytest

from edge.model.call import Call, Protocol
from edge.model.config import Forward, Route
from edge.model.endpoint import Endpoint, EndpointAddress, EndpointState
from edge.model.errors import ConcurrencyLimited, NoHealthyEndpoint
from edge.model.resilience import HedgeRule, RetryRule
from edge.model.schema import Method, SchemaSet, Shape
from edge.model.snapshot import RoutePlan, SourceState, UpstreamPlan
from edge.model.status import Code
from edge.proxy.attempts import Attempts, attempt_started
from edge.resilience.budget import LEAST_PER_SECOND, WINDOW
from edge.resilience.retry import MAX_REPLAYS

SAFE, UNSAFE = "/a.B/Safe", "/a.B/Unsafe"
ANY = RetryRule(any_method=True)
FREE = int(LEAST_PER_SECOND * WINDOW)
"""The retries that an upstream has in any case."""


class Cluster:
    """Some endpoints in turn, with what was told about them."""

    def __init__(self, count: int = 2, *, admits: bool = False, breaker: str = "") -> None:
        self.name = "upstreams/u"
        self.endpoints: Sequence[Endpoint] = [Endpoint(EndpointAddress(f"127.0.0.1:{n + 1}")) for n in range(count)]
        for endpoint in self.endpoints:
            endpoint.enter(EndpointState.ACTIVE)
        self.discovery = self.schema_source = SourceState()
        self.schema = SchemaSet(methods={SAFE: Method(SAFE, Shape.UNARY, "Q", "A", idempotent=True)})
        self.admits = admits
        self.breaker = (breaker, "3 calls in a row failed") if breaker else None
        self.released: list[tuple[str, bool | None, float]] = []
        self.attempts: list[bool] = []
        self.refuses: Exception | None = None
        self.opens_after = 0
        self._next = 0

    def pick(self, call: Call, now: float) -> Endpoint:
        if self.refuses is not None:
            raise self.refuses
        endpoint = self.endpoints[self._next % len(self.endpoints)]
        self._next += 1
        endpoint.active += 1
        return endpoint

    def release(
        self, endpoint: Endpoint, *, failed: bool | None, latency: float, now: float, began: float | None = None
    ) -> None:
        endpoint.active -= 1
        endpoint.total += 1
        self.released.append((endpoint.address, failed, latency))

    def tried(self, call: Call, failed: bool, now: float) -> None:
        self.attempts.append(failed)
        if len(self.attempts) == self.opens_after:
            self.breaker = ("OPEN", "that was one too many")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody asks for {name}")


class Place:
    """A call that has been sent to an endpoint at 100.0, and what decides about further attempts."""

    def __init__(
        self,
        rule: RetryRule = ANY,
        *,
        cluster: Cluster | None = None,
        path: str = SAFE,
        hedge: HedgeRule | None = None,
        picked: bool = True,
    ) -> None:
        self.cluster = cluster or Cluster()
        upstream = UpstreamPlan(name=self.cluster.name, weight=1, cluster=self.cluster, guarded=self.cluster.admits)
        self.plan = RoutePlan(
            route=Route(name="routes/r", action=Forward(upstreams=((self.cluster.name, 1),))),
            upstreams=(upstream,),
            single=upstream,
            max_request_bytes=1,
            max_response_bytes=1,
            retry=rule if hedge is None else hedge.in_turn,
            hedge=hedge,
        )
        self.upstream = upstream
        self.attempts = Attempts()
        self.call = self.new(path, picked=picked)

    def new(self, path: str = SAFE, *, picked: bool = True) -> Call:
        call = Call(path, started=100.0)
        call.plan = self.plan
        if picked:
            call.upstream = self.upstream
            call.endpoint = self.cluster.pick(call, 100.0)
        return call

    def again(self, code: Code = Code.UNAVAILABLE, now: float = 101.0, **more: Any) -> float | None:
        """Let the attempt under way fail."""
        given = {"pushback": None, "until": -1.0, "timed_out": False, "unsent": False, **more}
        return self.attempts.again(self.call, code, now, **given)

    def again_elsewhere(self, **more: Any) -> float | None:
        """Let the attempt fail, and make the next one."""
        wait = self.again(**more)
        if wait is not None:
            self.call.endpoint = self.cluster.pick(self.call, 101.0)
        return wait


@pytest.fixture(autouse=True)
def chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.proxy.attempts.random", lambda: 0.5)


def test_a_failed_attempt_ends_its_lease_as_failed_and_the_next_one_avoids_its_endpoint() -> None:
    place = Place()
    first = place.call.endpoint
    assert place.again() == pytest.approx(0.025)
    assert place.call.endpoint is None
    assert place.call.tried is first
    assert place.cluster.released == [("127.0.0.1:1", True, 1.0)]
    assert place.call.retries is not None
    assert place.call.retries.count == 1
    assert place.call.retries.started == pytest.approx(101.025)


@pytest.mark.parametrize(
    ("rule", "path", "code", "more", "wait"),
    [
        (RetryRule(), SAFE, Code.UNAVAILABLE, {}, 0.025),
        (RetryRule(), UNSAFE, Code.UNAVAILABLE, {}, None),
        (ANY, UNSAFE, Code.UNAVAILABLE, {}, 0.025),
        (ANY, UNSAFE, Code.ABORTED, {}, None),
        (RetryRule(codes=frozenset({Code.ABORTED}), any_method=True), UNSAFE, Code.ABORTED, {}, 0.025),
        (RetryRule(codes=frozenset({Code.ABORTED}), any_method=True), UNSAFE, Code.UNAVAILABLE, {}, None),
        (RetryRule(max_attempts=1), SAFE, Code.UNAVAILABLE, {}, None),
        # an attempt that took too long is worth another one whatever the codes
        (ANY, SAFE, Code.DEADLINE_EXCEEDED, {"timed_out": True}, 0.025),
        (ANY, SAFE, Code.DEADLINE_EXCEEDED, {}, None),
        (RetryRule(max_attempts=1), SAFE, Code.DEADLINE_EXCEEDED, {"timed_out": True}, None),
        # what the server says
        (ANY, SAFE, Code.UNAVAILABLE, {"pushback": "70"}, 0.07),
        (ANY, SAFE, Code.UNAVAILABLE, {"pushback": "0"}, 0.0),
        (ANY, SAFE, Code.UNAVAILABLE, {"pushback": "-1"}, None),
        (ANY, SAFE, Code.UNAVAILABLE, {"pushback": "soon"}, None),
        # the deadline: a pause that ends with it leaves no time for the attempt
        (ANY, SAFE, Code.UNAVAILABLE, {"until": 101.025}, None),
        (ANY, SAFE, Code.UNAVAILABLE, {"until": 101.026}, 0.025),
        (ANY, SAFE, Code.UNAVAILABLE, {"until": 101.5, "pushback": "500"}, None),
        # what provably never left goes elsewhere at once, whatever the method, the rule and the server
        (RetryRule(max_attempts=1), UNSAFE, Code.UNAVAILABLE, {"unsent": True}, 0.0),
    ],
)
def test_rule_method_server_and_deadline_decide(
    rule: RetryRule, path: str, code: Code, more: dict[str, Any], wait: float | None
) -> None:
    place = Place(rule, path=path)
    found = place.again(code, **more)
    assert found == (None if wait is None else pytest.approx(wait))
    if wait is None:
        # nothing has changed: whoever settles the call ends its lease
        assert place.call.endpoint is not None
        assert place.call.retries is None
        assert place.cluster.released == []


def test_the_verb_of_an_http_caller_says_whether_a_call_is_idempotent() -> None:
    for protocol, verb, wait in (
        (Protocol.HTTP, "PUT", 0.025),
        (Protocol.HTTP, "POST", None),
        (Protocol.HTTP, "PATCH", None),
        (Protocol.REST, "DELETE", 0.025),
        (Protocol.CONNECT, "GET", None),
    ):
        place = Place(RetryRule(), path=UNSAFE)
        place.call.protocol, place.call.verb = protocol, verb
        assert place.again() == (None if wait is None else pytest.approx(wait)), (protocol, verb)


def test_there_are_as_many_attempts_as_the_rule_says_with_growing_pauses() -> None:
    place = Place(RetryRule(max_attempts=4, max_backoff=0.06))
    assert [place.again_elsewhere() for _ in range(4)] == [pytest.approx(0.025), pytest.approx(0.05), 0.06, None]


def test_what_a_server_asks_for_begins_the_pauses_anew() -> None:
    place = Place(RetryRule(max_attempts=5))
    waits = [place.again_elsewhere(pushback=text) for text in (None, None, "1000", None)]
    assert waits == [pytest.approx(0.025), pytest.approx(0.05), 1.0, pytest.approx(0.025)]


def test_what_never_left_does_not_count_for_the_rule_and_is_not_sent_for_ever() -> None:
    place = Place(RetryRule(max_attempts=2), cluster=Cluster(9))
    found = [place.again_elsewhere(unsent=True) for _ in range(MAX_REPLAYS + 2)]
    assert found == [0.0] * MAX_REPLAYS + [pytest.approx(0.025), None]
    place = Place(RetryRule(max_attempts=1), path=UNSAFE, cluster=Cluster(9))
    assert [place.again_elsewhere(unsent=True) for _ in range(MAX_REPLAYS + 1)] == [0.0] * MAX_REPLAYS + [None]


@pytest.mark.parametrize("state", [EndpointState.UNHEALTHY, EndpointState.EJECTED, EndpointState.DRAINING])
def test_without_an_elsewhere_what_never_left_is_a_failure_like_others(state: EndpointState) -> None:
    place = Place(RetryRule())
    place.cluster.endpoints[1].enter(state)
    assert place.again(unsent=True) == pytest.approx(0.025)
    place = Place(RetryRule(), path=UNSAFE)
    place.cluster.endpoints[1].enter(state)
    assert place.again(unsent=True) is None


@pytest.mark.parametrize(
    ("code", "more", "failed"),
    [
        (Code.UNAVAILABLE, {}, True),
        (Code.INTERNAL, {}, True),
        (Code.ABORTED, {}, False),
        (Code.RESOURCE_EXHAUSTED, {}, False),
        (Code.CANCELLED, {"timed_out": True}, True),
        (Code.CANCELLED, {"unsent": True}, True),
    ],
)
def test_what_an_attempt_says_of_its_endpoint_and_upstream(code: Code, more: dict[str, Any], failed: bool) -> None:
    rule = RetryRule(codes=frozenset(Code) - {Code.OK})
    for guarded in (False, True):
        place = Place(rule, cluster=Cluster(admits=guarded))
        assert place.again(code, **more) is not None
        assert place.cluster.released == [("127.0.0.1:1", failed, 1.0)]
        assert place.cluster.attempts == ([failed] if guarded else [])


@pytest.mark.parametrize(("state", "tried"), [("CLOSED", True), ("HALF_OPEN", True), ("OPEN", False)])
def test_an_open_breaker_gets_no_further_attempts(state: str, tried: bool) -> None:
    place = Place(cluster=Cluster(admits=True, breaker=state), hedge=HedgeRule(delay=1.0))
    assert (place.attempts.hedge(place.call, 101.0) is not None) == tried
    assert (place.again() is not None) == tried


def test_the_attempt_that_opens_the_breaker_is_the_last() -> None:
    place = Place(RetryRule(max_attempts=5), cluster=Cluster(admits=True, breaker="CLOSED"))
    place.cluster.opens_after = 2
    assert place.again_elsewhere() is not None
    assert place.again() is None
    assert place.call.endpoint is None, "its lease has ended, as failed"
    assert [failed for _, failed, _ in place.cluster.released] == [True, True]


def test_a_budget_is_the_upstreams_and_not_the_calls() -> None:
    place = Place(RetryRule(budget=0.2))
    place.attempts.know([place.cluster])
    granted = 0
    for _ in range(FREE + 5):
        place.call = place.new()
        granted += place.again() is not None
    assert granted == FREE
    # what is sent elsewhere because it never left is not a retry
    assert place.again(unsent=True) == 0.0
    other = Place(cluster=Cluster())
    other.attempts = place.attempts
    assert other.again() is not None, "another upstream has a budget of its own"


def test_a_refused_retry_changes_nothing() -> None:
    place = Place(RetryRule(budget=0.0))
    place.attempts.know([place.cluster])
    for _ in range(FREE):
        place.call = place.new()
        assert place.again() is not None
    place.call = place.new()
    assert place.again() is None
    assert place.call.endpoint is not None
    assert place.call.retries is None


def test_a_budget_does_not_keep_the_upstream_that_it_is_for() -> None:
    attempts, cluster = Attempts(), Cluster()
    attempts.know([cluster])
    gone = weakref.ref(cluster)
    del cluster
    gc.collect()
    assert gone() is None


def test_a_call_that_is_not_opened_or_picked_has_no_further_attempt() -> None:
    place = Place(picked=False)
    assert place.again() is None
    assert place.attempts.hedge(place.call, 101.0) is None
    place.call.plan = None
    assert place.again() is None


# === beside each other ===


def test_a_further_attempt_beside_others_has_a_lease_of_its_own() -> None:
    place = Place(hedge=HedgeRule(delay=1.0, max_attempts=3))
    first = place.call.endpoint
    second = place.attempts.hedge(place.call, 101.0)
    assert second is place.call.endpoint
    assert second is not first
    assert place.call.tried is first
    assert [endpoint.active for endpoint in place.cluster.endpoints] == [1, 1]
    assert place.call.attempts == 1, "the dispatcher counts the first one"
    assert place.attempts.hedge(place.call, 102.0) is not None
    assert place.attempts.hedge(place.call, 103.0) is None, "the first one counts, too"


def test_each_of_several_attempts_has_its_own_beginning() -> None:
    place = Place(hedge=HedgeRule(delay=1.0, max_attempts=4))
    first = place.call.endpoint
    assert first is not None
    assert attempt_started(place.call, first) == 100.0
    second = place.attempts.hedge(place.call, 101.0)
    assert second is not None
    assert place.attempts.hedge(place.call, 102.0) is first
    assert attempt_started(place.call, first) == 100.0, "an endpoint that has two is as slow as the first one says"
    assert attempt_started(place.call, second) == 101.0


def test_after_what_never_left_the_time_counts_from_the_next_attempt() -> None:
    place = Place(hedge=HedgeRule(delay=1.0))
    assert place.again_elsewhere(unsent=True) == 0.0
    first = place.call.endpoint
    assert first is not None
    assert place.attempts.hedge(place.call, 105.0) is not None
    assert attempt_started(place.call, first) == 101.0


@pytest.mark.parametrize("refusal", [NoHealthyEndpoint("none"), ConcurrencyLimited("all are full")])
def test_without_an_endpoint_there_is_no_further_attempt_and_nothing_is_leased(refusal: Exception) -> None:
    place = Place(hedge=HedgeRule(delay=1.0))
    first = place.call.endpoint
    place.cluster.refuses = refusal
    assert place.attempts.hedge(place.call, 101.0) is None
    assert place.call.endpoint is first
    assert place.call.retries is None


def test_only_idempotent_methods_of_routes_that_say_so_are_sent_ahead() -> None:
    place = Place()
    assert place.attempts.hedge(place.call, 101.0) is None
    place = Place(hedge=HedgeRule(delay=1.0), path=UNSAFE)
    assert place.attempts.hedge(place.call, 101.0) is None


def test_what_is_sent_ahead_comes_out_of_the_budget() -> None:
    place = Place(hedge=HedgeRule(delay=1.0))
    place.attempts.know([place.cluster])
    found = 0
    for _ in range(FREE + 5):
        place.call = place.new()
        found += place.attempts.hedge(place.call, 101.0) is not None
    assert found == FREE
