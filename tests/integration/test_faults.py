"""Bad input and bad upstreams: each gets its own clear status, and everybody else goes on."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio
import trustme

from tests.integration.conftest import configuration
from tests.support.gateway import Admin, Gateway, backend, raw_backend
from tests.support.probe_server import Probe
from tests.support.processes import free_port
from tests.support.raw_peer import RawClient, RawServer, RawStream, frame
from tests.support.rpc import (
    PROBE_SERVICE,
    Stub,
    blob,
    call_id,
    connect,
    drain,
    error_info,
    eventually,
    failure,
    hang,
    script,
    send,
)

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
EMPTY = "/grpc.testing.TestService/EmptyCall"
PROBE = {"grpc": {"service": PROBE_SERVICE.full_name}}


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def others_go_on(caller: Any, gateway: Gateway) -> AsyncIterator[None]:
    """During every test a stream is open and must live; after it calls pass and the process is the same."""
    probe = Stub(caller, PROBE_SERVICE)
    pid = gateway.popen.pid
    beside = probe.RunBidi(metadata=script(send(1), hang()))
    await beside.read()
    yield
    assert not beside.done()
    beside.cancel()
    await probe.RunUnary(blob(), timeout=10)
    assert gateway.alive
    assert gateway.popen.pid == pid


@contextlib.asynccontextmanager
async def garbage(answer: bytes) -> AsyncIterator[str]:
    """Serve these bytes to whoever connects; yield the address."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read(1024)
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()


async def test_an_upstream_that_is_down(admin: Admin, caller: Any, known: bool) -> None:
    async with backend(admin, [f"127.0.0.1:{free_port()}"], schema=known) as made:
        for _ in range(3):
            error = await failure(caller.unary_unary(made.path("Unary"))(b"", timeout=15))
            assert error.code() is UNAVAILABLE
            info = error_info(error)
            assert info.reason in {"UPSTREAM_UNREACHABLE", "NO_HEALTHY_ENDPOINT"}
            assert info.metadata["upstream"] == made.upstream
            # no address of the inside reaches a caller
            assert "127.0.0.1" not in (error.details() or "")


async def test_an_upstream_that_is_slow(admin: Admin, caller: Any, known: bool) -> None:
    async def slow(stream: RawStream) -> None:
        await stream.until(lambda: stream.reset is not None)

    async with raw_backend(admin, slow, schema=known) as made:
        error = await failure(caller.unary_unary(made.path("Unary"))(b"", timeout=0.3))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_an_upstream_that_resets_in_mid_call(admin: Admin, caller: Any, known: bool) -> None:
    async def resetting(stream: RawStream) -> None:
        await stream.send_headers([(":status", "200"), ("content-type", "application/grpc")])
        await stream.send(frame(b"one"))
        await stream.finished()
        await stream.send_reset(2)

    async with raw_backend(admin, resetting, schema=known) as made:
        call = caller.stream_stream(made.path("Bidi"))(timeout=10)
        assert await call.read() == b"one"
        await call.done_writing()
        assert await drain(call) == ([], grpc.StatusCode.INTERNAL)


async def test_an_upstream_process_that_is_killed_in_mid_call(folder: Path, admin: Admin, caller: Any) -> None:
    """UNAVAILABLE with the messages so far first; the next call works when it is back."""
    with Probe("killed-probe", folder) as server:
        match = {**PROBE, "headers": [{"name": "x-killed", "exact": "1"}]}
        await admin.create_upstream("killed", server.address)
        await admin.create_route("killed", "", "killed", matches=[match])
        try:
            probe = Stub(caller, PROBE_SERVICE)
            also = (("x-killed", "1"),)
            call = probe.RunServerStream(blob(), metadata=script(send(3), hang(), also=also), timeout=30)
            for _ in range(3):
                await call.read()
            server.kill()
            assert await drain(call) == ([], UNAVAILABLE)
            await asyncio.to_thread(server.restart)

            async def works() -> bool:
                code = await probe.RunUnary(blob(), metadata=script(also=also), timeout=5).code()
                assert code in {grpc.StatusCode.OK, UNAVAILABLE}
                return code is grpc.StatusCode.OK

            await eventually(works, within=10)
        finally:
            await admin.delete("routes/killed", "upstreams/killed")


@pytest.mark.parametrize(
    "answer",
    [
        b"this is not HTTP at all\r\n" * 10,
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\nhtml",
        b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n",
        b"\0" * 4096,
        b"\xff" * 64,
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"",
    ],
    ids=["text", "http-200", "http-400", "zeros", "ones", "tls-alert", "silence"],
)
async def test_an_upstream_that_answers_nonsense(admin: Admin, caller: Any, answer: bytes) -> None:
    async with garbage(answer) as address, backend(admin, [address]) as made:
        error = await failure(caller.unary_unary(made.path("Unary"))(b"", timeout=5))
        assert error.code() in {UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
        if len(answer) > 9:  # less is not even the head of a frame
            assert error.code() is UNAVAILABLE
            assert error_info(error).reason in {
                "UPSTREAM_UNREACHABLE",
                "NO_HEALTHY_ENDPOINT",
                "UPSTREAM_PROTOCOL_ERROR",
            }


async def test_nonsense_in_the_middle_of_a_good_connection(admin: Admin, caller: Any, known: bool) -> None:
    async def nonsense(stream: RawStream) -> None:
        await stream.finished()
        stream.connection.writer.write(b"\xff" * 1000)
        await stream.connection.writer.drain()

    async with raw_backend(admin, nonsense, schema=known) as made:
        error = await failure(caller.unary_unary(made.path("Unary"))(b"", timeout=10))
        # UNKNOWN "Stream removed" is what grpc says itself when the other side breaks HTTP/2
        assert error.code() in {UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}


@pytest.mark.parametrize("port", ["traffic", "admin"])
@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"\0" * 10_000,
        b"\xff" * 10_000,
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\5\1\5\0\0\0\1" + b"\xff" * 5,
        b"",
    ],
    ids=["text", "zeros", "ones", "http-1", "tls", "frames", "hpack", "nothing"],
)
async def test_garbage_on_the_ports(gateway: Gateway, port: str, sent: bytes) -> None:
    host, _, number = getattr(gateway, port).rpartition(":")
    for _ in range(5):
        reader, writer = await asyncio.open_connection(host, int(number))
        writer.write(sent)
        with contextlib.suppress(OSError):
            await writer.drain()
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 30)
        writer.close()
    # the fixture calls the traffic port; this one is the other
    api = Admin(gateway.admin)
    assert (await api.info()).version
    await api.channel.close()


async def test_frames_on_streams_that_are_not_there(gateway: Gateway) -> None:
    async with RawClient(gateway.traffic) as client:
        assert (await client.call(EMPTY, b"")).grpc_status == 0
        # DATA on stream 99, which nobody has opened
        client.connection.writer.write(b"\0\0\1\0\1\0\0\0\x63x")
        # the connection is closed or goes on; what matters is that the others do not notice
        with contextlib.suppress(ConnectionError):
            await client.call(EMPTY, b"", within=5)


async def test_oversized_metadata(caller: Any) -> None:
    error = await failure(caller.unary_unary(EMPTY)(b"", metadata=(("x-much", "x" * 100_000),), timeout=10))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_many_metadata_entries(caller: Any) -> None:
    metadata = tuple((f"x-many-{number}", "v" * 20) for number in range(1000))
    error = await failure(caller.unary_unary(EMPTY)(b"", metadata=metadata, timeout=10))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.fixture
def pair(folder: Path) -> Iterator[tuple[Probe, Probe]]:
    """Two servers of one upstream."""
    with Probe("left", folder) as left, Probe("right", folder) as right:
        yield left, right


async def test_one_of_two_endpoints(admin: Admin, caller: Any, pair: tuple[Probe, Probe]) -> None:
    """Both get calls; one is killed and the other takes them all; the one comes back and gets calls again."""
    left, right = pair
    match = {**PROBE, "headers": [{"name": "x-pair", "exact": "1"}]}
    await admin.create_upstream("pair", left.address, right.address, round_robin={})
    await admin.create_route("pair", "", "pair", matches=[match])
    probe = Stub(caller, PROBE_SERVICE)
    try:

        async def server() -> str:
            return str((await probe.Inspect(blob(), metadata=(("x-pair", "1"),), timeout=10)).server)

        async def both() -> bool:
            return {await server() for _ in range(4)} == {"left", "right"}

        await eventually(both)
        found = [await server() for _ in range(10)]
        assert (found.count("left"), found.count("right")) == (5, 5)
        left.kill()

        async def noticed() -> bool:
            """Say whether the gateway has noticed; until then a call to the dead one may fail."""
            codes = [await probe.Inspect(blob(), metadata=(("x-pair", "1"),), timeout=10).code() for _ in range(4)]
            assert set(codes) <= {grpc.StatusCode.OK, UNAVAILABLE}
            return set(codes) == {grpc.StatusCode.OK}

        await eventually(noticed, within=5)
        assert {await server() for _ in range(50)} == {"right"}
        await asyncio.to_thread(left.restart)
        await eventually(both, within=10)
        assert {await server() for _ in range(50)} == {"left", "right"}
    finally:
        await admin.delete("routes/pair", "upstreams/pair")


async def test_all_endpoints_gone_and_back(admin: Admin, caller: Any, pair: tuple[Probe, Probe]) -> None:
    match = {**PROBE, "headers": [{"name": "x-gone", "exact": "1"}]}
    await admin.create_upstream("gone", *(server.address for server in pair))
    await admin.create_route("gone", "", "gone", matches=[match])
    probe = Stub(caller, PROBE_SERVICE)
    try:
        await probe.Inspect(blob(), metadata=(("x-gone", "1"),), timeout=10)
        for server in pair:
            server.kill()
        error = await failure(probe.Inspect(blob(), metadata=(("x-gone", "1"),), timeout=15))
        assert error.code() is UNAVAILABLE
        for server in pair:
            await asyncio.to_thread(server.restart)

        async def works() -> bool:
            call = probe.Inspect(blob(), metadata=(("x-gone", "1"),), timeout=5)
            return await call.code() is grpc.StatusCode.OK

        await eventually(works, within=10)
    finally:
        await admin.delete("routes/gone", "upstreams/gone")


@pytest.fixture(scope="module")
def authority(folder: Path) -> trustme.CA:
    """A certificate authority."""
    found = trustme.CA()
    found.cert_pem.write_to_path(str(folder / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(folder / "other-ca.pem"))
    return found


@pytest.fixture(scope="module")
def encrypted(folder: Path, authority: trustme.CA) -> Iterator[Probe]:
    """A server with a certificate for `backend.example.com`."""
    cert = authority.issue_cert("backend.example.com")
    cert.private_key_pem.write_to_path(str(folder / "key.pem"))
    cert.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    with Probe("encrypted", folder, "--tls", str(folder / "cert.pem"), str(folder / "key.pem")) as server:
        yield server


@pytest.mark.parametrize(
    ("tls", "good"),
    [
        ({"ca_file": "ca.pem", "server_name": "backend.example.com"}, True),
        ({"ca_file": "other-ca.pem", "server_name": "backend.example.com"}, False),
        ({"ca_file": "ca.pem", "server_name": "wrong.example.com"}, False),
        ({"server_name": "backend.example.com"}, False),
        (None, False),
    ],
    ids=["verified", "wrong-authority", "wrong-name", "system-authorities", "clear-text"],
)
async def test_tls_to_the_upstream(
    folder: Path, admin: Admin, caller: Any, encrypted: Probe, tls: dict[str, str] | None, good: bool
) -> None:
    fields: dict[str, Any] = {}
    if tls is not None:
        fields["tls"] = {key: str(folder / value) if key.endswith("file") else value for key, value in tls.items()}
    match = {**PROBE, "headers": [{"name": "x-tls", "exact": "1"}]}
    await admin.create_upstream("encrypted", encrypted.address, **fields)
    await admin.create_route("encrypted", "", "encrypted", matches=[match])
    try:
        probe = Stub(caller, PROBE_SERVICE)
        if good:
            answer = await probe.Inspect(blob(), metadata=(("x-tls", "1"),), timeout=10)
            assert answer.server == "encrypted"
        else:
            error = await failure(probe.Inspect(blob(), metadata=(("x-tls", "1"),), timeout=15))
            assert error.code() is UNAVAILABLE
            assert error_info(error).reason in {"UPSTREAM_UNREACHABLE", "NO_HEALTHY_ENDPOINT"}
    finally:
        await admin.delete("routes/encrypted", "upstreams/encrypted")


async def test_an_upstream_that_accepts_and_freezes(folder: Path, admin: Admin, caller: Any) -> None:
    """A stopped process: the deadline ends the call, and it works when the process goes on."""
    with Probe("stopped-probe", folder) as server:
        match = {**PROBE, "headers": [{"name": "x-stopped", "exact": "1"}]}
        await admin.create_upstream("stopped", server.address)
        await admin.create_route("stopped", "", "stopped", matches=[match])
        try:
            probe = Stub(caller, PROBE_SERVICE)
            also = (("x-stopped", "1"),)
            await probe.Inspect(blob(), metadata=also, timeout=10)
            server.send_signal(signal.SIGSTOP)
            error = await failure(probe.Inspect(blob(), metadata=also, timeout=0.5))
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            server.send_signal(signal.SIGCONT)
            assert (await probe.Inspect(blob(), metadata=also, timeout=10)).server == "stopped-probe"
        finally:
            server.send_signal(signal.SIGCONT)
            await admin.delete("routes/stopped", "upstreams/stopped")


async def test_a_caller_that_disappears_in_the_middle_of_a_message(gateway: Gateway, admin: Admin) -> None:
    for _ in range(10):
        async with RawClient(gateway.traffic) as client:
            stream = await client.open("/probe.v1.ProbeService/RunUnary")
            await stream.send(frame(bytes(1000))[:500])
    # only the stream of the fixture is left
    await eventually(lambda: _active(admin, 1), within=10)


async def _active(api: Admin, count: int) -> bool:
    return (await api.info()).active_calls == count


async def test_a_raw_upstream_that_closes_after_every_call(admin: Admin, caller: Any, known: bool) -> None:
    """A call that meets the end of its connection is UNAVAILABLE; the others, on new connections, succeed."""

    async def closing(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([b"x"])
        stream.connection.writer.close()

    async with RawServer(closing) as server, backend(admin, [server.address], schema=known) as made:
        unary = caller.unary_unary(made.path("Unary"))
        codes = []
        for _ in range(20):
            codes.append(await unary(b"", timeout=10).code())  # noqa: PERF401 - one after the other
        assert set(codes) <= {grpc.StatusCode.OK, UNAVAILABLE}, codes
        assert codes.count(grpc.StatusCode.OK) >= 10, codes


async def test_a_configuration_that_is_broken_does_not_start(folder: Path, probes: tuple[Probe, Probe]) -> None:
    """The words on stderr say where it is wrong."""
    from tests.support.processes import ProcessFailed

    broken = configuration(probes[0].address)
    broken["routes"][0]["forward"]["upstreams"][0]["upstream"] = "upstreams/nobody"
    gateway = Gateway("broken-gateway", folder, broken)
    with pytest.raises(ProcessFailed, match="upstreams/nobody"):
        await asyncio.to_thread(gateway.start)


async def test_an_unreachable_port_is_said(folder: Path, gateway: Gateway, probes: tuple[Probe, Probe]) -> None:
    """A port that is taken ends the start with the port in the words."""
    from tests.support.processes import ProcessFailed

    found = configuration(probes[0].address)
    found["server"] = {"listeners": [{"name": "traffic", "address": gateway.traffic}]}
    second = Gateway("second-gateway", folder, found)
    with pytest.raises(ProcessFailed, match=gateway.traffic.rpartition(":")[2]):
        await asyncio.to_thread(second.start)


async def test_calls_during_a_crash_of_another_upstream(folder: Path, admin: Admin, caller: Any) -> None:
    """A hundred calls in a row pass while another upstream is killed again and again."""
    with Probe("crashing-probe", folder) as server:
        match = {**PROBE, "headers": [{"name": "x-crashing", "exact": "1"}]}
        await admin.create_upstream("crashing", server.address)
        await admin.create_route("crashing", "", "crashing", matches=[match])
        try:
            probe = Stub(caller, PROBE_SERVICE)
            calls = [
                probe.RunServerStream(
                    blob(), metadata=script(hang(), call=call_id("crash"), also=(("x-crashing", "1"),)), timeout=30
                )
                for _ in range(20)
            ]
            await probe.Inspect(blob(), metadata=(("x-crashing", "1"),), timeout=10)
            server.kill()
            for _ in range(100):
                await probe.RunUnary(blob(), timeout=10)
            for call in calls:
                assert (await drain(call))[1] is UNAVAILABLE
        finally:
            await admin.delete("routes/crashing", "upstreams/crashing")
    async with connect(server.address, own=True) as channel:
        assert (await failure(Stub(channel, PROBE_SERVICE).RunUnary(blob(), timeout=2))).code() is UNAVAILABLE
