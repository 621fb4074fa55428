from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.listeners.http_masks import MaskCheck


def frame(size: int, *, masked: bool = True, opcode: int = 0x82) -> bytes:
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes((opcode, bit | size))
    elif size < 65536:
        head = bytes((opcode, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((opcode, bit | 127)) + size.to_bytes(8, "big")
    # what looks like the head of a frame that is not masked
    return head + (b"mask" if masked else b"") + b"\x81\x05" * (size // 2) + b"\x81" * (size % 2)


SIZES = st.lists(st.sampled_from([0, 1, 2, 125, 126, 127, 300, 65535, 65536, 70_000]), max_size=5)


@given(sizes=SIZES, places=st.lists(st.integers(0, 200_000), max_size=20), last=st.booleans())
def test_the_first_frame_without_a_mask_is_seen_however_the_bytes_are_split(
    sizes: list[int], places: list[int], last: bool
) -> None:
    data = b"".join(frame(size) for size in sizes) + frame(5, masked=last)
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    check = MaskCheck()
    found = [check.masked(data[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    assert all(found) is last


def test_one_byte_at_a_time() -> None:
    check = MaskCheck()
    data = frame(0) + frame(126) + frame(3, opcode=0x89)
    assert all(check.masked(bytes((byte,))) for byte in data)
    assert check.masked(b"\x81")
    assert not check.masked(b"\x05")
