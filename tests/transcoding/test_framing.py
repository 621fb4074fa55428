"""Frames in bytes that come in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.http_exchange import split
from transcoding.framing import CutFrameError, FrameDecoder, FrameTooLargeError, frame

FRAMES = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=6)


def test_a_frame_is_a_byte_of_flags_four_of_length_and_the_payload() -> None:
    assert frame(0, b"\x0a\x03foo") == bytes.fromhex("00000000050a03666f6f")
    assert frame(0x80, b"") == bytes.fromhex("8000000000")


@given(FRAMES, st.lists(st.integers(0, 300), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_frames(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    decoder = FrameDecoder(40)
    found = []
    for piece in split(b"".join(frame(*each) for each in frames), cuts):
        decoder.feed(piece)
        while (each := decoder.take()) is not None:
            found.append(each)
    decoder.end()
    assert found == frames


@given(st.binary(max_size=60), st.integers(1, 59))
def test_a_cut_frame_is_never_given_out(payload: bytes, missing: int) -> None:
    whole = frame(0, payload)
    decoder = FrameDecoder(100)
    decoder.feed(whole[: max(1, len(whole) - missing)])
    assert decoder.take() is None
    with pytest.raises(CutFrameError):
        decoder.end()


def test_what_is_missing_is_said() -> None:
    decoder = FrameDecoder(100)
    decoder.feed(b"\0\0")
    with pytest.raises(CutFrameError, match="2 of the 5 bytes of a frame's head"):
        decoder.end()
    decoder.feed(b"\0\0\x05abc")
    with pytest.raises(CutFrameError, match="3 of the 5 bytes of a frame's payload"):
        decoder.end()


def test_a_payload_at_the_limit_passes_and_a_longer_one_is_refused_by_its_head() -> None:
    decoder = FrameDecoder(4)
    decoder.feed(frame(0, b"1234"))
    assert decoder.take() == (0, b"1234")
    decoder.feed(b"\0\xff\xff\xff\xff")
    with pytest.raises(FrameTooLargeError) as caught:
        decoder.take()
    assert caught.value.size == 0xFFFFFFFF


@given(st.binary(max_size=200))
def test_arbitrary_bytes_end_in_frames_or_in_one_of_the_two_errors(data: bytes) -> None:
    decoder = FrameDecoder(64)
    decoder.feed(data)
    seen = b""
    try:
        while (each := decoder.take()) is not None:
            seen += frame(*each)
        decoder.end()
    except (FrameTooLargeError, CutFrameError):
        assert data.startswith(seen)
        assert len(seen) < len(data)
    else:
        assert seen == data
