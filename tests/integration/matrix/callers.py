"""One caller for each protocol. Each makes any call and says what came of it as an `Outcome`.

Whatever comes back is taken apart strictly: what is not well-formed in the protocol raises.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any, Protocol
from urllib.parse import unquote

import aiohttp
import grpc
import grpc.aio
import orjson
from google.protobuf import any_pb2
from google.rpc import status_pb2

from tests.corpus.grpc_web import BINARY, TEXT, decode
from tests.corpus.grpc_web import request as web_request
from tests.corpus.http1 import Answer, Request, exchange
from tests.integration.matrix.outcome import SHAPES, STREAMED, Ask, Outcome, blob, blob_data, grouped, json_data
from tests.support.raw_peer import frame
from tests.support.rpc import ROOMY

CONNECT_CODES = dict(
    canceled=1, unknown=2, invalid_argument=3, deadline_exceeded=4, not_found=5, already_exists=6, permission_denied=7
) | dict(resource_exhausted=8, failed_precondition=9, aborted=10, out_of_range=11, unimplemented=12, internal=13)
CONNECT_CODES |= {"unavailable": 14, "data_loss": 15, "unauthenticated": 16}
Addresses = tuple[str, str]
"""The ports of a gateway: gRPC, HTTP."""


class Caller(Protocol):
    """Speaks one protocol."""

    name: str
    """What the protocol is called."""

    shapes: tuple[str, ...]
    """The shapes it can call."""

    async def call(self, addresses: Addresses, ask: Ask) -> Outcome:
        """Make a call."""
        ...


class Grpc:
    """gRPC, by grpcio."""

    name = "grpc"
    shapes = SHAPES

    async def call(self, addresses: Addresses, ask: Ask) -> Outcome:
        found = Outcome()
        options = [*ROOMY, ("grpc.default_authority", ask.host)]
        async with grpc.aio.insecure_channel(addresses[0], options=options) as channel:
            sides = ("unary", "stream")
            make = getattr(channel, f"{sides[ask.shape in ('ClientStream', 'Bidi')]}_{sides[ask.shape in STREAMED]}")
            message = blob(bytes(ask.size))

            async def messages() -> AsyncIterator[bytes]:
                yield message

            asked = messages() if ask.shape in ("ClientStream", "Bidi") else message
            call = make(ask.path)(asked, timeout=ask.timeout, metadata=(("x-do", ask.do),))
            try:
                if ask.shape in STREAMED:
                    async for answer in call:
                        found.messages.append(blob_data(answer))
                else:
                    found.messages.append(blob_data(await call))
            except grpc.aio.AioRpcError:
                pass
            found.code, found.message = (await call.code()).value[0], await call.details()
            found.initial = _metadata(await call.initial_metadata())
            found.trailing = _metadata(await call.trailing_metadata())
        if (status := _status_of(found.trailing)) is not None:
            assert (status.code, status.message) == (found.code, found.message)
            found.details = list(status.details)
        return found


class GrpcWeb:
    """gRPC-Web."""

    shapes = SHAPES

    def __init__(self, name: str, content_type: str) -> None:
        self.name = name
        self.content_type = content_type

    async def call(self, addresses: Addresses, ask: Ask) -> Outcome:
        headers = [("x-do", ask.do), ("x-grpc-web", "1")]
        if ask.timeout is not None:
            headers.append(("grpc-timeout", f"{ask.timeout * 1000:.0f}m"))
        body = None
        if ask.bad:
            body = b"\0\0\0\0\x09cut" if self.content_type == BINARY else b"AAAA!"
        made = web_request(
            ask.path, blob(bytes(ask.size)), content_type=self.content_type, headers=tuple(headers), body=body
        )
        answer = await _exchange(addresses[1], ask, made)
        found = Outcome(answer.status, initial=grouped(answer.headers))
        if answer.media_type == "application/json":
            found.take_json(orjson.loads(answer.body))
            return found
        assert answer.media_type == self.content_type, answer
        web = decode(answer)
        assert web.status is not None, answer
        found.messages = [blob_data(message) for message in web.messages]
        found.trailing = grouped(answer.headers if web.block is None else web.trailers)
        found.code, found.message = web.status, unquote(web.trailer("grpc-message") or "", errors="strict")
        if (status := _status_of(found.trailing)) is not None:
            assert (status.code, status.message) == (found.code, found.message)
            found.details = list(status.details)
        return found


class Connect:
    """Connect: another protocol for unary calls than for streams."""

    shapes = SHAPES

    def __init__(self, codec: str) -> None:
        self.name = f"connect-{codec}"
        self.codec = codec

    async def call(self, addresses: Addresses, ask: Ask) -> Outcome:
        unary = ask.shape == "Unary"
        headers = [("connect-protocol-version", "1"), ("x-do", ask.do)]
        headers.append(("content-type", f"application/{'' if unary else 'connect+'}{self.codec}"))
        if ask.timeout is not None:
            headers.append(("connect-timeout-ms", f"{ask.timeout * 1000:.0f}"))
        body = blob(bytes(ask.size)) if self.codec == "proto" else _json(ask.size)
        if ask.bad:
            body = b'{"dta": ""}' if self.codec == "json" else b"\1\0"
            if self.codec == "proto" and unary:
                headers.append(("content-encoding", "gzip"))
        if not unary and not (ask.bad and self.codec == "proto"):
            body = frame(body)
        answer = await _exchange(addresses[1], ask, Request("POST", ask.path, tuple(headers), body))
        found = Outcome(answer.status, initial=grouped(answer.headers))
        if answer.media_type.startswith("application/connect+"):
            assert answer.media_type == f"application/connect+{self.codec}", answer
            self._stream(found, answer.body)
            return found
        trailing = [(name.removeprefix("trailer-"), value) for name, value in answer.headers if name[:8] == "trailer-"]
        found.trailing = grouped(trailing)
        if answer.status == 200:
            assert answer.media_type == f"application/{self.codec}", answer
            found.code = 0
            found.messages.append(self._data(answer.body))
        else:
            assert answer.media_type == "application/json", answer
            _take_connect(found, orjson.loads(answer.body))
        return found

    def _stream(self, found: Outcome, body: bytes) -> None:
        while True:
            flags, size = body[0], int.from_bytes(body[1:5], "big")
            payload, body = body[5 : 5 + size], body[5 + size :]
            assert len(payload) == size
            if flags == 2:
                break
            assert flags == 0, flags
            found.messages.append(self._data(payload))
        assert not body, body
        end = orjson.loads(payload)
        assert end.keys() <= {"error", "metadata"}, end
        found.trailing = end.get("metadata", {})
        if "error" in end:
            _take_connect(found, end["error"])
        else:
            found.code = 0

    def _data(self, payload: bytes) -> bytes:
        return blob_data(payload) if self.codec == "proto" else json_data(orjson.loads(payload))


class Rest:
    """JSON over HTTP; `accept` says in which form a stream is sent."""

    def __init__(self, name: str, accept: str, *shapes: str) -> None:
        self.name = name
        self.accept = accept
        self.shapes = shapes

    async def call(self, addresses: Addresses, ask: Ask) -> Outcome:
        headers = [("content-type", "application/json"), ("accept", self.accept), ("x-do", ask.do)]
        if ask.timeout is not None:
            headers.append(("x-server-timeout", f"{ask.timeout:.3f}"))
        body = b'{"dta": ""}' if ask.bad else _json(ask.size)
        answer = await _exchange(addresses[1], ask, Request("POST", ask.rest, tuple(headers), body))
        found = Outcome(answer.status, initial=grouped(answer.headers))
        trailing = [(name.removeprefix("trailer-"), value) for name, value in answer.headers if name[:8] == "trailer-"]
        found.trailing = grouped(trailing)
        if answer.status != 200:
            assert answer.media_type == "application/json", answer
            found.take_json(orjson.loads(answer.body))
            return found
        if ask.shape not in STREAMED:
            assert answer.media_type == "application/json", answer
            found.messages.append(json_data(orjson.loads(answer.body)))
            found.code = 0
            return found
        assert answer.media_type == self.accept, answer
        found.trailing = None
        entries, found.code = self.entries(answer.body), 0
        if entries and isinstance(entries[-1], dict) and "error" in entries[-1]:
            last = entries.pop()
            assert last.keys() == {"error"}, last
            found.take_json(last["error"])
        found.messages = [json_data(entry) for entry in entries]
        return found

    def entries(self, body: bytes) -> list[Any]:
        """Return the values of a stream."""
        match self.accept:
            case "application/json":
                found = orjson.loads(body)
                assert isinstance(found, list)
                return found
            case "application/x-ndjson":
                assert body.endswith(b"\n") or not body
                return [orjson.loads(line) for line in body.splitlines()]
            case "application/json-seq":
                parts = body.split(b"\x1e")
                assert not parts[0]
                assert all(part.endswith(b"\n") for part in parts[1:])
                return [orjson.loads(part) for part in parts[1:]]
            case _:
                return _events(body)


class WebSocket:
    """WebSocket, by aiohttp."""

    shapes = SHAPES

    def __init__(self, mode: str) -> None:
        self.name = f"websocket-{mode}"
        self.mode = mode

    async def call(self, addresses: Addresses, ask: Ask) -> Outcome:
        found = Outcome(101)
        headers = {"host": ask.host, "x-do": ask.do}
        if ask.timeout is not None:
            headers["grpc-timeout"] = f"{ask.timeout * 1000:.0f}m"
        async with aiohttp.ClientSession() as session, asyncio.timeout(20):
            url = f"ws://{addresses[1]}{ask.path}"
            protocol = f"edge.{self.mode}.v1"
            try:
                connecting = session.ws_connect(url, protocols=(protocol,), headers=headers, max_msg_size=2**24)
                async with connecting as socket:
                    assert socket.protocol == protocol
                    await self._send(socket, ask)
                    async for frame_ in socket:
                        assert frame_.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), frame_
                        assert found.code == -1, f"after the end: {frame_}"
                        self._take(found, frame_.data)
                    found.close = socket.close_code
            except aiohttp.WSServerHandshakeError as refused:
                return await self._refused(refused.status, addresses[1], ask, headers)
        if self.mode == "json.bare":
            # code and reason of the close are all there is
            assert found.close is not None
            found.code = found.close - 4000 if found.close >= 4000 else {1000: 0, 1009: 8}.get(found.close, 3)
            found.details = found.initial = found.trailing = None
        return found

    async def _refused(self, status: int, address: str, ask: Ask, headers: dict[str, str]) -> Outcome:
        """Shake hands again, so that the body of the refusal can be seen."""
        more = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")]
        more += [("sec-websocket-key", base64.b64encode(bytes(16)).decode()), ("x-do", headers["x-do"])]
        answer = await _exchange(address, ask, Request("GET", ask.path, tuple(more)))
        assert (answer.status, answer.media_type) == (status, "application/json")
        found = Outcome(answer.status, initial=grouped(answer.headers), trailing=None)
        found.take_json(orjson.loads(answer.body))
        return found

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, ask: Ask) -> None:
        streams = ask.shape in ("ClientStream", "Bidi")
        match self.mode:
            case "json.bare":
                await socket.send_str('{"dta": ""}' if ask.bad else _json(ask.size).decode())
                if streams and not ask.bad:
                    await socket.send_str("")
            case "json":
                text = '{"dta": ""}' if ask.bad else _json(ask.size).decode()
                await socket.send_str(f'{{"message": {text}, "end": true}}' if streams else f'{{"message": {text}}}')
            case _:
                await socket.send_bytes(b"\x07" if ask.bad else b"\0" + blob(bytes(ask.size)))
                if streams and not ask.bad:
                    await socket.send_bytes(b"\2")

    def _take(self, found: Outcome, data: Any) -> None:
        if self.mode == "json.bare":
            found.messages.append(json_data(orjson.loads(data)))
            return
        if self.mode == "json":
            ((kind, tree),) = orjson.loads(data).items()
            if kind == "message":
                found.messages.append(json_data(tree))
                return
        else:
            kind = {0: "message", 1: "headers", 2: "end"}[data[0]]
            if kind == "message":
                found.messages.append(blob_data(data[1:]))
                return
            tree = orjson.loads(data[1:])
        if kind == "headers":
            found.initial = tree
        else:
            assert (kind, tree.keys()) == ("end", {"status", "trailers"}), tree
            found.take_json(tree["status"])
            found.trailing = tree["trailers"]


CALLERS: tuple[Caller, ...] = (
    Grpc(),
    GrpcWeb("grpc-web", BINARY),
    GrpcWeb("grpc-web-text", TEXT),
    Connect("proto"),
    Connect("json"),
    Rest("rest", "application/json", "Unary", "ClientStream"),
    Rest("rest-array", "application/json", *STREAMED),
    Rest("rest-ndjson", "application/x-ndjson", *STREAMED),
    Rest("rest-sse", "text/event-stream", *STREAMED),
    Rest("rest-seq", "application/json-seq", *STREAMED),
    WebSocket("json.bare"),
    WebSocket("json"),
    WebSocket("proto"),
)


async def _exchange(address: str, ask: Ask, request: Request) -> Answer:
    answer = await exchange(address, ask.host, request)
    assert answer.complete, answer
    return answer


def _json(size: int) -> bytes:
    return orjson.dumps({"data": base64.b64encode(bytes(size)).decode()})


def _metadata(metadata: Any) -> dict[str, list[str]]:
    def text(value: str | bytes) -> str:
        return value if isinstance(value, str) else base64.b64encode(value).decode().rstrip("=")

    return grouped((name, text(value)) for name, value in metadata or ())


def _status_of(trailing: dict[str, list[str]]) -> status_pb2.Status | None:
    values = trailing.pop("grpc-status-details-bin", [])
    assert len(values) <= 1, values
    if not values:
        return None
    return status_pb2.Status.FromString(base64.b64decode(values[0] + "=" * (-len(values[0]) % 4), validate=True))


def _take_connect(found: Outcome, error: dict[str, Any]) -> None:
    assert error.keys() <= {"code", "message", "details"}, error
    found.code, found.message = CONNECT_CODES[error["code"]], error.get("message", "")
    found.details = []
    for entry in error.get("details", ()):
        assert entry.keys() <= {"type", "value", "debug"}, entry
        value = base64.b64decode(entry["value"] + "=" * (-len(entry["value"]) % 4), validate=True)
        found.details.append(any_pb2.Any(type_url=f"type.googleapis.com/{entry['type']}", value=value))


def _events(body: bytes) -> list[Any]:
    """Return the values of an event stream, which ends with an event `end` or `error`."""
    assert body.endswith(b"\n\n"), body
    blocks = body.decode().removesuffix("\n\n").split("\n\n")
    parsed = [dict(line.split(": ", 1) for line in block.split("\n") if line[0] != ":") for block in blocks]
    events = [event for event in parsed if event]
    assert [event.get("id") for event in events[:-1]] == [str(number) for number in range(1, len(events))]
    last = events.pop()
    assert last.get("event") in ("end", "error"), last
    found = [orjson.loads(event["data"]) for event in events]
    if last["event"] == "error":
        found.append(orjson.loads(last["data"]))
    return found
