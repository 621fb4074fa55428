"""The exchange of a method that a schema knows to be unary: one batch in, one batch out.

It costs half of what the streaming exchange does (ARCHITECTURE.md, "Two exchanges").
"""

from __future__ import annotations

import asyncio
import time

import grpc
import grpc.aio

from edge.model.call import Call, StatusSource
from edge.model.errors import DirectReply, GatewayError
from edge.model.refusals import no_message, too_large
from edge.model.status import Code
from edge.model.unexpected import unexpected
from edge.proxy.core_attempts import unary_again, unary_paced
from edge.proxy.exchange import (
    Core,
    caller_is_gone,
    end_cancelled,
    end_with_failure,
    end_with_refusal,
    initial_for,
    time_limit,
)
from edge.proxy.metadata import valid
from edge.proxy.respond import Context


class UnaryExchange:
    """Forwards the calls of one unary method."""

    __slots__ = ("_core", "_method")

    def __init__(self, core: Core, method: str) -> None:
        self._core = core
        self._method = method

    async def handle(self, request: bytes, context: Context) -> bytes:
        """Forward one call and return the upstream's message."""
        core = self._core
        call = core.call(self._method, context)
        limit: tuple[float | None, str] = (None, "caller")
        try:
            pending = core.open(call)
            if pending is not None:
                await pending
            plan = call.plan
            assert plan is not None, "open sets it or raises"
            size = len(request)
            call.request_messages = 1
            call.request_bytes = size
            if size > plan.max_request_bytes:
                raise too_large("request", size, call)
            connection, metadata = core.lease(call)
            assert call.upstream is not None, "lease sets it or raises"
            limit = time_limit(call, *call.upstream.unary_limit, call.started)
            try:
                if plan.paced:
                    answer = await unary_paced(core, call, connection, request, metadata, limit)
                else:
                    answer = await connection.unary(self._method)(request, seconds=limit[0], metadata=metadata)
            except grpc.aio.AioRpcError as error:
                if plan.paced:
                    raise
                answer = await unary_again(core, call, request, metadata, limit, error)
            response, initial, trailing = answer
            if response is None:
                raise no_message(call)
            size = len(response)
            if size > plan.max_response_bytes:
                raise too_large("response", size, call)
            if initial or plan.response_changes:
                await context.send_initial_metadata(initial_for(plan, initial))
            if trailing:
                context.set_trailing_metadata(valid(trailing))
            if size < core.keep_plain:
                context.disable_next_message_compression()
            call.first_message = time.monotonic()
            call.response_messages = 1
            call.response_bytes = size
            core.dispatcher.settle(call, Code.OK)
            return response
        except grpc.aio.AioRpcError as error:
            await self._fail(context, call, error, limit)
        except DirectReply as reply:
            if reply.code is Code.OK:
                core.dispatcher.settle(call, Code.OK, source=StatusSource.GATEWAY)
                return b""
            end_with_refusal(core, context, call, reply)
        except GatewayError as error:
            end_with_refusal(core, context, call, error)
        except asyncio.CancelledError:
            end_cancelled(core, call)
            raise
        except Exception as error:
            if caller_is_gone(context, error):
                end_cancelled(core, call)
                return b""
            end_with_refusal(core, context, call, unexpected(call, error))
        finally:
            if not call.settled:
                end_cancelled(core, call)  # the caller went while its answer was on the way
        # returning with a status set would send headers and an empty message before it; this sends Trailers-Only
        await context.abort(context.code(), context.details(), context.trailing_metadata())
        raise AssertionError("abort always raises")

    async def _fail(
        self, context: Context, call: Call, error: grpc.aio.AioRpcError, limit: tuple[float | None, str]
    ) -> None:
        """End the call with the upstream's status, after its initial metadata if it sent any."""
        end_with_failure(self._core, context, call, error, limit)
        initial = tuple(error.initial_metadata())
        if initial and call.plan is not None:
            await context.send_initial_metadata(initial_for(call.plan, initial))
