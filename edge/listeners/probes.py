"""`/health` and `/ready`, on ports that take HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable

from edge.model.http import HttpExchange, HttpHandler

HEALTH = "/health"
"""Says that the process lives."""

READY = "/ready"
"""Says whether calls may be sent here."""

_HEADERS = (("content-type", "application/json"), ("cache-control", "no-store"))


def _never(path: str) -> bool:
    del path
    return False


class Probes:
    """Answers what probes ask, and leaves the rest to another handler.

    Args:
        handler: Who answers everything else.
        ready: Returns whether there is a configuration in force and the gateway does not drain, and if not, why.
        taken: Returns whether a route matches exactly this path, which then is not a probe's.
    """

    def __init__(
        self, handler: HttpHandler, ready: Callable[[], tuple[bool, str]], taken: Callable[[str], bool] = _never
    ) -> None:
        self._handler = handler
        self._ready = ready
        self._taken = taken

    async def handle(self, exchange: HttpExchange) -> None:
        """Answer one request."""
        request = exchange.request
        path = request.path
        if path not in (HEALTH, READY) or request.verb not in ("GET", "HEAD") or self._taken(path):
            await self._handler.handle(exchange)
            return
        serving, reason = self._ready() if path == READY else (True, "")
        facts = {"status": "SERVING"} if serving else {"status": "NOT_SERVING", "reason": reason}
        await exchange.respond(200 if serving else 503, _HEADERS, json.dumps(facts, separators=(",", ":")).encode())
