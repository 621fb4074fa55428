"""Making connections: TLS and its refusals, names with several addresses."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import EndpointState
from edge.model.upstreams import Upstream, UpstreamTls
from edge.upstream import grpc_dial
from edge.upstream.grpc_dial import _in_turn, dial
from tests.edge.upstream.grpc_place import Place, TlsRawServer, echo, place
from tests.support.processes import free_port
from tests.support.raw_peer import RawServer

UNHEALTHY = EndpointState.UNHEALTHY
UPSTREAM = Upstream(name="upstreams/a", discovery=StaticDiscovery(endpoints=()))


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(ca: trustme.CA, tmp_path: Path) -> str:
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


async def reason(found: Place) -> str:
    await found.becomes(UNHEALTHY)
    return found.endpoint.reason


async def test_tls_with_the_name_of_the_upstream(ca: trustme.CA, ca_file: str) -> None:
    tls = UpstreamTls(ca_file=ca_file, server_name="shop.example.com")
    async with (
        TlsRawServer(ca.issue_cert("shop.example.com"), ["h2"]) as server,
        place(server.address, tls=tls) as found,
    ):
        call = await found.call(b"hello").end()
        assert (call.code, call.messages) == (0, [b"hello"])
        assert server.names == ["shop.example.com"]
        assert server.streams[0].header(":scheme") == "https"


@pytest.mark.parametrize("server_name", ["", "shop.example.com"])
@pytest.mark.parametrize("authority", ["", "www.example.com"])
async def test_the_authority_is_that_of_grpc_aio(
    ca: trustme.CA, ca_file: str, server_name: str, authority: str
) -> None:
    tls = UpstreamTls(ca_file=ca_file, server_name=server_name)
    # without a server name grpc.aio wants the certificate to be for the authority, we for the host of the address
    issued = ca.issue_cert("shop.example.com", "www.example.com", "127.0.0.1")
    async with TlsRawServer(issued, ["h2"]) as server, place(server.address, tls=tls, authority=authority) as found:
        assert (await found.call().end()).code == 0
        unary: Any = found.carrier.channels.connection().channel.unary_unary("/t/Echo")
        await unary(b"", timeout=10)
        wire, aio = [stream.header(":authority") for stream in server.streams]
        assert wire == aio == (authority or server_name or server.address)


async def test_tls_with_the_host_of_the_address(ca: trustme.CA, ca_file: str) -> None:
    tls = UpstreamTls(ca_file=ca_file)
    async with (
        TlsRawServer(ca.issue_cert("127.0.0.1"), ["http/1.1", "h2"]) as server,
        place(server.address, tls=tls) as found,
    ):
        assert (await found.call().end()).code == 0


async def test_a_certificate_for_another_name(ca: trustme.CA, ca_file: str) -> None:
    tls = UpstreamTls(ca_file=ca_file, server_name="shop.example.com")
    async with (
        TlsRawServer(ca.issue_cert("other.example.com"), ["h2"]) as server,
        place(server.address, tls=tls) as found,
    ):
        call = await found.call().end()
        words = "its certificate is not accepted: Hostname mismatch, certificate is not valid for 'shop.example.com'."
        assert call.failure == words
        assert await reason(found) == f"cannot be reached: {words}"


async def test_a_certificate_of_another_authority(ca_file: str) -> None:
    tls = UpstreamTls(ca_file=ca_file, server_name="shop.example.com")
    async with (
        TlsRawServer(trustme.CA().issue_cert("shop.example.com"), ["h2"]) as server,
        place(server.address, tls=tls) as found,
    ):
        assert (await reason(found)).startswith("cannot be reached: its certificate is not accepted: ")


@pytest.mark.parametrize(
    ("alpn", "words"), [([], "it chose nothing"), (["http/1.1"], "it chose nothing")], ids=["none", "other"]
)
async def test_an_endpoint_that_does_not_choose_http2(
    ca: trustme.CA, ca_file: str, alpn: list[str], words: str
) -> None:
    tls = UpstreamTls(ca_file=ca_file, server_name="shop.example.com")
    async with TlsRawServer(ca.issue_cert("shop.example.com"), alpn) as server, place(server.address, tls=tls) as found:
        call = await found.call().end()
        assert call.failure == (
            f"does not speak gRPC over HTTP/2: {words} in the TLS handshake (ALPN) where h2 was offered"
        )
        assert await reason(found) == call.failure


async def test_tls_to_an_endpoint_in_clear_text(ca_file: str) -> None:
    async with RawServer(echo) as server, place(server.address, tls=UpstreamTls(ca_file=ca_file)) as found:
        assert await reason(found) == "cannot be reached: it does not speak TLS: WRONG_VERSION_NUMBER"


# === names ===


def test_families_take_turns() -> None:
    v6, v4 = socket.AF_INET6, socket.AF_INET
    found = [(v6, 6, ("a",)), (v6, 6, ("b",)), (v6, 6, ("c",)), (v4, 6, ("d",))]
    assert [one[2][0] for one in _in_turn(found)] == ["a", "d", "b", "c"]


class Names:
    """Lets a name have addresses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
        infos = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address) for address in addresses]

        async def getaddrinfo(host: str, port: int, **_: Any) -> Any:
            if host == "shop.example.com":
                return infos
            # uvloop asks when it connects
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)

    async def dial(self) -> asyncio.BaseTransport:
        made: list[asyncio.BaseTransport] = []

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made.append(transport)

        await dial(UPSTREAM, "shop.example.com:50051", None, Protocol)
        return made[0]


async def test_the_next_address_is_tried_beside_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with RawServer(echo) as server:
            host, _, port = server.address.rpartition(":")
            names = Names(monkeypatch, full.getsockname(), (host, int(port)))
            began = time.monotonic()
            transport = await names.dial()
            assert grpc_dial.STAGGER * 0.9 < time.monotonic() - began < 4.0
            assert transport.get_extra_info("peername")[1] == int(port)
            transport.close()


async def test_the_next_address_is_tried_at_once_when_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with RawServer(echo) as server:
        host, _, port = server.address.rpartition(":")
        names = Names(monkeypatch, ("127.0.0.1", free_port()), (host, int(port)))
        began = time.monotonic()
        transport = await names.dial()
        assert time.monotonic() - began < grpc_dial.STAGGER
        transport.close()


async def test_when_all_addresses_refuse_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, ("127.0.0.1", free_port()), ("127.0.0.1", free_port()))
    with pytest.raises(ConnectionRefusedError):
        await names.dial()
