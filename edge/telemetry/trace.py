"""Which trace a call belongs to. Source: W3C Trace Context, section 3.2, `traceparent`."""

from __future__ import annotations

import re

from edge.model.call import Call

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_NO_TRACE = "0" * 32


def trace_id(call: Call) -> str:
    """Return the trace id of the call's `traceparent`. Empty when there is none or it is malformed."""
    value = call.header("traceparent")
    if not isinstance(value, str):
        return ""
    found = _TRACEPARENT.fullmatch(value)
    return found[1] if found and found[1] != _NO_TRACE else ""
