"""The callers of REST, in every form that a stream has, and of WebSocket."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import aiohttp
import orjson

from tests.corpus.http1 import Request
from tests.integration.matrix.outcome import (
    SHAPES,
    STREAMED,
    Addresses,
    Ask,
    Outcome,
    blob,
    blob_data,
    exchange_whole,
    grouped,
    json_blob,
    json_data,
)


class Rest:
    """JSON over HTTP; `accept` says in which form a stream is sent."""

    def __init__(self, name: str, accept: str, *shapes: str) -> None:
        self.name = name
        self.accept = accept
        self.shapes = shapes

    async def call(self, addresses: Addresses, ask: Ask) -> Outcome:
        headers = [("content-type", "application/json"), ("accept", self.accept)]
        if ask.timeout is not None:
            headers.append(("x-server-timeout", f"{ask.timeout:.3f}"))
        body = b'{"dta": ""}' if ask.bad else json_blob(ask.size)
        answer = await exchange_whole(addresses[1], ask, Request("POST", ask.rest, tuple(headers), body))
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
        headers = {"x-case": ask.case, "x-do": ask.do}
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
                    while (received := await socket.receive()).type is not aiohttp.WSMsgType.CLOSE:
                        assert received.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), received
                        assert found.code == -1, f"after the end: {received}"
                        self._take(found, received.data)
                    found.close, reason = int(received.data), str(received.extra or "")
            except aiohttp.WSServerHandshakeError as refused:
                return await self._refused(refused.status, addresses[1], ask)
        if self.mode == "json.bare":
            # code and reason of the close are all there is
            found.message = reason
            found.code = found.close - 4000 if found.close >= 4000 else {1000: 0, 1009: 8}.get(found.close, 3)
            found.details = found.initial = found.trailing = None
        assert reason == found.message.encode()[:123].decode(errors="ignore")
        return found

    async def _refused(self, status: int, address: str, ask: Ask) -> Outcome:
        """Shake hands again, so that the body of the refusal can be seen."""
        more = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")]
        more.append(("sec-websocket-key", base64.b64encode(bytes(16)).decode()))
        answer = await exchange_whole(address, ask, Request("GET", ask.path, tuple(more)))
        assert (answer.status, answer.media_type) == (status, "application/json")
        found = Outcome(answer.status, initial=grouped(answer.headers), trailing=None)
        found.take_json(orjson.loads(answer.body))
        return found

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, ask: Ask) -> None:
        streams = ask.shape in ("ClientStream", "Bidi")
        match self.mode:
            case "json.bare":
                await socket.send_str('{"dta": ""}' if ask.bad else json_blob(ask.size).decode())
                if streams and not ask.bad:
                    await socket.send_str("")
            case "json":
                text = '{"dta": ""}' if ask.bad else json_blob(ask.size).decode()
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
