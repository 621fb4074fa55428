"""The attempts of a request to plain HTTP endpoints: until one answers with something worth passing on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from edge.model.call import Call
from edge.model.endpoint import Endpoint
from edge.model.errors import GatewayError, NoRoute, UpstreamProtocolError, UpstreamUnreachable
from edge.model.http import HttpRequest
from edge.model.refusals import late
from edge.model.snapshot import RoutePlan
from edge.model.status import Code, code_of_http
from edge.proxy.exchange import Core
from edge.resilience.retry import retry_after_seconds
from edge.upstream.http1 import BrokenAnswerError
from edge.upstream.http_answer import HttpAnswer, NoAnswerError, RequestBody
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

    __slots__ = ("_body", "_ended", "_limit", "_pieces", "_size")

    def __init__(self, body: RequestBody, limit: int) -> None:
        self._body = body
        self._limit = limit
        self._pieces: list[bytes] | None = []
        self._size = 0
        self._ended = False

    @property
    def whole(self) -> bool:
        """Whether everything that was read is kept."""
        return self._pieces is not None

    def drop(self) -> None:
        """Keep nothing any more: the request is not sent again."""
        self._pieces = None

    def once(self) -> RequestBody:
        """Return the body from its beginning, for one attempt. Only the latest one may be read."""
        at = 0

        async def read() -> bytes:
            nonlocal at
            pieces = self._pieces
            if pieces is not None and at < len(pieces):
                at += 1
                return pieces[at - 1]
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


async def answer_of(
    core: Core,
    call: Call,
    plan: RoutePlan,
    request: HttpRequest,
    headers: Sequence[tuple[str, str]],
    body: RequestBody | None,
    endpoint: Endpoint,
) -> HttpAnswer:
    """Send a request and return its answer when the head is there; try again where the route lets it.

    A status of 429 or 5xx counts as the code that `code_of_http` gives it, `retry-after` as pushback.

    Args:
        core: The core.
        call: The call.
        plan: Its route.
        request: The request.
        headers: What is sent.
        body: The body of the request.
        endpoint: Where the first attempt goes.

    Raises:
        GatewayError: there is no answer to be had.
    """
    rule = plan.retry
    kept = KeptBody(body, rule.buffer_bytes) if body is not None else None
    while True:
        carrier = http_endpoint(call, endpoint)
        code, refusal, answer = Code.UNAVAILABLE, None, None
        pushback: str | None = None
        unsent = timed_out = False
        limit = asyncio.timeout(rule.per_try_timeout)
        try:
            async with limit:
                sent = kept.once() if kept is not None else None
                answer = await carrier.request(request.verb, request.target, headers, sent)
        except WRONG as error:
            refusal = unusable(call, error)
            unsent = isinstance(error, ConnectFailedError)
        except TimeoutError:
            if not limit.expired():
                raise
            timed_out, code = True, Code.DEADLINE_EXCEEDED
            refusal = late(call, (rule.per_try_timeout, "try"))
        if answer is not None:
            if answer.status < 500 and answer.status != 429:
                break
            code = code_of_http(answer.status)
            pushback = _pushback(answer, rule.max_backoff)
        wait = None
        if kept is None or kept.whole:
            wait = core.dispatcher.again(
                call,
                code,
                time.monotonic(),
                pushback=pushback,
                until=_until(call),
                timed_out=timed_out,
                unsent=unsent,
            )
        if wait is None:
            if refusal is not None:
                raise refusal from None
            break
        if answer is not None:
            answer.close()
        await asyncio.sleep(wait)
        endpoint = core.dispatcher.pick(call, call.started)
    if kept is not None:
        kept.drop()
    assert answer is not None, "there is an answer or a refusal"
    return answer


def _pushback(answer: HttpAnswer, most: float) -> str | None:
    """Return `retry-after` of an answer in the words of `grpc-retry-pushback-ms`."""
    found = retry_after_seconds(next((value for name, value in answer.headers if name == "retry-after"), ""), most)
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


def unusable(call: Call, error: Exception) -> GatewayError:
    """Return the refusal when an endpoint gave no answer."""
    name, cause = where(call, error)
    metadata = {"upstream": name}
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


def where(call: Call, error: Exception) -> tuple[str, str]:
    """Return the name of a call's upstream, and what went wrong there, for operators."""
    name = call.upstream.name if call.upstream is not None else ""
    address = call.endpoint.address if call.endpoint is not None else ""
    return name, f"{address}: {error}"
