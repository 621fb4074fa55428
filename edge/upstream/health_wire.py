"""Calls of `grpc.health.v1` on the wire engine: streams on the connections that carry the calls too.

So a check says something about the way that calls take. No task belongs to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edge.model.status import Code
from edge.upstream.channels import USER_AGENT
from edge.upstream.grpc_endpoint import GrpcEndpoint
from edge.upstream.health_calls import CHECK, LARGEST, WATCH, Cancel, End, end_of, request_bytes, status_of
from edge.upstream.health_services import Serving
from edge.wire.carrier import Waiter
from edge.wire.client import ClientConnection, ClientStream
from edge.wire.frames import CANCEL, error_name
from edge.wire.heads import AnswerHead, Field

_CONSTANT: tuple[Field, ...] = (("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", USER_AGENT))
_FIELDS = {path: ((":path", path), *_CONSTANT) for path in (CHECK, WATCH)}
_CODES = tuple(Code)

ENDING = End(Code.UNAVAILABLE, "ends its connection")
"""What is told of a Watch on a connection that takes no more calls. It would keep the connection from ending."""


class WireHealth:
    """Makes the calls of one endpoint.

    Args:
        carrier: Its connections.
    """

    def __init__(self, carrier: GrpcEndpoint) -> None:
        self._carrier = carrier
        self._watches: set[_HealthCall] = set()
        self._loop = asyncio.get_running_loop()
        carrier.on_left = self._left

    def check(self, service: str, said: Callable[[Serving], None], ended: Callable[[End], None]) -> Cancel:
        """Ask once."""
        return self._begin(_HealthCall(self._carrier, CHECK, service, said, ended))

    def watch(self, service: str, said: Callable[[Serving], None], ended: Callable[[End], None]) -> Cancel:
        """Ask to be told of changes."""
        call = _HealthCall(self._carrier, WATCH, service, said, ended)
        call.over = self._watches.discard
        self._watches.add(call)
        return self._begin(call)

    async def close(self) -> None:
        """End what is under way."""
        self._carrier.on_left = None
        for call in tuple(self._watches):
            call.cancel()

    def _begin(self, call: _HealthCall) -> Cancel:
        conn = self._carrier.connection()
        if conn is not None:
            call.on_connection(conn)
        else:
            self._carrier.wait(call)
        return call.cancel

    def _left(self) -> None:
        """A connection takes no more calls. It is in the middle of saying so: act when it has."""
        self._loop.call_soon(self._let_go)

    def _let_go(self) -> None:
        for call in tuple(self._watches):
            if call.conn is not None and call.conn.leaving:
                call.end(ENDING)


class _HealthCall(Waiter):
    """One call: waits for a connection, then is a stream of it."""

    def __init__(
        self,
        carrier: GrpcEndpoint,
        path: str,
        service: str,
        said: Callable[[Serving], None],
        ended: Callable[[End], None],
    ) -> None:
        self.conn: ClientConnection | None = None
        self.stream: _HealthStream | None = None
        self.over: Callable[[_HealthCall], None] = lambda _: None
        self._carrier = carrier
        self._path = path
        self._service = service
        self._said = said
        self._ended = ended
        self._done = False

    def on_connection(self, conn: ClientConnection) -> None:
        """Send the request."""
        self.conn = conn
        stream = self.stream = _HealthStream(conn, conn.next_id(), self)
        block = conn.encoder.encode_kept(conn.prefix) + conn.encoder.encode_kept(_FIELDS[self._path])
        conn.send_block(stream.id, block, False)
        conn.streams[stream.id] = stream
        message = request_bytes(self._service)
        stream.send_data(b"\0" + len(message).to_bytes(4, "big") + message, True)

    def on_unreachable(self, cause: str) -> None:
        """There is no connection."""
        self.end(End(Code.UNAVAILABLE, f"cannot be reached: {cause}"))

    def say(self, status: Serving) -> None:
        """Hand a status on."""
        if not self._done:
            self._said(status)

    def end(self, end: End) -> None:
        """It is over; tell so."""
        if not self._done:
            self.cancel()
            self._ended(end)

    def cancel(self) -> None:
        """End it and tell nothing. A second time does nothing."""
        if self._done:
            return
        self._done = True
        self.over(self)
        if self.stream is None:
            self._carrier.abandon(self)
        elif not (self.stream.ended_in and self.stream.ended_out):
            self.stream.reset(CANCEL)


class _HealthStream(ClientStream):
    """The stream of a call."""

    def __init__(self, conn: ClientConnection, number: int, call: _HealthCall) -> None:
        super().__init__(conn, number)
        self._call = call
        self._data = b""

    def on_head(self, head: AnswerHead, end: bool) -> None:
        """The answer begins, or is nothing but a status."""
        if end and head.code >= 0:
            self.on_trailers(head)
        elif head.status != 200 or end:
            # as gRPC's libraries do (doc/http-grpc-status-mapping.md): what has no health service may be no gRPC at all
            code = Code.UNIMPLEMENTED if head.status == 404 else Code.UNKNOWN
            self._call.end(End(code, f"answers health checks with HTTP status {head.status}"))

    def on_data(self, data: bytes, size: int, end: bool) -> None:
        """Take messages apart."""
        self.consumed(size)
        data = self._data + data if self._data else data
        while len(data) >= 5:
            length = int.from_bytes(data[1:5], "big")
            if data[0] or length > LARGEST:
                self._call.end(End(Code.INTERNAL, "answers health checks with what is no HealthCheckResponse"))
                return
            if len(data) < 5 + length:
                break
            status = status_of(data[5 : 5 + length])
            if status is None:
                self._call.end(End(Code.INTERNAL, "answers health checks with what is no HealthCheckResponse"))
                return
            data = data[5 + length :]
            self._call.say(status)
        self._data = data
        if end:
            self._call.end(End(Code.INTERNAL, "ends its answer to a health check without a status"))

    def on_trailers(self, head: AnswerHead) -> None:
        """The server has ended the call."""
        code = _CODES[head.code] if head.code >= 0 else Code.UNKNOWN
        self._call.end(end_of(code, head.message))

    def on_reset(self, code: int, unprocessed: bool, words: str) -> None:  # noqa: ARG002 - the signature
        """The connection is gone, or the server has reset the stream."""
        what = f"lost its connection: {words}" if words else f"resets health checks with {error_name(code)}"
        self._call.end(End(Code.UNAVAILABLE, what))
