from __future__ import annotations

import grpc
import pytest

from tests.corpus.backend import Backend, Reply, reply
from tests.support.raw_peer import RawClient
from tests.support.rpc import connect, failure


async def test_the_grpc_upstream_answers_with_what_it_was_sent() -> None:
    async with Backend() as backend, connect(backend.grpc_address) as channel:
        assert await channel.unary_unary("/a.B/M")(b"one", metadata=[("x-k", "v")]) == b"one"
        assert await channel.stream_unary("/a.B/N")(iter((b"1", b"2"))) == b"1"
        first, second = backend.take("a.B")
        assert (first.method, first.messages) == ("M", [b"one"])
        assert ("x-k", "v") in first.metadata
        assert second.messages == [b"1", b"2"]
        assert backend.take("a.B") == []


async def test_the_grpc_upstream_answers_what_it_is_told() -> None:
    async with Backend() as backend, connect(backend.grpc_address) as channel:
        backend.replies["a.B"] = Reply(messages=[b"1", b"2"], status=5, message="no such thing")
        call = channel.unary_stream("/a.B/M")(b"")
        assert [await call.read(), await call.read()] == [b"1", b"2"]
        error = await failure(call.read())
        assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing")
        backend.replies["a.B"] = Reply(hang=True)
        error = await failure(channel.unary_unary("/a.B/M")(b"", timeout=0.1))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("upstream", "status", "data", "trailers_only"),
    [
        ({"grpc_status": 1024}, 1024, b"", True),
        ({"grpc_status": 5, "grpc_message": "m", "form": "trailers-only"}, 5, b"", True),
        ({"grpc_status": 5, "form": "headers first, then trailers, no message"}, 5, b"", False),
        ({"raw_body_hex": "0a", "grpc_status": 0}, 0, b"\x0a", False),
        ({"grpc_status": 5, "grpc_status_details_bin": "CAU"}, 5, b"", True),
        ({"grpc_status": 5, "grpc_message_raw": "%zz"}, 5, b"", True),
        ({"grpc_status": None}, None, b"", False),
    ],
)
async def test_the_raw_upstream_says_what_grpc_cannot(
    upstream: dict[str, object], status: int | None, data: bytes, trailers_only: bool
) -> None:
    async with Backend() as backend, RawClient(backend.raw_address) as client:
        made = backend.replies["a.B"] = reply(upstream, [])
        assert made.raw
        stream = await client.call("/a.B/M", b"x")
        assert stream.grpc_status == status
        assert bytes(stream.data) == data
        assert stream.headers_ended is trailers_only
        assert len(backend.take("a.B")) == 1


async def test_the_raw_upstream_answers_with_plain_http() -> None:
    async with Backend() as backend, RawClient(backend.raw_address) as client:
        backend.replies["a.B"] = reply(
            {"http_response": {"status": 200, "content_type": "text/plain", "content_length": 24}}, []
        )
        stream = await client.call("/a.B/M", b"x")
        assert stream.header(":status") == "200"
        assert stream.header("content-type") == "text/plain"
        assert len(stream.data) == 24
        assert stream.grpc_status is None
        backend.replies["a.B"] = reply({"http_response": {"status": 502, "body": ""}}, [])
        stream = await client.call("/a.B/M", b"x")
        assert (stream.header(":status"), stream.headers_ended) == ("502", True)


async def test_a_message_is_encoded_unless_it_is_given_as_it_stands_on_the_wire() -> None:
    async with Backend() as backend, RawClient(backend.raw_address) as client:
        for upstream, expected in (
            ({"grpc_status": 5, "grpc_message": "ä%\n", "form": "trailers-only"}, "%C3%A4%25%0A"),
            ({"grpc_status": 5, "grpc_message_raw": "%zz ok"}, "%zz ok"),
        ):
            backend.replies["a.B"] = reply(upstream, [])
            assert (await client.call("/a.B/M", b"x")).trailer("grpc-message") == expected


def test_an_upstream_that_says_more_is_not_understood() -> None:
    with pytest.raises(ValueError, match="unknown words about the upstream: mood"):
        reply({"mood": "good"}, [])


def test_what_grpc_can_say_is_not_raw() -> None:
    assert not reply({"grpc_status": 16, "grpc_message": "m"}, [b""]).raw
    assert not Reply().raw
