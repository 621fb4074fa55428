"""Runs the handler for each request: aiohttp's `web.Server` over `Connection` and `Http1Exchange`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from edge.listeners.http_connection import Connection
from edge.listeners.http_exchange import Http1Exchange
from edge.listeners.http_websocket import UPGRADE_TO, handshake_fault
from edge.model.http import CallerGoneError, HttpHandler
from edge.model.settings import Limits

_log = logging.getLogger(__name__)


class Front(web.Server):
    """The connections of one `HttpServer`.

    Args:
        handler: Who answers.
        limits: The limits of the gateway.
    """

    def __init__(self, handler: HttpHandler, limits: Limits) -> None:
        super().__init__(
            # the exchange is aiohttp's request and response at once
            cast("Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]", self._answer),
            request_factory=cast(Any, self._exchange),
            handler_cancellation=True,
        )
        self.draining: bool = False
        """Whether connections end with the answers under way."""
        self._handler = handler
        self._limits = limits
        self._alive: set[Connection] = set()
        self._running = 0
        self._still = asyncio.Event()

    def __call__(self) -> Connection:
        """Make the protocol of a new connection."""
        return Connection(self, self._limits, self._loop)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Note a connection."""
        super().connection_made(handler, transport)
        assert isinstance(handler, Connection)
        self._alive.add(handler)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        super().connection_lost(handler, exc)
        assert isinstance(handler, Connection)
        self._alive.discard(handler)
        self._settle()

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

    def _exchange(
        self, message: RawRequestMessage, payload: StreamReader, connection: Connection, writer: object, task: object
    ) -> Http1Exchange:
        del writer, task
        exchange = connection.exchange = Http1Exchange(message, payload, connection)
        connection.look_behind()
        return exchange

    async def _answer(self, exchange: Http1Exchange) -> Http1Exchange:
        self._running += 1
        try:
            status, fault = _refusal(exchange, self._limits)
            if status:
                exchange.refuse(status, fault, UPGRADE_TO if status == 426 else "")
            else:
                await self._handler.handle(exchange)
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
            self._running -= 1
            exchange.release()
            if self.draining:
                self._settle()
        return exchange


def _refusal(exchange: Http1Exchange, limits: Limits) -> tuple[int, str]:
    """Return the status and the reason of what the front refuses itself, or 0."""
    request = exchange.request
    if exchange.fault[0]:
        return exchange.fault
    if exchange.head_bytes > (limit := limits.max_metadata_bytes):
        return 431, f"the headers take {exchange.head_bytes} bytes; server.limits.max_metadata_bytes allows {limit}"
    return handshake_fault(request) if request.header("upgrade") and request.upgrades else (0, "")
