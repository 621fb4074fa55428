"""One call over an accepted WebSocket: frames to the upstream, answers to the caller.

Each direction takes one message, hands it on, and only then takes the next, so that a slow reader holds up its sender.
The task that runs a conversation owns its two others, and has ended them when `run` returns or raises.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import NoReturn

from edge.model.call import MetadataPairs
from edge.model.errors import (
    DeadlineExceeded,
    InvalidRequest,
    MessageTooLarge,
    TranscodingFailed,
    UpstreamProtocolError,
)
from edge.model.http import CallerGoneError, WebSocket
from edge.model.invoke import UpstreamStream
from edge.model.status import Code, Status
from transcoding.limits import limit_name, too_large
from transcoding.offer import Offer
from transcoding.session import Session
from transcoding.websocket.framing import POLICY_VIOLATION, TOO_BIG, Frame, FrameRefused, Framing, Received
from transcoding.websocket.requests import Requests

_LATE = 1.0
"""Seconds after the caller's deadline in which the upstream's side still may be the one to say so."""

_OK = Status(Code.OK)


class Conversation:
    """One call over a WebSocket.

    Args:
        session: The call.
        socket: The caller.
        offer: The method.
        framing: The frames of the subprotocol.
        requests: Makes requests of frames.
    """

    __slots__ = ("_framing", "_last", "_offer", "_requests", "_session", "_socket", "close_code", "headers_sent")

    def __init__(self, session: Session, socket: WebSocket, offer: Offer, framing: Framing, requests: Requests) -> None:
        self._session = session
        self._socket = socket
        self._offer = offer
        self._framing = framing
        self._requests = requests
        self._last = time.monotonic()
        self.close_code: int | None = None
        """What the WebSocket is closed with when that is not the code that goes with the status."""
        self.headers_sent: bool = False
        """Whether the caller has the initial metadata."""

    async def run(self, bound: bytes | None) -> None:
        """Speak until the upstream has ended the call with OK and the caller has been told.

        Args:
            bound: The request, when the URL says it all.

        Raises:
            UpstreamError: the upstream ended the call with another status.
            GatewayError: the gateway ended it.
            CallerGoneError: the caller has closed or vanished.
        """
        offer, session = self._offer, self._session
        if offer.streams_requests:
            stream = session.open_stream()
            await self._both(self._forward(stream), self._stream(stream))
            return
        ended = False
        if bound is None:
            bound, ended = await self._in_time(self._first())
        if offer.streams_responses:
            stream = session.open_stream()
            await self._both(self._guard(ended=ended), self._stream(stream, bound))
        else:
            await self._both(self._guard(ended=ended), self._unary(bound))

    async def _both(self, reading: Awaitable[NoReturn], answering: Awaitable[None]) -> None:
        """Read and answer at once, until the answer is complete or something is wrong with either."""
        loop = asyncio.get_running_loop()
        reader = loop.create_task(_run(reading), name="read WebSocket")
        writer = loop.create_task(_run(answering), name="answer WebSocket")
        done: set[asyncio.Task[None]] = set()
        try:
            while not done:
                done, _ = await asyncio.wait(
                    (reader, writer), timeout=self._remaining(), return_when=asyncio.FIRST_COMPLETED
                )
                if not done and self._remaining() <= 0:
                    raise self._late()
            # of both at once, how the upstream ended the call is what counts
            (writer if writer in done else reader).result()
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            # a task holds its exception, and that this frame: without this, a cycle that waits for the collector
            del reader, writer, done

    async def _in_time(self, awaited: Awaitable[tuple[bytes, bool]]) -> tuple[bytes, bool]:
        try:
            async with asyncio.timeout(max(self._remaining(), 0.0)):
                return await awaited
        except TimeoutError:
            raise self._late() from None

    def _remaining(self) -> float:
        """Return the seconds until the call ends if no frame goes either way."""
        now = time.monotonic()
        quiet = self._last + self._offer.transcoding.web_socket_idle_timeout - now
        deadline = self._session.call.deadline
        return quiet if deadline is None else min(quiet, deadline + _LATE - now)

    def _late(self) -> DeadlineExceeded:
        deadline = self._session.call.deadline
        if deadline is not None and time.monotonic() >= deadline:
            return DeadlineExceeded("the caller's deadline has passed", metadata={"deadline": "caller"})
        seconds = self._offer.transcoding.web_socket_idle_timeout
        return DeadlineExceeded(
            f"no frame for the {seconds:g} s that transcoding.web_socket.idle_timeout of {self._offer.route} allows",
            metadata={"deadline": "web socket idle"},
        )

    # === the caller's side ===

    async def _next(self) -> Received:
        """Return what the next frame holds."""
        frame = await self._socket.receive()
        if frame is None:
            raise CallerGoneError("the caller closed the WebSocket")
        self._last = time.monotonic()
        limit = self._offer.transcoding.web_socket_max_message_bytes
        if limit and (size := _size(frame)) > limit:
            self.close_code = TOO_BIG
            name = f"transcoding.web_socket.max_message_bytes of {self._offer.route}"
            raise MessageTooLarge(
                f"a frame of {size} bytes is larger than the {limit} bytes that {name} allows",
                metadata={"limit": name, "limitBytes": str(limit), "messageBytes": str(size)},
            )
        try:
            return self._framing.read(frame)
        except FrameRefused as error:
            self.close_code = error.close_code
            raise

    async def _first(self) -> tuple[bytes, bool]:
        """Return the one request of the call, and whether the half-close came with it."""
        received = await self._next()
        if received.body is None:
            raise FrameRefused(f"{self._offer.method.path} takes one message, and there is none before the end")
        return self._request(received), received.end

    def _request(self, received: Received) -> bytes:
        assert received.body is not None, "whoever asks has looked"
        call = self._session.call
        request = self._requests.read(received.body)
        if len(request) > limit_name(call, "request")[0]:
            self.close_code = TOO_BIG
            raise too_large(call, "request", len(request))
        return request

    async def _guard(self, *, ended: bool) -> NoReturn:
        """Wait for the caller to leave, and take nothing more but a half-close."""
        while True:
            received = await self._next()
            if received.body is not None:
                raise self._surplus("takes one message, and this is another")
            if ended:
                raise self._surplus("has its half-close already")
            ended = True

    async def _forward(self, stream: UpstreamStream) -> NoReturn:
        """Hand on messages until the half-close, then wait for the caller to leave."""
        while True:
            received = await self._next()
            if received.body is not None and not await stream.send(self._request(received)):
                await self._drop()
            if received.end:
                await stream.half_close()
                break
        await self._next()
        raise self._surplus("has its half-close, and this comes behind it")

    async def _drop(self) -> NoReturn:
        """Wait for the caller to leave while what the upstream said before its end is on its way."""
        while await self._socket.receive() is not None:
            self._last = time.monotonic()
        raise CallerGoneError("the caller closed the WebSocket")

    def _surplus(self, what: str) -> FrameRefused:
        self.close_code = POLICY_VIOLATION
        return FrameRefused(
            f"{self._offer.method.path} {what}; open another WebSocket for another call", POLICY_VIOLATION
        )

    # === the upstream's side ===

    async def _unary(self, request: bytes) -> None:
        reply = await self._session.unary(request)
        await self._headers(reply.initial)
        await self._send(self._framing.message(reply.message))
        await self._end(reply.trailing)

    async def _stream(self, stream: UpstreamStream, request: bytes | None = None) -> None:
        """Hand on answers, after the one request if there is just one."""
        if request is not None:
            await stream.send(request)
            await stream.half_close()
        await self._headers(await stream.initial())
        single, count = not self._offer.streams_responses, 0
        while (data := await stream.receive()) is not None:
            count += 1
            if single and count > 1:
                raise UpstreamProtocolError(f"the upstream answered {self._offer.method.path} with a second message")
            await self._send(self._framing.message(data))
        if single and not count:
            raise UpstreamProtocolError(f"the upstream ended {self._offer.method.path} with OK and without a message")
        await self._end(stream.trailing)

    async def _headers(self, metadata: MetadataPairs) -> None:
        frame = self._framing.headers(metadata)
        self.headers_sent = True
        if frame is not None:
            await self._send(frame)

    async def _end(self, trailing: MetadataPairs) -> None:
        frame = self._framing.end(_OK, trailing)
        if frame is not None:
            await self._send(frame)

    async def _send(self, frame: Frame) -> None:
        await self._socket.send(frame)
        self._last = time.monotonic()


async def _run(awaited: Awaitable[None]) -> None:
    try:
        await awaited
    except InvalidRequest as error:
        raise TranscodingFailed.of(error) from None


def _size(frame: Frame) -> int:
    """Return the bytes of a frame on the wire."""
    return len(frame) if isinstance(frame, bytes) or frame.isascii() else len(frame.encode())
