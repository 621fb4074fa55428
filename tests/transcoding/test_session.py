"""A session settles its call exactly once, and says how it ended, whatever happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from edge.model.call import StatusSource
from edge.model.config import DirectResponse
from edge.model.errors import GatewayError, InvalidRequest, NoRoute, UpstreamUnreachable, Violation
from edge.model.http import CallerGoneError, HttpRequest
from edge.model.status import Code
from tests.support.http_exchange import Refuse, Talk
from tests.support.played_upstream import failing
from transcoding.ending import Ending
from transcoding.plain import JsonErrors
from transcoding.session import Session

REQUEST = HttpRequest("GET", "/a", (("host", "a"),), host="a")


class Doing(JsonErrors):
    """Answers by what a test says."""

    def __init__(self, answer: Callable[[Session], Awaitable[None]]) -> None:
        self._answer = answer

    async def answer(self, session: Session) -> None:
        await self._answer(session)


def raising(error: BaseException) -> Callable[[Session], Awaitable[None]]:
    async def answer(session: Session) -> None:
        raise error

    return answer


@pytest.mark.parametrize(
    ("error", "code", "source", "status", "reason"),
    [
        (failing(Code.NOT_FOUND, "no"), Code.NOT_FOUND, StatusSource.UPSTREAM, 404, ""),
        (NoRoute("no"), Code.UNIMPLEMENTED, StatusSource.GATEWAY, 404, "NO_ROUTE"),
        (UpstreamUnreachable("no"), Code.UNAVAILABLE, StatusSource.GATEWAY, 503, "UPSTREAM_UNREACHABLE"),
        (
            InvalidRequest.of([Violation("a", "is wrong")]),
            Code.INVALID_ARGUMENT,
            StatusSource.GATEWAY,
            400,
            "TRANSCODING_FAILED",
        ),
        (ZeroDivisionError("secret"), Code.INTERNAL, StatusSource.GATEWAY, 500, "INTERNAL"),
    ],
)
async def test_what_goes_wrong_is_settled_and_said(
    error: Exception, code: Code, source: StatusSource, status: int, reason: str
) -> None:
    talk = Talk(REQUEST, Doing(raising(error)))
    await talk.run()
    (finished,) = talk.finished
    assert (finished.code, finished.source, finished.call.reason) == (code, source, reason)
    assert talk.exchange.status == status
    found = json.loads(talk.exchange.body)
    assert found["code"] == code
    assert "secret" not in talk.exchange.body.decode()


async def test_a_policy_that_refuses_is_said_before_anything_is_read() -> None:
    class Secret(GatewayError):
        code = Code.UNAUTHENTICATED
        reason = "CREDENTIALS_MISSING"

    talk = Talk(REQUEST, Doing(raising(AssertionError("not reached"))), admissions=[Refuse(Secret("who are you?"))])
    await talk.run()
    assert talk.exchange.status == 401
    assert talk.exchange.header("www-authenticate") == "Bearer"
    assert [finished.code for finished in talk.finished] == [Code.UNAUTHENTICATED]


async def test_a_route_that_answers_by_itself() -> None:
    talk = Talk(
        REQUEST, Doing(raising(AssertionError("not reached"))), direct=DirectResponse(code=Code.OK, message="hi")
    )
    await talk.run()
    assert (talk.exchange.status, talk.exchange.body) == (200, b"hi")
    assert talk.finished[0].source is StatusSource.GATEWAY


@pytest.mark.parametrize("error", [CallerGoneError("gone"), asyncio.CancelledError()])
async def test_a_caller_who_leaves_ends_the_call_and_is_told_nothing(error: BaseException) -> None:
    talk = Talk(REQUEST, Doing(raising(error)))
    try:
        await talk.run()
    except asyncio.CancelledError:
        assert isinstance(error, asyncio.CancelledError)
    assert [(finished.code, finished.source) for finished in talk.finished] == [(Code.CANCELLED, StatusSource.CALLER)]
    assert not talk.exchange.started


async def test_an_answer_that_has_begun_is_broken_off() -> None:
    async def answer(session: Session) -> None:
        await session.start(200, ())
        raise failing(Code.DATA_LOSS)

    talk = Talk(REQUEST, Doing(answer))
    await talk.run()
    assert talk.exchange.aborted
    assert not talk.exchange.finished


async def test_a_failure_to_say_it_breaks_the_connection() -> None:
    class Clumsy(Doing):
        async def fail(self, session: Session, ending: Ending) -> None:
            raise ZeroDivisionError

    talk = Talk(REQUEST, Clumsy(raising(failing(Code.NOT_FOUND))))
    await talk.run()
    assert talk.exchange.aborted
    assert [finished.code for finished in talk.finished] == [Code.NOT_FOUND]


async def test_a_stream_that_the_gateway_ends_is_a_refusal_and_no_cancellation() -> None:
    async def answer(session: Session) -> None:
        stream = session.open_stream()
        asyncio.get_running_loop().call_soon(stream.end, NoRoute("ended"))
        await asyncio.Event().wait()

    talk = Talk(REQUEST, Doing(answer))
    await talk.run()
    assert talk.exchange.status == 404
    assert talk.upstream.streams[0].closed
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_a_request_that_nobody_takes_is_counted_too() -> None:
    talk = Talk(REQUEST, JsonErrors())
    await talk.session.refuse(JsonErrors(), NoRoute("nobody"))
    assert talk.exchange.status == 404
    assert [finished.call.reason for finished in talk.finished] == ["NO_ROUTE"]
