"""One HTTP exchange in memory, and a session around it with the real pipeline and an upstream that a test plays.

talk = Talk(request, responder, upstream, body=[…])
finished = await talk.run()
talk.exchange.status, talk.exchange.headers, talk.exchange.body
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from edge.model.call import Call, CallFinished, Protocol
from edge.model.config import DirectResponse, Forward, Route
from edge.model.endpoint import Endpoint
from edge.model.errors import GatewayError
from edge.model.http import BodyTooLargeError, CallerGoneError, HeaderPairs, HttpRequest, WebSocket
from edge.model.snapshot import Admission, Cluster, RoutePlan, Snapshot, UpstreamPlan
from edge.model.transcoding import Transcoding
from edge.model.watch import Watch
from edge.proxy.dispatcher import Dispatcher
from tests.support.played_upstream import Play, PlayedUpstream, echo
from transcoding.session import Responder, Session

WITHIN = 10.0
"""Seconds after which what a test waits for counts as never coming."""


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Return bytes in pieces, cut at some places; a place beyond the end counts from the beginning again."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in itertools.pairwise(places)]


class MemoryExchange:
    """A request whose body comes from `say`, and the answer to it.

    Args:
        request: The head of the request.
        body: The pieces of the body that are there already.
        ended: Whether no more come.
    """

    def __init__(self, request: HttpRequest, body: Iterable[bytes] = (), *, ended: bool = True) -> None:
        self.request = request
        self.status = 0
        """The status of the answer, once its head has been sent."""
        self.headers: list[tuple[str, str]] = []
        """The headers of the answer."""
        self.chunks: list[bytes] = []
        """The pieces of the answer's body, as they were written."""
        self.finished = False
        """Whether the answer is whole."""
        self.aborted = False
        """Whether the connection was broken."""
        self.trailers: HeaderPairs = ()
        self.reading = asyncio.Event()
        """Cleared while the caller does not read."""
        self.reading.set()
        self.taken = 0
        """How many pieces of the request's body have been read."""
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._gone = False
        self._ended = False
        self._changed = asyncio.Condition()
        self.say(*body)
        if ended:
            self.end()

    # === the gateway's end ===

    @property
    def started(self) -> bool:
        return bool(self.status)

    async def read(self, *, waits: bool = True) -> bytes:
        if self._ended:
            return b""
        piece = await self._pieces.get()
        if self._gone:
            raise CallerGoneError("the caller left")
        if piece is None:
            self._ended = True
            return b""
        self.taken += 1
        return piece

    async def read_all(self, limit: int) -> bytes:
        whole = b""
        while piece := await self.read():
            whole += piece
            if len(whole) > limit:
                raise BodyTooLargeError
        return whole

    async def respond(self, status: int, headers: HeaderPairs, body: bytes = b"") -> None:
        await self.start(status, headers)
        if body:
            self.chunks.append(body)
        await self.finish()

    async def start(self, status: int, headers: HeaderPairs) -> None:
        assert not self.started, "an answer has one head"
        assert all("\r" not in text and "\n" not in text for pair in headers for text in pair), (
            "HTTP has no such header"
        )
        self.status, self.headers = status, list(headers)
        await self._tell()

    async def write(self, chunk: bytes) -> None:
        assert self.started, "the head comes before the body"
        assert not self.finished, "nothing follows the end"
        assert chunk, "an empty chunk ends an HTTP/1.1 body"
        if self._gone:
            raise CallerGoneError("the caller left")
        self.chunks.append(chunk)
        await self._tell()
        await self.reading.wait()

    async def finish(self, trailers: HeaderPairs = ()) -> None:
        assert self.started, "the head comes before the end"
        assert not self.finished, "an answer ends once"
        self.finished, self.trailers = True, trailers
        await self._tell()

    def abort(self) -> None:
        self.aborted = True

    async def accept(
        self,
        *,
        headers: HeaderPairs = (),
        subprotocol: str = "",
        max_message_bytes: int,
        ping_interval: float | None = None,
    ) -> WebSocket:
        raise AssertionError("this is no handshake")

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # === the caller's end ===

    def say(self, *pieces: bytes) -> None:
        """Send pieces of the body."""
        for piece in pieces:
            if piece:
                self._pieces.put_nowait(piece)

    def end(self) -> None:
        """End the body."""
        self._pieces.put_nowait(None)

    def leave(self) -> None:
        """Break the connection in the middle of the body."""
        self._gone = True
        self._pieces.put_nowait(None)

    @property
    def body(self) -> bytes:
        """What has come of the answer's body."""
        return b"".join(self.chunks)

    def header(self, name: str) -> str | None:
        """Return the values of a header of the answer, joined by commas, or None."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    async def until(self, condition: Callable[[MemoryExchange], bool]) -> None:
        """Wait until something holds of the answer."""
        async with asyncio.timeout(WITHIN), self._changed:
            await self._changed.wait_for(lambda: condition(self))


class Refuse:
    """An admission that refuses every call."""

    name = "policies/refuse"

    def __init__(self, error: GatewayError) -> None:
        self._error = error

    def admit(self, call: Call) -> None:
        raise self._error


class NoCluster:
    """Stands where an upstream's endpoints would; a play leases none."""

    name = "upstreams/play"

    def release(self, endpoint: Endpoint, *, failed: bool, latency: float) -> None:
        raise AssertionError("nothing was leased")


class Talk:
    """A session around one request.

    Args:
        request: The head of the request.
        responder: Who answers.
        upstream: What is called, or what it does.
        body: The pieces of the request's body.
        ended: Whether no more come.
        limit: The largest message either way, in bytes.
        admissions: The policies of the route.
        direct: What the route answers by itself instead of calling anything.
        headers: Those of CORS.
        protocol: What the caller speaks.
    """

    def __init__(
        self,
        request: HttpRequest,
        responder: Responder,
        upstream: PlayedUpstream | Play = echo,
        *,
        body: Iterable[bytes] = (),
        ended: bool = True,
        limit: int = 1 << 20,
        admissions: Sequence[Admission] = (),
        direct: DirectResponse | None = None,
        headers: HeaderPairs = (),
        protocol: Protocol = Protocol.GRPC_WEB,
    ) -> None:
        self.exchange = MemoryExchange(request, body, ended=ended)
        self.upstream = upstream if isinstance(upstream, PlayedUpstream) else PlayedUpstream(upstream)
        self.finished: list[CallFinished] = []
        dispatcher = Dispatcher(Watch(Snapshot()))
        dispatcher.listen(self.finished.append)
        target = UpstreamPlan(name="upstreams/play", weight=1, cluster=cast(Cluster, NoCluster()))
        route = Route(
            name="routes/play",
            action=direct or Forward(upstreams=(("upstreams/play", 1),)),
            transcoding=Transcoding(),
            max_request_message_bytes=limit,
        )
        self.call = call = Call(request.path, protocol=protocol, verb=request.verb, started=request.started)
        call.plan = RoutePlan(
            route=route,
            admissions=tuple(admissions),
            upstreams=() if direct else (target,),
            single=None if direct else target,
            max_request_bytes=limit,
            max_response_bytes=limit,
        )
        self.session = Session(dispatcher, self.upstream, self.exchange, call, headers)
        self._responder = responder
        self.task: asyncio.Task[None] | None = None

    def start(self) -> Talk:
        """Run the session in the background."""
        self.task = asyncio.get_running_loop().create_task(self.session.run(self._responder))
        return self

    async def run(self) -> CallFinished:
        """Run the session to its end, and return how the call was settled."""
        if self.task is None:
            self.start()
        assert self.task is not None
        async with asyncio.timeout(WITHIN):
            await self.task
        assert len(self.finished) == 1, "a call is settled once"
        left = [stream for stream in self.upstream.streams if not stream.closed]
        assert not left, "every stream is closed in the end"
        return self.finished[0]
