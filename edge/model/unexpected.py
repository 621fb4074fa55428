"""The refusal for failures that nobody foresaw."""

from __future__ import annotations

import logging
import secrets

from edge.model.call import Call
from edge.model.errors import InternalError

_log = logging.getLogger(__name__)


def unexpected(call: Call, error: Exception) -> InternalError:
    """Return the refusal for a failure nobody foresaw. The log has the stack under the id that the caller sees."""
    error_id = secrets.token_hex(8)
    _log.error("error %s in %s", error_id, call.method, exc_info=error)
    return InternalError(
        f"the gateway failed to handle the call; error {error_id} in its log says why",
        metadata={"errorId": error_id},
        cause=repr(error),
    )
