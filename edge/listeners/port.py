"""One port for everything: HTTP/2 for the wire engine, HTTP/1.1 for a protocol of ours, with TLS or without.

    accept → (PROXY header) → (TLS) → first bytes or ALPN → HTTP/2 | HTTP/1.1

Sockets are accepted here and not by the loop's own servers: a connection that is one too many costs no transport, and a
PROXY header can be read before there is one.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import time
from functools import partial
from typing import Final, Protocol

from edge.listeners.admission import Admission
from edge.listeners.arrival import Arrival
from edge.listeners.detect import Spoken
from edge.listeners.guests import Guest, Guests
from edge.listeners.http_head import peer_words
from edge.listeners.port_http1 import CallerFront, GrpcOnly, Http1Stage
from edge.listeners.port_http2 import Http2Stage
from edge.listeners.proxy_protocol import ProxyNetworks
from edge.listeners.sockets import listen, unix_path, unlink_socket
from edge.listeners.tls import TlsKeeper, identity
from edge.model.counters import Protections
from edge.model.http import HttpHandler
from edge.model.settings import Limits, ListenerProtocol, ListenerSettings
from edge.tasks import Tasks
from edge.wire.acceptor import Acceptor
from edge.wire.sending import Rules, Turn
from edge.wire.server import ServerConnection

_log = logging.getLogger(__name__)

ACCEPT_PAUSE = 1.0
"""Seconds without accepting when the process has no file descriptor or memory left for another connection."""

_BURST = 64  # connections taken in one turn of the loop, so that those there are get theirs

_CUT_TIMEOUT = 5.0
"""Seconds for what is under way to end once it is cancelled."""

_PASSING: Final = {errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH}
"""Errors of `accept` that are those of one connection (accept(2))."""


class Front2(Protocol):
    """What carries plain HTTP over HTTP/2, as a listener needs it when it stops."""

    def drain(self) -> None:
        """Begin to end."""
        ...

    def cut(self) -> None:
        """Cancel what is under way."""
        ...

    async def wait_still(self) -> None:
        """Wait until, after `drain`, there is nothing under way."""
        ...


class EdgeServer:
    """A listener that is bound before it serves, so that a taken port shows before anything is started.

    Args:
        listener: What is to be listened to.
        limits: The limits of the gateway.
        acceptor: Who takes requests over HTTP/2.
        handler: Who answers over HTTP/1.1. None is for listeners that take gRPC only.
        front2: What carries plain HTTP over HTTP/2, behind the acceptor; it is stopped with the listener.
        turn: Where connections say that they have something to write.
        protections: Where acts against callers are counted.
        tls: The certificates. None means clear text. Its owner keeps it up to date.
        reuse_port: Whether other processes may listen to the same address (SO_REUSEPORT), as workers do.
    """

    def __init__(
        self,
        listener: ListenerSettings,
        limits: Limits,
        *,
        acceptor: Acceptor,
        handler: HttpHandler | None,
        front2: Front2 | None,
        turn: Turn,
        protections: Protections,
        tls: TlsKeeper | None = None,
        reuse_port: bool = False,
    ) -> None:
        self.address = listener.address
        """The address; once bound, with the real port."""
        self._listener = listener
        self._limits = limits
        self._rules = Rules(limits)
        self._acceptor = acceptor
        self._handler = None if listener.protocol is ListenerProtocol.GRPC else handler
        self._front2 = front2
        self._turn = turn
        self._protections = protections
        self._tls = tls
        self._reuse_port = reuse_port
        self._admission = Admission(listener.name, limits, protections)
        self._networks = ProxyNetworks(listener.proxy_protocol_from)
        self._guests = Guests(self._gone)
        self._tasks = Tasks()
        self._sockets: list[socket.socket] = []
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}
        self._inode = 0
        self._front: CallerFront | None = None
        self._serving = False

    def __len__(self) -> int:
        """Return the connections there are, those that are arriving included."""
        return len(self._guests)

    async def bind(self) -> None:
        """Take the address. Callers that connect now wait for `start`.

        Raises:
            ListenError: the address is taken, not ours, or no address at all.
        """
        self._sockets, self.address = await listen(self.address, reuse_port=self._reuse_port)
        if path := unix_path(self.address):
            self._inode = os.stat(path).st_ino

    async def start(self) -> None:
        """Take connections. `bind` comes first."""
        if not self._sockets:
            raise RuntimeError("bind comes before start")
        if self._handler is not None:
            self._front = CallerFront(self._handler, self._limits, self._protections)
        self._serving = True
        for bound in self._sockets:
            self._watch(bound)

    async def stop(self, grace: float) -> None:
        """Take no more connections, wait up to `grace` seconds for what is under way, end what is left.

        HTTP/2 connections get GOAWAY, HTTP/1.1 ones without a request end at once, WebSockets get close 1001.
        """
        self._release()
        if not self._serving:
            return
        self._serving = False
        if self._front is not None:
            self._front.drain()
        if self._front2 is not None:
            self._front2.drain()
        self._guests.drain()
        if not await self._within(grace):
            self._guests.cut()
            if self._front2 is not None:
                self._front2.cut()
            if not await self._within(_CUT_TIMEOUT):
                _log.warning("calls on %s have not ended after they were cancelled", self.address)
        self._guests.close()
        await self._tasks.close()

    # === accepting ===

    def _watch(self, bound: socket.socket) -> None:
        self._pauses.pop(bound, None)
        asyncio.get_running_loop().add_reader(bound, self._accept, bound)

    def _accept(self, bound: socket.socket) -> None:
        for _ in range(_BURST):
            try:
                accepted, name = bound.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in _PASSING:
                    self._pause(bound, error)
                return
            self._arrive(accepted, name)

    def _pause(self, bound: socket.socket, error: OSError) -> None:
        # the socket stays readable, so the loop would come back at once
        loop = asyncio.get_running_loop()
        loop.remove_reader(bound)
        self._pauses[bound] = loop.call_later(ACCEPT_PAUSE, self._watch, bound)
        self._protections.act(
            "accept",
            self.address,
            f"no connection is taken for {ACCEPT_PAUSE:g} s: {error.strerror or error}; is `ulimit -n` too low",
        )

    def _arrive(self, accepted: socket.socket, name: object) -> None:
        peer = peer_words(name)
        if not self._admission.enter(peer):
            accepted.close()
            return
        accepted.setblocking(False)
        if accepted.family != socket.AF_UNIX:
            # callers that vanish without a word are found out, if late
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        now = time.monotonic()
        guest = Guest(self._guests, peer, now)
        arrival = Arrival(
            guest,
            accepted,
            limits=self._limits,
            protections=self._protections,
            tasks=self._tasks,
            tls=self._tls,
        )
        guest.enter(arrival, now)
        self._guests.add(guest)
        if self._networks.has(name):
            arrival.read_header(partial(self._open, guest))
        else:
            self._open(guest, arrival)

    def _open(self, guest: Guest, arrival: Arrival) -> None:
        key = self._admission.claim(guest.peer)
        if key is None:
            arrival.cut(time.monotonic())
            return
        guest.key = key
        arrival.open(partial(self._begin, guest))

    def _gone(self, guest: Guest) -> None:
        self._admission.leave()
        self._admission.release(guest.key)

    # === protocols ===

    def _begin(self, guest: Guest, spoken: Spoken, transport: asyncio.Transport, data: bytes) -> None:
        """Hand a transport to the protocol that is spoken on it."""
        now = time.monotonic()
        caller = identity(transport.get_extra_info("ssl_object"))
        scheme = "http" if self._tls is None else "https"
        if spoken is Spoken.HTTP2:
            connection = ServerConnection(
                self._rules,
                self._turn,
                self._acceptor,
                self._protections,
                peer=guest.peer,
                tls=caller,
                scheme=scheme,
            )
            http2 = Http2Stage(guest, connection, self._limits, self._protections, transport)
            guest.enter(http2, now)
            http2.begin(data)
        elif spoken is Spoken.HTTP1 and self._front is not None:
            http1 = self._front.connect(guest, tls=caller, scheme=scheme)
            stage = Http1Stage(guest, http1, self._limits, self._protections)
            guest.enter(stage, now)
            stage.begin(transport, data)
        else:
            refusal = GrpcOnly(guest, transport, self._listener.name)
            guest.enter(refusal, now)
            if spoken is Spoken.TLS:
                self._protections.act(
                    "tls_on_clear_text",
                    guest.peer,
                    f"a connection was closed: it begins with a TLS handshake, and the listener {self._listener.name} "
                    f"on {self.address} is for clear text (server.listeners.tls is not set)",
                )
                refusal.close()
            else:
                refusal.begin()

    # === ending ===

    async def _within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._guests.wait_empty()
                for front in (self._front, self._front2):
                    if front is not None:
                        await front.wait_still()
        except TimeoutError:
            return False
        return True

    def _release(self) -> None:
        loop = asyncio.get_running_loop()
        path = unix_path(self.address)
        for bound in self._sockets:
            loop.remove_reader(bound)
            bound.close()
        for pause in self._pauses.values():
            pause.cancel()
        self._pauses.clear()
        if self._sockets and path:
            unlink_socket(path, self._inode)
        self._sockets.clear()
