"""Answers a WebSocket handshake, and speaks for one call behind it."""

from __future__ import annotations

import asyncio

from edge.model.http import WebSocket
from transcoding.ending import OK, Ending
from transcoding.headers import from_metadata
from transcoding.limits import BODY_FACTOR, BODY_MARGIN, limit_name
from transcoding.offer import Offer
from transcoding.render import close_code, status_json
from transcoding.session import Session
from transcoding.websocket.conversation import Conversation
from transcoding.websocket.framing import Framing, make_framing
from transcoding.websocket.handshake import Handshake
from transcoding.websocket.origin import check_origin
from transcoding.websocket.requests import Requests, RequestTemplate

_LAST_WORDS = 2.0
"""Seconds that a caller who does not read holds up the frames that end a failed call."""


class WebSocketResponder:
    """Speaks for one call by WebSocket, to callers of any of the subprotocols.

    Args:
        handshake: The handshake.
        offer: The method.
        template: What the URL says of the requests, or None when it is the path of the method.
    """

    __slots__ = ("_conversation", "_framing", "_handshake", "_offer", "_requests", "_socket")

    def __init__(self, handshake: Handshake, offer: Offer, template: RequestTemplate | None) -> None:
        self._handshake = handshake
        self._offer = offer
        self._requests = Requests(offer, template)
        self._framing: Framing = make_framing(handshake.mode, offer.codec, self._requests.to_json)
        self._socket: WebSocket | None = None
        self._conversation: Conversation | None = None

    async def answer(self, session: Session) -> None:
        """Accept, make the call, close with 1000. See `Responder`.

        What is wrong with origin or URL is raised before the handshake is accepted, so that it has a true HTTP status.
        """
        plan = session.call.plan
        check_origin(self._handshake, plan.cors if plan is not None else None)
        bound = self._requests.bind()
        socket = await self._accept(session)
        self._conversation = Conversation(session, socket, self._offer, self._framing, self._requests)
        await self._conversation.run(bound)
        await socket.close(close_code(OK))

    async def fail(self, session: Session, ending: Ending) -> None:
        """Answer with an HTTP status in JSON, or once the handshake is accepted, end and close. See `Responder`."""
        socket = self._socket
        if socket is not None:
            await self._end(socket, ending)
        elif ending.status.ok:
            socket = await self._accept(session)
            await self._end(socket, ending, b"")
        else:
            headers = [("content-type", "application/json"), *from_metadata(ending.initial), *ending.headers]
            await session.respond(ending.http_status, headers, status_json(ending.status, self._offer.codec))

    async def _accept(self, session: Session) -> WebSocket:
        limit = self._offer.transcoding.web_socket_max_message_bytes or limit_name(session.call, "request")[0]
        self._socket = await session.exchange.accept(
            headers=session.headers,
            subprotocol=self._handshake.subprotocol,
            # roomy, so that what is a bit too large gets a status that names the limit
            max_message_bytes=limit * BODY_FACTOR + BODY_MARGIN,
            ping_interval=self._offer.transcoding.web_socket_ping_interval,
        )
        return self._socket

    async def _end(self, socket: WebSocket, ending: Ending, message: bytes | None = None) -> None:
        conversation = self._conversation
        told = conversation is not None and conversation.headers_sent
        frames = (
            self._framing.headers(ending.initial) if ending.initial and not told else None,
            self._framing.message(message) if message is not None else None,
            self._framing.end(ending.status, ending.trailing),
        )
        try:
            async with asyncio.timeout(_LAST_WORDS):
                for frame in frames:
                    if frame is not None:
                        await socket.send(frame)
        except TimeoutError:
            pass  # they are on their way, unread; so is the close
        code = conversation.close_code if conversation is not None else None
        await socket.close(code or close_code(ending.status), ending.status.message)


def web_socket_responder(handshake: Handshake, offer: Offer, template: RequestTemplate | None) -> WebSocketResponder:
    """Return who answers a WebSocket handshake.

    Args:
        handshake: The handshake, from `Handshake.of`. The call's metadata and deadline come from its headers, which
            hold what a script handed over by subprotocols.
        offer: The method.
        template: What the URL says of the requests, or None when it is the path of the method.
    """
    return WebSocketResponder(handshake, offer, template)
