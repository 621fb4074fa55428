"""The half of an HTTP/1.1 connection that goes to the caller, and callers that do not read."""

from __future__ import annotations

import asyncio

from mypy_extensions import mypyc_attr

from edge.listeners.http_reader import RequestReader
from edge.listeners.unread import unread
from edge.model.settings import Limits


@mypyc_attr(allow_interpreted_subclasses=True)
class Output(RequestReader):
    """What `Connection` writes with.

    Args:
        limits: The limits of the gateway.
        loop: The event loop.
    """

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limits.max_metadata_bytes, limits.max_headers)
        self.loop = loop
        """The loop of the connection."""
        self.transport: asyncio.Transport | None = None
        """The transport, until it is lost."""
        self.writing_paused: bool = False
        """Whether the caller does not take in what is sent."""
        self.stall_timeout: float = limits.stall_timeout
        """Seconds a caller may take for what is waited for."""
        self._writers: list[asyncio.Future[None]] = []

    def send(self, data: bytes) -> None:
        """Send bytes, if there still is somebody to take them."""
        transport = self.transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    async def drain(self) -> None:
        """Wait while there is more than the caller has read, as long as it reads at all.

        Raises:
            ConnectionError: the connection is lost, or the caller was given up.
        """
        if not self.writing_paused:
            return
        waiter: asyncio.Future[None] = self.loop.create_future()
        self._writers.append(waiter)
        while (transport := self.transport) is not None and not waiter.done():
            left = unread(transport)
            await asyncio.wait((waiter,), timeout=self.stall_timeout)
            if not waiter.done() and unread(transport) >= left:
                self.cut()
                raise ConnectionAbortedError("the caller does not read")
        if self.transport is None:
            raise ConnectionResetError("the caller closed the connection")

    def cut(self) -> None:
        """End the connection, whatever is under way."""
        if self.transport is not None:
            self.transport.abort()

    # === called by the loop ===

    def pause_writing(self) -> None:
        """The caller does not take in what is sent."""
        self.writing_paused = True

    def resume_writing(self) -> None:
        """It does again."""
        self.writing_paused = False
        self.wake_writers()

    def wake_writers(self) -> None:
        """Let whoever waits for the caller look again."""
        writers, self._writers = self._writers, []
        for writer in writers:
            if not writer.done():
                writer.set_result(None)
