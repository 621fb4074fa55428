"""Pins dependencies with hashes and without hosts: dev.txt for tests, run.txt for the image, bench.txt for peers.

Needs uv (`pip install uv`), which is not a dependency of the project. grpcio and its companions stay at the versions
that were chosen (ARCHITECTURE.md, "Which grpcio"); everything else takes the newest that fits.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GRPC_VERSION = "1.85.1"
COMPANIONS_VERSION = "1.78.2"
"""The generator's version decides the oldest protobuf runtime, 6; from 1.82 on the others want protobuf 7."""
COMPANIONS = ("grpcio-tools", "grpcio-status", "grpcio-health-checking", "grpcio-reflection")
LOCKS = {
    "dev.txt": ["pyproject.toml", "--extra", "dev"],
    "run.txt": ["pyproject.toml", "--extra", "uvloop", "--extra", "kubernetes"],
    "bench.txt": ["requirements/bench.in"],
}
"""What each file in requirements/ is made from."""


def main() -> int:
    """Write the lock files and return the exit code."""
    if shutil.which("uv") is None:
        print("uv not found: pip install uv")
        return 2
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write(f"grpcio=={GRPC_VERSION}\n")
        constraints.write("".join(f"{package}=={COMPANIONS_VERSION}\n" for package in COMPANIONS))
        constraints.flush()
        for name, source in LOCKS.items():
            command = [
                "uv",
                "pip",
                "compile",
                *source,
                "--universal",
                "--generate-hashes",
                "--upgrade",
            ]
            command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--constraint", constraints.name]
            subprocess.run([*command, "--quiet", "-o", f"requirements/{name}"], cwd=ROOT, check=True)
            print(f"requirements/{name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
