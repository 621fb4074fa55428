"""Model values as messages of the gateway API, where more than one service needs them."""

from __future__ import annotations

import time

from google.protobuf import duration_pb2, timestamp_pb2
from google.rpc import status_pb2

from edge.model.call import CallFinished
from edge.telemetry.trace import trace_id
from gateway.v1 import tap_pb2


def timestamp(seconds: float) -> timestamp_pb2.Timestamp:
    """Return seconds since the epoch as a message, to the microsecond, which is what a float holds."""
    result = timestamp_pb2.Timestamp()
    result.FromMicroseconds(round(seconds * 1e6))
    return result


def duration(seconds: float) -> duration_pb2.Duration:
    """Return seconds as a message, to the microsecond."""
    result = duration_pb2.Duration()
    result.FromMicroseconds(round(seconds * 1e6))
    return result


def text(value: str) -> str:
    """Return what a string field may hold: bytes of the wire that are no UTF-8 become question marks."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="replace").decode()
    return value


def finished_call(finished: CallFinished, *, clock: float | None = None) -> tap_pb2.FinishedCall:
    """Return the record of a finished call as a message. It holds no metadata but request id and trace id.

    Args:
        finished: The record.
        clock: What to add to the monotonic clock to get seconds since the epoch, or None to read both clocks.
    """
    call = finished.call
    offset = time.time() - time.monotonic() if clock is None else clock
    result = tap_pb2.FinishedCall(
        start_time=timestamp(call.started + offset),
        duration=duration(max(finished.duration, 0.0)),
        method=text(call.method),
        protocol=call.protocol.value,
        host=text(call.host),
        peer=text(call.peer),
        route=call.plan.route.name if call.plan is not None else "",
        upstream=call.upstream.name if call.upstream is not None else "",
        endpoint=call.endpoint.address if call.endpoint is not None else "",
        status=status_pb2.Status(code=int(finished.code), message=text(finished.message)),
        status_source=finished.source.value,
        reason=call.reason,
        cause=text(call.cause),
        request_messages=call.request_messages,
        response_messages=call.response_messages,
        request_bytes=call.request_bytes,
        response_bytes=call.response_bytes,
        attempts=call.attempts,
        request_id=text(call.request_id),
        trace_id=trace_id(call),
        config_revision=call.snapshot.revision if call.snapshot is not None else 0,
    )
    if call.first_message is not None:
        result.first_message_duration.CopyFrom(duration(max(call.first_message - call.started, 0.0)))
    return result
