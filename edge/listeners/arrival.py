"""How a connection arrives: PROXY header, TLS handshake, first bytes. All of it has one time limit.

The header is read from the socket before there is a transport. A transport reads as much as there is, and what it read
beyond the header could not be given back to the TLS that follows (`start_tls` takes none). So each piece is looked at
first (MSG_PEEK), and only what belongs to the header is taken out of the socket. While the header is not whole, all
that has come belongs to it, so the loop is not called for the same bytes again and again.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from edge.listeners.detect import Decided, Opening
from edge.listeners.guests import SWEEP, Guest, Stage
from edge.listeners.proxy_protocol import ProxyHeader, ProxyHeaderError
from edge.listeners.tls import TlsKeeper
from edge.model.counters import Protections
from edge.model.settings import Limits
from edge.tasks import Tasks

_log = logging.getLogger(__name__)

PROXY_PROTOCOL = "proxy_protocol"
TLS_HANDSHAKE = "tls_handshake"
HANDSHAKE_TIMEOUT = "handshake_timeout"


class Arrival(Stage):
    """The beginning of a connection.

    Args:
        guest: Whose it is.
        accepted: The socket.
        limits: The limits of the gateway.
        protections: Where acts against callers are counted.
        tasks: Who owns the handshakes.
        tls: The certificates, or None for clear text.
    """

    def __init__(
        self,
        guest: Guest,
        accepted: socket.socket,
        *,
        limits: Limits,
        protections: Protections,
        tasks: Tasks,
        tls: TlsKeeper | None,
    ) -> None:
        self._guest = guest
        self._socket: socket.socket | None = accepted
        self._limits = limits
        self._protections = protections
        self._tasks = tasks
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._header: ProxyHeader | None = None
        self._introduced: Callable[[Arrival], None] | None = None
        self._opening: Opening | None = None
        self._task: asyncio.Task[None] | None = None
        self._waits_for = ""

    # === PROXY header ===

    def read_header(self, introduced: Callable[[Arrival], None]) -> None:
        """Read a PROXY header, which puts the caller it tells of into the guest.

        Args:
            introduced: Is called when it is there. `open` is to follow, or `cut`.
        """
        assert self._socket is not None
        self._header = ProxyHeader()
        self._introduced = introduced
        self._waits_for = "a PROXY header"
        self._loop.add_reader(self._socket, self._header_readable)

    def _header_readable(self) -> None:
        bound, header = self._socket, self._header
        if bound is None or header is None:
            return
        try:
            piece = bound.recv(header.wanted, socket.MSG_PEEK)
            if piece:
                bound.recv(header.take(piece))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close()
            return
        except ProxyHeaderError as error:
            self._refuse_header(str(error))
            return
        if not piece:
            if header.begun:
                self._refuse_header("it left in the middle of its PROXY header")
            else:
                self._close()  # it only looked whether somebody listens
        elif header.done:
            self._stop_reading()
            self._guest.peer = header.peer or self._guest.peer
            if self._introduced is not None:
                self._introduced(self)

    def _refuse_header(self, words: str) -> None:
        self._protections.act(
            PROXY_PROTOCOL,
            self._guest.peer,
            f"a connection was closed: {words}, and server.listeners.proxy_protocol_from asks for one from there",
        )
        self._close()

    def _stop_reading(self) -> None:
        if self._header is not None and self._socket is not None:
            self._loop.remove_reader(self._socket)
        self._header = None

    # === transport ===

    def open(self, decided: Decided) -> None:
        """Make a transport, and find out what is spoken on it.

        Args:
            decided: Takes it over.
        """
        self._waits_for = "a TLS handshake" if self._tls is not None else "its first bytes"
        self._opening = Opening(decided, self._guest.end)
        self._task = self._tasks.spawn(self._connect(self._opening), name="arrival of a caller")

    async def _connect(self, opening: Opening) -> None:
        accepted, self._socket = self._socket, None
        assert accepted is not None
        try:
            if self._tls is None:
                await self._loop.connect_accepted_socket(lambda: opening, accepted)
            else:
                await self._loop.connect_accepted_socket(
                    lambda: opening,
                    accepted,
                    ssl=self._tls.context,
                    # the sweep is there before, and tells why
                    ssl_handshake_timeout=self._limits.handshake_timeout + 4 * SWEEP,
                    ssl_shutdown_timeout=max(self._limits.stall_timeout, SWEEP),
                )
                self._waits_for = "its first bytes"
        except OSError as error:
            if self._tls is not None:
                self._failed_handshake(str(error) or type(error).__name__)
            self._guest.end()
        except BaseException:
            self._guest.end()
            raise

    def _failed_handshake(self, words: str) -> None:
        # anybody can make these come, scanners do, and there is nothing for an operator to mend: no warnings
        counts = self._protections.counts
        counts[TLS_HANDSHAKE] = counts.get(TLS_HANDSHAKE, 0) + 1
        _log.debug("a TLS handshake with %s did not come about: %s", self._guest.peer, words)

    # === time ===

    def look(self, now: float) -> float:
        """End what takes too long."""
        late = self._guest.born + self._limits.handshake_timeout
        if now < late:
            return late
        self._protections.act(
            HANDSHAKE_TIMEOUT,
            self._guest.peer,
            f"a connection was closed that still waited for {self._waits_for} (server.limits.handshake_timeout)",
        )
        self.cut(now)
        return now + SWEEP

    def drain(self, now: float) -> None:
        """End it: nothing has begun yet."""
        self.cut(now)

    def cut(self, now: float) -> None:
        """End it now."""
        del now
        if self._opening is not None and self._opening.transport is not None:
            self._opening.transport.abort()
            return
        if self._task is not None:
            self._task.cancel()
        self._close()  # a task that has not begun never will, and leaves the socket here

    def _close(self) -> None:
        self._stop_reading()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._guest.end()
