from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable

import pytest

from edge.model.call import Call, CallFinished, StatusSource
from edge.model.config import DirectResponse, Forward, GrpcTarget, Redirect, Route, RouteMatch
from edge.model.endpoint import Endpoint, EndpointAddress
from edge.model.errors import (
    ConcurrencyLimited,
    DirectReply,
    GatewayError,
    NoHealthyEndpoint,
    NoRoute,
)
from edge.model.schema import SchemaSet
from edge.model.snapshot import RoutePlan, Snapshot, SourceState, UpstreamPlan
from edge.model.status import Code
from edge.model.watch import Watch
from edge.proxy import Dispatcher
from edge.routing import RadixRouteTable


class OneEndpoint:
    """A cluster of one endpoint that counts its leases."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.endpoint = Endpoint(EndpointAddress("127.0.0.1:1"))
        self.endpoints = (self.endpoint,)
        self.discovery = self.schema_source = SourceState()
        self.schema = SchemaSet()
        self.released: list[bool] = []
        self.verdicts: list[bool | None] = []
        """What calls to the endpoint said of it."""
        self.latencies: list[float] = []
        self.began: list[float | None] = []

    def pick(self, call: Call, now: float) -> Endpoint:
        self.endpoint.active += 1
        return self.endpoint

    def release(
        self, endpoint: Endpoint, *, failed: bool | None, latency: float, now: float, began: float | None = None
    ) -> None:
        endpoint.active -= 1
        self.released.append(bool(failed))
        self.verdicts.append(failed)
        self.latencies.append(latency)
        self.began.append(began)

    admits = False
    breaker: tuple[str, str] | None = None

    def enter(self, call: Call) -> None:
        raise AssertionError("it admits every call")

    def leave(self, call: Call, failed: bool | None, now: float) -> None:
        raise AssertionError("it admits every call")

    def tried(self, call: Call, failed: bool, now: float) -> None:
        raise AssertionError("it admits every call")

    def find(self, address: str) -> Endpoint | None:
        raise AssertionError("nobody looks for an endpoint")

    def drain(self, address: str) -> None:
        raise AssertionError("nothing is drained")

    def undrain(self, address: str) -> None:
        raise AssertionError("nothing is drained")

    def drop(self, address: str) -> None:
        raise AssertionError("nothing is dropped")

    def put_back(self, endpoint: Endpoint) -> None:
        self.release(endpoint, failed=False, latency=0.0, now=0.0)

    def preview(self, call: Call) -> tuple[Endpoint | None, str]:
        return self.endpoint, "the only one"


class Guarded(OneEndpoint):
    """One with a limit: a call waits for `room`, if that is set."""

    admits = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.entered: list[Call] = []
        self.left: list[tuple[Call, bool | None]] = []
        self.room: asyncio.Future[None] | None = None
        self.refusal: GatewayError | None = None

    def enter(self, call: Call) -> Awaitable[None] | None:  # type: ignore[override] # the other one never returns
        self.entered.append(call)
        if self.refusal is not None:
            raise self.refusal
        return self.room

    def leave(self, call: Call, failed: bool | None, now: float) -> None:
        self.left.append((call, failed))


class Admit:
    """An admission that does what the test says."""

    def __init__(self, name: str, log: list[str], *, wait: bool = False, error: GatewayError | None = None) -> None:
        self.name = name
        self._log, self._wait, self._error = log, wait, error

    def admit(self, call: Call) -> Awaitable[None] | None:
        if self._wait:
            return self._later()
        self._now()
        return None

    def _now(self) -> None:
        self._log.append(self.name)
        if self._error is not None:
            raise self._error

    async def _later(self) -> None:
        self._now()


def dispatcher(*plans: RoutePlan, max_calls: int = 0) -> Dispatcher:
    snapshot = Snapshot(table=RadixRouteTable.build(plans), plans={plan.route.name: plan for plan in plans})
    return Dispatcher(Watch(snapshot), max_calls=max_calls)


def plan(
    *weights: int,
    action: Forward | DirectResponse | Redirect | None = None,
    admissions: tuple[Admit, ...] = (),
    clusters: list[OneEndpoint] | None = None,
    guarded: Guarded | None = None,
    timeout: float | None = None,
) -> RoutePlan:
    names = tuple((f"upstreams/u{index}", weight) for index, weight in enumerate(weights))
    route = Route(
        name="routes/shop",
        matches=(RouteMatch(target=GrpcTarget(service="shop.v1.Shop")),),
        action=action or Forward(upstreams=names),
        stream_timeout=timeout,
    )
    made = [guarded or OneEndpoint(name) for name, _ in names]
    if clusters is not None:
        clusters.extend(made)
    upstreams = tuple(
        UpstreamPlan(name=name, weight=weight, cluster=cluster, guarded=cluster.admits, unary_limit=(timeout, "route"))
        for (name, weight), cluster in zip(names, made, strict=True)
    )
    return RoutePlan(
        route=route,
        admissions=admissions,
        upstreams=upstreams,
        single=upstreams[0] if len(upstreams) == 1 else None,
        guarded=guarded is not None,
        max_request_bytes=1,
        max_response_bytes=1,
    )


def test_a_call_goes_from_match_to_settlement_once() -> None:
    clusters: list[OneEndpoint] = []
    pipeline = dispatcher(plan(1, clusters=clusters))
    records: list[CallFinished] = []
    pipeline.listen(records.append)
    call = Call("/shop.v1.Shop/Buy")
    assert pipeline.open(call) is None
    endpoint = pipeline.pick(call, 0.0)
    assert (endpoint.active, pipeline.active_calls, call.attempts) == (1, 1, 1)
    for _ in range(3):
        pipeline.settle(call, Code.NOT_FOUND, "no such book", endpoint_failed=False)
    assert (endpoint.active, pipeline.active_calls, pipeline.total_calls) == (0, 0, 1)
    assert clusters[0].released == [False]
    assert [(r.code, r.message, r.source) for r in records] == [(Code.NOT_FOUND, "no such book", StatusSource.UPSTREAM)]


def test_no_route_says_what_was_asked_for_and_is_settled_too() -> None:
    pipeline = dispatcher(plan(1))
    records: list[CallFinished] = []
    pipeline.listen(records.append)
    call = Call("/other.Service/Do", host="shop.example.com")
    with pytest.raises(NoRoute) as caught:
        pipeline.open(call)
    assert caught.value.metadata == {"method": "/other.Service/Do", "host": "shop.example.com"}
    pipeline.refuse(call, caught.value)
    assert pipeline.active_calls == 0
    assert (records[0].call.reason, records[0].source) == ("NO_ROUTE", StatusSource.GATEWAY)


def test_admissions_run_in_order_and_a_refusal_ends_the_call() -> None:
    log: list[str] = []
    refusal = NoHealthyEndpoint("no")
    route = plan(1, admissions=(Admit("a", log), Admit("b", log, error=refusal), Admit("c", log)))
    with pytest.raises(NoHealthyEndpoint):
        dispatcher(route).open(Call("/shop.v1.Shop/Buy"))
    assert log == ["a", "b"]


async def test_an_admission_that_waits_is_awaited_and_the_rest_follow() -> None:
    log: list[str] = []
    route = plan(
        1, admissions=(Admit("a", log), Admit("b", log, wait=True), Admit("c", log), Admit("d", log, wait=True))
    )
    pending = dispatcher(route).open(Call("/shop.v1.Shop/Buy"))
    assert log == ["a"], "what has to wait runs when it is awaited"
    assert pending is not None
    await pending
    assert log == ["a", "b", "c", "d"]


async def test_a_route_that_answers_by_itself_runs_its_admissions_first() -> None:
    log: list[str] = []
    action = DirectResponse(code=Code.PERMISSION_DENIED, message="closed")
    at_once = plan(action=action, admissions=(Admit("a", log),))
    with pytest.raises(DirectReply, match="closed"):
        dispatcher(at_once).open(Call("/shop.v1.Shop/Buy"))
    later = plan(action=action, admissions=(Admit("b", log, wait=True),))
    pending = dispatcher(later).open(Call("/shop.v1.Shop/Buy"))
    assert pending is not None
    with pytest.raises(DirectReply, match="closed"):
        await pending
    assert log == ["a", "b"]


def test_a_redirect_takes_no_grpc_calls() -> None:
    with pytest.raises(NoRoute, match="redirects HTTP callers"):
        dispatcher(plan(action=Redirect(host="a"))).open(Call("/shop.v1.Shop/Buy"))


def test_upstreams_get_their_share() -> None:
    clusters: list[OneEndpoint] = []
    pipeline = dispatcher(plan(3, 1, 0, clusters=clusters))
    picked: Counter[str] = Counter()
    for _ in range(4000):
        call = Call("/shop.v1.Shop/Buy")
        pipeline.open(call)
        pipeline.pick(call, 0.0)
        assert call.upstream is not None
        picked[call.upstream.name] += 1
        pipeline.settle(call, Code.OK)
    assert picked["upstreams/u2"] == 0
    assert 0.70 < picked["upstreams/u0"] / 4000 < 0.80


def test_more_calls_than_allowed_are_refused_and_do_not_count_for_ever() -> None:
    pipeline = dispatcher(plan(1), max_calls=1)
    first, second, third = (Call("/shop.v1.Shop/Buy") for _ in range(3))
    pipeline.open(first)
    with pytest.raises(ConcurrencyLimited) as caught:
        pipeline.open(second)
    pipeline.refuse(second, caught.value)
    pipeline.settle(first, Code.OK)
    assert pipeline.open(third) is None


def test_without_listeners_no_record_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a record nobody reads")

    monkeypatch.setattr("edge.proxy.dispatcher.CallFinished", fail)
    pipeline = dispatcher(plan(1))
    pipeline.listen(listener := lambda _: None)
    pipeline.ignore(listener)
    call = Call("/shop.v1.Shop/Buy")
    pipeline.open(call)
    pipeline.settle(call, Code.OK)


def test_a_call_keeps_the_snapshot_it_began_with() -> None:
    watch = Watch(Snapshot(table=RadixRouteTable.build([plan(1)])))
    pipeline = Dispatcher(watch)
    before, call = watch.value, Call("/shop.v1.Shop/Buy")
    pipeline.open(call)
    watch.set(Snapshot())
    assert call.snapshot is before
    with pytest.raises(NoRoute):
        pipeline.open(Call("/shop.v1.Shop/Buy"))
