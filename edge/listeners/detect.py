"""What is spoken on a connection, from its first bytes or from ALPN."""

from __future__ import annotations

import asyncio
import enum
import ssl
from collections.abc import Callable
from typing import Final, TypeAlias, cast

from edge.wire.frames import PREFACE


class Spoken(enum.Enum):
    """What a caller speaks."""

    HTTP2 = "HTTP/2"
    HTTP1 = "HTTP/1.1"
    TLS = "TLS"


_REQUEST_LINE: Final = PREFACE[:16]
"""`PRI * HTTP/2.0`: whoever sends this wants HTTP/2; the engine says what is wrong with the rest if something is."""

_HELLO: Final = b"\x16\x03"
"""The type of a handshake record and the major version, which every hello has (RFC 8446 section 5.1)."""

_ALPN: Final = {"h2": Spoken.HTTP2, "http/1.1": Spoken.HTTP1}


def detect(data: bytes, *, encrypted: bool = False) -> Spoken | None:
    """Return what is spoken, or None while that is open.

    Args:
        data: The first bytes of a connection, as many as have come.
        encrypted: Whether they came over TLS; then there is no other TLS inside.
    """
    if data.startswith(_REQUEST_LINE):
        return Spoken.HTTP2
    if _REQUEST_LINE.startswith(data):
        return None
    if not encrypted:
        if data.startswith(_HELLO):
            return Spoken.TLS
        if _HELLO.startswith(data):
            return None
    return Spoken.HTTP1


Decided: TypeAlias = Callable[[Spoken, asyncio.Transport, bytes], None]
"""Takes a transport over, with the bytes that have come."""


class Opening(asyncio.Protocol):
    """Holds a transport until it is known what is spoken on it.

    Args:
        decided: Takes it over.
        lost: Is called when it is lost before.
    """

    def __init__(self, decided: Decided, lost: Callable[[], None]) -> None:
        self.transport: asyncio.Transport | None = None
        """The transport, while it is held."""
        self._decided = decided
        self._lost = lost
        self._encrypted = False
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask TLS, which mostly knows."""
        # uvloop's transports are no subclass
        self.transport = cast("asyncio.Transport", transport)
        handshake: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if handshake is not None:
            self._encrypted = True
            agreed = _ALPN.get(handshake.selected_alpn_protocol() or "")
            if agreed is not None:
                self._hand_over(agreed)

    def data_received(self, data: bytes) -> None:
        """Look at the first bytes."""
        self._seen += data
        spoken = detect(self._seen, encrypted=self._encrypted)
        if spoken is not None:
            self._hand_over(spoken)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Say so, unless it is somebody else's by now."""
        del exc
        if self.transport is not None:
            self.transport = None
            self._lost()

    def _hand_over(self, spoken: Spoken) -> None:
        transport, self.transport = self.transport, None
        seen, self._seen = self._seen, b""
        if transport is not None:
            self._decided(spoken, transport, seen)
