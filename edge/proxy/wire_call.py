"""What unary and streaming calls on the wire engine share: endpoint, connection, limits, and how they end."""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr

from edge.model.call import Call
from edge.model.errors import GatewayError
from edge.model.invoke import UpstreamError, split_details
from edge.model.refusals import late, not_grpc, not_reached
from edge.model.snapshot import RoutePlan
from edge.model.status import Code
from edge.model.upstreams import Compression
from edge.proxy.exchange import LONGEST_TIMEOUT, time_limit
from edge.proxy.wire_metadata import Sent, Translator
from edge.wire import wrong
from edge.wire.carrier import Carrier, Waiter
from edge.wire.client import ClientConnection, ClientStream
from edge.wire.deadlines import Timed
from edge.wire.frames import CANCEL
from edge.wire.heads import AnswerHead

NEARLY: Final = 0.99
"""The part of a limit after which an endpoint that speaks of deadlines means this one: it was told a little less."""

_DEADLINE: Final = "Deadline Exceeded"
"""What gRPC's own implementations say when a deadline has passed. An upstream has words or trailers of its own."""

_CODES: Final = tuple(Code)

_ENCODINGS: Final = {Compression.GZIP: "gzip", Compression.DEFLATE: "deflate"}


@mypyc_attr(allow_interpreted_subclasses=True)
class OutgoingCall(Timed):
    """A call to an endpoint. Subclasses send the request and take the answer.

    Args:
        translator: Makes header blocks and metadata.
        call: The call, opened.
    """

    def __init__(self, translator: Translator, call: Call) -> None:
        super().__init__()
        plan = call.plan
        assert plan is not None, "the call has been opened"
        self.translator = translator
        self.env = translator.env
        self.call = call
        self.plan: RoutePlan = plan
        self.leg: ClientStream | None = None
        """The stream to the endpoint, as long as it is of use."""
        self.sent: Sent | None = None
        """What of the metadata goes upstream."""
        self.limit: tuple[float | None, str] = (None, "route")
        """The seconds the call may take, and who says so."""
        self.limit_end: float = -1.0
        """When they have passed, by the monotonic clock, or -1."""
        self.encoding: str = ""
        """How messages to the endpoint are compressed. Empty for not at all."""
        self.answering: bool = False
        """Whether the answer has begun, so that there is no further attempt."""
        self.alarm: float = -1.0
        """When the attempt under way has taken too long or the next one begins, by the monotonic clock, or -1."""
        self.pausing: bool = False
        """Whether no attempt is under way, and the next one begins when the alarm goes off."""
        self._carrier: Carrier | None = None
        self._waiter: Waiter | None = None

    # === for subclasses ===

    def own_limit(self) -> tuple[float | None, str]:
        """Return the configured limit in seconds and whose it is. The endpoint has been picked."""
        raise NotImplementedError

    def begin(self, conn: ClientConnection) -> None:
        """Send what there is of the request on a connection that has room."""
        raise NotImplementedError

    def lost(self, error: GatewayError, *, unsent: bool = False) -> None:
        """An attempt has failed. End the call with `error` unless there is another one.

        Args:
            error: The refusal.
            unsent: Whether the request provably never left.
        """
        raise NotImplementedError

    def pace(self) -> None:
        """Set when the attempt that begins has taken too long."""
        raise NotImplementedError

    def fail(self, error: GatewayError | UpstreamError) -> None:
        """End the call."""
        raise NotImplementedError

    # === to the endpoint ===

    def go(self) -> None:
        """Pick an endpoint, and send the request or wait for a connection.

        Raises:
            GatewayError: the call cannot be made.
        """
        call = self.call
        env = self.env
        first = self.sent is None
        if first:
            peer_text = call.peer
            call.peer = env.peers.get(peer_text).address
        carrier = env.pipeline.pick(call, call.started).carrier
        if not isinstance(carrier, Carrier):
            raise not_grpc(call)
        if first:
            self.sent = self.translator.sent(call, peer_text)
        if self.plan.needs_messages:
            self.encoding = self._encoding()
        if self.plan.paced:
            self.pace()
        self._limit()
        self.connect(carrier)

    def connect(self, carrier: Carrier) -> None:
        """Send the request on a connection to the endpoint, or wait for one."""
        conn = carrier.connection()
        if conn is not None:
            self.begin(conn)
        else:
            self._carrier = carrier
            self._waiter = waiter = _ConnectionWaiter(self)
            carrier.wait(waiter)

    def _encoding(self) -> str:
        """Return how the upstream wants messages, which is in the configuration that the route is of."""
        call = self.call
        assert call.upstream is not None, "pick sets it or raises"
        if call.snapshot is None:
            return ""
        upstream = call.snapshot.configuration.upstreams.get(call.upstream.name)
        return _ENCODINGS.get(upstream.compression, "") if upstream is not None else ""

    def _limit(self) -> None:
        call = self.call
        limit = self.own_limit()
        if call.deadline is not None:
            limit = time_limit(call, *limit, call.started)
        self.limit = limit
        seconds = limit[0]
        if seconds is not None:
            self.limit_end = call.started + min(seconds, LONGEST_TIMEOUT)
            if self.limit_end <= self.env.now():
                raise late(call, limit)
        elif self.limit_end >= 0.0:
            self.limit_end = -1.0
        self.arm()

    def arm(self) -> None:
        """Let the wheel tell when the limit has passed, or the alarm is due."""
        if self.slot >= 0:
            self.env.wheel.remove(self)
        end = self.due()
        if end >= 0.0:
            self.env.wheel.add(self, end)

    def due(self) -> float:
        """Return when there is something to do next, by the monotonic clock, or -1."""
        end = self.limit_end
        return self.alarm if self.alarm >= 0.0 and (end < 0.0 or self.alarm < end) else end

    def on_connection(self, conn: ClientConnection) -> None:
        """Go on, after waiting."""
        self._carrier = self._waiter = None
        try:
            self.begin(conn)
        except Exception as error:
            self.fail(self.env.unexpected(self.call, error))

    def on_unreachable(self, cause: str) -> None:
        """End the call, after waiting."""
        self._carrier = self._waiter = None
        self.lost(not_reached(self.call, cause), unsent=True)

    def open_stream(self, conn: ClientConnection, leg: ClientStream) -> None:
        """Send the head of the request.

        Args:
            conn: The connection.
            leg: The stream, made with the connection's `next_id`.
        """
        assert self.sent is not None, "go sets it"
        left = max(self.limit_end - self.env.now(), 0.0) if self.limit_end >= 0.0 else -1.0
        block = self.translator.block(conn, self.call, self.sent, left=left, encoding=self.encoding)
        conn.send_block(leg.id, block, False)
        conn.streams[leg.id] = leg
        self.leg = leg

    def let_go(self) -> None:
        """Wait for nothing more, and end what is still under way."""
        self.alarm = -1.0
        self.end_attempt()

    def end_attempt(self) -> None:
        """End the latest attempt."""
        carrier, waiter = self._carrier, self._waiter
        self._carrier = self._waiter = None
        if carrier is not None and waiter is not None:
            carrier.abandon(waiter)
        leg, self.leg = self.leg, None
        if leg is not None and not (leg.ended_in and leg.ended_out and leg.id not in leg.conn.waiting):
            # also when the answer is whole and the request is not: the rest of it interests nobody
            leg.reset(CANCEL)

    # === how it ends ===

    def nearly_over(self) -> bool:
        """Whether the limit has passed but for what clocks differ by."""
        seconds = self.limit[0]
        return seconds is not None and self.env.now() - self.call.started >= seconds * NEARLY

    def not_grpc_answer(self, head: AnswerHead, end: bool) -> GatewayError | None:
        """Return the refusal of an answer that is HTTP and not gRPC, else None.

        A status of gRPC counts whatever HTTP status it came with (gRPC doc/http-grpc-status-mapping.md).

        Args:
            head: The head of the answer.
            end: Whether there is nothing else of it.
        """
        if wrong.is_grpc(head.content_type) and (head.status == 200 or (end and head.code >= 0)):
            return None
        return wrong.not_grpc(self.call, head)

    def outcome(self, head: AnswerHead | None, trailers: AnswerHead) -> UpstreamError | GatewayError | None:
        """Return what the status of an answer makes of the call, or None for OK.

        Args:
            head: The head of the answer, or None when there is nothing but a status.
            trailers: Where the status is.
        """
        code = trailers.code
        if not code:
            return None
        if code < 0:
            return wrong.no_status(self.call)
        trailing = self.translator.trailing(trailers)
        if code == Code.DEADLINE_EXCEEDED and self.limit[0] is not None:
            whose = self.limit[1]
            if whose == "caller" and trailers.message == _DEADLINE and not trailing:
                return late(self.call, self.limit)
            if whose != "caller" and self.nearly_over():
                return late(self.call, self.limit)
        status, trailing = split_details(_CODES[code], trailers.message, trailing)
        return UpstreamError(
            status,
            initial=self.translator.initial(head, self.plan),
            trailing=trailing,
            endpoint_failed=status.code is Code.UNAVAILABLE,
        )


class _ConnectionWaiter(Waiter):
    """Waits for a connection on behalf of a call."""

    def __init__(self, outgoing: OutgoingCall) -> None:
        self.outgoing = outgoing

    def on_connection(self, conn: ClientConnection) -> None:
        """Go on with the call."""
        self.outgoing.on_connection(conn)

    def on_unreachable(self, cause: str) -> None:
        """End the call."""
        self.outgoing.on_unreachable(cause)
