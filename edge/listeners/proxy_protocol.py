"""The PROXY protocol, versions 1 and 2: who the caller of a load balancer is (proxy-protocol.txt of HAProxy).

The header comes before everything else, TLS included, and only from networks that have to send it. So whoever is
believed is known before a byte is read, and a caller who sends such a header from elsewhere is not believed.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from typing import Final

from edge.listeners.http_head import peer_words

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
"""What a header of version 2 begins with (section 2.2)."""

_FIRST: Final = b"PROXY "  # what one of version 1 begins with (section 2.1)
_LONGEST_LINE: Final = 107  # of version 1, with CRLF
_FIXED: Final = 16  # the part of version 2 that says how long the rest is
_PIECE: Final = 4096

_LOCAL: Final = 0
_PROXY: Final = 1

_INET = struct.Struct(">4s4sHH")
_INET6 = struct.Struct(">16s16sHH")
_UNIX_SIZE: Final = 216


class ProxyHeaderError(Exception):
    """What came is no header of the PROXY protocol; the text says why."""


class ProxyHeader:
    """Reads a header in the pieces in which it comes, and not a byte more than it."""

    def __init__(self) -> None:
        self.done: bool = False
        """Whether the header is whole."""
        self.peer: str = ""
        """The caller it tells of, in grpc's words. Empty when it tells of none: then it is the socket's other side."""
        self._seen = bytearray()

    @property
    def begun(self) -> bool:
        """Whether some of it has come."""
        return bool(self._seen)

    @property
    def wanted(self) -> int:
        """The most bytes that are worth a look now."""
        return _PIECE

    def take(self, data: bytes) -> int:
        """Look at the next bytes and return how many of them belong to the header.

        Args:
            data: At least one byte.

        Raises:
            ProxyHeaderError: this is no header, or one that says what it may not.
        """
        seen = self._seen
        before = len(seen)
        seen += data
        if SIGNATURE.startswith(seen[: len(SIGNATURE)]):
            end = self._version_2()
        elif _FIRST.startswith(seen[: len(_FIRST)]):
            end = self._version_1()
        else:
            raise ProxyHeaderError("what it sends does not begin with a PROXY protocol header")
        if not end:
            return len(data)
        self.done = True
        del seen[end:]
        return end - before

    def _version_1(self) -> int:
        """Return where the line ends, or 0 when its end is still to come."""
        end = self._seen.find(b"\r\n", 0, _LONGEST_LINE)
        if end < 0:
            if len(self._seen) >= _LONGEST_LINE:
                raise ProxyHeaderError(f"the line of its PROXY header is longer than {_LONGEST_LINE} bytes")
            return 0
        try:
            words = self._seen[:end].decode("ascii").split(" ")
        except UnicodeDecodeError:
            raise ProxyHeaderError("the line of its PROXY header has bytes that are no ASCII") from None
        kind = words[1]
        # whatever follows UNKNOWN is to be ignored
        if kind != "UNKNOWN":
            if kind not in ("TCP4", "TCP6") or len(words) != 6:
                raise ProxyHeaderError(
                    "the line of its PROXY header is neither `PROXY UNKNOWN` nor `PROXY TCP4|TCP6 source destination "
                    "port port`"
                )
            version = 4 if kind == "TCP4" else 6
            source, _ = _address(words[2], version), _address(words[3], version)
            port, _ = _port(words[4]), _port(words[5])
            self.peer = _words(source, port)
        return end + 2

    def _version_2(self) -> int:
        """Return where the header ends, or 0 when some of it is still to come."""
        seen = self._seen
        if len(seen) < _FIXED:
            return 0
        version, command = seen[12] >> 4, seen[12] & 0xF
        if version != 2 or command > _PROXY:
            raise ProxyHeaderError(f"its PROXY header has version {version} and command {command}, not 2 and 0 or 1")
        size = int.from_bytes(seen[14:16], "big")
        if len(seen) < _FIXED + size:
            return 0
        # what follows the addresses says more of the connection (TLVs); nothing here needs that
        if command != _LOCAL:
            self.peer = _caller(seen[13], bytes(seen[_FIXED : _FIXED + size]))
        return _FIXED + size


class ProxyNetworks:
    """The networks that have to send a header.

    Args:
        networks: As in `10.0.0.0/8`; an address stands for itself.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)

    def has(self, name: object) -> bool:
        """Whether the other side of a socket is in one of them, given its `peername`. A unix socket is in none."""
        if not self._networks or not isinstance(name, tuple):
            return False
        address = _unmapped(ipaddress.ip_address(str(name[0]).partition("%")[0]))
        return any(address in network for network in self._networks)


def _caller(family: int, block: bytes) -> str:
    """Return the source of a connection in grpc's words, from the addresses of version 2."""
    if family == 0x00:  # not known, or nothing that has an address
        return ""
    # TCP or UDP over IPv4, over IPv6, and streams or datagrams of unix sockets
    if family in (0x11, 0x12) and len(block) >= _INET.size:
        source, _, port, _ = _INET.unpack_from(block)
        return _words(ipaddress.IPv4Address(source), port)
    if family in (0x21, 0x22) and len(block) >= _INET6.size:
        source, _, port, _ = _INET6.unpack_from(block)
        return _words(ipaddress.IPv6Address(source), port)
    if family in (0x31, 0x32) and len(block) >= _UNIX_SIZE:
        return peer_words(None)
    raise ProxyHeaderError(f"its PROXY header has {len(block)} bytes of addresses of family 0x{family:02x}")


def _words(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> str:
    return peer_words((str(_unmapped(address)), port))


def _unmapped(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address inside an IPv6 address that has one, as sockets for both kinds tell it."""
    inside = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if inside is None else inside


def _address(text: str, version: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or address.version != version or "%" in text:
        raise ProxyHeaderError(f"the line of its PROXY header has {text[:45]!r} where an IPv{version} address belongs")
    return address


def _port(text: str) -> int:
    if not (text.isdigit() and len(text) <= 5 and str(int(text)) == text and int(text) < 65536):
        raise ProxyHeaderError(f"the line of its PROXY header has {text[:10]!r} where a port belongs")
    return int(text)
