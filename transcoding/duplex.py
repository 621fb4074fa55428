"""A streaming call between a caller that speaks HTTP and an upstream: requests go up while answers come down.

Both ways one message is read and sent before the next one is read, so whoever is slow holds up the other side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from edge.model.call import MetadataPairs
from edge.model.invoke import UpstreamStream

HEADER_HOLD = 0.005
"""Seconds that the head of an answer waits for the first message or the status, when the upstream has sent headers
without metadata: then a call that fails at once can be answered as such."""

Source = Callable[[], Awaitable[bytes | None]]
"""Returns the next message of the caller, or None when no more come."""


class RequestPump:
    """Sends the caller's messages upstream for as long as the block runs.

    A failure of the source, whatever it is, ends the block: it is raised from there in place of the CancelledError that
    the block gets. Nothing of the pump is left when the block has ended.

    Args:
        stream: The call.
        source: Where the messages come from.
    """

    __slots__ = ("_closing", "_failure", "_owner", "_source", "_stream", "_task")

    def __init__(self, stream: UpstreamStream, source: Source) -> None:
        self._stream = stream
        self._source = source
        self._failure: Exception | None = None
        self._closing = False
        self._owner: asyncio.Task[object] | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._owner = asyncio.current_task()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="requests of a stream")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        owner, task, failure = self._owner, self._task, self._failure
        self._owner = self._task = self._failure = None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait((task,))
        # when somebody else has cancelled the owner too, that counts
        if failure is not None and owner is not None and not owner.uncancel():
            raise failure from None

    async def _run(self) -> None:
        try:
            while (message := await self._source()) is not None:
                if not await self._stream.send(message):
                    return  # the upstream's side has ended; whoever receives finds out how
            await self._stream.half_close()
        except Exception as error:
            if not self._closing and self._owner is not None:
                self._failure = error
                self._owner.cancel()


async def relay_answers(
    stream: UpstreamStream,
    begin: Callable[[MetadataPairs], Awaitable[None]],
    send: Callable[[bytes], Awaitable[None]],
) -> None:
    """Hand on what the upstream answers, until it ends with OK.

    Args:
        stream: The call.
        begin: Sends the head of the answer, with the upstream's initial metadata. It is called once at most: not at all
            when the call ends before there is anything to send.
        send: Sends one message.

    Raises:
        UpstreamError: the upstream ended the call with another status.
        GatewayError: the gateway ended it.
        CallerGoneError: the caller left.
    """
    initial = await stream.initial()
    if initial:
        await begin(initial)
        message = await stream.receive()
    else:
        message, begun = await _first(stream, begin)
        if message is not None and not begun:
            await begin(())
    while message is not None:
        await send(message)
        message = await stream.receive()


async def _first(
    stream: UpstreamStream, begin: Callable[[MetadataPairs], Awaitable[None]]
) -> tuple[bytes | None, bool]:
    """Return the first message, and whether the head had to be sent before because the message did not follow it."""
    reading = asyncio.get_running_loop().create_task(stream.receive(), name="first message of a stream")
    begun = False
    try:
        done, _ = await asyncio.wait((reading,), timeout=HEADER_HOLD)
        if not done:
            begun = True
            await begin(())
        return await reading, begun
    finally:
        if not reading.done():
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        elif not reading.cancelled():
            reading.exception()  # looked at, also when whoever waits was cancelled: asyncio logs what nobody looks at
