"""The scripted upstream of `tests.support.probe_server` once more, on grpclib: HTTP/2 by the package h2.

python -m tests.integration.peers.grpclib_server --ready-file PATH [--name a] [--port 0]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import grpclib.const
import grpclib.exceptions
import grpclib.server
from google.protobuf import symbol_database
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpclib.encoding.proto import ProtoStatusDetailsCodec
from probe import probe_pb2

from tests.support.probe_server import Journal, announce, metadata
from tests.support.rpc import PROBE_SERVICE

Stream = grpclib.server.Stream[Any, Any]

DETAILS = "grpc-status-details-bin"


class Service:
    """The methods of `probe.v1.ProbeService` that calls through a gateway and their tests use."""

    def __init__(self, name: str) -> None:
        self.journal = Journal(name)

    def __mapping__(self) -> Mapping[str, grpclib.const.Handler]:
        """Return the handlers by path, as grpclib asks for them."""
        behaviours: dict[str, Callable[[Stream], Awaitable[None]]] = {
            "Inspect": self.inspect,
            "Await": self.wait_for,
            "Release": self.release,
        }
        for name in ("RunUnary", "RunServerStream", "RunClientStream", "RunBidi"):
            behaviours[name] = partial(self.run, PROBE_SERVICE.methods_by_name[name])
        kinds = {(kind.value.client_streaming, kind.value.server_streaming): kind for kind in grpclib.const.Cardinality}
        return {
            f"/{PROBE_SERVICE.full_name}/{name}": grpclib.const.Handler(
                behaviour,
                kinds[method.client_streaming, method.server_streaming],
                GetMessageClass(method.input_type),
                GetMessageClass(method.output_type),
            )
            for name, behaviour in behaviours.items()
            for method in (PROBE_SERVICE.methods_by_name[name],)
        }

    def _begin(self, stream: Stream) -> probe_pb2.CallRecord:
        record = probe_pb2.CallRecord(server=self.journal.server, attempts=1)
        assert stream.metadata is not None
        for key, value in stream.metadata.items():
            record.metadata.add(key=key, value=value.encode() if isinstance(value, str) else value)
            if key == "x-call-id":
                record.call_id = str(value)
        if stream.deadline is not None:
            record.time_remaining = stream.deadline.time_remaining()
        if record.call_id:
            self.journal.records[record.call_id] = record
        return record

    async def inspect(self, stream: Stream) -> None:
        await stream.recv_message()
        await stream.send_message(self._begin(stream))

    async def run(self, method: MethodDescriptor, stream: Stream) -> None:
        """Follow the script of a call."""
        record = self._begin(stream)
        self.journal.changed()
        try:
            await _Run(method, stream, record, self.journal).follow()
        except asyncio.CancelledError:
            record.cancelled = True
            raise
        finally:
            record.ended = True
            self.journal.changed()

    async def wait_for(self, stream: Stream) -> None:
        request = await stream.recv_message()
        assert request is not None
        records = self.journal.records

        def seen() -> bool:
            record = records.get(request.call_id)
            return record is not None and all(
                getattr(record, name) >= getattr(request, name)
                for name in ("received", "sent", "half_closed", "ended", "cancelled")
            )

        await self.journal.until(seen)
        await stream.send_message(records[request.call_id])

    async def release(self, stream: Stream) -> None:
        request = await stream.recv_message()
        assert request is not None
        self.journal.release(request.call_id).set()
        await stream.send_message(probe_pb2.ReleaseResponse())


class _Run:
    """One call that follows its script."""

    def __init__(
        self, method: MethodDescriptor, stream: Stream, record: probe_pb2.CallRecord, journal: Journal
    ) -> None:
        self.method = method
        self.stream = stream
        self.record = record
        self.journal = journal
        self.last: probe_pb2.Blob | None = None
        program = stream.metadata.get("x-script-bin", b"") if stream.metadata is not None else b""
        assert isinstance(program, bytes)
        self.script = probe_pb2.Script.FromString(program)

    async def follow(self) -> None:
        """Do the steps, and answer with the last message where one message is asked for."""
        if not self.method.client_streaming:
            await self._read()
        for step in self.script.steps:
            if step.WhichOneof("kind") == "finish":
                await self._finish(step.finish.code, step.finish.message)
                return
            await self._step(step)
        if not self.method.server_streaming:
            await self.stream.send_message(self.last or probe_pb2.Blob())
        await self._finish(0, "")

    async def _finish(self, code: int, message: str) -> None:
        found = dict(metadata(self.script.trailing))
        details: list[Any] | None = None
        if (encoded := found.pop(DETAILS, None)) is not None:
            assert isinstance(encoded, bytes)
            messages = symbol_database.Default()
            assert error_details_pb2  # its messages are in the database
            details = []
            for detail in status_pb2.Status.FromString(encoded).details:
                details.append(messages.GetSymbol(detail.TypeName())())
                detail.Unpack(details[-1])
        await self.stream.send_trailing_metadata(
            status=grpclib.const.Status(code), status_message=message or None, status_details=details, metadata=found
        )

    async def _read(self) -> bool:
        message = await self.stream.recv_message()
        if message is None:
            self.record.half_closed = True
        else:
            self.last = message
            self.record.received += 1
        self.journal.changed()
        return message is not None

    async def _send(self, message: probe_pb2.Blob) -> None:
        await self.stream.send_message(message)
        self.record.sent += 1
        self.journal.changed()

    async def _step(self, step: probe_pb2.Step) -> None:
        match step.WhichOneof("kind"):
            case "headers":
                await self.stream.send_initial_metadata(metadata=dict(metadata(step.headers.entries)))
            case "send":
                for number in range(step.send.count):
                    await self._send(probe_pb2.Blob(number=number, data=bytes(step.send.size)))
            case "read":
                count = 0
                while (not step.read or count < step.read) and await self._read():
                    count += 1
            case "echo":
                while await self._read():
                    assert self.last is not None
                    await self._send(self.last)
            case "sleep_ms":
                await asyncio.sleep(step.sleep_ms / 1000)
            case "wait":
                await self.journal.release(self.record.call_id).wait()
            case "hang":
                await asyncio.Event().wait()


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until a signal."""
    server = grpclib.server.Server([Service(arguments.name)], status_details_codec=ProtoStatusDetailsCodec())
    listener = socket.create_server(("127.0.0.1", arguments.port))
    port = listener.getsockname()[1]
    await server.start(sock=listener)
    announce(Path(arguments.ready_file), {"pid": os.getpid(), "address": f"127.0.0.1:{port}"})
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()
    await server.wait_closed()


def main() -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ready-file", required=True)
    parser.add_argument("--name", default="grpclib")
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(serve(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
