"""Answers REST callers: one message, or a stream of them, in JSON or as the bytes of a HttpBody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping

from google.protobuf.message import Message

from edge.model.call import MetadataPairs
from edge.model.errors import GatewayError, UpstreamProtocolError
from edge.model.http import CallerGoneError, HeaderPairs
from edge.model.invoke import UpstreamError, UpstreamStream
from transcoding.duplex import RequestPump
from transcoding.ending import Ending
from transcoding.headers import accepts, from_metadata
from transcoding.messages import serialize
from transcoding.render import error_line, status_json
from transcoding.rest.formats import StreamFormat, stream_format
from transcoding.rest.request import RequestReader
from transcoding.rest.rule import RestRule
from transcoding.session import Session

JSON = ("content-type", "application/json")


class RestResponder:
    """Answers one REST call.

    Args:
        rule: The rule that was matched.
        variables: What the path bound.
    """

    __slots__ = ("_beginning", "_format", "_raw", "_rule", "_variables", "_written")

    def __init__(self, rule: RestRule, variables: Mapping[str, str]) -> None:
        self._rule = rule
        self._variables = variables
        self._format: StreamFormat | None = None
        self._raw = False
        self._beginning: asyncio.Lock | None = None
        """Held by whoever sends the head of a stream."""
        self._written = False

    async def answer(self, session: Session) -> None:
        """Make the call and send what comes.

        Raises:
            UpstreamError: the upstream ended the call with another status than OK.
            GatewayError: the gateway refuses it.
        """
        rule = self._rule
        offer = rule.offer
        if not offer.streams:
            if rule.has_body:
                message = await RequestReader(rule, self._variables).message(session)
            else:
                message = rule.message(self._variables, session.exchange.request.query, None)
            reply = await session.unary(serialize(message))
            await self._send(session, rule.response(reply.message), reply.initial, reply.trailing)
            return
        reader = RequestReader(rule, self._variables)
        if not offer.streams_requests:
            message = await reader.message(session)
            stream = session.open_stream()
            await stream.send(serialize(message))
            await stream.half_close()
            await self._stream(session, stream)
            return
        stream = session.open_stream()
        async with (
            contextlib.aclosing(reader.messages(session)) as messages,
            RequestPump(stream, lambda: anext(messages, None)),
        ):
            if offer.streams_responses:
                await self._stream(session, stream)
            else:
                await self._single(session, stream)

    async def fail(self, session: Session, ending: Ending) -> None:
        """Say how the call ended: with a status of its own, or as the last object of a stream."""
        exchange = session.exchange
        codec = self._rule.offer.codec
        if not exchange.started:
            headers = (
                JSON,
                *ending.headers,
                *from_metadata(ending.initial),
                *from_metadata(ending.trailing, "trailer-"),
            )
            body = b"{}" if ending.status.ok else status_json(ending.status, codec)
            await session.respond(ending.http_status, headers, body)
        elif self._format is None or self._raw:
            exchange.abort()
        else:
            await exchange.write(self._format.error(error_line(ending.status, codec)))
            await exchange.finish()

    async def _single(self, session: Session, stream: UpstreamStream) -> None:
        """Send the one answer to a stream of requests."""
        message = await stream.receive()
        initial = await stream.initial()
        if message is None:
            raise UpstreamProtocolError(
                f"the upstream ended {session.call.method} with OK and without a message",
                metadata={"method": session.call.method},
            )
        if await stream.receive() is not None:
            raise UpstreamProtocolError(
                f"the upstream answered {session.call.method} with more than one message",
                metadata={"method": session.call.method},
            )
        await self._send(session, self._rule.response(message), initial, stream.trailing)

    def _send(
        self, session: Session, message: Message, initial: MetadataPairs, trailing: MetadataPairs
    ) -> Awaitable[None]:
        rule = self._rule
        headers: list[tuple[str, str]] = from_metadata(initial) if initial else []
        if trailing:
            headers += from_metadata(trailing, "trailer-")
        if rule.response_is_raw:
            kind, data = rule.raw(message)
            return session.respond(200, _raw_headers(kind, headers), data)
        return session.respond(200, (JSON, *headers), rule.text(message))

    async def _stream(self, session: Session, stream: UpstreamStream) -> None:
        """Send a stream. Its head waits for the first message or the status, but not longer than a heartbeat."""
        rule = self._rule
        self._raw = rule.response_is_raw
        shape = stream_format(accepts(session.exchange.request))
        interval = rule.offer.transcoding.heartbeat_interval
        self._format = shape
        self._beginning = asyncio.Lock()
        head_only = session.exchange.request.verb == "HEAD"  # the rest of the stream, however long, is for nobody
        heart = asyncio.get_running_loop().create_task(self._heart(session, stream, interval), name="heartbeat")
        try:
            while (received := await stream.receive()) is not None:
                message = rule.response(received)
                if self._raw:
                    kind, piece = rule.raw(message)
                    await self._begin(session, await stream.initial(), kind)
                else:
                    piece = shape.message(rule.text(message))
                    await self._begin(session, await stream.initial())
                if head_only:
                    break
                self._written = True
                if piece:
                    await session.exchange.write(piece)
            await self._begin(session, await stream.initial())
        finally:
            heart.cancel()
            await asyncio.wait((heart,))
        if not self._raw and not head_only and (last := shape.end()):
            await session.exchange.write(last)
        await session.exchange.finish(from_metadata(stream.trailing))

    async def _begin(self, session: Session, initial: MetadataPairs, raw_type: str = "") -> None:
        """Send the head of a stream, once: the heart may be at it already."""
        beginning = self._beginning
        assert beginning is not None, "set before anything is sent"
        if session.exchange.started and not beginning.locked():
            return
        async with beginning:
            if not session.exchange.started:
                await self._start(session, initial, raw_type)

    async def _start(self, session: Session, initial: MetadataPairs, raw_type: str) -> None:
        headers = from_metadata(initial)
        if self._raw:
            await session.start(200, _raw_headers(raw_type, headers))
            return
        assert self._format is not None, "set before anything is sent"
        own = [("content-type", self._format.content_type), ("cache-control", "no-cache"), ("x-accel-buffering", "no")]
        await session.start(200, (*own, *headers))

    async def _heart(self, session: Session, stream: UpstreamStream, interval: float) -> None:
        """Keep a quiet stream open until cancelled. Whatever ends the call is for the others to find out."""
        try:
            initial = await stream.initial()
        except (UpstreamError, GatewayError):
            return
        while True:
            self._written = False
            await asyncio.sleep(interval)
            if self._written or self._raw:
                continue
            assert self._format is not None, "set before the heart beats"
            try:
                await self._begin(session, initial)
                if piece := self._format.beat():
                    await session.exchange.write(piece)
            except CallerGoneError:
                return


def _raw_headers(kind: str, headers: HeaderPairs) -> HeaderPairs:
    return (("content-type", kind or "application/octet-stream"), *headers)
