"""Answers for the servicers of the gateway's own API: every failure becomes one status with details."""

from __future__ import annotations

import functools
import inspect
import logging
import secrets
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from edge.model.errors import GatewayError, InternalError

_log = logging.getLogger(__name__)

_CODES = {code.value[0]: code for code in grpc.StatusCode}

_LONGEST_MESSAGE = 1000
"""The most characters of a message. It is sent twice, and clients refuse metadata beyond 8 KiB."""

_LARGEST_STATUS = 4096
"""The most bytes of a status with its details, which are sent in base64."""

MethodT = TypeVar("MethodT", bound=Callable[..., Any])


def answer(method: MethodT) -> MethodT:
    """Turn what a servicer's method raises into a status.

    Takes `async def` methods that return a reply or use the reader and writer of the context, and async generators. A
    `GatewayError` becomes its status with `grpc-status-details-bin`; anything else is logged with its stack under an
    id, and only the id is told.
    """
    if inspect.isasyncgenfunction(method):

        @functools.wraps(method)
        async def stream(self: Any, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            replies = method(self, request, context)
            try:
                async for reply in replies:
                    yield reply
            except Exception as error:
                await refuse(context, error)
            finally:
                await replies.aclose()

        return stream  # type: ignore[return-value]  # the same signature, which a TypeVar cannot say of a wrapper

    @functools.wraps(method)
    async def unary(self: Any, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await method(self, request, context)
        except Exception as error:
            await refuse(context, error)

    return unary  # type: ignore[return-value]  # the same signature, which a TypeVar cannot say of a wrapper


async def refuse(context: grpc.aio.ServicerContext[Any, Any], error: Exception) -> NoReturn:
    """End the call with the status of an exception. Never returns."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    status = status_of(error)
    await context.abort(
        _CODES[status.code],
        status.message,
        trailing_metadata=(("grpc-status-details-bin", status.SerializeToString()),),
    )
    raise AssertionError("abort always raises")


def status_of(error: Exception) -> status_pb2.Status:
    """Return the status of an exception, small enough for metadata. The unexpected is logged."""
    if isinstance(error, GatewayError):
        if error.cause:
            _log.info("%s: %s (%s)", error.reason, error.message, error.cause)
    else:
        error_id = secrets.token_hex(8)
        _log.error("unexpected failure %s", error_id, exc_info=error)
        error = InternalError(
            f"something unexpected went wrong in the gateway; its log has it under {error_id}",
            metadata={"errorId": error_id},
        )
    return _fitted(error.status.to_proto())


def _fitted(status: status_pb2.Status) -> status_pb2.Status:
    """Shorten what may be long, a list of violations above all, until the status fits into metadata."""
    if len(status.message) > _LONGEST_MESSAGE:
        status.message = status.message[: _LONGEST_MESSAGE - 1] + "…"
    if status.ByteSize() <= _LARGEST_STATUS:
        return status
    for index, detail in enumerate(status.details):
        bad_request = error_details_pb2.BadRequest()
        if not detail.Unpack(bad_request):
            continue
        room = _LARGEST_STATUS - (status.ByteSize() - detail.ByteSize()) - 100
        kept = _kept(bad_request.field_violations, room)
        left = len(bad_request.field_violations) - kept
        del bad_request.field_violations[kept:]
        bad_request.field_violations.add(description=f"and {left} more")
        status.details[index].Pack(bad_request)
    return status


def _kept(entries: list[Message], room: int) -> int:
    """Return how many entries fit into `room` bytes."""
    for count, entry in enumerate(entries):
        room -= entry.ByteSize() + 4
        if room < 0:
            return count
    return len(entries)
