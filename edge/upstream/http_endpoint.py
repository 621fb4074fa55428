"""The carrier of an HTTP endpoint: kept connections, requests on them, and what follows for the endpoint's state."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from edge.model.endpoint import Endpoint, EndpointState
from edge.model.http import HeaderPairs
from edge.model.upstreams import Upstream
from edge.tasks import Tasks
from edge.upstream.http1 import AnswerHead, request_head
from edge.upstream.http_answer import HttpAnswer, NoAnswerError, RequestBody, Upgraded
from edge.upstream.http_connection import HttpConnection
from edge.upstream.http_dial import ConnectFailedError, connect_words, dial

if TYPE_CHECKING:
    from edge.upstream.http_web_socket import WebSocketClient

_log = logging.getLogger(__name__)

KEEP_SECONDS = 30.0
"""How long an idle connection is kept. One that says `keep-alive: timeout=…` is kept a second shorter than that."""

MAX_IDLE = 256
"""The most idle connections to one endpoint. Each carries one request at a time; those in use are not limited here."""

_FIRST_BACKOFF = 0.1
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2."""

_TIMEOUT = re.compile(r"timeout\s*=\s*(\d{1,6})")


class HttpEndpoint:
    """How one HTTP endpoint is reached; its `carrier`.

    Args:
        upstream: How to connect.
        address: Host and port, or `unix:/path`.
        tls: What `tls_context` returned for the upstream.
    """

    __slots__ = (
        "_address",
        "_changed",
        "_endpoint",
        "_failed",
        "_idle",
        "_open",
        "_sockets",
        "_sweep",
        "_tls",
        "made",
        "upstream",
    )

    def __init__(self, upstream: Upstream, address: str, tls: ssl.SSLContext | None) -> None:
        self.upstream = upstream
        """The configuration."""
        self._address = address
        self._tls = tls
        self.made = 0
        """How often a connection was made."""
        self._open: set[HttpConnection] | None = set()
        self._idle: list[HttpConnection] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._endpoint: Endpoint | None = None
        self._changed: Callable[[], None] | None = None
        self._failed = asyncio.Event()
        self._sockets: WebSocketClient | None = None

    async def request(
        self, verb: str, target: str, headers: HeaderPairs, body: RequestBody | None = None
    ) -> HttpAnswer:
        """Send a request and return its answer when the head is there; whoever gets it has to close it.

        A kept connection may be closed by the endpoint in the very moment it is used. Then the request is sent once
        more, on a new connection, if doing it twice does no harm and its body has not been touched.

        Raises:
            ConnectFailedError: there is no connection to be had.
            NoAnswerError: the connection was closed before an answer.
            BrokenAnswerError: the answer is no HTTP.
            CallerGoneError: the request's body ended too early.
            GatewayError: what reading the request's body raised.
        """
        head = request_head(verb, target, headers)
        kept = self._kept()
        if kept is not None:
            answer = HttpAnswer(kept, verb, body, self._release)
            try:
                await answer.begin(head)
                return answer
            except NoAnswerError:
                answer.close()
                if answer.body_read or verb not in _IDEMPOTENT:
                    raise
            except BaseException:
                answer.close()
                raise
        answer = HttpAnswer(await self._connect(), verb, body, self._release)
        try:
            await answer.begin(head)
        except BaseException:
            answer.close()
            raise
        return answer

    async def web_socket(
        self, target: str, headers: HeaderPairs, subprotocols: list[str], max_message_bytes: int
    ) -> Upgraded:
        """Open a WebSocket.

        Args:
            target: The request target.
            headers: The headers without those of the handshake.
            subprotocols: What the caller offers.
            max_message_bytes: A larger message of the endpoint closes the connection with 1009.

        Raises:
            HandshakeRefusedError: the endpoint answered otherwise.
            ConnectFailedError: there is no connection to be had.
            NoAnswerError: the connection was closed before an answer.
            BrokenAnswerError: the answer is no proper handshake.
        """
        if self._sockets is None:
            # aiohttp is installed only where HTTP callers are served, and only they can ask for this
            from edge.upstream.http_web_socket import WebSocketClient

            server_name = self.upstream.tls.server_name if self.upstream.tls is not None else ""
            seconds = self.upstream.connection.connect_timeout
            self._sockets = WebSocketClient(self._address, self._tls, server_name, seconds)
        try:
            return await self._sockets.connect(target, headers, subprotocols, max_message_bytes)
        except OSError as error:
            if isinstance(error, NoAnswerError):
                raise
            raise self._unreachable(error) from None

    async def close(self) -> None:
        """Close every connection. Requests under way fail."""
        self._close_idle()
        connections, self._open = self._open or (), None
        for connection in tuple(connections):
            connection.abort()
        if self._sockets is not None:
            await self._sockets.close()

    def watch(self, endpoint: Endpoint, changed: Callable[[], None], tasks: Tasks, *, connect: bool) -> None:
        """Keep the state of `endpoint` by its connections until `tasks` is closed.

        Args:
            endpoint: Whose carrier this is.
            changed: Called when the state or its reason is another.
            tasks: The owner of the watching task.
            connect: Whether to connect at once and not at the first call.
        """
        self._endpoint, self._changed = endpoint, changed
        if connect:
            self._failed.set()
        tasks.spawn(self._watch(), name=f"watch endpoint {endpoint.address}")

    async def _watch(self) -> None:
        """After each failure, connect again and again until it works."""
        while True:
            await self._failed.wait()
            backoff = _FIRST_BACKOFF
            while self._failed.is_set():
                try:
                    self._keep(await self._connect())
                except ConnectFailedError:
                    # within the bounds of the setting, and not all gateways in the same moment
                    await asyncio.sleep(backoff * random.uniform(0.8, 1.0))
                    backoff = min(backoff * 2, max(self.upstream.connection.max_backoff, _FIRST_BACKOFF))

    def _kept(self) -> HttpConnection | None:
        """Return the connection that was used last and can be used again."""
        now = time.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.fresh(now):
                return connection
            connection.abort()
        return None

    def _release(self, connection: HttpConnection, head: AnswerHead) -> None:
        """Take a connection back after an answer."""
        seconds = KEEP_SECONDS
        for value in head.values("keep-alive"):
            if found := _TIMEOUT.match(value):
                seconds = min(seconds, int(found[1]) - 1.0)
        self._keep(connection, seconds)

    def _keep(self, connection: HttpConnection, seconds: float = KEEP_SECONDS) -> None:
        if self._open is None or seconds <= 0 or len(self._idle) >= MAX_IDLE:
            connection.abort()
            return
        connection.keep(seconds)
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(KEEP_SECONDS, self._swept)

    def _swept(self) -> None:
        """Close what has been idle for too long."""
        self._sweep = None
        now = time.monotonic()
        kept = [connection for connection in self._idle if connection.fresh(now)]
        for connection in self._idle:
            if connection not in kept:
                connection.abort()
        self._idle = kept
        if kept:
            self._sweep = asyncio.get_running_loop().call_later(KEEP_SECONDS, self._swept)

    def _close_idle(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    async def _connect(self) -> HttpConnection:
        try:
            connection = await dial(self.upstream, self._address, self._tls, self._new)
        except OSError as error:
            raise self._unreachable(error) from None
        if self._open is None:
            connection.abort()
            raise ConnectFailedError("the endpoint is no longer used")
        self._open.add(connection)
        self.made += 1
        self._reached()
        return connection

    def _new(self) -> HttpConnection:
        made = HttpConnection(self._lost)
        age = self.upstream.connection.max_age
        if age is not None:
            # not all connections of all gateways in the same moment
            made.ends_at = time.monotonic() + age * random.uniform(0.9, 1.1)
        return made

    def _lost(self, connection: HttpConnection) -> None:
        if self._open is not None:
            self._open.discard(connection)

    def _reached(self) -> None:
        self._failed.clear()
        endpoint = self._endpoint
        if endpoint is not None and not endpoint.connected:
            self._enter(endpoint, EndpointState.ACTIVE, "")

    def _unreachable(self, error: OSError) -> ConnectFailedError:
        """Take the endpoint out of the choice, begin to look for it, and return the error in words."""
        why = connect_words(error)
        self._failed.set()
        endpoint = self._endpoint
        if endpoint is not None:
            before = endpoint.state
            self._enter(endpoint, EndpointState.UNHEALTHY, f"cannot be reached: {why}")
            if endpoint.state is EndpointState.UNHEALTHY is not before:
                _log.warning("endpoint %s: cannot be reached: %s", endpoint.address, why)
            self._close_idle()
        return ConnectFailedError(why)

    def _enter(self, endpoint: Endpoint, state: EndpointState, reason: str) -> None:
        if endpoint.enter(state, reason) and self._changed is not None:
            self._changed()
