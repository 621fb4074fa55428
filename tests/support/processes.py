"""Real processes that tests start: ready without sleeping, gone at the end, their words in the report of a failure."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import psutil

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 20.0
STOP_SECONDS = 15.0


class ProcessFailed(AssertionError):
    """A process did not do what it was started for; the message has its last words."""


class Process:
    """A process that writes a JSON file when it is ready.

    Args:
        name: What it is called in reports.
        arguments: Its command line, without the ready file.
        folder: Where its files go.
        ready_option: The option that names the ready file.
    """

    running: ClassVar[list[Process]] = []

    def __init__(
        self, name: str, arguments: Sequence[str], folder: Path, *, ready_option: str = "--ready-file"
    ) -> None:
        self.name = name
        self.arguments = list(arguments)
        self.folder = folder
        self.ready_option = ready_option
        self.ready: dict[str, Any] = {}
        self.starts = 0
        self._popen: subprocess.Popen[bytes] | None = None
        self._reported = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{name}.log"
        self.log.write_bytes(b"")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def launch(self) -> None:
        """Start the process and do not wait for it."""
        self.starts += 1
        ready = self._ready_file
        ready.unlink(missing_ok=True)
        paths = [str(ROOT), str(ROOT / "gen"), str(ROOT / "tests" / "protos")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [*self.arguments, self.ready_option, str(ready)],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        Process.running.append(self)

    def wait_ready(self, within: float = START_SECONDS) -> None:
        """Wait for the ready file."""
        end = time.monotonic() + within
        while True:
            try:
                self.ready = json.loads(self._ready_file.read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                pass
            else:
                return
            if (code := self.popen.poll()) is not None:
                self._forget()
                raise ProcessFailed(f"{self.name} ended with {code} before it was ready:\n{self.output()}")
            if time.monotonic() > end:
                self.kill()
                raise ProcessFailed(f"{self.name} was not ready within {within:g} s:\n{self.output()}")
            time.sleep(0.01)

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        self.launch()
        self.wait_ready()

    def stop(self) -> int:
        """Ask the process to end; kill it when it does not. Return the exit code."""
        if self._popen is None:
            return 0
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGCONT)
            self._popen.terminate()
        return self.wait()

    def wait(self, within: float = STOP_SECONDS) -> int:
        """Wait for the end; kill the process when it does not come. Return the exit code."""
        try:
            code = self.popen.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ProcessFailed(f"{self.name} did not end within {within:g} s:\n{self.output()}") from None
        self._forget()
        return code

    def kill(self) -> None:
        """End the process at once."""
        if self._popen is not None and self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()
        self._forget()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    @property
    def popen(self) -> subprocess.Popen[bytes]:
        """The process."""
        assert self._popen is not None, f"{self.name} is not started"
        return self._popen

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def rss(self) -> int:
        """The resident memory in bytes."""
        return int(psutil.Process(self.popen.pid).memory_info().rss)

    def output(self, limit: int = 20_000) -> str:
        """Return the last of what the process wrote."""
        return self.log.read_bytes()[-limit:].decode(errors="replace")

    def news(self) -> str:
        """Return what the process wrote since the last time this was asked."""
        data = self.log.read_bytes()
        found, self._reported = data[self._reported :], len(data)
        return found[-20_000:].decode(errors="replace")

    @property
    def _ready_file(self) -> Path:
        return self.folder / f"{self.name}.ready"

    def _forget(self) -> None:
        if self in Process.running:
            Process.running.remove(self)


def python(*arguments: str) -> list[str]:
    """Return the command line of a Python module of this environment."""
    return [sys.executable, "-m", *arguments]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
