"""Health checks of endpoints that speak TLS, on both engines: they take the way of the calls."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme
from grpc_health.v1 import health, health_pb2_grpc

from edge.model.resilience import GrpcProbe, HealthCheck, HttpProbe, TcpProbe
from edge.model.upstreams import UpstreamTls
from tests.edge.upstream.health_place import HTTP, NOT_SERVING, SERVING, check, checked

NOT_ACCEPTED = "cannot be reached: its certificate is not accepted: "


class Files:
    """An authority, another one, and certificates by them as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority, self.other = trustme.CA(), trustme.CA()
        self.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        self.other.cert_pem.write_to_path(str(folder / "other.pem"))
        past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        made = {
            "server": self.authority.issue_cert("127.0.0.1", "shop.internal"),
            "expired": self.authority.issue_cert("127.0.0.1", not_after=past),
            "client": self.authority.issue_cert("gateway.internal"),
            "stranger": self.other.issue_cert("gateway.internal"),
        }
        for name, cert in made.items():
            cert.cert_chain_pems[0].write_to_path(str(folder / f"{name}.crt"))
            cert.private_key_pem.write_to_path(str(folder / f"{name}.key"))

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def tls(self, ca: str = "ca", cert: str = "", server_name: str = "") -> UpstreamTls:
        """Return how the gateway connects."""
        paths = {"cert_file": f"{cert}.crt", "key_file": f"{cert}.key"} if cert else {}
        return UpstreamTls(
            ca_file=str(self.folder / f"{ca}.pem"),
            server_name=server_name,
            **{field: str(self.folder / name) for field, name in paths.items()},
        )

    def context(self, cert: str, *, mutual: bool) -> ssl.SSLContext:
        """Return how an HTTP server accepts."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{cert}.crt", self.folder / f"{cert}.key")
        if mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            self.authority.configure_trust(context)
        return context


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def https_server(context: ssl.SSLContext) -> AsyncIterator[str]:
    """Answer 204 to every request; yield the address."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        abort(writers)


def abort(writers: list[asyncio.StreamWriter]) -> None:
    """End connections now: what is left open when the loop closes fails some later test."""
    for writer in writers:
        writer.transport.abort()


@asynccontextmanager
async def grpc_server(files: Files, cert: str, *, mutual: bool) -> AsyncIterator[tuple[str, Any]]:
    """Serve `grpc.health.v1`; yield the address and the servicer."""
    server, servicer = grpc.aio.server(), health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    await servicer.set("", SERVING)
    pair = (files.read(f"{cert}.key"), files.read(f"{cert}.crt"))
    credentials = grpc.ssl_server_credentials([pair], files.read("ca.pem") if mutual else None, mutual)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}", servicer
    finally:
        await server.stop(0)


CASES = pytest.mark.parametrize(
    ("cert", "mutual", "client", "words"),
    [
        ("server", False, {}, ""),
        ("server", False, {"server_name": "shop.internal"}, ""),
        ("server", False, {"ca": "other"}, NOT_ACCEPTED + "unable to get local issuer certificate"),
        ("server", False, {"server_name": "else.internal"}, NOT_ACCEPTED),
        ("expired", False, {}, NOT_ACCEPTED + "certificate has expired"),
        ("server", True, {"cert": "client"}, ""),
        ("server", True, {}, "c"),  # whether the server says why before it closes is its own affair
        ("server", True, {"cert": "stranger"}, "c"),
    ],
)


@CASES
@pytest.mark.parametrize("wire", [True, False], ids=["wire", "grpc.aio"])
async def test_grpc(files: Files, wire: bool, cert: str, mutual: bool, client: dict[str, str], words: str) -> None:
    settings = check(GrpcProbe(), interval=0.1, timeout=5.0)
    async with (
        grpc_server(files, cert, mutual=mutual) as (address, servicer),
        checked([address], settings, wire=wire, tls=files.tls(**client)) as place,
    ):
        if words:
            await place.unhealthy(words)
            return
        await place.active()
        await servicer.set("", NOT_SERVING)
        await place.unhealthy("says NOT_SERVING")


@CASES
@pytest.mark.parametrize("probe", [HttpProbe(path="/health"), TcpProbe()], ids=["http", "tcp"])
async def test_http(
    files: Files, probe: HttpProbe | TcpProbe, cert: str, mutual: bool, client: dict[str, str], words: str
) -> None:
    settings = check(probe, interval=0.1, timeout=5.0)
    async with (
        https_server(files.context(cert, mutual=mutual)) as address,
        checked([address], settings, wire=True, tls=files.tls(**client), **HTTP) as place,
    ):
        # with TLS 1.3 a client has its handshake before the server has looked at the certificate
        if words and not (mutual and isinstance(probe, TcpProbe)):
            await place.unhealthy(words)
        else:
            await place.active()


async def test_the_alert_of_the_server_is_the_reason(files: Files) -> None:
    context = files.context("server", mutual=True)
    settings = HealthCheck(probe=HttpProbe(path="/"), interval=0.1, timeout=5.0)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with suppress(OSError), context.wrap_socket(connection, server_side=True) as accepted:
                        accepted.recv(1)

        accepting = asyncio.get_running_loop().run_in_executor(None, accept)
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        async with checked([address], settings, wire=True, tls=files.tls(), **HTTP) as place:
            await place.unhealthy("it asks for a client certificate")
        async with checked([address], settings, wire=True, tls=files.tls(cert="stranger"), **HTTP) as place:
            await place.unhealthy("it does not accept the certificate that the gateway shows")
        listening.shutdown(socket.SHUT_RDWR)
        await accepting


async def test_tls_where_there_is_none_and_none_where_there_is(files: Files) -> None:
    settings = check(HttpProbe(path="/"), interval=0.1, timeout=5.0)
    async with (
        https_server(files.context("server", mutual=False)) as address,
        checked([address], settings, wire=True, **HTTP) as place,
    ):
        await place.unhealthy("does not answer health checks: the connection was closed before an answer")
    writers: list[asyncio.StreamWriter] = []

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(b"HTTP/1.1 400 X\r\n\r\n")

    listening = await asyncio.start_server(refuse, "127.0.0.1", 0)
    address = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with checked([address], settings, wire=True, tls=files.tls(), **HTTP) as place:
        await place.unhealthy("cannot be reached: it does not speak TLS")
    listening.close()
    abort(writers)
