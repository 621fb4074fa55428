"""What of a caller's metadata goes upstream.

Everything does, binary included, in its order, but for what belongs to the connection, and for `x-forwarded-*` of peers
that are not trusted: their word is replaced by what the gateway itself knows.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from random import getrandbits
from urllib.parse import unquote

from edge.model.call import Call, MetadataPairs
from edge.model.errors import MetadataTooLarge

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "host", "content-length", "content-type"}
    # grpc makes its own of these for each hop
    | {"user-agent", "grpc-encoding", "grpc-accept-encoding", "grpc-timeout"}
)
"""RFC 9113 section 8.2.2 and gRPC doc/PROTOCOL-HTTP2.md: never carried from one connection to the next."""

_SPECIAL = HOP_BY_HOP | {
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "forwarded",
}

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


def outgoing(call: Call, peer: Peer, limit: int) -> list[tuple[str, str | bytes]]:
    """Return the metadata for the upstream, and put the request id into the call.

    Text that HTTP/2 allows and gRPC does not (tabs, bytes above 126) is left out: it must not fail the call
    (doc/PROTOCOL-HTTP2.md), and grpc.aio takes none of it.

    Args:
        call: The call.
        peer: Who sent it.
        limit: The most metadata in bytes, as RFC 9113 section 6.5.2 counts it: names, values and 32 for each.

    Raises:
        MetadataTooLarge: the caller sent more.
    """
    result: list[tuple[str, str | bytes]] = []
    request_id: str = ""
    forwarded_for = ""
    trusted = peer.trusted
    size = 0
    for pair in call.metadata:
        name, value = pair
        size += len(name) + len(value) + 32
        if type(value) is str and not (value.isascii() and value.isprintable()):
            continue
        if name not in _SPECIAL:
            result.append(pair)
        elif name == "x-request-id":
            request_id = request_id or str(value)
        elif trusted and name not in HOP_BY_HOP:
            if name == "x-forwarded-for":
                forwarded_for = f"{forwarded_for}, {value!s}" if forwarded_for else str(value)
            else:
                result.append(pair)
    if size > limit:
        raise MetadataTooLarge(
            f"the metadata of {size} bytes is larger than the {limit} that server.limits.max_metadata_bytes allows",
            metadata={"limit": "server.limits.max_metadata_bytes", "limitBytes": str(limit)},
        )
    if not trusted:
        result.extend(peer.forwarded)
    elif peer.ip or forwarded_for:
        chain = ", ".join(part for part in (forwarded_for, peer.ip) if part)
        result.append(("x-forwarded-for", chain))
    call.request_id = request_id or getrandbits(128).to_bytes(16, "big").hex()
    result.append(("x-request-id", call.request_id))
    return result


def valid(received: Iterable[tuple[str, str | bytes]]) -> MetadataPairs:
    """Return what of an upstream's metadata grpc.aio can send on: see `outgoing` for what it cannot."""
    pairs = tuple(received)
    for _, value in pairs:
        if type(value) is str and not (value.isascii() and value.isprintable()):
            return tuple(pair for pair in pairs if _sendable(pair[1]))
    return pairs


def _sendable(value: str | bytes) -> bool:
    return isinstance(value, bytes) or (value.isascii() and value.isprintable())
