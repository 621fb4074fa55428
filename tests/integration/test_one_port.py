"""One port for every protocol, in clear text and with TLS, and virtual hosts for native gRPC."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
import pytest_asyncio
import trustme

from tests.support.engine import AIO
from tests.support.gateway import Admin, Gateway, raw_backend
from tests.support.raw_peer import Handler, RawClient, RawStream
from tests.support.rpc import failure

pytestmark = pytest.mark.skipif(AIO, reason="the engine grpc.aio has neither one port nor hosts")

ANY = {"http": {"path": "/anything"}}


def says(name: str) -> Handler:
    async def answer(stream: RawStream) -> None:
        await stream.finished()
        await stream.respond([name.encode()], headers=[("x-authority", stream.header(":authority") or "")])

    return answer


async def test_virtual_hosts_route_native_grpc_by_authority(gateway: Gateway, admin: Admin) -> None:
    service = "raw.hosts.Raw"

    def of(host: str) -> dict[str, Any]:
        return {"route_fields": {"matches": [{"hosts": [host], "grpc": {"service": service}}]}, "service": service}

    async with (
        raw_backend(admin, says("one"), **of("one.test")),
        raw_backend(admin, says("two"), **of("*.two.test")),
    ):
        for host, expected in (("one.test", b"one"), ("ONE.test:8080", b"one"), ("a.two.test", b"two")):
            options = [("grpc.default_authority", host)]
            async with grpc.aio.insecure_channel(gateway.traffic, options=options) as channel:
                call: Any = channel.unary_unary(f"/{service}/Unary")
                assert await call(b"", timeout=10) == expected
        async with grpc.aio.insecure_channel(gateway.traffic, options=[("grpc.default_authority", "x")]) as channel:
            other: Any = channel.unary_unary(f"/{service}/Unary")
            error = await failure(other(b"", timeout=10))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "on host x" in (error.details() or "")


async def test_health_and_ready_on_both_ports_by_both_versions_of_http(gateway: Gateway) -> None:
    for address in (gateway.traffic, gateway.admin):
        async with aiohttp.ClientSession() as session:
            for path in ("/health", "/ready"):
                async with session.get(f"http://{address}{path}") as answer:
                    assert (answer.status, await answer.json()) == (200, {"status": "SERVING"})
        async with RawClient(address) as client:
            headers = [(":method", "GET"), (":scheme", "http"), (":authority", address), (":path", "/ready")]
            stream = await (await client.open("", headers=headers, end=True)).finished()
        assert stream.header(":status") == "200"
        assert json.loads(bytes(stream.data)) == {"status": "SERVING"}


async def test_the_gateway_api_by_grpc_and_rest_on_one_port(gateway: Gateway, admin: Admin) -> None:
    info = await admin.info()
    assert info.engine == "wire"
    async with aiohttp.ClientSession() as session, session.get(f"http://{gateway.admin}/v1/server") as answer:
        assert answer.status == 200
        assert (await answer.json())["nodeId"] == info.node_id


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest_asyncio.fixture(loop_scope="session")
async def guarded(tmp_path: Path, authority: trustme.CA) -> AsyncIterator[Gateway]:
    """A gateway whose only port wants a certificate of its callers."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    own = authority.issue_cert("localhost")
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    own.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    tls = {
        "certificates": [{"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}],
        "client_ca_file": str(tmp_path / "ca.pem"),
        "client_certificate": "CLIENT_CERTIFICATE_REQUIRED",
    }
    listener = {"name": "traffic", "address": "localhost:0", "tls": tls}
    direct = {"name": "routes/hello", "matches": [ANY], "direct_response": {"code": 0}}
    gateway = Gateway("guarded", tmp_path, {"server": {"listeners": [listener]}, "routes": [direct]})
    with gateway:
        yield gateway


async def test_tls_with_client_certificates_for_every_protocol(guarded: Gateway, authority: trustme.CA) -> None:
    mine = authority.issue_cert("caller@example.org")
    port = guarded.traffic.rpartition(":")[2]
    ca, key, chain = authority.cert_pem.bytes(), mine.private_key_pem.bytes(), mine.cert_chain_pems[0].bytes()
    credentials = grpc.ssl_channel_credentials(ca, key, chain)
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert await check(b"", timeout=10) == b"\x08\x01"
    context = ssl.create_default_context(cadata=ca.decode())
    mine.configure_cert(context)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"https://localhost:{port}/ready", ssl=context) as answer:
            assert answer.status == 200
        stranger = ssl.create_default_context(cadata=ca.decode())
        with pytest.raises(aiohttp.ClientError):
            async with session.get(f"https://localhost:{port}/ready", ssl=stranger) as answer:
                await answer.read()
