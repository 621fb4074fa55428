"""A WebSocket handshake, its connection and an upstream, all in memory, around the real pipeline and session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import cast

from edge.model.call import Call, CallFinished, MetadataPairs, Protocol
from edge.model.config import CorsPolicy, DirectResponse, Forward, Route
from edge.model.endpoint import Endpoint
from edge.model.errors import GatewayError
from edge.model.http import CallerGoneError, HeaderPairs, HttpRequest
from edge.model.invoke import Reply, UpstreamError
from edge.model.snapshot import Admission, Cluster, RoutePlan, Snapshot, UpstreamPlan
from edge.model.status import Code, Status
from edge.model.transcoding import Transcoding
from edge.model.watch import Watch
from edge.proxy.dispatcher import Dispatcher
from transcoding.session import Responder, Session

Frame = str | bytes

WITHIN = 10.0
"""Seconds after which what a test waits for counts as never coming."""


class MemorySocket:
    """An accepted WebSocket with its other end: `say`, `leave` and `hear` are the caller's."""

    def __init__(self) -> None:
        self.close_code: int | None = None
        self.closed: tuple[int, str] | None = None
        """Code and reason the gateway closed with."""
        self.reading = asyncio.Event()
        """Cleared while the caller does not read."""
        self.reading.set()
        self.taken = 0
        """How many frames of the caller the gateway has read."""
        self._gone = False
        self._said: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._heard: asyncio.Queue[Frame | None] = asyncio.Queue()

    # === the gateway's end ===

    async def receive(self) -> Frame | None:
        if self._gone and self._said.empty():
            return None
        frame = await self._said.get()
        if frame is not None:
            self.taken += 1
        return frame

    async def send(self, message: Frame) -> None:
        if self.closed is not None or self._gone:
            raise CallerGoneError("closed")
        self._heard.put_nowait(message)
        await self.reading.wait()

    async def close(self, code: int, reason: str = "") -> None:
        if self.closed is None and not self._gone:
            self.closed = (code, reason)
            self._heard.put_nowait(None)

    # === the caller's end ===

    def say(self, *frames: Frame) -> None:
        """Send frames."""
        for frame in frames:
            self._said.put_nowait(frame)

    def leave(self, code: int | None = None) -> None:
        """Close, or vanish without a code."""
        self.close_code, self._gone = code, True
        self._said.put_nowait(None)

    async def hear(self) -> Frame | None:
        """Return the next frame, or None when the gateway has closed."""
        async with asyncio.timeout(WITHIN):
            return await self._heard.get()

    async def rest(self) -> list[Frame]:
        """Return the frames until the gateway closes."""
        frames: list[Frame] = []
        while (frame := await self.hear()) is not None:
            frames.append(frame)
        return frames


class MemoryExchange:
    """A handshake. What is answered to it is kept."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        """Status, headers and body of an answer that is no 101."""
        self.accepted: asyncio.Future[MemorySocket] = asyncio.get_running_loop().create_future()
        self.subprotocol: str | None = None
        self.headers: HeaderPairs = ()
        self.limit = 0
        self.ping_interval: float | None = None
        self.aborted = False

    @property
    def started(self) -> bool:
        return self.answer is not None or self.accepted.done()

    async def read(self, *, waits: bool = True) -> bytes:
        return b""

    async def read_all(self, limit: int) -> bytes:
        return b""

    async def respond(self, status: int, headers: HeaderPairs, body: bytes = b"") -> None:
        assert not self.started
        self.answer = (status, dict(headers), body)

    async def start(self, status: int, headers: HeaderPairs) -> None:
        raise AssertionError("a handshake has no such answer")

    async def write(self, chunk: bytes) -> None:
        raise AssertionError("a handshake has no such answer")

    async def finish(self, trailers: HeaderPairs = ()) -> None:
        raise AssertionError("a handshake has no such answer")

    def abort(self) -> None:
        self.aborted = True

    async def accept(
        self,
        *,
        headers: HeaderPairs = (),
        subprotocol: str = "",
        max_message_bytes: int,
        ping_interval: float | None = None,
    ) -> MemorySocket:
        assert not self.started
        self.headers, self.subprotocol = headers, subprotocol
        self.limit, self.ping_interval = max_message_bytes, ping_interval
        socket = MemorySocket()
        self.accepted.set_result(socket)
        return socket


class MemoryUpstream:
    """An upstream whose side of the call a test plays; an `Invoker` and its `UpstreamStream` in one.

    Args:
        echo: Whether it answers each message with `echo` by itself, and ends with OK after the half-close.
    """

    def __init__(self, echo: bytes | None = None) -> None:
        self.refusal: GatewayError | None = None
        self.trailing: MetadataPairs = ()
        self.accepting = asyncio.Event()
        """Cleared while the upstream does not read."""
        self.accepting.set()
        self.requests: list[bytes] = []
        self.half_closed = asyncio.Event()
        self.closed = asyncio.Event()
        """Set once the gateway has let go of the call."""
        self.unary_calls = 0
        self.cancelled = False
        self._echo = echo
        self._arrived = asyncio.Condition()
        self._ended = False
        self._initial: asyncio.Future[MetadataPairs] = asyncio.get_running_loop().create_future()
        self._answers: asyncio.Queue[bytes | UpstreamError | None] = asyncio.Queue()
        self._task: asyncio.Task[object] | None = None
        if echo is not None:
            self.begin()

    # === the gateway's end ===

    async def unary(self, call: Call, request: bytes) -> Reply:
        self.unary_calls += 1
        try:
            await self._take(request)
            initial = await self._initial
            message = await self._answers.get()
            if isinstance(message, UpstreamError):
                raise message
            assert message is not None
            return Reply(message, initial, self.trailing)
        except asyncio.CancelledError:
            self.cancelled = True
            self.closed.set()
            raise

    def stream(self, call: Call) -> MemoryUpstream:
        self._task = asyncio.current_task()
        return self

    async def initial(self) -> MetadataPairs:
        return await self._initial

    async def send(self, message: bytes) -> bool:
        if self._ended:
            return False
        await self.accepting.wait()
        await self._take(message)
        return True

    async def _take(self, message: bytes) -> None:
        async with self._arrived:
            self.requests.append(message)
            self._arrived.notify_all()
        if self._echo is not None:
            self.answer(self._echo)

    async def half_close(self) -> None:
        self.half_closed.set()
        if self._echo is not None:
            self.finish()

    async def receive(self) -> bytes | None:
        answer = await self._answers.get()
        if self.refusal is not None:
            raise self.refusal
        if isinstance(answer, UpstreamError):
            raise answer
        return answer

    def end(self, refusal: GatewayError) -> None:
        if self.refusal is None and self._task is not None:
            self.refusal = refusal
            self._task.cancel()

    def close(self) -> None:
        self._task = None
        self.closed.set()

    # === the upstream's end ===

    def begin(self, *metadata: tuple[str, str | bytes]) -> None:
        """Send initial metadata."""
        self._initial.set_result(metadata)

    def answer(self, *messages: bytes) -> None:
        """Send messages, after empty initial metadata if there was none."""
        if not self._initial.done():
            self.begin()
        for message in messages:
            self._answers.put_nowait(message)

    def finish(self, *trailing: tuple[str, str | bytes]) -> None:
        """End with OK."""
        if not self._initial.done():
            self.begin()
        self.trailing, self._ended = trailing, True
        self._answers.put_nowait(None)

    def fail(self, code: Code, message: str = "", trailing: MetadataPairs = (), status: Status | None = None) -> None:
        """End with an error."""
        error = UpstreamError(status or Status(code, message), trailing=trailing)
        self._ended = True
        if not self._initial.done():
            self._initial.set_exception(error)
        self._answers.put_nowait(error)

    async def got(self, count: int = 1) -> list[bytes]:
        """Wait until so many messages have come; return all."""
        async with asyncio.timeout(WITHIN), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)
        return self.requests


class NoCluster:
    """Stands where an upstream's endpoints would; `MemoryUpstream` leases none."""

    name = "upstreams/memory"

    def release(self, endpoint: Endpoint, *, failed: bool, latency: float) -> None:
        raise AssertionError("nothing was leased")


class Conversing:
    """A session under way, run by `start`.

    Args:
        request: The handshake.
        responder: Who answers.
        upstream: The upstream.
        transcoding: The route's options.
        cors: The route's CORS policy.
        admissions: The route's policies.
        limit: The route's limit for messages.
        deadline: When the caller gives up, by the monotonic clock.
        headers: What every answer has besides.
        direct: How the route answers by itself.
    """

    def __init__(
        self,
        request: HttpRequest,
        responder: Responder,
        upstream: MemoryUpstream,
        *,
        transcoding: Transcoding,
        cors: CorsPolicy | None = None,
        admissions: Sequence[Admission] = (),
        limit: int = 1 << 22,
        deadline: float | None = None,
        headers: HeaderPairs = (),
        direct: DirectResponse | None = None,
    ) -> None:
        self.exchange = MemoryExchange(request)
        self.upstream = upstream
        self.finished: list[CallFinished] = []
        dispatcher = Dispatcher(Watch(Snapshot()))
        dispatcher.listen(self.finished.append)
        target = UpstreamPlan(name="upstreams/memory", weight=1, cluster=cast(Cluster, NoCluster()))
        route = Route(
            name="routes/books",
            action=direct or Forward(upstreams=(("upstreams/memory", 1),)),
            transcoding=transcoding,
            max_request_message_bytes=limit,
        )
        call = Call(
            "/bookstore.v1.BookstoreService/Any",
            protocol=Protocol.WEB_SOCKET,
            started=request.started,
            deadline=deadline,
        )
        call.plan = RoutePlan(
            route=route,
            admissions=tuple(admissions),
            cors=cors,
            upstreams=() if direct else (target,),
            single=None if direct else target,
            max_request_bytes=limit,
            max_response_bytes=1 << 22,
        )
        self.call = call
        self._session = Session(dispatcher, upstream, self.exchange, call, headers)
        self._responder = responder
        self.task: asyncio.Task[None] | None = None

    def start(self) -> Conversing:
        """Run the session."""
        self.task = asyncio.get_running_loop().create_task(self._session.run(self._responder))
        return self

    async def socket(self) -> MemorySocket:
        """Wait for the 101."""
        async with asyncio.timeout(WITHIN):
            return await self.exchange.accepted

    async def done(self) -> CallFinished:
        """Wait for the end, and return how the call was settled."""
        assert self.task is not None
        async with asyncio.timeout(WITHIN):
            await self.task
        assert len(self.finished) == 1, "a call is settled once"
        return self.finished[0]


def handshake(
    target: str, *subprotocols: str, headers: Iterable[tuple[str, str]] = (), host: str = "books.example.com"
) -> HttpRequest:
    """Return the head of a WebSocket handshake."""
    offered = [("sec-websocket-protocol", ", ".join(subprotocols))] if subprotocols else []
    return HttpRequest(
        "GET",
        target,
        [
            ("host", host),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            *offered,
            *headers,
        ],
        host=host,
    )
