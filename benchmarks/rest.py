"""REST calls through the gateway, through a bridge written by hand, and through Envoy's transcoder, side by side.

All three have the same upstream: nghttpd, which answers every call with one fixed message of the bookstore.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from google.protobuf import descriptor_pb2, json_format
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message

from benchmarks import envoy
from benchmarks.processes import EDGE as EDGE_BUILD
from benchmarks.processes import HERE, Build, Proxy, edge, free_port, pin, running
from benchmarks.rounds import Costs

sys.path.insert(0, str(HERE.parent / "examples" / "bookstore"))

from bookstore.v1 import bookstore_pb2

SERVICE = "bookstore.v1.BookstoreService"
EDGE, NAIVE, ENVOY = "edge", "naive bridge", envoy.NAME

HTTP1, HTTP2 = "HTTP/1.1", "HTTP/2"
H2LOAD = {HTTP1: ["--h1"], HTTP2: ["-m1"]}
"""How h2load is told the protocol."""

CONNECTIONS = 4
"""Connections of the load, with one request at a time on each, as HTTP/1.1 has it."""

SHELF = bookstore_pb2.Shelf(name="shelves/1", theme="History", book_count=12)
BOOK = bookstore_pb2.Book(
    name="shelves/1/books/2",
    title="The Rise and Fall of the Protocols",
    author="Ada Byron",
    year=1998,
    subjects=["networks", "history"],
    format=bookstore_pb2.Book.FORMAT_PAPERBACK,
    price_cents=1999,
    copies=7,
    rating=4.5,
    labels={"shop": "north"},
    etag="5f2c",
)
BOOK.update_time.FromJsonString("2026-01-31T12:00:00Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that is made again and again."""

    path: str
    """The path."""

    answer: Message | None
    """What is answered, or None when only the status counts."""

    body: bytes = b""
    """What is posted. Empty for GET."""

    allowed: float | None
    """How many times the CPU of the naive bridge the gateway may take, or None for any."""


def _json(message: Message) -> bytes:
    return json_format.MessageToJson(message, indent=None).encode()


REQUESTS = {
    f"GET a shelf of {len(_json(SHELF))} B": Request(path="/v1/shelves/1", answer=SHELF, allowed=1.0),
    f"GET a book of {len(_json(BOOK))} B": Request(path="/v1/shelves/1/books/2", answer=BOOK, allowed=1.0),
    f"POST a book of {len(_json(BOOK))} B": Request(
        path="/v1/shelves/1/books", answer=BOOK, body=_json(BOOK), allowed=1.0
    ),
    "GET, answered without upstream": Request(path="/hello", answer=None, allowed=None),
}
"""By what the tables call them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure: the CPU of each proxy per request, in microseconds."""

    what: str
    """The request."""

    edge: float
    """The gateway."""

    naive: float
    """The bridge written by hand."""

    envoy: float | None
    """Envoy, or None when it is not installed."""

    ratio: float
    """How many times the CPU of the naive bridge the gateway takes."""

    allowed: float | None
    """How many times it may, or None for any."""


def run(rounds: int, count: int) -> list[Row]:
    """Return the figures.

    Args:
        rounds: The rounds of each.
        count: The requests in each round.

    Raises:
        RuntimeError: one of the proxies answers wrongly.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "bookstore.binpb").write_bytes(descriptors())
        upstream = stack.enter_context(bookstore(folder))
        proxies = [stack.enter_context(naive(upstream)), stack.enter_context(gateway(upstream, folder))]
        if envoy.envoy_path() is not None:
            proxies.append(stack.enter_context(envoy.envoy(upstream, folder, folder / "bookstore.binpb", SERVICE)))
        rows = []
        for what, request in REQUESTS.items():
            for proxy in proxies:
                check(proxy, request)
            costs = Costs(proxies, partial(load, request=request), count, rounds)
            rows.append(
                Row(
                    what=what,
                    edge=costs.microseconds(EDGE),
                    naive=costs.microseconds(NAIVE),
                    envoy=costs.microseconds(ENVOY) if len(proxies) > 2 else None,
                    ratio=costs.ratio(EDGE, NAIVE),
                    allowed=request.allowed,
                )
            )
        return rows


def check(proxy: Proxy, request: Request) -> None:
    """Look at one answer: h2load counts every 2xx as a success, whatever is in it.

    Raises:
        RuntimeError: it is wrong.
    """
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    headers = {"content-type": "application/json"} if request.body else {}
    connection.request("POST" if request.body else "GET", request.path, request.body or None, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    expected = request.answer and json_format.MessageToDict(request.answer)
    right = answer.getheader("content-type", "").startswith("application/json")
    if answer.status != 200 or (expected is not None and not (right and json.loads(data) == expected)):
        raise RuntimeError(f"{proxy.name} answers {request.path} with {answer.status} {data!r}")


def load(port: int, count: int, *, request: Request, protocol: str = HTTP1) -> None:
    """Make requests with h2load.

    Args:
        port: Where to.
        count: How many.
        request: Which one.
        protocol: `HTTP/1.1` or `HTTP/2`. One request at a time on each connection either way.

    Raises:
        RuntimeError: not every one was answered with 200.
    """
    with tempfile.NamedTemporaryFile() as body:
        command = ["h2load", "-n", str(count), "-c", str(min(CONNECTIONS, count)), *H2LOAD[protocol]]
        if request.body:
            body.write(request.body)
            body.flush()
            command += ["-d", body.name, "-H", "content-type: application/json"]
        process = subprocess.Popen([*command, f"http://127.0.0.1:{port}{request.path}"], stdout=subprocess.PIPE)
        pin(process, measured=False)
        output = process.communicate()[0].decode()
    if f"{count} 2xx" not in output:
        raise RuntimeError(output)


def descriptors() -> bytes:
    """Return the bookstore's files with all that they import, as a FileDescriptorSet."""
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(file: FileDescriptor) -> None:
        if file.name not in files:
            for dependency in file.dependencies:
                add(dependency)
            files[file.name] = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)

    add(bookstore_pb2.DESCRIPTOR)
    return descriptor_pb2.FileDescriptorSet(file=files.values()).SerializeToString()


@contextlib.contextmanager
def bookstore(folder: Path) -> Iterator[int]:
    """Run a very fast upstream that knows one shelf and one book, and yield its port."""
    if shutil.which("nghttpd") is None:
        raise SystemExit("nghttpd not found: apt-get install nghttp2-server")
    answers = {"GetShelf": SHELF, "GetBook": BOOK, "CreateBook": BOOK}
    files = folder / "served" / SERVICE
    files.mkdir(parents=True)
    for method, message in answers.items():
        data = message.SerializeToString()
        (files / method).write_bytes(b"\0" + len(data).to_bytes(4, "big") + data)
    port = free_port()
    command = ["nghttpd", "--no-tls", "-a", "127.0.0.1", "--trailer", "grpc-status: 0", "-m", "1000"]
    with running([*command, "-d", str(folder / "served"), str(port)], port):
        yield port


@contextlib.contextmanager
def naive(upstream: int) -> Iterator[Proxy]:
    """Run the bridge written by hand."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.naive_bridge", str(port), f"127.0.0.1:{upstream}"]
    with running(command, port, measured=True) as process:
        yield Proxy(NAIVE, port, psutil.Process(process.pid))


@contextlib.contextmanager
def gateway(upstream: int, folder: Path, build: Build = EDGE_BUILD) -> Iterator[Proxy]:
    """Run the gateway with the bookstore and a route that answers by itself."""
    configured = {
        "schemas": [{"name": "schemas/bookstore", "file": str(folder / "bookstore.binpb")}],
        "upstreams": [
            {
                "name": "upstreams/bookstore",
                "static": {"endpoints": [{"address": f"127.0.0.1:{upstream}"}]},
                "schema": "schemas/bookstore",
            }
        ],
        "routes": [
            {
                "name": "routes/bookstore",
                "matches": [{"grpc": {"service": SERVICE}}],
                "forward": {"upstreams": [{"upstream": "upstreams/bookstore"}]},
                "transcoding": {},
                "timeout": "5s",
            },
            {
                "name": "routes/hello",
                "matches": [{"http": {"path": "/hello"}}],
                "direct_response": {"code": 0},
            },
        ],
    }
    with edge(configured, folder, listener="http", build=build) as proxy:
        yield proxy
