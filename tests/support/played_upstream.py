"""An upstream whose side of each call is played by a function, in memory: an `Invoker` without a wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from edge.model.call import Call, MetadataPairs
from edge.model.errors import GatewayError
from edge.model.invoke import Reply, UpstreamError
from edge.model.status import Code, Status
from transcoding.limits import too_large


class Peer:
    """What the play of an upstream sees of a call."""

    def __init__(self, call: Call) -> None:
        self.call = call
        """The call."""
        self.requests: asyncio.Queue[bytes | None] = asyncio.Queue(2)  # a message and the half-close, unread
        self.answers: asyncio.Queue[bytes | UpstreamError | None] = asyncio.Queue(1)
        self.begun: asyncio.Future[MetadataPairs] = asyncio.get_running_loop().create_future()
        self.trailing: MetadataPairs = ()
        """The trailing metadata, to be set before the end."""

    async def read(self) -> bytes | None:
        """Return the next message, or None after the half-close."""
        return await self.requests.get()

    def begin(self, *metadata: tuple[str, str | bytes]) -> None:
        """Send initial metadata. `write` does that too, without any."""
        self.begun.set_result(metadata)

    async def write(self, *messages: bytes) -> None:
        """Send messages; waits while the gateway does not take them."""
        if not self.begun.done():
            self.begin()
        for message in messages:
            await self.answers.put(message)


Play = Callable[[Peer], Awaitable[None]]
"""What an upstream does with a call. Returning is OK; UpstreamError is any other status."""


async def echo(peer: Peer) -> None:
    """Answer each message with itself."""
    while (message := await peer.read()) is not None:
        await peer.write(message)


def failing(code: Code, message: str = "", trailing: MetadataPairs = (), **more: object) -> UpstreamError:
    """Return what a play raises to end a call."""
    details = cast("Sequence[object]", more.get("details", ()))
    return UpstreamError(Status(code, message, tuple(details)), trailing=trailing)  # type: ignore[arg-type] # Details


class PlayedUpstream:
    """An `Invoker` whose upstream is a play."""

    def __init__(self, play: Play = echo) -> None:
        self._play = play
        self.requests: list[bytes] = []
        """All messages that were sent."""
        self.calls = 0
        self.streams: list[PlayedStream] = []

    async def unary(self, call: Call, request: bytes) -> Reply:
        stream = self.stream(call)
        try:
            await stream.send(request)
            await stream.half_close()
            initial = await stream.initial()
            message = await stream.receive()
            assert message is not None, "a unary call that ends with OK has a message"
            return Reply(message, initial, stream.trailing_metadata())
        finally:
            stream.close()

    def stream(self, call: Call) -> PlayedStream:
        self.calls += 1
        stream = PlayedStream(call, self._play, self.requests)
        self.streams.append(stream)
        return stream


class PlayedStream:
    """An `UpstreamStream` whose other side is a play."""

    def __init__(self, call: Call, play: Play, requests: list[bytes]) -> None:
        self.refusal: GatewayError | None = None
        self.closed = False
        self.ended = False
        self._call = call
        self._sent = requests
        self._peer = Peer(call)
        self._owner = asyncio.current_task()
        self._task = asyncio.get_running_loop().create_task(self._run(play), name="play of an upstream")

    async def _run(self, play: Play) -> None:
        end: UpstreamError | None = None
        try:
            await play(self._peer)
        except UpstreamError as error:
            end = error
        self.ended = True
        if not self._peer.begun.done():
            self._peer.begin()
        await self._peer.answers.put(end)

    async def initial(self) -> MetadataPairs:
        return await asyncio.shield(self._peer.begun)

    async def send(self, message: bytes) -> bool:
        plan = self._call.plan
        assert plan is not None
        if len(message) > plan.max_request_bytes:
            raise too_large(self._call, "request", len(message))
        if self.ended:
            return False
        self._sent.append(message)
        await self._until_ended(self._peer.requests.put(message))
        return not self.ended

    async def half_close(self) -> None:
        if not self.ended:
            await self._until_ended(self._peer.requests.put(None))

    async def _until_ended(self, step: Awaitable[None]) -> None:
        putting = asyncio.ensure_future(step)  # noqa: TID251 - awaited below, whatever happens
        try:
            await asyncio.wait((putting, self._task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()
            await asyncio.gather(putting, return_exceptions=True)

    async def receive(self) -> bytes | None:
        answer = await self._peer.answers.get()
        if self.refusal is not None:
            raise self.refusal
        if isinstance(answer, UpstreamError):
            raise answer
        return answer

    @property
    def trailing(self) -> MetadataPairs:
        return self._peer.trailing

    def trailing_metadata(self) -> MetadataPairs:
        return self._peer.trailing

    def end(self, refusal: GatewayError) -> None:
        if self.refusal is None:
            self.refusal = refusal
            if self._owner is not None:
                self._owner.cancel()

    def close(self) -> None:
        self.closed = True
        self._owner = None
        self._task.cancel()
