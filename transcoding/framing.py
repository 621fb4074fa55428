"""The enveloped framing that gRPC, gRPC-Web and Connect share: a byte of flags, four of length, the payload.

Sources: gRPC doc/PROTOCOL-HTTP2.md (Length-Prefixed-Message), doc/PROTOCOL-WEB.md, Connect protocol
(Enveloped-Message).
No I/O is done here: bytes go in, frames come out.
"""

from __future__ import annotations

import struct

_HEAD = struct.Struct(">BI")

COMPRESSED = 0x01
"""The flag of a payload that is compressed, in all three protocols."""


class FrameTooLargeError(Exception):
    """A frame announces a longer payload than allowed.

    Args:
        size: The announced length in bytes.
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"a frame of {size} bytes")
        self.size = size


class CutFrameError(Exception):
    """The bytes ended within a frame.

    Args:
        missing: What is missing, in words.
    """

    def __init__(self, missing: str) -> None:
        super().__init__(missing)
        self.missing = missing


def frame(flags: int, payload: bytes) -> bytes:
    """Return a frame.

    Args:
        flags: The first byte.
        payload: The message, or whatever the flags say.
    """
    return _HEAD.pack(flags, len(payload)) + payload


class FrameDecoder:
    """Finds the frames in bytes that come in pieces of any size.

    Args:
        limit: The longest payload in bytes. A longer one is refused by its head, before it is kept.
    """

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: int) -> None:
        self._held = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._held += data

    def take(self) -> tuple[int, bytes] | None:
        """Return the flags and the payload of the next frame, or None when it is not whole yet.

        Raises:
            FrameTooLargeError: its payload is longer than allowed.
        """
        held = self._held
        if len(held) < _HEAD.size:
            return None
        flags, size = _HEAD.unpack_from(held)
        if size > self._limit:
            raise FrameTooLargeError(size)
        end = _HEAD.size + size
        if len(held) < end:
            return None
        payload = bytes(memoryview(held)[_HEAD.size : end])
        del held[:end]
        return flags, payload

    def end(self) -> None:
        """Say that no more bytes come.

        Raises:
            CutFrameError: there is half a frame left.
        """
        held = len(self._held)
        if not held:
            return
        if held < _HEAD.size:
            raise CutFrameError(f"{held} of the {_HEAD.size} bytes of a frame's head")
        _, size = _HEAD.unpack_from(self._held)
        raise CutFrameError(f"{held - _HEAD.size} of the {size} bytes of a frame's payload")
