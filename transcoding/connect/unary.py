"""Unary calls of Connect: one message up and one down, by POST or GET."""

from __future__ import annotations

from edge.model.errors import TranscodingFailed, VerbNotAllowed
from edge.model.http import HttpRequest
from edge.model.invoke import Reply
from edge.model.schema import Shape
from transcoding.compression import (
    GZIP,
    LEAST_COMPRESSED,
    BadCompressionError,
    DecompressedTooLargeError,
    accepts_gzip,
    compress,
    decompress,
)
from transcoding.connect.protocol import (
    TRAILER,
    UNARY_CODECS,
    Form,
    check_version,
    form_of,
    headers_of,
    respond_error,
    unknown_codec,
)
from transcoding.connect.query import UnaryQuery
from transcoding.ending import Ending
from transcoding.enveloped import is_gzip
from transcoding.headers import media_type
from transcoding.limits import limit_name, read_body, too_large
from transcoding.offer import Offer
from transcoding.session import Session

_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})


class ConnectUnaryResponder:
    """Answers one unary call.

    Args:
        request: The head of the request.
        offer: The method.
    """

    __slots__ = ("_compressed", "_form", "_offer", "_request")

    def __init__(self, request: HttpRequest, offer: Offer) -> None:
        self._request = request
        self._offer = offer
        self._form: Form | None = None
        self._compressed = False

    async def answer(self, session: Session) -> None:
        """Read the request, make the call, send the answer.

        Raises:
            UpstreamError: the upstream ended the call with another status than OK.
            GatewayError: the gateway refuses it.
            CallerGoneError: the caller left.
        """
        message = self._query() if self._request.verb == "GET" else await self._body(session)
        form = self._form
        assert form is not None, "both ways to read the request set it"
        if self._compressed:
            message = _plain(session, message, form)
        reply = await session.unary(form.read(message))
        await self._reply(session, form, reply)

    async def fail(self, session: Session, ending: Ending) -> None:
        """Answer with the status as JSON, or with an empty message when the route itself says OK."""
        if not ending.status.ok:
            await respond_error(session, ending, self._offer)
            return
        form = self._form or form_of(_wanted(self._request), self._offer)
        await self._reply(session, form, Reply(b"", ending.initial, ending.trailing))

    def _query(self) -> bytes:
        """Return the message of a GET, as it is there."""
        request, offer = self._request, self._offer
        if not offer.method.side_effect_free or offer.streams:
            raise VerbNotAllowed("GET", request.path, ("POST",))
        check_version(request)
        query = UnaryQuery.of(request.query)
        if query.codec not in UNARY_CODECS.values():
            raise unknown_codec(query.codec, offer)
        self._form = form_of(query.codec, offer)
        self._compressed = is_gzip(query.compression, "compression")
        return query.message

    async def _body(self, session: Session) -> bytes:
        """Return the body of a POST, as it came."""
        request, offer = self._request, self._offer
        if request.verb != "POST":
            allowed = ("GET", "POST") if offer.method.side_effect_free and not offer.streams else ("POST",)
            raise VerbNotAllowed(request.verb, request.path, allowed)
        media = media_type(request)
        if media not in UNARY_CODECS or offer.method.shape is not Shape.UNARY or not _is_utf8(request):
            raise unknown_codec(request.header("content-type"), offer)
        check_version(request)
        self._form = form_of(UNARY_CODECS[media], offer)
        self._compressed = is_gzip(request.header("content-encoding"), "content-encoding")
        return await read_body(session)

    async def _reply(self, session: Session, form: Form, reply: Reply) -> None:
        content = form.write(reply.message)
        request = self._request
        headers = [("content-type", f"application/{form.name}"), *headers_of(reply.initial)]
        headers += headers_of(reply.trailing, TRAILER)
        if request.verb == "GET":
            headers.append(("vary", "Accept-Encoding"))
        # who sends no accept-encoding reads what it sent itself (Connect protocol, Unary-Request)
        accepted = request.header("accept-encoding") or (GZIP if self._compressed else "")
        if len(content) >= LEAST_COMPRESSED and accepts_gzip(accepted):
            content = compress(content)
            headers.append(("content-encoding", GZIP))
        await session.respond(200, headers, content)


def _wanted(request: HttpRequest) -> str:
    """Return the form that an answer to a request has which has not been read."""
    if request.verb == "GET":
        return "proto" if "encoding=proto" in request.query else "json"
    return UNARY_CODECS.get(media_type(request), "json")


def _plain(session: Session, data: bytes, form: Form) -> bytes:
    limit, _ = limit_name(session.call, "request")
    try:
        return decompress(data, form.limit(limit))
    except DecompressedTooLargeError:
        raise too_large(session.call, "request") from None
    except BadCompressionError as error:
        raise TranscodingFailed(f"the message does not decompress: {error}") from None


def _is_utf8(request: HttpRequest) -> bool:
    _, _, parameters = request.header("content-type").partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower() in _CHARSETS
    return True
