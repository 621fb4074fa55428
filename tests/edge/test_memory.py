"""What becomes of freed memory."""

import platform
import subprocess
import sys

import pytest

ROUNDS = 200
SIZE = 512 * 1024

PROGRAM = f"""
import resource, sys
from edge import memory
if sys.argv[1] == "kept":
    assert memory.keep_freed()
bytes({SIZE})
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ROUNDS}):
    pieces = [bytearray(b"1") * {SIZE} for _ in range(4)]
    del pieces
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_the_pages_of_large_pieces_stay() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "kept"],
        check=True,
        capture_output=True,
        text=True,
        env={},
    )
    # new memory for each piece would take 128 pages every time
    assert int(done.stdout) < ROUNDS * 4 * SIZE / 4096 / 10
