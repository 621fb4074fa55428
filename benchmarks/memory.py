"""How much resident memory the gateway needs for a long answer over HTTP, and for WebSockets that are quiet.

The memory is looked at every few milliseconds while something goes on. Each figure is the highest of these minus what
it was before, after a warm-up of the same kind: what is kept for later calls does not count as needed by this one.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from google.protobuf import descriptor_pb2

from benchmarks.processes import HERE, START_DEADLINE, Proxy, edge, pin
from tests.support.echo import ECHO, echo_files

LOOK_EVERY = 0.05
"""Seconds between looks at the memory."""

SIZE = 100_000_000
"""Bytes of a long answer."""

STREAM_LIMIT = 30e6
"""The most bytes it may need."""

SOCKETS = 1_000
"""WebSockets at once."""

SOCKETS_LIMIT = 40e6
"""The most bytes they may need."""

SOCKETS_QUIET = 2.0
"""Seconds in which nothing goes on on the WebSockets."""

CHAT = "/v1/items:chat"
"""A method with streams both ways: its call begins with the WebSocket."""

UNARY = f"/{ECHO}/Plain"
"""A unary method: its call begins with the first message."""

STALL = 2.0
"""Seconds for which a caller that stalls reads nothing."""

_PIECE = 64 * 1024
_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure."""

    what: str
    """What went on."""

    before: float
    """Bytes of resident memory before."""

    extra: float
    """The most bytes more than that."""

    allowed: float
    """The most bytes more there may be."""


class Watch:
    """Looks at the memory of a process until the end of the block."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory")
        self.before = 0
        """Bytes at the beginning."""
        self.highest = 0
        """The most bytes since."""

    def __enter__(self) -> Watch:
        self.before = self.highest = self._proxy.rss()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.highest = max(self.highest, self._proxy.rss())

    def _look(self) -> None:
        while not self._end.wait(LOOK_EVERY):
            self.highest = max(self.highest, self._proxy.rss())


def run(size: int = SIZE, sockets: int = SOCKETS) -> list[Row]:
    """Return the figures, each of a gateway of its own.

    Args:
        size: Bytes of a long answer.
        sockets: WebSockets at once.

    Raises:
        RuntimeError: an answer is not whole, or a WebSocket does not work.
    """
    allow_files(4 * sockets)
    megabytes = f"{size / 1e6:.0f} MB"
    rows = []
    for stall, how in ((0.0, ""), (STALL, f", the caller stalls for {STALL:.0f} s")):
        with streaming_gateway() as proxy:
            stream(proxy, size // 50, 0)
            with Watch(proxy) as watch:
                stream(proxy, size, stall)
            rows.append(_row(f"{megabytes} server stream as NDJSON{how}", watch, STREAM_LIMIT))
        with streaming_gateway() as proxy:
            download(proxy, size // 50, 0)
            with Watch(proxy) as watch:
                download(proxy, size, stall)
            rows.append(_row(f"{megabytes} HttpBody download{how}", watch, STREAM_LIMIT))
    for path, what in ((UNARY, "no call begun"), (CHAT, "a stream upstream each")):
        with streaming_gateway() as proxy:
            asyncio.run(open_sockets(proxy, path, 2))
            with Watch(proxy) as watch:
                asyncio.run(open_sockets(proxy, path, sockets))
            rows.append(_row(f"{sockets:,} idle WebSockets, {what}", watch, SOCKETS_LIMIT))
    return rows


def _row(what: str, watch: Watch, allowed: float) -> Row:
    return Row(what=what, before=watch.before, extra=watch.highest - watch.before, allowed=allowed)


def stream(proxy: Proxy, size: int, stall: float) -> None:
    """Read a server stream as NDJSON, in messages of 10 kB.

    Raises:
        RuntimeError: it is not whole.
    """
    each = 10_000
    headers = {"accept": "application/x-ndjson", "x-count": str(size // each), "x-size": str(each)}
    received, end = _read(proxy, "/v1/items/a:list", headers, stall)
    if received < size or not end.endswith(b'x"}\n'):
        raise RuntimeError(f"the stream has {received} bytes and ends in {end[-100:]!r}")


def download(proxy: Proxy, size: int, stall: float) -> None:
    """Download a HttpBody in pieces of 64 KiB.

    Raises:
        RuntimeError: it is not whole.
    """
    count = -(-size // _PIECE)
    headers = {"x-count": str(count), "x-size": str(_PIECE)}
    received, _ = _read(proxy, "/v1/items/a:download", headers, stall)
    if received != count * _PIECE:
        raise RuntimeError(f"the download has {received} bytes instead of {count * _PIECE}")


def _read(proxy: Proxy, path: str, headers: dict[str, str], stall: float) -> tuple[int, bytes]:
    """Return how many bytes an answer has, and the last of them. After the first piece nothing is read for a while."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{path} is answered with {answer.status} {answer.read()!r}")
    received, last = 0, b""
    while piece := answer.read1(_PIECE):
        if not received:
            time.sleep(stall)
        received += len(piece)
        last = (last + piece)[-200:]
    connection.close()
    return received, last


async def open_sockets(proxy: Proxy, path: str, count: int) -> None:
    """Open WebSockets, see that they work, and then do nothing with them for a while.

    Those of a method with streams both ways echo a message at once, and their calls stay open. A unary method is not
    called before its request comes, so these are quiet first and echo then.

    Args:
        proxy: The gateway.
        path: A method with streams both ways that has a rule, or a unary method.
        count: How many.

    Raises:
        RuntimeError: one of them does not echo.
    """
    turns = asyncio.Semaphore(_AT_ONCE)
    streams = path == CHAT
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def echo(socket: aiohttp.ClientWebSocketResponse, number: int) -> None:
            await socket.send_json({"name": f"items/{number}"})
            answer = await socket.receive_str(timeout=20)
            if f'"items/{number}"' not in answer:
                raise RuntimeError(f"a WebSocket answers {answer!r}")

        async def open_one(number: int) -> aiohttp.ClientWebSocketResponse:
            async with turns:
                socket = await session.ws_connect(f"ws://127.0.0.1:{proxy.port}{path}")
                if streams:
                    await echo(socket, number)
                return socket

        opened = await asyncio.gather(*(open_one(number) for number in range(count)))
        await asyncio.sleep(SOCKETS_QUIET)
        for number, socket in enumerate(opened):
            if not streams:
                await echo(socket, number)  # one by one: the service keeps the latest unary request only
            await socket.close()


@contextlib.contextmanager
def streaming_gateway() -> Iterator[Proxy]:
    """Run the gateway in front of the echo service."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [descriptor_pb2.FileDescriptorProto.FromString(file) for file in echo_files()]
        (folder / "echo.binpb").write_bytes(descriptor_pb2.FileDescriptorSet(file=files).SerializeToString())
        with stream_server(folder) as port:
            configured = {
                "schemas": [{"name": "schemas/echo", "file": str(folder / "echo.binpb")}],
                "upstreams": [
                    {
                        "name": "upstreams/echo",
                        "static": {"endpoints": [{"address": f"127.0.0.1:{port}"}]},
                        "schema": "schemas/echo",
                    }
                ],
                "routes": [
                    {
                        "name": "routes/echo",
                        "matches": [{"grpc": {"service": ECHO}}],
                        "forward": {"upstreams": [{"upstream": "upstreams/echo"}]},
                        "transcoding": {},
                    }
                ],
            }
            with edge(configured, folder, listener="http") as proxy:
                yield proxy


@contextlib.contextmanager
def stream_server(folder: Path) -> Iterator[int]:
    """Run the echo service and yield its port."""
    file = folder / "port"
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.stream_server", str(file)], cwd=HERE.parent)
    pin(process, measured=False)
    try:
        end = time.monotonic() + START_DEADLINE
        while not file.exists():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the echo service is not ready after {START_DEADLINE} s (exit {process.poll()})")
            time.sleep(0.02)
        yield int(file.read_text())
    finally:
        process.terminate()
        process.wait(15)


def allow_files(count: int) -> None:
    """Allow this process and those it starts that many open files, as far as the machine does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
