"""Messages out of frames. What can be wrong with them is shown by the protocols that use this."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.errors import MessageTooLarge, TranscodingFailed, UnsupportedMedia
from edge.model.http import HttpRequest
from edge.model.status import Code
from tests.support.http_exchange import Talk, split
from transcoding.ending import Ending
from transcoding.enveloped import Dialect, MessageReader, is_gzip
from transcoding.framing import frame
from transcoding.session import Session

DIALECT = Dialect("x-encoding", Code.DATA_LOSS)


class Reading:
    """A responder that reads what comes and keeps it."""

    def __init__(self, *, ahead: bool = False) -> None:
        self.messages: list[bytes] = []
        self._ahead = ahead

    async def answer(self, session: Session) -> None:
        reader = MessageReader(session, DIALECT, 100)
        if self._ahead:
            await reader.read_ahead()
        while (message := await reader.read()) is not None:
            self.messages.append(message)
        assert await reader.read() is None, "the end stays the end"

    async def fail(self, session: Session, ending: Ending) -> None:
        await session.respond(ending.http_status, [])


async def read(body: list[bytes], *headers: tuple[str, str], ahead: bool = False) -> tuple[list[bytes], Talk]:
    responder = Reading(ahead=ahead)
    call = Talk(HttpRequest("POST", "/a.B/C", headers), responder, body=body)
    await call.run()
    return responder.messages, call


@given(st.lists(st.binary(max_size=100), max_size=5), st.lists(st.integers(0, 600), max_size=9), st.booleans())
def test_any_split_of_the_bytes_gives_the_same_messages(messages: list[bytes], cuts: list[int], ahead: bool) -> None:
    body = b"".join(frame(0, message) for message in messages)
    found, _ = asyncio.run(read(split(body, cuts), ahead=ahead))
    assert found == messages


async def test_plain_and_compressed_messages_may_alternate() -> None:
    body = frame(0, b"plain") + frame(1, gzip.compress(b"packed")) + frame(1, b"") + frame(0, b"")
    found, _ = await read([body], ("x-encoding", "gzip"))
    assert found == [b"plain", b"packed", b"", b""]


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (frame(0, b"abc")[:-1], Code.DATA_LOSS, TranscodingFailed.reason),
        (frame(9, b"abc"), Code.DATA_LOSS, TranscodingFailed.reason),
        (frame(1, b"abc"), Code.DATA_LOSS, TranscodingFailed.reason),
        (frame(0, bytes(101)), Code.RESOURCE_EXHAUSTED, MessageTooLarge.reason),
        (frame(1, gzip.compress(bytes(101))), Code.RESOURCE_EXHAUSTED, MessageTooLarge.reason),
    ],
)
async def test_a_broken_frame_ends_the_call_behind_the_whole_ones(body: bytes, code: Code, reason: str) -> None:
    found, call = await read([frame(0, b"whole") + body], ("x-encoding", "gzip"))
    assert found == [b"whole"]
    assert (call.finished[0].code, call.call.reason) == (code, reason)


@pytest.mark.parametrize(
    ("named", "expected"), [("", False), ("identity", False), (" GZIP ", True), ("Identity", False)]
)
def test_which_encodings_are_gzip(named: str, expected: bool) -> None:
    assert is_gzip(named, "x-encoding") is expected


@pytest.mark.parametrize("named", ["br", "gzip, br", "\xff" * 100])
def test_an_encoding_that_nobody_knows_is_refused_with_those_that_are_known(named: str) -> None:
    with pytest.raises(UnsupportedMedia, match=r"x-encoding .* is not supported; known are gzip, identity"):
        is_gzip(named, "x-encoding")
