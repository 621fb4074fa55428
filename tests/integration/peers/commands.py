"""Programs that people call a gateway with, and what they said."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from pathlib import Path

LONGEST = 60.0
"""The seconds a program may take."""


@dataclass(frozen=True)
class Said:
    """What a program said."""

    code: int
    """Its exit code."""

    out: bytes
    """What it wrote."""

    err: str
    """What it complained of."""

    @property
    def text(self) -> str:
        """What it wrote, as text."""
        return self.out.decode(errors="replace")


async def run(*command: str) -> Said:
    """Run a program to its end.

    Raises:
        TimeoutError: it did not end in time.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LONGEST):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Said(process.returncode, out, err.decode(errors="replace"))


def framed(*messages: bytes) -> bytes:
    """Return messages as they stand in the body of a call."""
    return b"".join(b"\0" + struct.pack(">I", len(message)) + message for message in messages)


def unframed(body: bytes) -> list[bytes]:
    """Return the messages within the body of an answer, none of which is compressed."""
    found = []
    while body:
        assert len(body) >= 5
        assert body[0] == 0, "a compressed message"
        (size,) = struct.unpack_from(">I", body, 1)
        assert len(body) >= 5 + size, "half a message"
        found.append(body[5 : 5 + size])
        body = body[5 + size :]
    return found


def body_file(folder: Path, *messages: bytes) -> str:
    """Write messages into a file for the body of a call; return its path."""
    file = folder / "body"
    file.write_bytes(framed(*messages))
    return str(file)
