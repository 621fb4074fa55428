"""An HTTP/1.1 and WebSocket server on one address, with the limits of the gateway."""

from __future__ import annotations

import asyncio
import logging
import os
import socket

from edge.listeners.http_front import Front
from edge.listeners.sockets import listen, unix_path, unlink_socket
from edge.model.http import HttpHandler
from edge.model.settings import Limits

_log = logging.getLogger(__name__)

_CUT_TIMEOUT = 5.0
"""Seconds a handler has to end once it is cancelled."""


class HttpServer:
    """A server that is bound before it serves, so that a taken port shows before anything is started.

    Args:
        address: Host and port, or `unix:/path`. Port 0 takes a free one.
        limits: The limits of the gateway.
        handler: Who answers.
    """

    def __init__(self, address: str, limits: Limits, handler: HttpHandler) -> None:
        self.address = address
        """The address; once bound, with the real port."""
        self._limits = limits
        self._handler = handler
        self._sockets: list[socket.socket] = []
        self._inode = 0
        self._front: Front | None = None
        self._servers: list[asyncio.Server] = []

    async def bind(self) -> None:
        """Take the address. Callers that connect now wait for `start`.

        Raises:
            ListenError: the address is taken, not ours, or no address at all.
        """
        self._sockets, self.address = await listen(self.address)
        if path := unix_path(self.address):
            self._inode = os.stat(path).st_ino

    async def start(self) -> None:
        """Take requests. `bind` comes first."""
        if not self._sockets:
            raise RuntimeError("bind comes before start")
        self._front = Front(self._handler, self._limits)
        loop = asyncio.get_running_loop()
        for bound in self._sockets:
            if bound.family == socket.AF_UNIX:
                self._servers.append(await loop.create_unix_server(self._front.make, sock=bound))
            else:
                self._servers.append(await loop.create_server(self._front.make, sock=bound))

    async def stop(self, grace: float) -> None:
        """Take no more connections, wait up to `grace` seconds for what is under way, end what is left.

        Connections without a request end at once, WebSockets get close 1001, answers not begun yet say
        `connection: close`.
        """
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._release()
        front, self._front = self._front, None
        if front is None:
            return
        front.drain()
        if await _within(front, grace):
            return
        front.cut()
        if not await _within(front, _CUT_TIMEOUT):
            _log.warning("HTTP handlers on %s have not ended after they were cancelled", self.address)

    def _release(self) -> None:
        path = unix_path(self.address)
        for bound in self._sockets:
            bound.close()
        if self._sockets and path:
            unlink_socket(path, self._inode)
        self._sockets.clear()


async def _within(front: Front, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await front.wait_still()
    except TimeoutError:
        return False
    return True
