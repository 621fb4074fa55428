"""The end of a connection to an endpoint: in order, or cut off."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import pytest
import trustme
import uvloop

from edge.upstream.http1 import BrokenAnswerError, request_head
from edge.upstream.http_answer import HttpAnswer
from edge.upstream.http_connection import HttpConnection
from tests.support.http_backend import WAIT, HttpBackend, Request


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_over_tls_only_a_closure_alert_ends_a_body_that_lasts_until_then(
    version: ssl.TLSVersion, cut: bool, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Anybody between could send a FIN; only the endpoint can say that this was all (RFC 9112 section 9.8)."""
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(_end(version, cut))


async def _end(version: ssl.TLSVersion, cut: bool) -> None:
    server, client = contexts()
    client.maximum_version = version

    async def answer(request: Request) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\n\r\nsome of it")
        if cut:
            request.writer.transport.abort()
        else:
            request.writer.close()

    async with HttpBackend(tls=server) as backend, asyncio.timeout(WAIT):
        backend.answer = answer
        host, _, port = backend.address.rpartition(":")
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: HttpConnection(lambda _: None), host, int(port), ssl=client
        )
        exchange = HttpAnswer(connection, "GET", None, lambda *_: None)
        await exchange.begin(request_head("GET", "/", [("host", "h")]))
        assert await exchange.read() == b"some of it"
        if cut:
            with pytest.raises(BrokenAnswerError, match="closed in the body"):
                await exchange.read()
        else:
            assert await exchange.read() == b""
        exchange.close()
