"""Whatever bytes come, a gRPC-Web caller gets a proper ending, and an upstream gets whole messages only."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from edge.model.http import HttpRequest
from edge.model.schema import Shape
from edge.model.status import Code
from tests.support.http_exchange import Talk, split
from tests.transcoding.grpc_web.test_responder import PATH, TEXT, WEB, status_of
from transcoding.framing import frame
from transcoding.grpc_web import grpc_web_responder

SHAPES = st.sampled_from([*Shape, None])
CUTS = st.lists(st.integers(0, 500), max_size=8)
FRAMES = st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 0x80, 7]), st.binary(max_size=50)), max_size=4)


async def ending_of(kind: str, encoding: str, shape: Shape | None, pieces: list[bytes], length: int | None) -> Talk:
    headers = [("content-type", kind), ("grpc-encoding", encoding)]
    if length is not None:
        headers.append(("content-length", str(length)))
    request = HttpRequest("POST", PATH, headers)
    call = Talk(request, grpc_web_responder(request, shape), body=pieces, limit=40)
    finished = await call.run()
    code, _ = status_of(call.exchange)
    assert code == finished.code
    assert code not in (Code.UNKNOWN, Code.UNAVAILABLE)
    assert "error " not in finished.message, "nothing unforeseen happened"
    return call


@given(
    kind=st.sampled_from([WEB, TEXT]),
    encoding=st.sampled_from(["", "gzip", "identity", "foo"]),
    shape=SHAPES,
    body=st.one_of(st.binary(max_size=120), FRAMES.map(lambda found: b"".join(frame(*each) for each in found))),
    cuts=CUTS,
    sized=st.booleans(),
)
def test_arbitrary_bytes_end_properly(
    kind: str, encoding: str, shape: Shape | None, body: bytes, cuts: list[int], sized: bool
) -> None:
    asyncio.run(ending_of(kind, encoding, shape, split(body, cuts), len(body) if sized else None))


@given(messages=st.lists(st.binary(max_size=40), max_size=5), cut=st.integers(0, 230), cuts=CUTS)
def test_an_upstream_sees_no_part_of_a_message(messages: list[bytes], cut: int, cuts: list[int]) -> None:
    body = b"".join(frame(0, message) for message in messages)[:cut]
    call = asyncio.run(ending_of(WEB, "", Shape.BIDI_STREAM, split(body, cuts), None))
    assert call.upstream.requests == messages[: len(call.upstream.requests)]
    whole = b"".join(frame(0, message) for message in call.upstream.requests)
    assert body.startswith(whole)
    assert (call.finished[0].code is Code.OK) == (body == whole)
