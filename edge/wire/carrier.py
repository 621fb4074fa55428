"""What the engine asks of whoever keeps the connections to an endpoint."""

from __future__ import annotations

from mypy_extensions import mypyc_attr

from edge.wire.client import ClientConnection


@mypyc_attr(allow_interpreted_subclasses=True)
class Waiter:
    """Somebody who waits for a connection."""

    def on_connection(self, conn: ClientConnection) -> None:
        """There is one with room for a stream."""
        raise NotImplementedError

    def on_unreachable(self, cause: str) -> None:
        """There will be none. `cause` says why, for operators."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Carrier:
    """The connections to one endpoint. `edge.upstream` implements it."""

    def connection(self) -> ClientConnection | None:
        """Return a connection with room for a stream, or None when it has to be waited for."""
        raise NotImplementedError

    def wait(self, waiter: Waiter) -> None:
        """Tell `waiter` when there is a connection, or that there is none to be had. It may be told at once."""
        raise NotImplementedError

    def abandon(self, waiter: Waiter) -> None:
        """Do not tell it any more."""
        raise NotImplementedError
