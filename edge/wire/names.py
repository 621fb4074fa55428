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

_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
_MAX_KEPT: Final = 2048
_LONGEST_KEPT: Final = 64

_KINDS: dict[str, int] = {
    "connection": CONNECTION,
    "keep-alive": CONNECTION,
    "proxy-connection": CONNECTION,
    "transfer-encoding": CONNECTION,
    "upgrade": CONNECTION,
    # but for `trailers`
    "te": CONNECTION,
    "content-type": NAMED,
    "content-length": NAMED,
    "grpc-encoding": NAMED,
    "grpc-accept-encoding": NAMED,
    "grpc-timeout": NAMED,
    "host": NAMED,
}


def name_kind(name: str) -> int:
    """Return what the name of a header says: 0 for nothing, or one of the flags above."""
    kind = _KINDS.get(name)
    if kind is None:
        kind = 0
        if not name or not _TOKEN.issuperset(name):
            kind = UNFIT
        elif name.endswith("-bin"):
            kind = BINARY
        if len(_KINDS) < _MAX_KEPT and len(name) <= _LONGEST_KEPT:
            _KINDS[name] = kind
    return kind
