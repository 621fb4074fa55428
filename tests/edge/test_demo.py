"""`edge demo` as a process: everything works, it says so, and nothing stays behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

COMMAND = [sys.executable, "-m", "edge.cli", "demo"]
SECONDS = 60


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder for temporary files, which is empty at the end."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def processes(folder: Path) -> list[psutil.Process]:
    """The processes that were started with this folder for their temporary files."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(folder) and process.pid != os.getpid():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@pytest.fixture
def lines() -> list[str]:
    """The lines to paste into a shell that the demo has printed."""
    return []


@pytest.fixture
def demo(folder: Path, lines: list[str]) -> Iterator[subprocess.Popen[str]]:
    """`edge demo` that keeps running, read up to the words that say so."""
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if re.match(r"  \S*(grpcurl|edge|curl|python3?) ", line):
                lines.append(line.strip())
            if "Ctrl-C stops it" in line:
                break
        else:
            pytest.fail(f"the demo ended:\n{said}")
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        for left in processes(folder):
            left.kill()


def test_once_shows_everything_and_leaves_nothing(folder: Path) -> None:
    ended = subprocess.run([*COMMAND, "--once"], capture_output=True, text=True, check=False, timeout=SECONDS)
    said = ended.stdout
    assert ended.returncode == 0, said + ended.stderr
    assert ended.stderr == ""
    assert "\x1b" not in said
    turns = re.findall(r"GetShelf \(unary\) .* (one|two) ", said)
    assert sorted(turns[:2]) == ["one", "two"]
    assert turns[:2] == turns[2:]
    for words in (
        "StreamBooks (server stream)",
        "ImportBooks (client stream)",
        "RecommendBooks (both ways)",
        "FAILED_PRECONDITION",
        "OUT_OF_STOCK",
        "NO_ROUTE",
        "routes/bookstore",
        "routes/only-two",
        "grpcurl -plaintext",
        "edge explain bookstore.v1",
        'application/json: {"name":"shelves/fiction"',
        "did you mean `title`?",
        "application/x-ndjson: 3 lines",
        "text/event-stream: 4 events",
        "image/svg+xml: <svg",
        "2 of 2 answers, closed with 1000",
        '{"code":"failed_precondition"',
        "a message of 28 bytes, trailers grpc-status: 0",
        '{"openapi":"3.1',
    ):
        assert words in said
    assert len(re.findall(r" ms  yes$", said, re.MULTILINE)) == 15
    assert not re.search(r"\bno$", said, re.MULTILINE)
    assert len(re.findall(r"GetShelf, x-demo: two .* two ", said)) == 3
    assert list(folder.iterdir()) == []
    assert processes(folder) == []


def run(lines: list[str]) -> dict[str, str]:
    """What each line said. All but the order by gRPC of a book that is sold out succeed."""
    answers = {}
    for line in lines:
        ended = subprocess.run(line, shell=True, capture_output=True, text=True, check=False, timeout=SECONDS)
        answers[line] = ended.stdout + ended.stderr
        assert (ended.returncode == 0) == ("BookstoreService/OrderBook" not in line or "curl -i" in line), answers[line]
    return answers


def test_the_lines_to_try_work_as_they_are(demo: subprocess.Popen[str], lines: list[str]) -> None:
    # tap goes on until Ctrl-C, and curl is no Python package
    answers = run([line for line in lines if " tap " not in line and not line.startswith("curl ")])
    said = "\n".join(answers.values())
    for words in (
        "bookstore.v1.BookstoreService",
        "gateway.v1.RouteService",
        "google.rpc.PreconditionFailure",
        "routes/only-two",
        "REST by the rule GET /v1/{name=shelves/*}",
        "openapi: 3.1.0",
        '"subject":"future"',
        "closed with 1000: OK",
    ):
        assert words in said
    assert "x-served-by: one" in next(answers[line] for line in lines if "x-demo: one" in line)


@pytest.mark.all
def test_the_lines_for_curl_work_as_they_are(demo: subprocess.Popen[str], lines: list[str]) -> None:
    answers = run([line for line in lines if line.startswith("curl ")])
    assert len(answers) == 14
    said = "\n".join(answers.values())
    for words in (
        '{"name":"shelves/fiction","theme":"Fiction"',
        "HTTP/1.1 400 Bad Request",
        "did you mean `title`?",
        "event: end",
        "content-type: image/svg+xml",
        '{"code":"failed_precondition"',
        "AAAAABwKD3NoZWx2ZXMvZmljdGlvbhIHRmljdGlvbhgE",
        '"rule":"GET /v1/{name=shelves/*}"',
        '"openapi":"3.1.0"',
    ):
        assert words in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(demo: subprocess.Popen[str], folder: Path, number: signal.Signals) -> None:
    assert len(processes(folder)) == 4
    demo.send_signal(number)
    assert demo.wait(SECONDS) == 0
    assert processes(folder) == []
    assert list(folder.iterdir()) == []


def test_ctrl_c_while_it_starts_stops_everything(folder: Path) -> None:
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    assert "Starting" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert processes(folder) == []
    assert list(folder.iterdir()) == []


def test_the_death_of_a_bookstore_is_told_and_the_gateway_goes_on(demo: subprocess.Popen[str], folder: Path) -> None:
    assert demo.stdout is not None
    one = next(process for process in processes(folder) if process.cmdline()[-2:] == ["--name", "one"])
    one.kill()
    assert "bookstore one was ended by signal 9" in demo.stdout.readline()
    assert demo.poll() is None
    demo.send_signal(signal.SIGINT)
    assert demo.wait(SECONDS) == 0
    assert processes(folder) == []


def test_the_death_of_the_gateway_ends_the_demo(demo: subprocess.Popen[str], folder: Path) -> None:
    gateway = next(process for process in processes(folder) if "serve" in process.cmdline())
    gateway.kill()
    said, _ = demo.communicate(timeout=SECONDS)
    assert demo.returncode == 1
    assert "the gateway was ended by signal 9" in said
    assert processes(folder) == []


def test_ports_that_are_taken_are_told_and_avoided(folder: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # when somebody else has it already, that is as good
            taken.bind(("127.0.0.1", 8080))
            taken.listen()
        ended = subprocess.run([*COMMAND, "--once"], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert ended.returncode == 0, ended.stdout
    assert "port 8080 is taken: the gateway gets another one" in ended.stdout
    port = re.search(r"^  gateway +127\.0\.0\.1:(\d+) ", ended.stdout, re.MULTILINE)
    assert port, ended.stdout
    assert port[1] != "8080"
    assert f"grpcurl -plaintext 127.0.0.1:{port[1]} list" in ended.stdout
