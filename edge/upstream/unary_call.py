"""Unary calls on a kept channel, awaited by the caller itself.

grpc.aio's own `UnaryUnaryCall` starts a task for every call and wraps its metadata twice, which is a tenth of a proxied
call. What lies under it is one awaitable batch. It is not public, so a grpcio without it gets the public way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import grpc
import grpc.aio

Pairs = Iterable[tuple[str, str | bytes]]

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class UnaryAnswer(NamedTuple):
    """What an upstream answered with OK."""

    message: bytes | None
    """The message. None when there was none, which breaks gRPC's rules."""

    initial: Pairs
    """The initial metadata."""

    trailing: Pairs
    """The trailing metadata."""


class UnaryMethod:
    """A unary method on one channel.

    Args:
        channel: The channel.
        path: The path of the method.
    """

    __slots__ = ("_make", "_path", "_public")

    def __init__(self, channel: grpc.aio.Channel, path: str) -> None:
        self._public: Any = channel.unary_unary(path)
        self._path = path.encode()
        inner = getattr(channel, "_channel", None)
        self._make: Any = getattr(inner, "call", None)

    async def __call__(
        self, request: bytes, *, seconds: float | None, metadata: Sequence[tuple[str, str | bytes]]
    ) -> UnaryAnswer:
        """Make one call.

        Args:
            request: The message.
            seconds: When the upstream has to have answered, or None for never.
            metadata: The metadata for the upstream.

        Raises:
            AioRpcError: the call ended with another status than OK. A code that nobody knows is UNKNOWN.
        """
        if self._make is None:
            return await self._publicly(request, seconds, metadata)
        call = self._make(self._path, None if seconds is None else time.time() + seconds, None, None)
        try:
            message = await call.unary_unary(request, tuple(metadata), None)
        except asyncio.CancelledError:
            call.cancel("the caller gave up")
            raise
        status = await call.status()
        initial = await call.initial_metadata()
        if status.code():
            raise grpc.aio.AioRpcError(
                _CODES.get(status.code(), grpc.StatusCode.UNKNOWN),
                grpc.aio.Metadata(*initial),
                grpc.aio.Metadata(*status.trailing_metadata()),
                details=status.details(),
            )
        return UnaryAnswer(message, initial, status.trailing_metadata())

    async def _publicly(
        self, request: bytes, seconds: float | None, metadata: Sequence[tuple[str, str | bytes]]
    ) -> UnaryAnswer:
        call = self._public(request, timeout=seconds, metadata=tuple(metadata))
        message = await call
        return UnaryAnswer(message, await call.initial_metadata(), await call.trailing_metadata())
