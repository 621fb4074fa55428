"""Requests to plain HTTP endpoints: the `Passthrough` that transcoding uses.

Bodies pass piece by piece, each side as fast as the other takes it; nothing is kept whole, decoded or followed.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from edge.model.call import Call
from edge.model.errors import (
    InvalidRequest,
    MessageTooLarge,
    UpstreamUnreachable,
    Violation,
)
from edge.model.http import HeaderPairs, HttpExchange, HttpRequest
from edge.model.refusals import address_of
from edge.model.snapshot import RoutePlan
from edge.proxy.exchange import Core
from edge.proxy.http_attempts import WRONG, HttpAttempts, http_endpoint
from edge.proxy.http_headers import answer_headers, check_reading, check_target, request_headers
from edge.proxy.http_limits import HttpLimits
from edge.proxy.http_relay import relay
from edge.upstream.http_answer import HandshakeRefusedError, HttpAnswer, RequestBody, Upgraded
from edge.upstream.http_endpoint import HttpEndpoint

PING_SECONDS = 20.0
"""How often the caller of a WebSocket is asked whether it is there, so that one that vanished frees its endpoint."""


class HttpForwarder:
    """Forwards requests and WebSockets to HTTP endpoints.

    Args:
        core: The pipeline and what is known of peers.
    """

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    async def forward(self, exchange: HttpExchange, call: Call, headers: HeaderPairs = ()) -> int:
        """Forward an opened call and the answer back. See `edge.model.passthrough.Passthrough`."""
        request, plan = exchange.request, call.plan
        assert plan is not None, "the call has been opened"
        check_target(request.target)
        check_reading(call)
        peer = self._core.peers.get(request.peer)
        call.peer = peer.address
        body = _body(exchange, call, plan)
        endpoint = self._core.dispatcher.pick(call, call.started)
        authority = http_endpoint(call, endpoint).upstream.authority
        sent = request_headers(call, request, peer, authority, self._core.max_metadata)
        attempts = HttpAttempts(self._core, call, plan)
        async with HttpLimits(call, plan) as limits:
            if request.upgrades:
                return await _web_socket(exchange, call, plan, attempts, sent, headers, limits)
            sent += _framing(body)
            if body is not None:
                body = RequestBody(read=_touching(body.read, limits), length=body.length, expect=body.expect)
                call.request_messages = 1
            answer = await attempts.request(request, sent, body)
            try:
                return await _answer(exchange, call, plan, answer, headers, limits)
            except BaseException:
                if exchange.started:
                    exchange.abort()
                raise
            finally:
                answer.close()


async def _answer(
    exchange: HttpExchange, call: Call, plan: RoutePlan, answer: HttpAnswer, added: HeaderPairs, limits: HttpLimits
) -> int:
    """Pass an answer on."""
    limits.answered()
    call.first_message = time.monotonic()
    call.response_messages = 1
    headers = answer_headers(plan, answer.headers, added)
    status = answer.status
    # an answer without a body says the length of another one (RFC 9110 section 8.6)
    whole = answer.whole() if exchange.request.verb != "HEAD" and status != 304 else None
    if whole is not None:
        call.response_bytes = len(whole)
        await exchange.respond(status, _without_length(headers), whole)
        return status
    await exchange.start(status, headers)
    try:
        while piece := await answer.read():
            call.response_bytes += len(piece)
            limits.touch()
            await exchange.write(piece)
            limits.touch()
    except WRONG as error:
        raise _broken(call, error) from None
    await exchange.finish()
    return status


def _without_length(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in headers if pair[0] != "content-length"]


async def _web_socket(
    exchange: HttpExchange,
    call: Call,
    plan: RoutePlan,
    attempts: HttpAttempts,
    sent: list[tuple[str, str]],
    added: HeaderPairs,
    limits: HttpLimits,
) -> int:
    """Open a WebSocket to the endpoint, then to the caller, and pass messages until one side ends it."""
    request = exchange.request
    offered = [part.strip() for part in request.header("sec-websocket-protocol").split(",") if part.strip()]

    def connect(carrier: HttpEndpoint) -> Awaitable[Upgraded]:
        return carrier.web_socket(request.target, sent, offered, plan.max_response_bytes)

    try:
        upgraded = await attempts.web_socket(connect)
    except HandshakeRefusedError as refusal:
        headers = answer_headers(plan, refusal.headers, added)
        call.response_bytes = len(refusal.body)
        await exchange.respond(refusal.status, _without_length(headers), refusal.body)
        return refusal.status
    limits.answered()
    try:
        socket = await exchange.accept(
            headers=answer_headers(plan, upgraded.headers, added),
            subprotocol=upgraded.subprotocol,
            max_message_bytes=plan.max_request_bytes,
            ping_interval=PING_SECONDS,
        )
    except BaseException:
        await upgraded.socket.close(1001)
        raise
    await relay(call, socket, upgraded.socket, limits)
    return 101


def _body(exchange: HttpExchange, call: Call, plan: RoutePlan) -> RequestBody | None:
    """Return the body of a request, or None where there is none (RFC 9112 section 6.3).

    The limits of messages are made for messages, not for uploads. So only one that the route itself sets bounds a body.

    Raises:
        MessageTooLarge: it is larger than the route allows.
    """
    request = exchange.request
    declared = request.header("content-length")
    length: int | None = None
    if declared and not request.header("transfer-encoding"):
        values = {value.strip() for value in declared.split(",")}
        text = values.pop()
        if values or not (text.isascii() and text.isdigit()):
            raise InvalidRequest.of([Violation("content-length", "is not one number")])
        length = int(text)
    elif request.bodiless or (not request.header("transfer-encoding") and not request.version.startswith("2")):
        return None
    limit = plan.route.max_request_message_bytes
    if limit and length is not None and length > limit:
        raise _too_large(plan, length)

    async def read() -> bytes:
        piece = await exchange.read(waits=False)
        call.request_bytes += len(piece)
        if limit and call.request_bytes > limit:
            raise _too_large(plan, None)
        return piece

    return RequestBody(read=read, length=length, expect=_expects(request))


def _expects(request: HttpRequest) -> bool:
    return request.header("expect").lower() == "100-continue" and request.version != "1.0"


def _framing(body: RequestBody | None) -> list[tuple[str, str]]:
    """Return the headers that say where the body of a request ends."""
    if body is None:
        return []
    framing = ("transfer-encoding", "chunked") if body.length is None else ("content-length", str(body.length))
    return [framing, ("expect", "100-continue")] if body.expect and body.length != 0 else [framing]


def _touching(read: Callable[[], Awaitable[bytes]], limits: HttpLimits) -> Callable[[], Awaitable[bytes]]:
    async def touch() -> bytes:
        piece = await read()
        limits.touch()
        return piece

    return touch


def _too_large(plan: RoutePlan, size: int | None) -> MessageTooLarge:
    limit = plan.route.max_request_message_bytes
    name = f"max_request_message_bytes of {plan.route.name}"
    what = "the body" if size is None else f"a body of {size} bytes"
    return MessageTooLarge(
        f"{what} is larger than the {limit} bytes that {name} allows",
        metadata={"limit": name, "limitBytes": str(limit)},
    )


def _broken(call: Call, error: Exception) -> UpstreamUnreachable:
    """Return the refusal when an answer ended before its end."""
    name = call.upstream.name if call.upstream is not None else ""
    return UpstreamUnreachable(
        f"upstream {name} broke the connection during the answer",
        metadata={"upstream": name},
        cause=f"{address_of(call)}: {error}",
    )
