"""Messages of a WebSocket between a caller and an endpoint, both ways until one side ends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine

from edge.model.call import Call
from edge.model.errors import UpstreamUnreachable
from edge.model.http import CallerGoneError, WebSocket
from edge.proxy.http_limits import HttpLimits
from edge.upstream.http_answer import EndpointWebSocket

NORMAL, GOING_AWAY, BAD_GATEWAY = 1000, 1001, 1014
"""RFC 6455 section 7.4.1 and the registry it makes."""

NO_CODE = 1005
"""There was a close frame without a code. It stands for that and is never sent."""


async def relay(call: Call, caller: WebSocket, endpoint: EndpointWebSocket, limits: HttpLimits) -> None:
    """Pass messages and the closing on. When this returns or raises, both sides are closed.

    A side that does not read holds up the other: each direction has one message under way.

    Raises:
        UpstreamUnreachable: the endpoint vanished without closing.
        CallerGoneError: the caller vanished without closing.
    """
    up = asyncio.get_running_loop().create_task(_up(call, caller, endpoint, limits), name="WebSocket to an endpoint")
    down = asyncio.get_running_loop().create_task(_down(call, caller, endpoint, limits), name="WebSocket to a caller")
    interrupted: BaseException | None = None
    ended_by_endpoint = False
    try:
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        ended_by_endpoint = down.result() if down.done() else not up.result()
    except BaseException as error:
        interrupted = error
    await _through(_stop(up, down))
    if caller.close_code is not None and not ended_by_endpoint:
        # closed in order, also when the end of its connection has cancelled this
        await _through(endpoint.close(_sent(caller.close_code)))
        task = asyncio.current_task()
        if interrupted is not None and limits.refusal is None and task is not None:
            task.uncancel()
        return
    if interrupted is not None:
        # a time limit, a caller that vanished, the end of the gateway
        words = limits.refusal.message if limits.refusal is not None else ""
        await _through(_both(endpoint.close(GOING_AWAY), caller.close(GOING_AWAY, words)))
        raise interrupted
    if not ended_by_endpoint:
        await _through(endpoint.close(GOING_AWAY))
        raise CallerGoneError("the caller left without closing its WebSocket")
    code = endpoint.close_code
    if code is None:
        name = call.upstream.name if call.upstream is not None else ""
        broken = UpstreamUnreachable(f"upstream {name} broke the WebSocket off", metadata={"upstream": name})
        await _through(caller.close(BAD_GATEWAY, broken.message))
        raise broken
    await _through(caller.close(_sent(code), endpoint.close_reason))


async def _through(step: Coroutine[None, None, None]) -> None:
    """Finish a step of the closing, which takes seconds at the most, although the caller's end cancels this task."""
    task = asyncio.get_running_loop().create_task(step, name="closing a WebSocket")
    current = asyncio.current_task()
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done() or current is None:
                break
            current.uncancel()


async def _both(*steps: Coroutine[None, None, None]) -> None:
    await asyncio.gather(*steps, return_exceptions=True)


def _sent(code: int) -> int:
    return NORMAL if code == NO_CODE else code


async def _stop(*tasks: asyncio.Task[bool]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _up(call: Call, caller: WebSocket, endpoint: EndpointWebSocket, limits: HttpLimits) -> bool:
    """Pass on what the caller says. Return whether it was the caller who ended it."""
    while (message := await caller.receive()) is not None:
        limits.touch()
        call.request_messages += 1
        call.request_bytes += len(message)
        try:
            await endpoint.send(message)
        except ConnectionError:
            return False
    return True


async def _down(call: Call, caller: WebSocket, endpoint: EndpointWebSocket, limits: HttpLimits) -> bool:
    """Pass on what the endpoint says. Return whether it was the endpoint who ended it."""
    while (message := await endpoint.receive()) is not None:
        limits.touch()
        if call.first_message is None:
            call.first_message = time.monotonic()
        call.response_messages += 1
        call.response_bytes += len(message)
        try:
            await caller.send(message)
        except CallerGoneError:
            return False
    return True
