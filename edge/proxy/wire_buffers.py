"""What a stream keeps: messages that have come and were not received yet, and those that may have to be sent again."""

from __future__ import annotations

import asyncio
from collections import deque

from edge.model.call import Call
from edge.proxy.wire_messages import MessageReader, decompressed, send_message
from edge.wire.forward import REPLAY_BYTES
from edge.wire.stream import Stream


class Bell:
    """Wakes the tasks that wait for something to have changed: one may wait for the head, another for a message."""

    __slots__ = ("_future",)

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Wait for the next ring."""
        future = self._future
        if future is None or future.done():
            future = self._future = asyncio.get_running_loop().create_future()
        # one that is cancelled must not take the others with it
        await asyncio.shield(future)

    def ring(self) -> None:
        """Wake whoever waits."""
        future, self._future = self._future, None
        if future is not None and not future.done():
            future.set_result(None)


class Inbox:
    """What waits to be received. There is never more than a window and one message of it.

    While whole messages wait, the other side gets its credit back as they are taken out: whoever does not take them
    stops it. While there is nothing but a part of one, it gets that back at once, for a message larger than the window
    has to come in too.

    Args:
        call: The call, for what refusals say.
        limit: The largest message, in bytes.
    """

    __slots__ = ("_call", "_held", "_limit", "_queue", "_reader", "encoding")

    def __init__(self, call: Call, limit: int) -> None:
        self.encoding = ""
        """What `grpc-encoding` of the answer said."""
        self._call = call
        self._limit = limit
        # each message with whether it is compressed, and the bytes to give back when it is taken out
        self._queue: deque[tuple[bytes, bool, int]] = deque()
        self._reader: MessageReader | None = None
        self._held = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def whole(self) -> bool:
        """Whether no part of a message waits for the rest of it."""
        return self._reader is None

    def put(self, stream: Stream, data: bytes) -> None:
        """Take in a part of the answer.

        Args:
            stream: Where it came from.
            data: The bytes.

        Raises:
            ResponseTooLarge: a message is larger than the limit. Those before it are there.
            UpstreamProtocolError: it is no message of gRPC.
        """
        length = len(data)
        reader = self._reader
        if reader is None:
            if length >= 5 and not data[0] and int.from_bytes(data[1:5], "big") == length - 5 <= self._limit:
                self._queue.append((data[5:], False, length))
                return
            reader = self._reader = MessageReader(self._call, self._limit)
        found: list[tuple[bytes, bool]] = []
        self._held += length
        try:
            reader.take(data, found)
        finally:
            if found:
                last = len(found) - 1
                for index, (message, compressed) in enumerate(found):
                    self._queue.append((message, compressed, self._held if index == last else 0))
                self._held = 0
            elif not self._queue:
                held, self._held = self._held, 0
                stream.consumed(held)
        if reader.whole:
            self._reader = None

    def take(self, stream: Stream | None) -> bytes:
        """Take the next message out. There must be one.

        Args:
            stream: Who gets the credit; None when it has ended.

        Raises:
            ResponseTooLarge: it is larger than the limit once decompressed.
            UpstreamProtocolError: it is not compressed as it should be.
        """
        message, compressed, owed = self._queue.popleft()
        if not self._queue:
            # nothing is in front of what has come of the next message: let in the rest of it
            owed += self._held
            self._held = 0
        if owed and stream is not None:
            stream.consumed(owed)
        # not before: a window may hold a thousand messages that are a thousand times as large
        return decompressed(message, self.encoding, self._limit, self._call) if compressed else message


_EACH = 64
"""Bytes that a message counts for besides its own, so that many small ones have a bound too."""


class Kept:
    """The messages that were sent before the answer began, as long as they are not many.

    Args:
        limit: The most bytes that are kept.
    """

    __slots__ = ("_limit", "_messages", "_size")

    def __init__(self, limit: int = REPLAY_BYTES) -> None:
        self._limit = limit
        self._messages: list[bytes] | None = []
        self._size = 0

    @property
    def all(self) -> bool:
        """Whether nothing that was sent is missing."""
        return self._messages is not None

    def add(self, message: bytes) -> None:
        """Keep a message that is sent."""
        if self._messages is not None:
            self._size += len(message) + _EACH
            if self._size > self._limit:
                self._messages = None
            else:
                self._messages.append(message)

    def drop(self) -> None:
        """Keep nothing any more: nothing is sent twice from now on."""
        self._messages = None

    def send(self, stream: Stream, encoding: str) -> None:
        """Send all of them, compressed as `send_message` says."""
        for message in self._messages or ():
            send_message(stream, message, False, encoding)
