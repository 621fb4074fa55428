"""The upstream of the integration tests: the gRPC interop service and one that follows scripts and remembers calls.

python -m tests.support.probe_server --ready-file PATH [--name a] [--port 0] [--no-reflection] [--tls CERT KEY] …
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from probe import probe_pb2, testing_pb2

from tests.support.processes import Process, python
from tests.support.rpc import PROBE_SERVICE, TEST_SERVICE

CODES = {code.value[0]: code for code in grpc.StatusCode}
ECHO_INITIAL = "x-grpc-test-echo-initial"
ECHO_TRAILING = "x-grpc-test-echo-trailing-bin"


class Probe(Process):
    """The process, as tests see it."""

    def __init__(self, name: str, folder: Path, *options: str, port: int = 0) -> None:
        self.options = options
        arguments = python("tests.support.probe_server", "--name", name, "--port", str(port), *options)
        super().__init__(name, arguments, folder)

    @property
    def address(self) -> str:
        """Host and port."""
        return str(self.ready["address"])

    def restart(self) -> None:
        """Start it again on the same port."""
        self.kill()
        port = self.address.rpartition(":")[2]
        self.arguments = python("tests.support.probe_server", "--name", self.name, "--port", port, *self.options)
        self.start()


class Journal:
    """What the server saw of each call that has an id."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.records: dict[str, probe_pb2.CallRecord] = {}
        self.released: dict[str, asyncio.Event] = {}
        self.active = 0
        self._waiting: set[asyncio.Event] = set()

    def changed(self) -> None:
        """Let those who wait look again."""
        for event in self._waiting:
            event.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            while not condition():
                event.clear()
                await event.wait()
        finally:
            self._waiting.discard(event)

    def release(self, call_id: str) -> asyncio.Event:
        """Return the event that lets a call go on."""
        return self.released.setdefault(call_id, asyncio.Event())

    @contextlib.asynccontextmanager
    async def track(self, method: str, context: Any) -> AsyncIterator[probe_pb2.CallRecord]:
        """Write down a call from its begin to its end."""
        record = probe_pb2.CallRecord(server=self.server, method=method, peer=context.peer(), attempts=1)
        for key, value in context.invocation_metadata():
            record.metadata.add(key=key, value=value.encode() if isinstance(value, str) else value)
            if key == "x-call-id":
                record.call_id = value
        if (remaining := context.time_remaining()) is not None:
            record.time_remaining = remaining
        if record.call_id:
            if (earlier := self.records.get(record.call_id)) is not None:
                record.attempts = earlier.attempts + 1
            self.records[record.call_id] = record
        self.active += 1
        self.changed()
        try:
            yield record
        except asyncio.CancelledError:
            # a handler that reads sees a cancelled call end like a half-closed one and may never come here
            record.cancelled = True
            raise
        finally:
            record.ended = True
            self.active -= 1
            self.changed()


class TestService:
    """`grpc.testing.TestService` as interop.md asks."""

    __test__ = False

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def empty_call(self, request: Any, context: Any) -> Any:
        async with self.journal.track("EmptyCall", context):
            await echo_metadata(context)
            return testing_pb2.Empty()

    async def unary_call(self, request: Any, context: Any) -> Any:
        async with self.journal.track("UnaryCall", context):
            compress(context, request.response_compressed.value)
            await echo_metadata(context)
            await check_type(request, context)
            if request.HasField("response_status") and request.response_status.code:
                await context.abort(CODES[request.response_status.code], request.response_status.message)
            return testing_pb2.SimpleResponse(payload=payload(request.response_size))

    async def streaming_output_call(self, request: Any, context: Any) -> None:
        async with self.journal.track("StreamingOutputCall", context) as record:
            await echo_metadata(context)
            await self._answer(request, context, record)

    async def streaming_input_call(self, requests: Any, context: Any) -> Any:
        async with self.journal.track("StreamingInputCall", context) as record:
            await echo_metadata(context)
            total = 0
            async for request in requests:
                total += len(request.payload.body)
                record.received += 1
                self.journal.changed()
            record.half_closed = True
            return testing_pb2.StreamingInputCallResponse(aggregated_payload_size=total)

    async def full_duplex_call(self, requests: Any, context: Any) -> None:
        async with self.journal.track("FullDuplexCall", context) as record:
            await echo_metadata(context)
            async for request in requests:
                record.received += 1
                self.journal.changed()
                await self._answer(request, context, record)
            record.half_closed = True

    async def half_duplex_call(self, requests: Any, context: Any) -> None:
        async with self.journal.track("HalfDuplexCall", context) as record:
            await echo_metadata(context)
            kept = [request async for request in requests]
            record.half_closed = True
            for request in kept:
                await self._answer(request, context, record)

    async def _answer(self, request: Any, context: Any, record: probe_pb2.CallRecord) -> None:
        if request.HasField("response_status") and request.response_status.code:
            await context.abort(CODES[request.response_status.code], request.response_status.message)
        await check_type(request, context)
        for parameters in request.response_parameters:
            if parameters.interval_us:
                await asyncio.sleep(parameters.interval_us / 1e6)
            await context.write(testing_pb2.StreamingOutputCallResponse(payload=payload(parameters.size)))
            record.sent += 1
            self.journal.changed()


def payload(size: int) -> testing_pb2.Payload:
    """Return a payload of zero bytes."""
    return testing_pb2.Payload(type=testing_pb2.COMPRESSABLE, body=bytes(size))


def compress(context: Any, wanted: bool) -> None:
    """Compress what follows or not."""
    context.set_compression(grpc.Compression.Gzip if wanted else grpc.Compression.NoCompression)


async def check_type(request: Any, context: Any) -> None:
    """Refuse a payload type that is not known."""
    if request.response_type != testing_pb2.COMPRESSABLE:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"unknown payload type {request.response_type}")


async def echo_metadata(context: Any) -> None:
    """Send the two keys of the interop tests back."""
    initial: list[tuple[str, Any]] = []
    trailing: list[tuple[str, Any]] = []
    for key, value in context.invocation_metadata():
        if key == ECHO_INITIAL:
            initial.append((key, value))
        elif key == ECHO_TRAILING:
            trailing.append((key, value))
    if trailing:
        context.set_trailing_metadata(tuple(trailing))
    if initial:
        await context.send_initial_metadata(tuple(initial))


class ProbeService:
    """`probe.v1.ProbeService`."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def inspect(self, request: Any, context: Any) -> Any:
        async with self.journal.track("Inspect", context) as record:
            copy = probe_pb2.CallRecord()
            copy.CopyFrom(record)
            return copy

    async def run_unary(self, request: Any, context: Any) -> Any:
        return await self._run("RunUnary", context, request)

    async def run_server_stream(self, request: Any, context: Any) -> None:
        await self._run("RunServerStream", context, request)

    async def run_client_stream(self, requests: Any, context: Any) -> Any:
        return await self._run("RunClientStream", context)

    async def run_bidi(self, requests: Any, context: Any) -> None:
        await self._run("RunBidi", context)

    async def _run(self, method: str, context: Any, last: Any = None) -> Any:
        program = probe_pb2.Script()
        for key, value in context.invocation_metadata():
            if key == "x-script-bin":
                program.MergeFromString(value)
        async with self.journal.track(method, context) as record:
            if last is not None:
                record.received = 1
            if program.trailing:
                context.set_trailing_metadata(metadata(program.trailing))
            for step in program.steps:
                last = await self._step(step, context, record, last)
            return last or probe_pb2.Blob()

    async def _step(self, step: Any, context: Any, record: probe_pb2.CallRecord, last: Any) -> Any:
        match step.WhichOneof("kind"):
            case "headers":
                await context.send_initial_metadata(metadata(step.headers.entries))
            case "send":
                for number in range(step.send.count):
                    await context.write(probe_pb2.Blob(number=number, data=bytes(step.send.size)))
                    record.sent += 1
                    self.journal.changed()
            case "read" | "echo" as kind:
                count = 0
                while not step.read or count < step.read:
                    message = await context.read()
                    if message is grpc.aio.EOF:
                        record.half_closed = True
                        self.journal.changed()
                        break
                    last = message
                    count += 1
                    record.received += 1
                    if kind == "echo":
                        await context.write(message)
                        record.sent += 1
                    self.journal.changed()
            case "sleep_ms":
                await asyncio.sleep(step.sleep_ms / 1000)
            case "wait":
                event = self.journal.release(record.call_id)
                await event.wait()
                event.clear()
            case "finish":
                if step.finish.code:
                    await context.abort(CODES[step.finish.code], step.finish.message)
                context.set_details(step.finish.message)
            case "hang":
                await asyncio.Event().wait()
        return last

    async def wait_for(self, request: Any, context: Any) -> Any:
        records = self.journal.records

        def seen() -> bool:
            record = records.get(request.call_id)
            return record is not None and (
                record.received >= request.received
                and record.sent >= request.sent
                and record.half_closed >= request.half_closed
                and record.ended >= request.ended
                and record.cancelled >= request.cancelled
            )

        await self.journal.until(seen)
        return records[request.call_id]

    async def release(self, request: Any, context: Any) -> Any:
        self.journal.release(request.call_id).set()
        return probe_pb2.ReleaseResponse()

    async def count(self, request: Any, context: Any) -> Any:
        if request.HasField("at_most"):
            await self.journal.until(lambda: self.journal.active <= request.at_most)
        return probe_pb2.ActiveResponse(calls=self.journal.active)


def metadata(found: Any) -> tuple[tuple[str, str | bytes], ...]:
    """Return entries as metadata."""
    return tuple((e.key, e.value if e.key.endswith("-bin") else e.value.decode()) for e in found)


def handlers(service: ServiceDescriptor, methods: dict[str, Callable[..., Awaitable[Any]]]) -> grpc.GenericRpcHandler:
    """Return the handlers of a service; what is missing is answered with UNIMPLEMENTED."""
    found: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for name, behaviour in methods.items():
        method = service.methods_by_name[name]
        sides = ("stream" if method.client_streaming else "unary", "stream" if method.server_streaming else "unary")
        make = getattr(grpc, "_".join(sides) + "_rpc_method_handler")
        found[name] = make(
            behaviour,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(service.full_name, found)


def make_server(arguments: argparse.Namespace) -> grpc.aio.Server:
    """Return the server with its services, not started."""
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", 256 * 1024),
        ("grpc.absolute_max_metadata_size", 512 * 1024),
        # it refuses calls at random when more than 1,000 wait for Python
        ("grpc.server.max_pending_requests", 100_000),
        ("grpc.server.max_pending_requests_hard_limit", 100_000),
        # a second server must not share the port silently
        ("grpc.so_reuseport", 0),
    ]
    if arguments.max_streams:
        # without the second one the server refuses streams that a client opens while others are about to end
        options += [("grpc.max_concurrent_streams", arguments.max_streams), ("grpc.http.overload_protection", 0)]
    if arguments.max_age_ms:
        options += [("grpc.max_connection_age_ms", arguments.max_age_ms)]
        options += [("grpc.max_connection_age_grace_ms", 10_000)]
    server = grpc.aio.server(options=options)
    journal = Journal(arguments.name)
    names = []
    if "testing" in arguments.services:
        tests = TestService(journal)
        names.append(TEST_SERVICE.full_name)
        methods: dict[str, Callable[..., Awaitable[Any]]] = {
            "EmptyCall": tests.empty_call,
            "UnaryCall": tests.unary_call,
            "StreamingOutputCall": tests.streaming_output_call,
            "StreamingInputCall": tests.streaming_input_call,
            "FullDuplexCall": tests.full_duplex_call,
            "HalfDuplexCall": tests.half_duplex_call,
        }
        server.add_generic_rpc_handlers((handlers(TEST_SERVICE, methods),))
    if "probe" in arguments.services:
        probe = ProbeService(journal)
        names.append(PROBE_SERVICE.full_name)
        methods = {
            "Inspect": probe.inspect,
            "RunUnary": probe.run_unary,
            "RunServerStream": probe.run_server_stream,
            "RunClientStream": probe.run_client_stream,
            "RunBidi": probe.run_bidi,
            "Await": probe.wait_for,
            "Release": probe.release,
            "Active": probe.count,
        }
        server.add_generic_rpc_handlers((handlers(PROBE_SERVICE, methods),))
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    names.append(health.SERVICE_NAME)
    if not arguments.no_reflection:
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
    return server


def announce(ready: Path, facts: dict[str, Any]) -> None:
    """Write the ready file as a whole or not at all."""
    unfinished = ready.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(facts))
    unfinished.rename(ready)


def credentials(cert: str, key: str) -> grpc.ServerCredentials:
    """Return what PEM files hold."""
    return grpc.ssl_server_credentials([(Path(key).read_bytes(), Path(cert).read_bytes())])


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until a signal."""
    server = make_server(arguments)
    address = f"{arguments.host}:{arguments.port}"
    if arguments.tls:
        port = server.add_secure_port(address, credentials(*arguments.tls))
    else:
        port = server.add_insecure_port(address)
    await server.start()
    announce(Path(arguments.ready_file), {"pid": os.getpid(), "address": f"{arguments.host}:{port}"})
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop(0)


def main() -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ready-file", required=True)
    parser.add_argument("--name", default="probe")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--services", default="testing,probe")
    parser.add_argument("--no-reflection", action="store_true")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--max-streams", type=int, default=0)
    parser.add_argument("--max-age-ms", type=int, default=0)
    asyncio.run(serve(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
