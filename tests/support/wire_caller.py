"""Calls on the wire engine's connections without a gateway around: a unary call, and what came of it."""

from __future__ import annotations

import asyncio

from edge.wire.carrier import Carrier, Waiter
from edge.wire.client import ClientConnection, ClientStream
from edge.wire.frames import CANCEL, REFUSED_STREAM
from edge.wire.heads import AnswerHead
from tests.support.raw_peer import frame, unframe

WAIT = 20.0
"""Seconds after which what a test waits for counts as never coming."""

ATTEMPTS = 4
"""As the engine does it, for calls that the endpoint has certainly not begun to work on."""


class WireCall(Waiter):
    """A call. It begins when it is made.

    Args:
        carrier: The way to the endpoint.
        path: The method.
        message: The request, which is ended with it unless `more`.
        more: Whether the request is left open.
    """

    def __init__(self, carrier: Carrier, path: str = "/t/Echo", message: bytes = b"", *, more: bool = False) -> None:
        self.carrier = carrier
        self.path = path
        self.message = message
        self.more = more
        self.attempts = 0
        self.conn: ClientConnection | None = None
        """The connection it was sent on, the last one."""
        self.stream: WireAnswer | None = None
        self.data = bytearray()
        self.code: int | None = None
        """The gRPC status."""
        self.failure = ""
        """Why there is no status."""
        self._ended = asyncio.Event()
        self._begin()

    def _begin(self) -> None:
        self.attempts += 1
        conn = self.carrier.connection()
        if conn is None:
            self.carrier.wait(self)
        else:
            self.on_connection(conn)

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    async def end(self, within: float = WAIT) -> WireCall:
        """Wait until it has ended, however."""
        async with asyncio.timeout(within):
            await self._ended.wait()
        return self

    @property
    def messages(self) -> list[bytes]:
        return [message for _, message in unframe(bytes(self.data))]

    def cancel(self) -> None:
        if self.stream is not None:
            self.stream.reset(CANCEL)

    # === the carrier's word ===

    def on_connection(self, conn: ClientConnection) -> None:
        assert conn.has_room()
        self.conn = conn
        number = conn.next_id()
        self.stream = conn.streams[number] = WireAnswer(conn, number, self)
        fields = (*conn.prefix, (":path", self.path), ("te", "trailers"), ("content-type", "application/grpc"))
        conn.send_block(number, conn.encoder.encode(fields), False)
        self.stream.send_data(frame(self.message), not self.more)

    def on_unreachable(self, cause: str) -> None:
        self.finish(None, cause)

    # === the stream's word ===

    def finish(self, code: int | None, failure: str = "") -> None:
        assert not self.ended, "told twice"
        self.code = code
        self.failure = failure
        self._ended.set()

    def over(self, code: int, unprocessed: bool, words: str) -> None:
        if (unprocessed or code == REFUSED_STREAM) and self.attempts < ATTEMPTS:
            self._begin()
        else:
            self.finish(None, words or f"RST_STREAM {code}")


class WireAnswer(ClientStream):
    """The endpoint's side of a call."""

    def __init__(self, conn: ClientConnection, number: int, call: WireCall) -> None:
        super().__init__(conn, number)
        self.call = call

    def on_head(self, head: AnswerHead, end: bool) -> None:
        if end:
            self.call.finish(head.code)

    def on_data(self, data: bytes, size: int, end: bool) -> None:
        self.call.data += data
        self.consumed(size)

    def on_trailers(self, head: AnswerHead) -> None:
        self.call.finish(head.code)

    def on_reset(self, code: int, unprocessed: bool, words: str) -> None:
        self.call.over(code, unprocessed, words)
