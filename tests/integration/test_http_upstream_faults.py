"""What may go wrong between callers and plain HTTP backends: deaths, limits, dead addresses, TLS; and redirects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.v1 import endpoint_pb2, health_service_pb2
from tests.support.gateway import Admin
from tests.support.http_backend import WAIT, HttpBackend, RawCaller, Request
from tests.support.plain_http import Place, keep, plain_http, says
from tests.support.rpc import eventually


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(folder: Path) -> AsyncIterator[Place]:
    async with plain_http(folder / "plain-faults") as found:
        yield found


@pytest.fixture
def place(running: Place) -> Place:
    running.backend.lost.clear()
    return running


@pytest_asyncio.fixture(loop_scope="session")
async def admin(place: Place) -> AsyncIterator[Admin]:
    found = Admin(place.gateway.admin)
    yield found
    await found.channel.close()


async def endpoint(admin: Admin, name: str) -> endpoint_pb2.Endpoint:
    """Return an upstream's only endpoint."""
    health = (await admin.health.GetHealth(health_service_pb2.GetHealthRequest(), timeout=20)).health
    upstream = next(upstream for upstream in health.upstreams if upstream.upstream == f"upstreams/{name}")
    (found,) = upstream.endpoints
    assert isinstance(found, endpoint_pb2.Endpoint)
    return found


async def state_of(admin: Admin, name: str) -> tuple[str, str]:
    """Return the state of an upstream's only endpoint, and why."""
    found = await endpoint(admin, name)
    return endpoint_pb2.Endpoint.State.Name(found.state).removeprefix("STATE_"), found.reason


@pytest.mark.parametrize("framing", [b"content-length: 100", b"transfer-encoding: chunked", b"x-until: close"])
async def test_a_backend_that_dies_in_the_body_leaves_an_answer_that_is_not_whole(
    place: Place, framing: bytes, admin: Admin
) -> None:
    failed = (await endpoint(admin, "b")).failed_calls
    passed = asyncio.Event()

    async def answer(request: Request) -> None:
        await request.send(
            b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (framing, b"5\r\nhello\r\n" if b"chunked" in framing else b"hello")
        )
        await passed.wait()
        request.die()
        raise ConnectionResetError

    place.backend.answer = answer
    async with place.caller() as caller:
        got = await caller.ask("GET", "/b/x")
        assert got.status == 200
        passed.set()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await got.body()
    await admin.idle()
    assert (await endpoint(admin, "b")).failed_calls == failed + 1


async def test_a_caller_that_leaves_ends_the_request_at_once(place: Place) -> None:
    async def answer(request: Request) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
        await request.reader.readexactly(1)

    place.backend.answer = answer
    async with place.caller() as caller:
        got = await caller.ask("GET", "/b/x")
        assert await got.chunk() == b"x"
    async with asyncio.timeout(WAIT):
        await place.backend.lost.wait()


async def test_a_caller_that_leaves_before_the_answer_ends_the_request_too(place: Place) -> None:
    begun = asyncio.Event()

    async def answer(request: Request) -> None:
        begun.set()
        await request.reader.readexactly(1)

    place.backend.answer = answer
    async with asyncio.timeout(WAIT):
        async with place.caller() as caller:
            await caller.send(b"GET /b/x HTTP/1.1\r\nhost: gw\r\n\r\n")
            await begun.wait()
        await place.backend.lost.wait()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/slow/x", "the call took longer than the 0.3 s that the route timeout of routes/slow allows"),
        ("/hasty/x", "the call took longer than the 0.3 s that the upstream timeout of upstreams/hasty allows"),
    ],
)
async def test_a_time_limit_before_the_answer_is_a_504_that_says_whose_it_is(
    place: Place, path: str, words: str
) -> None:
    async def answer(request: Request) -> None:
        await request.reader.readexactly(1)

    place.backend.answer = answer
    async with place.caller() as caller:
        got = await caller.ask("GET", path)
        assert got.status == 504
        status = json.loads(await got.body())
        assert (status["code"], status["message"]) == (4, words)
    async with asyncio.timeout(WAIT):
        await place.backend.lost.wait()


@pytest.mark.parametrize("path", ["/idle/x", "/total/x"])
async def test_a_time_limit_within_the_answer_breaks_it_off(place: Place, path: str) -> None:
    async def answer(request: Request) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        if "idle" in path:
            await request.send(b"1\r\nx\r\n")
            await request.reader.readexactly(1)
        while True:
            await request.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.05)

    place.backend.answer = answer
    async with place.caller() as caller:
        got = await caller.ask("GET", path)
        assert got.status == 200
        async with asyncio.timeout(WAIT):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await got.body()


async def test_the_timeout_of_the_route_ends_with_the_head_of_the_answer(place: Place) -> None:
    async def answer(request: Request) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nx")
        await asyncio.sleep(0.5)
        await request.send(b"yyy")

    place.backend.answer = answer
    async with place.caller() as caller:
        assert await (await caller.ask("GET", "/slow/x")).body() == b"xyyy"


async def test_a_body_over_the_limit_of_the_route_is_refused_whether_its_length_was_said_or_not(place: Place) -> None:
    words = "is larger than the 1000 bytes that max_request_message_bytes of routes/small allows"
    seen: list[Request] = []
    place.backend.answer = keep(seen)
    async with place.caller() as caller:
        got = await caller.ask("POST", "/small/x", "content-length: 1001")
        assert got.status == 413
        assert json.loads(await got.body())["message"] == f"a body of 1001 bytes {words}"
    assert not seen
    async with place.caller() as caller:
        await caller.send(b"POST /small/x HTTP/1.1\r\nhost: gw\r\ntransfer-encoding: chunked\r\n\r\n")
        await caller.send(b"3e9\r\n" + b"x" * 1001 + b"\r\n")
        got = await caller.answer()
        assert (got.status, json.loads(await got.body())["message"]) == (413, f"the body {words}")
    async with place.caller() as caller:
        assert (await caller.ask("POST", "/small/x", body=b"x" * 1000)).status == 200


async def test_a_backend_that_does_not_speak_http_is_a_502(place: Place) -> None:
    async def answer(request: Request) -> None:
        await request.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    place.backend.answer = answer
    async with place.caller() as caller:
        got = await caller.ask("GET", "/b/x")
        assert got.status == 502
        assert json.loads(await got.body())["message"] == "upstream upstreams/b did not answer in HTTP/1.1"


async def test_a_backend_that_closes_without_an_answer_is_a_503(place: Place) -> None:
    async def answer(request: Request) -> None:
        request.die()
        raise ConnectionResetError

    place.backend.answer = answer
    async with place.caller() as caller:
        got = await caller.ask("POST", "/b/x", body=b"x")
        assert got.status == 503
        words = json.loads(await got.body())["message"]
        assert words == "upstream upstreams/b closed the connection without an answer"


async def refusal(caller: RawCaller, path: str) -> tuple[int, str]:
    got = await caller.ask("GET", path)
    return got.status, json.loads(await got.body())["message"]


async def test_an_endpoint_that_cannot_be_reached_is_left_out_until_it_can(place: Place, admin: Admin) -> None:
    async def out() -> bool:
        return await state_of(admin, "dead") == ("UNHEALTHY", "cannot be reached: Connection refused")

    await eventually(out, what="an endpoint that is out")
    async with place.caller() as caller:
        assert await refusal(caller, "/dead/x") == (
            503,
            "upstream upstreams/dead is not available: none of its 1 endpoints takes calls",
        )
        async with HttpBackend(port=place.dead_port):

            async def back() -> bool:
                return await state_of(admin, "dead") == ("ACTIVE", "")

            await eventually(back, what="an endpoint that is back")
            got = await caller.ask("GET", "/dead/x")
            assert (got.status, await got.body()) == (200, b"hello")
        # the kept connection is gone with the backend, the next cannot be made
        got = await caller.ask("GET", "/dead/x")
        assert got.status == 503
        await got.body()
        await eventually(out, what="an endpoint that is out again")


async def test_tls_is_verified(place: Place, admin: Admin) -> None:
    seen: list[Request] = []
    place.secure.answer = keep(seen)
    async with place.caller() as caller:
        got = await caller.ask("GET", "/secure/x")
        assert (got.status, await got.body()) == (200, b"ok")
        assert (await refusal(caller, "/mistrusted/x"))[0] == 503
    assert len(seen) == 1
    state, reason = await state_of(admin, "mistrusted")
    assert state == "UNHEALTHY"
    assert reason.startswith("cannot be reached: its certificate is not accepted:")


async def test_a_unix_socket(place: Place) -> None:
    place.local.answer = says(b"from the socket")
    async with place.caller() as caller:
        assert await (await caller.ask("GET", "/local/x")).body() == b"from the socket"


async def test_a_connection_is_used_again(place: Place) -> None:
    place.backend.answer = says(b"x")
    async with place.caller() as caller:
        before = -1
        for _ in range(20):
            await (await caller.ask("POST", "/b/x", body=b"some")).body()
            before = place.backend.connections if before < 0 else before
    assert place.backend.connections == before


@pytest.mark.parametrize(("verb", "expected"), [("GET", 200), ("POST", 503)])
async def test_a_kept_connection_that_is_closed_as_it_is_used(place: Place, verb: str, expected: int) -> None:
    """Once more on a new connection, but never what may not happen twice."""
    place.backend.answer = says(b"x")
    asked = 0

    async def answer(request: Request) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            request.die()
            raise ConnectionResetError
        await request.body()
        await request.reply(b"again")

    async with place.caller() as caller:
        await (await caller.ask("GET", "/b/x")).body()
        place.backend.answer = answer
        got = await caller.ask(verb, "/b/x", body=b"" if verb == "POST" else None)
        assert got.status == expected
    assert asked == (2 if expected == 200 else 1)


async def test_a_redirect_takes_parameters_and_query_along(place: Place) -> None:
    async with place.caller() as caller:
        got = await caller.ask("GET", "/old/a%20b%2Fc%0d%0a?x=1&y=%20")
        assert got.status == 308
        assert got.one("location") == b"https://shop.example.com/new/a%20b%2Fc%0D%0A?x=1&y=%20"


async def test_a_direct_response(place: Place) -> None:
    async with place.caller() as caller:
        assert await refusal(caller, "/gone") == (404, "it is gone")
        got = await caller.ask("GET", "/fine")
        assert (got.status, await got.body()) == (200, b"")
