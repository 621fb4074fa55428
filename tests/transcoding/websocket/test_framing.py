"""Frames of each subprotocol, read and written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.errors import InvalidRequest
from edge.model.status import Code, Status
from tests.transcoding.websocket.books import UNARY, offer, shelf
from transcoding.websocket.framing import FrameRefused, Framing, JsonBody, ProtoBody, Received, make_framing
from transcoding.websocket.handshake import Mode
from transcoding.websocket.requests import Requests

FRAMES = st.one_of(
    st.text(),
    st.binary(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["message", "end", "x"]), inner),
    ).map(json.dumps),
    st.binary().map(lambda data: b"\0" + data),
)
"""Whatever a caller might send."""


def framing(mode: Mode) -> Framing:
    found = offer(UNARY)
    return make_framing(mode, found.codec, Requests(found, None).to_json)


@pytest.mark.parametrize(
    ("mode", "frame", "received"),
    [
        (Mode.BARE, '{"a": 1}', Received(JsonBody({"a": 1}), end=False)),
        (Mode.BARE, "", Received(None, end=True)),
        (Mode.JSON, '{"message": {"a": 1}}', Received(JsonBody({"a": 1}), end=False)),
        (Mode.JSON, '{"message": null}', Received(JsonBody(None), end=False)),
        (Mode.JSON, '{"end": true}', Received(None, end=True)),
        (Mode.JSON, '{"message": {}, "end": true}', Received(JsonBody({}), end=True)),
        (Mode.PROTO, b"\0", Received(ProtoBody(b""), end=False)),
        (Mode.PROTO, b"\0\x0a\x01a", Received(ProtoBody(b"\x0a\x01a"), end=False)),
        (Mode.PROTO, b"\2", Received(None, end=True)),
    ],
)
def test_what_a_frame_holds(mode: Mode, frame: str | bytes, received: Received) -> None:
    assert framing(mode).read(frame) == received


@pytest.mark.parametrize("mode", Mode)
@given(frame=FRAMES)
def test_any_frame_is_read_or_refused(mode: Mode, frame: str | bytes) -> None:
    refusal: FrameRefused | InvalidRequest
    try:
        received = framing(mode).read(frame)
    except (FrameRefused, InvalidRequest) as error:
        refusal = error
    else:
        assert received.body is not None or received.end
        return
    assert refusal.message
    assert refusal.violations
    foreign = isinstance(frame, bytes) is not (mode is Mode.PROTO)
    assert foreign is (isinstance(refusal, FrameRefused) and refusal.close_code == 1003)


def test_a_mistyped_key_is_shown_without_what_it_is_made_of() -> None:
    with pytest.raises(FrameRefused) as caught:
        framing(Mode.JSON).read('{"\\u001b[31mmessage": 1}')
    assert "\x1b" not in caught.value.message


def test_bare_frames_are_messages_only() -> None:
    bare = framing(Mode.BARE)
    assert bare.headers([("a", "b")]) is None
    assert bare.end(Status(Code.ABORTED), ()) is None
    assert bare.message(shelf()) == '{"name":"shelves/sea","theme":"Sea"}'


def test_metadata_that_belongs_to_the_wire_stays_there() -> None:
    frame = framing(Mode.JSON).headers([("grpc-encoding", "gzip"), ("content-type", "x"), ("x-a", "1")])
    assert frame == '{"headers":{"x-a":["1"]}}'
