"""What of a caller's metadata goes upstream.

Everything does, binary included, in its order, but for what belongs to the connection, and for `x-forwarded-*` of peers
that are not trusted: their word is replaced by what the gateway itself knows.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge.model.call import Call, MetadataPairs
from edge.model.peers import HOP_BY_HOP, Peer
from edge.model.refusals import metadata_too_large
from edge.model.request_id import new_request_id

_SPECIAL = HOP_BY_HOP | {
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "forwarded",
}


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
        raise metadata_too_large(size, limit)
    if not trusted:
        result.extend(peer.forwarded)
    elif peer.ip or forwarded_for:
        chain = ", ".join(part for part in (forwarded_for, peer.ip) if part)
        result.append(("x-forwarded-for", chain))
    call.request_id = request_id or new_request_id()
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
