"""The processes of the demo, with small scripts in place of servers."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from edge import demo_processes
from edge.demo_processes import Child, DemoError, how_it_ended, is_free
from edge.tasks import Tasks

READY = re.compile(r"ready (\d+)")


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    tasks = Tasks()
    yield tasks
    await tasks.close()


async def start(script: str, tasks: Tasks) -> Child:
    return await Child.start("it", [sys.executable, "-u", "-c", script], os.environ, tasks)


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


async def test_a_ready_line_is_waited_for(tasks: Tasks) -> None:
    child = await start("import time; print('hello'); print('ready 7'); time.sleep(60)", tasks)
    assert (await child.said(READY, soon()))[1] == "7"
    await child.stop()
    assert child.ended.result() == -15
    assert not psutil.pid_exists(child.pid)


async def test_a_ready_file_is_waited_for(tasks: Tasks, tmp_path: Path) -> None:
    path = tmp_path / "ready"
    child = await start(f"import time; open({str(path)!r}, 'w').write('yes'); time.sleep(60)", tasks)
    assert await child.wrote(path, soon()) == b"yes"
    await child.stop()


async def test_a_process_that_ends_early_is_told_with_its_last_words(tasks: Tasks, tmp_path: Path) -> None:
    child = await start("import sys; print('first'); sys.exit('no such port')", tasks)
    with pytest.raises(DemoError, match=r"(?s)it ended with exit code 1.*first.*no such port"):
        await child.said(READY, soon())
    with pytest.raises(DemoError, match="exit code 1"):
        await child.wrote(tmp_path / "ready", soon())
    await child.stop()


async def test_a_process_that_is_never_ready_is_told(tasks: Tasks, tmp_path: Path) -> None:
    child = await start("import time; time.sleep(60)", tasks)
    with pytest.raises(DemoError, match="it was not ready in time"):
        await child.said(READY, soon(0.05))
    with pytest.raises(DemoError, match="it was not ready in time"):
        await child.wrote(tmp_path / "ready", soon(0.05))
    await child.stop()


async def test_a_process_that_does_not_stop_is_killed(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_processes, "_STOP_SECONDS", 0.1)
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready 1'); time.sleep(60)"
    child = await start(script, tasks)
    await child.said(READY, soon())
    await child.stop()
    assert child.ended.result() == -9


async def test_only_the_last_lines_are_kept(tasks: Tasks) -> None:
    child = await start("for n in range(1000): print('line', n)", tasks)
    await child.ended
    assert "line 999" in child.output
    assert "line 900" not in child.output


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_an_end_is_put_in_words() -> None:
    assert how_it_ended(-9) == "was ended by signal 9"
    assert how_it_ended(3) == "ended with exit code 3"
