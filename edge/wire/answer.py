"""The answer of an endpoint on its way to the caller."""

from __future__ import annotations

from typing import Final

from edge.model.errors import DeadlineExceeded, GatewayError
from edge.model.refusals import broken, metadata_too_large, too_large
from edge.model.resilience import PUSHBACK
from edge.model.status import Code, Status
from edge.wire import wrong
from edge.wire.attempts import AttemptedCall
from edge.wire.client import ClientConnection, ClientStream
from edge.wire.environment import Environment
from edge.wire.frames import CANCEL, NO_ERROR, REFUSED_STREAM, error_name
from edge.wire.heads import AnswerHead
from edge.wire.meter import Meter
from edge.wire.request_head import RequestHead
from edge.wire.server import ServerConnection
from edge.wire.translate import OK_HEAD, answer_fields, reset_code, status_fields

MAX_ATTEMPTS: Final = 4
"""How often a call is tried that provably never reached a server."""

_CODES: Final = {int(code): code for code in Code}


class EndpointStream(ClientStream):
    """The endpoint's side of a call; it tells the caller's side.

    Args:
        conn: The connection to the endpoint.
        number: The stream identifier.
        caller: The caller's side.
    """

    __slots__ = ("caller",)

    def __init__(self, conn: ClientConnection, number: int, caller: AnsweredCall) -> None:
        ClientStream.__init__(self, conn, number)  # super() costs as much as the rest, for every call
        self.caller = caller

    def on_head(self, head: AnswerHead, end: bool) -> None:
        """The answer begins."""
        self.caller.answer_head(self, head, end)

    def on_data(self, data: bytes, size: int, end: bool) -> None:
        """A part of the answer has come."""
        self.caller.answer_data(self, data, size, end)

    def on_trailers(self, head: AnswerHead) -> None:
        """The answer has ended."""
        self.caller.answer_end(self, head)

    def on_oversized(self) -> None:
        """The metadata of the answer is larger than the limit."""
        self.caller.answer_oversized(self)

    def on_reset(self, code: int, unprocessed: bool, words: str) -> None:
        """The endpoint will not answer."""
        self.caller.answer_reset(self, code, unprocessed, words)

    def on_sent(self, size: int) -> None:
        """Bytes of the request that waited have gone."""
        self.caller.request_sent(size)


class AnsweredCall(AttemptedCall):
    """What a call does with the answer of its endpoint."""

    __slots__ = ("answer_meter", "coding", "request_meter")

    def __init__(self, conn: ServerConnection, number: int, environment: Environment, head: RequestHead) -> None:
        AttemptedCall.__init__(self, conn, number, environment, head)
        self.coding: str = ""
        """What the messages of the answer are compressed with."""
        self.request_meter: Meter | None = None
        self.answer_meter: Meter | None = None

    def request_sent(self, size: int) -> None:
        """Bytes of the request that waited have gone."""
        raise NotImplementedError

    # === the head ===

    def answer_head(self, leg: EndpointStream, head: AnswerHead, end: bool) -> None:
        """The answer begins, or with `end` is nothing but a status."""
        if self.leg is not leg and not self.prefer(leg):
            return
        # a status of gRPC's own wins over that of HTTP (gRPC doc/http-grpc-status-mapping.md)
        if head.code < 0 and (head.status != 200 or not wrong.is_grpc(head.content_type)):
            error = wrong.not_grpc(self.call, head)
            self.lost(error, blamed=error.code is Code.UNAVAILABLE)
            return
        if head.coding and head.coding != "identity" and not wrong.accepts(self.head.accepted, head.coding):
            self.fail(wrong.not_accepted(self.call, head.coding))
            return
        if end and (self._told_late(head) or self._failed(head)):
            return
        plan = self.call.plan
        assert plan is not None, "the call has been opened"
        if self.handed:
            fields = head.received_fields()  # the core has done what the route asks for
        elif head.plan is plan:
            fields = head.sent
        else:
            fields = answer_fields(head, plan)
            if head.kept:
                head.plan = plan
                head.sent = fields
        self.kept = None
        self.alarm = -1.0
        if self.rivals is not None:
            self.drop_rivals()
        self.coding = head.coding
        self.headed = True
        conn = self.conn
        if end:
            self._settle(head)
            self.finish(leg)
        encoder = conn.encoder
        sensitive = head.sensitive
        block = encoder.encode_kept(fields, sensitive) if head.kept else encoder.encode(fields, sensitive)
        conn.send_block(self.id, block, end)
        if end:
            self.end_out()

    def answer_oversized(self, leg: EndpointStream) -> None:
        """The metadata of the answer is larger than the limit."""
        if self.leg is leg or self.prefer(leg):
            self.leg = None
            self.fail(metadata_too_large(-1, self.env.max_metadata))

    # === the body ===

    def answer_data(self, leg: EndpointStream, data: bytes, size: int, end: bool) -> None:
        """A part of the answer has come."""
        if self.leg is not leg:
            leg.consumed(size)
            return
        length = len(data)
        if length:
            call = self.call
            if self.handed:
                pass  # the core counts
            elif (
                self.answer_meter is None
                and length >= 5
                and int.from_bytes(data[1:5], "big") == length - 5
                and length - 5 <= self.max_answer
                and not data[0]
            ):
                if not call.response_messages:
                    call.first_message = leg.conn.now
                call.response_messages += 1
                call.response_bytes += length - 5
            elif not self._measure_answer(data):
                leg.consumed(size)
                return
            if self.idle >= 0.0:
                self.touched = leg.conn.now
            if self.send_data(data, False):
                leg.consumed(size)
            elif size > length:
                leg.consumed(size - length)
        elif size:
            leg.consumed(size)
        if end:
            # without trailers there is no status (gRPC doc/PROTOCOL-HTTP2.md)
            self.fail(wrong.no_status(self.call))

    def _measure_answer(self, data: bytes) -> bool:
        """Follow messages that do not come one in a frame; return whether the call goes on."""
        call = self.call
        meter = self.answer_meter
        if meter is None:
            meter = self.answer_meter = Meter(self.max_answer)
        call.response_bytes += meter.take(data)
        if meter.messages and not call.response_messages:
            call.first_message = self.env.now()
        call.response_messages += meter.messages
        if meter.over >= 0:
            self.fail(too_large("response", meter.over, call))
            return False
        if meter.flags and not wrong.flag_fits(meter.flags, self.coding):
            self.fail(wrong.bad_flag(wrong.name_of(call), meter.flags))
            return False
        if meter.whole:
            self.answer_meter = None
        return True

    def on_sent(self, size: int) -> None:
        """Bytes of the answer that waited have gone to the caller."""
        leg = self.leg
        if leg is not None:
            leg.consumed(size)

    # === the end ===

    def answer_end(self, leg: EndpointStream, head: AnswerHead) -> None:
        """The answer has ended with trailers."""
        if self.leg is not leg:
            return
        if head.code < 0:
            self.fail(wrong.no_status(self.call))
            return
        if self._told_late(head):
            return
        if (
            head.code == 0
            and not self.handed
            and (self.answer_meter is not None or (self.unary and self.call.response_messages != 1))
        ):
            self.fail(wrong.incomplete(self.call, inside=self.answer_meter is not None))
            return
        self._settle(head)
        self.finish(leg)
        self.send_end(head.fields, head.kept, head.sensitive)

    def _failed(self, head: AnswerHead) -> bool:
        """Go on with another attempt if an answer that is nothing but a status says so, or end the call without one."""
        if head.code < 0:
            self.lost(wrong.no_status(self.call))
            return True
        if head.code == 0:
            return False
        self.before = head
        return self.retried(_CODES[head.code], head.header(PUSHBACK))

    def refuse(self, error: GatewayError) -> None:
        """End the call with a refusal of ours, or as its latest attempt when there is no endpoint for another one."""
        before = self.before
        plan = self.call.plan
        if before is None or plan is None or isinstance(error, DeadlineExceeded) or self.done:
            super().refuse(error)
        elif isinstance(before, GatewayError):
            self.fail(before, blamed=True)
        elif isinstance(before, Status):
            self._end_with(before)
        else:
            self.cease(CANCEL)
            self._settle(before)
            self.send_head(answer_fields(before, plan), True)

    def _told_late(self, head: AnswerHead) -> bool:
        """End the call if the endpoint, which was given a limit of ours, has noticed first that it has passed."""
        if head.code != Code.DEADLINE_EXCEEDED or self.limit_whose == "caller" or not self.overdue():
            return False
        self.expire(self.limit_end)
        return True

    def _settle(self, head: AnswerHead) -> None:
        code = _CODES[head.code] if head.code >= 0 else Code.UNKNOWN
        self.env.pipeline.settle(self.call, code, head.message, endpoint_failed=code is Code.UNAVAILABLE)

    def finish(self, leg: EndpointStream) -> None:
        """The answer is whole; let go of everything but the caller."""
        self.done = True
        self.leg = None
        if self.slot >= 0:
            self.env.wheel.remove(self)
        if not leg.ended_out or leg.unsent():
            leg.reset(CANCEL)  # the endpoint has said its last word, and the rest of the request interests nobody

    def answer_reset(self, leg: EndpointStream, code: int, unprocessed: bool, words: str) -> None:
        """The endpoint will not answer, or not to the end."""
        if self.done or (self.leg is not leg and not self.prefer(leg)):
            return
        self.leg = None
        call = self.call
        unsent = unprocessed or code == REFUSED_STREAM
        if unsent and self.kept is not None and not self.rivals and self.repeats < MAX_ATTEMPTS - 1:
            self.again()
            return
        if words or unprocessed:
            self.lost(broken(call, words), blamed=True)
            return
        status = Status(reset_code(code), f"the upstream reset the stream: {error_name(code)}")
        self.before = status
        if not self.retried(status.code, None):
            self._end_with(status)

    def _end_with(self, status: Status) -> None:
        """End the call with a status that says that the endpoint reset it."""
        call = self.call
        self.cease(NO_ERROR)
        self.env.pipeline.settle(call, status.code, status.message, endpoint_failed=status.code is Code.UNAVAILABLE)
        if self.headed:
            self.send_end(status_fields(status))
        else:
            self.send_head((*OK_HEAD, *status_fields(status)), True)

    def again(self) -> None:
        """Send the request once more, elsewhere if there is an elsewhere."""
        call = self.call
        self.repeats += 1
        self.replayed = self.kept_size - self.held
        self.alarm = -1.0
        self.env.pipeline.put_back(call)
        self.admitted()
