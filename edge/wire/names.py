"""What the name of a header says, remembered by name: callers choose them, so that only so many are kept."""

from __future__ import annotations

from typing import Final

CONNECTION: Final = 1
"""It belongs to a connection of HTTP/1.1 and must not be in HTTP/2 (RFC 9113 section 8.2.2)."""
UNFIT: Final = 2
"""It is no name in HTTP/2 (RFC 9113 section 8.2.1)."""
NAMED: Final = 4
"""Something is read from it on arrival."""
BINARY: Final = 8
"""Its values are base64 (gRPC doc/PROTOCOL-HTTP2.md)."""
HOP: Final = 16
"""It is written anew for each hop, or of no use behind it."""
TRACED: Final = 32
"""What goes on under it depends on who the caller is."""

HANDED: Final = "edge-call"
"""The header by which the core finds a call that was handed to it. Callers' own is dropped."""

_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
_MAX_KEPT: Final = 2048
_LONGEST_KEPT: Final = 64

KINDS: Final[dict[str, int]] = {
    "connection": CONNECTION,
    "keep-alive": CONNECTION,
    "proxy-connection": CONNECTION,
    "transfer-encoding": CONNECTION,
    "upgrade": CONNECTION,
    # but for `trailers`
    "te": CONNECTION | HOP,
    "content-type": NAMED,
    "content-length": NAMED | HOP,
    "grpc-encoding": NAMED,
    "grpc-accept-encoding": NAMED,
    "grpc-timeout": NAMED | HOP,
    "host": NAMED | HOP,
    "trailer": HOP,
    "proxy-authorization": HOP,
    "proxy-authenticate": HOP,
    HANDED: HOP,
    "x-request-id": TRACED,
    "x-forwarded-for": TRACED,
    "x-forwarded-proto": TRACED,
    "x-forwarded-host": TRACED,
    "x-forwarded-port": TRACED,
    "forwarded": TRACED,
}
"""What is known of names. Use `name_kind`, or look here first and there when it is not."""


def name_kind(name: str) -> int:
    """Return what the name of a header says: 0 for nothing, or one of the flags above."""
    kind = KINDS.get(name)
    if kind is None:
        kind = 0
        if not name or not _TOKEN.issuperset(name):
            kind = UNFIT
        elif name.endswith("-bin"):
            kind = BINARY
        if len(KINDS) < _MAX_KEPT and len(name) <= _LONGEST_KEPT:
            KINDS[name] = kind
    return kind
