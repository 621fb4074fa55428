"""One caller for each protocol. Each makes any call and says what came of it as an `Outcome`.

Whatever comes back is taken apart strictly: what is not well-formed in the protocol raises.
"""

from __future__ import annotations

from typing import Protocol

from tests.corpus.grpc_web import BINARY, TEXT
from tests.integration.matrix.http_callers import Rest, WebSocket
from tests.integration.matrix.outcome import STREAMED, Addresses, Ask, Outcome
from tests.integration.matrix.rpc_callers import Connect, Grpc, GrpcWeb


class Caller(Protocol):
    """Speaks one protocol."""

    @property
    def name(self) -> str:
        """What the protocol is called."""
        ...

    @property
    def shapes(self) -> tuple[str, ...]:
        """The shapes it can call."""
        ...

    async def call(self, addresses: Addresses, ask: Ask) -> Outcome:
        """Make a call."""
        ...


CALLERS: tuple[Caller, ...] = (
    Grpc(),
    GrpcWeb("grpc-web", BINARY),
    GrpcWeb("grpc-web-text", TEXT),
    Connect("proto"),
    Connect("json"),
    Rest("rest", "application/json", "Unary", "ClientStream"),
    Rest("rest-array", "application/json", *STREAMED),
    Rest("rest-ndjson", "application/x-ndjson", *STREAMED),
    Rest("rest-sse", "text/event-stream", *STREAMED),
    Rest("rest-seq", "application/json-seq", *STREAMED),
    WebSocket("json.bare"),
    WebSocket("json"),
    WebSocket("proto"),
)
