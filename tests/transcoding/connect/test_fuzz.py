"""Whatever bytes come, a Connect caller gets a proper ending."""

from __future__ import annotations

import asyncio

import orjson
from hypothesis import given
from hypothesis import strategies as st

from edge.model.call import Protocol
from edge.model.http import HttpRequest
from edge.model.status import Code
from tests.support.http_exchange import Talk, split
from tests.transcoding.connect.books import BIDI, CLIENT_STREAM, SERVER_STREAM, UNARY, get, offer_of, post
from tests.transcoding.connect.test_stream import end_of
from transcoding.connect import connect_responder
from transcoding.framing import frame
from transcoding.render import CONNECT_CODES

CUTS = st.lists(st.integers(0, 500), max_size=8)
JSONISH = st.sampled_from([b"{}", b'{"name":"a"}', b'{"subject":1}', b'{"name":', b"", b"[]", b"\xff"])
PAYLOADS = st.one_of(JSONISH, st.binary(max_size=50))
FRAMES = st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 2, 7]), PAYLOADS), max_size=4)
FOUL = {Code.UNKNOWN, Code.UNAVAILABLE}


async def talk(request: HttpRequest, pieces: list[bytes]) -> Talk:
    responder = connect_responder(request, offer_of(request.path.rpartition("/")[2]))
    assert responder is not None
    call = Talk(request, responder, body=pieces, limit=40, protocol=Protocol.CONNECT)
    finished = await call.run()
    assert finished.code not in FOUL
    assert "error " not in finished.message, "nothing unforeseen happened"
    return call


@given(
    kind=st.sampled_from(["json", "proto"]),
    method=st.sampled_from([SERVER_STREAM, CLIENT_STREAM, BIDI]),
    encoding=st.sampled_from(["", "gzip", "br"]),
    body=st.one_of(st.binary(max_size=120), FRAMES.map(lambda found: b"".join(frame(*each) for each in found))),
    cuts=CUTS,
)
def test_any_stream_of_bytes_ends_properly(kind: str, method: str, encoding: str, body: bytes, cuts: list[int]) -> None:
    request = post(method, f"application/connect+{kind}", ("connect-content-encoding", encoding))
    call = asyncio.run(talk(request, split(body, cuts)))
    error = end_of(call.exchange).get("error", {})
    assert error.get("code") == CONNECT_CODES.get(call.finished[0].code)


@given(
    kind=st.sampled_from(["json", "proto"]),
    encoding=st.sampled_from(["", "gzip", "br"]),
    body=PAYLOADS,
    cuts=CUTS,
)
def test_any_body_of_a_unary_call_ends_properly(kind: str, encoding: str, body: bytes, cuts: list[int]) -> None:
    request = post(UNARY, f"application/{kind}", ("content-encoding", encoding))
    call = asyncio.run(talk(request, split(body, cuts)))
    code = call.finished[0].code
    if code is not Code.OK:
        assert orjson.loads(call.exchange.body)["code"] == CONNECT_CODES[code]


@given(
    st.sampled_from(["json", "proto", "xml"]),
    st.text(st.characters(max_codepoint=255), max_size=60),
    st.booleans(),
)
def test_any_query_of_a_get_ends_properly(encoding: str, message: str, base64: bool) -> None:
    query = f"connect=v1&encoding={encoding}&message={message}{'&base64=1' if base64 else ''}"
    call = asyncio.run(talk(get(UNARY, query), []))
    assert call.exchange.finished
