"""The bookstore's process: health, reflection, its client, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from bookstore.v1 import bookstore_pb2 as pb
from bookstore.v1 import bookstore_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "examples" / "bookstore" / "server.py"
CLIENT = ROOT / "examples" / "bookstore" / "client.py"
SERVICE = "bookstore.v1.BookstoreService"


async def test_health_is_told(channel: grpc.aio.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    for service in ("", SERVICE):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_tells_services_and_files(channel: grpc.aio.Channel, version: str) -> None:
    method: Any = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    call = method()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    services = {service.name for service in (await call.read()).list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} < services
    await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE))
    files = (await call.read()).file_descriptor_response.file_descriptor_proto
    assert any(b"BookstoreService" in file for file in files)
    await call.done_writing()


async def test_the_client_makes_every_kind_of_call(address: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CLIENT), "--address", address, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    for words in ("unary", "server stream", "client stream", "both ways", "FAILED_PRECONDITION", "OUT_OF_STOCK"):
        assert words in said
    assert "from one" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_ends_open_streams_and_exits_0(
    start: Callable[[str], tuple[subprocess.Popen[str], str]], number: signal.Signals
) -> None:
    process, address = start("brief")
    with process:
        async with grpc.aio.insecure_channel(address) as channel:
            stub = bookstore_pb2_grpc.BookstoreServiceStub(channel)  # type: ignore[no-untyped-call]
            watch: Any = stub.WatchShelf(pb.WatchShelfRequest(name="shelves/travel"))
            await watch.read()
            process.send_signal(number)
            await watch.read()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await watch.read()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await asyncio.to_thread(process.wait, 10) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "bookstore brief has stopped\n"


def test_a_port_that_is_taken_is_an_error(address: str) -> None:
    port = address.rpartition(":")[2]
    ended = subprocess.run([sys.executable, str(SERVER), "--port", port], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
