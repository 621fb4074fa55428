"""Answers callers of plain HTTP: by an HTTP upstream, or with an error in JSON."""

from __future__ import annotations

from edge.model.passthrough import Passthrough
from edge.model.status import code_of_http
from transcoding.connect import connect_refusal
from transcoding.ending import Ending
from transcoding.headers import from_metadata
from transcoding.render import status_json
from transcoding.session import Session

_JSON = ("content-type", "application/json")
_TEXT = ("content-type", "text/plain; charset=utf-8")


class JsonErrors:
    """Says how a call ended as `google.rpc.Status` in JSON, to callers whose protocol is not known.

    Those who say that they speak Connect get it in Connect, but for a redirection.
    """

    async def answer(self, session: Session) -> None:
        """Answer nothing: there is no call to be made."""
        raise NotImplementedError

    async def fail(self, session: Session, ending: Ending) -> None:
        """Answer with the status, or break off an answer that has begun."""
        if session.exchange.started:
            session.exchange.abort()
            return
        if ending.http_status >= 400 and (connect := connect_refusal(session.exchange.request)) is not None:
            await connect.fail(session, ending)
            return
        headers = (*ending.headers, *from_metadata(ending.initial), *from_metadata(ending.trailing, "trailer-"))
        if ending.status.ok:
            # a route that answers by itself
            await session.respond(ending.http_status, (_TEXT, *headers), ending.status.message.encode())
        else:
            await session.respond(ending.http_status, (_JSON, *headers), status_json(ending.status))


class PlainResponder(JsonErrors):
    """Answers one request by an HTTP upstream.

    Args:
        passthrough: Forwards it.
    """

    __slots__ = ("_passthrough",)

    def __init__(self, passthrough: Passthrough) -> None:
        self._passthrough = passthrough

    async def answer(self, session: Session) -> None:
        """Forward the request, and settle the call by the status that came back.

        Raises:
            GatewayError: it could not be forwarded.
        """
        status = await self._passthrough.forward(session.exchange, session.call, session.headers)
        session.pipeline.settle(session.call, code_of_http(status), f"HTTP {status}" if status >= 400 else "")
