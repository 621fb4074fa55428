"""Says to callers of Connect what is wrong when no method is found that could answer them."""

from __future__ import annotations

from edge.model.http import HttpRequest
from transcoding.connect.protocol import STREAM_CODECS, VERSION_HEADER, end_stream, respond_error
from transcoding.connect.query import is_connect_query
from transcoding.ending import Ending
from transcoding.headers import media_type
from transcoding.session import Session


def connect_refusal(request: HttpRequest) -> ConnectRefusal | None:
    """Return who refuses a request in Connect, or None when nothing but its path could say that it is Connect.

    Plain `application/json` on a path that nobody knows may be anything.

    Args:
        request: A request that no method takes.
    """
    if request.verb == "GET":
        return ConnectRefusal(request) if is_connect_query(request.query) else None
    media = media_type(request)
    ours = media in STREAM_CODECS or media == "application/proto" or request.header(VERSION_HEADER) != ""
    return ConnectRefusal(request) if ours else None


class ConnectRefusal:
    """Refuses one request.

    Args:
        request: The head of the request.
    """

    __slots__ = ("_content_type",)

    def __init__(self, request: HttpRequest) -> None:
        self._content_type = media_type(request)

    async def answer(self, session: Session) -> None:
        """Answer nothing: there is no call to be made."""
        raise NotImplementedError

    async def fail(self, session: Session, ending: Ending) -> None:
        """Answer with the status, in a frame when the caller speaks frames."""
        if self._content_type in STREAM_CODECS:
            await session.respond(200, [("content-type", self._content_type)], end_stream(ending, None))
        else:
            await respond_error(session, ending, None)
