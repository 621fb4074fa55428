"""What calls say of their endpoint and upstream when they end, and how long they wait for room there."""

from __future__ import annotations

import asyncio
import time

import pytest

from edge.model.call import Call, Protocol, StatusSource
from edge.model.errors import CircuitOpen, DeadlineExceeded, NoHealthyEndpoint, UpstreamUnreachable
from edge.model.refusals import late
from edge.model.schema import Method, SchemaSet, Shape
from edge.model.status import Code
from tests.edge.proxy.test_dispatcher import Admit, Guarded, OneEndpoint, dispatcher, plan

BUY = "/shop.v1.Shop/Buy"


@pytest.mark.parametrize(
    ("code", "source", "endpoint_failed", "verdict"),
    [
        *(
            (code, StatusSource.UPSTREAM, False, True)
            for code in (Code.UNKNOWN, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS, Code.DEADLINE_EXCEEDED)
        ),
        *(
            (code, StatusSource.UPSTREAM, False, False)
            for code in (Code.OK, Code.NOT_FOUND, Code.UNIMPLEMENTED, Code.RESOURCE_EXHAUSTED, Code.CANCELLED)
        ),
        (Code.CANCELLED, StatusSource.CALLER, False, None),
        (Code.DEADLINE_EXCEEDED, StatusSource.CALLER, False, None),
        (Code.RESOURCE_EXHAUSTED, StatusSource.GATEWAY, False, None),
        (Code.UNAVAILABLE, StatusSource.GATEWAY, True, True),
    ],
)
def test_what_a_call_says_of_its_endpoint_and_upstream(
    code: Code, source: StatusSource, endpoint_failed: bool, verdict: bool | None
) -> None:
    cluster = Guarded("upstreams/u0")
    pipeline = dispatcher(plan(1, guarded=cluster))
    call = Call(BUY)
    pipeline.open(call)
    pipeline.pick(call, 0.0)
    for _ in range(2):
        pipeline.settle(call, code, source=source, endpoint_failed=endpoint_failed)
    assert cluster.verdicts == [verdict]
    assert cluster.left == [(call, verdict)]


def test_an_endpoint_that_speaks_of_the_callers_deadline_is_not_to_blame() -> None:
    now = time.monotonic()
    for started, deadline, verdict in ((now - 1.0, now + 0.001, None), (now - 1.0, now + 9.0, True)):
        cluster = Guarded("upstreams/u0")
        pipeline = dispatcher(plan(1, guarded=cluster))
        call = Call(BUY, started=started, deadline=deadline)
        pipeline.open(call)
        pipeline.pick(call, 0.0)
        pipeline.settle(call, Code.DEADLINE_EXCEEDED)
        assert cluster.verdicts == [verdict]


@pytest.mark.parametrize(
    ("limit", "picked", "verdict"),
    [((2.0, "route"), True, True), ((2.0, "route"), False, None), ((None, "caller"), True, None)],
)
def test_a_limit_of_ours_that_passed_counts_against_who_had_the_time(
    limit: tuple[float | None, str], picked: bool, verdict: bool | None
) -> None:
    cluster = Guarded("upstreams/u0")
    pipeline = dispatcher(plan(1, guarded=cluster))
    call = Call(BUY)
    pipeline.open(call)
    if picked:
        pipeline.pick(call, 0.0)
    pipeline.refuse(call, late(call, limit))
    assert cluster.left == [(call, verdict)]
    assert cluster.verdicts == ([verdict] if picked else [])


def test_who_is_refused_by_a_breaker_leaves_too_and_says_nothing() -> None:
    cluster = Guarded("upstreams/u0")
    cluster.refusal = CircuitOpen("closed")
    pipeline = dispatcher(plan(1, guarded=cluster))
    call = Call(BUY)
    with pytest.raises(CircuitOpen) as caught:
        pipeline.open(call)
    pipeline.refuse(call, caught.value)
    assert (cluster.left, cluster.released) == ([(call, None)], [])


async def test_who_is_refused_before_it_enters_does_not_ask_the_upstream() -> None:
    cluster = Guarded("upstreams/u0")
    log: list[str] = []
    refusing = Admit("a", log, wait=True, error=NoHealthyEndpoint("no"))
    pipeline = dispatcher(plan(1, guarded=cluster, admissions=(refusing,)))
    call = Call(BUY)
    pending = pipeline.open(call)
    assert pending is not None
    with pytest.raises(NoHealthyEndpoint) as caught:
        await pending
    pipeline.refuse(call, caught.value)
    assert (cluster.entered, cluster.left) == ([], [])


async def test_after_an_admission_that_waited_the_upstream_is_asked_too() -> None:
    cluster = Guarded("upstreams/u0")
    cluster.room = asyncio.get_running_loop().create_future()
    log: list[str] = []
    pipeline = dispatcher(plan(1, guarded=cluster, admissions=(Admit("a", log, wait=True),)))
    call = Call(BUY)
    pending = pipeline.open(call)
    assert pending is not None
    room = cluster.room

    async def make_room() -> None:
        while not cluster.entered:
            await asyncio.sleep(0)
        room.set_result(None)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(make_room())
        await pending


@pytest.mark.parametrize("whose", ["caller", "route", "route, unary", "route, HTTP"])
async def test_who_waits_for_room_does_so_no_longer_than_the_call_may_take(whose: str) -> None:
    cluster = Guarded("upstreams/u0")
    cluster.room = asyncio.get_running_loop().create_future()
    if whose == "route, unary":
        cluster.schema = SchemaSet(methods={BUY: Method(BUY, Shape.UNARY, "a", "b")})
    route = plan(1, guarded=cluster, timeout=None if whose == "caller" else 0.01)
    pipeline = dispatcher(route)
    now = time.monotonic()
    protocol = Protocol.HTTP if whose.endswith("HTTP") else Protocol.GRPC
    call = Call(BUY, protocol=protocol, started=now, deadline=now + 0.01 if whose == "caller" else now + 60.0)
    call.plan = route
    pending = pipeline.open(call)
    assert pending is not None
    async with asyncio.timeout(10):
        with pytest.raises(DeadlineExceeded, match="caller's deadline" if whose == "caller" else "route timeout"):
            await pending
    assert cluster.room.cancelled(), "whoever lets it go on finds nobody"


def test_how_quick_an_endpoint_is_is_said_by_the_first_message_of_a_stream() -> None:
    clusters: list[OneEndpoint] = []
    pipeline = dispatcher(plan(1, clusters=clusters))
    call = Call(BUY, started=time.monotonic() - 3600.0)
    pipeline.open(call)
    pipeline.pick(call, 0.0)
    call.first_message = call.started + 0.25
    pipeline.settle(call, Code.OK)
    assert clusters[0].latencies == [pytest.approx(0.25)]
    assert clusters[0].began == [call.started]


def test_a_call_that_never_reached_its_endpoint_says_so_of_it() -> None:
    cluster = Guarded("upstreams/u0")
    pipeline = dispatcher(plan(1, guarded=cluster))
    call = Call(BUY)
    pipeline.open(call)
    pipeline.pick(call, 0.0)
    pipeline.refuse(call, UpstreamUnreachable("no"), endpoint_failed=True)
    assert (cluster.verdicts, cluster.left) == ([True], [(call, True)])


def test_a_call_that_is_over_gets_no_endpoint_and_gives_none_back_again() -> None:
    """A call that was handed to the core is settled by whoever hears first that its caller left."""
    clusters: list[OneEndpoint] = []
    pipeline = dispatcher(plan(1, clusters=clusters))
    call = Call(BUY)
    pipeline.open(call)
    pipeline.pick(call, 0.0)
    pipeline.settle(call, Code.CANCELLED, source=StatusSource.CALLER)
    with pytest.raises(asyncio.CancelledError):
        pipeline.pick(call, 0.0)
    pipeline.put_back(call)
    assert pipeline.again(call, Code.UNAVAILABLE, 0.0, unsent=True) is None
    assert pipeline.hedge(call, 0.0) is None
    assert (clusters[0].endpoint.active, len(clusters[0].released)) == (0, 1)
