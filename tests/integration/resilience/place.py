"""A gateway with a route for each policy, before two backends that end calls as the test says."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
from google.protobuf import descriptor_pb2

from edge.proxy.quirks import final_status
from gateway.v1 import health_service_pb2
from tests.support.gateway import Admin, Gateway, descriptor, route, upstream
from tests.support.rpc import connect, eventually

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

QUICK = {"max_attempts": 3, "initial_backoff": "0.001s", "max_backoff": "0.001s", "budget_percent": 100}
POLICIES: dict[str, dict[str, Any]] = {
    "quick": {"retry": QUICK},
    "any": {"retry": {**QUICK, "any_method": True}},
    "small": {"retry": {**QUICK, "buffer_bytes": 1000}},
    "pause": {"retry": {**QUICK, "initial_backoff": "1s", "max_backoff": "1s"}},
    "long": {"retry": {**QUICK, "initial_backoff": "40s", "max_backoff": "40s"}},
    "pertry": {"retry": {**QUICK, "per_try_timeout": "0.3s", "max_attempts": 2}},
    "hedge": {"hedge": {"delay": "0.1s", "max_attempts": 3}},
}
"""The policies, by the name of their route; `plain` has none."""


def service(name: str) -> str:
    """Return the service of a route. Its methods are those of `SHAPES`, and `Other`, which is not idempotent."""
    return f"resilience.{name}.Work"


def schema(name: str) -> descriptor_pb2.FileDescriptorProto:
    """Return the file of the service of a route."""
    found = descriptor(service(name))
    for method in found.service[0].method:
        method.options.idempotency_level = descriptor_pb2.MethodOptions.IDEMPOTENT
    blob = found.service[0].method[0].input_type
    found.service[0].method.add(name="Other", input_type=blob, output_type=blob)
    return found


def blob(data: bytes) -> bytes:
    """Return a message."""
    head, size = b"\x0a", len(data)
    while size > 127:
        head, size = head + bytes((size & 127 | 128,)), size >> 7
    return head + bytes((size,)) + data


@dataclass
class Attempt:
    """What a backend has seen of an attempt."""

    backend: str
    metadata: dict[str, Any]
    messages: list[bytes] = field(default_factory=list)
    cancelled: bool = False


class Script:
    """What becomes of each attempt, whichever backend it comes to: one word after another, then `ok`.

    `fail` (a status and nothing else), `read` (that, after the whole request), `head` (that, after initial metadata),
    `one` (that, after a message), `slow` (no answer), `aborted`, or `pushback:TEXT`.
    """

    def __init__(self) -> None:
        self.ways: list[str] = []
        self.attempts: list[Attempt] = []

    def begin(self, ways: str) -> None:
        """Forget what was, and say what becomes of the next attempts."""
        self.ways = [way for way in ways.split(",") if way]
        self.attempts = []

    async def count(self, number: int) -> None:
        """Wait for this number of attempts."""

        async def there() -> bool:
            return len(self.attempts) >= number

        await eventually(there, what=f"{number} attempts")

    def at(self, address: str) -> grpc.GenericRpcHandler:
        """Return the handler of a backend."""
        return _At(self, address)

    async def play(
        self, address: str, method: str, requests: AsyncIterator[bytes], context: Any
    ) -> AsyncIterator[bytes]:
        """Make what is next in the script of an attempt."""
        attempt = Attempt(address, dict(context.invocation_metadata()))
        self.attempts.append(attempt)
        way = self.ways.pop(0) if self.ways else "ok"
        try:
            if way in ("fail", "aborted", "slow", "head", "one") or way.startswith("pushback:"):
                if way == "slow":
                    await asyncio.sleep(60)
                if way == "head":
                    await context.send_initial_metadata((("x-head", "1"),))
                if way == "one":
                    yield blob(b"first")
                await self._abort(way, context)
            async for request in requests:
                attempt.messages.append(request)
                if method == "Bidi" and way == "ok":
                    yield request
            if way == "read":
                await self._abort(way, context)
            if method == "ServerStream":
                for _ in range(3):
                    yield attempt.messages[0]
            elif method != "Bidi":
                yield attempt.messages[-1]
        except asyncio.CancelledError:
            attempt.cancelled = True
            raise

    async def _abort(self, way: str, context: Any) -> None:
        _, _, pushback = way.partition(":")
        trailing = (("grpc-retry-pushback-ms", pushback),) if pushback else ()
        code = grpc.StatusCode.ABORTED if way == "aborted" else UNAVAILABLE
        await context.abort(code, f"attempt {len(self.attempts)}", trailing)


class _At(grpc.GenericRpcHandler):
    def __init__(self, script: Script, address: str) -> None:
        self._script = script
        self._address = address

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method.rpartition("/")[2]

        async def play(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            async for message in self._script.play(self._address, method, requests, context):
                yield message

        return grpc.stream_stream_rpc_method_handler(play)


@dataclass
class Outcome:
    """What a caller got, whatever it speaks."""

    code: grpc.StatusCode
    message: str = ""
    messages: list[bytes] = field(default_factory=list)


class Place:
    """The gateway, its callers and the script of its backends."""

    def __init__(self, gateway: Gateway, script: Script, http: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.script = script
        self.servers: list[Any] = []
        """The backends."""
        self.addresses: list[str] = []
        """Where they are."""
        self.admin = Admin(gateway.admin)
        self.channel = connect(gateway.traffic, own=True)
        self._http = http

    def call(self, name: str, method: str, *messages: bytes, seconds: float = 20.0) -> Any:
        """Begin a native call of any shape on a route."""
        sides = "unary_unary" if method in ("Unary", "Other") else "stream_stream"
        if sides == "unary_unary":
            return self.channel.unary_unary(f"/{service(name)}/{method}")(messages[0], timeout=seconds)
        return self.channel.stream_stream(f"/{service(name)}/{method}")(iter(messages), timeout=seconds)

    async def grpc(self, name: str, method: str, *messages: bytes, seconds: float = 20.0) -> Outcome:
        """Make a native call."""
        call = self.call(name, method, *messages, seconds=seconds)
        found: list[bytes] = []
        with contextlib.suppress(grpc.aio.AioRpcError):
            if method in ("Unary", "Other"):
                found.append(await call)
            else:
                while (message := await call.read()) is not grpc.aio.EOF:
                    found.append(message)
        # grpc's client may say INTERNAL for a moment when the answer comes before the request has gone
        error = await final_status(call)
        if error is None:
            return Outcome(grpc.StatusCode.OK, "", found)
        return Outcome(error.code(), error.details() or "", found)

    async def rest(self, name: str, method: str, *messages: bytes, seconds: float = 20.0) -> Outcome:
        """Make the same call by REST: a POST to the path of the method."""
        data = base64.b64encode(messages[0].removeprefix(blob(b"")[:1])[1:]).decode()
        async with self._http.post(
            f"/{service(name)}/{method}", json={"data": data}, headers={"accept": "application/x-ndjson"}
        ) as answer:
            lines = [json.loads(line) for line in (await answer.read()).splitlines() if line.strip()]
        ending = lines.pop() if lines and ("code" in lines[-1] or "error" in lines[-1]) else {}
        ending = ending.get("error", ending)
        code = next(one for one in grpc.StatusCode if one.value[0] == ending.get("code", 0))
        found = [blob(base64.b64decode(line.get("result", line)["data"])) for line in lines]
        return Outcome(code, ending.get("message", ""), found)

    async def reload(self, *names: str) -> None:
        """Have nothing but the routes of these names, and their upstreams; wait until that is in force."""
        gone = {"plain", *POLICIES} - set(names)
        self.gateway.write(configuration(list(names), *self.addresses))
        self.gateway.send_signal(signal.SIGHUP)

        async def taken() -> bool:
            health: Any = await self.admin.health.GetHealth(health_service_pb2.GetHealthRequest(), timeout=20)
            return not {f"upstreams/{name}" for name in gone} & {one.upstream for one in health.health.upstreams}

        await eventually(taken, what="the new configuration")

    async def under_way(self) -> tuple[int, int]:
        """Return the calls under way at the gateway, and at its endpoints."""
        health: Any = await self.admin.health.GetHealth(health_service_pb2.GetHealthRequest(), timeout=20)
        active = sum(one.active_calls for upstream in health.health.upstreams for one in upstream.endpoints)
        return (await self.admin.info()).active_calls, active

    async def quiet(self) -> None:
        """Wait until no call and no lease is left, at the gateway and its endpoints."""

        async def nothing() -> bool:
            return await self.under_way() == (0, 0)

        await eventually(nothing, what="nothing under way")

    async def paused(self) -> None:
        """Wait until the only call waits for its next attempt."""

        async def waits() -> bool:
            return bool(self.script.attempts) and await self.under_way() == (1, 0)

        await eventually(waits, what="a call between two attempts")


@contextlib.asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    """Run a gateway before two backends."""
    script = Script()
    servers = []
    addresses = []
    for _ in range(2):
        server = grpc.aio.server()
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.add_generic_rpc_handlers((script.at(address),))
        await server.start()
        servers.append(server)
        addresses.append(address)
    names = ["plain", *POLICIES]
    gateway = Gateway("resilience", folder, configuration(names, *addresses))
    await asyncio.to_thread(gateway.start)
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(f"http://{gateway.http}", timeout=timeout) as http:
        made = Place(gateway, script, http)
        made.servers, made.addresses = servers, addresses
        try:
            await made.admin.knows(*(service(name) for name in names))
            yield made
        finally:
            await made.channel.close()
            await made.admin.channel.close()
            await asyncio.to_thread(gateway.stop)
            for server in servers:
                await server.stop(0)
            servers.clear()  # one that is collected after the loop has ended complains


def configuration(names: list[str], *addresses: str) -> dict[str, Any]:
    """Return a configuration with these routes, each with an upstream and a schema of its own."""

    def files(name: str) -> str:
        return base64.b64encode(descriptor_pb2.FileDescriptorSet(file=[schema(name)]).SerializeToString()).decode()

    return {
        "schemas": [{"name": f"schemas/{name}", "file_descriptor_set": files(name)} for name in names],
        "upstreams": [upstream(name, *addresses, schema=f"schemas/{name}") for name in names],
        "routes": [
            route(
                name,
                service(name),
                name,
                transcoding={"rpc_paths": True},
                policies=[f"policies/{name}"] if name in POLICIES else [],
            )
            for name in names
        ],
        "policies": [{"name": f"policies/{name}", **POLICIES[name]} for name in names if name in POLICIES],
    }
