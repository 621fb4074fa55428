"""The limits of sizes and times hold for requests too: what comes late or is too long ends the call with their name."""

from __future__ import annotations

import asyncio
import time

import pytest

from edge.model.call import Call
from edge.model.config import Forward, Route
from edge.model.errors import DeadlineExceeded
from edge.model.http import HttpRequest
from edge.model.snapshot import RoutePlan, UpstreamPlan
from edge.model.status import Code
from tests.support.http_exchange import Talk
from transcoding.limits import in_time, read_body
from transcoding.plain import JsonErrors
from transcoding.session import Session


class Cluster:
    name = "upstreams/a"


def call(
    *,
    deadline: float | None = None,
    timeout: float | None = None,
    stream_timeout: float | None = None,
    upstream: tuple[float | None, str] | None = None,
    began: float = 0.0,
) -> Call:
    """Return an opened call; its times are in seconds from its arrival, and that was `began` seconds ago."""
    now = time.monotonic() - began
    made = Call("/a.A/Get", started=now, deadline=None if deadline is None else now + deadline)
    target = UpstreamPlan(
        name="upstreams/a",
        weight=1,
        cluster=Cluster(),  # type: ignore[arg-type] # nobody looks at it
        unary_limit=upstream or (timeout, "route"),
    )
    action = Forward(upstreams=(("upstreams/a", 1),))
    made.plan = RoutePlan(
        route=Route(name="routes/a", action=action, timeout=timeout, stream_timeout=stream_timeout),
        upstreams=(target,),
        single=target,
        max_request_bytes=10,
        max_response_bytes=10,
    )
    return made


@pytest.mark.parametrize(
    ("limits", "streams", "whose", "words"),
    [
        ({"deadline": 0.02}, False, "caller", "the caller's deadline has passed"),
        ({"deadline": 0.02, "timeout": 9.0}, False, "caller", "the caller's deadline has passed"),
        ({"deadline": 9.0, "timeout": 0.02}, False, "route", "0.02 s that the route timeout of routes/a allows"),
        ({"upstream": (0.02, "upstream")}, False, "upstream", "0.02 s that the upstream timeout of upstreams/a allows"),
        ({"stream_timeout": 0.02}, True, "route", "0.02 s that the route timeout of routes/a allows"),
        ({"deadline": 0.02, "timeout": 0.001}, True, "caller", "the caller's deadline has passed"),
        ({"timeout": 5.0, "began": 6.0}, False, "route", "5 s that the route timeout of routes/a allows"),
    ],
)
async def test_a_request_that_does_not_come_in_time(
    limits: dict[str, float], streams: bool, whose: str, words: str
) -> None:
    never = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(5):
        with pytest.raises(DeadlineExceeded, match=words) as caught:
            await in_time(call(**limits), never, streams=streams)  # type: ignore[arg-type] # one mapping for all
    assert caught.value.metadata == {"deadline": whose}


async def test_a_request_that_comes_in_time() -> None:
    async def reading() -> bytes:
        await asyncio.sleep(0)
        return b"a"

    assert await in_time(call(), reading(), streams=False) == b"a"
    assert await in_time(call(deadline=9.0, timeout=8.0), reading(), streams=False) == b"a"
    assert await in_time(call(timeout=0.0), reading(), streams=True) == b"a", "that is no limit of streams"


async def test_a_timeout_of_somebody_else_passes() -> None:
    async def reading() -> bytes:
        raise TimeoutError("another")

    with pytest.raises(TimeoutError, match="another"):
        await in_time(call(deadline=9.0), reading(), streams=False)


async def test_a_body_that_comes_in_drops_ends_at_the_callers_deadline() -> None:
    class Reading(JsonErrors):
        async def answer(self, session: Session) -> None:
            await read_body(session)

    request = HttpRequest("POST", "/a", (("host", "a"), ("content-length", "9")), host="a")
    talk = Talk(request, Reading(), body=[b"a"], ended=False)
    talk.call.deadline = talk.call.started + 0.02
    finished = await talk.run()
    assert (finished.code, talk.exchange.status) == (Code.DEADLINE_EXCEEDED, 504)
    assert finished.call.reason == "DEADLINE"
