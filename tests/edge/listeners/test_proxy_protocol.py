from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.listeners.proxy_protocol import SIGNATURE, ProxyHeader, ProxyHeaderError, ProxyNetworks

IPV4 = bytes((203, 0, 113, 7, 192, 0, 2, 1)) + struct.pack(">HH", 51000, 443)
IPV6 = ipaddress.ip_address("2001:db8::7").packed + ipaddress.ip_address("2001:db8::1").packed + IPV4[8:]
MAPPED = ipaddress.ip_address("::ffff:203.0.113.7").packed * 2 + IPV4[8:]
UNIX = b"/run/caller.sock".ljust(108, b"\0") + b"/run/edge.sock".ljust(108, b"\0")
TLV = b"\4\0\3abc"


def version_2(family: int, block: bytes, command: int = 0x21) -> bytes:
    return SIGNATURE + bytes((command, family)) + struct.pack(">H", len(block)) + block


GOOD = [
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 443\r\n", "ipv4:203.0.113.7:51000"),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "ipv4:255.255.255.255:65535"),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 51000 443\r\n", "ipv6:[2001:db8::7]:51000"),
    (b"PROXY TCP6 2001:DB8:0:0:0:0:0:7 ::1 0 0\r\n", "ipv6:[2001:db8::7]:0"),
    (b"PROXY TCP6 ::ffff:203.0.113.7 ::1 51000 443\r\n", "ipv4:203.0.113.7:51000"),
    (b"PROXY UNKNOWN\r\n", ""),
    (b"PROXY UNKNOWN ffff:f:f nonsense 65536\r\n", ""),
    (b"PROXY UNKNOWN".ljust(105) + b"\r\n", ""),
    (version_2(0x11, IPV4), "ipv4:203.0.113.7:51000"),
    (version_2(0x11, IPV4 + TLV), "ipv4:203.0.113.7:51000"),
    (version_2(0x11, IPV4 + bytes(60_000)), "ipv4:203.0.113.7:51000"),
    (version_2(0x12, IPV4), "ipv4:203.0.113.7:51000"),
    (version_2(0x21, IPV6 + TLV), "ipv6:[2001:db8::7]:51000"),
    (version_2(0x21, MAPPED), "ipv4:203.0.113.7:51000"),
    (version_2(0x31, UNIX), "unix:"),
    (version_2(0x00, b""), ""),
    (version_2(0x00, TLV), ""),
    # LOCAL is a proxy's own connection, whatever else it says
    (version_2(0x11, IPV4, 0x20), ""),
    (version_2(0x99, b"x", 0x20), ""),
]

BAD = [
    (b"GET / HTTP/1.1\r\n\r\n", "does not begin with a PROXY protocol header"),
    (b"PROXYTCP4 1.2.3.4 1.2.3.4 1 1\r\n", "does not begin"),
    (b"proxy UNKNOWN\r\n", "does not begin"),
    (b"\r\n\r\nGET", "does not begin"),
    (b"PROXY \r\n", "is neither"),
    (b"PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", "is neither"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "is neither"),
    (b"PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n", "is neither"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", "is neither"),
    (b"PROXY TCP4 ::1 1.2.3.4 1 1\r\n", "'::1' where an IPv4 address belongs"),
    (b"PROXY TCP4 1.2.3.4 ::1 1 1\r\n", "'::1' where an IPv4 address belongs"),
    (b"PROXY TCP6 1.2.3.4 ::1 1 1\r\n", "'1.2.3.4' where an IPv6 address belongs"),
    (b"PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n", "where an IPv6 address belongs"),
    (b"PROXY TCP4 01.2.3.4 1.2.3.4 1 1\r\n", "where an IPv4 address belongs"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", "'65536' where a port belongs"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 01\r\n", "'01' where a port belongs"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n", "'-1' where a port belongs"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 \xb2\r\n", "no ASCII"),
    (b"PROXY UNKNOWN".ljust(106) + b"\r\n", "longer than 107 bytes"),
    (b"PROXY UNKNOWN\n".ljust(107), "longer than 107 bytes"),
    (version_2(0x11, IPV4, 0x11), "version 1 and command 1"),
    (version_2(0x11, IPV4, 0x22), "version 2 and command 2"),
    (version_2(0x11, IPV4[:-1]), "11 bytes of addresses of family 0x11"),
    (version_2(0x21, IPV6[:-1]), "35 bytes of addresses of family 0x21"),
    (version_2(0x31, UNIX[:-1]), "215 bytes of addresses of family 0x31"),
    (version_2(0x41, bytes(300)), "family 0x41"),
    (version_2(0x13, IPV4), "family 0x13"),
    (version_2(0x01, IPV4), "family 0x01"),
]


def read(header: ProxyHeader, data: bytes, size: int) -> bytes:
    """Read as from a socket that has `size` more bytes at each look; return what was not taken."""
    at = 0
    while at < len(data) and not header.done:
        at += header.take(data[at : at + size])
    return data[at:]


@pytest.mark.parametrize("size", [1, 5, 100_000])
@pytest.mark.parametrize(("sent", "peer"), GOOD)
def test_a_header_tells_who_calls(sent: bytes, peer: str, size: int) -> None:
    header = ProxyHeader()
    assert read(header, sent + b"what follows", size) == b"what follows"
    assert header.done
    assert header.peer == peer


@pytest.mark.parametrize("sent", [sent for sent, _ in GOOD])
def test_a_header_without_its_last_byte_is_waited_for(sent: bytes) -> None:
    header = ProxyHeader()
    assert header.take(sent[:-1]) == len(sent) - 1
    assert not header.done


@pytest.mark.parametrize("size", [1, 100_000])
@pytest.mark.parametrize(("sent", "words"), BAD)
def test_what_is_no_header_is_refused_with_the_reason(sent: bytes, words: str, size: int) -> None:
    with pytest.raises(ProxyHeaderError) as caught:
        read(ProxyHeader(), sent, size)
    assert words in str(caught.value)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=120).map(lambda rest: b"PROXY " + rest),
        st.binary(max_size=300).map(lambda rest: SIGNATURE + rest),
    ),
    st.integers(1, 50),
)
def test_no_bytes_do_anything_else(data: bytes, size: int) -> None:
    header = ProxyHeader()
    try:
        rest = read(header, data, size)
    except ProxyHeaderError:
        return
    assert data.endswith(rest)
    assert header.done or not rest


def test_networks_have_their_addresses() -> None:
    networks = ProxyNetworks(("10.0.0.0/8", "192.0.2.1", "2001:db8::/32"))
    assert networks.has(("10.1.2.3", 1))
    assert networks.has(("192.0.2.1", 1))
    assert networks.has(("2001:db8::5", 1, 0, 0))
    # how a socket for both kinds tells an IPv4 address
    assert networks.has(("::ffff:10.1.2.3", 1, 0, 0))
    assert not networks.has(("192.0.2.2", 1))
    assert not networks.has(("fe80::1%eth0", 1, 0, 2))
    assert not networks.has("")
    assert not ProxyNetworks(()).has(("10.1.2.3", 1))
