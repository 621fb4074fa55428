"""The attempts of a transcoded call on the wire engine, one after another: when one fails, when it takes too long.

The pipeline says whether and when there is another one (gRPC proposal A6). The pauses are in the wheel of deadlines.
"""

from __future__ import annotations

from mypy_extensions import mypyc_attr

from edge.model.call import Call
from edge.model.errors import DeadlineExceeded, GatewayError
from edge.model.invoke import UpstreamError
from edge.model.refusals import broken, late
from edge.model.status import Code, Status
from edge.proxy.wire_call import OutgoingCall
from edge.proxy.wire_metadata import Translator
from edge.wire.answer import MAX_ATTEMPTS
from edge.wire.frames import CANCEL, REFUSED_STREAM, error_name
from edge.wire.heads import AnswerHead
from edge.wire.translate import reset_code


@mypyc_attr(allow_interpreted_subclasses=True)
class RepeatedCall(OutgoingCall):
    """A call that is tried again where that is safe."""

    def __init__(self, translator: Translator, call: Call) -> None:
        super().__init__(translator, call)
        self.before: GatewayError | UpstreamError | AnswerHead | None = None
        """How the latest attempt failed that is followed by another: without an endpoint for it the call ends so."""

    def replayable(self) -> bool:
        """Whether all of the request is kept to be sent again, by what the route allows."""
        raise NotImplementedError

    def failed(self, code: int, words: str, *, unprocessed: bool, replayable: bool) -> None:
        """The stream to the endpoint has ended before its time. Begin anew where that is safe.

        Args:
            code: The error code of HTTP/2.
            words: Why the connection ended, for operators. Empty for RST_STREAM.
            unprocessed: Whether the endpoint has certainly not begun to work on it.
            replayable: Whether all of the request is still there, and nothing of an answer.
        """
        self.leg = None
        call = self.call
        if replayable and (unprocessed or code == REFUSED_STREAM) and call.attempts < MAX_ATTEMPTS:
            self._again()
        elif words or unprocessed:
            self.lost(broken(call, words))
        elif code == CANCEL and self.nearly_over():
            self.fail(late(call, self.limit))
        else:
            status = Status(reset_code(code), f"the upstream reset the stream: {error_name(code)}")
            failure = UpstreamError(status, endpoint_failed=status.code is Code.UNAVAILABLE)
            self.before = failure
            if not self.retried(status.code):
                self.fail(failure)

    def _again(self) -> None:
        self.alarm = -1.0
        self.env.pipeline.put_back(self.call)
        self._go_again()

    def _go_again(self) -> None:
        try:
            self.go()
        except GatewayError as error:
            before = self.before
            if before is None or isinstance(error, DeadlineExceeded):
                self.fail(error)
            elif isinstance(before, AnswerHead):
                self.fail(self.outcome(None, before) or error)
            else:
                self.fail(before)
        except Exception as failure:
            self.fail(self.env.unexpected(self.call, failure))

    # === further attempts ===

    def lost(self, error: GatewayError, *, unsent: bool = False) -> None:
        """An attempt has failed. End the call with `error` unless there is another one."""
        self.before = error
        if not self.retried(error.code, unsent=unsent):
            self.fail(error)

    def retried(
        self, code: Code, pushback: str | None = None, *, timed_out: bool = False, unsent: bool = False
    ) -> bool:
        """Begin another attempt, now or later; return whether there is one. The arguments are `Pipeline.again`'s."""
        if self.answering or not self.replayable():
            return False
        now = self.env.now()
        wait = self.env.pipeline.again(
            self.call, code, now, pushback=pushback, until=self.limit_end, timed_out=timed_out, unsent=unsent
        )
        if wait is None:
            return False
        self.let_go()
        if wait > 0.0:
            self.pausing = True
            self.alarm = now + wait
            self.arm()
        else:
            self._go_again()
        return True

    def pace(self) -> None:
        """Set when the attempt that begins has taken too long."""
        per_try = self.plan.retry.per_try_timeout
        if per_try is not None and not self.answering:
            self.alarm = self.env.now() + per_try

    def alarmed(self, now: float) -> bool:
        """Do what the alarm is set for, if it is due; return whether it was."""
        if self.alarm < 0.0 or now < self.alarm:
            return False
        self.alarm = -1.0
        if self.pausing:
            self.pausing = False
            self._go_again()
        elif self.answering:
            self.arm()
        else:
            self.on_alarm(now)
        return True

    def on_alarm(self, now: float) -> None:  # noqa: ARG002 - hedging needs it
        """The attempt has taken too long."""
        error = late(self.call, (self.plan.retry.per_try_timeout, "try"))
        self.before = error
        if not self.retried(Code.DEADLINE_EXCEEDED, timed_out=True):
            self.fail(error)
