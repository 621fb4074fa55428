"""The attempts of a native gRPC call: one after another when they fail, or beside each other when they take long.

What may have to be sent again is kept until the answer begins; from then on there is one attempt, whatever becomes of
it. The pipeline says whether and when there is another one (gRPC proposal A6).
"""

from __future__ import annotations

from edge.model.endpoint import Endpoint
from edge.model.errors import GatewayError
from edge.model.refusals import late, not_reached
from edge.model.resilience import pushback_seconds
from edge.model.snapshot import RoutePlan
from edge.model.status import Code, Status
from edge.wire.caller import CallState
from edge.wire.carrier import Carrier
from edge.wire.client import ClientConnection, ClientStream
from edge.wire.environment import Environment
from edge.wire.frames import CANCEL
from edge.wire.heads import AnswerHead
from edge.wire.request_head import RequestHead
from edge.wire.server import ServerConnection


class AttemptedCall(CallState):
    """What a call does when an attempt fails or takes long."""

    __slots__ = (
        "before",
        "handed",
        "kept",
        "kept_end",
        "kept_size",
        "pausing",
        "refused",
        "repeats",
        "replayed",
        "rivals",
    )

    def __init__(self, conn: ServerConnection, number: int, environment: Environment, head: RequestHead) -> None:
        CallState.__init__(self, conn, number, environment, head)
        self.kept: list[bytes] | None = []
        """What may have to be sent (again); None when it was too much or the answer has begun."""
        self.kept_size: int = 0
        self.kept_end: bool = False
        self.repeats: int = 0
        """How often the request was sent again without the pipeline's leave; the core is not asked for ever either."""
        self.replayed: int = 0
        """Bytes that are sent a second time and have not gone yet."""
        self.handed: str = ""
        """By what name the call was handed to the core, which makes further attempts itself."""
        self.pausing: bool = False
        """Whether no attempt is under way, and the next one begins when the alarm goes off."""
        self.before: AnswerHead | GatewayError | Status | None = None
        """How the latest attempt failed that is followed by another: without an endpoint for it the call ends so."""
        self.refused: bool = False
        """Whether a server wants no further attempt beside others."""
        self.rivals: list[tuple[ClientStream, Endpoint]] | None = None
        """The attempts under way besides the latest, each with what was leased for it."""

    # === one after another ===

    def lost(self, error: GatewayError, *, blamed: bool = False, unsent: bool = False) -> None:
        """An attempt has failed. End the call with `error` unless there is another one.

        Args:
            error: The refusal.
            blamed: Whether the endpoint is to blame.
            unsent: Whether the request provably never left.
        """
        self.before = error
        if not self.retried(error.code, None, unsent=unsent):
            self.fail(error, blamed=blamed)

    def retried(self, code: Code, pushback: str | None, *, timed_out: bool = False, unsent: bool = False) -> bool:
        """Begin another attempt instead of the latest, now or later; return whether there is one.

        Args:
            code: How the attempt ended.
            pushback: What the server said of when to try again.
            timed_out: Whether it took longer than an attempt may.
            unsent: Whether the request provably never left.
        """
        plan = self.call.plan
        if self.headed or self.handed or self.done or self.kept is None or plan is None:
            return False
        if self.rivals or (plan.hedge is not None and not unsent):
            return self._hedge_failed(plan, code, pushback_seconds(pushback))
        if self.kept_size > plan.retry.buffer_bytes:
            return False
        env = self.env
        now = env.now()
        wait = env.pipeline.again(
            self.call, code, now, pushback=pushback, until=self.limit_end, timed_out=timed_out, unsent=unsent
        )
        if wait is None:
            return False
        self.end_attempt()
        self.replayed = self.kept_size - self.held
        if wait > 0.0:
            self.pausing = True
            self.alarm = now + wait
            self.arm()
        else:
            self.admitted()
        return True

    def end_attempt(self) -> None:
        """Let go of the endpoint and of what is waited for; the call goes on."""
        self.alarm = -1.0
        carrier = self.carrier
        if carrier is not None and self.waiter is not None:
            carrier.abandon(self.waiter)
        self.carrier = None
        self.waiter = None
        leg = self.leg
        if leg is not None:
            self.leg = None
            _end(leg)

    def unreachable(self, cause: str) -> None:
        """There is no connection to the endpoint to be had. `cause` is for operators."""
        self.carrier = None
        self.waiter = None
        self.lost(not_reached(self.call, cause), blamed=True, unsent=True)

    def outgrown(self) -> None:
        """More was sent than is kept by default. Keep nothing any more unless the route wants more to be kept."""
        plan = self.call.plan
        if plan is None or self.kept_size > plan.retry.buffer_bytes or self.handed:
            self.kept = None

    # === time ===

    def pace(self, plan: RoutePlan) -> None:
        """Set when the attempt that begins has taken too long, or when the next one is sent beside it."""
        hedge = plan.hedge
        per_try = plan.retry.per_try_timeout
        if hedge is not None:
            self.alarm = self.env.now() + hedge.delay
        elif per_try is not None:
            self.alarm = self.env.now() + per_try

    def on_alarm(self, now: float) -> None:
        """A pause is over, an attempt has taken too long, or it is time for another one beside it."""
        plan = self.call.plan
        if self.pausing:
            self.pausing = False
            self.admitted()
        elif plan is None or self.headed:
            self.arm()
        elif plan.hedge is not None:
            self._hedge(plan, now)
        else:
            error = late(self.call, (plan.retry.per_try_timeout, "try"))
            self.before = error
            if not self.retried(Code.DEADLINE_EXCEEDED, None, timed_out=True):
                self.fail(error, blamed=True)

    # === beside each other ===

    def _hedge(self, plan: RoutePlan, now: float) -> None:
        """Send the request once more, beside what is under way, if all of it is there."""
        call = self.call
        leg = self.leg
        lease = call.endpoint
        hedge = plan.hedge
        if hedge is None or self.kept is None or self.kept_size > plan.retry.buffer_bytes:
            self.arm()
            return
        if leg is None or lease is None or not self.kept_end:
            self.alarm = now + hedge.delay  # the first one has not been sent yet, or the request is not whole
            self.arm()
            return
        carrier = self._lease_another(lease, now)
        if carrier is None:
            self.arm()
            return
        rivals = self.rivals
        if rivals is None:
            rivals = self.rivals = []
        rivals.append((leg, lease))
        self.leg = None
        self.replayed += self.kept_size
        self.alarm = now + hedge.delay
        self.arm()
        self.connect(carrier)

    def _lease_another(self, lease: Endpoint, now: float) -> Carrier | None:
        """Lease an endpoint for a further attempt, which is the call's own from then on, unless there is none."""
        pipeline = self.env.pipeline
        endpoint = pipeline.hedge(self.call, now)
        if endpoint is None:
            return None
        found = endpoint.carrier
        if isinstance(found, Carrier):
            return found
        pipeline.drop(self.call, endpoint, now, failed=False)
        self.call.endpoint = lease
        return None

    def _hedge_failed(self, plan: RoutePlan, code: Code, pushback: float | None) -> bool:
        """Give up the latest attempt if its code is no final answer; return whether the call goes on.

        The next one is sent at once. When the server asks for a pause it is sent after that beside others that are
        under way; without any the caller gets the answer, with the pause the server asks for.
        """
        call = self.call
        failed = call.endpoint
        hedge = plan.hedge
        if hedge is None or failed is None or code not in plan.retry.codes:
            return False
        pipeline = self.env.pipeline
        now = self.env.now()
        rivals = self.rivals
        if rivals:
            self.end_attempt()
            self.leg, call.endpoint = rivals.pop()
            pipeline.drop(call, failed, now, failed=True)
            if pushback is None and not self.refused:
                self._hedge(plan, now)
            elif pushback is None:
                self.arm()
            else:
                self.refused = self.refused or pushback < 0.0
                self.alarm = -1.0 if self.refused else now + pushback
                self.arm()
            return True
        if pushback is not None or self.refused or self.kept_size > plan.retry.buffer_bytes:
            return False
        carrier = self._lease_another(failed, now)
        if carrier is None:
            return False
        self.end_attempt()
        pipeline.drop(call, failed, now, failed=True)
        self.replayed = self.kept_size - self.held
        self.alarm = now + hedge.delay
        self.arm()
        self.connect(carrier)
        return True

    def prefer(self, leg: ClientStream) -> bool:
        """Make an attempt that is answered the latest one; return whether it is one of this call."""
        rivals = self.rivals
        if not rivals or self.done:
            return False
        for index, (stream, lease) in enumerate(rivals):
            if stream is leg:
                latest = self.leg
                other = self.call.endpoint
                if latest is not None and other is not None:
                    rivals[index] = (latest, other)
                else:
                    # it waits for a connection still, which is not waited for any more
                    del rivals[index]
                    self.end_attempt()
                    if other is not None:
                        self.env.pipeline.drop(self.call, other, self.env.now(), failed=False)
                self.leg = leg
                self.call.endpoint = lease
                return True
        return False

    def drop_rivals(self) -> None:
        """End the other attempts: this one is answered, or the call is over."""
        rivals = self.rivals
        self.rivals = None
        if rivals:
            now = self.env.now()
            for stream, lease in rivals:
                _end(stream)
                self.env.pipeline.drop(self.call, lease, now, failed=False)

    def cease(self, code: int) -> None:
        """Let go of time, of the endpoints and of what is waited for."""
        super().cease(code)
        if self.rivals is not None:
            self.drop_rivals()

    # === for subclasses ===

    def connect(self, carrier: Carrier) -> None:
        """Send the request on a connection to the endpoint, or wait for one."""
        raise NotImplementedError

    def on_connection(self, conn: ClientConnection) -> None:
        """Go on with a connection to the endpoint."""
        raise NotImplementedError


def _end(leg: ClientStream) -> None:
    """End a stream unless both sides have."""
    if not (leg.ended_in and leg.ended_out) or leg.unsent():
        leg.reset(CANCEL)
