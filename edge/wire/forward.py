"""Forwards native gRPC calls frame by frame: head out, route, head in, DATA untouched, flow control end to end.

A call is two streams, the caller's and the endpoint's. No task, future or timer of its own belongs to it; what happens
on one stream acts on the other at once.
"""

from __future__ import annotations

from typing import Final

from edge.model.errors import GatewayError, InvalidRequest, VerbNotAllowed, Violation, WrongCardinality
from edge.model.refusals import not_grpc, too_large
from edge.wire.answer import EndpointStream
from edge.wire.caller import NO_FIELDS, CallWaiter
from edge.wire.carrier import Carrier
from edge.wire.client import ClientConnection, ClientStream
from edge.wire.heads import AnswerHead
from edge.wire.meter import Meter
from edge.wire.request_block import SentCall
from edge.wire.request_head import RequestHead
from edge.wire.wrong import bad_flag, flag_fits

REPLAY_BYTES: Final = 64 * 1024
"""The most bytes of a request that are kept until its answer begins, to send them again elsewhere."""


class ForwardedCall(SentCall):
    """A native gRPC call: the caller's side, and the call itself."""

    __slots__ = ()

    # === the head ===

    def begin(self, head: RequestHead, end: bool) -> None:
        """Match, admit, and go on to an endpoint."""
        call = self.call
        env = self.env
        self.kept_end = end
        if head.timeout >= 0.0:
            call.deadline = call.started + head.timeout
        elif head.timeout < -1.0:
            env.pipeline.enter(call)
            words = "is not at most 8 digits and one of H, M, S, m, u, n (gRPC doc/PROTOCOL-HTTP2.md)"
            self.refuse(InvalidRequest.of([Violation("grpc-timeout", words)]))
            return
        if head.verb != "POST":
            env.pipeline.enter(call)
            self.refuse(VerbNotAllowed(head.verb, head.path, ("POST",)))
            return
        known = head.snapshot is not None and head.snapshot is env.snapshot and head.known == env.known
        if known:
            call.snapshot = head.snapshot
            call.plan = head.plan
            call.path_parameters = head.parameters
            self.unary = head.unary
        try:
            pending = env.pipeline.open(call)
            if head.kept and not known:
                self._learn(head)
            elif not known:
                self.unary = env.is_unary(call.method)
            if pending is not None:
                self.set_limit()
                env.wait_for(pending, self)
                return
        except GatewayError as error:
            self.refuse(error)
            return
        except Exception as failure:
            self.fail(env.unexpected(call, failure))
            return
        self.admitted()

    def _learn(self, head: RequestHead) -> None:
        """Keep with the header block what was found for it."""
        call = self.call
        env = self.env
        self.unary = env.is_unary(call.method)
        head.snapshot = call.snapshot
        head.plan = call.plan
        head.parameters = call.path_parameters
        head.known = env.known
        head.unary = self.unary
        head.sent = NO_FIELDS

    def admitted(self) -> None:
        """Go on after admission."""
        if self.done:
            return
        try:
            self._go_on()
        except GatewayError as error:
            self.refuse(error)
        except Exception as failure:
            self.fail(self.env.unexpected(self.call, failure))

    def _go_on(self) -> None:
        call = self.call
        env = self.env
        plan = call.plan
        assert plan is not None, "open sets it or raises"
        core = env.core_for(call, plan, self.head) if env.has_core else None
        carrier: Carrier
        if core is None:
            found = env.pipeline.pick(call, call.started).carrier
            if not isinstance(found, Carrier):
                raise not_grpc(call)
            carrier = found
        else:
            carrier, self.handed = core
            call.request_messages = 0  # the core counts
            call.request_bytes = 0
        if plan.paced and core is None:
            self.pace(plan)
        self.set_limit()
        self.connect(carrier)

    def connect(self, carrier: Carrier) -> None:
        """Send the request on a connection to the endpoint, or wait for one."""
        conn = carrier.connection()
        if conn is not None:
            self.on_connection(conn)
        else:
            self.carrier = carrier
            self.waiter = CallWaiter(self)
            carrier.wait(self.waiter)

    def on_connection(self, conn: ClientConnection) -> None:
        """Send what there is of the request on a connection that has room."""
        self.carrier = None
        self.waiter = None
        if self.done:
            return
        try:
            block = self.request_block(conn)
        except GatewayError as error:
            if self.env.protections is not None:
                self.env.protections.act("header_list", self.peer, error.message)
            self.refuse(error)
            return
        except Exception as failure:
            self.fail(self.env.unexpected(self.call, failure))
            return
        number = conn.next_id()
        leg = EndpointStream(conn, number, self)
        conn.streams[number] = leg
        self.leg = leg
        kept = self.kept
        if not kept:
            conn.send_block(number, block, self.kept_end)
            leg.ended_out = self.kept_end
            return
        conn.send_block(number, block, False)
        last = len(kept) - 1
        for index, data in enumerate(kept):
            self._pass_on(leg, data, self.kept_end and index == last)
        if self.kept_size > REPLAY_BYTES:
            self.outgrown()

    # === the body ===

    def on_data(self, data: bytes, size: int, end: bool) -> None:
        """A part of the request has come."""
        if self.done:
            self.consumed(size)
            return
        length = len(data)
        if length:
            call = self.call
            meter = self.request_meter
            if self.handed:
                pass  # the core counts
            elif meter is None and length >= 5 and int.from_bytes(data[1:5], "big") == length - 5:
                call.request_messages += 1
                call.request_bytes += length - 5
                if length - 5 > self.max_request:
                    self.consumed(size)
                    self.fail(too_large("request", length - 5, call))
                    return
                if data[0] and not flag_fits(data[0], self.head.coding):
                    self.consumed(size)
                    self.fail(bad_flag("the caller", data[0]))
                    return
            elif not self._measure(data):
                self.consumed(size)
                return
            if self.idle >= 0.0:
                self.touched = self.conn.now
        if size > length:
            self.consumed(size - length)
        if (
            end
            and (self.request_meter is not None or (self.unary and self.call.request_messages != 1))
            and not self.handed
        ):
            self.consumed(length)
            self._refuse_end()
            return
        kept = self.kept
        if kept is not None:
            if end:
                self.kept_end = True
            if length:
                kept.append(data)
                self.kept_size += length
        leg = self.leg
        if leg is not None and (length or end):
            if kept is not None and self.kept_size > REPLAY_BYTES:
                self.outgrown()
            self._pass_on(leg, data, end)

    def _refuse_end(self) -> None:
        """End the call, because what the caller has sent is no whole request."""
        call = self.call
        if self.request_meter is not None:
            words = "the request ends in the middle of a message"
            self.fail(InvalidRequest.of([Violation("", f"{words} (gRPC doc/PROTOCOL-HTTP2.md)")]))
            return
        self.fail(WrongCardinality(f"{call.method} is unary: it takes one message and not {call.request_messages}"))

    def _pass_on(self, leg: ClientStream, data: bytes, end: bool) -> None:
        """Send bytes to the endpoint; the caller gets its credit back when they have gone."""
        if leg.ended_out:
            self.consumed(len(data))
        elif leg.send_data(data, end):
            self.request_sent(len(data))

    def request_sent(self, size: int) -> None:
        """Bytes of the request have gone."""
        replayed = self.replayed
        if replayed > 0:
            # sent a second time: its credit was given back the first time
            if size <= replayed:
                self.replayed = replayed - size
                return
            self.replayed = 0
            size -= replayed
        self.consumed(size)

    def _measure(self, data: bytes) -> bool:
        """Follow messages that do not come one in a frame; return whether the call goes on."""
        meter = self.request_meter
        if meter is None:
            meter = self.request_meter = Meter(self.max_request)
        call = self.call
        call.request_bytes += meter.take(data)
        call.request_messages += meter.messages
        if meter.over >= 0:
            self.fail(too_large("request", meter.over, call))
            return False
        if meter.flags and not flag_fits(meter.flags, self.head.coding):
            self.fail(bad_flag("the caller", meter.flags))
            return False
        if meter.whole:
            self.request_meter = None
        return True

    def on_trailers(self, head: AnswerHead) -> None:
        """The caller has ended. gRPC has no trailers of requests, so that they say no more than that."""
        self.on_data(b"", 0, True)
