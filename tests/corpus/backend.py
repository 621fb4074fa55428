"""The upstreams of a run: a real gRPC server for what gRPC can say, and a raw HTTP/2 peer for what it cannot.

Each call is noted under the service that was called. A service that has an answer gets it; any other is answered with
what it was sent.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import quote

import grpc
import grpc.aio

from tests.corpus.cases import Json
from tests.support.raw_peer import RawServer, RawStream, frame

PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if code != ord("%"))
"""What stands as it is in `grpc-message` (gRPC PROTOCOL-HTTP2)."""

KNOWN = {
    *("messages", "grpc_status", "grpc_message", "grpc_message_raw", "grpc_status_details_bin"),
    *("raw_body_hex", "http_response", "form", "headers", "trailers"),
}
"""What the `upstream` of a case may say."""

CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass
class Call:
    """A call that reached an upstream."""

    method: str
    """The method name."""

    metadata: list[tuple[str, str | bytes]]
    """What came along."""

    messages: list[bytes] = field(default_factory=list)
    """The messages, up to the end of the requests."""


@dataclass(frozen=True)
class Reply:
    """What a service answers."""

    messages: Sequence[bytes] = ()
    """The messages."""

    status: int | None = 0
    """The gRPC status, any number, or None for an end without one."""

    message: str = ""
    """The text that goes with it."""

    raw_message: str = ""
    """The text as it stands on the wire."""

    details: str = ""
    """The value of `grpc-status-details-bin`."""

    raw_body: bytes | None = None
    """What goes into DATA in place of framed messages."""

    http: Json | None = None
    """An answer that is not gRPC: status, content_type, content_length, body."""

    form: str = ""
    """In words, when headers are sent before the status."""

    headers: Sequence[tuple[str, str]] = ()
    """Initial metadata."""

    trailers: Sequence[tuple[str, str]] = ()
    """Trailing metadata."""

    hang: bool = False
    """Whether there is no answer."""

    breaks: Literal["", "stream", "connection"] = ""
    """What is broken off in place of an end: after the messages, or at once when there are none."""

    @property
    def raw(self) -> bool:
        """Whether only a raw peer can say it."""
        special = self.details or self.form or self.raw_message or self.breaks or self.headers or self.trailers
        return bool(special) or self.raw_body is not None or self.http is not None or self.status not in CODES


def reply(upstream: Json, messages: Sequence[bytes]) -> Reply:
    """Return the answer that the `upstream` of a case describes.

    Raises:
        ValueError: it says something that is not known.
    """
    if unknown := upstream.keys() - KNOWN:
        raise ValueError(f"unknown words about the upstream: {', '.join(sorted(unknown))}")
    raw = upstream.get("raw_body_hex")
    return Reply(
        messages=messages,
        status=upstream.get("grpc_status", 0),
        message=upstream.get("grpc_message") or "",
        raw_message=upstream.get("grpc_message_raw") or "",
        details=upstream.get("grpc_status_details_bin", ""),
        raw_body=None if raw is None else bytes.fromhex(raw),
        http=upstream.get("http_response"),
        form=upstream.get("form", ""),
        headers=[(str(name), str(value)) for name, value in upstream.get("headers", {}).items()],
        trailers=[(str(name), str(value)) for name, value in upstream.get("trailers", {}).items()],
    )


class Backend:
    """Both upstreams, for the time of a run."""

    def __init__(self) -> None:
        self.calls: defaultdict[str, list[Call]] = defaultdict(list)
        """The calls by service, in the order in which they came."""
        self.replies: dict[str, Reply] = {}
        """What services answer, by service."""
        self.grpc_address = ""
        """Where the gRPC server is."""
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
            ]
        )
        self._server.add_generic_rpc_handlers((_Every(self),))
        self._raw = RawServer(self._answer_raw)

    @property
    def raw_address(self) -> str:
        """Where the raw peer is."""
        return self._raw.address

    async def __aenter__(self) -> Self:
        self.grpc_address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        await self._raw.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._server.stop(0)
        # a handler that gave up is seen in the result of its case, and must not hide those of the others
        self._raw.failures.clear()
        await self._raw.__aexit__(*error)

    def take(self, service: str) -> list[Call]:
        """Return the calls of a service and forget them."""
        return self.calls.pop(service, [])

    def note(self, path: str, metadata: Sequence[tuple[str, str | bytes]]) -> tuple[Call, Reply | None]:
        """Write down a call; return it with the answer of its service."""
        service, _, method = path.removeprefix("/").rpartition("/")
        call = Call(method, list(metadata))
        self.calls[service].append(call)
        return call, self.replies.get(service)

    async def _answer_raw(self, stream: RawStream) -> None:
        call, found = self.note(stream.header(":path") or "", stream.headers or [])
        await stream.finished()
        call.messages = [bytes(stream.data)]
        if found is not None:
            await _answer_raw(stream, found)


class _Every(grpc.GenericRpcHandler):
    """Takes every method as a stream of bytes, which serves all four kinds."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        path = handler_call_details.method

        async def answer(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            call, found = self._backend.note(path, tuple(context.invocation_metadata() or ()))
            async for request in requests:
                call.messages.append(request)
            if found is None:
                # one message fits a unary answer as well as a stream
                yield call.messages[0] if call.messages else b""
                return
            if found.hang:
                await asyncio.Event().wait()
            for message in found.messages:
                yield message
            if found.status:
                await context.abort(CODES[found.status], found.message)

        return grpc.stream_stream_rpc_method_handler(answer)


async def _answer_raw(stream: RawStream, found: Reply) -> None:
    ending = [] if found.status is None else [("grpc-status", str(found.status))]
    if found.raw_message or found.message:
        ending.append(("grpc-message", found.raw_message or quote(found.message, safe=PLAIN)))
    if found.details:
        ending.append(("grpc-status-details-bin", found.details))
    ending += found.trailers
    headers = [(":status", "200"), ("content-type", "application/grpc"), *found.headers]
    body = b"".join(frame(message) for message in found.messages) if found.raw_body is None else found.raw_body
    if found.http is not None:
        await _answer_http(stream, found.http)
    elif found.breaks:
        if body:
            await stream.send_headers(headers)
            await stream.send(body)
        if found.breaks == "stream":
            await stream.send_reset()
        else:
            stream.connection.writer.close()
    elif not body and found.status and "header" not in found.form:
        await stream.send_headers([*headers, *ending], end=True)
    else:
        await stream.send_headers(headers)
        if body or not ending:
            await stream.send(body, end=not ending)
        if ending:
            await stream.send_headers(ending, end=True)


async def _answer_http(stream: RawStream, raw: Json) -> None:
    length = raw.get("content_length")
    body = raw["body"].encode() if "body" in raw else b"x" * (length or 0)
    if "body_base64" in raw:
        body = base64.b64decode(raw["body_base64"])
    headers = [(":status", str(raw["status"])), ("content-type", str(raw.get("content_type", "text/plain")))]
    if length is not None:
        headers.append(("content-length", str(length)))
    headers += [(str(name), str(value)) for name, value in raw.get("headers", {}).items()]
    await stream.send_headers(headers, end=not body)
    if body:
        with contextlib.suppress(ConnectionError):
            await stream.send(body, end=True)
