"""Breakers, limits, outlier detection and retries of a running gateway, before backends that do what the test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2

from gateway.v1 import endpoint_pb2, health_service_pb2
from tests.support.engine import AIO
from tests.support.gateway import Admin, Gateway, route, upstream
from tests.support.rpc import connect, eventually, failure

SERVICE = "resilience.test.Work"
DO = f"/{SERVICE}/Do"
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


class Backend:
    """A server in this process."""

    def __init__(self) -> None:
        self.fails: list[bool] | bool = False
        """Whether calls end with UNAVAILABLE: all, or one after another as long as there are entries."""
        self.pushback = ""
        self.open = asyncio.Event()
        """Calls wait for this."""
        self.open.set()
        self.calls: list[dict[str, Any]] = []
        self.address = ""
        self._server: Any = None

    async def __aenter__(self) -> Backend:
        self._server = grpc.aio.server()
        handler: Any = grpc.unary_unary_rpc_method_handler(self._do)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Do": handler}),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.open.set()
        await self._server.stop(0)

    async def _do(self, request: bytes, context: Any) -> bytes:
        self.calls.append(dict(context.invocation_metadata()))
        await self.open.wait()
        fails = self.fails if isinstance(self.fails, bool) else bool(self.fails and self.fails.pop(0))
        if fails:
            if self.pushback:
                context.set_trailing_metadata((("grpc-retry-pushback-ms", self.pushback),))
            await context.abort(UNAVAILABLE, "broken on purpose")
        return request


class Place:
    """A gateway before some backends."""

    def __init__(self, gateway: Gateway) -> None:
        self.admin = Admin(gateway.admin)
        self.channel = connect(gateway.traffic, own=True)
        self._call = self.channel.unary_unary(DO)

    def call(self, seconds: float = 20.0) -> Any:
        """Begin a call."""
        return self._call(b"hello", timeout=seconds)

    async def health(self) -> health_service_pb2.UpstreamHealth:
        found: Any = await self.admin.health.GetHealth(health_service_pb2.GetHealthRequest(), timeout=20)
        (only,) = found.health.upstreams
        assert isinstance(only, health_service_pb2.UpstreamHealth)
        return only

    async def states(self) -> list[str]:
        """Return the states of the endpoints, by address."""
        return [
            endpoint_pb2.Endpoint.State.Name(one.state).removeprefix("STATE_")
            for one in (await self.health()).endpoints
        ]

    async def active(self) -> int:
        """Return the calls that endpoints have under way."""
        return sum(one.active_calls for one in (await self.health()).endpoints)


@contextlib.asynccontextmanager
async def place(
    folder: Path, *backends: Backend, policy: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Place]:
    policies = [{"name": "policies/it", **policy}] if policy else []
    configuration = {
        "upstreams": [upstream("work", *(one.address for one in backends), reflection={"disabled": True}, **settings)],
        "routes": [route("work", SERVICE, "work", policies=[one["name"] for one in policies])],
        "policies": policies,
    }
    gateway = Gateway("resilience", folder, configuration)
    await asyncio.to_thread(gateway.start)
    made = Place(gateway)
    try:

        async def reached() -> bool:
            return set(await made.states()) == {"ACTIVE"}

        await eventually(reached)
        yield made
    finally:
        await made.channel.close()
        await made.admin.channel.close()
        await asyncio.to_thread(gateway.stop)


def details(error: grpc.aio.AioRpcError) -> tuple[str, float | None]:
    """Return the reason of a refusal of the gateway, and the seconds after which to come again."""
    (packed,) = [value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin"]
    reason, delay = "", None
    for one in status_pb2.Status.FromString(packed).details:
        if one.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            reason = error_details_pb2.ErrorInfo.FromString(one.value).reason
        elif one.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            delay = error_details_pb2.RetryInfo.FromString(one.value).retry_delay.ToNanoseconds() / 1e9
    return reason, delay


async def test_a_circuit_breaker_opens_says_when_to_come_again_and_closes(tmp_path: Path) -> None:
    breaker = {"failure_threshold": 3, "open_duration": "1s"}
    async with Backend() as backend, place(tmp_path, backend, circuit_breaker=breaker) as here:
        backend.fails = True
        for _ in range(3):
            assert (await failure(here.call())).details() == "broken on purpose"
        refused = await failure(here.call())
        assert refused.code() is UNAVAILABLE
        reason, delay = details(refused)
        assert reason == "CIRCUIT_OPEN"
        assert delay is not None
        assert 0.0 < delay <= 1.0
        assert len(backend.calls) == 3, "what is refused does not reach it"
        shown = await here.health()
        assert shown.breaker == health_service_pb2.UpstreamHealth.BREAKER_OPEN
        assert "3 calls in a row failed" in shown.reason

        async def half_open() -> bool:
            return (await here.health()).breaker == health_service_pb2.UpstreamHealth.BREAKER_HALF_OPEN

        await eventually(half_open)
        backend.fails = False
        assert await here.call() == b"hello"
        assert (await here.health()).breaker == health_service_pb2.UpstreamHealth.BREAKER_CLOSED


async def test_a_circuit_breaker_counts_attempts_and_ends_those_of_a_call(tmp_path: Path) -> None:
    breaker = {"failure_threshold": 2, "open_duration": "60s"}
    retry = {"retry": {"max_attempts": 5, "any_method": True, "budget_percent": 100, "initial_backoff": "0.001s"}}
    async with Backend() as backend, place(tmp_path, backend, policy=retry, circuit_breaker=breaker) as here:
        backend.fails = True
        assert (await failure(here.call())).details() == "broken on purpose"
        assert len(backend.calls) == 2, "there is none after the one that opened it"
        assert details(await failure(here.call()))[0] == "CIRCUIT_OPEN"
        assert "2 calls in a row failed" in (await here.health()).reason


async def test_an_outlier_is_set_aside_while_others_serve_and_comes_back(tmp_path: Path) -> None:
    detection = {"consecutive_failures": 3, "base_ejection_duration": "1s"}
    retry = {"retry": {"any_method": True, "budget_percent": 100, "initial_backoff": "0.001s"}}
    async with Backend() as good, Backend() as bad, Backend() as other:
        bad.fails = True
        async with place(tmp_path, good, bad, other, policy=retry, outlier_detection=detection) as here:
            counts: Counter[bytes] = Counter()
            for _ in range(60):
                counts[await here.call()] += 1
            assert counts == {b"hello": 60}, "each was tried again elsewhere"
            assert len(bad.calls) == 3
            assert sorted(await here.states()) == ["ACTIVE", "ACTIVE", "EJECTED"]
            bad.fails = False

            async def back() -> bool:
                return set(await here.states()) == {"ACTIVE"}

            await eventually(back)
            for _ in range(12):
                await here.call()
            assert len(bad.calls) > 3


async def test_calls_over_the_limit_wait_and_more_are_refused(tmp_path: Path) -> None:
    limits = {"max_calls": 2, "max_pending_calls": 2}
    async with Backend() as backend, place(tmp_path, backend, limits=limits) as here:
        backend.open.clear()
        under_way = [here.call(), here.call()]

        async def both() -> bool:
            return len(backend.calls) == 2

        await eventually(both)
        waiting = here.call()
        late = await failure(here.call(0.3))
        assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        leaving = here.call()
        refused: list[grpc.aio.AioRpcError] = []

        async def full() -> bool:
            # the place of the late one is free once the gateway knows that its caller has gone
            error = await failure(here.call(5.0))
            refused.append(error)
            return error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

        await eventually(full)
        assert details(refused[-1])[0] == "CONCURRENCY_LIMITED"
        assert leaving.cancel()
        assert len(backend.calls) == 2, "nobody got through meanwhile"
        backend.open.set()
        for call in (*under_way, waiting):
            assert await call == b"hello"
        assert await here.call() == b"hello"

        async def quiet() -> bool:
            return await here.active() == 0

        await eventually(quiet)


async def test_an_endpoint_gets_no_more_than_it_may(tmp_path: Path) -> None:
    limits = {"max_calls_per_endpoint": 1}
    async with Backend() as one, Backend() as two, place(tmp_path, one, two, limits=limits) as here:
        one.open.clear()
        two.open.clear()
        under_way = [here.call(), here.call()]

        async def both() -> bool:
            return len(one.calls) == len(two.calls) == 1

        await eventually(both)
        error = await failure(here.call())
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "max_calls_per_endpoint" in (error.details() or "")
        one.open.set()
        two.open.set()
        assert await asyncio.gather(*under_way) == [b"hello", b"hello"]


async def test_a_call_is_tried_again_as_the_policy_says(tmp_path: Path) -> None:
    retry = {"retry": {"max_attempts": 3, "any_method": True, "budget_percent": 100, "initial_backoff": "0.001s"}}
    async with Backend() as backend, place(tmp_path, backend, policy=retry) as here:
        backend.fails = [True, True]
        assert await here.call() == b"hello"
        assert len(backend.calls) == 3
        if not AIO:  # grpc's client keeps it to itself
            assert [one.get("grpc-previous-rpc-attempts") for one in backend.calls] == [None, "1", "2"]
        backend.fails = [True, True, True]
        assert (await failure(here.call())).details() == "broken on purpose"
        assert len(backend.calls) == 6
        backend.fails = [True]
        backend.pushback = "-1"
        assert (await failure(here.call())).details() == "broken on purpose"
        assert len(backend.calls) == 7


async def test_without_a_policy_a_method_of_which_nothing_is_known_is_not_tried_again(tmp_path: Path) -> None:
    async with Backend() as backend, place(tmp_path, backend) as here:
        backend.fails = True
        assert (await failure(here.call())).code() is UNAVAILABLE
        assert len(backend.calls) == 1
