"""Reads the request of a REST call: path, query and body become one message, or a stream of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from google.protobuf.message import Message

from edge.model.errors import InvalidRequest, MessageTooLarge, UnsupportedMedia, Violation
from edge.model.http import HttpRequest
from transcoding.codec import JsonValue
from transcoding.headers import media_type
from transcoding.limits import BODY_FACTOR, BODY_MARGIN, limit_name, read_body, too_large
from transcoding.messages import serialize
from transcoding.rest.coding import BodyDecoder
from transcoding.rest.rule import RestRule
from transcoding.rest.splitter import JsonSplitter
from transcoding.session import Session

_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq"})
"""Content types of bodies that are one value after the other, never an array of them."""

_TEXT_JSON = "text/json"


class RequestReader:
    """Reads one request.

    Args:
        rule: The rule that was matched.
        variables: What the path bound.
    """

    __slots__ = ("_rule", "_variables")

    def __init__(self, rule: RestRule, variables: Mapping[str, str]) -> None:
        self._rule = rule
        self._variables = variables

    async def message(self, session: Session) -> Message:
        """Return the request of a method that takes one message.

        Raises:
            InvalidRequest: it does not fit.
            MessageTooLarge: it is too large.
            UnsupportedMedia: it comes in another form.
        """
        rule, request = self._rule, session.exchange.request
        if not rule.has_body:
            return rule.message(self._variables, request.query, None)
        decoder = _decoder(session)
        data = decoder.feed(await read_body(session, streams=rule.offer.streams))
        if data:
            decoder.finish()
        if rule.body_is_raw:
            kind = request.header("content-type")
            return rule.raw_message(self._variables, request.query, data, kind)
        tree: JsonValue | None = None
        if data:
            _check_media(request)
            tree = rule.offer.codec.load(data)
            if tree is None:
                raise _null()
        return rule.message(self._variables, request.query, tree)

    async def messages(self, session: Session) -> AsyncGenerator[bytes]:
        """Yield the messages of a request stream as they arrive.

        Raises:
            InvalidRequest: one does not fit.
            MessageTooLarge: one is too large.
            UnsupportedMedia: they come in another form.
        """
        rule, request = self._rule, session.exchange.request
        if not rule.has_body:
            yield serialize(rule.message(self._variables, request.query, None))
            return
        pieces = _pieces(session)
        if rule.body_is_raw:
            async for message in self._upload(request, pieces):
                yield message
            return
        _check_media(request)
        limit, _ = limit_name(session.call, "request")
        splitter = JsonSplitter(
            array=media_type(request) not in _LINES,
            limit=limit * BODY_FACTOR + BODY_MARGIN,
            too_large=lambda: too_large(session.call, "request"),
        )
        async for piece in pieces:
            for value in splitter.feed(piece):
                yield self._element(request, value)
        for value in splitter.finish():
            yield self._element(request, value)

    def _element(self, request: HttpRequest, value: bytes) -> bytes:
        rule = self._rule
        tree = rule.offer.codec.load(value)
        if tree is None:
            raise _null()
        return serialize(rule.message(self._variables, request.query, tree))

    async def _upload(self, request: HttpRequest, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield an upload in pieces: what path, query and content type say goes with the first one only."""
        rule = self._rule
        kind = request.header("content-type")
        first = True
        async for data in pieces:
            message = (
                rule.raw_message(self._variables, request.query, data, kind)
                if first
                else rule.raw_message({}, "", data, "")
            )
            first = False
            yield serialize(message)
        if first:
            message = rule.raw_message(self._variables, request.query, b"", kind)
            yield serialize(message)


async def _pieces(session: Session) -> AsyncIterator[bytes]:
    decoder = _decoder(session)
    any_data = False
    while data := await session.exchange.read():
        any_data = True
        if piece := decoder.feed(data):
            yield piece
    if any_data:
        decoder.finish()


def _null() -> InvalidRequest:
    return InvalidRequest.of([Violation("body", "it is null; send a value, or no body at all")])


def _decoder(session: Session) -> BodyDecoder:
    limit, _ = limit_name(session.call, "request")

    def refusal() -> MessageTooLarge:
        return too_large(session.call, "request")

    return BodyDecoder(session.exchange.request.header("content-encoding"), limit * BODY_FACTOR + BODY_MARGIN, refusal)


def _check_media(request: HttpRequest) -> None:
    """Refuse a body that does not say it is JSON. One that says nothing is taken for JSON.

    A browser sends forms, plain text and bytes that say nothing across origins without asking (Fetch standard,
    CORS-safelisted request-header), so that taking those would let any page call. It does say where the page is from.

    Raises:
        UnsupportedMedia: it says that it is something else.
    """
    kind = media_type(request)
    if not kind and not request.header("origin"):
        return
    if kind in _LINES or kind in ("application/json", _TEXT_JSON) or kind.endswith("+json"):
        return
    what = f"is `{kind[:100]}`" if kind else "says nothing of its type"
    raise UnsupportedMedia(
        f"the body {what}; send JSON with `content-type: application/json`",
        metadata={"contentType": kind[:100]},
    )
