"""Streams of Connect: frames up and down, the last one of the answer with status and trailers as JSON."""

from __future__ import annotations

from edge.model.call import MetadataPairs
from edge.model.errors import VerbNotAllowed
from edge.model.http import HttpRequest
from edge.model.invoke import UpstreamStream
from edge.model.status import Code
from transcoding.compression import GZIP, LEAST_COMPRESSED, accepts_gzip, compress
from transcoding.connect.protocol import (
    STREAM_CODECS,
    Form,
    ProtoForm,
    check_version,
    end_stream,
    form_of,
    headers_of,
    respond_error,
    unknown_codec,
)
from transcoding.duplex import RequestPump, relay_answers
from transcoding.ending import OK, Ending
from transcoding.enveloped import Dialect, MessageReader
from transcoding.framing import COMPRESSED, frame
from transcoding.headers import media_type
from transcoding.limits import limit_name
from transcoding.offer import Offer
from transcoding.session import Session

_DIALECT = Dialect("connect-content-encoding", Code.INVALID_ARGUMENT)


class ConnectStreamResponder:
    """Answers one streaming call.

    Args:
        request: The head of the request.
        offer: The method.
    """

    __slots__ = ("_content_type", "_form", "_gzip", "_offer", "_request", "_served")

    def __init__(self, request: HttpRequest, offer: Offer) -> None:
        self._request = request
        self._offer = offer
        self._content_type = media = media_type(request)
        self._served = media in STREAM_CODECS and offer.streams and request.verb == "POST"
        self._form: Form = form_of(STREAM_CODECS[media], offer) if self._served else ProtoForm()
        accepted = request.header("connect-accept-encoding") or request.header("connect-content-encoding")
        self._gzip = accepts_gzip(accepted)

    async def answer(self, session: Session) -> None:
        """Read the requests, make the call, send the answers.

        Raises:
            UpstreamError: the upstream ended the call with another status than OK.
            GatewayError: the gateway refuses it.
            CallerGoneError: the caller left.
        """
        request = self._request
        if request.verb != "POST":
            raise VerbNotAllowed(request.verb, request.path, ("POST",))
        if not self._served:
            raise unknown_codec(self._content_type, self._offer)
        check_version(request)
        limit, _ = limit_name(session.call, "request")
        reader = MessageReader(session, _DIALECT, self._form.limit(limit))
        if not self._offer.streams_requests:
            message = self._form.read(await reader.read_only(streams=True))
            stream = session.open_stream()
            if await stream.send(message):
                await stream.half_close()
            await self._answers(session, stream)
        else:
            if request.header("content-length") not in ("", "0"):
                await reader.read_ahead()  # such a body is on its way, whatever is answered
            stream = session.open_stream()
            async with RequestPump(stream, lambda: self._next(reader)):
                await self._answers(session, stream)
        if not session.exchange.started:
            await session.start(200, self._head(()))
        await self._end(session, Ending(OK, 200, trailing=stream.trailing))

    async def fail(self, session: Session, ending: Ending) -> None:
        """Say in the last frame how the call ended; in the HTTP status when the caller does not speak frames."""
        if session.exchange.started:
            await self._end(session, ending)
            return
        if not self._served:
            await respond_error(session, ending, self._offer)
            return
        await session.start(200, self._head(ending.initial))
        if ending.status.ok:
            await self._send(session, b"")
        await self._end(session, ending)

    async def _next(self, reader: MessageReader) -> bytes | None:
        data = await reader.read()
        return None if data is None else self._form.read(data)

    async def _answers(self, session: Session, stream: UpstreamStream) -> None:
        async def begin(initial: MetadataPairs) -> None:
            await session.start(200, self._head(initial))

        async def send(message: bytes) -> None:
            await self._send(session, message)

        await relay_answers(stream, begin, send)

    async def _send(self, session: Session, message: bytes) -> None:
        content = self._form.write(message)
        if self._gzip and len(content) >= LEAST_COMPRESSED:
            await session.exchange.write(frame(COMPRESSED, compress(content)))
        else:
            await session.exchange.write(frame(0, content))

    async def _end(self, session: Session, ending: Ending) -> None:
        await session.exchange.write(end_stream(ending, self._offer.codec))
        await session.exchange.finish()

    def _head(self, initial: MetadataPairs) -> list[tuple[str, str]]:
        headers = [("content-type", self._content_type)]
        if self._gzip:
            headers.append(("connect-content-encoding", GZIP))
        return [*headers, *headers_of(initial)]
