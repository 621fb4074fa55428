"""A native gRPC call as its caller sees it: limits of time, refusals, and the end, exactly once."""

from __future__ import annotations

from typing import Final

from edge.model.call import Call, StatusSource
from edge.model.errors import DirectReply, GatewayError
from edge.model.refusals import late
from edge.model.status import Code
from edge.wire.acceptor import ServerStream
from edge.wire.carrier import Carrier, Waiter
from edge.wire.client import ClientConnection, ClientStream
from edge.wire.environment import Environment
from edge.wire.frames import CANCEL, NO_ERROR
from edge.wire.heads import Field
from edge.wire.request_head import RequestHead
from edge.wire.server import ServerConnection
from edge.wire.translate import OK_HEAD, STATUS_OK, refusal_fields

NO_FIELDS: Final[tuple[Field, ...]] = ()
LARGEST: Final = 2**31 - 1


class CallState(ServerStream):
    """The caller's side of a call, and the call itself.

    Args:
        conn: The caller's connection.
        number: The stream identifier.
        environment: Pipeline and whatever else calls share.
        head: The request.
    """

    __slots__ = (
        "alarm",
        "call",
        "carrier",
        "done",
        "env",
        "head",
        "idle",
        "leg",
        "limit_end",
        "limit_seconds",
        "limit_whose",
        "peer",
        "touched",
        "unary",
        "waiter",
    )

    def __init__(self, conn: ServerConnection, number: int, environment: Environment, head: RequestHead) -> None:
        ServerStream.__init__(self, conn, number)  # super() costs as much as the rest, for every call
        self.env = environment
        self.head = head
        self.peer = conn.peer
        self.leg: ClientStream | None = None
        """The endpoint's side, once there is one."""
        self.carrier: Carrier | None = None
        """Where a connection is waited for."""
        self.waiter: Waiter | None = None
        self.unary: bool = False
        """Whether the schema knows the method to be unary, so that it has the time limits of unary calls."""
        self.done: bool = False
        """Whether the call is over."""
        self.limit_end: float = -1.0
        """When the call has to be over, by the monotonic clock, or -1."""
        self.limit_seconds: float = -1.0
        self.limit_whose: str = "caller"
        self.alarm: float = -1.0
        """When the attempt under way has taken too long or the next one begins, by the monotonic clock, or -1."""
        self.idle: float = -1.0
        """The seconds it may be quiet, or -1."""
        self.touched: float = 0.0
        """When a message last came from either side, by the monotonic clock."""
        self.call = Call(head.path, head.metadata, host=head.host, peer=conn.peer, tls=conn.tls, started=conn.now)

    def admitted(self) -> None:
        """Go on after admission."""
        raise NotImplementedError

    def on_connection(self, conn: ClientConnection) -> None:
        """Go on with a connection to the endpoint."""
        raise NotImplementedError

    def unreachable(self, cause: str) -> None:
        """There is no connection to the endpoint to be had. `cause` is for operators."""
        raise NotImplementedError

    def on_alarm(self, now: float) -> None:
        """What `alarm` is set for is due; it is not set any more."""
        raise NotImplementedError

    # === time ===

    @property
    def max_request(self) -> int:
        """The largest message of the caller, in bytes."""
        plan = self.call.plan
        return LARGEST if plan is None else plan.max_request_bytes

    @property
    def max_answer(self) -> int:
        """The largest message of the endpoint, in bytes."""
        plan = self.call.plan
        return LARGEST if plan is None else plan.max_response_bytes

    def set_limit(self) -> None:
        """Find when the call has to be over: the smallest of what caller, route and upstream say."""
        call = self.call
        plan = call.plan
        own: float | None = None
        whose = "route"
        if plan is not None:
            if not self.unary:
                own, whose = plan.stream_limit
                idle = plan.stream_idle
                if idle is not None and self.idle < 0.0:
                    self.idle = idle
                    self.touched = call.started
            elif call.upstream is not None:
                own, whose = call.upstream.unary_limit
        end = -1.0
        if call.deadline is not None:
            end = call.deadline
            self.limit_whose = "caller"
        if own is not None and (end < 0.0 or call.started + own < end):
            end = call.started + own
            self.limit_seconds = own
            self.limit_whose = whose
        self.limit_end = end
        if end >= 0.0 or self.idle >= 0.0 or self.alarm >= 0.0:
            self.arm()

    def arm(self) -> None:
        """Let the wheel tell when the next limit has passed."""
        end = self.limit_end
        if self.idle >= 0.0 and (end < 0.0 or self.touched + self.idle < end):
            end = self.touched + self.idle
        if self.alarm >= 0.0 and (end < 0.0 or self.alarm < end):
            end = self.alarm
        wheel = self.env.wheel
        if self.slot >= 0:
            wheel.remove(self)
        if end >= 0.0:
            wheel.add(self, end)

    def overdue(self) -> bool:
        """Whether the limit has passed, give or take what clocks and rounding differ by."""
        return self.limit_end >= 0.0 and self.env.now() - self.call.started >= 0.99 * (
            self.limit_end - self.call.started
        )

    def expire(self, now: float) -> None:
        """A limit has passed, unless something has come meanwhile."""
        if self.done:
            return
        if 0.0 <= self.limit_end <= now:
            if self.limit_whose == "caller":
                self.fail(late(self.call, (None, "caller")), source=StatusSource.CALLER)
            else:
                self.fail(late(self.call, (self.limit_seconds, self.limit_whose)))
        elif self.idle >= 0.0 and now - self.touched >= self.idle:
            self.fail(late(self.call, (self.idle, "stream idle")))
        elif 0.0 <= self.alarm <= now:
            self.alarm = -1.0
            self.on_alarm(now)
        else:
            self.arm()

    # === ends ===

    def on_reset(self, code: int, unprocessed: bool, words: str) -> None:
        """The caller has gone, or broke the rules."""
        if self.done:
            return
        self.cease(CANCEL)
        call = self.call
        overdue = call.deadline is not None and self.env.now() >= call.deadline
        if overdue:
            self.env.pipeline.settle(
                call, Code.DEADLINE_EXCEEDED, "the caller's deadline has passed", source=StatusSource.CALLER
            )
        else:
            self.env.pipeline.settle(call, Code.CANCELLED, "cancelled", source=StatusSource.CALLER)

    def refuse(self, error: GatewayError) -> None:
        """End the call with a refusal of ours, or with the answer that the route gives by itself."""
        if isinstance(error, DirectReply) and error.code is Code.OK and not self.done:
            self.cease(CANCEL)
            self.env.pipeline.settle(self.call, Code.OK, source=StatusSource.GATEWAY)
            self.send_head(OK_HEAD, False)
            self.send_data(b"\0\0\0\0\0", False)
            self.send_end(STATUS_OK)
            return
        self.fail(error)

    def fail(self, error: GatewayError, *, source: StatusSource = StatusSource.GATEWAY, blamed: bool = False) -> None:
        """End the call with a refusal.

        Args:
            error: The refusal.
            source: Who ended it.
            blamed: Whether the endpoint is to blame.
        """
        if self.done:
            return
        self.cease(CANCEL)
        call = self.call
        pipeline = self.env.pipeline
        if source is StatusSource.GATEWAY:
            pipeline.refuse(call, error, endpoint_failed=blamed)
        else:
            pipeline.settle(call, error.code, error.message, source=source)
        fields = refusal_fields(error)
        if self.closed:
            return
        if self.headed:
            self.send_end(fields)
        else:
            self.send_head((*OK_HEAD, *fields), True)

    def send_head(self, fields: tuple[Field, ...], end: bool) -> None:
        """Begin the answer with a head that is made for this call."""
        self.headed = True
        conn = self.conn
        conn.send_block(self.id, conn.encoder.encode(fields), end)
        if end:
            self.end_out()

    def cease(self, code: int) -> None:
        """Let go of time, of the endpoint and of what is waited for."""
        self.done = True
        if self.slot >= 0:
            self.env.wheel.remove(self)
        carrier = self.carrier
        if carrier is not None and self.waiter is not None:
            self.carrier = None
            carrier.abandon(self.waiter)
            self.waiter = None
        leg = self.leg
        if leg is not None:
            self.leg = None
            leg.reset(code)

    def after_end(self) -> None:
        """The answer has gone. A caller that still sends is told to stop (RFC 9113 section 8.1)."""
        if not self.ended_in:
            self.reset(NO_ERROR)


class CallWaiter(Waiter):
    """Waits for a connection on behalf of a call."""

    def __init__(self, call: CallState) -> None:
        self.call = call

    def on_connection(self, conn: ClientConnection) -> None:
        """Go on with the call."""
        self.call.on_connection(conn)

    def on_unreachable(self, cause: str) -> None:
        """Let the call go elsewhere, try again or end."""
        self.call.unreachable(cause)
