"""A connection to a gRPC endpoint on its transport: who is there, and whether it still is."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from edge.model.upstreams import ConnectionSettings
from edge.upstream.grpc_dial import NotHttp2Error
from edge.wire.client import ClientConnection
from edge.wire.frames import ACK, NO_ERROR, SETTINGS
from edge.wire.transport import WireProtocol

UNLIMITED = 2**31 - 1
"""The streams an endpoint takes that does not say how many (RFC 9113 section 6.5.2)."""

_FRAME_HEAD = 9


class EndpointProtocol(WireProtocol):
    """A client's connection.

    The first frame decides whether it is HTTP/2 (RFC 9113 section 3.4), so that what speaks something else is called
    that. One timer per connection asks by PING whether an endpoint that says nothing is still there.

    Args:
        connection: The connection.
        settings: How connections are kept.
        open_ones: The connections that are open; this one joins and leaves them.
        alpn: Whether the endpoint has to choose HTTP/2 in the TLS handshake.
    """

    def __init__(
        self,
        connection: ClientConnection,
        settings: ConnectionSettings,
        open_ones: set[EndpointProtocol],
        *,
        alpn: bool,
    ) -> None:
        super().__init__(connection)
        self.client = connection
        """The connection."""
        self.problem: OSError | None = None
        """Why it ended before the first frame of the endpoint."""
        self._settings = settings
        self._open = open_ones
        self._alpn = alpn
        self._greeted = False
        self._first = b""
        self._asked = 0.0
        self._gone: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if the endpoint has agreed on HTTP/2."""
        self._open.add(self)
        if self._alpn:
            handshake = transport.get_extra_info("ssl_object")
            chosen = handshake.selected_alpn_protocol() if handshake is not None else None
            if chosen != "h2":
                instead = f"it chose {chosen}" if chosen else "it chose nothing"
                self.problem = NotHttp2Error(f"{instead} in the TLS handshake (ALPN) where h2 was offered")
                self.transport = cast("asyncio.Transport", transport)
                self.drop(str(self.problem))
                return
        super().connection_made(transport)
        if self._settings.keepalive_time is not None:
            self._look_again(self._settings.keepalive_time)

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        if not self._greeted:
            data = self._greet(data)
        self.client.receive(data, time.monotonic())

    def _greet(self, data: bytes) -> bytes:
        """Hold back the first bytes until they show what they are; return what can be taken in."""
        first = self._first + data
        self._first = first[:64]
        if len(first) < _FRAME_HEAD:
            return b""
        if first[3] != SETTINGS or first[4] & ACK or first[5:9] != b"\0\0\0\0":
            self.problem = NotHttp2Error(spoken(first))
            self.drop(str(self.problem))
            return b""
        self._greeted = True
        self.client.peer_streams = UNLIMITED  # or what the frame says
        return first

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._open.discard(self)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        if self.problem is None and not self._greeted:
            if self._first:
                self.problem = NotHttp2Error(spoken(self._first))
            elif isinstance(exc, OSError):
                self.problem = exc
            else:
                self.problem = ConnectionError("it closed the connection before its first frame of HTTP/2")
        super().connection_lost(exc)

    def finish(self, words: str) -> asyncio.Future[None]:
        """Say goodbye and close the connection when that is written; return what is done when it is gone.

        Args:
            words: Why the calls end that are under way.
        """
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()
            if not self.client.ended:
                self.client.send_goaway(0, NO_ERROR)
                self.client.lost(words)
        return self._gone

    def drop(self, words: str) -> None:
        """End the connection now: there is nobody to say goodbye to."""
        transport = self.transport
        self.client.lost(words)
        if transport is not None:
            transport.abort()

    # === keepalive ===

    def _look_again(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Ask an endpoint that was quiet for too long; drop one that was asked and has not said anything since."""
        conn = self.client
        settings = self._settings
        often = settings.keepalive_time
        if conn.ended or often is None:
            return
        now = time.monotonic()
        if self._asked and conn.now < self._asked:
            self.drop(f"it did not answer a PING within {settings.keepalive_timeout:g} s (keepalive)")
            return
        self._asked = 0.0
        quiet = now - conn.now
        if not conn.streams:
            # without calls nobody is asked: servers take many such pings for an attack
            self._look_again(often)
        elif quiet < often:
            self._look_again(often - quiet)
        else:
            conn.ping()
            self._asked = now
            self._look_again(settings.keepalive_timeout)


def spoken(first: bytes) -> str:
    """Return in words what an endpoint speaks whose first bytes are no SETTINGS frame."""
    if first.startswith(b"HTTP/"):
        return "it answers in HTTP/1.1"
    if first[:2] in (b"\x15\x03", b"\x16\x03"):
        return "it speaks TLS, and the upstream has no `tls`"
    return "its first frame is not SETTINGS"
