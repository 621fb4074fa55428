"""One HTTP exchange, whatever carries it: HTTP/1.1, or HTTP/2 by the wire engine.

A front makes an `HttpRequest`, wraps it in an `HttpExchange` and hands that to whoever answers. When the caller leaves,
the task that answers is cancelled. Nothing behind this knows aiohttp or frames.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from mypy_extensions import mypyc_attr

from edge.model.call import MetadataPairs, TlsIdentity

HeaderPairs = Sequence[tuple[str, str]]
"""Headers in the order of the wire: names in lower case, values decoded as Latin-1 (RFC 9110 section 5.5)."""


class KeptHeaders:
    """Headers that callers send again and again, with what was found out about them the first time.

    Args:
        pairs: The headers.
    """

    __slots__ = ("index", "media", "metadata", "pairs", "timed")

    def __init__(self, pairs: HeaderPairs) -> None:
        self.pairs: HeaderPairs = pairs
        """The headers."""
        self.index: dict[str, str] = {}
        """The values by name, joined by commas."""
        for name, value in pairs:
            self.index[name] = f"{self.index[name]}, {value}" if name in self.index else value
        self.metadata: MetadataPairs | None = None
        """What goes to a gRPC upstream of them, once it is known."""
        self.media: str | None = None
        """The content type without parameters, once it is known."""
        self.timed: bool | None = None
        """Whether one of them sets a deadline, once it is known."""


@mypyc_attr(allow_interpreted_subclasses=True)
class HttpRequest:
    """The head of a request. It is made for every request, so it is a plain slotted class."""

    __slots__ = (
        "_index",
        "bodiless",
        "headers",
        "host",
        "kept",
        "path",
        "peer",
        "query",
        "scheme",
        "started",
        "target",
        "tls",
        "verb",
        "version",
    )

    def __init__(
        self,
        verb: str,
        target: str,
        headers: HeaderPairs,
        *,
        host: str = "",
        peer: str = "",
        scheme: str = "http",
        version: str = "1.1",
        tls: TlsIdentity | None = None,
        started: float | None = None,
        kept: KeptHeaders | None = None,
    ) -> None:
        self.verb: str = verb
        """The method in upper case."""
        self.target: str = target
        """The request target in origin form, as sent: path and query."""
        self.path, _, self.query = target.partition("?")
        self.headers: HeaderPairs = headers
        """The headers."""
        self.host: str = host
        """The authority as sent, with the port if it has one."""
        self.peer: str = peer
        """The other side, in grpc's words: `ipv4:127.0.0.1:40404`, `ipv6:[::1]:40404` or `unix:`."""
        self.scheme: str = scheme
        """`http` or `https`."""
        self.version: str = version
        """`1.0`, `1.1` or `2`."""
        self.bodiless: bool = False
        """Whether there certainly is no body, where the headers do not say (HTTP/2)."""
        self.tls: TlsIdentity | None = tls
        """Who the caller is by its certificate, or None."""
        self.started: float = time.monotonic() if started is None else started
        """When the headers arrived, by the monotonic clock, in seconds."""
        self.kept: KeptHeaders | None = kept
        """The headers with what is known of them, when they are of a kind that comes again; then `headers` are its."""
        self._index: dict[str, str] | None = kept.index if kept is not None else None

    def header(self, name: str) -> str:
        """Return the values of a header by its lower-case name, joined by commas, or the empty text."""
        index = self._index
        if index is None:
            index = self._index = {}
            for key, value in self.headers:
                index[key] = f"{index[key]}, {value}" if key in index else value
        return index.get(name, "")

    @property
    def upgrades(self) -> bool:
        """Whether the caller wants to speak WebSocket (RFC 6455 section 4.2.1)."""
        return self.header("upgrade").lower() == "websocket" and "upgrade" in self.header("connection").lower()


@mypyc_attr(native_class=False)  # mypyc makes no subclasses of OSError
class CallerGoneError(ConnectionError):
    """The caller has closed the connection, or broke the framing of its body."""


class BodyTooLargeError(Exception):
    """A body is larger than the limit that `read_all` was given."""


class WebSocket(Protocol):
    """An accepted WebSocket connection (RFC 6455). Pings and pongs are the front's business."""

    @property
    def close_code(self) -> int | None:
        """The code the caller closed with, once `receive` has returned None. None when it just vanished."""
        ...

    async def receive(self) -> str | bytes | None:
        """Return the next message, text or binary, or None when the caller has closed or vanished."""
        ...

    async def send(self, message: str | bytes) -> None:
        """Send one message and wait while the caller does not read.

        Raises:
            CallerGoneError: the connection is closed.
        """
        ...

    async def close(self, code: int, reason: str = "") -> None:
        """Close with a code and a reason of at most 123 bytes; more is cut. A second time does nothing."""
        ...


class HttpExchange(Protocol):
    """A request and the answer to it."""

    request: HttpRequest
    """The head of the request."""

    @property
    def started(self) -> bool:
        """Whether the head of the answer has been sent; then no other can be."""
        ...

    async def read(self, *, waits: bool = True) -> bytes:
        """Return the next piece of the body, or nothing at its end.

        Args:
            waits: Whether the caller may take its time, as one does in a stream of requests. Otherwise it is given up
                after `server.limits.stall_timeout`.

        Raises:
            CallerGoneError: the body ended before its end, or the caller was given up.
        """
        ...

    async def read_all(self, limit: int) -> bytes:
        """Return the whole body.

        Args:
            limit: The most bytes there may be.

        Raises:
            BodyTooLargeError: there are more.
            CallerGoneError: the body ended before its end.
        """
        ...

    async def respond(self, status: int, headers: HeaderPairs, body: bytes = b"") -> None:
        """Send a whole answer with its length. To HEAD the body is not sent, but its length is."""
        ...

    async def start(self, status: int, headers: HeaderPairs) -> None:
        """Send the head of an answer whose length is not known."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the body at once, and wait while the caller does not read.

        Raises:
            CallerGoneError: the connection is closed.
        """
        ...

    async def finish(self, trailers: HeaderPairs = ()) -> None:
        """End the body. HTTP/1.1 fronts do not send the trailers."""
        ...

    def abort(self) -> None:
        """Break the connection, so that a body that is not whole does not look whole."""
        ...

    async def accept(
        self,
        *,
        headers: HeaderPairs = (),
        subprotocol: str = "",
        max_message_bytes: int,
        ping_interval: float | None = None,
    ) -> WebSocket:
        """Answer a request that `upgrades` with 101.

        Args:
            headers: What the answer has besides what RFC 6455 asks for.
            subprotocol: The subprotocol that was chosen. Empty for none.
            max_message_bytes: A larger message closes the connection with 1009.
            ping_interval: Seconds between pings; a caller that answers none is dropped. None for no pings.
        """
        ...


class HttpHandler(Protocol):
    """Answers HTTP requests."""

    async def handle(self, exchange: HttpExchange) -> None:
        """Answer one request. It answers whatever happens, and raises nothing but CancelledError."""
        ...
