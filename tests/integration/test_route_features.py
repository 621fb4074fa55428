"""What a route does besides forwarding: time and size limits, headers, its own answers, compression. And SIGHUP."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio

from tests.integration.conftest import learn
from tests.support.gateway import Admin, Gateway, route, upstream
from tests.support.probe_server import Probe
from tests.support.raw_peer import RawClient, unframe
from tests.support.rpc import (
    PROBE_SERVICE,
    Stub,
    blob,
    call_id,
    connect,
    echo,
    error_info,
    eventually,
    failure,
    finish,
    hang,
    headers,
    raw_script,
    recorded,
    script,
    send,
    sleep,
    values,
)

NAME = PROBE_SERVICE.full_name
COMPRESSED_FROM = 1000


def by_header(name: str, **more: Any) -> dict[str, Any]:
    """Return a route for calls with `x-route: NAME`."""
    made = route(name, NAME, "probe", **more)
    made["matches"][0]["headers"] = [{"name": "x-route", "exact": name}]
    if {"direct_response", "redirect"} & more.keys():
        del made["forward"]
    return made


def configuration(address: str) -> dict[str, Any]:
    change = {"remove": ["x-gone"], "set": {"x-set": "new"}, "append": {"x-more": "last"}}
    return {
        "server": {"response_compression": {"level": "LOW", "min_message_bytes": COMPRESSED_FROM}},
        "upstreams": [upstream("probe", address)],
        "policies": [
            {"name": "policies/headers", "header": {"request": change, "response": {"set": {"x-answer": "ours"}}}}
        ],
        "routes": [
            route("plain", NAME, "probe"),
            by_header("slow", timeout="0.2s", stream_timeout="0.3s"),
            by_header("quiet", stream_idle_timeout="0.2s"),
            by_header("small", max_request_message_bytes=100, max_response_message_bytes=200),
            by_header("closed", direct_response={"code": 7, "message": "closed for the day"}),
            by_header("fine", direct_response={"code": 0}),
            by_header("headers", policies=["policies/headers"]),
        ],
    }


@pytest.fixture(scope="module")
def featured(tmp_path_factory: pytest.TempPathFactory, probes: tuple[Probe, Probe]) -> Iterator[Gateway]:
    with Gateway("featured", tmp_path_factory.mktemp("features"), configuration(probes[0].address)) as gateway:
        learn(gateway.admin, NAME)
        yield gateway


@pytest_asyncio.fixture(loop_scope="session")
async def probe(featured: Gateway) -> AsyncIterator[Stub]:
    async with connect(featured.traffic) as channel:
        yield Stub(channel, PROBE_SERVICE)


def to(name: str, *steps: Any, also: Any = ()) -> Any:
    return script(*steps, also=[("x-route", name), *also])


async def test_a_unary_call_ends_at_the_routes_timeout(probe: Stub) -> None:
    error = await failure(probe.RunUnary(blob(), metadata=to("slow", hang()), timeout=20))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    info = error_info(error)
    assert (info.reason, dict(info.metadata)) == ("DEADLINE", {"deadline": "route"})
    assert error.details() == "the call took longer than the 0.2 s that the route timeout of routes/slow allows"


async def test_the_callers_deadline_wins_when_it_is_sooner(probe: Stub) -> None:
    error = await failure(probe.RunUnary(blob(), metadata=to("slow", hang()), timeout=0.05))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_stream_ends_at_its_own_timeout(probe: Stub) -> None:
    stream = probe.RunServerStream(blob(), metadata=to("slow", send(2), hang()), timeout=20)
    assert [(await stream.read()).number for _ in range(2)] == [0, 1]
    error = await failure(stream.read())
    assert error_info(error).reason == "DEADLINE"
    assert "0.3 s that the route timeout of routes/slow allows" in (error.details() or "")


async def test_a_quiet_stream_ends_and_a_busy_one_goes_on(probe: Stub) -> None:
    busy = probe.RunBidi(metadata=to("quiet", echo()), timeout=20)
    for number in range(5):
        await asyncio.sleep(0.1)
        await busy.write(blob(number))
        assert (await busy.read()).number == number
    error = await failure(busy.read())
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert dict(error_info(error).metadata) == {"deadline": "stream idle"}
    assert error.details() == "no message for the 0.2 s that the stream idle timeout of routes/quiet allows"


@pytest.mark.parametrize(
    ("kind", "request_size", "response_size", "limit"),
    [
        ("RunUnary", 50, 50, ""),
        ("RunUnary", 101, 101, "max_request_message_bytes of routes/small"),
        ("RunServerStream", 50, 150, ""),
        ("RunServerStream", 101, 0, "max_request_message_bytes of routes/small"),
        ("RunServerStream", 0, 201, "max_response_message_bytes of routes/small"),
    ],
)
async def test_a_route_has_its_own_size_limits(
    probe: Stub, kind: str, request_size: int, response_size: int, limit: str
) -> None:
    steps = [] if kind == "RunUnary" else [send(1, response_size)]  # a unary call answers with what it was sent
    call = getattr(probe, kind)(blob(size=request_size), metadata=to("small", *steps), timeout=20)
    answer = call if kind == "RunUnary" else call.read()
    if not limit:
        assert len((await answer).data) == response_size
        return
    error = await failure(answer)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    info = error_info(error)
    assert (info.reason, info.metadata["limit"]) == ("MESSAGE_TOO_LARGE", limit)


@pytest.mark.parametrize("kind", ["RunUnary", "RunServerStream"])
async def test_a_route_answers_by_itself(probe: Stub, kind: str) -> None:
    closed = getattr(probe, kind)(blob(), metadata=to("closed"), timeout=20)
    error = await failure(closed if kind == "RunUnary" else closed.read())
    assert (error.code(), error.details()) == (grpc.StatusCode.PERMISSION_DENIED, "closed for the day")
    assert dict(error_info(error).metadata) == {"route": "routes/closed"}
    fine = getattr(probe, kind)(blob(), metadata=to("fine"), timeout=20)
    assert await (fine if kind == "RunUnary" else fine.read()) == blob()
    assert await fine.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("kind", ["RunUnary", "RunServerStream"])
async def test_a_policy_changes_headers_both_ways(probe: Stub, probes: tuple[Probe, Probe], kind: str) -> None:
    this = call_id()
    also = [("x-gone", "1"), ("x-set", "old"), ("x-more", "first"), ("x-kept", "1")]
    steps = [headers([("x-theirs", "1")]), *([] if kind == "RunUnary" else [send(1)])]
    metadata = [*script(*steps, call=this), ("x-route", "headers"), *also]
    call = getattr(probe, kind)(blob(), metadata=metadata, timeout=20)
    await (call if kind == "RunUnary" else call.read())
    initial = await call.initial_metadata()
    assert (values(initial, "x-answer"), values(initial, "x-theirs")) == (["ours"], ["1"])
    async with connect(probes[0].address) as direct:
        from probe import probe_pb2

        seen = await Stub(direct, PROBE_SERVICE).Await(probe_pb2.AwaitRequest(call_id=this), timeout=10)
    got = {name: recorded(seen, name) for name in ("x-gone", "x-set", "x-more", "x-kept")}
    assert got == {"x-gone": [], "x-set": [b"new"], "x-more": [b"first", b"last"], "x-kept": [b"1"]}


@pytest.mark.parametrize(
    ("accepts", "size", "compressed"), [("identity,gzip", 5000, 1), ("identity,gzip", 100, 0), ("identity", 5000, 0)]
)
@pytest.mark.parametrize("kind", ["RunUnary", "RunServerStream"])
async def test_answers_are_compressed_for_whom_accepts_it_and_from_a_size_on(
    featured: Gateway, kind: str, accepts: str, size: int, compressed: int
) -> None:
    async with RawClient(featured.traffic) as client:
        steps = [] if kind == "RunUnary" else [send(1, size)]  # a unary call answers with what it was sent
        metadata = [*raw_script(*steps), ("grpc-accept-encoding", accepts)]
        sent = blob(size=size if kind == "RunUnary" else 0).SerializeToString()
        stream = await client.call(f"/{NAME}/{kind}", sent, metadata=metadata)
    assert stream.grpc_status == 0
    ((flag, message),) = unframe(bytes(stream.data))
    assert flag == compressed
    assert (len(message) < size) == bool(compressed)


async def test_callers_that_leave_while_they_are_answered_are_accounted_for(featured: Gateway, probe: Stub) -> None:
    """By their cancel in any moment: answers of the gateway, errors with metadata, streams in full flow."""
    api = Admin(featured.admin)
    limit = asyncio.Semaphore(40)

    async def leave(number: int) -> None:
        refusal = [headers([("x-a", "1")]), finish(grpc.StatusCode.NOT_FOUND, "no")]
        async with limit:
            calls = (
                lambda: probe.RunServerStream(blob(), metadata=to("fine"), timeout=20),
                lambda: probe.RunUnary(blob(), metadata=script(*refusal), timeout=20),
                lambda: probe.RunServerStream(blob(), metadata=script(send(1000, 100)), timeout=20),
            )
            call = calls[number % 3]()
            await asyncio.sleep(number % 20 / 2000)
            call.cancel()

    await asyncio.gather(*(leave(number) for number in range(900)))
    await api.idle()
    assert "Traceback" not in featured.output()
    await api.channel.close()


@pytest.mark.parametrize("name", ["quiet", "slow"])
async def test_a_caller_that_does_not_read_holds_nothing_beyond_the_limits(
    featured: Gateway, probe: Stub, name: str
) -> None:
    api = Admin(featured.admin)
    stream = probe.RunServerStream(blob(), metadata=to(name, send(2000, 100_000)), timeout=60)
    await stream.read()
    await api.idle()  # while the caller is still there and reads nothing
    stream.cancel()
    await api.channel.close()


async def test_sighup_reads_the_file_again_and_a_broken_one_changes_nothing(
    tmp_path: Path, probes: tuple[Probe, Probe]
) -> None:
    address = probes[0].address
    with Gateway("reloaded", tmp_path, {"upstreams": [upstream("probe", address)]}) as gateway:
        api = Admin(gateway.admin)
        async with connect(gateway.traffic) as channel:
            stub = Stub(channel, PROBE_SERVICE)
            assert (await failure(stub.RunUnary(blob(), timeout=10))).code() is grpc.StatusCode.UNIMPLEMENTED

            gateway.write({"upstreams": [upstream("probe", address)], "routes": [route("probe", NAME, "probe")]})
            gateway.popen.send_signal(signal.SIGHUP)

            async def revision(number: int) -> bool:
                return (await api.info()).config_revision == number

            await eventually(lambda: revision(2))
            slow = stub.RunUnary(blob(7), metadata=script(sleep(0.3)), timeout=10)

            gateway.write({"upstreams": [], "routes": [route("probe", NAME, "probe")]})
            gateway.popen.send_signal(signal.SIGHUP)

            async def refused() -> bool:
                return bool((await api.info()).config_error.message)

            await eventually(refused)
            message = (await api.info()).config_error.message
            assert "reloaded.yaml:" in message
            assert "upstreams/probe" in message
            assert (await slow).number == 7
            assert (await stub.RunUnary(blob(8), timeout=10)).number == 8
        await api.channel.close()
