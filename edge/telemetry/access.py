"""The access log: one line per finished call.

A line never holds metadata of the caller or of the upstream, except for the request id and the trace id, and never the
query, which may hold a token. Status messages stay out too: an upstream may repeat in them what it was sent. Why the
gateway refused a call is in `reason` and `cause`.
"""

from __future__ import annotations

import logging

from edge.model.call import CallFinished
from edge.telemetry.logs import FIELDS
from edge.telemetry.trace import trace_id

LOGGER = "edge.access"
"""The name of the logger."""


def access_fields(finished: CallFinished) -> dict[str, object]:
    """Return what the log says of a call, in the order of the line. What is not known is left out."""
    call = finished.call
    fields: dict[str, object] = {
        "method": call.method,
        "protocol": call.protocol.value,
        "code": finished.code.name,
        "source": finished.source.value,
        "duration_ms": round(finished.duration * 1000, 3),
    }
    if call.first_message is not None:
        fields["first_message_ms"] = round((call.first_message - call.started) * 1000, 3)
    known = {
        "verb": call.verb,
        "host": call.host,
        "peer": call.peer,
        "route": call.plan.route.name if call.plan is not None else "",
        "upstream": call.upstream.name if call.upstream is not None else "",
        "endpoint": call.endpoint.address if call.endpoint is not None else "",
        "reason": call.reason,
        "cause": call.cause,
        "request_id": call.request_id,
        "trace_id": trace_id(call),
    }
    fields.update({name: value for name, value in known.items() if value})
    fields["request_messages"] = call.request_messages
    fields["response_messages"] = call.response_messages
    fields["request_bytes"] = call.request_bytes
    fields["response_bytes"] = call.response_bytes
    fields["attempts"] = call.attempts
    if call.snapshot is not None:
        fields["revision"] = call.snapshot.revision
    return fields


class AccessLog:
    """Logs each finished call. Whoever wants no access log does not make one.

    Lines are written whatever level the other logs have: the access log is switched on by itself.
    """

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger(LOGGER)
        self._logger.setLevel(logging.INFO)

    def __call__(self, finished: CallFinished) -> None:
        """Write the line. What goes wrong with that is reported by `logging` itself, and nothing is raised."""
        self._logger.info("call", extra={FIELDS: access_fields(finished)})
