"""One call that came by HTTP, from its opening to its settlement. Every protocol goes through here.

open → (await) → responder.answer → settle
                 responder.fail ← whatever went wrong, as one Ending
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Protocol

from edge.model.call import Call, StatusSource
from edge.model.errors import (
    DirectReply,
    GatewayError,
    InvalidRequest,
    TranscodingFailed,
    UpstreamProtocolError,
    UpstreamUnreachable,
)
from edge.model.http import CallerGoneError, HeaderPairs, HttpExchange
from edge.model.invoke import Invoker, Reply, UpstreamError, UpstreamStream
from edge.model.pipeline import Pipeline
from edge.model.status import HTTP_STATUS, Code, Status
from edge.model.unexpected import unexpected
from transcoding.cors import merge
from transcoding.ending import Ending


class Responder(Protocol):
    """Speaks one protocol to one caller."""

    async def answer(self, session: Session) -> None:
        """Read the request, make the call, send the answer. Raise whatever went wrong.

        Raises:
            UpstreamError: the upstream ended the call with another status than OK.
            GatewayError: the gateway refuses it.
        """
        ...

    async def fail(self, session: Session, ending: Ending) -> None:
        """Say how the call ended, in the caller's protocol: at any point of the answer, or in place of it.

        The status may be OK: a route can answer by itself. Then the answer is an empty message.
        """
        ...


class Session:
    """One call.

    Args:
        pipeline: Matches, admits, settles.
        invoker: Makes the call upstream.
        exchange: The caller.
        call: The call, matched already or not.
        headers: Those of CORS, by `cors_headers`, which every answer has besides.
    """

    __slots__ = ("_invoker", "call", "exchange", "headers", "pipeline", "stream")

    def __init__(
        self, pipeline: Pipeline, invoker: Invoker, exchange: HttpExchange, call: Call, headers: HeaderPairs = ()
    ) -> None:
        self.pipeline = pipeline
        self.exchange = exchange
        self.call = call
        self.headers = headers
        self.stream: UpstreamStream | None = None
        self._invoker = invoker

    # no coroutines of their own around the invoker's and the exchange's: each is one more to wake

    def unary(self, request: bytes) -> Coroutine[Any, Any, Reply]:
        """Make a unary call; see `Invoker.unary`."""
        return self._invoker.unary(self.call, request)

    def open_stream(self) -> UpstreamStream:
        """Begin a streaming call; see `Invoker.stream`. It is closed when the session ends."""
        self.stream = self._invoker.stream(self.call)
        return self.stream

    def respond(self, status: int, headers: HeaderPairs, body: bytes = b"") -> Coroutine[Any, Any, None]:
        """Send a whole answer."""
        return self.exchange.respond(status, merge(headers, self.headers) if self.headers else headers, body)

    def start(self, status: int, headers: HeaderPairs) -> Coroutine[Any, Any, None]:
        """Send the head of an answer."""
        return self.exchange.start(status, merge(headers, self.headers) if self.headers else headers)

    async def run(self, responder: Responder, *, own: bool = False) -> None:
        """Make the call and settle it, whatever happens. Raises nothing but CancelledError.

        Args:
            responder: Who answers.
            own: Whether the gateway itself is called: no route takes the call, and no policy is asked.
        """
        call, pipeline = self.call, self.pipeline
        ending: Ending
        try:
            if own:
                pipeline.enter(call)
            elif (pending := pipeline.open(call)) is not None:
                await pending
            await responder.answer(self)
            pipeline.settle(call, Code.OK, source=StatusSource.GATEWAY if own else StatusSource.UPSTREAM)
            return
        except UpstreamError as error:
            pipeline.settle(call, error.status.code, error.status.message, endpoint_failed=error.endpoint_failed)
            ending = Ending.of_upstream(error)
        except DirectReply as reply:
            ending = self._direct(reply)
        except InvalidRequest as error:
            ending = self._refuse(TranscodingFailed.of(error))
        except GatewayError as error:
            ending = self._refuse(error)
        except CallerGoneError:
            self._cancelled()
            return
        except asyncio.CancelledError:
            refusal = self.stream.refusal if self.stream is not None else None
            task = asyncio.current_task()
            if refusal is None or task is None or task.uncancel():
                self._cancelled()
                raise
            ending = self._refuse(refusal)
        except Exception as error:
            ending = self._refuse(unexpected(call, error))
        finally:
            if self.stream is not None:
                self.stream.close()
            if not call.settled:
                self._cancelled()
        await self._fail(responder, ending)

    async def refuse(self, responder: Responder, error: GatewayError) -> None:
        """Refuse a call before it is opened: nobody takes it, or it cannot be understood."""
        self.pipeline.enter(self.call)
        try:
            await self._fail(
                responder, self._refuse(TranscodingFailed.of(error) if isinstance(error, InvalidRequest) else error)
            )
        finally:
            if not self.call.settled:
                self._cancelled()

    async def _fail(self, responder: Responder, ending: Ending) -> None:
        try:
            await responder.fail(self, ending)
        except CallerGoneError:
            return
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # nothing can be said any more but that the answer is not whole
            unexpected(self.call, error)
            self.exchange.abort()

    def _direct(self, reply: DirectReply) -> Ending:
        if reply.code is not Code.OK:
            return self._refuse(reply)
        self.pipeline.settle(self.call, Code.OK, source=StatusSource.GATEWAY)
        return Ending(Status(Code.OK, reply.message), HTTP_STATUS[Code.OK])

    def _refuse(self, error: GatewayError) -> Ending:
        blamed = isinstance(error, UpstreamUnreachable | UpstreamProtocolError)
        self.pipeline.refuse(self.call, error, endpoint_failed=blamed and error.code is Code.UNAVAILABLE)
        return Ending.of_refusal(error)

    def _cancelled(self) -> None:
        call = self.call
        late = call.deadline is not None and time.monotonic() >= call.deadline
        code, message = (
            (Code.DEADLINE_EXCEEDED, "the caller's deadline has passed") if late else (Code.CANCELLED, "cancelled")
        )
        self.pipeline.settle(call, code, message, source=StatusSource.CALLER)
