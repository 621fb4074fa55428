"""Speaks gRPC-Web to one caller."""

from __future__ import annotations

from base64 import b64encode

from edge.model.call import MetadataPairs
from edge.model.errors import UnsupportedMedia, VerbNotAllowed
from edge.model.http import HeaderPairs, HttpRequest
from edge.model.invoke import DETAILS_KEY, UpstreamStream
from edge.model.schema import Shape
from edge.model.status import Code
from transcoding.compression import SUPPORTED
from transcoding.duplex import RequestPump, relay_answers
from transcoding.ending import OK, Ending
from transcoding.enveloped import Dialect, MessageReader, broken
from transcoding.framing import frame
from transcoding.grpc_web.base64_text import BadBase64Error, Base64Decoder
from transcoding.headers import accepts, encode_binary, from_metadata, media_type
from transcoding.limits import limit_name
from transcoding.render import web_status, web_trailers
from transcoding.session import Session

BINARY = "application/grpc-web"
TEXT = "application/grpc-web-text"
TYPES = {BINARY: False, f"{BINARY}+proto": False, TEXT: True, f"{TEXT}+proto": True}
"""The content types that are served, and whether each one is base64."""

TRAILERS = 0x80
"""The flag of the frame that ends an answer."""

_DIALECT = Dialect("grpc-encoding", Code.INTERNAL)
_LARGEST_HEADERS = 8192
"""A status of more bytes goes into the body: Node takes 16 KiB of headers in all, proxies less."""


def grpc_web_responder(request: HttpRequest, shape: Shape | None) -> GrpcWebResponder:
    """Return who answers a request whose content type begins with `application/grpc-web`.

    Args:
        request: The request. Whatever is wrong with it is said in gRPC-Web.
        shape: Which sides of the method stream, or None when no schema tells.
    """
    return GrpcWebResponder(request, shape)


class GrpcWebResponder:
    """Speaks gRPC-Web to one caller.

    Args:
        request: The head of the request.
        shape: Which sides of the method stream, or None when no schema tells: then both may.
    """

    __slots__ = ("_content_type", "_http_status", "_media", "_shape", "_text")

    def __init__(self, request: HttpRequest, shape: Shape | None) -> None:
        self._shape = shape
        self._media = media = media_type(request)
        own = media if media in TYPES else TEXT if media.startswith(TEXT) else BINARY
        self._content_type = next((kind for kind in accepts(request) if kind in TYPES), own)
        self._text = TYPES[self._content_type]
        self._http_status = 200

    async def answer(self, session: Session) -> None:
        """Read the request, make the call, send the answer.

        Raises:
            UpstreamError: the upstream ended the call with another status than OK.
            GatewayError: the gateway refuses it.
            CallerGoneError: the caller left.
        """
        request = session.exchange.request
        if request.verb != "POST":
            raise VerbNotAllowed(request.verb, request.path, ("POST",))
        if self._media not in TYPES:
            raise _unknown_type(self._media)
        reader = self._reader(session)
        if self._shape is Shape.UNARY:
            await self._unary(session, await reader.read_only(streams=False))
        elif self._shape is Shape.SERVER_STREAM:
            message = await reader.read_only(streams=True)
            stream = session.open_stream()
            if await stream.send(message):
                await stream.half_close()
            await self._answers(session, stream)
            await self._finish(session, stream.trailing)
        else:
            await self._both(session, reader)

    async def fail(self, session: Session, ending: Ending) -> None:
        """Say how the call ended: in the headers when nothing has been sent yet, else in the last frame."""
        if session.exchange.started:
            await self._end(session, ending)
            return
        if ending.status.ok:
            body = frame(0, b"") + frame(TRAILERS, web_trailers(ending.status, ending.trailing))
            await session.respond(200, self._head(ending.initial), b64encode(body) if self._text else body)
            return
        headers = _as_headers(ending)
        http_status = 405 if ending.http_status == 405 else self._http_status
        head = [*self._head(ending.initial), *(ending.headers if http_status != 200 else ())]
        if session.exchange.request.header("grpc-encoding"):
            head.append(("grpc-accept-encoding", ",".join(SUPPORTED)))
        if ending.initial or sum(len(name) + len(value) for name, value in headers) > _LARGEST_HEADERS:
            await session.start(http_status, head)
            await self._end(session, ending)
            return
        await session.respond(http_status, [*head, *headers])

    async def _unary(self, session: Session, message: bytes) -> None:
        reply = await session.unary(message)
        body = frame(0, reply.message) + frame(TRAILERS, web_trailers(OK, reply.trailing))
        await session.respond(200, self._head(reply.initial), b64encode(body) if self._text else body)

    async def _both(self, session: Session, reader: MessageReader) -> None:
        """Let both sides send any number of messages.

        A body of known length is on its way, whatever is answered. Its first message is awaited before the upstream
        hears of the call, so that a body that is no gRPC-Web at all costs no call.
        """
        if session.exchange.request.header("content-length") not in ("", "0"):
            await reader.read_ahead()
        stream = session.open_stream()
        async with RequestPump(stream, reader.read):
            await self._answers(session, stream)
        await self._finish(session, stream.trailing)

    async def _answers(self, session: Session, stream: UpstreamStream) -> None:
        exchange = session.exchange

        async def begin(initial: MetadataPairs) -> None:
            await session.start(200, self._head(initial))

        async def send(message: bytes) -> None:
            chunk = frame(0, message)
            await exchange.write(b64encode(chunk) if self._text else chunk)

        await relay_answers(stream, begin, send)

    async def _finish(self, session: Session, trailing: MetadataPairs) -> None:
        """End an answer with OK."""
        if not session.exchange.started:
            await session.start(200, self._head(()))
        await self._end(session, Ending(OK, 200, trailing=trailing))

    async def _end(self, session: Session, ending: Ending) -> None:
        chunk = frame(TRAILERS, web_trailers(ending.status, ending.trailing))
        await session.exchange.write(b64encode(chunk) if self._text else chunk)
        await session.exchange.finish()

    def _head(self, initial: MetadataPairs) -> list[tuple[str, str]]:
        return [("content-type", self._content_type), *from_metadata(initial)]

    def _reader(self, session: Session) -> MessageReader:
        limit, _ = limit_name(session.call, "request")
        if not TYPES[self._media]:
            return MessageReader(session, _DIALECT, limit)
        decoder = Base64Decoder()

        def decode(text: bytes) -> bytes:
            try:
                return decoder.feed(text)
            except BadBase64Error as error:
                raise self._bad_text(error) from None

        def end() -> None:
            try:
                decoder.end()
            except BadBase64Error as error:
                raise self._bad_text(error) from None

        return MessageReader(session, _DIALECT, limit, decode=decode, end_decode=end)

    def _bad_text(self, error: BadBase64Error) -> Exception:
        self._http_status = 400  # nobody who speaks gRPC-Web sent this, so the HTTP status says it too
        return broken(f"the body cannot be read as `{self._media}`: {error}")


def _as_headers(ending: Ending) -> HeaderPairs:
    """Return a status and its trailing metadata as HTTP headers (doc/PROTOCOL-HTTP2.md, Trailers-Only)."""
    unread = [
        (name, encode_binary(value))
        for name, value in ending.trailing
        if name == DETAILS_KEY and isinstance(value, bytes) and not ending.status.details
    ]
    return [*web_status(ending.status), *unread, *from_metadata(ending.trailing)]


def _unknown_type(media: str) -> UnsupportedMedia:
    shown = media[:100].encode("ascii", "replace").decode()
    known = ", ".join(f"`{kind}`" for kind in TYPES)
    return UnsupportedMedia(f"`{shown}` is not served; send one of {known}", metadata={"contentType": shown})
