"""What is asked of callers whichever certificate they get, and certificates that are of no use."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge.listeners.tls import TlsKeeper
from tests.edge.listeners.tls_place import (
    Certificates,
    listener,
    read,
    replace,
    required,
    served,
)


@pytest.fixture
def ca(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
async def test_tls_before_1_2_is_refused(ca: Certificates) -> None:
    async with served(TlsKeeper(listener(ca.issue("a"), ca.issue("b", "b.test")))) as server:
        for name in ("", "b.test"):
            context = ca.caller()
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            assert await server.refusal(context, name) == "TLSV1_ALERT_PROTOCOL_VERSION"


@pytest.mark.parametrize("ciphers", ["ECDHE-ECDSA-AES256-SHA384", "AES128-GCM-SHA256"])
async def test_ciphers_that_http2_forbids_are_refused(ca: Certificates, ciphers: str) -> None:
    async with served(TlsKeeper(listener(ca.issue("a")))) as server:
        context = ca.caller()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
        assert await server.refusal(context) == "SSLV3_ALERT_HANDSHAKE_FAILURE"


@pytest.mark.usefixtures("loud")
def test_certificates_that_callers_will_not_accept_are_told(ca: Certificates, caplog: pytest.LogCaptureFixture) -> None:
    day = datetime.datetime(2021, 2, 3)
    keeper = TlsKeeper(
        listener(
            ca.issue("old", "old.test", end=day),
            ca.issue("young", "young.test", begin=datetime.datetime(2100, 2, 3)),
            ca.issue("client", "client.test", use=ExtendedKeyUsageOID.CLIENT_AUTH),
            ca.issue("good", "good.test"),
        )
    )
    assert keeper.not_after == day.replace(tzinfo=datetime.UTC).timestamp()
    assert [record.getMessage().partition("the certificate in ")[2].split("/")[-1] for record in caplog.records] == [
        "old.pem ended on 2021-02-03; callers will not accept it",
        "young.pem holds from 2100-02-03 only; callers will not accept it before",
        "client.pem is not one for servers; callers will not accept it, and it serves no name",
    ]


async def test_an_authority_may_be_trusted_without_the_one_that_signed_it(ca: Certificates, tmp_path: Path) -> None:
    """The file names the authorities that count, as a bundle without the root does."""
    alice = ca.issue("alice")
    replace(ca.path, read(alice.cert_file))
    keeper = TlsKeeper(required(ca.issue("a"), ca=ca))
    caller = ca.caller(alice)
    caller.verify_mode = ssl.CERT_NONE
    async with served(keeper) as server:
        assert (await (await server.connect(caller)).ask())["subject"] == "CN=alice"
