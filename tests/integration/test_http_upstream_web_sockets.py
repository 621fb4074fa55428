"""WebSockets that pass through a running gateway to a backend."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError, web

from tests.support.gateway import Gateway
from tests.support.http_backend import WAIT, RawCaller
from tests.support.processes import free_port

Talk = Callable[[web.WebSocketResponse], Awaitable[None]]

KEY = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = ("upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13", KEY)


class Backend:
    """A backend of WebSockets that talks as the test says."""

    def __init__(self) -> None:
        self.talk: Talk = echo
        self.request: web.Request | None = None
        self.close_code: int | None = None
        self.closed = asyncio.Event()
        self.refusal: Callable[[], web.Response] | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.request = request
        if self.refusal is not None:
            return self.refusal()
        found = web.WebSocketResponse(protocols=("soap", "chat"), max_msg_size=0, timeout=2.0)
        found.headers["x-backend"] = "1"
        await found.prepare(request)
        try:
            await self.talk(found)
        finally:
            self.close_code = found.close_code
            self.closed.set()
        return found


async def echo(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        else:
            await socket.send_bytes(message.data)


class Place:
    """The gateway and its backend."""

    def __init__(self, gateway: Gateway, backend: Backend, session: ClientSession) -> None:
        self.gateway, self.backend, self.session = gateway, backend, session

    def connect(self, path: str = "/ws/x", **more: Any) -> Any:
        return self.session.ws_connect(f"http://{self.gateway.http}{path}", **more)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(folder: Path) -> AsyncIterator[tuple[Gateway, Backend]]:
    backend = Backend()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", backend.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority = trustme.CA()
    authority.issue_cert("backend.internal").configure_cert(tls)
    authority.cert_pem.write_to_path(str(folder / "web-sockets-ca.pem"))
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    await web.UnixSite(runner, str(folder / "web-sockets.sock")).start()
    plain, secure = ("{}:{}".format(*address) for address in runner.addresses[:2])

    def up(name: str, address: str, **more: object) -> dict[str, object]:
        return {
            "name": f"upstreams/{name}",
            "protocol": "HTTP",
            "static": {"endpoints": [{"address": address}]},
            **more,
        }

    def to(name: str, upstream: str = "ws", **more: object) -> dict[str, object]:
        forward = {"upstreams": [{"upstream": f"upstreams/{upstream}"}]}
        return {"name": f"routes/{name}", "matches": [{"http": {"path": f"/{name}/**"}}], "forward": forward, **more}

    trust = {"ca_file": str(folder / "web-sockets-ca.pem")}
    configuration = {
        "upstreams": [
            up("ws", plain),
            up("secure", secure, tls={**trust, "server_name": "backend.internal"}),
            up("mistaken", secure, tls=trust, connection={"warm_up": False}),
            up("local", f"unix:{folder / 'web-sockets.sock'}"),
            up("dead", f"127.0.0.1:{free_port()}", connection={"warm_up": False}),
        ],
        "routes": [
            to("ws"),
            *(to(name, name) for name in ("secure", "mistaken", "local", "dead")),
            to("idle", stream_idle_timeout="0.3s"),
            to("small", max_request_message_bytes=1000, max_response_message_bytes=1000),
        ],
    }
    gateway = Gateway("web-sockets", folder, configuration)
    await asyncio.to_thread(gateway.start)
    try:
        yield gateway, backend
    finally:
        await asyncio.to_thread(gateway.stop)
        await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def place(running: tuple[Gateway, Backend]) -> AsyncIterator[Place]:
    gateway, backend = running
    backend.talk, backend.refusal, backend.close_code = echo, None, None
    backend.closed.clear()
    async with ClientSession() as session, asyncio.timeout(60):
        yield Place(gateway, backend, session)


async def ends(socket: ClientWebSocketResponse) -> tuple[int | None, str]:
    """Wait for the end; return the code and the reason."""
    async with asyncio.timeout(WAIT):
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.CLOSE:
                return message.data, message.extra or ""
            assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), message


async def test_text_and_binary_messages_pass_both_ways(place: Place) -> None:
    async with place.connect() as socket:
        for words in ("hi", "", "ü" * 100_000):
            await socket.send_str(words)
            assert await socket.receive_str(timeout=WAIT) == words
        for data in (b"\x00\xff", b"", bytes(3_000_000)):
            await socket.send_bytes(data)
            assert await socket.receive_bytes(timeout=WAIT) == data


async def test_the_handshake_passes_with_its_subprotocol_and_headers(place: Place) -> None:
    async with place.connect(
        "/ws/a%2Fb?q=1", protocols=("mqtt", "chat"), headers={"authorization": "Bearer x"}
    ) as socket:
        assert socket.protocol == "chat"
        assert socket._response.headers["x-backend"] == "1"
    request = place.backend.request
    assert request is not None
    assert (request.raw_path, request.headers["authorization"]) == ("/ws/a%2Fb?q=1", "Bearer x")
    assert request.headers["host"] == place.gateway.http
    assert request.headers["via"] == "1.1 edge"


@pytest.mark.parametrize("path", ["/secure/x", "/local/x"])
async def test_tls_and_unix_sockets(place: Place, path: str) -> None:
    async with place.connect(path) as socket:
        await socket.send_str("hi")
        assert await socket.receive_str(timeout=WAIT) == "hi"


@pytest.mark.parametrize("name", ["mistaken", "dead"])
async def test_a_backend_that_cannot_be_reached_is_a_503(place: Place, name: str) -> None:
    async with RawCaller(place.gateway.http) as caller:
        got = await caller.ask("GET", f"/{name}/x", *HANDSHAKE)
        assert got.status == 503
        assert json.loads(await got.body())["message"] == f"upstream upstreams/{name} could not be reached"


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3999, 4123])
async def test_the_callers_close_code_reaches_the_backend(place: Place, code: int) -> None:
    async with place.connect() as socket:
        await socket.close(code=code)
    async with asyncio.timeout(WAIT):
        await place.backend.closed.wait()
    assert place.backend.close_code == code


@pytest.mark.parametrize("code", [1000, 1008, 4123])
async def test_the_backends_close_code_and_reason_reach_the_caller(place: Place, code: int) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.close(code=code, message=b"so long")

    place.backend.talk = talk
    async with place.connect() as socket:
        assert await ends(socket) == (code, "so long")


async def test_a_backend_that_dies_is_a_bad_gateway(place: Place) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        request = place.backend.request
        assert request is not None
        assert request.transport is not None
        request.transport.close()

    place.backend.talk = talk
    async with place.connect() as socket:
        await socket.send_str("die")
        assert await ends(socket) == (1014, "upstream upstreams/ws broke the WebSocket off")


async def test_a_caller_that_vanishes_frees_the_backend(place: Place) -> None:
    async with place.connect() as socket:
        await socket.send_str("x")
        await socket.receive_str(timeout=WAIT)
        assert socket._response.connection is not None
        assert socket._response.connection.transport is not None
        socket._response.connection.transport.abort()
    async with asyncio.timeout(WAIT):
        await place.backend.closed.wait()
    assert place.backend.close_code == 1001


async def test_a_backend_that_refuses_the_handshake_answers_the_caller(place: Place) -> None:
    place.backend.refusal = lambda: web.Response(status=401, text="who are you", headers={"www-authenticate": "Basic"})
    with pytest.raises(WSServerHandshakeError) as caught:
        async with place.connect():
            pass
    assert caught.value.status == 401
    assert caught.value.headers is not None
    assert caught.value.headers["www-authenticate"] == "Basic"
    async with RawCaller(place.gateway.http) as caller:
        got = await caller.ask("GET", "/ws/x", *HANDSHAKE)
        assert (got.status, await got.body()) == (401, b"who are you")


async def test_a_redirect_of_the_handshake_is_not_followed(place: Place) -> None:
    place.backend.refusal = lambda: web.Response(status=302, headers={"location": "/elsewhere"})
    async with RawCaller(place.gateway.http) as caller:
        got = await caller.ask("GET", "/ws/x", *HANDSHAKE)
        assert (got.status, got.one("location")) == (302, b"/elsewhere")


async def test_silence_beyond_the_idle_timeout_closes_both_sides(place: Place) -> None:
    async with place.connect("/idle/x") as socket:
        assert await ends(socket) == (
            1001,
            "no message for the 0.3 s that the stream idle timeout of routes/idle allows",
        )
    async with asyncio.timeout(WAIT):
        await place.backend.closed.wait()
    assert place.backend.close_code == 1001


async def test_a_backend_that_goes_on_talking_after_the_close_is_cut_off(place: Place) -> None:
    async def talk(backend: web.WebSocketResponse) -> None:
        with suppress(ConnectionError):
            while True:
                await backend.send_bytes(bytes(60_000))

    place.backend.talk = talk
    async with place.connect("/idle/x") as socket:
        connection = socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.pause_reading()
        async with asyncio.timeout(WAIT):
            await place.backend.closed.wait()
        connection.transport.abort()


async def test_a_message_over_the_limit_of_the_route_closes_both_sides(place: Place) -> None:
    async with place.connect("/small/x") as socket:
        await socket.send_str("x" * 1001)
        assert (await ends(socket))[0] == 1009

    async def talk(backend: web.WebSocketResponse) -> None:
        await backend.send_str("x" * 1001)
        await backend.receive()

    place.backend.talk = talk
    async with place.connect("/small/x") as socket:
        assert (await ends(socket))[0] == 1009


async def test_a_caller_that_does_not_read_holds_up_the_backend(place: Place) -> None:
    sent = 0
    total = 200

    async def talk(socket: web.WebSocketResponse) -> None:
        nonlocal sent
        for _ in range(total):
            await socket.send_bytes(bytes(500_000))
            sent += 1
        await socket.close()

    place.backend.talk = talk
    async with place.connect(max_msg_size=0) as socket:
        connection = socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.pause_reading()
        stalled = -1
        async with asyncio.timeout(WAIT):
            while stalled != sent or not sent:
                stalled = sent
                await asyncio.sleep(0.3)
        assert stalled < 80, "40 MB: what the kernel's buffers of four sockets take at the most"
        connection.transport.resume_reading()
        received = 0
        async for message in socket:
            received += message.type is WSMsgType.BINARY
        assert received == total
