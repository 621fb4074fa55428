"""What transcoding asks of whoever forwards plain HTTP: requests that are no calls of gRPC methods."""

from __future__ import annotations

from typing import Protocol

from edge.model.call import Call
from edge.model.http import HeaderPairs, HttpExchange


class Passthrough(Protocol):
    """Forwards requests and WebSockets to HTTP endpoints as they are."""

    async def forward(self, exchange: HttpExchange, call: Call, headers: HeaderPairs = ()) -> int:
        """Forward an opened call to an HTTP endpoint and the answer back. The call is left to be settled.

        Args:
            exchange: The caller, who has not been answered.
            call: The call, opened; its metadata are the headers of the request as policies have changed them.
            headers: What the answer has besides, such as the headers of CORS. They replace those of the endpoint with
                the same name, but for `vary`, to which they are added.

        Returns:
            The status that was answered with; 101 for a WebSocket, after it was closed.

        Raises:
            GatewayError: the request is refused, the endpoint could not be reached, or a time limit has passed. When
                the answer has begun by then, it has been broken off, or the WebSocket closed, before this is raised.
            CallerGoneError: the caller has left.
        """
        ...
