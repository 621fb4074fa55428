"""The processes of the demo: started on free ports, watched until ready, stopped for certain."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.tasks import Tasks

_POLL = 0.02
_LONGEST_LINE = 1 << 20
_STOP_SECONDS = 5.0
_TAIL_LINES = 30


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


class Child:
    """A process of the demo. It has a session of its own: Ctrl-C reaches the demo, and the demo stops its children."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, tasks: Tasks) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._changed = asyncio.Condition()
        self._closed = False
        self.ended = tasks.spawn(self._read(), name=f"output of {name}")

    @classmethod
    async def start(cls, name: str, command: Sequence[str], env: Mapping[str, str], tasks: Tasks) -> Child:
        """Start `command` and read what it says."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=_LONGEST_LINE,
            start_new_session=True,
        )
        return cls(name, process, tasks)

    async def _read(self) -> int:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # a line without an end: not worth the demo
            async for line in self._process.stdout:
                async with self._changed:
                    self._tail.append(line.decode(errors="replace").rstrip())
                    self._changed.notify_all()
        code = await self._process.wait()
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
        return code

    @property
    def output(self) -> str:
        """The last lines the process said."""
        return "\n".join(f"  | {line}" for line in self._tail) or "  (it said nothing)"

    async def said(self, pattern: re.Pattern[str], deadline: float) -> re.Match[str]:
        """Wait for a line that fits and return the match.

        Raises:
            DemoError: The process ended, or `deadline` passed.
        """

        def found() -> re.Match[str] | None:
            return next((match for line in self._tail if (match := pattern.search(line))), None)

        try:
            async with asyncio.timeout(deadline - time.monotonic()), self._changed:
                await self._changed.wait_for(lambda: self._closed or found())
        except TimeoutError:
            raise self._late() from None
        if (match := found()) is None:
            raise self.died()
        return match

    async def wrote(self, path: Path, deadline: float) -> bytes:
        """Wait for a file the process writes and return what is in it.

        Raises:
            DemoError: The process ended, or `deadline` passed.
        """
        while time.monotonic() < deadline:
            if path.exists() and (content := path.read_bytes()):  # noqa: ASYNC240 - a few bytes beside us
                return content
            if self._closed:
                raise self.died()
            await asyncio.wait((self.ended,), timeout=_POLL)
        raise self._late()

    def died(self) -> DemoError:
        """Return the error that says that the process ended and what it said last."""
        return DemoError(f"{self.name} {how_it_ended(self._process.returncode)}; it said last:\n{self.output}")

    def _late(self) -> DemoError:
        return DemoError(f"{self.name} was not ready in time; it said last:\n{self.output}")

    async def stop(self) -> None:
        """Ask the process to stop, insist after a while, and wait until it is gone."""
        for send in (self._process.terminate, self._process.kill):
            with contextlib.suppress(ProcessLookupError):
                send()
            done, _ = await asyncio.wait((self.ended,), timeout=_STOP_SECONDS)
            if done:
                return


def how_it_ended(code: int | None) -> str:
    """Return how a process ended, in words."""
    if code is None:
        return "still runs"
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # what listens is in the way; connections that only linger are not
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
