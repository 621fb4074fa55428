"""Proves that the committed stubs are what the protos give: generates them again and looks for a difference.

Raises SystemExit with the files that differ. The working tree keeps what was generated, so committing it mends it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import generate


def snapshot() -> dict[Path, bytes]:
    """Return the stubs by path."""
    return {path: path.read_bytes() for _, stubs in generate.SOURCES for path in generate.stale(stubs)}


def main() -> int:
    """Generate, compare, and return the exit code."""
    before = snapshot()
    generate.main([])
    after = snapshot()
    different = sorted(
        path.relative_to(generate.ROOT).as_posix()
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    )
    if different:
        print("these stubs were not what the protos give; they are now, so commit them:", *different, sep="\n  ")
        return 1
    print(f"{len(after)} stubs are what the protos give")
    return 0


if __name__ == "__main__":
    sys.exit(main())
