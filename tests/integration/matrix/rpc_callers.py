"""The callers of gRPC, gRPC-Web and Connect."""

from __future__ import annotations

import asyncio
import base64
from typing import Any
from urllib.parse import unquote

import grpc
import orjson
from google.protobuf import any_pb2
from google.rpc import status_pb2

from tests.corpus.grpc_web import BINARY, decode
from tests.corpus.grpc_web import request as web_request
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
from tests.support.raw_peer import frame
from tests.support.rpc import ROOMY

CONNECT_CODES = {
    "canceled": 1,
    "unknown": 2,
    "invalid_argument": 3,
    "deadline_exceeded": 4,
    "not_found": 5,
    "already_exists": 6,
    "permission_denied": 7,
    "resource_exhausted": 8,
    "failed_precondition": 9,
    "aborted": 10,
    "out_of_range": 11,
    "unimplemented": 12,
    "internal": 13,
    "unavailable": 14,
    "data_loss": 15,
    "unauthenticated": 16,
}


class Grpc:
    """gRPC, by grpcio in a thread: grpc.aio has an error of its own for a call that ends while requests go out."""

    name = "grpc"
    shapes = SHAPES

    async def call(self, addresses: Addresses, ask: Ask) -> Outcome:
        """Make a call."""
        return await asyncio.to_thread(self._call, addresses[0], ask)

    def _call(self, address: str, ask: Ask) -> Outcome:
        found = Outcome()
        with grpc.insecure_channel(address, options=ROOMY) as channel:
            streams = ask.shape in ("ClientStream", "Bidi")
            sides = ("unary", "stream")
            make = getattr(channel, f"{sides[streams]}_{sides[ask.shape in STREAMED]}")
            message = blob(bytes(ask.size))
            metadata = (("x-case", ask.case), ("x-do", ask.do))
            more: dict[str, Any] = {"timeout": ask.timeout, "metadata": metadata}
            call: Any
            try:
                if ask.shape in STREAMED:
                    call = make(ask.path)(iter([message]) if streams else message, **more)
                    for answer in call:
                        found.messages.append(blob_data(answer))
                else:
                    answer, call = make(ask.path).with_call(iter([message]) if streams else message, **more)
                    found.messages.append(blob_data(answer))
            except grpc.RpcError as error:
                call = error
            found.code, found.message = call.code().value[0], call.details()
            found.initial = _metadata(call.initial_metadata())
            found.trailing = _metadata(call.trailing_metadata())
        _take_status(found)
        return found


class GrpcWeb:
    """gRPC-Web."""

    shapes = SHAPES

    def __init__(self, name: str, content_type: str) -> None:
        self.name = name
        self.content_type = content_type

    async def call(self, addresses: Addresses, ask: Ask) -> Outcome:
        headers = [("x-grpc-web", "1")]
        if ask.timeout is not None:
            headers.append(("grpc-timeout", f"{ask.timeout * 1000:.0f}m"))
        body = None
        if ask.bad:
            body = b"\0\0\0\0\x09cut" if self.content_type == BINARY else b"AAAA!"
        made = web_request(
            ask.path, blob(bytes(ask.size)), content_type=self.content_type, headers=tuple(headers), body=body
        )
        answer = await exchange_whole(addresses[1], ask, made)
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
        _take_status(found)
        return found


class Connect:
    """Connect: another protocol for unary calls than for streams."""

    shapes = SHAPES

    def __init__(self, codec: str) -> None:
        self.name = f"connect-{codec}"
        self.codec = codec

    async def call(self, addresses: Addresses, ask: Ask) -> Outcome:
        unary = ask.shape == "Unary"
        headers = [("connect-protocol-version", "1")]
        headers.append(("content-type", f"application/{'' if unary else 'connect+'}{self.codec}"))
        if ask.timeout is not None:
            headers.append(("connect-timeout-ms", f"{ask.timeout * 1000:.0f}"))
        body = blob(bytes(ask.size)) if self.codec == "proto" else json_blob(ask.size)
        if ask.bad:
            body = b'{"dta": ""}' if self.codec == "json" else b"\1\0"
            if self.codec == "proto" and unary:
                headers.append(("content-encoding", "gzip"))
        if not unary and not (ask.bad and self.codec == "proto"):
            body = frame(body)
        answer = await exchange_whole(addresses[1], ask, Request("POST", ask.path, tuple(headers), body))
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


def _metadata(metadata: Any) -> dict[str, list[str]]:
    def text(value: str | bytes) -> str:
        return value if isinstance(value, str) else base64.b64encode(value).decode().rstrip("=")

    return grouped((name, text(value)) for name, value in metadata or ())


def _take_status(found: Outcome) -> None:
    """Take the details out of the trailers; their status has to be the same."""
    assert found.trailing is not None
    values = found.trailing.pop("grpc-status-details-bin", [])
    assert len(values) <= 1, values
    for value in values:
        status = status_pb2.Status.FromString(base64.b64decode(value + "=" * (-len(value) % 4), validate=True))
        assert (status.code, status.message) == (found.code, found.message)
        found.details = list(status.details)


def _take_connect(found: Outcome, error: dict[str, Any]) -> None:
    assert error.keys() <= {"code", "message", "details"}, error
    found.code, found.message = CONNECT_CODES[error["code"]], error.get("message", "")
    found.details = []
    for entry in error.get("details", ()):
        assert entry.keys() <= {"type", "value", "debug"}, entry
        value = base64.b64decode(entry["value"] + "=" * (-len(entry["value"]) % 4), validate=True)
        found.details.append(any_pb2.Any(type_url=f"type.googleapis.com/{entry['type']}", value=value))
