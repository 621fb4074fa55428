"""What listeners that take native gRPC only answer to everything else."""

from __future__ import annotations

from edge.listeners.http_head import error_body
from edge.model.http import HttpExchange


class NativeOnly:
    """Refuses requests that are not native gRPC."""

    async def handle(self, exchange: HttpExchange) -> None:
        """Answer one request."""
        words = "this listener takes native gRPC only (content-type application/grpc); others take HTTP"
        await exchange.respond(415, [("content-type", "application/json")], error_body(415, words))
