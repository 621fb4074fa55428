"""A WebSocket connection (RFC 6455) over HTTP/1.1, on aiohttp's reader and writer of frames.

aiohttp's `WebSocketResponse` is not used: it answers a close with 1000 whatever the code was, reports 1000 for callers
that vanished, and drops callers that cannot be heard because back-pressure keeps the gateway from reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import WebSocketError, WebSocketReader, WebSocketWriter

from edge.listeners.http_hangup import HangupWatch
from edge.listeners.http_masks import MaskCheck
from edge.model.http import CallerGoneError

if TYPE_CHECKING:
    from edge.listeners.http_connection import Connection

CLOSE_TIMEOUT = 5.0
"""Seconds a caller has to take and answer a close frame."""

_QUEUE_BYTES = 64 * 1024
"""About half as many bytes of messages wait before reading stops."""

_MAX_REASON = 123
_PING = b"\x89\x00"
_CLOSE_WITHOUT_CODE = b"\x88\x00"

_NO_CODE = 1005
_NEVER_SENT = frozenset({1006, 1015})
_INTERNAL_ERROR = 1011


class _Frames(BaseProtocol):
    """The protocol of a connection whose bytes are frames; what is no frame goes to the connection.

    Args:
        connection: The connection.
        transport: Its transport.
    """

    __slots__ = ("_connection", "_hangup", "_hear", "_masks", "_reader", "_refuse")

    def __init__(self, connection: Connection, transport: asyncio.Transport) -> None:
        super().__init__(connection.loop)
        self.transport = transport
        self._upgraded = True  # reading is stopped and let go on without aiohttp's parser of HTTP
        self._paused = connection.writing_paused
        self._connection = connection
        self._hangup = HangupWatch(connection.loop)
        self._masks = MaskCheck()
        self._reader: WebSocketReader | None = None
        self._hear: Callable[[], None] = _nothing
        self._refuse: Callable[[WebSocketError], None] = _nothing

    def begin(
        self, reader: WebSocketReader, hear: Callable[[], None], refuse: Callable[[WebSocketError], None]
    ) -> None:
        """Take the transport over; `hear` is told of whatever comes, `refuse` of what the reader lets pass."""
        self._reader = reader
        self._hear = hear
        self._refuse = refuse
        assert self.transport is not None, "it was given"
        self.transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        self._hear()
        reader = self._reader
        if reader is None:
            return
        if not self._masks.masked(data):
            self._refuse(WebSocketError(WSCloseCode.PROTOCOL_ERROR, "a frame of the caller is not masked"))
        elif not reader.feed_data(data)[0]:
            return
        self._reader = None  # the frames are broken, and nothing more is read

    def pause_reading(self) -> None:
        """Stop the caller; nothing is read that would show when it leaves."""
        super().pause_reading()
        if self.transport is not None:
            self._hangup.watch(self.transport)

    def pause_writing(self) -> None:
        """The caller does not take in what is sent."""
        super().pause_writing()
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._connection.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        super().connection_lost(exc)
        if self._reader is not None:
            self._reader.feed_eof()
        self._connection.connection_lost(exc)


def _nothing(*_: object) -> None:
    """Nobody wants to know yet."""


class Http1WebSocket:
    """An accepted connection; see `edge.model.http.WebSocket`.

    Args:
        connection: The connection, whose bytes are frames from now on.
        transport: Its transport.
        max_message_bytes: A larger message closes with 1009.
        ping_interval: Seconds between pings, or None.
    """

    __slots__ = (
        "_close_code",
        "_closing",
        "_connection",
        "_ended",
        "_frames",
        "_heard",
        "_parser",
        "_ping_interval",
        "_queue",
        "_receiving",
        "_timer",
        "_transport",
        "_writer",
    )

    def __init__(
        self,
        connection: Connection,
        transport: asyncio.Transport,
        max_message_bytes: int,
        ping_interval: float | None,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._frames = _Frames(connection, transport)
        self._queue = WebSocketDataQueue(self._frames, _QUEUE_BYTES // 2, loop=connection.loop)
        # aiohttp refuses what is as large as its limit
        self._parser = WebSocketReader(self._queue, max_message_bytes + 1, compress=False, decode_text=True)
        # it only makes frames: `_drain` waits for the caller
        self._writer = WebSocketWriter(self._frames, transport, limit=2**62)
        self._close_code: int | None = None
        self._closing = False
        self._receiving = False
        self._ended = asyncio.Event()
        self._heard = True
        self._ping_interval = ping_interval
        self._timer = connection.loop.call_later(ping_interval, self._ping) if ping_interval else None

    def begin(self, data: bytes) -> None:
        """Take the transport over.

        Args:
            data: What has come behind the handshake.
        """
        self._frames.begin(self._parser, self._hear, self._queue.set_exception)
        if data:
            self._frames.data_received(data)

    @property
    def close_code(self) -> int | None:
        """The code the caller closed with, 1005 when it gave none. None when it vanished or broke the protocol."""
        return self._close_code

    async def receive(self) -> str | bytes | None:
        """Return the next message, or None when the caller has closed or vanished. See `WebSocket`."""
        self._receiving = True
        try:
            while not self._ended.is_set():
                try:
                    message = await self._queue.read()
                except WebSocketError as error:
                    await self._fail(error)
                    return None
                except Exception:
                    # the end of the stream, or whatever broke the connection
                    self.end()
                    return None
                kind = message.type
                if kind is WSMsgType.TEXT or kind is WSMsgType.BINARY:
                    if not self._closing:
                        data: str | bytes = message.data
                        return data
                elif kind is WSMsgType.PING:
                    if not self._closing:
                        await self._pong(message.data)
                elif kind is WSMsgType.CLOSE:
                    self._close_code = message.data or _NO_CODE
                    if not self._closing:
                        self._closing = True
                        self._send_close(self._close_code, b"")
                    self.end()
            return None
        finally:
            self._receiving = False

    async def send(self, message: str | bytes) -> None:
        """Send one message and wait while the caller does not read. See `WebSocket`."""
        if self._closing:
            raise CallerGoneError("the WebSocket is closed")
        try:
            if isinstance(message, str):
                await self._writer.send_frame(message.encode(), WSMsgType.TEXT)
            else:
                await self._writer.send_frame(message, WSMsgType.BINARY)
            await self._drain()
        except ConnectionError as error:
            raise CallerGoneError("the connection is closed") from error

    async def close(self, code: int, reason: str = "") -> None:
        """Close, and wait up to `CLOSE_TIMEOUT` for the caller's own close. See `WebSocket`.

        1005 closes without a code; 1006 and 1015, which never are on the wire, become 1011.
        """
        if self._closing:
            return
        self._closing = True
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                self._send_close(code, reason.encode()[:_MAX_REASON].decode(errors="ignore").encode())
                if self._receiving:
                    await self._ended.wait()
                else:
                    await self.receive()
        except TimeoutError:
            self._transport.abort()
        finally:
            self.end()

    def end(self) -> None:
        """End the connection without another word. A second time does nothing."""
        self._closing = True
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._connection.leave()

    async def _fail(self, error: WebSocketError) -> None:
        """Say what the caller has done wrong. After that nothing of it is read any more."""
        if not self._closing:
            self._closing = True
            self._send_close(error.code, str(error).encode()[:_MAX_REASON].decode(errors="ignore").encode())
        self.end()

    async def _pong(self, payload: bytes) -> None:
        try:
            await self._writer.send_frame(payload, WSMsgType.PONG)
            # whoever pings and does not read is not read either
            await self._drain()
        except ConnectionError:
            self.end()

    async def _drain(self) -> None:
        if self._connection.writing_paused:
            await self._connection.drain()

    def _send_close(self, code: int, reason: bytes) -> None:
        if self._transport.is_closing():
            return
        if code == _NO_CODE:
            self._transport.write(_CLOSE_WITHOUT_CODE)
            return
        payload = (_INTERNAL_ERROR if code in _NEVER_SENT else code).to_bytes(2, "big") + reason
        self._transport.write(bytes((0x88, len(payload))) + payload)

    def _hear(self) -> None:
        self._heard = True

    def _ping(self) -> None:
        if self._closing or self._ping_interval is None:
            return
        if not self._heard:
            self._transport.abort()
            return
        # nobody can be heard while back-pressure stops reading, and a ping behind unsent bytes is not answered in time
        if self._transport.is_reading() and not self._connection.writing_paused:
            self._heard = False
            self._transport.write(_PING)
        self._timer = self._connection.loop.call_later(self._ping_interval, self._ping)
