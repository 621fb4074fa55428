"""Messages in any pieces, of any size, compressed or not."""

from __future__ import annotations

import gzip

import pytest

from edge.model.settings import Limits
from edge.model.status import Code
from edge.model.upstreams import Compression
from tests.edge.proxy.invoke_backend import ENDING, GRPC_HEAD, Backend
from tests.edge.proxy.invoke_place import Wishes, nothing_left, place
from tests.support.raw_peer import RawServer, RawStream, frame


@pytest.mark.parametrize("size", [0, 1, 16_379, 16_380, 65_535, 300_000, 3_000_000])
async def test_messages_of_any_size_get_through(backend: Backend, size: int) -> None:
    limits = Limits(stream_buffer_bytes=20_000, connection_buffer_bytes=65_535)
    message = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with place("wire", backend.address, wishes=Wishes(limits=limits)) as made:
        assert (await made.unary("Echo", message)).messages == [message]
        assert (await made.exchange("StreamEcho", [message, message[:10], message])).messages == [
            message,
            message[:10],
            message,
        ]
        await nothing_left(made)


@pytest.mark.parametrize("shape", ["unary", "stream"])
async def test_messages_in_any_pieces(shape: str) -> None:
    async def answer(stream: RawStream) -> None:
        await stream.until(lambda: stream.ended)
        await stream.send_headers([*GRPC_HEAD, ("grpc-encoding", "deflate")])
        octets = frame(b"hello", 0) if shape == "unary" else frame(b"") + frame(b"hello") + frame(b"you") * 2
        for at in range(len(octets)):
            await stream.send(octets[at : at + 1])
        await stream.send_headers(ENDING, end=True)

    async with RawServer(answer) as server, place("wire", server.address) as made:
        if shape == "unary":
            assert (await made.unary("M", b"")).messages == [b"hello"]
        else:
            assert (await made.exchange("M", [])).messages == [b"", b"hello", b"you", b"you"]
        await nothing_left(made)


@pytest.mark.parametrize("shape", ["unary", "stream"])
async def test_a_compressed_message_has_a_bound(shape: str) -> None:
    async def answer(stream: RawStream) -> None:
        await stream.send_headers([*GRPC_HEAD, ("grpc-encoding", "gzip")])
        await stream.send(frame(gzip.compress(bytes(10_000_000)), 1))
        await stream.send_headers(ENDING, end=True)

    async with (
        RawServer(answer) as server,
        place("wire", server.address, wishes=Wishes(max_response=9_999_999)) as made,
    ):
        outcome = await (made.unary("M", b"") if shape == "unary" else made.exchange("M", []))
        assert (outcome.kind, outcome.code) == ("ResponseTooLarge", Code.RESOURCE_EXHAUSTED)
        assert "once decompressed" in outcome.message
        await nothing_left(made)
    async with (
        RawServer(answer) as server,
        place("wire", server.address, wishes=Wishes(max_response=10_000_000)) as made,
    ):
        outcome = await (made.unary("M", b"") if shape == "unary" else made.exchange("M", []))
        assert outcome.messages == [bytes(10_000_000)]
        assert outcome.call.response_bytes == 10_000_000


@pytest.mark.parametrize("wanted", [Compression.GZIP, Compression.DEFLATE])
async def test_an_upstream_gets_its_messages_compressed(backend: Backend, wanted: Compression) -> None:
    asked = []

    async def answer(stream: RawStream) -> None:
        await stream.until(lambda: stream.ended)
        asked.append((stream.header("grpc-encoding"), stream.data[0], len(stream.data)))
        await stream.respond([b""])

    wishes = Wishes(compression=wanted)
    async with RawServer(answer) as server, place("wire", server.address, wishes=wishes) as made:
        assert (await made.unary("M", bytes(10_000))).code is Code.OK
        assert (await made.exchange("M", [bytes(10_000)])).code is Code.OK
        assert (await made.unary("M", b"x")).code is Code.OK
    assert [(name, flag, size < 1000) for name, flag, size in asked] == [
        (wanted.value, 1, True),
        (wanted.value, 1, True),
        (wanted.value, 0, True),
    ]
    async with place("wire", backend.address, wishes=wishes) as made:
        assert (await made.unary("Echo", bytes(10_000))).messages == [bytes(10_000)]
