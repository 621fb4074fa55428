"""Runs the handler for each request over HTTP/1.1: the connections of a server, and the tasks that answer."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from mypy_extensions import mypyc_attr

from edge.listeners.http_connection import Connection
from edge.listeners.http_exchange import Http1Exchange
from edge.listeners.http_handshake import UPGRADE_TO, handshake_fault
from edge.model.http import CallerGoneError, HttpHandler
from edge.model.settings import Limits

_log = logging.getLogger(__name__)


@mypyc_attr(allow_interpreted_subclasses=True)
class Front:
    """The connections of one `HttpServer`.

    Args:
        handler: Who answers.
        limits: The limits of the gateway.
    """

    def __init__(self, handler: HttpHandler, limits: Limits) -> None:
        self.draining: bool = False
        """Whether connections end with the answers under way."""
        self.limits = limits
        """The limits of the gateway."""
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        """The event loop."""
        self._handler = handler
        self._alive: set[Connection] = set()
        self._running: set[Http1Exchange] = set()
        self._still = asyncio.Event()

    def make(self) -> asyncio.BaseProtocol:
        """Make the protocol of a new connection."""
        return cast("asyncio.BaseProtocol", Connection(self, self.limits, self.loop))

    # === called by connections ===

    def connected(self, connection: Connection) -> None:
        """Note a connection."""
        self._alive.add(connection)

    def disconnected(self, connection: Connection) -> None:
        """Forget a connection."""
        self._alive.discard(connection)
        self._settle()

    def run(self, exchange: Http1Exchange) -> None:
        """Let the handler answer."""
        self._running.add(exchange)
        # the set keeps the exchange, and that the task
        exchange.task = self.loop.create_task(self._answer(exchange))

    def cancel(self, exchange: Http1Exchange) -> None:
        """Cancel what is under way: the caller has left."""
        task = exchange.task
        if task is not None:
            task.cancel()
            if not exchange.entered:
                self._forget(exchange)  # a task that is cancelled before it runs does not come to its `finally`

    # === called by the listener ===

    def drain(self) -> None:
        """End what is idle, and let the rest end with the answers under way."""
        self.draining = True
        for connection in tuple(self._alive):
            connection.retire()
        self._settle()

    def cut(self) -> None:
        """End every connection, which cancels what is under way."""
        for connection in tuple(self._alive):
            connection.cut()

    async def wait_still(self) -> None:
        """Wait until, after `drain`, there is no connection and nothing under way."""
        await self._still.wait()

    def _settle(self) -> None:
        if self.draining and not self._alive and not self._running:
            self._still.set()

    async def _answer(self, exchange: Http1Exchange) -> None:
        exchange.entered = True
        try:
            request = exchange.request
            status, fault = handshake_fault(request) if request.header("upgrade") and request.upgrades else (0, "")
            if status:
                exchange.refuse(status, fault, UPGRADE_TO if status == 426 else "")
            else:
                await self._handler.handle(exchange)
                if not exchange.finished or exchange.web_socket is not None:
                    await exchange.complete()
        except CallerGoneError:
            # the handler need not catch it, there is nobody to answer; unless it was the framing that broke
            if exchange.broken and not exchange.started:
                exchange.refuse(exchange.broken_status, exchange.broken)
            else:
                exchange.abort()
        except Exception:
            _log.exception("the handler of %s %s failed", exchange.request.verb, exchange.request.path)
            await exchange.fail("something unexpected went wrong in the gateway; its log says what")
        finally:
            self._forget(exchange)

    def _forget(self, exchange: Http1Exchange) -> None:
        exchange.task = None
        self._running.discard(exchange)
        exchange.release()
        if self.draining:
            self._settle()
