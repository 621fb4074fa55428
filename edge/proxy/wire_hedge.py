"""Calls with further attempts before the first has ended (gRPC proposal A6, "Hedging"), on the wire engine."""

from __future__ import annotations

from mypy_extensions import mypyc_attr

from edge.model.call import Call
from edge.model.endpoint import Endpoint
from edge.model.resilience import pushback_seconds
from edge.model.status import Code
from edge.proxy.wire_attempts import RepeatedCall
from edge.proxy.wire_metadata import Translator
from edge.wire.carrier import Carrier
from edge.wire.client import ClientStream
from edge.wire.frames import CANCEL


@mypyc_attr(allow_interpreted_subclasses=True)
class HedgedCall(RepeatedCall):
    """A call that may have several attempts under way. The first that is answered stays; the others are cancelled.

    Args:
        translator: Makes header blocks and metadata.
        call: The call, opened.
    """

    def __init__(self, translator: Translator, call: Call) -> None:
        super().__init__(translator, call)
        self._rivals: list[tuple[ClientStream, Endpoint]] = []
        self._refused: bool = False
        """Whether a server wants no further attempt."""

    def pace(self) -> None:
        """Set when the attempt that begins has taken too long, or when the next one is sent beside it."""
        if self.plan.hedge is not None:
            self.alarm = self.env.now() + self.plan.hedge.delay
        else:
            super().pace()

    def on_alarm(self, now: float) -> None:
        """The attempt has taken too long, or it is time for another one beside it."""
        if self.plan.hedge is not None:
            self._hedge(now)
        else:
            super().on_alarm(now)

    def retried(
        self, code: Code, pushback: str | None = None, *, timed_out: bool = False, unsent: bool = False
    ) -> bool:
        """Begin another attempt, now or later, or go on with one under way; return whether there is one."""
        if self._rivals or (self.plan.hedge is not None and not unsent):
            return not self.answering and self.replayable() and self._failed_one(code, pushback_seconds(pushback))
        return super().retried(code, pushback, timed_out=timed_out, unsent=unsent)

    def prefer(self, leg: ClientStream) -> bool:
        """Make an attempt that is answered the latest one; return whether it is one of this call."""
        latest = self.leg
        if latest is leg:
            return True
        for index, (stream, lease) in enumerate(self._rivals):
            if stream is leg:
                other = self.call.endpoint
                if latest is not None and other is not None:
                    self._rivals[index] = (latest, other)
                else:
                    # it waits for a connection still, which is not waited for any more
                    del self._rivals[index]
                    self.end_attempt()
                    if other is not None:
                        self.env.pipeline.drop(self.call, other, self.env.now(), failed=False)
                self.leg, self.call.endpoint = leg, lease
                return True
        return False

    def begun(self) -> None:
        """The latest attempt is answered: it is the only one from now on."""
        self.answering = True
        if self._rivals:
            self._drop_rivals()

    def let_go(self) -> None:
        """Wait for nothing more, and end what is still under way."""
        super().let_go()
        if self._rivals:
            self._drop_rivals()

    def _drop_rivals(self) -> None:
        rivals, self._rivals = self._rivals, []
        now = self.env.now()
        for stream, lease in rivals:
            stream.reset(CANCEL)
            self.env.pipeline.drop(self.call, lease, now, failed=False)

    def _hedge(self, now: float) -> None:
        """Send the request once more, beside what is under way."""
        leg, lease, hedge = self.leg, self.call.endpoint, self.plan.hedge
        assert hedge is not None, "the alarm was set for it"
        if not self.replayable():
            self.arm()
            return
        if leg is None or lease is None:
            self.alarm = now + hedge.delay  # the one before waits for a connection
            self.arm()
            return
        carrier = self._lease_another(lease, now)
        if carrier is None:
            self.arm()
            return
        self._rivals.append((leg, lease))
        self.leg = None
        self._send(carrier, now + hedge.delay)

    def _send(self, carrier: Carrier, next_one: float) -> None:
        self.alarm = next_one
        self.arm()
        self.connect(carrier)

    def _lease_another(self, lease: Endpoint, now: float) -> Carrier | None:
        """Lease an endpoint for a further attempt, which is the call's own from then on, unless there is none."""
        endpoint = self.env.pipeline.hedge(self.call, now)
        if endpoint is None:
            return None
        if isinstance(endpoint.carrier, Carrier):
            return endpoint.carrier
        self.env.pipeline.drop(self.call, endpoint, now, failed=False)
        self.call.endpoint = lease
        return None

    def _failed_one(self, code: Code, pushback: float | None) -> bool:
        """Give up the latest attempt if its code is no final answer; see `edge.wire.attempts`."""
        call, hedge, failed = self.call, self.plan.hedge, self.call.endpoint
        if hedge is None or failed is None or code not in self.plan.retry.codes:
            return False
        pipeline, now = self.env.pipeline, self.env.now()
        if self._rivals:
            self.end_attempt()
            self.leg, call.endpoint = self._rivals.pop()
            pipeline.drop(call, failed, now, failed=True)
            if pushback is None and not self._refused:
                self._hedge(now)
            elif pushback is None:
                self.arm()
            else:
                self._refused = self._refused or pushback < 0.0
                self.alarm = -1.0 if self._refused else now + pushback
                self.arm()
            return True
        if pushback is not None or self._refused or (carrier := self._lease_another(failed, now)) is None:
            return False
        self.end_attempt()
        pipeline.drop(call, failed, now, failed=True)
        self._send(carrier, now + hedge.delay)
        return True
