"""A request and its answer over HTTP/2 (RFC 9113), whatever it is but native gRPC."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from edge.listeners.h2_body import Http2Body
from edge.listeners.h2_head import NO_FAULT, answer_fields, request_fault, request_headers, trailer_fields
from edge.listeners.http_head import error_body, given_length
from edge.model.http import CallerGoneError, HeaderPairs, HttpRequest, KeptHeaders, WebSocket
from edge.wire.frames import CANCEL, INTERNAL_ERROR, NO_ERROR
from edge.wire.heads import AnswerHead
from edge.wire.request_head import RequestHead
from edge.wire.server import ServerConnection

if TYPE_CHECKING:
    from edge.listeners.h2_front import Http2Front

_log = logging.getLogger(__name__)

_LEAST: Final = 16 * 1024
"""Bytes that a caller for whom others wait has to take in within `server.limits.stall_timeout`."""

_JSON: Final = (("content-type", "application/json"),)


class Http2Exchange(Http2Body):
    """An exchange on a stream of an `Http2Front`. It is made for every request.

    Args:
        conn: The caller's connection.
        number: The stream identifier.
        front: Who runs the handler.
    """

    started: bool = False
    """Whether the head of the answer has been sent; then no other can be."""
    fault: tuple[int, str] = NO_FAULT
    """The HTTP status and the reason when the head asks for what is not spoken here, or 0."""
    task: asyncio.Task[None] | None = None
    """What answers, for the front."""
    entered: bool = False
    """Whether the task has come to run, for the front."""
    cancelled: bool = False
    """Whether the task was cancelled, for the front."""
    _finished: bool = False
    _bodiless: bool = False
    _length: int = -1
    _moved: int = 0
    _wake_at: int = 0
    _writers: list[asyncio.Future[None]] | None = None

    def __init__(self, conn: ServerConnection, number: int, front: Http2Front) -> None:
        super().__init__(conn, number, front.stall_timeout)
        self._caller = conn
        self._front = front

    def begin(self, head: RequestHead, end: bool) -> None:
        """Take the request, and let the handler answer it."""
        kept = head.headers
        headers: HeaderPairs = ()
        if kept is not None:
            headers = kept.pairs
        else:
            self.fault = request_fault(head, self._front.max_head)
            headers = request_headers(head)
            if head.kept and not self.fault[0]:
                # the same block comes again: neither check it nor look for cookies any more
                kept = head.headers = KeptHeaders(headers)
        conn = self._caller
        self.request = HttpRequest(
            head.verb,
            head.path,
            headers,
            host=head.authority,
            peer=conn.peer,
            scheme=conn.scheme,
            version="2",
            tls=conn.tls,
            started=conn.now,
            kept=kept,
        )
        self.request.bodiless = end
        self.declared = head.content_length
        self._front.run(self)

    # === answering ===

    async def respond(self, status: int, headers: HeaderPairs, body: bytes = b"") -> None:
        """Send a whole answer with its length. See `HttpExchange`."""
        self._respond_now(status, headers, body)
        if self.queued > self.conn.rules.stream_window:
            try:
                await self._wait_sent()
            except CallerGoneError:
                _log.debug("the caller left before the end of an answer")

    def _respond_now(self, status: int, headers: HeaderPairs, body: bytes) -> None:
        length = str(len(body))
        if status == 204:
            body, length = b"", ""
        elif status == 304 or self.request.verb == "HEAD":
            if not body:
                # what GET would have had, when the handler knows it (RFC 9110 section 8.6)
                length = given_length(headers) or ("" if status == 304 else "0")
            body = b""
        self._send_head(status, headers, length, not body)
        self._finished = True
        if body and not self.closed:
            self.send_data(body, True)

    async def start(self, status: int, headers: HeaderPairs) -> None:
        """Send the head of an answer whose length is not known. See `HttpExchange`.

        A `content-length` among the headers is kept, and the body is held to it.
        """
        bodiless = status in (204, 304) or self.request.verb == "HEAD"
        length = given_length(headers)
        # the stream goes on until `finish` even without a body, so that it is noticed when the caller leaves
        self._send_head(status, headers, "" if status == 204 else length, False)
        self._bodiless = bodiless
        if length and not bodiless:
            self._length = int(length)

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the body at once, and wait while the caller does not read. See `HttpExchange`."""
        if self.closed:
            raise CallerGoneError("the stream is closed")
        if not self.started or self._finished:
            raise RuntimeError("write comes after start and before finish")
        if not chunk or self._bodiless:
            return
        if self._length >= 0:
            self._length -= len(chunk)
            if self._length < 0:
                self.abort()
                raise ValueError("the body is longer than its content-length")
        if not self.send_data(chunk, False) and self.queued > self.conn.rules.stream_window:
            await self._wait_sent()

    async def finish(self, trailers: HeaderPairs = ()) -> None:
        """End the body, with trailers if there are any. See `HttpExchange`."""
        if self._finished:
            return
        if self._length > 0:
            self.abort()
            return
        fields = trailer_fields(trailers) if trailers and not self._bodiless else ()
        self._finished = True
        if not self.closed:
            self.send_end(fields)

    def abort(self, code: int = INTERNAL_ERROR) -> None:
        """Break the stream. Behind it `write` fails, and the task that answers is cancelled.

        Args:
            code: The error code of HTTP/2.
        """
        self._finished = True
        if self.closed:
            return
        self.reset(code)
        self._lose("the answer was broken off")
        asyncio.get_running_loop().call_soon(self._front.cancel, self)

    def refuse(self, status: int, message: str) -> None:
        """Answer with an error of the front. When an answer has begun, just break it.

        Args:
            status: The HTTP status.
            message: What is wrong and how to mend it.
        """
        if self.started:
            self.abort()
        else:
            self._respond_now(status, _JSON, error_body(status, message))

    async def accept(
        self,
        *,
        headers: HeaderPairs = (),
        subprotocol: str = "",
        max_message_bytes: int,
        ping_interval: float | None = None,
    ) -> WebSocket:
        """See `HttpExchange`. No request over HTTP/2 `upgrades`, so that none can become a WebSocket."""
        del headers, subprotocol, max_message_bytes, ping_interval
        raise RuntimeError("only a request that upgrades can become a WebSocket, and over HTTP/2 none does")

    # === the front ===

    def complete(self) -> None:
        """Make sure that there is an answer, once the handler has returned."""
        if self._finished or self.closed:
            return
        if self.started:
            self.abort()
        elif self.broken:
            self.refuse(self.broken_status, self.broken)
        else:
            _log.error("%s %s was not answered", self.request.verb, self.request.path)
            self.refuse(500, "the gateway has not answered; this is an error in the gateway")

    async def flush(self) -> None:
        """Wait until everything has been sent, or the caller is given up."""
        try:
            while self.queued:
                await self._wait_sent(0)
        except CallerGoneError:
            _log.debug("the caller left before the end of an answer")

    # === the stream ===

    def on_reset(self, code: int, unprocessed: bool, words: str) -> None:
        """The caller has left, or broke the rules."""
        del code, unprocessed
        self._front.parted(self)
        self._lose(words or "the caller has reset the stream")
        self._front.cancel(self)

    def on_sent(self, size: int) -> None:
        """Bytes that waited have been sent."""
        self._moved += size
        if self._writers is not None and self.queued <= self._wake_at:
            self._wake_writers(None)

    def after_end(self) -> None:
        """The answer has gone. A caller that goes on sending is told to stop (RFC 9113 section 8.1), but not at once.

        Some (curl 7) lose an answer that RST_STREAM follows while they send. Until then the body comes to nothing.
        """
        if not self.ended_in:
            self.drop("the answer has been sent, and the rest of the body was not taken in")
            self.consumed(self.held)
            self._front.linger(self)

    def part(self) -> None:
        """Let a caller that goes on sending behind the answer stop, for the front."""
        self.reset(NO_ERROR)

    def on_data(self, data: bytes, size: int, end: bool) -> None:
        """A piece has come."""
        if not self.ended_out or not self._dropped:
            super().on_data(data, size, end)
            return
        self.consumed(size)
        if end:
            self._front.parted(self)

    def on_trailers(self, head: AnswerHead) -> None:
        """The body has ended."""
        self._front.parted(self)
        super().on_trailers(head)

    def _send_head(self, status: int, headers: HeaderPairs, length: str, end: bool) -> None:
        if self.started:
            raise RuntimeError("the head of the answer has been sent")
        fields = answer_fields(status, headers, length)
        self.started = True
        if self.closed:
            return  # there is nobody left to answer
        conn = self.conn
        self.headed = True
        conn.send_block(self.id, conn.encoder.encode(fields), end)
        if end:
            self.end_out()

    async def _wait_sent(self, most: int | None = None) -> None:
        """Wait until at most so many bytes wait to be sent, by default half of what a stream may hold.

        Raises:
            CallerGoneError: the caller left, or was given up because it does not read.
        """
        self._wake_at = self.conn.rules.stream_window // 2 if most is None else most
        while self.queued > self._wake_at:
            before = self._moved
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if self._writers is None:
                self._writers = []
            self._writers.append(waiter)
            try:
                async with asyncio.timeout(self.stall_timeout):
                    await waiter
            except TimeoutError:
                if self._moved - before < _LEAST:
                    self._give_up()

    def _give_up(self) -> None:
        words = "a stream was reset whose caller does not read (server.limits.stall_timeout)"
        self._caller.protections.act("slow_reader", self._caller.peer, words)
        self._finished = True
        self.reset(CANCEL)
        self._lose("the caller does not read")
        raise CallerGoneError("the caller does not read")

    def _lose(self, words: str) -> None:
        """Let whoever reads or writes know that there is no caller any more."""
        self.drop(words)
        self.fail_reader(words)
        if self._writers is not None:
            self._wake_writers(CallerGoneError(words))

    def _wake_writers(self, error: CallerGoneError | None) -> None:
        writers, self._writers = self._writers or (), None
        for writer in writers:
            if writer.done():
                continue
            if error is None:
                writer.set_result(None)
            else:
                writer.set_exception(error)
