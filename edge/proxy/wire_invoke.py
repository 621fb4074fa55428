"""Calls that did not come by gRPC, on the wire engine: the `Invoker` that transcoding uses.

    WireInvoker.unary   UnaryCall  ─ UnaryLeg     a stream that gathers one message; one future for all of it
    WireInvoker.stream  WireStream ─ StreamLeg    (edge.proxy.wire_stream)

What happens on the stream acts at once; whoever awaits is woken when there is something to hand over.
"""

from __future__ import annotations

import asyncio

from edge.model.call import Call
from edge.model.errors import GatewayError
from edge.model.invoke import Reply, UpstreamError
from edge.model.refusals import late, no_message, too_large
from edge.model.resilience import PUSHBACK
from edge.model.status import Code
from edge.proxy.wire_hedge import HedgedCall
from edge.proxy.wire_messages import MessageReader, decompressed, send_message
from edge.proxy.wire_metadata import Translator
from edge.proxy.wire_stream import WireStream
from edge.wire import wrong
from edge.wire.client import ClientConnection, ClientStream
from edge.wire.environment import Environment
from edge.wire.heads import AnswerHead


class WireInvoker:
    """Makes calls to gRPC endpoints over their kept connections.

    Args:
        environment: The pipeline, what is known of peers, and time.
    """

    __slots__ = ("_translator",)

    def __init__(self, environment: Environment) -> None:
        self._translator = Translator(environment)

    async def unary(self, call: Call, request: bytes) -> Reply:
        """Make a unary call.

        Raises:
            UpstreamError: the upstream ended it with another status than OK.
            GatewayError: it could not be made, or a limit ended it.
        """
        plan = call.plan
        assert plan is not None, "the call has been opened"
        size = len(request)
        call.request_messages = 1
        call.request_bytes = size
        if size > plan.max_request_bytes:
            raise too_large("request", size, call)
        unary = UnaryCall(self._translator, call, request)
        try:
            unary.go()
            await unary.future
            return unary.reply()
        finally:
            unary.close()

    def stream(self, call: Call) -> WireStream:
        """Begin a call of any shape.

        Raises:
            GatewayError: it could not be made.
        """
        return WireStream(self._translator, call)


class UnaryCall(HedgedCall):
    """One message up and one down.

    Args:
        translator: Makes header blocks and metadata.
        call: The call, opened.
        request: The message.
    """

    def __init__(self, translator: Translator, call: Call, request: bytes) -> None:
        super().__init__(translator, call)
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the call is over, however it ended."""
        self._request = request
        self._failure: GatewayError | UpstreamError | None = None
        self._answer: UnaryLeg | None = None
        self._trailers: AnswerHead | None = None

    def own_limit(self) -> tuple[float | None, str]:
        """Return the smaller limit of route and upstream."""
        upstream = self.call.upstream
        assert upstream is not None, "pick sets it or raises"
        return upstream.unary_limit

    def replayable(self) -> bool:
        """Whether the request is small enough to be sent again."""
        return len(self._request) <= self.plan.retry.buffer_bytes

    def begin(self, conn: ClientConnection) -> None:
        """Send the request."""
        leg = UnaryLeg(conn, conn.next_id(), self)
        self.open_stream(conn, leg)
        send_message(leg, self._request, True, self.encoding)

    def answered(self, leg: UnaryLeg, trailers: AnswerHead) -> None:
        """The answer is whole."""
        code = trailers.code
        if code > 0 and leg.head is None:
            self.before = trailers
            if self.retried(Code(code), trailers.header(PUSHBACK)):
                return
        self._answer = leg
        self._trailers = trailers
        self.let_go()
        self._done()

    def fail(self, error: GatewayError | UpstreamError) -> None:
        """End the call."""
        self._failure = error
        self.let_go()
        self._done()

    def _done(self) -> None:
        if not self.future.done():
            self.future.set_result(None)

    def expire(self, now: float) -> None:
        """The limit has passed, or the alarm is due."""
        if 0.0 <= self.limit_end <= now:
            self.fail(late(self.call, self.limit))
        elif not self.alarmed(now):
            self.arm()

    def reply(self) -> Reply:
        """Return the answer, once the call is over.

        Raises:
            UpstreamError: the upstream ended it with another status than OK.
            GatewayError: it has no answer.
        """
        call = self.call
        answer = self._answer
        trailers = self._trailers
        if answer is None or trailers is None:
            assert self._failure is not None, "the call is over"
            raise self._failure
        failure = self.outcome(answer.head, trailers)
        if failure is not None:
            raise failure
        message = answer.message
        if answer.reader is not None and not answer.reader.whole:
            raise wrong.broken_rule(self.call, "ended the call in the middle of a message")
        if message is None:
            raise no_message(call)
        head = answer.head
        if answer.compressed:
            encoding = (head.header("grpc-encoding") if head is not None else None) or ""
            message = decompressed(message, encoding, self.plan.max_response_bytes, call)
        call.first_message = answer.conn.now
        call.response_messages = 1
        call.response_bytes = len(message)
        return Reply(message, self.translator.initial(head, self.plan), self.translator.trailing(trailers))

    def close(self) -> None:
        """Let go of everything."""
        if self.slot >= 0:
            self.env.wheel.remove(self)
        self.let_go()
        self._answer = None  # it knows us: nothing is left that only the garbage collector would find


class UnaryLeg(ClientStream):
    """The stream of a unary call. What comes is given credit for at once: the limit of a message bounds it.

    Args:
        conn: The connection.
        number: The stream identifier.
        owner: The call.
    """

    def __init__(self, conn: ClientConnection, number: int, owner: UnaryCall) -> None:
        super().__init__(conn, number)
        self.owner = owner
        self.head: AnswerHead | None = None
        """The head of the answer, unless it is nothing but a status."""
        self.message: bytes | None = None
        """The message, once it is whole."""
        self.compressed = False
        """Whether it is compressed."""
        self.reader: MessageReader | None = None
        """Puts it together when it does not come in one DATA frame."""

    def on_head(self, head: AnswerHead, end: bool) -> None:
        """The answer begins."""
        owner = self.owner
        error = owner.not_grpc_answer(head, end)
        if not owner.prefer(self):
            return
        if error is not None:
            owner.lost(error)
        elif end:
            owner.answered(self, head)
        else:
            self.head = head
            owner.begun()

    def on_data(self, data: bytes, size: int, end: bool) -> None:
        """A part of the answer has come."""
        self.consumed(size)
        owner = self.owner
        length = len(data)
        if length:
            if (
                length >= 5
                and self.message is None
                and self.reader is None
                and not data[0]
                and int.from_bytes(data[1:5], "big") == length - 5
                and length - 5 <= owner.plan.max_response_bytes
            ):
                self.message = data[5:]
            elif not self._read(data):
                return
        if end:
            owner.fail(wrong.no_status(owner.call))

    def _read(self, data: bytes) -> bool:
        """Put the message together; return whether the call goes on."""
        owner = self.owner
        reader = self.reader
        if reader is None:
            reader = self.reader = MessageReader(owner.call, owner.plan.max_response_bytes)
        found: list[tuple[bytes, bool]] = []
        try:
            reader.take(data, found)
        except GatewayError as error:
            owner.fail(error)
            return False
        if found:
            if len(found) > 1 or self.message is not None:
                owner.fail(wrong.broken_rule(owner.call, "answered a unary call with more than one message"))
                return False
            self.message, self.compressed = found[0]
        return True

    def on_trailers(self, head: AnswerHead) -> None:
        """The answer has ended."""
        self.owner.answered(self, head)

    def on_reset(self, code: int, unprocessed: bool, words: str) -> None:
        """The endpoint will not answer."""
        owner = self.owner
        if owner.prefer(self):
            owner.failed(code, words, unprocessed=unprocessed, replayable=self.head is None)
