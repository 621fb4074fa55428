"""The attempts of a request to plain HTTP endpoints: until one answers with something worth passing on."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from edge.model.call import Call
from edge.model.endpoint import Endpoint
from edge.model.errors import GatewayError, NoRoute, UpstreamProtocolError, UpstreamUnreachable
from edge.model.http import HeaderPairs, HttpRequest
from edge.model.refusals import late
from edge.model.resilience import pushback_seconds
from edge.model.snapshot import RoutePlan
from edge.model.status import Code, code_of_http
from edge.proxy.exchange import Core
from edge.proxy.hedging import Failure, Hedged
from edge.resilience.retry import is_idempotent, retry_after_seconds
from edge.upstream.http1 import BrokenAnswerError
from edge.upstream.http_answer import HandshakeRefusedError, HttpAnswer, NoAnswerError, RequestBody, Upgraded
from edge.upstream.http_dial import ConnectFailedError
from edge.upstream.http_endpoint import HttpEndpoint

WRONG = (ConnectFailedError, NoAnswerError, BrokenAnswerError)
"""What says that an endpoint gave no answer, or none of HTTP."""


class KeptBody:
    """The body of a request, kept as it is read so that it can be sent again.

    Args:
        body: The body.
        limit: The most bytes that are kept; with more than that the request cannot be sent again.
    """

    __slots__ = ("_ahead", "_body", "_ended", "_limit", "_pieces", "_size")

    def __init__(self, body: RequestBody, limit: int) -> None:
        self._body = body
        self._limit = limit
        self._pieces: list[bytes] | None = []
        self._ahead: deque[bytes] = deque()
        """What was gathered and is too much to be kept: it is for the only attempt."""
        self._size = 0
        self._ended = False

    @property
    def whole(self) -> bool:
        """Whether everything that was read is kept."""
        return self._pieces is not None

    def drop(self) -> None:
        """Keep nothing any more: the request is not sent again."""
        self._pieces = None

    async def gather(self) -> bool:
        """Read all of it before any attempt, unless it is too much to be kept; return whether it is not."""
        if self._body.length is not None and self._body.length > self._limit:
            return False
        read, gathered = self.once().read, deque[bytes]()
        while self.whole and (piece := await read()):
            gathered.append(piece)
        if not self.whole:
            self._ahead = gathered
        return self.whole

    def once(self) -> RequestBody:
        """Return the body from its beginning, for one attempt. Only the latest may be read, unless all was gathered."""
        at = 0

        async def read() -> bytes:
            nonlocal at
            pieces = self._pieces
            if pieces is not None and at < len(pieces):
                at += 1
                return pieces[at - 1]
            if self._ahead:
                return self._ahead.popleft()
            if self._ended:
                return b""
            piece = await self._body.read()
            self._ended = not piece
            if piece and self._pieces is not None:
                self._size += len(piece)
                at += 1
                self._pieces.append(piece)
                if self._size > self._limit:
                    self._pieces = None
            return piece

        return RequestBody(read=read, length=self._body.length, expect=self._body.expect)


A = TypeVar("A", bound=HttpAnswer | Upgraded | HandshakeRefusedError)


@dataclass(frozen=True, slots=True)
class _Tried(Generic[A]):
    """How an attempt ended: with an answer, or with a refusal of ours in place of one."""

    said: A | None = None
    refusal: GatewayError | None = None
    code: Code = Code.OK
    """OK for every answer that is worth passing on at once."""
    pushback: str | None = None
    timed_out: bool = False
    unsent: bool = False

    def answer(self) -> A:
        if self.said is None:
            assert self.refusal is not None, "there is an answer or a refusal"
            raise self.refusal
        return self.said

    def close(self) -> None:
        if isinstance(self.said, HttpAnswer):
            self.said.close()


class HttpAttempts:
    """The attempts of one exchange with the HTTP endpoints of a route.

    A status of 429 or 5xx counts as the code that `code_of_http` gives it, `retry-after` as pushback.

    Args:
        core: The core.
        call: The call, with an endpoint leased for the first attempt.
        plan: Its route.
    """

    __slots__ = ("_call", "_core", "_plan")

    def __init__(self, core: Core, call: Call, plan: RoutePlan) -> None:
        self._core = core
        self._call = call
        self._plan = plan

    async def request(
        self, request: HttpRequest, headers: Sequence[tuple[str, str]], body: RequestBody | None
    ) -> HttpAnswer:
        """Send a request and return its answer when the head is there; try again where the route lets it.

        Args:
            request: The request.
            headers: What is sent.
            body: The body of the request.

        Raises:
            GatewayError: there is no answer to be had.
        """
        kept = KeptBody(body, self._plan.retry.buffer_bytes) if body is not None else None

        def send(carrier: HttpEndpoint) -> Awaitable[HttpAnswer]:
            return carrier.request(request.verb, request.target, headers, kept.once() if kept is not None else None)

        hedge = self._plan.hedge
        if hedge is not None and is_idempotent(self._call) and (kept is None or await kept.gather()):
            answer = await self._hedged(send, hedge.delay)
        else:
            answer = await self._repeated(send, kept)
        if kept is not None:
            kept.drop()
        return answer

    async def web_socket(self, connect: Callable[[HttpEndpoint], Awaitable[Upgraded]]) -> Upgraded:
        """Open a WebSocket by `connect`; try again where the route lets it.

        Raises:
            HandshakeRefusedError: the endpoint answered otherwise.
            GatewayError: there is no answer to be had.
        """

        async def send(carrier: HttpEndpoint) -> Upgraded | HandshakeRefusedError:
            try:
                return await connect(carrier)
            except HandshakeRefusedError as refusal:
                return refusal

        answer = await self._repeated(send, None)
        if isinstance(answer, HandshakeRefusedError):
            raise answer
        return answer

    async def _repeated(self, send: Callable[[HttpEndpoint], Awaitable[A]], kept: KeptBody | None) -> A:
        """Make one attempt after another."""
        core, call = self._core, self._call
        while True:
            assert call.endpoint is not None, "leased for the attempt"
            tried = await self._try(send, call.endpoint)
            wait = None
            if tried.code is not Code.OK and (kept is None or kept.whole):
                wait = core.dispatcher.again(
                    call,
                    tried.code,
                    time.monotonic(),
                    pushback=tried.pushback,
                    until=_until(call),
                    timed_out=tried.timed_out,
                    unsent=tried.unsent,
                )
            if wait is None:
                return tried.answer()
            try:
                await asyncio.sleep(wait)
                if kept is not None and not kept.whole:
                    return tried.answer()  # more has come meanwhile than is kept
                core.dispatcher.pick(call, call.started)
            except GatewayError:
                return tried.answer()  # there is no endpoint for another one
            except BaseException:
                tried.close()
                raise
            tried.close()

    async def _try(self, send: Callable[[HttpEndpoint], Awaitable[A]], endpoint: Endpoint) -> _Tried[A]:
        """Make one attempt."""
        call, rule = self._call, self._plan.retry
        carrier = http_endpoint(call, endpoint)
        limit = asyncio.timeout(rule.per_try_timeout)
        try:
            async with limit:
                said = await send(carrier)
        except WRONG as error:
            refusal = unusable(call, error, endpoint)
            return _Tried(refusal=refusal, code=refusal.code, unsent=isinstance(error, ConnectFailedError))
        except TimeoutError:
            if not limit.expired():
                raise
            refusal = late(call, (rule.per_try_timeout, "try"))
            return _Tried(refusal=refusal, code=refusal.code, timed_out=True)
        status = 101 if isinstance(said, Upgraded) else said.status
        if isinstance(said, Upgraded) or (status < 500 and status != 429):
            return _Tried(said)
        return _Tried(said, code=code_of_http(status), pushback=_pushback(said.headers, rule.max_backoff))

    async def _hedged(self, send: Callable[[HttpEndpoint], Awaitable[A]], delay: float) -> A:
        """Make several attempts beside each other."""
        codes = self._plan.retry.codes

        def begin(endpoint: Endpoint) -> Coroutine[Any, Any, _Tried[A]]:
            return self._try(send, endpoint)

        def judge(task: asyncio.Task[_Tried[A]]) -> Failure | None:
            if task.exception() is not None:
                return None
            tried = task.result()
            if tried.code not in codes:
                return None
            return Failure(tried.code, pushback_seconds(tried.pushback), tried.unsent)

        hedged = Hedged(self._core.dispatcher, self._call, begin, judge, until=_until(self._call), discard=_Tried.close)
        return (await hedged.run(delay)).answer()


def _pushback(headers: HeaderPairs, most: float) -> str | None:
    """Return `retry-after` of an answer in the words of `grpc-retry-pushback-ms`."""
    found = retry_after_seconds(next((value for name, value in headers if name == "retry-after"), ""), most)
    return None if found is None else str(int(found * 1000))


def _until(call: Call) -> float:
    """Return when the head of the answer has to be there, by the monotonic clock, or -1."""
    ends = [] if call.deadline is None else [call.deadline]
    if call.upstream is not None and call.upstream.unary_limit[0] is not None:
        ends.append(call.started + call.upstream.unary_limit[0])
    return min(ends, default=-1.0)


def http_endpoint(call: Call, endpoint: Endpoint) -> HttpEndpoint:
    """Return what requests to an endpoint are sent by.

    Raises:
        NoRoute: its upstream speaks gRPC.
    """
    if isinstance(endpoint.carrier, HttpEndpoint):
        return endpoint.carrier
    route = call.plan.route.name if call.plan is not None else ""
    name = call.upstream.name if call.upstream is not None else ""
    raise NoRoute(
        f"{route} leads to {name}, which speaks gRPC and takes no plain HTTP",
        metadata={"method": call.method, "route": route},
    )


def unusable(call: Call, error: Exception, endpoint: Endpoint) -> GatewayError:
    """Return the refusal when an endpoint gave no answer."""
    name = call.upstream.name if call.upstream is not None else ""
    metadata, cause = {"upstream": name}, f"{endpoint.address}: {error}"
    if isinstance(error, ConnectFailedError):
        return UpstreamUnreachable(f"upstream {name} could not be reached", metadata=metadata, cause=cause)
    if isinstance(error, NoAnswerError):
        return UpstreamUnreachable(
            f"upstream {name} closed the connection without an answer", metadata=metadata, cause=cause
        )
    wrong = UpstreamProtocolError(f"upstream {name} did not answer in HTTP/1.1", metadata=metadata, cause=cause)
    wrong.code = Code.UNAVAILABLE  # type: ignore[misc] # like every endpoint that cannot be used
    wrong.http_status = 502  # type: ignore[misc] # RFC 9110 section 15.6.3
    return wrong
