"""Which certificate a caller gets, and whom we let in: over real sockets."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import grpc
import pytest
import uvloop
from cryptography import x509

from edge.listeners.tls import TlsKeeper, alpn
from edge.model.settings import ClientCertificate, ListenerProtocol
from tests.edge.listeners.tls_place import (
    WAIT,
    Certificates,
    listener,
    read,
    required,
    served,
)

WAYS = ["create_server", "start_tls", "accepted"]
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture
def ca(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("first.test", "first"),
        ("WILD.test", "wild"),
        ("any.wild.test", "wild"),
        ("exact.wild.test", "exact"),
        ("two.labels.wild.test", "first"),
        ("unknown.test", "first"),
        ("only-by-common-name.test", "only-by-common-name.test"),
        ("common-name-beside-names.test", "first"),
        ("", "first"),
    ],
)
async def test_a_caller_gets_the_certificate_of_the_name_it_asks_for(
    ca: Certificates, way: str, name: str, shown: str
) -> None:
    keeper = TlsKeeper(
        listener(
            ca.issue("first", "first.test"),
            ca.issue("wild", "*.wild.test", "wild.test"),
            ca.issue("exact", "exact.wild.test"),
            ca.issue("c", subject="only-by-common-name.test"),
            ca.issue("d", "d.test", subject="common-name-beside-names.test"),
            ca.issue("later", "wild.test"),
        )
    )
    async with served(keeper, way) as server:
        assert (await server.connect(ca.caller(), name)).shown == shown


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("protocol", "offered", "agreed"),
    [
        (ListenerProtocol.AUTO, ["http/1.1", "h2"], "h2"),
        (ListenerProtocol.AUTO, ["http/1.1"], "http/1.1"),
        (ListenerProtocol.HTTP, ["h2", "http/1.1"], "h2"),
        (ListenerProtocol.GRPC, ["http/1.1", "h2"], "h2"),
        (ListenerProtocol.GRPC, ["http/1.1"], None),
        (ListenerProtocol.AUTO, ["spdy/1"], None),
        (ListenerProtocol.AUTO, [], None),
    ],
)
async def test_protocols_are_agreed_on_whichever_certificate_is_shown(
    ca: Certificates, way: str, protocol: ListenerProtocol, offered: list[str], agreed: str | None
) -> None:
    keeper = TlsKeeper(listener(ca.issue("a", "a.test"), ca.issue("b", "b.test")), alpn=alpn(protocol))
    async with served(keeper, way) as server:
        for name in ("a.test", "b.test", ""):
            assert (await (await server.connect(ca.caller(alpn=offered), name)).ask())["alpn"] == agreed


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("name", ["a.test", "b.test", ""])
async def test_a_required_certificate(
    ca: Certificates, tmp_path: Path, way: str, version: ssl.TLSVersion, name: str
) -> None:
    others = Certificates(tmp_path, "others")
    keeper = TlsKeeper(required(ca.issue("a", "a.test"), ca.issue("b", "b.test"), ca=ca))
    async with served(keeper, way) as server:
        known = ca.caller(ca.issue("alice"))
        none = ca.caller()
        strange = ca.caller(others.issue("mallory"))
        for context in (known, none, strange):
            context.maximum_version = version
        assert (await (await server.connect(known, name)).ask())["subject"] == "CN=alice"
        alert = "TLSV13_ALERT_CERTIFICATE_REQUIRED" if version is V13 else "SSLV3_ALERT_HANDSHAKE_FAILURE"
        assert await server.refusal(none, name) == alert
        assert await server.refusal(strange, name) in {"TLSV1_ALERT_UNKNOWN_CA", "TLSV1_ALERT_DECRYPT_ERROR"}


@pytest.mark.parametrize("way", WAYS)
async def test_an_optional_certificate_has_to_verify(ca: Certificates, tmp_path: Path, way: str) -> None:
    others = Certificates(tmp_path, "others")
    keeper = TlsKeeper(listener(ca.issue("a", "a.test"), ca=ca, wants=ClientCertificate.OPTIONAL))
    async with served(keeper, way) as server:
        assert (await (await server.connect(ca.caller())).ask())["subject"] is None
        assert (await (await server.connect(ca.caller(ca.issue("alice")))).ask())["subject"] == "CN=alice"
        await server.refusal(ca.caller(others.issue("mallory")))


async def test_without_client_certificates_nobody_is_asked(ca: Certificates) -> None:
    async with served(TlsKeeper(listener(ca.issue("a")))) as server:
        assert (await (await server.connect(ca.caller(ca.issue("alice")))).ask())["subject"] is None


@pytest.mark.parametrize("way", ["create_server", "accepted"])
def test_it_works_on_uvloop(ca: Certificates, way: str) -> None:
    async def main() -> None:
        keeper = TlsKeeper(required(ca.issue("a", "a.test"), ca.issue("b", "b.test"), ca=ca))
        alice = ca.caller(ca.issue("alice", x509.UniformResourceIdentifier("spiffe://x/alice")), alpn=["h2"])
        async with served(keeper, way) as server:
            for name, shown in (("b.test", "b"), ("", "a")):
                caller = await server.connect(alice, name)
                assert caller.shown == shown
                told = await caller.ask()
                assert (told["alpn"], told["names"]) == ("h2", ["spiffe://x/alice"])
            before = caller.serial
            ca.issue("a", "a.test")
            assert keeper.reload_if_changed()
            assert (await server.connect(alice)).serial != before
            assert await server.refusal(ca.caller(), "b.test") == "TLSV13_ALERT_CERTIFICATE_REQUIRED"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def test_a_client_of_another_library(ca: Certificates) -> None:
    """grpc brings BoringSSL. It is ready when it has h2 by ALPN and the SETTINGS of the server."""
    keeper = TlsKeeper(required(ca.issue("a", "a.test"), ca.issue("b", "b.test"), ca=ca), alpn=("h2",))
    alice = ca.issue("alice")
    subjects = []

    async def settings(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(keeper.context)
        tls: Any = writer.get_extra_info("ssl_object")
        subjects.append((tls.selected_alpn_protocol(), tls.getpeercert()["subject"][0][0][1]))
        writer.write(b"\0\0\0\4\0\0\0\0\0")
        await reader.read(1)
        await gone.wait()
        writer.transport.abort()

    gone = asyncio.Event()
    server = await asyncio.start_server(settings, "127.0.0.1", 0)
    credentials = grpc.ssl_channel_credentials(*(read(path) for path in (ca.path, alice.key_file, alice.cert_file)))
    options = (("grpc.ssl_target_name_override", "b.test"),)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        await asyncio.wait_for(channel.channel_ready(), WAIT)
    assert subjects == [("h2", "alice")]
    gone.set()
    server.close()
    await server.wait_closed()
