"""Runs the handler for each request over HTTP/2 that is not native gRPC."""

from __future__ import annotations

import asyncio
import logging

from edge.listeners.h2_exchange import Http2Exchange
from edge.listeners.h2_head import answer_fields
from edge.model.http import CallerGoneError, HttpHandler
from edge.model.settings import Limits
from edge.wire.acceptor import Acceptor
from edge.wire.frames import CANCEL
from edge.wire.heads import Field
from edge.wire.request_head import RequestHead
from edge.wire.server import ServerConnection

_log = logging.getLogger(__name__)

LINGER = 2.0
"""Seconds a caller has to see that its answer is there, before it is told to stop sending its request."""


class Http2Front(Acceptor):
    """The exchanges of a listener, on all its connections. The connections are the listener's.

    Args:
        handler: Who answers.
        limits: The limits of the gateway.
    """

    def __init__(self, handler: HttpHandler, limits: Limits) -> None:
        self.stall_timeout: float = limits.stall_timeout
        """Seconds a caller may take for what is waited for."""
        self.max_head: int = limits.max_metadata_bytes
        """The most bytes of headers of a request."""
        self.draining: bool = False
        """Whether `drain` was called."""
        self._handler = handler
        self._running: set[Http2Exchange] = set()
        self._still = asyncio.Event()
        self._parting: dict[Http2Exchange, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def running(self) -> int:
        """The exchanges under way, those included whose answer is not sent to its end."""
        return len(self._running)

    # === called by connections ===

    def stream(self, conn: ServerConnection, number: int, head: RequestHead) -> Http2Exchange:
        """Return the exchange for a request."""
        del head  # it comes with `begin`
        return Http2Exchange(conn, number, self)

    def oversized(self, head: RequestHead) -> tuple[Field, ...]:
        """Return the answer to a request whose header list is too large."""
        del head
        return tuple(answer_fields(431, (), "0"))

    # === called by the listener ===

    def drain(self) -> None:
        """Let `wait_still` know when nothing is under way. Connections are asked by the listener to open no streams."""
        self.draining = True
        self._settle()

    def cut(self) -> None:
        """Reset every stream and cancel what is under way."""
        self._part(float("inf"))
        for exchange in tuple(self._running):
            exchange.abort(CANCEL)
            self.cancel(exchange)

    async def wait_still(self) -> None:
        """Wait until, after `drain`, there is nothing under way."""
        while not self.draining or self._running:
            self._still.clear()
            await self._still.wait()

    # === called by exchanges ===

    def run(self, exchange: Http2Exchange) -> None:
        """Let the handler answer."""
        self._running.add(exchange)
        # the set keeps the exchange, and that the task
        exchange.task = asyncio.get_running_loop().create_task(self._answer(exchange), name="HTTP/2 exchange")

    def cancel(self, exchange: Http2Exchange) -> None:
        """Cancel what is under way. A second time does nothing: it would break into what the handler does to end."""
        task = exchange.task
        if task is not None and not exchange.cancelled:
            exchange.cancelled = True
            task.cancel()
            if not exchange.entered:
                self._forget(exchange)  # a task that is cancelled before it runs does not come to its `finally`

    def linger(self, exchange: Http2Exchange) -> None:
        """Let a caller read its answer before it is told to stop sending."""
        loop = asyncio.get_running_loop()
        self._parting[exchange] = loop.time() + LINGER
        if self._timer is None:
            self._timer = loop.call_later(LINGER, self._look)

    def parted(self, exchange: Http2Exchange) -> None:
        """The caller has stopped sending."""
        if self._parting:
            self._parting.pop(exchange, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        # timers may fire a little early
        self._part(loop.time() + 0.01)
        if self._parting:
            self._timer = loop.call_at(next(iter(self._parting.values())), self._look)

    def _part(self, now: float) -> None:
        for exchange in [exchange for exchange, due in self._parting.items() if due <= now]:
            del self._parting[exchange]
            exchange.part()

    async def _answer(self, exchange: Http2Exchange) -> None:
        exchange.entered = True
        try:
            try:
                if exchange.fault[0]:
                    exchange.refuse(*exchange.fault)
                else:
                    await self._handler.handle(exchange)
                    exchange.complete()
            except CallerGoneError:
                # the handler need not catch it, there is nobody to answer; unless it was the body that did not come
                if exchange.broken and not exchange.started:
                    exchange.refuse(exchange.broken_status, exchange.broken)
                else:
                    exchange.abort()
            except Exception:
                _log.exception("the handler of %s %s failed", exchange.request.verb, exchange.request.path)
                exchange.refuse(500, "something unexpected went wrong in the gateway; its log says what")
            if exchange.queued:
                await exchange.flush()
        except asyncio.CancelledError:
            exchange.abort(CANCEL)
            raise
        finally:
            self._forget(exchange)

    def _forget(self, exchange: Http2Exchange) -> None:
        exchange.task = None
        exchange.fail_reader("the answer has been sent")
        self._running.discard(exchange)
        self._settle()

    def _settle(self) -> None:
        if self.draining and not self._running:
            self._still.set()
