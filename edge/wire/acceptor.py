"""Who takes the requests that come on a connection, for the gateway to implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from edge.wire.heads import Field
from edge.wire.request_head import RequestHead
from edge.wire.stream import Stream

if TYPE_CHECKING:
    from edge.wire.server import ServerConnection


@mypyc_attr(allow_interpreted_subclasses=True)
class ServerStream(Stream):
    """A request and its answer."""

    __slots__ = ()

    def begin(self, head: RequestHead, end: bool) -> None:
        """Take the request. With `end` there is no body."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Acceptor:
    """Decides what becomes of requests. For the gateway to override."""

    def stream(self, conn: ServerConnection, number: int, head: RequestHead) -> ServerStream:
        """Return the stream object for a request. `begin` is called next."""
        raise NotImplementedError

    def oversized(self, head: RequestHead) -> tuple[Field, ...]:
        """Return the answer, without a body, to a request whose header list is too large and may not be whole."""
        raise NotImplementedError
