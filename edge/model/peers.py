"""What is known of the other side of a connection, and which headers belong to one connection only."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import unquote

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "host", "content-length", "content-type"}
    # grpc makes its own of these for each hop
    | {"user-agent", "grpc-encoding", "grpc-accept-encoding", "grpc-timeout"}
)
"""RFC 9113 section 8.2.2 and gRPC doc/PROTOCOL-HTTP2.md: never carried from one connection to the next."""

MAX_KEPT_PEERS = 4096


class Peer:
    """What is known of the other side of a connection."""

    __slots__ = ("address", "forwarded", "ip", "trusted")

    def __init__(self, address: str, ip: str, *, trusted: bool) -> None:
        self.address = address
        """Host and port for logs, as in `127.0.0.1:40404`, or `unix:`."""
        self.ip = ip
        """The address without port, or empty for a unix socket."""
        self.trusted = trusted
        """Whether its `x-forwarded-*` are believed."""
        self.forwarded: tuple[tuple[str, str], ...] = (("x-forwarded-for", ip),) if ip else ()
        """What is sent upstream in place of an untrusted peer's word. Clear text is what an upstream assumes without
        `x-forwarded-proto`; each entry costs one to three percent of a call."""


class Peers:
    """Parses the peer of a connection once and remembers it, up to a bound.

    Args:
        trusted: The networks whose `x-forwarded-*` are believed.
    """

    __slots__ = ("_kept", "_trusted")

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = tuple(ipaddress.ip_network(network, strict=False) for network in trusted)
        self._kept: dict[str, Peer] = {}

    def get(self, peer: str) -> Peer:
        """Return what is known of a peer by grpc's text for it, such as `ipv4:127.0.0.1:40404`."""
        kept = self._kept.get(peer)
        if kept is None:
            if len(self._kept) >= MAX_KEPT_PEERS:
                self._kept.clear()
            kept = self._kept[peer] = self._parse(peer)
        return kept

    def _parse(self, peer: str) -> Peer:
        kind, _, rest = unquote(peer).partition(":")
        if kind not in ("ipv4", "ipv6"):
            return Peer(f"{kind}:", "", trusted=True)  # a unix socket: whoever may open it is one of ours
        text = rest.rpartition(":")[0].strip("[]")
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return Peer(rest, "", trusted=False)
        return Peer(rest, text, trusted=any(address in network for network in self._trusted))
