"""The bookstore of the examples as a process."""

from __future__ import annotations

import re
import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.support.processes import ROOT

STOP_SECONDS = 10.0


class Bookstore:
    """A bookstore on a free port.

    Args:
        name: What its answers have as `x-served-by`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = ""
        """Host and port, once it runs."""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        server = ROOT / "examples" / "bookstore" / "server.py"
        command = [sys.executable, str(server), "--port", "0", "--name", self.name]
        self._process = process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.fullmatch(r"bookstore \S+ listens on (127\.0\.0\.1:\d+)\n", line)
        assert match, f"the bookstore said {line!r}"
        self.address = match[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
