"""Keeps pages of other sites away from an HTTP port that only people and tools of this machine should use.

A browser sends some requests across origins without asking (Fetch standard, "CORS-safelisted"), and a name of somebody
else may lead to a loopback address (DNS rebinding). So a request with a foreign `origin` is refused, and where the port
is on a loopback address, so is one that is addressed to any name but that of a loopback address.
"""

from __future__ import annotations

import ipaddress

from edge.model.errors import GatewayError
from edge.model.http import CallerGoneError, HttpExchange, HttpHandler, HttpRequest
from edge.model.status import Code
from transcoding.ending import Ending
from transcoding.headers import host_name
from transcoding.render import status_json


class ForeignOrigin(GatewayError):
    """The request comes from a page of another origin."""

    code = Code.PERMISSION_DENIED
    reason = "FOREIGN_ORIGIN"


class SameOrigin:
    """Hands on what does not come from a page of another origin; an `HttpHandler`.

    Args:
        inner: Who answers.
        only_local_names: Whether requests have to be addressed to `localhost` or a loopback address.
    """

    __slots__ = ("_inner", "_only_local_names")

    def __init__(self, inner: HttpHandler, *, only_local_names: bool) -> None:
        self._inner = inner
        self._only_local_names = only_local_names

    async def handle(self, exchange: HttpExchange) -> None:
        """Answer one request."""
        refusal = self._refusal(exchange.request)
        if refusal is None:
            await self._inner.handle(exchange)
            return
        ending = Ending.of_refusal(refusal)
        try:
            await exchange.respond(
                ending.http_status, (("content-type", "application/json"),), status_json(ending.status)
            )
        except CallerGoneError:
            return

    def _refusal(self, request: HttpRequest) -> ForeignOrigin | None:
        origin = request.header("origin")
        if origin and origin.lower() != f"{request.scheme}://{request.host}".lower():
            shown = origin[:100]
            return ForeignOrigin(
                f"the gateway API takes no requests from pages of `{shown}`", metadata={"origin": shown}
            )
        if self._only_local_names and request.host and not _is_local(host_name(request.host)):
            shown = request.host[:100]
            return ForeignOrigin(
                f"the gateway API is on a loopback address and not called `{shown}`; use localhost or 127.0.0.1",
                metadata={"origin": shown},
            )
        return None


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
