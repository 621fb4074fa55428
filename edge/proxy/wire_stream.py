"""A streaming call to an endpoint on the wire engine.

Up, `send` waits while more than a window is queued. Down, the endpoint gets its credit back for what `receive` has
handed out, so that whoever does not receive stops it.
"""

from __future__ import annotations

import asyncio
import time

from edge.model.call import Call, MetadataPairs
from edge.model.errors import GatewayError
from edge.model.invoke import UpstreamError
from edge.model.refusals import deadline, late, too_large
from edge.model.resilience import PUSHBACK
from edge.model.status import Code, Status
from edge.proxy.wire_attempts import RepeatedCall
from edge.proxy.wire_buffers import Bell, Inbox, Kept
from edge.proxy.wire_messages import send_message
from edge.proxy.wire_metadata import Translator
from edge.wire import wrong
from edge.wire.client import ClientConnection, ClientStream
from edge.wire.heads import AnswerHead


class WireStream(RepeatedCall):
    """One streaming call; an `UpstreamStream`.

    Args:
        translator: Makes header blocks and metadata.
        call: The call, opened.

    Raises:
        GatewayError: it could not be made.
    """

    def __init__(self, translator: Translator, call: Call) -> None:
        super().__init__(translator, call)
        self.refusal: GatewayError | None = None
        """Why the gateway ended the call, once it has."""
        self._task = asyncio.current_task()
        self._trailing: MetadataPairs = ()
        self._head: AnswerHead | None = None
        self._ended = False
        self._failure: GatewayError | UpstreamError | None = None
        # down
        self._inbox = Inbox(call, self.plan.max_response_bytes)
        self._came = Bell()
        # up
        self._kept = Kept(self.plan.retry.buffer_bytes)
        self._half_closed = False
        self._left = Bell()
        idle = self.plan.stream_idle
        self._idle = -1.0 if idle is None else idle
        self._touched = self.env.now()
        try:
            self.go()
        except BaseException:
            self.close()
            raise

    # === for whoever made the call ===

    async def initial(self) -> MetadataPairs:
        """Wait for the initial metadata and return it, after the route's policies.

        Raises:
            UpstreamError: the call ended without any and with another status than OK.
            GatewayError: the gateway ended the call.
        """
        while self._head is None and not self._ended:
            await self._came.wait()
        if self.refusal is not None:
            raise self.refusal
        if self._head is None and self._failure is not None:
            raise self._failure
        return self.translator.initial(self._head, self.plan)

    async def send(self, message: bytes) -> bool:
        """Send one message and wait while the upstream does not read.

        Returns:
            False when the upstream's side has ended; `receive` says how.

        Raises:
            MessageTooLarge: it is larger than the route allows.
        """
        call = self.call
        size = len(message)
        if size > self.plan.max_request_bytes:
            raise too_large("request", size, call)
        leg = self.leg
        if leg is None or leg.queued > leg.conn.rules.stream_window:
            leg = await self._room()
        if leg is None or self._half_closed:
            return False
        self._kept.add(message)
        send_message(leg, message, False, self.encoding)
        if leg.queued > leg.conn.rules.stream_window and await self._room() is None:
            return False
        if self._idle >= 0.0:
            self._touched = self.env.now()
        call.request_messages += 1
        call.request_bytes += size
        return True

    async def half_close(self) -> None:
        """Say that no more messages come."""
        leg = self.leg or await self._room()
        if leg is not None and not self._half_closed:
            self._half_closed = True
            leg.send_data(b"", True)

    async def receive(self) -> bytes | None:
        """Return the next message, or None when the call has ended with OK.

        Raises:
            UpstreamError: it ended otherwise.
            GatewayError: the gateway ended it.
        """
        while True:
            if self.refusal is not None:
                raise self.refusal
            if self._inbox:
                break
            if self._ended:
                if self._failure is not None:
                    raise self._failure
                return None
            await self._came.wait()
        message = self._inbox.take(self.leg)
        call = self.call
        if self._idle >= 0.0:
            self._touched = self.env.now()
        if not call.response_messages:
            call.first_message = time.monotonic()
        call.response_messages += 1
        call.response_bytes += len(message)
        return message

    @property
    def trailing(self) -> MetadataPairs:
        """The trailing metadata, once `receive` has returned None."""
        return self._trailing

    def end(self, refusal: GatewayError) -> None:
        """End the call with `refusal`: cancel the upstream's side, and the task that began the call.

        That task may be waiting for the caller to read; whoever runs it finds the reason of the cancellation here.
        """
        if self.refusal is None:
            self.refusal = refusal
            self.fail(refusal)
            if self._task is not None:
                self._task.cancel()

    def close(self) -> None:
        """Cancel what is still under way."""
        self._task = None
        if self.slot >= 0:
            self.env.wheel.remove(self)
        self.fail(UpstreamError(Status(Code.CANCELLED, "the call was closed")))

    async def _room(self) -> ClientStream | None:
        """Wait until the stream takes a message, and return it; None when the upstream's side has ended."""
        while not self._ended:
            leg = self.leg
            if leg is not None and leg.queued <= leg.conn.rules.stream_window:
                return leg
            await self._left.wait()
        return None

    # === time ===

    def own_limit(self) -> tuple[float | None, str]:
        """Return the limit of the route."""
        return self.plan.stream_limit

    def due(self) -> float:
        """Return when there is something to do next, by the monotonic clock, or -1."""
        end = super().due()
        if self._idle >= 0.0 and (end < 0.0 or self._touched + self._idle < end):
            end = self._touched + self._idle
        return end

    def expire(self, now: float) -> None:
        """A limit has passed, unless something has come meanwhile."""
        if 0.0 <= self.limit_end <= now:
            if self.limit[1] != "caller":
                # also when the upstream has ended: a caller that does not read holds up what came from there
                self.end(late(self.call, self.limit))
                return
            self.limit_end = -1.0
            self.fail(late(self.call, self.limit))
        elif self._idle >= 0.0 and now - self._touched >= self._idle:
            self.end(deadline(self.call, "stream idle", self._idle))
            return
        elif self.alarmed(now):
            return
        self.arm()

    # === the endpoint's side ===

    def begin(self, conn: ClientConnection) -> None:
        """Send what there is of the request."""
        leg = StreamLeg(conn, conn.next_id(), self)
        self.open_stream(conn, leg)
        self._kept.send(leg, self.encoding)
        if self._half_closed:
            leg.send_data(b"", True)
        self._left.ring()

    def replayable(self) -> bool:
        """Whether everything that was sent is kept."""
        return self._kept.all

    def request_sent(self, leg: StreamLeg) -> None:
        """Bytes of the request that waited have gone."""
        if leg.queued <= leg.conn.rules.stream_window:
            self._left.ring()

    def answer_head(self, head: AnswerHead, end: bool) -> None:
        """The answer begins, or is nothing but a status."""
        error = self.not_grpc_answer(head, end)
        if error is not None:
            self.lost(error)
        elif end:
            self.before = head
            if head.code <= 0 or not self.retried(Code(head.code), head.header(PUSHBACK)):
                self.answer_end(head)
        else:
            self.answering = True
            self._kept.drop()
            self._head = head
            self._inbox.encoding = head.header("grpc-encoding") or ""
            self._came.ring()

    def answer_data(self, leg: StreamLeg, data: bytes) -> None:
        """A part of the answer has come."""
        try:
            self._inbox.put(leg, data)
        except GatewayError as error:
            self.fail(error)
        if self._inbox:
            self._came.ring()

    def answer_end(self, trailers: AnswerHead) -> None:
        """The answer has ended."""
        failure = self.outcome(self._head, trailers)
        if failure is None:
            if not self._inbox.whole:
                failure = wrong.broken_rule(self.call, "ended the call in the middle of a message")
            else:
                self._trailing = self.translator.trailing(trailers)
        self.fail(failure)

    def answer_reset(self, code: int, unprocessed: bool, words: str) -> None:
        """The endpoint will not answer, or not to the end."""
        self.failed(code, words, unprocessed=unprocessed, replayable=self._kept.all)

    def fail(self, error: GatewayError | UpstreamError | None) -> None:
        """End the upstream's side, behind what has come. None is for OK."""
        if not self._ended:
            self._ended = True
            self._failure = error
            self._kept.drop()
            self.let_go()
            self._came.ring()
            self._left.ring()


class StreamLeg(ClientStream):
    """The stream of a streaming call.

    Args:
        conn: The connection.
        number: The stream identifier.
        owner: The call.
    """

    def __init__(self, conn: ClientConnection, number: int, owner: WireStream) -> None:
        super().__init__(conn, number)
        self.owner = owner

    def on_head(self, head: AnswerHead, end: bool) -> None:
        """The answer begins."""
        self.owner.answer_head(head, end)

    def on_data(self, data: bytes, size: int, end: bool) -> None:
        """A part of the answer has come."""
        owner = self.owner
        length = len(data)
        if size > length:
            self.consumed(size - length)
        if length:
            owner.answer_data(self, data)
        if end and owner.leg is self:
            owner.fail(wrong.no_status(owner.call))

    def on_trailers(self, head: AnswerHead) -> None:
        """The answer has ended."""
        self.owner.answer_end(head)

    def on_reset(self, code: int, unprocessed: bool, words: str) -> None:
        """The endpoint will not answer, or not to the end."""
        if self.owner.leg is self:
            self.owner.answer_reset(code, unprocessed, words)

    def on_sent(self, size: int) -> None:  # noqa: ARG002 - what is still queued counts
        """Bytes of the request that waited have gone."""
        self.owner.request_sent(self)
