"""The carrier of an HTTP endpoint against backends of raw bytes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from edge.model.discovery import StaticDiscovery
from edge.model.endpoint import Endpoint, EndpointAddress, EndpointState, Judge
from edge.model.errors import InvalidRequest, MessageTooLarge
from edge.model.http import CallerGoneError
from edge.model.upstreams import ConnectionSettings, Upstream, UpstreamProtocol, UpstreamTls
from edge.tasks import Tasks
from edge.upstream.http1 import BrokenAnswerError
from edge.upstream.http_answer import HttpAnswer, NoAnswerError, RequestBody
from edge.upstream.http_dial import ConnectFailedError, connect_words, tls_context
from edge.upstream.http_endpoint import HttpEndpoint
from tests.support.http_backend import WAIT, HttpBackend, Request
from tests.support.processes import free_port

HOST = [("host", "h")]


class Watched:
    """An endpoint that is watched, and the states it went through."""

    def __init__(
        self, address: str, *, warm_up: bool = False, connect_timeout: float = 5.0, max_age: float | None = None
    ) -> None:
        upstream = Upstream(
            name="upstreams/a",
            protocol=UpstreamProtocol.HTTP,
            discovery=StaticDiscovery(endpoints=()),
            connection=ConnectionSettings(
                warm_up=warm_up, max_backoff=0.1, connect_timeout=connect_timeout, max_age=max_age
            ),
        )
        self.carrier = HttpEndpoint(upstream, address, None)
        self.endpoint = Endpoint(EndpointAddress(address), self.carrier)
        self.states: list[tuple[EndpointState, str]] = []
        self._news = asyncio.Event()
        self._tasks = Tasks()
        self.carrier.watch(self.endpoint, self._changed, self._tasks, connect=warm_up)

    def _changed(self) -> None:
        self.states.append((self.endpoint.state, self.endpoint.reason))
        self._news.set()

    async def becomes(self, state: EndpointState) -> None:
        async with asyncio.timeout(WAIT):
            while self.endpoint.state is not state:
                self._news.clear()
                await self._news.wait()

    async def get(self, verb: str = "GET") -> HttpAnswer:
        async with asyncio.timeout(WAIT):
            return await self.carrier.request(verb, "/", HOST)

    async def close(self) -> None:
        await self._tasks.close()
        await self.carrier.close()


@asynccontextmanager
async def watched(
    address: str, *, warm_up: bool = False, connect_timeout: float = 5.0, max_age: float | None = None
) -> AsyncIterator[Watched]:
    found = Watched(address, warm_up=warm_up, connect_timeout=connect_timeout, max_age=max_age)
    try:
        yield found
    finally:
        await found.close()


async def read(answer: HttpAnswer) -> bytes:
    try:
        async with asyncio.timeout(WAIT):
            return b"".join([piece async for piece in pieces(answer)])
    finally:
        answer.close()


async def pieces(answer: HttpAnswer) -> AsyncIterator[bytes]:
    while piece := await answer.read():
        yield piece


async def test_without_warm_up_the_first_request_connects() -> None:
    async with HttpBackend() as backend, watched(backend.address) as found:
        assert found.endpoint.state is EndpointState.CONNECTING
        assert backend.connections == 0
        assert await read(await found.get()) == b"hello"
        assert found.states == [(EndpointState.ACTIVE, "")]


async def test_with_warm_up_the_first_request_finds_a_connection() -> None:
    async with HttpBackend() as backend, watched(backend.address, warm_up=True) as found:
        await found.becomes(EndpointState.ACTIVE)
        assert await read(await found.get()) == b"hello"
        assert (backend.connections, found.carrier.made) == (1, 1)


async def test_an_endpoint_that_cannot_be_reached_is_tried_until_it_can() -> None:
    port = free_port()
    async with watched(f"127.0.0.1:{port}") as found:
        with pytest.raises(ConnectFailedError, match="Connection refused"):
            await found.get()
        assert found.states == [(EndpointState.UNHEALTHY, "cannot be reached: Connection refused")]
        async with HttpBackend(port=port):
            await found.becomes(EndpointState.ACTIVE)
            assert await read(await found.get()) == b"hello"


async def test_an_endpoint_that_drains_stays_so() -> None:
    async with watched(f"127.0.0.1:{free_port()}") as found:
        found.endpoint.judge(Judge.OPERATOR, EndpointState.DRAINING)
        with pytest.raises(ConnectFailedError):
            await found.get()
        assert found.endpoint.state is EndpointState.DRAINING


def answers(data: bytes) -> Callable[[Request], Awaitable[None]]:
    async def answer(request: Request) -> None:
        await request.send(data)

    return answer


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nunasked",
        b"HTTP/1.1 204 No\r\ncontent-length: 7\r\n\r\n",
    ],
)
async def test_a_connection_that_will_not_stay_is_not_kept(data: bytes) -> None:
    async with HttpBackend() as backend, watched(backend.address) as found:
        backend.answer = answers(data)
        for _ in range(2):
            assert await read(await found.get()) == b""
        assert backend.connections == 2


async def test_an_answer_that_is_not_read_to_its_end_takes_the_connection_with_it() -> None:
    async with HttpBackend() as backend, watched(backend.address) as found:
        backend.answer = answers(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx")
        answer = await found.get()
        assert await answer.read() == b"x"
        answer.close()
        async with asyncio.timeout(WAIT):
            await backend.lost.wait()


async def test_small_chunks_that_came_at_once_are_one_piece() -> None:
    async with HttpBackend() as backend, watched(backend.address) as found:
        backend.answer = answers(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100)
        answer = await found.get()
        assert await answer.read() == b"x" * 100
        answer.close()


async def test_requests_at_the_same_time_have_connections_of_their_own_which_are_kept() -> None:
    async with HttpBackend() as backend, watched(backend.address) as found:
        for _ in range(2):
            found_answers = await asyncio.gather(*(found.get() for _ in range(10)))
            assert await asyncio.gather(*map(read, found_answers)) == [b"hello"] * 10
        assert backend.connections == 10


async def test_a_connection_that_is_too_old_is_not_used_again() -> None:
    async with HttpBackend() as backend, watched(backend.address, max_age=0.001) as found:
        for _ in range(3):
            assert await read(await found.get()) == b"hello"
            await asyncio.sleep(0.002)
        assert backend.connections == 3


def body_of(*data: bytes, length: int | None = None, error: Exception | None = None) -> RequestBody:
    left = list(data)

    async def read() -> bytes:
        if not left and error is not None:
            raise error
        return left.pop(0) if left else b""

    return RequestBody(read=read, length=length)


@pytest.mark.parametrize("error", [CallerGoneError("gone"), MessageTooLarge("too large"), RuntimeError("a mistake")])
async def test_what_goes_wrong_with_the_body_of_a_request_ends_it(error: Exception) -> None:
    async with HttpBackend() as backend, watched(backend.address) as found:
        with pytest.raises(type(error)):
            await found.carrier.request("POST", "/", HOST, body_of(b"x", length=2, error=error))
        async with asyncio.timeout(WAIT):
            await backend.lost.wait()


async def test_a_body_that_is_not_as_long_as_said_never_looks_whole() -> None:
    async with HttpBackend() as backend, watched(backend.address) as found:
        with pytest.raises(CallerGoneError):
            await found.carrier.request("POST", "/", [*HOST, ("content-length", "3")], body_of(b"xy", length=3))


async def test_a_second_attempt_is_made_only_while_the_body_is_untouched() -> None:
    asked: list[bytes] = []

    async def dies(request: Request) -> None:
        asked.append(request.line)
        if len(asked) == 2:
            await asyncio.sleep(0)
            request.die()
            raise ConnectionResetError
        await request.reply(await request.body())

    async with HttpBackend() as backend, watched(backend.address) as found:
        backend.answer = dies
        assert await read(await found.get()) == b""
        with pytest.raises(NoAnswerError):
            await found.carrier.request("PUT", "/", [*HOST, ("content-length", "1")], body_of(b"x", length=1))
        assert len(asked) == 2
        assert await read(await found.get()) == b""


async def test_an_answer_that_breaks_the_rules() -> None:
    async with HttpBackend() as backend, watched(backend.address) as found:
        backend.answer = answers(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n")
        with pytest.raises(BrokenAnswerError, match="is no chunk size"):
            await read(await found.get())


async def test_closing_ends_what_is_under_way() -> None:
    async with HttpBackend() as backend, watched(backend.address) as found:
        backend.answer = answers(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx")
        answer = await found.get()
        assert await answer.read() == b"x"
        await found.carrier.close()
        with pytest.raises(BrokenAnswerError, match="closed in the body"):
            await answer.read()


async def test_a_connection_that_is_not_made_in_time() -> None:
    # a listener whose queue is full takes no more connections
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with watched(f"127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.1) as found:
            with pytest.raises(ConnectFailedError, match=r"no connection within 0\.1 s"):
                await found.get()


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


ASKS = "it asks for a client certificate, which `tls.cert_file` of the upstream would be"
REFUSES = "it does not accept the certificate that the gateway shows"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 111] …"), "Connection refused"),
        (OSError(-2, "Name or service not known"), "Name or service not known"),
        (FileNotFoundError(2, "No such file or directory"), "No such file or directory"),
        (TimeoutError("no connection within 5 s"), "no connection within 5 s"),
        (OSError(), "OSError"),
        (tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), f"{ASKS}: TLSV13_ALERT_CERTIFICATE_REQUIRED"),
        (tls_error("TLSV1_ALERT_UNKNOWN_CA"), f"{REFUSES}: TLSV1_ALERT_UNKNOWN_CA"),
        (tls_error("SSLV3_ALERT_BAD_CERTIFICATE"), f"{REFUSES}: SSLV3_ALERT_BAD_CERTIFICATE"),
        (tls_error("SSLV3_ALERT_CERTIFICATE_EXPIRED"), f"{REFUSES}: SSLV3_ALERT_CERTIFICATE_EXPIRED"),
        (tls_error("WRONG_VERSION_NUMBER"), "it does not speak TLS: WRONG_VERSION_NUMBER"),
        (tls_error("SSLV3_ALERT_HANDSHAKE_FAILURE"), "no TLS: SSLV3_ALERT_HANDSHAKE_FAILURE"),
    ],
)
def test_failures_in_words(error: OSError, words: str) -> None:
    assert connect_words(error) == words


def test_tls_files_are_read_when_the_configuration_is(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def upstream(name: str) -> Upstream:
        tls = UpstreamTls(ca_file=str(tmp_path / name))
        return Upstream(name="upstreams/a", discovery=StaticDiscovery(endpoints=()), tls=tls)

    assert tls_context(upstream("ca.pem")) is not None
    for name, words in (("bad.pem", "does not hold what it should"), ("none.pem", "cannot be read")):
        with pytest.raises(InvalidRequest, match=f"upstreams/a.tls.ca_file: the file {words}"):
            tls_context(upstream(name))


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        ((), ["h2", "http/1.1"], "http/1.1"),
        ((["h2"],), ["http/1.1", "h2"], "h2"),
        ((["h2", "http/1.1"],), ["http/1.1"], "http/1.1"),
        ((["h2"],), ["http/1.1"], None),
    ],
)
def test_protocols_are_agreed_on_by_alpn(
    tmp_path: Path, ours: tuple[list[str], ...], theirs: list[str], agreed: str | None
) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = UpstreamTls(ca_file=str(tmp_path / "ca.pem"))
    context = tls_context(Upstream(name="upstreams/a", discovery=StaticDiscovery(endpoints=()), tls=tls), *ours)
    assert context is not None
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("a.test").configure_cert(server)
    server.set_alpn_protocols(theirs)
    to_us, to_them = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = context.wrap_bio(to_us, to_them, server_hostname="a.test")
    endpoint = server.wrap_bio(to_them, to_us, server_side=True)
    for side in (caller, endpoint):
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
    caller.do_handshake()
    assert caller.selected_alpn_protocol() == agreed
