"""Who a caller is, from certificates as they are and as they should not be."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from edge.listeners.tls import TlsKeeper, identity
from edge.model.call import TlsIdentity
from edge.model.settings import Certificate
from tests.edge.listeners.tls_place import Certificates, listener, required, served

URI, DNS, MAIL, IP = x509.UniformResourceIdentifier, x509.DNSName, x509.RFC822Name, x509.IPAddress


@pytest.fixture
def ca(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def shaken(ca: Certificates, keeper: TlsKeeper, caller: Certificate | None) -> ssl.SSLObject:
    """Return our side of a connection, in memory."""
    to_us, to_them = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = keeper.context.wrap_bio(to_us, to_them, server_side=True)
    theirs = ca.caller(caller).wrap_bio(to_them, to_us)
    for _ in range(3):
        for side in (theirs, ours):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return ours


def who(ca: Certificates, caller: Certificate) -> TlsIdentity | None:
    return identity(shaken(ca, TlsKeeper(required(ca.issue("server"), ca=ca)), caller))


def der(tag: int, contents: bytes) -> bytes:
    return bytes([tag, len(contents)]) + contents


def test_nobody(ca: Certificates) -> None:
    assert identity(None) is None
    keeper = TlsKeeper(listener(ca.issue("server")))
    assert identity(shaken(ca, keeper, ca.issue("alice"))) is None
    assert identity(keeper.context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)) is None


async def test_a_spiffe_id_by_a_real_handshake(ca: Certificates) -> None:
    keeper = TlsKeeper(required(ca.issue("server"), ca=ca))
    alice = ca.issue("alice", URI("spiffe://example.org/ns/shop/sa/alice"))
    async with served(keeper) as server:
        told = await (await server.connect(ca.caller(alice))).ask()
    assert (told["subject"], told["names"]) == ("CN=alice", ["spiffe://example.org/ns/shop/sa/alice"])


def test_names_of_every_kind(ca: Certificates) -> None:
    names = [
        DNS("shop.example.com"),
        DNS("*.example.com"),
        IP(ipaddress.ip_address("192.0.2.1")),
        IP(ipaddress.ip_address("2001:db8::1")),
        URI("spiffe://example.org/shop"),
        MAIL("shop@example.com"),
        DNS("shop.example.com"),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        x509.OtherName(x509.ObjectIdentifier("1.2.3"), der(0x0C, b"spiffe://example.org/admin")),
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")])),
    ]
    assert who(ca, ca.issue("a", *names)) == TlsIdentity(
        subject="CN=a",
        names=(
            "shop.example.com",
            "*.example.com",
            "192.0.2.1",
            "2001:db8::1",
            "spiffe://example.org/shop",
            "shop@example.com",
        ),
    )


def test_no_name_passes_for_one_of_another_kind(ca: Certificates) -> None:
    names = [
        DNS("spiffe://example.org/admin"),
        DNS("192.0.2.1"),
        DNS("admin@example.com"),
        DNS("two words"),
        URI("fe80::1"),
        URI("admin"),
        URI("admin@example.com"),
    ]
    assert who(ca, ca.issue("a", *names)) == TlsIdentity(subject="CN=a")
    mail = der(0x30, der(0x81, b"spiffe://a@example.org") + der(0x81, b"a@b.test"))
    assert who(ca, ca.issue("a", san=mail)) == TlsIdentity(subject="CN=a", names=("a@b.test",))


def test_a_workload_has_one_uri(ca: Certificates) -> None:
    several = ca.issue("a", URI("spiffe://example.org/a"), URI("https://example.org/"), DNS("a.test"))
    assert who(ca, several) == TlsIdentity(subject="CN=a", names=("https://example.org/", "a.test"))


@pytest.mark.parametrize(
    "san",
    [
        der(0x82, b"a\0b.test"),
        der(0x82, b"new\r\nline"),
        der(0x87, b"abc"),
        der(0x86, b"spiffe://\x01"),
        b"",
    ],
)
def test_odd_names_are_left_out(ca: Certificates, san: bytes) -> None:
    assert who(ca, ca.issue("a", san=der(0x30, san))) == TlsIdentity(subject="CN=a")


@pytest.mark.parametrize("san", [der(0x82, b"\xff\xfe"), der(0x86, b"spiffe://\xff")])
def test_a_certificate_that_cannot_be_decoded_is_an_identity_without_names(ca: Certificates, san: bytes) -> None:
    assert who(ca, ca.issue("a", san=der(0x30, san + der(0x86, b"spiffe://example.org/a")))) == TlsIdentity(subject="")


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([[("C", "DE")], [("O", "Example")], [("CN", "alice")]], "CN=alice,O=Example,C=DE"),
        ([[("OU", "a"), ("CN", "b")]], "CN=b+OU=a"),
        ([[("CN", 'a,b+c"d\\e<f>g;h')]], r"CN=a\,b\+c\"d\\e\<f\>g\;h"),
        ([[("CN", "#a")]], r"CN=\#a"),
        ([[("CN", " a ")]], r"CN=\ a\ "),
        ([[("CN", "a\r\nCN=admin")]], r"CN=a\0D\0ACN=admin"),
        ([[("CN", "ä€")]], "CN=ä€"),
        (
            [[("DC", "org")], [("DC", "example")], [("UID", "a")], [("MAIL", "a@b")]],
            "emailAddress=a@b,UID=a,DC=example,DC=org",
        ),
        ([[("1.2.3.4", "x")]], "1.2.3.4=x"),
        ([], ""),
    ],
)
def test_subjects_are_written_by_rfc_4514(ca: Certificates, parts: list[list[tuple[str, str]]], text: str) -> None:
    kinds = {
        "C": NameOID.COUNTRY_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "CN": NameOID.COMMON_NAME,
        "DC": NameOID.DOMAIN_COMPONENT,
        "UID": NameOID.USER_ID,
        "MAIL": NameOID.EMAIL_ADDRESS,
    }

    def attribute(kind: str, value: str) -> x509.NameAttribute[str]:
        oid = kinds[kind] if kind in kinds else x509.ObjectIdentifier(kind)
        return x509.NameAttribute(oid, value)

    subject = x509.Name([x509.RelativeDistinguishedName([attribute(*pair) for pair in part]) for part in parts])
    assert who(ca, ca.issue("a", subject=subject)) == TlsIdentity(subject=text)
