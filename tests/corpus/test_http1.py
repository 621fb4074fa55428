"""The client and the requests of cases, against a server that plays bytes back."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.corpus.cases import Case, Json
from tests.corpus.http1 import Connection, Request, exchange
from tests.corpus.requests import requests


@asynccontextmanager
async def playing(data: bytes, until: Callable[[bytes], bool]) -> AsyncIterator[tuple[str, bytearray]]:
    """A server that reads until the request is whole, then sends bytes and closes."""
    got = bytearray()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not until(bytes(got)):
            got.extend(await reader.read(65536))
        writer.write(data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", got


def headed(data: bytes) -> bool:
    return data.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("data", "body", "complete"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", b"abc", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", b"a", False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\n\r\nall", b"all", True),
    ],
)
async def test_a_body_is_read_as_it_is_framed(data: bytes, body: bytes, complete: bool) -> None:
    async with playing(data, headed) as (address, _):
        answer = await exchange(address, "h.test", Request("GET", "/"))
    assert (answer.body, answer.complete) == (body, complete)


async def test_an_answer_to_head_has_no_body() -> None:
    async with playing(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", headed) as (address, _):
        assert (await exchange(address, "h.test", Request("HEAD", "/"))).complete


@pytest.mark.parametrize("data", [b"", b"SMTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b"])
async def test_what_is_no_answer_is_an_error(data: bytes) -> None:
    async with playing(data, headed) as (address, _):
        with pytest.raises(ConnectionError):
            await exchange(address, "h.test", Request("GET", "/"))


async def test_a_target_is_sent_as_it_is() -> None:
    async with playing(b"HTTP/1.1 204 No\r\n\r\n", headed) as (address, got):
        await exchange(address, "h.test", Request("PROPFIND", "//a/%2e%2E/../b?x=%zz+ü", (("X-Odd", "caf\xe9"),)))
    assert got.startswith("PROPFIND //a/%2e%2E/../b?x=%zz+ü HTTP/1.1\r\nHost: h.test\r\n".encode())
    assert b"X-Odd: caf\xe9\r\n" in got


async def test_pieces_are_seen_when_they_come() -> None:
    first = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: 1\r\nA: 2, 3\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\nT: x\r\n\r\n"
    )
    async with playing(first, headed) as (address, _), Connection(address) as connection:
        await connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await connection.head()).values("a") == ["1", "2", "3"]
        assert [piece async for piece in connection.chunks()] == [b"a", b"b"]
        assert connection.answer.trailers == [("t", "x")]


def encoded(request: Request) -> bytes:
    return b"".join(request.encode("h"))


def made(request: Json, **more: object) -> list[Request]:
    raw = {"id": "x", "kind": "body_binding", "normative": "must", "request": request, **more}
    return [sent.request for sent in requests(Case(0, raw))]


def test_a_body_is_sent_with_its_length_or_in_chunks() -> None:
    request = {"method": "POST", "path": "/b", "query": "a=1", "headers": {"content-type": "x/y"}, "body": "hé"}
    plain, chunked = made(request)
    assert encoded(chunked).endswith(b"Transfer-Encoding: chunked\r\n\r\n3\r\nh\xc3\xa9\r\n0\r\n\r\n")
    assert (
        encoded(plain)
        == (
            "POST /b?a=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\ncontent-type: x/y\r\nContent-Length: 3\r\n\r\nhé"
        ).encode()
    )
    (cut,) = made(request, options={"send": "one byte a chunk, transfer-encoding: chunked"})
    assert encoded(cut).endswith(b"Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\n\xc3\r\n1\r\n\xa9\r\n0\r\n\r\n")
    assert encoded(made({"method": "POST", "path": "/b"})[0]).endswith(b"Content-Length: 0\r\n\r\n")
    assert b"Content-Length" not in encoded(made({"method": "GET", "path": "/b"})[0])


def test_recipes() -> None:
    deep = {"repeat_open": "[", "value": "1", "repeat_close": "]", "depth": 2}
    assert [one.body for one in made({"method": "POST", "path": "/", "body_generated": deep})] == [b"[[1]]"]
    filled = {"prefix": "<", "fill": "ab", "fill_bytes": [3], "suffix": ">"}
    assert [(one.body, one.chunk) for one in made({"method": "POST", "path": "/", "body_generated": filled})] == [
        (b"<aba>", None),
        (b"<aba>", 1),
    ]
    counted = {"bytes": "i % 3 for i in range(n)", "n": [4], "with_and_without_content_length": True}
    assert [(one.body, one.chunk) for one in made({"method": "POST", "path": "/", "body_generated": counted})] == [
        (b"\0\1\2\0", None),
        (b"\0\1\2\0", 16384),
    ]
    packed = made({"method": "POST", "path": "/"}, options={"body_before_gzip": "{}"})[0].body
    assert packed is not None
    assert gzip.decompress(packed) == b"{}"
    path = {"prefix": "/a", "repeat": "/", "count": 3, "suffix": "x"}
    assert made({"method": "GET", "path_template": path})[0].target == "/a///x"
    assert [one.body for one in made({"method": "POST", "path": "/", "body_base64": "AAE="})] == [b"\0\1"] * 2


def test_a_sweep_is_a_request_for_each_byte_and_case() -> None:
    sweep = {"path_format": "/%HH", "bytes_from": 9, "bytes_to_inclusive": 10, "hex_case": ["lower", "upper"]}
    raw = {"id": "x", "kind": "percent_decoding", "normative": "must", "sweep": sweep}
    found = list(requests(Case(0, raw)))
    assert [sent.request.target for sent in found] == ["/%09", "/%09", "/%0a", "/%0A"]
    assert [sent.fill for sent in found] == ["\t", "\t", "\n", "\n"]


def test_an_unknown_recipe_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown recipe"):
        made({"method": "POST", "path": "/", "body_generated": {"bytes": "os.urandom(n)", "n": 1}})
    with pytest.raises(ValueError, match="unknown words about the request: mood"):
        made({"method": "GET", "path": "/", "mood": "good"})
    with pytest.raises(ValueError, match="unknown way to send"):
        made({"method": "POST", "path": "/", "body": ""}, options={"send": "by pigeon"})
