"""Handshakes of WebSockets with endpoints of raw bytes."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Callable

import pytest

from edge.upstream.http1 import BrokenAnswerError
from edge.upstream.http_answer import HandshakeRefusedError, NoAnswerError
from edge.upstream.http_dial import ConnectFailedError
from tests.edge.upstream.test_http_endpoint import watched
from tests.support.http_backend import HttpBackend, Request

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept(request: Request, *more: bytes) -> bytes:
    key = base64.b64encode(hashlib.sha1(request.one("sec-websocket-key") + GUID, usedforsecurity=False).digest())
    lines = [b"HTTP/1.1 101 S", b"upgrade: websocket", b"connection: upgrade", b"sec-websocket-accept: " + key, *more]
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n"


async def ask(answer: Callable[[Request], bytes]) -> str:
    """Open a WebSocket that offers the subprotocol `chat`, and return what was chosen."""

    async def play(request: Request) -> None:
        await request.send(answer(request))
        request.writer.close()

    async with HttpBackend() as backend, watched(backend.address) as found:
        backend.answer = play
        upgraded = await found.carrier.web_socket("/", [("host", "h")], ["chat"], 1000)
        await upgraded.socket.close(1000)
        return upgraded.subprotocol


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda _: b"HTTP/1.1 403 No\r\ncontent-length: 10\r\n\r\nshort", "not completed"),
        (lambda _: b"HTTP/1.1 403 No\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", "not completed"),
        (lambda _: b"HTTP/1.1 403 No\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "chunk size"),
        (lambda _: b"SMTP\r\n\r\n", "status line"),
        (lambda _: b"HTTP/1.1 403 No\r\nx: " + b"y" * 100_000, "more than"),
        (lambda request: accept(request).replace(b"accept: ", b"accept: x"), "challenge"),
        (lambda request: accept(request, b"sec-websocket-extensions: permessage-deflate"), "extension"),
        (lambda request: accept(request, b"sec-websocket-protocol: other"), "subprotocol"),
    ],
)
async def test_an_answer_that_is_no_proper_handshake(answer: Callable[[Request], bytes], words: str) -> None:
    with pytest.raises(BrokenAnswerError, match=words):
        await ask(answer)


async def test_answers_that_are_one() -> None:
    assert await ask(accept) == ""
    assert await ask(lambda request: accept(request, b"sec-websocket-protocol: chat")) == "chat"
    with pytest.raises(HandshakeRefusedError) as refused:
        await ask(lambda _: b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno")
    assert (refused.value.status, refused.value.body) == (403, b"no")
    with pytest.raises(NoAnswerError):
        await ask(lambda _: b"")


async def test_a_connection_that_is_not_made_in_time() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with watched(f"127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.1) as found:
            with pytest.raises(ConnectFailedError):
                await found.carrier.web_socket("/", [("host", "h")], [], 1000)
