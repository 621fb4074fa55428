"""What grpc.aio's calls get wrong, and how the proxy gets around it.

- `write` declares a call INTERNAL when a message cannot be sent, also when that is because the upstream has just ended
  the call with another status, perhaps OK.
- `read` returns nothing more once the status is there, also when messages that came before it have not been read.
- Either may find the status INTERNAL "Internal error from Core" for a moment, before the real one arrives.
- A status code beyond 16 raises KeyError.
- Initial metadata that arrives together with the status may be lost: the status is handled first and says that there
  is none. Nothing can be done about that; the call then looks like one whose answer has not begun.
- Metadata is sorted into lists by name, which loses the order between names and costs time in every call.

What lies under `read` and `write` does none of this. It is not public, so a grpcio without it gets the public methods.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import grpc
import grpc.aio

CORE_ERROR = "Internal error from Core"

LATE_STATUS = 1.0
"""Seconds the real status may come after that. Without much else to do it is there in some milliseconds."""


def sender(upstream: Any) -> Callable[[bytes], Awaitable[None]]:
    """Return what sends one message on a call whose connection has been waited for.

    It raises `grpc.aio.InternalError` when the upstream's side has ended.
    """
    inner = getattr(upstream, "_cython_call", None)
    return getattr(inner, "send_serialized_message", upstream.write)  # type: ignore[no-any-return]


def receiver(upstream: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
    """Return what receives one message, or `grpc.aio.EOF`, on a call whose initial metadata has been waited for."""
    inner = getattr(upstream, "_cython_call", None)
    return getattr(inner, "receive_serialized_message", upstream.read)  # type: ignore[no-any-return]


def initial_metadata(upstream: Any) -> Awaitable[Iterable[tuple[str, str | bytes]]]:
    """Return what waits for the upstream's initial metadata and returns its pairs."""
    return getattr(upstream, "_cython_call", upstream).initial_metadata()  # type: ignore[no-any-return]


def trailing_metadata(upstream: Any) -> Awaitable[Iterable[tuple[str, str | bytes]]]:
    """Return what waits for the end of a call and returns its trailing metadata as pairs, with the status OK."""
    inner = getattr(upstream, "_cython_call", None)
    return _trailing(inner) if hasattr(inner, "status") else upstream.trailing_metadata()


async def _trailing(inner: Any) -> Iterable[tuple[str, str | bytes]]:
    return (await inner.status()).trailing_metadata()  # type: ignore[no-any-return]


async def final_status(upstream: Any) -> grpc.aio.AioRpcError | None:
    """Wait for the status of a call and return it, or None for OK. A code that nobody knows is UNKNOWN."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LATE_STATUS
    while (details := await upstream.details() or "") == CORE_ERROR and loop.time() < end:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.001)
    try:
        code = await upstream.code()
    except KeyError:
        code = grpc.StatusCode.UNKNOWN
    if code is grpc.StatusCode.OK:
        return None
    return grpc.aio.AioRpcError(
        code, await upstream.initial_metadata(), await upstream.trailing_metadata(), details=details
    )
